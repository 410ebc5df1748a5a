"""Makes the rows of a table those of an extract: compares staged rows by content, replaces what changed, removes.

No primary key and no ON CONFLICT: a changed row is deleted and inserted. Rows that did not change are not written, so
`_synced_at` tells when a row's content last changed here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import duckdb

from notion_pipeline.catalog.additions.declarations import declarations, own_columns
from notion_pipeline.catalog.load.computed_types import computed_column_sql
from notion_pipeline.catalog.load.schema_evolution import PlannedColumn, columns_of_ours
from notion_pipeline.catalog.load.staged_rows import incoming_rows
from notion_pipeline.catalog.sql import column_types, count_of, quote
from notion_pipeline.extraction.extract import Extract
from notion_pipeline.extraction.staging import PLACE
from notion_pipeline.rows.batch import DELETED_AT, NOT_COMPUTED, NOT_CONVERTED, PAGE_COLUMNS, SYNCED_AT
from notion_pipeline.rows.properties import COMPUTED


def forget_marked(connection: duckdb.DuckDBPyConnection, table: tuple[str, str]) -> int:
    """Removes rows that were marked as deleted before `deleted_rows` became `remove`; returns how many."""
    if DELETED_AT not in column_types(connection, table):
        return 0
    marked = f"FROM {quote(*table)} WHERE {DELETED_AT} IS NOT NULL"
    count = count_of(connection, f"SELECT count(*) {marked}")
    if count:
        connection.execute(f"DELETE {marked}")
    return count


def merge_rows(
    connection: duckdb.DuckDBPyConnection,
    extract: Extract,
    table: tuple[str, str],
    planned: Sequence[PlannedColumn],
    now: datetime,
    *,
    mark: bool,
) -> dict[str, Any]:
    """Merges staged rows into the table; the counts of `LoadResult`, by name."""
    target = quote(*table)
    live = [plan for plan in planned if plan.prop is not None]
    values = {name: _page_value(name, kind) for name, kind in PAGE_COLUMNS} | {p.column: _value(p) for p in live}
    found: dict[str, int] = {}
    if extract.stage.rows:
        _decide_row_actions(connection, extract, target, values, mark=mark)
        found = dict(connection.execute("SELECT action, count(*) FROM row_actions GROUP BY action").fetchall())
    if found.get("updated") or found.get("inserted"):
        kept = {plan.column: f"l.{quote(plan.column)}" for plan in planned if plan.prop is None}
        kept |= _own_values(connection, table, planned)
        _write_changed(connection, extract, target, values, kept=kept, now=now)
    removed = _remove(connection, extract, target, now, mark=mark) if extract.full else 0
    connection.execute("DROP TABLE IF EXISTS row_actions")
    not_computed, not_converted = connection.execute(
        f"SELECT coalesce(sum({NOT_COMPUTED}), 0)::BIGINT, coalesce(sum({NOT_CONVERTED}), 0)::BIGINT FROM staged"
    ).fetchall()[0]
    return {
        "rows_read": sum(found.values()),
        "rows_inserted": found.get("inserted", 0),
        "rows_updated": found.get("updated", 0),
        "rows_unchanged": found.get("unchanged", 0),
        "rows_removed": removed,
        "values_not_computed": not_computed,
        "values_not_converted": not_converted,
    }


def _own_values(
    connection: duckdb.DuckDBPyConnection, table: tuple[str, str], planned: Sequence[PlannedColumn]
) -> dict[str, str]:
    """SQL of the user's columns, for `_write_changed`: the row's former value, or the default in a new row."""
    ours = {*columns_of_ours(()), *(plan.column for plan in planned)}
    own = own_columns(list(column_types(connection, table)), ours)
    declared = declarations(connection, table) if own else {}
    return {
        name: f"CASE WHEN l.id IS NULL THEN {declared[name].value_by_default} ELSE l.{quote(name)} END"
        for name in own
        if not declared[name].generated
    }


def _decide_row_actions(
    connection: duckdb.DuckDBPyConnection, extract: Extract, target: str, values: Mapping[str, str], *, mark: bool
) -> None:
    """Makes `row_actions`: whether the row of each page in `staged` is inserted, updated or unchanged.

    Contents are compared by a 64-bit digest of all their columns. Only versions of one page are compared, so one change
    in 10^19 is missed.
    """
    if not connection.execute(f"SELECT 1 FROM {target} LIMIT 1").fetchall():
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE row_actions AS SELECT id, {PLACE}, 'inserted' AS action FROM staged"
        )
        return
    with incoming_rows(connection, extract, f"SELECT {PLACE} FROM staged") as incoming:
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE digests AS SELECT s.{PLACE}, {_digest(values.values())} AS digest "
            f"FROM {incoming} s"
        )
    current = _digest(f"t.{quote(name)}" for name in values)
    is_marked = f"t.{quote(DELETED_AT)} IS NOT NULL" if mark else "false"
    # A full read has nearly every row; a join to pick them would hold them all in memory.
    in_extract = "true" if extract.full else "t.id IN (SELECT id FROM staged)"
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE row_actions AS
        SELECT s.id, s.{PLACE},
            CASE WHEN t.id IS NULL THEN 'inserted' WHEN t.digest <> d.digest OR t.is_marked THEN 'updated'
            ELSE 'unchanged' END AS action
        FROM staged s JOIN digests d ON d.{PLACE} = s.{PLACE}
        LEFT JOIN (
            SELECT t.id, {current} AS digest, {is_marked} AS is_marked FROM {target} t WHERE {in_extract}
        ) t ON t.id = s.id
        """
    )
    connection.execute("DROP TABLE digests")


