"""What is known of each data source before it is read."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import duckdb
import orjson

from notion_pipeline.catalog.sql import column_types, is_table, tables_in
from notion_pipeline.catalog.state.former_tables import former_states
from notion_pipeline.catalog.state.tables import STREAMS, has_bookkeeping
from notion_pipeline.catalog.state.versions import SCHEMA


@dataclass(frozen=True)
class Column:
    """A property's column, as `streams.columns` records it."""

    property_id: str
    property_name: str
    property_type: str
    column: str
    duckdb_type: str


@dataclass(frozen=True)
class StreamState:
    """What the catalog knows of a data source.

    Attributes:
        bookmark: Server minute up to which the table is complete; None before the first sync.
        snapshot: The schema of the last sync, as `properties.schema_snapshot` gives it.
        account, start_date, excluded: Settings of the last read; excluded properties by mark, not by name.
        hidden_relations: Target of each relation that the connection could not see: data source id by property id.
        next_read_is_full: Set when a database disappeared and came back, or a data source moved to another database.
        has_table: Whether our table exists; somebody may have dropped it. A table that existed before the first sync
            is not ours.
        archived_refused: Why Notion did not give the archived rows at the last full read; empty where it did.
        unclear_relations: Why Notion would not say whether the target of a relation can be seen, by property id.
    """

    source: str
    database_id: str
    data_source_id: str
    table_name: str
    sync_type: str
    bookmark: datetime | None
    fingerprint: str | None
    columns: tuple[Column, ...]
    last_sync_at: datetime | None
    last_full_sync_at: datetime | None
    account: str | None
    start_date: datetime | None
    excluded: tuple[str, ...]
    snapshot: dict[str, Any] | None
    hidden_relations: dict[str, str]
    next_read_is_full: bool
    has_table: bool
    archived_refused: str = ""
    unclear_relations: dict[str, str] = field(default_factory=dict)


def stream_states(
    connection: duckdb.DuckDBPyConnection, source: str, only: Collection[str] | None = None
) -> dict[str, StreamState]:
    """The state of each data source of a source, by its id.

    Args:
        only: Ids of the data sources wanted; None for all.
    """
    wanted = None if only is None else list(only)
    is_present = is_table(connection, (SCHEMA, STREAMS.name))
    states = "_notion_pipeline.stream_states" if is_present else former_states(connection)
    rows = connection.execute(
        f"""
        SELECT database_id, data_source_id, table_name, sync_type, bookmark, schema_fingerprint, columns,
               last_sync_at, last_full_sync_at, account, start_date, excluded, schema, hidden_relations,
               coalesce(next_read_is_full, false), coalesce(archived_refused, ''), unclear_relations
        FROM {states} WHERE source = ? AND (?::VARCHAR[] IS NULL OR list_contains(?, data_source_id))
        """,
        [source, wanted, wanted],
    ).fetchall()
    listed = None if only is not None and len(only) == 1 else tables_in(connection, source)

    def exists(table: str) -> bool:
        return is_table(connection, (source, table)) if listed is None else table.lower() in listed

    return {
        row[1]: StreamState(
            source=source,
            database_id=row[0],
            data_source_id=row[1],
            table_name=row[2],
            sync_type=row[3],
            bookmark=row[4],
            fingerprint=row[5],
            columns=tuple(Column(**column) for column in orjson.loads(row[6] or "[]")),
            last_sync_at=row[7],
            last_full_sync_at=row[8],
            account=row[9],
            start_date=row[10],
            excluded=tuple(orjson.loads(row[11] or "[]")),
            snapshot=orjson.loads(row[12]) if row[12] else None,
            hidden_relations=orjson.loads(row[13] or "{}"),
            next_read_is_full=row[14],
            has_table=row[7] is not None and exists(row[2]),
            archived_refused=row[15],
            unclear_relations=orjson.loads(row[16] or "{}"),
        )
        for row in rows
    }


@dataclass(frozen=True)
class NotedRead:
    """What the last sync of a data source recorded about its comments and its limits; None where it recorded nothing.

    Attributes:
        comments: The comments it wrote; see `load.comments.keep_comments`.
        limits: See `load.limits.Limits`.
    """

    comments: str | None = None
    limits: str | None = None


def noted_reads(
    connection: duckdb.DuckDBPyConnection, source: str, data_sources: Collection[str]
) -> dict[str, NotedRead]:
    """What the last syncs of these data sources recorded, by id."""
    rows = connection.execute(
        "SELECT data_source_id, comments, limits FROM _notion_pipeline.reads "
        "WHERE source = ? AND list_contains(?, data_source_id)",
        [source, list(data_sources)],
    ).fetchall()
    return {row[0]: NotedRead(row[1], row[2]) for row in rows}


def noted_limits(connection: duckdb.DuckDBPyConnection, source: str) -> dict[str, str]:
    """What the last sync of each data source recorded as its limits, by its id; see `load.limits.Limits`."""
    if not has_bookkeeping(connection) or "limits" not in column_types(connection, (SCHEMA, "reads")):
        return {}  # a catalog that an earlier version wrote
    rows = connection.execute(
        "SELECT data_source_id, limits FROM _notion_pipeline.reads WHERE source = ? AND limits IS NOT NULL", [source]
    ).fetchall()
    return dict(rows)


def committed_bookmarks(connection: duckdb.DuckDBPyConnection | None, source: str) -> dict[str, datetime]:
    """The server minute up to which each data source is complete in the catalog, by its id.

    A data source whose table is gone, or whose next read must be full, is left out.
    """
    if connection is None or not has_bookkeeping(connection):
        return {}
    rows = connection.execute(
        """
        SELECT s.data_source_id, s.bookmark
        FROM _notion_pipeline.streams s
        JOIN duckdb_tables() t ON t.database_name = current_database() AND t.schema_name = s.source
             AND lower(t.table_name) = lower(s.table_name)
        LEFT JOIN _notion_pipeline.reads r ON r.source = s.source AND r.data_source_id = s.data_source_id
        WHERE s.source = ? AND s.bookmark IS NOT NULL AND NOT coalesce(r.next_read_is_full, false)
        """,
        [source],
    ).fetchall()
    return {row[0]: row[1] for row in rows}
