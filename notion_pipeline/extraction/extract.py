"""What the extraction hands to the catalog, and what the catalog gives back: whole reads, and what loading them did."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from notion_pipeline.extraction.read_counts import ReadCounts
from notion_pipeline.extraction.staging import Stage
from notion_pipeline.rows.batch import RowSchema


@dataclass(frozen=True)
class Extract:
    """One data source, read whole and staged.

    Attributes:
        title, url: Of the database.
        sync_type: What was asked for: FULL_TABLE or INCREMENTAL.
        full: Whether everything was read, archived rows too; the table then becomes exact.
        reason: Why everything was read though it was not asked for; empty otherwise.
        start_date: Pages last edited before it were not read.
        excluded: Names and ids of the properties left out.
        excluded_ids: The ids that the read found for the names among them, by the name's mark.
        snapshot, fingerprint: The schema the rows were read under.
        schema_changes: Against the schema of the sync before, as `SchemaChange.as_json` gives them.
        hidden_relations: Data source id a relation points to and the connection cannot see, by property id.
        unclear_relations: Why Notion would not say whether it can be seen, by property id.
    """

    source: str
    database_id: str
    data_source_id: str
    data_source_name: str
    title: str
    url: str
    stage: Stage
    schema: RowSchema
    sync_type: str
    full: bool
    deleted_rows: str
    account: str
    start_date: datetime | None
    excluded: tuple[str, ...]
    snapshot: dict[str, Any]
    fingerprint: str
    schema_changes: tuple[dict[str, Any], ...]
    hidden_relations: dict[str, str]
    table_name: str
    counts: ReadCounts
    reason: str = ""
    unclear_relations: dict[str, str] = field(default_factory=dict)
    excluded_ids: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @property
    def read(self) -> str:
        """What was really read, whatever was asked for: full or incremental."""
        return "full" if self.full else "incremental"


@dataclass
class DatabaseExtract:
    """All data sources of one database that were read, and why those that were not are missing.

    `release` gives the database's lock back; whoever loads the extract calls it, also where loading fails.
    """

    database_id: str
    title: str
    url: str
    stream: str
    extracts: list[Extract] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)
    already_committed: bool = False
    release: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class LoadResult:
    """What one extract did to its table.

    Attributes:
        table: `schema.table`.
        row_count: Rows of the table afterwards, those marked as deleted included.
        columns: Name, DuckDB type and comment of each column, in order.
        values_not_computed: Formulas and rollups that Notion did not compute, in the rows read.
        values_not_converted: Values that did not fit their type, intact in `properties`, and texts of the rows with
            what is no character, which is replaced.
    """

    table: str
    row_count: int
    columns: tuple[tuple[str, str, str | None], ...]
    rows_read: int
    rows_inserted: int
    rows_updated: int
    rows_unchanged: int
    rows_removed: int
    values_not_computed: int
    values_not_converted: int
    bookmark: datetime
    last_full_sync_at: datetime | None
    schema_changes: tuple[dict[str, Any], ...]
