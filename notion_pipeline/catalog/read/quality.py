"""The figures for a source's checks: its present tables, compared with the history of their syncs.

One read-only transaction covers all tables of a run. Values are searched only in tables where some were not converted:
to read the raw properties of every row after each sync would take longer than the sync.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

import duckdb

from notion_pipeline.catalog import state as bookkeeping
from notion_pipeline.catalog.dialect import dialect_of
from notion_pipeline.catalog.read.inventory import synced_tables
from notion_pipeline.catalog.read.table_index import SyncedTable
from notion_pipeline.catalog.sql import column_types, json_pointer, quote
from notion_pipeline.catalog.state import Column, StreamState
from notion_pipeline.rows.batch import DELETED_AT

#: How many rows are named; the table has the rest.
ROWS_NAMED = 10
#: How long a change of a schema is reported, unless somebody acknowledges it before.
SCHEMA_CHANGES_TOLD = timedelta(days=7)
#: Places of the content in a raw value, for the types whose content may not fit the column.
_CONTENTS = {
    "number": ("number",),
    "date": ("date",),
    "created_time": ("created_time",),
    "last_edited_time": ("last_edited_time",),
    "unique_id": ("unique_id/number",),
    "formula": ("formula/number", "formula/string", "formula/boolean", "formula/date"),
    "rollup": ("rollup/number", "rollup/date"),
}


@dataclass(frozen=True)
class Expected:
    """How many rows a table should have: those of its last full read, and the new ones since.

    Attributes:
        most: More than `least` if the table may have rows that no read since brought, because they were marked as
            deleted and came back. None if there may be any number of them: rows before a start date, or archived rows
            that Notion refused.
    """

    least: int
    most: int | None

    def holds(self, rows: int) -> bool:
        return self.least <= rows and (self.most is None or rows <= self.most)


@dataclass(frozen=True)
class LostValue:
    """A value that is NULL in its typed column and intact in `properties`."""

    row: str
    property_name: str
    column: str
    raw: str


@dataclass(frozen=True)
class MetChange:
    """A change of a schema, as `SchemaChange.as_json` gives it, and when the sync that found it was committed."""

    at: datetime
    change: dict[str, Any]


@dataclass(frozen=True)
class TableQuality:
    """The figures of one table.

    Attributes:
        rows: Rows that are not marked as deleted.
        repeated_ids: The first few ids that several rows have.
        repeated: How many rows there are too many because of them.
        expected: None before the first full read.
        schema_changes: Changes that syncs found in the last days and nobody has acknowledged, the oldest first.
        lost: The first few lost values; none if values were not searched.
    """

    table: SyncedTable
    rows: int
    missing_ids: int
    repeated: int
    repeated_ids: tuple[str, ...]
    expected: Expected | None
    schema_changes: tuple[MetChange, ...]
    lost: tuple[LostValue, ...]


def table_qualities(
    connection: duckdb.DuckDBPyConnection | None,
    source: str,
    *,
    tables: Collection[str],
    values_of: Collection[str],
) -> list[TableQuality]:
    """Some tables of a source, as far as syncs have filled them.

    Args:
        values_of: Tables whose values are searched row by row.
    """
    synced = [table for table in synced_tables(connection, source) if table.name in tables]
    if connection is None or not synced:
        return []
    connection.execute(f"SET memory_limit = '{dialect_of(connection).memory_limit}'")
    states = bookkeeping.stream_states(connection, source)
    since_full, schema_changes = _since_full_read(connection, source), met_changes(connection, source)
    return [
        _quality(
            connection,
            table,
            states[table.data_source_id],
            since_full.get(table.data_source_id),
            schema_changes.get(table.data_source_id, ()),
            look_at_values=table.name in values_of,
        )
        for table in synced
    ]


def _quality(
    connection: duckdb.DuckDBPyConnection,
    table: SyncedTable,
    state: StreamState,
    since_full: tuple[int, int, int] | None,
    schema_changes: tuple[MetChange, ...],
    *,
    look_at_values: bool,
) -> TableQuality:
    name = quote(state.source, table.name)
    columns = set(column_types(connection, (state.source, table.name)))
    marked = DELETED_AT in columns
    live = f"count(*) FILTER ({DELETED_AT} IS NULL)" if marked else "count(*)"
    ((rows, missing, repeated),) = connection.execute(
        f"SELECT {live}, count(*) - count(id), count(id) - count(DISTINCT id) FROM {name}"
    ).fetchall()
    ids = (
        connection.execute(
            f"SELECT id FROM {name} WHERE id IS NOT NULL GROUP BY id HAVING count(*) > 1 ORDER BY id LIMIT {ROWS_NAMED}"
        ).fetchall()
        if repeated
        else []
    )
    return TableQuality(
        table=table,
        rows=rows,
        missing_ids=missing,
        repeated=repeated,
        repeated_ids=tuple(row[0] for row in ids),
        expected=_expected(since_full, state, marked=marked),
        schema_changes=schema_changes,
        lost=_lost_values(connection, name, state, columns) if look_at_values else (),
    )


def _expected(since_full: tuple[int, int, int] | None, state: StreamState, *, marked: bool) -> Expected | None:
    """Incremental syncs remove nothing, so all rows of the last full read and all new ones since must be there."""
    if since_full is None:
        return None
    read, inserted, updated = since_full
    least = read + inserted
    is_open = state.start_date is not None or state.archived_refused
    most = None if is_open else least + (updated if marked else 0)
    return Expected(least, most)


def _since_full_read(connection: duckdb.DuckDBPyConnection, source: str) -> dict[str, tuple[int, int, int]]:
    """By data source id: rows of its last full read, and rows inserted and updated since."""
    rows = connection.execute(
        """
        SELECT s.data_source_id, any_value(f.rows_read), coalesce(sum(i.rows_inserted), 0)::BIGINT,
               coalesce(sum(i.rows_updated), 0)::BIGINT
        FROM _notion_pipeline.streams s
        JOIN _notion_pipeline.syncs f ON f.source = s.source AND f.data_source_id = s.data_source_id
             AND f.finished_at = s.last_full_sync_at
        LEFT JOIN _notion_pipeline.syncs i ON i.source = f.source AND i.data_source_id = f.data_source_id
             AND i.finished_at > f.finished_at
        WHERE s.source = ?
        GROUP BY s.data_source_id
        """,
        [source],
    ).fetchall()
    return {row[0]: (row[1], row[2], row[3]) for row in rows}


def met_changes(
    connection: duckdb.DuckDBPyConnection, source: str, now: datetime | None = None
) -> dict[str, tuple[MetChange, ...]]:
    """Changes that syncs found lately and nobody has acknowledged, each once, by data source id.

    Args:
        now: Local time, aware.
    """
    since = (now or datetime.now(timezone.utc)) - SCHEMA_CHANGES_TOLD
    acknowledged = bookkeeping.acknowledgements(connection, source)
    rows = connection.execute(
        "SELECT data_source_id, finished_at, schema_changes FROM _notion_pipeline.syncs "
        "WHERE source = ? AND finished_at > ? ORDER BY finished_at",
        [source, since],
    ).fetchall()
    found: dict[str, dict[str, MetChange]] = {}
    for key, at, changes in rows:
        if key not in acknowledged or at > acknowledged[key]:
            for change in json.loads(changes or "[]"):
                found.setdefault(key, {}).setdefault(json.dumps(change, sort_keys=True), MetChange(at, change))
    return {key: tuple(of_one.values()) for key, of_one in found.items()}


def _lost_values(
    connection: duckdb.DuckDBPyConnection, name: str, state: StreamState, columns: Collection[str]
) -> tuple[LostValue, ...]:
    found: list[LostValue] = []
    for column in state.columns:
        if column.property_type not in _CONTENTS or column.column not in columns or len(found) >= ROWS_NAMED:
            continue
        raw = _raw(column)
        rows = connection.execute(
            f"SELECT id, {raw} FROM {name} WHERE {quote(column.column)} IS NULL AND {raw} IS NOT NULL "
            f"ORDER BY id LIMIT {ROWS_NAMED - len(found)}"
        ).fetchall()
        found += [LostValue(row[0], column.property_name, column.column, row[1]) for row in rows]
    return tuple(found)


def _raw(column: Column) -> str:
    """SQL of the text of a property's raw content; NULL if it has none."""
    pointers = [json_pointer(column.property_name, place) for place in _CONTENTS[column.property_type]]
    parts = [f"json_extract_string(properties, {pointer})" for pointer in pointers]
    return f"coalesce({', '.join(parts)}, NULL)"
