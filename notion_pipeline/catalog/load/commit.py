"""Commits the extracts of a database together, in one transaction; or those of many databases."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone

import duckdb

from notion_pipeline.catalog import state as bookkeeping
from notion_pipeline.catalog.connection import MEMORY_LIMIT, Catalog
from notion_pipeline.catalog.content.gone_rows import forget_gone_rows
from notion_pipeline.catalog.listing.table_names import name_unlisted
from notion_pipeline.catalog.load.merge import merge
from notion_pipeline.catalog.memory import give_back_memory
from notion_pipeline.catalog.state import StreamState
from notion_pipeline.config.sources import Source
from notion_pipeline.errors import CatalogMemoryError
from notion_pipeline.extraction.extract import DatabaseExtract, Extract, LoadResult

#: What was committed of a database, and what loading it did.
Committed = list[tuple[Extract, LoadResult]]

#: Tried in turn: rows of megabytes each need more than the first. None is DuckDB's own default.
_MEMORY_LIMITS = (MEMORY_LIMIT, "256MB", None)
#: Fewer rows leave too little memory to be worth the milliseconds of giving it back.
_ROWS_WORTH_A_TRIM = 2_000


def commit_database(catalog: Catalog, source: Source, database: DatabaseExtract, run_id: str) -> Committed:
    """Commits all extracts of a database or none; the load result of each.

    Raises:
        CatalogBusyError: Another process held the catalog for longer than we wait.
        CatalogError: The catalog cannot be written; its content did not change.
    """
    if sum(extract.stage.rows for extract in database.extracts) >= _ROWS_WORTH_A_TRIM:
        give_back_memory()
    for memory_limit in _MEMORY_LIMITS[:-1]:
        try:
            return _commit(catalog, source, database, run_id, memory_limit=memory_limit)
        except CatalogMemoryError:
            continue
    return _commit(catalog, source, database, run_id, memory_limit=_MEMORY_LIMITS[-1])


def commit_together(
    catalog: Catalog, source: Source, databases: Sequence[DatabaseExtract], run_id: str
) -> dict[str, Committed]:
    """Commits many databases in one transaction, all or none; the load results by database id.

    Raises:
        CatalogError: The catalog cannot be written, or one of the databases does not fit; its content did not change.
    """

    def change(connection: duckdb.DuckDBPyConnection) -> dict[str, Committed]:
        bookkeeping.create_tables(connection)
        return {database.database_id: _merge(connection, source, database, run_id) for database in databases}

    return catalog.commit(change)


def _commit(
    catalog: Catalog, source: Source, database: DatabaseExtract, run_id: str, *, memory_limit: str | None
) -> Committed:
    def change(connection: duckdb.DuckDBPyConnection) -> Committed:
        bookkeeping.create_tables(connection)
        return _merge(connection, source, database, run_id)

    return catalog.commit(change, memory_limit=memory_limit)


def _merge(connection: duckdb.DuckDBPyConnection, source: Source, database: DatabaseExtract, run_id: str) -> Committed:
    results = [
        (extract, merge(connection, extract, _state(connection, source, database, extract), run_id))
        for extract in database.extracts
    ]
    for extract, result in results:
        if result.rows_removed:
            # What is written on a page must not outlive its row.
            rows = (source.name, result.table.split(".", 1)[1])
            now = datetime.now(timezone.utc)
            forget_gone_rows(connection, rows, extract.data_source_id, now, deleted_rows=source.deleted_rows)
    return results


def _state(
    connection: duckdb.DuckDBPyConnection, source: Source, database: DatabaseExtract, extract: Extract
) -> StreamState:
    """The present state of the data source; names its table if no listing has."""
    states = bookkeeping.stream_states(connection, source.name, [extract.data_source_id])
    known = states.get(extract.data_source_id)
    if known is None or known.database_id != database.database_id:
        members = [(other.data_source_id, other.data_source_name) for other in database.extracts]
        name_unlisted(connection, source, database.database_id, database.title, members)
        states = bookkeeping.stream_states(connection, source.name, [extract.data_source_id])
    return states[extract.data_source_id]
