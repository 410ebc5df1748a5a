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
from notion_pipeline.catalog.state import CommitRecords, NotedRead, StreamState
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
        return _merge(connection, source, databases, run_id)

    return catalog.commit(change)


def _commit(
    catalog: Catalog, source: Source, database: DatabaseExtract, run_id: str, *, memory_limit: str | None
) -> Committed:
    def change(connection: duckdb.DuckDBPyConnection) -> Committed:
        return _merge(connection, source, [database], run_id)[database.database_id]

    return catalog.commit(change, memory_limit=memory_limit)


def _merge(
    connection: duckdb.DuckDBPyConnection, source: Source, databases: Sequence[DatabaseExtract], run_id: str
) -> dict[str, Committed]:
    bookkeeping.create_tables(connection)
    known = _Known(connection, source, databases)
    done: dict[str, Committed] = {}
    for database in databases:
        results = done[database.database_id] = [
            (extract, merge(connection, extract, *known.of(database, extract), known.records, run_id=run_id))
            for extract in database.extracts
        ]
        for extract, result in results:
            if result.rows_removed:
                # What is written on a page must not outlive its row.
                rows = (source.name, result.table.split(".", 1)[1])
                now = datetime.now(timezone.utc)
                forget_gone_rows(connection, rows, extract.data_source_id, now, deleted_rows=source.deleted_rows)
    known.records.write()
    return done


class _Known:
    """What the catalog knows of the data sources of a commit, asked for once.

    Attributes:
        records: What the commit adds to it.
    """

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, source: Source, databases: Sequence[DatabaseExtract]
    ) -> None:
        self._connection, self._source = connection, source
        self._states: dict[str, StreamState] = {}
        self._noted: dict[str, NotedRead] = {}
        self.records = CommitRecords(connection)
        self._ask([extract.data_source_id for database in databases for extract in database.extracts])

    def of(self, database: DatabaseExtract, extract: Extract) -> tuple[StreamState, NotedRead]:
        """The present state of the data source, and what its last sync noted; names its table if no listing has."""
        key = extract.data_source_id
        if self.records.has(self._source.name, key):  # a read that was left over was merged just now
            self.records.write()
            self._ask([key])
        known = self._states.get(key)
        if known is None or known.database_id != database.database_id:
            members = [(other.data_source_id, other.data_source_name) for other in database.extracts]
            name_unlisted(self._connection, self._source, database.database_id, database.title, members)
            self._ask([key])
        return self._states[key], self._noted.get(key, NotedRead())

    def _ask(self, data_sources: Sequence[str]) -> None:
        self._states |= bookkeeping.stream_states(self._connection, self._source.name, data_sources)
        self._noted |= bookkeeping.noted_reads(self._connection, self._source.name, data_sources)
