"""Reads and writes the comments on tables and columns in DuckDB."""

from __future__ import annotations

from collections.abc import Mapping

import duckdb

from notion_pipeline.catalog.sql import columns_of, quote, text

#: In the comment of each view that this pipeline made, before the digest of its definition.
VIEW_MARK = "; made by notion-pipeline views, definition "


def comment_on(
    connection: duckdb.DuckDBPyConnection, table: tuple[str, str], on_table: str | None, on_columns: Mapping[str, str]
) -> None:
    """Writes comments on a table, unless None, and on columns."""
    statements = [f"COMMENT ON TABLE {quote(*table)} IS {text(on_table)}"] if on_table is not None else []
    statements += [f"COMMENT ON COLUMN {quote(*table, name)} IS {text(on_columns[name])}" for name in on_columns]
    if statements:
        connection.execute("; ".join(statements))


def comments_on(
    connection: duckdb.DuckDBPyConnection, table: tuple[str, str]
) -> tuple[str | None, dict[str, str | None]]:
    """The comments of a table and of each of its columns."""
    rows = connection.execute(
        "SELECT comment FROM duckdb_tables() WHERE database_name = current_database() AND schema_name = ? "
        "AND table_name = ?",
        list(table),
    ).fetchall()
    columns = {name: comment for name, _, comment in columns_of(connection, table)}
    return (rows[0][0] if rows else None), columns