def _digest(values: Iterable[str]) -> str:
    """SQL of a row's digest. DuckDB's hash is the same for NULL and an empty list, so it takes in what is NULL."""
    columns = list(values)
    return f"hash({', '.join(columns)}, {', '.join(f'{column} IS NULL' for column in columns)})"


def _write_changed(
    connection: duckdb.DuckDBPyConnection,
    extract: Extract,
    target: str,
    values: Mapping[str, str],
    *,
    kept: Mapping[str, str],
    now: datetime,
) -> None:
    """Replaces the rows that changed. Columns of removed properties and of the user keep their values.

    Args:
        kept: SQL over the row's former values (alias l), by column that keeps its value.
    """
    columns, join = {**values, SYNCED_AT: "?"}, ""
    if kept:
        held = ", ".join(quote(name) for name in kept)
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE last_values AS SELECT id, {held} FROM {target} "
            "WHERE id IN (SELECT id FROM row_actions WHERE action = 'updated')"
        )
        columns.update(kept)
        join = "LEFT JOIN last_values l ON l.id = s.id"
    connection.execute(f"DELETE FROM {target} WHERE id IN (SELECT id FROM row_actions WHERE action = 'updated')")
    names = ", ".join(quote(name) for name in columns)
    with incoming_rows(connection, extract, f"SELECT {PLACE} FROM row_actions WHERE action <> 'unchanged'") as incoming:
        connection.execute(
            f"INSERT INTO {target} ({names}) SELECT {', '.join(columns.values())} FROM {incoming} s {join}", [now]
        )
    connection.execute("DROP TABLE IF EXISTS last_values")


def _remove(connection: duckdb.DuckDBPyConnection, extract: Extract, target: str, now: datetime, *, mark: bool) -> int:
    """Removes or marks the rows that are gone from Notion; returns how many.

    Rows before the start date are removed by FULL_TABLE only. Where Notion refused the archived rows, archived rows of
    the table stay: nothing tells whether they are gone.
    """
    gone = f"FROM {target} WHERE id NOT IN (SELECT id FROM staged)"
    parameters: list[Any] = []
    removed = 0
    if extract.start_date is not None:
        if extract.sync_type == "FULL_TABLE":
            removed += count_of(connection, f"SELECT count(*) {gone} AND last_edited_time < ?", [extract.start_date])
            if removed:
                connection.execute(f"DELETE {gone} AND last_edited_time < ?", [extract.start_date])
        gone += " AND last_edited_time >= ?"
        parameters = [extract.start_date]
    if extract.counts.archived_refused:
        gone += " AND is_archived IS NOT TRUE"
    if mark:
        gone += f" AND {DELETED_AT} IS NULL"
    count = count_of(connection, f"SELECT count(*) {gone}", parameters)
    if count and mark:
        where = gone.removeprefix(f"FROM {target} ")
        connection.execute(f"UPDATE {target} SET {DELETED_AT} = ? {where}", [now, *parameters])
    elif count:
        connection.execute(f"DELETE {gone}", parameters)
    return removed + count


def _page_value(name: str, kind: str) -> str:
    return f"s.{quote(name)}::JSON" if kind == "JSON" else f"s.{quote(name)}"


def _value(plan: PlannedColumn) -> str:
    """The staged value of a property as its column holds it."""
    staged = f"s.p{plan.position}"
    if plan.property_type in COMPUTED:
        return computed_column_sql(staged, plan.duckdb_type)
    return f"{staged}::{plan.duckdb_type}"
