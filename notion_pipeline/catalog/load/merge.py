"""Lands one extract in its table: rows, schema changes, bookmark and history in the caller's transaction.

No primary key and no ON CONFLICT: staged rows are made distinct, compared by content, and what changed is deleted and
inserted. Rows that did not change are not written, so `_synced_at` tells when a row's content last changed here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

import duckdb

from notion_pipeline.catalog import state as bookkeeping
from notion_pipeline.catalog.additions.declarations import declarations, own_columns
from notion_pipeline.catalog.additions.obstacles import naming_what_is_in_the_way
from notion_pipeline.catalog.listing.resolved import keep_names
from notion_pipeline.catalog.load.comments import comments_of, keep_comments
from notion_pipeline.catalog.load.computed_types import computed_column_sql, decide_computed_types, forget_kept_values
from notion_pipeline.catalog.load.limits import limits_of
from notion_pipeline.catalog.load.schema_evolution import (
    PlannedColumn,
    columns_of_ours,
    create_table,
    evolve_table,
    plan_columns,
)
from notion_pipeline.catalog.load.staged_rows import incoming_rows, load_staged
from notion_pipeline.catalog.load.unread_rows import forget_excluded
from notion_pipeline.catalog.load.users import forget_users, merge_users, note_users_of
from notion_pipeline.catalog.sql import column_types, quote
from notion_pipeline.catalog.state import StreamState
from notion_pipeline.config.sources import KnownNames
from notion_pipeline.extraction.extract import Extract, LoadResult
from notion_pipeline.extraction.staging import PLACE
from notion_pipeline.rows.batch import DELETED_AT, NOT_COMPUTED, NOT_CONVERTED, PAGE_COLUMNS, SYNCED_AT
from notion_pipeline.rows.properties import COMPUTED, Exclusion, exclusion_marks


def merge(
    connection: duckdb.DuckDBPyConnection,
    extract: Extract,
    state: StreamState,
    run_id: str,
    now: datetime | None = None,
) -> LoadResult:
    """Makes the table what the extract says it is.

    Args:
        state: Of this data source, read in the same transaction.
        now: Local time of the commit, aware.
    """
    finished_at = now or datetime.now(timezone.utc)
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quote(extract.source)}")
    load_staged(connection, extract)
    table = (extract.source, state.table_name)
    mark = extract.deleted_rows == "mark"
    with naming_what_is_in_the_way(connection, table, columns_of_ours(state.columns)):
        forgotten = 0 if mark or not state.has_table else _forget_marked(connection, table)
        excludes_more = bool(set(exclusion_marks(extract.excluded)) - set(state.excluded))
        if excludes_more:
            exclusion, columns = Exclusion(extract.excluded), state.columns if state.has_table else ()
            gone = [column for column in columns if exclusion.covers(column.property_name, column.property_id)]
            note_users_of(connection, table, gone)
        planned, is_made_anew = _prepare_table(connection, extract, state, table, mark=mark)
        counts = _merge(connection, extract, table, planned, finished_at, mark=mark)
        counts["rows_removed"] += forgotten
        if excludes_more:
            forget_excluded(connection, table, Exclusion(extract.excluded))
    merge_users(connection, extract, finished_at)
    kinds = column_types(connection, table)
    limits = limits_of(connection, extract, table, planned, values_not_computed=counts["values_not_computed"])
    on_table, known_comments = comments_of(extract, planned, limits)
    comments = {column: known_comments[column] for column in kinds if column in known_comments}
    noted = bookkeeping.noted_comments(connection, state)
    commented = keep_comments(connection, table, on_table, comments, noted=noted, is_made_anew=is_made_anew)
    bookkeeping.record_read(
        connection,
        state,
        sync_type=extract.sync_type,
        bookmark=extract.stage.bookmark,
        fingerprint=extract.fingerprint,
        columns=[_recorded(plan, kinds[plan.column]) for plan in planned],
        finished_at=finished_at,
        full=extract.full,
        account=extract.account,
        start_date=extract.start_date,
        excluded=exclusion_marks(extract.excluded),
        snapshot=extract.snapshot,
        hidden_relations=extract.hidden_relations,
        comments=commented,
        limits=limits.as_json(),
    )
    if excludes_more:
        forget_users(connection, extract.source)
    archived_refused = extract.counts.archived_refused if extract.full else state.archived_refused
    bookkeeping.note_refusals(connection, state, archived_refused, extract.unclear_relations)
    if extract.excluded_ids:
        found = {(extract.database_id, mark): ids for mark, ids in extract.excluded_ids.items()}
        keep_names(connection, extract.source, KnownNames(properties=found))
    bookkeeping.record_sync(
        connection,
        {
            "run_id": run_id,
            "source": extract.source,
            "database_id": extract.database_id,
            "data_source_id": extract.data_source_id,
            "stage_id": extract.stage.manifest.stage_id,
            "sync_type": extract.sync_type,
            "started_at": extract.stage.started_at,
            "finished_at": finished_at,
            **{name: value for name, value in counts.items() if name.startswith("rows_")},
            "api_requests": extract.counts.api_requests,
            "api_retries": extract.counts.api_retries,
            "bookmark_before": state.bookmark,
            "bookmark_after": extract.stage.bookmark,
            "schema_changes": json.dumps(list(extract.schema_changes), ensure_ascii=False),
            "read": extract.read,
            "reason": extract.reason or None,
        },
    )
    connection.execute("DROP TABLE staged")
    row_count = _one(connection, f"SELECT count(*) FROM {quote(*table)}")
    return LoadResult(
        table=f"{table[0]}.{table[1]}",
        row_count=row_count,
        columns=tuple((name, kind, comments.get(name, "")) for name, kind in kinds.items()),
        bookmark=extract.stage.bookmark,
        last_full_sync_at=finished_at if extract.full else state.last_full_sync_at,
        schema_changes=extract.schema_changes,
        **counts,
    )


def _prepare_table(
    connection: duckdb.DuckDBPyConnection, extract: Extract, state: StreamState, table: tuple[str, str], *, mark: bool
) -> tuple[list[PlannedColumn], bool]:
    """The columns as they are now, and whether the table was made, or made anew, for them."""
    existing = state.columns if state.has_table else ()
    decision = decide_computed_types(connection, extract, existing, table if state.has_table else None)
    exclusion = Exclusion(extract.excluded)
    columns = list(column_types(connection, table)) if state.has_table else []
    planned = plan_columns(
        existing,
        extract.schema.properties,
        decision.types,
        keep_removed=extract.sync_type != "FULL_TABLE",
        excluded_ids=[c.property_id for c in existing if exclusion.covers(c.property_name, c.property_id)],
        taken=own_columns(columns, columns_of_ours(existing)),
    )
    if not state.has_table:
        create_table(connection, table, planned, mark=mark)
        return planned, True
    is_made_anew = evolve_table(connection, table, planned, existing, mark=mark, recomputed=decision.recomputed)
    forget_kept_values(connection, decision)
    return planned, is_made_anew


def _forget_marked(connection: duckdb.DuckDBPyConnection, table: tuple[str, str]) -> int:
    """Removes what was marked as deleted before `deleted_rows` became `remove`: unmarked, it would look alive."""
    if DELETED_AT not in column_types(connection, table):
        return 0
    marked = f"FROM {quote(*table)} WHERE {DELETED_AT} IS NOT NULL"
    count = _one(connection, f"SELECT count(*) {marked}")
    if count:
        connection.execute(f"DELETE {marked}")
    return count


def _merge(
    connection: duckdb.DuckDBPyConnection,
    extract: Extract,
    table: tuple[str, str],
    planned: Sequence[PlannedColumn],
    now: datetime,
    *,
    mark: bool,
) -> dict[str, Any]:
    target = quote(*table)
    live = [plan for plan in planned if plan.prop is not None]
    values = {name: _page_value(name, kind) for name, kind in PAGE_COLUMNS} | {p.column: _value(p) for p in live}
    found: dict[str, int] = {}
    if extract.stage.rows:
        _judge(connection, extract, target, values, mark=mark)
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
    """For `_write_changed`: the user's columns keep what a row held, and have their default in a new row."""
    ours = {*columns_of_ours(()), *(plan.column for plan in planned)}
    own = own_columns(list(column_types(connection, table)), ours)
    declared = declarations(connection, table) if own else {}
    return {
        name: f"CASE WHEN l.id IS NULL THEN {declared[name].value_by_default} ELSE l.{quote(name)} END"
        for name in own
        if not declared[name].generated
    }


