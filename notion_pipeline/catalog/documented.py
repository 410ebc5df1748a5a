"""What the catalog says of its own tables: comments and columns, for those who describe them elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from notion_pipeline.catalog import bookkeeping
from notion_pipeline.catalog.sql import columns_of, names_in


@dataclass(frozen=True)
class DocumentedTable:
    """A table or view with its comments.

    Attributes:
        columns: Name, DuckDB type and comment of each, in order.
        database_id: In Notion; empty for the list of databases, and for views.
    """

    name: str
    comment: str
    columns: tuple[tuple[str, str, str], ...]
    database_id: str = ""
    data_source_id: str = ""


def documented_tables(connection: duckdb.DuckDBPyConnection, source: str) -> list[DocumentedTable]:
    """The list of databases, then every table of a source that a sync has filled, by name."""
    if not bookkeeping.has_bookkeeping(connection):
        return []
    standing = {
        state.table_name: state for state in bookkeeping.stream_states(connection, source).values() if state.has_table
    }
    found = [_documented(connection, source, name) for name in sorted(standing)]
    listed = [_documented(connection, source, "databases")] if "databases" in names_in(connection, source) else []
    return listed + [
        DocumentedTable(
            *(table.name, table.comment, table.columns),
            *(standing[table.name].database_id, standing[table.name].data_source_id),
        )
        for table in found
    ]


def documented_views(connection: duckdb.DuckDBPyConnection, schema: str) -> list[DocumentedTable]:
    """Every view of a schema, by name."""
    rows = connection.execute(
        "SELECT view_name FROM duckdb_views() WHERE database_name = current_database() AND schema_name = ? ORDER BY 1",
        [schema],
    ).fetchall()
    return [_documented(connection, schema, name) for (name,) in rows]


def _documented(connection: duckdb.DuckDBPyConnection, schema: str, name: str) -> DocumentedTable:
    comments = connection.execute(
        "SELECT comment FROM duckdb_tables() WHERE database_name = current_database() AND schema_name = ? "
        "AND table_name = ? UNION ALL SELECT comment FROM duckdb_views() WHERE database_name = current_database() "
        "AND schema_name = ? AND view_name = ?",
        [schema, name, schema, name],
    ).fetchall()
    columns = tuple((column, kind, comment or "") for column, kind, comment in columns_of(connection, (schema, name)))
    return DocumentedTable(name, comments[0][0] or "" if comments else "", columns)
