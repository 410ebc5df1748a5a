"""Makes tables of the source in the target and fills them, in the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from notion_pipeline.catalog.additions.indexes import make_indexes
from notion_pipeline.catalog.comments import comment_on
from notion_pipeline.catalog.connection.duckdb_errors import reason
from notion_pipeline.catalog.migrate.contents import CopiedTable, Name, lowered
from notion_pipeline.catalog.sql import quote
from notion_pipeline.errors import CatalogError


def relations(connection: duckdb.DuckDBPyConnection) -> dict[Name, bool]:
    """Every table and view of the catalog, by its name in lower case, with whether it is a view."""
    rows = connection.execute(
        "SELECT schema_name, table_name, false FROM duckdb_tables() WHERE database_name = current_database() "
        "AND NOT internal AND NOT temporary UNION ALL SELECT schema_name, view_name, true FROM duckdb_views() "
        "WHERE database_name = current_database() AND NOT internal AND NOT temporary"
    ).fetchall()
    return {lowered((schema, name)): is_view for schema, name, is_view in rows}


def copy_tables(connection: duckdb.DuckDBPyConnection, tables: Sequence[CopiedTable], source: str) -> None:
    """Makes the tables, in place of those of the same names, with the rows, the comments and the indexes.

    Args:
        source: The alias of the source in this DuckDB.

    Raises:
        CatalogError: One cannot be made.
    """
    there = relations(connection)
    for table in reversed(tables):
        drop(connection, table.name, there)
    for table in tables:
        try:
            _copy(connection, table, source)
        except duckdb.Error as error:
            if isinstance(error, (duckdb.TransactionException, duckdb.OutOfMemoryException)):
                raise  # these say nothing about the table
            raise CatalogError(f"The table {table} cannot be copied: {reason(error)}") from error


def drop(connection: duckdb.DuckDBPyConnection, name: Name, there: dict[Name, bool]) -> None:
    """Drops a table or a view, if it is there."""
    if (is_view := there.get(lowered(name))) is not None:
        connection.execute(f"DROP {'VIEW' if is_view else 'TABLE'} {quote(*name)}")


def _copy(connection: duckdb.DuckDBPyConnection, table: CopiedTable, source: str) -> None:
    declared = [f"{quote(column.name)} {column.kind}{column.declared}" for column in table.columns]
    stored = [column for column in table.columns if not column.is_computed]
    connection.execute(f"CREATE TABLE {quote(*table.name)} ({', '.join([*declared, *table.constraints])})")
    connection.execute(
        f"INSERT INTO {quote(*table.name)} ({', '.join(quote(column.name) for column in stored)}) "
        f"SELECT {', '.join(column.source_value for column in stored)} FROM {quote(source, *table.name)}"
    )
    make_indexes(connection, table.indexes, table.name)
    comments = {column.name: column.comment for column in table.columns if column.comment}
    comment_on(connection, table.name, table.comment, comments)
