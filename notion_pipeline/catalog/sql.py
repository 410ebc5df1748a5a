"""Names and texts as SQL takes them, and what DuckDB knows of tables and columns.

Values are bound; whatever cannot be bound is quoted here.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Any

import duckdb

from notion_pipeline.rows.naming import first_free, numbered

#: Pattern of a name in SQL, in double quotes or without.
NAME = r'(?:"(?:[^"]|"")*"|[^\s".,()]+)'


def quote(*names: str) -> str:
    """A dotted name, each part in double quotes."""
    return ".".join('"' + name.replace('"', '""') + '"' for name in names)


def text(value: str) -> str:
    """A string literal, for the few statements that bind no parameters (COMMENT)."""
    return "'" + value.replace("'", "''") + "'"


def json_pointer(name: str, path: str) -> str:
    """A literal with the JSON pointer to what lies in a property: its name may hold any character.

    Args:
        path: What follows the name, such as `rollup/array`.
    """
    return text(f"/{name.replace('~', '~0').replace('/', '~1')}/{path}")


def names_in(connection: duckdb.DuckDBPyConnection, schema: str) -> set[str]:
    """Names of the tables and views of a schema."""
    rows = connection.execute(
        "SELECT table_name FROM duckdb_tables() WHERE database_name = current_database() AND schema_name = ? "
        "UNION ALL SELECT view_name FROM duckdb_views() WHERE database_name = current_database() AND schema_name = ?",
        [schema, schema],
    ).fetchall()
    return {row[0] for row in rows}


def is_table(connection: duckdb.DuckDBPyConnection, table: tuple[str, str]) -> bool:
    """Whether there is a table of this name. Cheaper than a list of all tables, unless the name is unknown."""
    try:
        # Other ways to ask for an unknown name end the transaction.
        if connection.table(quote(*table)).type == "TABLE_RELATION":
            return True
    except duckdb.CatalogException:
        pass  # DuckDB 1.5 does not know a name that holds a quote either
    return table[1].lower() in tables_in(connection, table[0])


def has_other_rows(connection: duckdb.DuckDBPyConnection, table: tuple[str, str], ids: object) -> bool:
    """Whether a table, of this schema and name, holds rows beside these, not marked as deleted.

    Args:
        ids: An Arrow stream with a column `id`.
    """
    current = "_deleted_at IS NULL" if "_deleted_at" in column_types(connection, table) else "true"
    connection.register("some_ids", ids)
    try:
        return bool(
            connection.execute(
                f"SELECT count(*) FROM {quote(*table)} WHERE {current} AND id NOT IN "
                "(SELECT id FROM some_ids WHERE id IS NOT NULL)"
            ).fetchall()[0][0]
        )
    finally:
        connection.unregister("some_ids")


def tables_in(connection: duckdb.DuckDBPyConnection, schema: str) -> set[str]:
    """Names of the tables of a schema, in lower case."""
    rows = connection.execute(
        "SELECT lower(table_name) FROM duckdb_tables() WHERE database_name = current_database() AND schema_name = ?",
        [schema],
    ).fetchall()
    return {row[0] for row in rows}


def column_types(connection: duckdb.DuckDBPyConnection, table: tuple[str, str]) -> dict[str, str]:
    """The type of each column of a table, in order. Cheaper than `columns_of`, which goes through all tables."""
    # Not pragma_table_info: on DuckDB 1.5 it takes no name that holds a quote.
    rows = connection.execute(f"DESCRIBE {quote(*table)}").fetchall()
    return {row[0]: row[1] for row in rows}


def columns_by_table(
    connection: duckdb.DuckDBPyConnection, schema: str
) -> dict[str, tuple[tuple[str, str, str | None], ...]]:
    """Name, type and comment of each column, in order, of every table and view of a schema, in one query."""
    rows = connection.execute(
        "SELECT table_name, column_name, data_type, comment FROM duckdb_columns() "
        "WHERE database_name = current_database() AND schema_name = ? ORDER BY table_name, column_index",
        [schema],
    ).fetchall()
    found: dict[str, list[tuple[str, str, str | None]]] = {}
    for table, *column in rows:
        found.setdefault(table, []).append((column[0], column[1], column[2]))
    return {table: tuple(columns) for table, columns in found.items()}


def columns_of(
    connection: duckdb.DuckDBPyConnection, table: tuple[str, str]
) -> tuple[tuple[str, str, str | None], ...]:
    """Name, type and comment of each column of a table, in order."""
    rows = connection.execute(
        "SELECT column_name, data_type, comment FROM duckdb_columns() WHERE database_name = current_database() "
        "AND schema_name = ? AND table_name = ? ORDER BY column_index",
        list(table),
    ).fetchall()
    return tuple((row[0], row[1], row[2]) for row in rows)


def count_of(connection: duckdb.DuckDBPyConnection, query: str, parameters: Sequence[Any] = ()) -> int:
    """The one number that a query gives."""
    return int(connection.execute(query, list(parameters)).fetchall()[0][0])


def free_name(wanted: str, taken: Collection[str]) -> str:
    """The name, with a number where it is taken; for tables that last for a statement or two."""
    return first_free(numbered(wanted), taken)


def needs_quotes(connection: duckdb.DuckDBPyConnection, name: str) -> bool:
    """Whether a table's name must stand in double quotes in SQL."""
    if re.fullmatch(r"[^\W\d]\w*", name) is None:
        return True
    try:
        connection.get_table_names(f"SELECT * FROM {name}")
    except duckdb.ParserException:
        return True
    return False


def unquoted(name: str) -> str:
    """A name as SQL writes it, without its double quotes."""
    return name[1:-1].replace('""', '"') if name.startswith('"') else name
