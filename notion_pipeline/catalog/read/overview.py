"""The streams in the catalog with their tables, rows and last syncs, for the commands that show them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

import duckdb

from notion_pipeline.catalog import state as bookkeeping
from notion_pipeline.catalog.listing.known_databases import has_databases
from notion_pipeline.catalog.sql import names_in, quote, text
from notion_pipeline.database_ref import DatabaseRef

#: Tables counted by one statement: DuckDB is slow to plan very large ones.
_COUNTED_AT_ONCE = 200


@dataclass(frozen=True)
class StreamTable:
    """A data source and its table.

    Attributes:
        rows: None before the first sync.
    """

    data_source_id: str
    name: str
    table: str
    rows: int | None
    last_sync_at: datetime | None
    last_full_sync_at: datetime | None


@dataclass(frozen=True)
class CatalogStream(DatabaseRef):
    """A database as of the last listing and the syncs since."""

    accessible: bool
    last_seen_at: datetime
    tables: tuple[StreamTable, ...]

    @property
    def rows(self) -> int | None:
        """The rows of all its tables; None before the first sync."""
        counts = [table.rows for table in self.tables if table.rows is not None]
        return sum(counts) if counts else None

    @property
    def last_sync_at(self) -> datetime | None:
        """When the whole database was last synced: the earliest time of its data sources."""
        moments = [table.last_sync_at for table in self.tables]
        return min((moment for moment in moments if moment), default=None) if all(moments) else None


def catalog_streams(connection: duckdb.DuckDBPyConnection | None, source: str) -> list[CatalogStream] | None:
    """Every database that a listing has found so far, by title; None before the first listing."""
    if connection is None or not has_databases(connection, source):
        return None
    listed = connection.execute(
        "SELECT id, coalesce(title, ''), coalesce(url, ''), accessible, last_seen_at, data_sources "
        f"FROM {quote(source, 'databases')} ORDER BY lower(title), id"
    ).fetchall()
    synced = _synced(connection, source)
    rows = count_rows(connection, source, [table for table, _, full in synced.values()])
    return [
        CatalogStream(
            *(row[0], row[1], row[2], row[3], row[4]),
            tuple(_table(entry, synced.get(entry["id"]), rows) for entry in row[5] or []),
        )
        for row in listed
    ]


def archived_rows_refused(connection: duckdb.DuckDBPyConnection, source: str) -> list[str]:
    """A line for each table whose archived rows Notion refused at the last full read."""
    if not bookkeeping.has_bookkeeping(connection):
        return []
    return [
        f"The archived rows of {source}.{state.table_name} were refused when it was last read in full "
        f"({state.archived_refused}); those that the table has are kept, others are missing."
        for state in bookkeeping.stream_states(connection, source).values()
        if state.archived_refused
    ]


def list_table(connection: duckdb.DuckDBPyConnection | None, source: str) -> StreamTable | None:
    """The table `S.databases` itself; None before the first listing."""
    if connection is None or not has_databases(connection, source):
        return None
    rows, seen = connection.execute(f"SELECT count(*), max(last_seen_at) FROM {quote(source, 'databases')}").fetchall()[
        0
    ]
    return StreamTable("", "", "databases", rows, seen, seen)


def _table(
    entry: dict[str, str], synced: tuple[str, datetime | None, datetime | None] | None, rows: dict[str, int]
) -> StreamTable:
    # The listing's table names may be older than a rename in sources.yaml; the bookkeeping's are always right.
    table, last, full = synced or (entry["table_name"], None, None)
    return StreamTable(entry["id"], entry["name"] or "", table, rows.get(table) if last else None, last, full)


def _synced(
    connection: duckdb.DuckDBPyConnection, source: str
) -> dict[str, tuple[str, datetime | None, datetime | None]]:
    if not bookkeeping.has_bookkeeping(connection):
        return {}
    found = connection.execute(
        "SELECT data_source_id, table_name, last_sync_at, last_full_sync_at FROM _notion_pipeline.streams "
        "WHERE source = ?",
        [source],
    ).fetchall()
    return {row[0]: (row[1], row[2], row[3]) for row in found}


def held_names(connection: duckdb.DuckDBPyConnection | None, source: str) -> tuple[dict[str, str], set[str]]:
    """Table name by data source id, and the tables and views of the source's schema that are not ours."""
    if connection is None:
        return {}, set()
    synced = _synced(connection, source)
    ours = {table.lower() for table, last, _ in synced.values() if last is not None} | {"databases"}
    foreign = {name for name in names_in(connection, source) if name.lower() not in ours}
    return {key: table for key, (table, _, _) in synced.items()}, foreign


def count_rows(connection: duckdb.DuckDBPyConnection, source: str, tables: Sequence[str]) -> dict[str, int]:
    """Rows by table, for tables that exist. DuckDB counts by its metadata, without reading the rows."""
    current = names_in(connection, source)
    wanted = iter([table for table in dict.fromkeys(tables) if table in current])
    found: dict[str, int] = {}
    for some in _chunks(wanted):
        counts = " UNION ALL ".join(f"SELECT {text(name)}, count(*) FROM {quote(source, name)}" for name in some)
        found.update(dict(connection.execute(counts).fetchall()))
    return found


def _chunks(names: Iterator[str]) -> Iterator[list[str]]:
    while some := list(islice(names, _COUNTED_AT_ONCE)):
        yield some