def _judge(
    connection: duckdb.DuckDBPyConnection, extract: Extract, target: str, values: Mapping[str, str], *, mark: bool
) -> None:
    """Makes `row_actions`: for each page of `staged` whether its row is to be inserted, updated or left alone.

    Contents are compared by a 64-bit digest of all their columns: only versions of the same page are compared, so
    a change is missed once in 10^19.
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
    # A full read meets nearly every row; to pick them by a join would hold them all while it does.
    met = "true" if extract.full else "t.id IN (SELECT id FROM staged)"
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE row_actions AS
        SELECT s.id, s.{PLACE},
            CASE WHEN t.id IS NULL THEN 'inserted' WHEN t.digest <> d.digest OR t.is_marked THEN 'updated'
            ELSE 'unchanged' END AS action
        FROM staged s JOIN digests d ON d.{PLACE} = s.{PLACE}
        LEFT JOIN (
            SELECT t.id, {current} AS digest, {is_marked} AS is_marked FROM {target} t WHERE {met}
        ) t ON t.id = s.id
        """
    )
    connection.execute("DROP TABLE digests")


def _digest(values: Iterable[str]) -> str:
    """SQL of a row's digest. DuckDB's hash takes an empty list and NULL for the same, so what is NULL counts too."""
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
    """Replaces the rows that changed; columns of properties that are gone, and the user's own, keep their values.

    Args:
        kept: SQL over what a row held there before (alias l), by column.
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
    """Takes out what is gone from Notion; what the start date leaves out is gone for FULL_TABLE only.

    Where Notion did not give the archived rows, those that the table has as such are not known to be gone.
    """
    gone = f"FROM {target} WHERE id NOT IN (SELECT id FROM staged)"
    parameters: list[Any] = []
    removed = 0
    if extract.start_date is not None:
        if extract.sync_type == "FULL_TABLE":
            removed += _one(connection, f"SELECT count(*) {gone} AND last_edited_time < ?", [extract.start_date])
            if removed:
                connection.execute(f"DELETE {gone} AND last_edited_time < ?", [extract.start_date])
        gone += " AND last_edited_time >= ?"
        parameters = [extract.start_date]
    if extract.counts.archived_refused:
        gone += " AND is_archived IS NOT TRUE"
    if mark:
        gone += f" AND {DELETED_AT} IS NULL"
    count = _one(connection, f"SELECT count(*) {gone}", parameters)
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


def _recorded(plan: PlannedColumn, duckdb_type: str) -> dict[str, Any]:
    return {
        "property_id": plan.property_id,
        "property_name": plan.property_name,
        "property_type": plan.property_type,
        "column": plan.column,
        "duckdb_type": duckdb_type,
    }


def _one(connection: duckdb.DuckDBPyConnection, query: str, parameters: Sequence[Any] = ()) -> int:
    return int(connection.execute(query, list(parameters)).fetchall()[0][0])
