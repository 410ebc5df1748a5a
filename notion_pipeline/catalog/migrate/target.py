"""What the target of a copy holds already: nothing, a part of the copy, the whole of it, or something else."""

from __future__ import annotations

from enum import Enum

import duckdb

from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.catalog.migrate.contents import UNFINISHED, Contents, lowered
from notion_pipeline.catalog.migrate.fingerprint import fingerprint, fingerprint_of_source, is_declared_alike
from notion_pipeline.catalog.migrate.tables import relations
from notion_pipeline.catalog.sql import quote
from notion_pipeline.errors import CatalogError

_MARK = (UNFINISHED, "source")
_NAMED = 5


class Progress(Enum):
    """How far a copy is."""

    NEW = "new"
    UNFINISHED = "unfinished"
    FINISHED = "finished"


def progress(target: Catalog, source: Catalog, original: duckdb.DuckDBPyConnection, found: Contents) -> Progress:
    """How far the copy of a source is in the target, which is only read.

    Args:
        original: A connection to the source.
        found: What that holds.

    Raises:
        CatalogError: The target holds something else.
    """
    with target.reading() as connection:
        if connection is None:
            return Progress.NEW
        there = relations(connection)
        if _MARK in there:
            return _checked_mark(target, source, connection)
        schemas = connection.execute(
            "SELECT schema_name FROM duckdb_schemas() WHERE database_name = current_database() "
            "AND NOT internal AND schema_name <> 'main'"
        ).fetchall()
        if not there and not schemas:
            return Progress.NEW
        if _is_whole(connection, original, found):
            return Progress.FINISHED
    names = sorted(".".join(name) for name in there) or sorted(row[0] for row in schemas)
    shown = ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else "")
    raise CatalogError(
        f"The catalog {target.location} holds something else than a copy of {source.location}: {shown}.",
        hint="It was not touched. Name a catalog that does not exist yet.",
    )


def mark(connection: duckdb.DuckDBPyConnection, source: Catalog) -> None:
    """Marks the target as an unfinished copy of the source, if it is not yet."""
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quote(UNFINISHED)}")
    connection.execute(f"CREATE TABLE IF NOT EXISTS {quote(*_MARK)} (location VARCHAR)")
    if not connection.execute(f"SELECT 1 FROM {quote(*_MARK)}").fetchall():
        connection.execute(f"INSERT INTO {quote(*_MARK)} VALUES (?)", [str(source.location)])


def unmark(connection: duckdb.DuckDBPyConnection) -> None:
    """The copy is whole."""
    connection.execute(f"DROP TABLE {quote(*_MARK)}")
    connection.execute(f"DROP SCHEMA {quote(UNFINISHED)}")


def check_source(original: duckdb.DuckDBPyConnection, source: Catalog) -> None:
    """Raises CatalogError where the source is itself an unfinished copy."""
    if _MARK in relations(original):
        raise CatalogError(
            f"The catalog {source.location} is an unfinished copy of another one.",
            hint="Finish it first: run the command again that began it.",
        )


def check_extras(connection: duckdb.DuckDBPyConnection, target: Catalog, found: Contents) -> None:
    """Raises CatalogError where an unfinished copy holds a table or view that the source has not."""
    extras = sorted(".".join(name) for name in relations(connection) if name != _MARK and name not in found.relations)
    if extras:
        raise CatalogError(
            f"The unfinished copy {target.location} holds what the source has not: {', '.join(extras[:_NAMED])}.",
            hint="Drop it there if it is a former table of the source, then run the command again.",
        )


def _checked_mark(target: Catalog, source: Catalog, connection: duckdb.DuckDBPyConnection) -> Progress:
    of = connection.execute(f"SELECT location FROM {quote(*_MARK)}").fetchall()
    if of == [(str(source.location),)]:
        return Progress.UNFINISHED
    raise CatalogError(
        f"The catalog {target.location} is an unfinished copy of {of[0][0] if of else 'another one'}, "
        f"and not of {source.location}.",
        hint="It was not touched. Name a catalog that does not exist yet.",
    )


def _is_whole(connection: duckdb.DuckDBPyConnection, original: duckdb.DuckDBPyConnection, found: Contents) -> bool:
    names = {lowered(table.name) for table in found.tables}
    if {name for name, is_view in relations(connection).items() if not is_view} != names:
        return False
    if not all(is_declared_alike(connection, table) for table in found.tables):
        return False
    return all(fingerprint(connection, table.name) == fingerprint_of_source(original, table) for table in found.tables)
