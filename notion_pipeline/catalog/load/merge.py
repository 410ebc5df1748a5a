"""Loads one extract into its table: schema changes, rows, comments, bookmark and history, in one transaction."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

import duckdb

from notion_pipeline.catalog.additions.declarations import own_columns
from notion_pipeline.catalog.additions.obstacles import naming_what_is_in_the_way
from notion_pipeline.catalog.listing.resolved import keep_names
from notion_pipeline.catalog.load.comments import comments_of, keep_comments
from notion_pipeline.catalog.load.computed_types import decide_computed_types, forget_kept_values
from notion_pipeline.catalog.load.limits import limits_of
from notion_pipeline.catalog.load.row_merge import forget_marked, merge_rows
from notion_pipeline.catalog.load.schema_evolution import (
    PlannedColumn,
    columns_of_ours,
    create_table,
    evolve_table,
    plan_columns,
)
from notion_pipeline.catalog.load.staged_rows import load_staged
from notion_pipeline.catalog.load.unread_rows import forget_excluded
from notion_pipeline.catalog.load.users import forget_users, merge_users, note_users_of
from notion_pipeline.catalog.sql import column_types, count_of, quote
from notion_pipeline.catalog.state import CommitRecords, NotedRead, StreamState
from notion_pipeline.config.sources import KnownNames
from notion_pipeline.extraction.extract import Extract, LoadResult
from notion_pipeline.rows.properties import Exclusion, exclusion_marks

#: Counts of `LoadResult` where no row was read.
NO_ROWS = {
    "rows_read": 0,
    "rows_inserted": 0,
    "rows_updated": 0,
    "rows_unchanged": 0,
    "rows_removed": 0,
    "values_not_computed": 0,
    "values_not_converted": 0,
}


def merge(
    connection: duckdb.DuckDBPyConnection,
    extract: Extract,
    state: StreamState,
    noted: NotedRead,
    records: CommitRecords,
    *,
    run_id: str,
    now: datetime | None = None,
) -> LoadResult:
    """Brings a data source's table up to date with an extract.

    Args:
        state: The state of this data source, read in the same transaction.
        noted: What its last sync recorded, read there too.
        records: Takes what the catalog is to know of it; to be written before the transaction ends.
        now: Local time of the commit, aware.
    """
    finished_at = now or datetime.now(timezone.utc)
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quote(extract.source)}")
    load_staged(connection, extract)
    table = (extract.source, state.table_name)
    excludes_more = bool(set(exclusion_marks(extract.excluded)) - set(state.excluded))
    with naming_what_is_in_the_way(connection, table, columns_of_ours(state.columns)):
        planned, is_made_anew, counts = _update_table(
            connection, extract, state, table, finished_at, excludes_more=excludes_more
        )
    merge_users(connection, extract, finished_at)
    kinds = column_types(connection, table)
    not_computed = counts["values_not_computed"]
    limits = limits_of(connection, extract, table, planned, noted=noted.limits, values_not_computed=not_computed)
    on_table, known_comments = comments_of(extract, planned, limits)
    comments = {column: known_comments[column] for column in kinds if column in known_comments}
    commented = keep_comments(connection, table, on_table, comments, noted=noted.comments, is_made_anew=is_made_anew)
    records.add_read(
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
        archived_refused=extract.counts.archived_refused if extract.full else state.archived_refused,
        unclear_relations=extract.unclear_relations,
    )
    records.add_sync(history_entry(extract, state, run_id, counts, finished_at))
    if excludes_more:
        records.write()
        forget_users(connection, extract.source)
    if extract.excluded_ids:
        found = {(extract.database_id, mark): ids for mark, ids in extract.excluded_ids.items()}
        keep_names(connection, extract.source, KnownNames(properties=found))
    connection.execute("DROP TABLE staged")
    row_count = count_of(connection, f"SELECT count(*) FROM {quote(*table)}")
    return LoadResult(
        table=f"{table[0]}.{table[1]}",
        row_count=row_count,
        columns=tuple((name, kind, comments.get(name, "")) for name, kind in kinds.items()),
        bookmark=extract.stage.bookmark,
        last_full_sync_at=finished_at if extract.full else state.last_full_sync_at,
        schema_changes=extract.schema_changes,
        **counts,
    )


def _update_table(
    connection: duckdb.DuckDBPyConnection,
    extract: Extract,
    state: StreamState,
    table: tuple[str, str],
    now: datetime,
    *,
    excludes_more: bool,
) -> tuple[list[PlannedColumn], bool, dict[str, Any]]:
    """Brings columns and rows up to date; the columns, whether the table was made (again), and the row counts."""
    mark = extract.deleted_rows == "mark"
    # Without its mark a deleted row would look current.
    forgotten = 0 if mark or not state.has_table else forget_marked(connection, table)
    exclusion = Exclusion(extract.excluded)
    if excludes_more:
        existing = state.columns if state.has_table else ()
        gone = [column for column in existing if exclusion.covers(column.property_name, column.property_id)]
        note_users_of(connection, table, gone)
    planned, is_made_anew = _prepare_table(connection, extract, state, table, mark=mark)
    counts = merge_rows(connection, extract, table, planned, now, mark=mark)
    counts["rows_removed"] += forgotten
    if excludes_more:
        forget_excluded(connection, table, exclusion)
    return planned, is_made_anew, counts


def _prepare_table(
    connection: duckdb.DuckDBPyConnection, extract: Extract, state: StreamState, table: tuple[str, str], *, mark: bool
) -> tuple[list[PlannedColumn], bool]:
    """Gives the table its columns; the columns, and whether the table was made (again)."""
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


def history_entry(
    extract: Extract, state: StreamState, run_id: str, counts: Mapping[str, Any], finished_at: datetime
) -> dict[str, Any]:
    """The line of history of a sync, for `record_syncs`."""
    return {
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
    }


def _recorded(plan: PlannedColumn, duckdb_type: str) -> dict[str, Any]:
    return {
        "property_id": plan.property_id,
        "property_name": plan.property_name,
        "property_type": plan.property_type,
        "column": plan.column,
        "duckdb_type": duckdb_type,
    }
