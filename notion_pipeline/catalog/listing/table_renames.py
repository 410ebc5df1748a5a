"""Renames tables in DuckDB; the user's indexes go along."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import duckdb

from notion_pipeline.catalog.additions.declarations import referring_tables
from notion_pipeline.catalog.additions.indexes import drop_indexes, indexes, make_indexes
from notion_pipeline.catalog.connection.duckdb_errors import reason
from notion_pipeline.catalog.connection.opening import beside, database_of
from notion_pipeline.catalog.sql import free_name, names_in, quote
from notion_pipeline.errors import CatalogError
from notion_pipeline.rows.naming import TableRename


def can_be_renamed(
    connection: duckdb.DuckDBPyConnection, schema: str, rename: TableRename, say: Callable[[str], None]
) -> bool:
    """Whether DuckDB can rename a table; says why where it cannot.

    Tried on another connection: a failure would end the caller's transaction.
    """
    passing = free_name(f"{rename.old}__moving", names_in(connection, schema))
    with beside(connection, database_of(connection)) as trying:
        trying.execute("BEGIN")
        try:
            found = indexes(trying, (schema, rename.old))
            if found and duckdb.__version__.startswith("1."):
                # Seen on 1.5.6: the file cannot be opened any more ("index storage info … not found").
                raise CatalogError(
                    f"DuckDB {duckdb.__version__} leaves the file unreadable where a table that has the index "
                    f"{', '.join(quote(index.name) for index in found)} is renamed"
                )
            drop_indexes(trying, schema, found)
            _rename(trying, schema, rename.old, passing)
            make_indexes(trying, found, (schema, passing))
        except (duckdb.Error, CatalogError) as error:
            why = error.message if isinstance(error, CatalogError) else reason(error)
        else:
            why = ""
        with suppress(duckdb.Error):
            trying.execute("ROLLBACK")
        referring = referring_tables(trying, (schema, rename.old)) if why else []
    if why:
        by = f" {', '.join(referring)} refer to it by a foreign key." if referring else ""
        say(
            f"The table {schema}.{rename.old} keeps its name, though sources.yaml calls it {quote(rename.new)}: "
            f"{why.rstrip('.')}.{by} Drop what depends on it, then list again."
        )
    return not why


def rename_tables(
    connection: duckdb.DuckDBPyConnection, schema: str, renames: list[tuple[str, str]], taken: set[str]
) -> None:
    """Renames all tables by way of free names, since two tables may swap theirs."""
    passing = []
    for old, new in renames:
        between = free_name(f"{new}__moving", taken)
        taken.add(between)
        found = indexes(connection, (schema, old))
        drop_indexes(connection, schema, found)
        _rename(connection, schema, old, between)
        passing.append((between, new, found))
    for between, new, found in passing:
        _rename(connection, schema, between, new)
        make_indexes(connection, found, (schema, new))


def _rename(connection: duckdb.DuckDBPyConnection, schema: str, old: str, new: str) -> None:
    connection.execute(f"ALTER TABLE {quote(schema, old)} RENAME TO {quote(new)}")
