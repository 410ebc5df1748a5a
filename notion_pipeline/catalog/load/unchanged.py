"""Commits databases in which a sync found nothing new: bookmark and history, of many in one transaction.

Most databases of a large workspace are unchanged from one sync to the next. Their ordinary commit would write again
what the catalog says already. Here that is worked out and compared, and only where it is the same a database goes this
way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import astuple
from datetime import datetime, timezone

import duckdb

from notion_pipeline.catalog import state as bookkeeping
from notion_pipeline.catalog.additions.declarations import own_columns
from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.catalog.load.comments import are_written, comments_of
from notion_pipeline.catalog.load.commit import Committed
from notion_pipeline.catalog.load.limits import unchanged_limits
from notion_pipeline.catalog.load.merge import NO_ROWS, history_entry
from notion_pipeline.catalog.load.schema_evolution import PlannedColumn, columns_of_ours, plan_columns
from notion_pipeline.catalog.sql import column_types, count_of, quote
from notion_pipeline.catalog.state import NotedRead, StreamState
from notion_pipeline.config.sources import Source
from notion_pipeline.extraction.extract import DatabaseExtract, Extract, LoadResult
from notion_pipeline.rows.batch import DELETED_AT
from notion_pipeline.rows.properties import COMPUTED, Exclusion, exclusion_marks


def commit_unchanged(
    catalog: Catalog, source: Source, databases: Iterable[DatabaseExtract], run_id: str
) -> dict[str, Committed]:
    """Commits those of the databases in which nothing changed, all or none; the load results by database id.

    Raises:
        CatalogError: The catalog cannot be written, or was held for too long; its content did not change.
    """
    quiet = [database for database in databases if _brings_nothing(database)]
    if not quiet:
        return {}

    def change(connection: duckdb.DuckDBPyConnection) -> dict[str, Committed]:
        done: dict[str, Committed] = {}
        bookkeeping.create_tables(connection)
        ids = [extract.data_source_id for database in quiet for extract in database.extracts]
        states = bookkeeping.stream_states(connection, source.name, ids)
        noted = bookkeeping.noted_reads(connection, source.name, ids)
        now = datetime.now(timezone.utc)
        for database in quiet:
            results = [
                (extract, _unchanged(connection, extract, states, noted.get(extract.data_source_id)))
                for extract in database.extracts
            ]
            if all(result is not None for _, result in results):
                done[database.database_id] = [(extract, result) for extract, result in results if result is not None]
        extracts = [extract for results in done.values() for extract, _ in results]
        found = [(extract, states[extract.data_source_id]) for extract in extracts]
        bookkeeping.move_bookmarks(
            connection, [(state, extract.sync_type, extract.stage.bookmark) for extract, state in found], now
        )
        bookkeeping.record_syncs(
            connection, [history_entry(extract, state, run_id, NO_ROWS, now) for extract, state in found]
        )
        return done

    return catalog.commit(change)


def _brings_nothing(database: DatabaseExtract) -> bool:
    members = {extract.data_source_id for extract in database.extracts}
    # Two extracts of one data source are a read that was left over, and the one after it.
    return len(members) == len(database.extracts) > 0 and not any(
        extract.full or extract.stage.rows or extract.schema_changes or extract.excluded_ids
        for extract in database.extracts
    )


def _unchanged(
    connection: duckdb.DuckDBPyConnection,
    extract: Extract,
    states: Mapping[str, StreamState],
    noted: NotedRead | None,
) -> LoadResult | None:
    """What loading the extract does to its table, which is nothing; None where anything would be written."""
    state = states.get(extract.data_source_id)
    if state is None or noted is None or not _has_same_settings(extract, state):
        return None
    table = (extract.source, state.table_name)
    kinds = column_types(connection, table)
    planned = _planned(extract, state, kinds)
    limits = unchanged_limits(extract, noted.limits, planned or ())
    if planned is None or limits is None:
        return None
    on_table, known = comments_of(extract, planned, limits)
    comments = {column: known[column] for column in kinds if column in known}
    if not are_written(on_table, comments, noted.comments):
        return None
    return LoadResult(
        table=f"{table[0]}.{table[1]}",
        row_count=count_of(connection, f"SELECT count(*) FROM {quote(*table)}"),
        columns=tuple((name, kind, comments.get(name, "")) for name, kind in kinds.items()),
        bookmark=extract.stage.bookmark,
        last_full_sync_at=state.last_full_sync_at,
        schema_changes=(),
        **NO_ROWS,
    )


def _has_same_settings(extract: Extract, state: StreamState) -> bool:
    return (
        state.has_table
        and not state.next_read_is_full
        and state.database_id == extract.database_id
        and (state.fingerprint, state.snapshot) == (extract.fingerprint, extract.snapshot)
        and (state.account, state.start_date) == (extract.account, extract.start_date)
        and list(state.excluded) == list(exclusion_marks(extract.excluded))
        and (state.hidden_relations, state.unclear_relations) == (extract.hidden_relations, extract.unclear_relations)
    )


def _planned(extract: Extract, state: StreamState, kinds: Mapping[str, str]) -> list[PlannedColumn] | None:
    """The columns, if the table has just those that the sync before recorded and this one would record."""
    ours = columns_of_ours(()) - {DELETED_AT}
    if not ours <= set(kinds) or (DELETED_AT in kinds) != (extract.deleted_rows == "mark"):
        return None
    if not {prop.id for prop in extract.schema.properties} <= {column.property_id for column in state.columns}:
        return None
    exclusion = Exclusion(extract.excluded)
    planned = plan_columns(
        state.columns,
        extract.schema.properties,
        {column.property_id: column.duckdb_type for column in state.columns if column.property_type in COMPUTED},
        keep_removed=extract.sync_type != "FULL_TABLE",
        excluded_ids=[c.property_id for c in state.columns if exclusion.covers(c.property_name, c.property_id)],
        taken=own_columns(list(kinds), columns_of_ours(state.columns)),
    )
    after = [
        (plan.property_id, plan.property_name, plan.property_type, plan.column, plan.duckdb_type) for plan in planned
    ]
    in_table = [kinds.get(plan.column) for plan in planned]
    is_same = after == [astuple(column) for column in state.columns] and in_table == [kind for *_, kind in after]
    return planned if is_same else None
