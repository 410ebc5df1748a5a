"""The present tables of a database, for a run whose work an earlier attempt has done."""

from __future__ import annotations

from datetime import datetime

import duckdb

from notion_pipeline.catalog import state as bookkeeping
from notion_pipeline.catalog.sql import columns_of, quote
from notion_pipeline.catalog.state import StreamState
from notion_pipeline.extraction.extract import LoadResult


def current_tables(
    connection: duckdb.DuckDBPyConnection | None, source: str, database_id: str
) -> list[tuple[StreamState, LoadResult]]:
    """Each table of the database with a load result of a sync that changed nothing; the shortest name first."""
    if connection is None:
        return []
    states = sorted(bookkeeping.stream_states(connection, source).values(), key=lambda state: len(state.table_name))
    return [
        (state, _untouched(connection, state, state.bookmark))
        for state in states
        if state.database_id == database_id and state.has_table and state.bookmark is not None
    ]


def _untouched(connection: duckdb.DuckDBPyConnection, state: StreamState, bookmark: datetime) -> LoadResult:
    table = (state.source, state.table_name)
    ((row_count,),) = connection.execute(f"SELECT count(*) FROM {quote(*table)}").fetchall()
    return LoadResult(
        table=".".join(table),
        row_count=row_count,
        columns=columns_of(connection, table),
        rows_read=0,
        rows_inserted=0,
        rows_updated=0,
        rows_unchanged=0,
        rows_removed=0,
        values_not_computed=0,
        values_not_converted=0,
        bookmark=bookmark,
        last_full_sync_at=state.last_full_sync_at,
        schema_changes=(),
    )
