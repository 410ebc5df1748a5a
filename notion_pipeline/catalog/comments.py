"""Writes the comments that tables and columns carry in DuckDB."""

from __future__ import annotations

from collections.abc import Mapping

import duckdb

from notion_pipeline.catalog.sql import quote, text


def comment_on(
    connection: duckdb.DuckDBPyConnection, table: tuple[str, str], on_table: str, on_columns: Mapping[str, str]
) -> None:
    """Writes the comments of a table and of its columns."""
    connection.execute(
        f"COMMENT ON TABLE {quote(*table)} IS {text(on_table)}; "
        + "; ".join(f"COMMENT ON COLUMN {quote(*table, name)} IS {text(on_columns[name])}" for name in on_columns)
    )
