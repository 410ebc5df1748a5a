"""Copies a catalog into another one, table by table, and compares each with its original.

Each table is one transaction. What the pipeline knows of its streams comes after all of them, in one: so a copy that
was cut short is no catalog that a sync would go on with. A second attempt finds the tables that are right, and makes
the others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import duckdb

from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.catalog.dialect import FILE, LAKE, Dialect
from notion_pipeline.catalog.migrate.contents import BOOKKEEPING, Contents, CopiedTable, View, contents
from notion_pipeline.catalog.migrate.fingerprint import (
    Fingerprint,
    fingerprint,
    fingerprint_of_source,
    is_declared_alike,
)
from notion_pipeline.catalog.migrate.tables import copy_tables, drop, relations
from notion_pipeline.catalog.migrate.target import Progress, check_extras, check_source, mark, progress, unmark
from notion_pipeline.catalog.migrate.views import in_order, make_view
from notion_pipeline.catalog.sql import quote
from notion_pipeline.config.fields.catalog_location import Lake
from notion_pipeline.errors import CatalogBusyError, CatalogConflictError, CatalogError, CatalogMemoryError

#: The source in the target's DuckDB.
_ALIAS = "_source"
#: Of the DuckDB that has both: enough for lakes that other programs wrote, whose row groups are large.
_MEMORY_LIMIT = "256MB"
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class TableCopied:
    """A table that the target has now, and that was compared with its original.

    Attributes:
        was_there: It was right already.
        number: Which of `total` it is, from 1.
    """

    table: str
    rows: int
    was_there: bool
    number: int
    total: int


@dataclass(frozen=True)
class Prepared:
    """What is to be done.

    Attributes:
        progress: How far the target is.
    """

    contents: Contents
    progress: Progress


@dataclass
class Copied:
    """What was done.

    Attributes:
        views: How many views the target has of the source's.
        failed_views: Why a view could not be made, by `schema.view`.
    """

    tables: list[TableCopied] = field(default_factory=list)
    views: int = 0
    failed_views: dict[str, str] = field(default_factory=dict)


def prepare(source: Catalog, target: Catalog) -> Prepared:
    """Looks at both, and changes nothing.

    Raises:
        CatalogError: There is no source, or the target holds something else than a copy of it.
    """
    with source.reading() as original:
        if original is None:
            raise CatalogError(f"There is no catalog {source.location}.")
        check_source(original, source)
        found = contents(original, _dialect(target))
        if not found.tables:
            raise CatalogError(f"The catalog {source.location} holds no tables.")
        return Prepared(found, progress(target, source, original, found))


def copy_catalog(source: Catalog, target: Catalog, tell: Callable[[TableCopied], None]) -> Copied:
    """Copies the source into the target, or what is missing there; the source is only read.

    Args:
        target: One for which `prepare` found no hindrance.
        tell: Told of each table.

    Raises:
        CatalogError: A copy differs from its original, or the source changed meanwhile; the next attempt goes on.
    """
    before = source.version()
    with target.kept_open():
        target.commit(lambda connection: mark(connection, source))
        with target.reading(in_one_state=False) as there, source.attached(_opened(there), _ALIAS) as original:
            found = contents(original, _dialect(target))
            check_extras(_opened(there), target, found)
            copying = _Copying(target, _opened(there), original, found, tell)
            done = copying.run()
        if source.version() != before:
            raise CatalogError(
                f"The catalog {source.location} changed while it was copied.",
                hint="Run the command again while nothing writes there: it copies what has changed.",
            )
        target.commit(unmark)
    return done


class _Copying:
    def __init__(
        self,
        target: Catalog,
        there: duckdb.DuckDBPyConnection,
        original: duckdb.DuckDBPyConnection,
        found: Contents,
        tell: Callable[[TableCopied], None],
    ) -> None:
        self._target, self._there, self._original, self._found, self._tell = target, there, original, found, tell
        self._done = Copied()

    def run(self) -> Copied:
        self._commit(self._make_schemas)
        known = [table for table in self._found.tables if table.name[0] == BOOKKEEPING]
        known_views = [view for view in self._found.views if view.name[0] == BOOKKEEPING]
        for table in self._found.tables:
            if table not in known:
                self._copy([table], ())
        self._copy(known, known_views)
        others = [view for view in self._found.views if view not in known_views]
        for view in in_order(others):
            self._make_view(view)
        return self._done

    def _make_view(self, view: View) -> None:
        """Makes a view in a transaction of its own, which it may fail alone."""
        try:
            self._commit(lambda connection: make_view(connection, view))
        except (CatalogBusyError, CatalogConflictError, CatalogMemoryError):
            raise
        except CatalogError as error:
            self._done.failed_views[str(view)] = error.message
        else:
            self._done.views += 1

    def _make_schemas(self, connection: duckdb.DuckDBPyConnection) -> None:
        for schema in self._found.schemas:
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quote(schema)}")

    def _copy(self, tables: Sequence[CopiedTable], views: Sequence[View]) -> None:
        """Makes these tables and the views over them in one transaction, unless all are right already."""
        wanted = {table: fingerprint_of_source(self._original, table) for table in tables}
        is_there = all(self._is_right(table, wanted[table]) for table in tables)

        def change(connection: duckdb.DuckDBPyConnection) -> None:
            there = relations(connection)
            for view in views:
                drop(connection, view.name, there)
            if not is_there:
                copy_tables(connection, tables, _ALIAS)
            for view in in_order(views):
                make_view(connection, view)

        if not is_there or views:
            self._commit(change)
            self._done.views += len(views)
        for table in tables:
            if not is_there and not self._is_right(table, wanted[table]):
                self._commit(lambda connection: _drop_all(connection, tables, views))
                raise CatalogError(
                    f"The copy of the table {table} differs from the original: {wanted[table][0]:,} rows were to be "
                    "copied.",
                    hint="The copy was dropped again. Run the command once more; if it comes back, tell us of it.",
                )
            number = len(self._done.tables) + 1
            copied = TableCopied(str(table), wanted[table][0], is_there, number, len(self._found.tables))
            self._done.tables.append(copied)
            self._tell(copied)

    def _commit(self, change: Callable[[duckdb.DuckDBPyConnection], _Result]) -> _Result:
        # What is read between two commits has the limit of the last one.
        return self._target.commit(change, memory_limit=_MEMORY_LIMIT)

    def _is_right(self, table: CopiedTable, wanted: Fingerprint) -> bool:
        return is_declared_alike(self._there, table) and fingerprint(self._there, table.name) == wanted


def _drop_all(connection: duckdb.DuckDBPyConnection, tables: Sequence[CopiedTable], views: Sequence[View]) -> None:
    there = relations(connection)
    for name in (*(view.name for view in views), *(table.name for table in reversed(tables))):
        drop(connection, name, there)


def _dialect(catalog: Catalog) -> Dialect:
    return LAKE if isinstance(catalog.location, Lake) else FILE


def _opened(connection: duckdb.DuckDBPyConnection | None) -> duckdb.DuckDBPyConnection:
    if connection is None:  # it was committed to a moment ago
        raise CatalogError("The catalog that is written to has gone.")
    return connection
