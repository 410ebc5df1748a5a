"""Tables with their comments and columns, for descriptions outside the catalog."""

from __future__ import annotations

from dataclasses import dataclass, replace

import duckdb

from notion_pipeline.catalog import state as bookkeeping
from notion_pipeline.catalog.sql import columns_by_table


@dataclass(frozen=True)
class DocumentedTable:
    """A table or view with its comments.

    Attributes:
        columns: Name, DuckDB type and comment of each, in order.
        database_id: Empty for the list of databases, for users and content, and for views.
    """

    name: str
    comment: str
    columns: tuple[tuple[str, str, str], ...]
    database_id: str = ""
    data_source_id: str = ""


def documented_tables(connection: duckdb.DuckDBPyConnection, source: str) -> list[DocumentedTable]:
    """The list of databases, users and content, then by name every table of a source that a sync has filled."""
    if not bookkeeping.has_bookkeeping(connection):
        return []
    current = {
        state.table_name: state for state in bookkeeping.stream_states(connection, source).values() if state.has_table
    }
    here = _documented(connection, source)
    content = bookkeeping.content_tables(connection, source).values()
    listed = [here[name] for name in ("databases", *content) if name in here]
    return listed + [
        replace(here[name], database_id=state.database_id, data_source_id=state.data_source_id)
        for name, state in sorted(current.items())
        if name in here
    ]


def documented_views(connection: duckdb.DuckDBPyConnection, schema: str) -> list[DocumentedTable]:
    """Every view of a schema, by name."""
    rows = connection.execute(
        "SELECT view_name FROM duckdb_views() WHERE database_name = current_database() AND schema_name = ? ORDER BY 1",
        [schema],
    ).fetchall()
    here = _documented(connection, schema)
    return [here[name] for (name,) in rows if name in here]


def _documented(connection: duckdb.DuckDBPyConnection, schema: str) -> dict[str, DocumentedTable]:
    """Every table and view of a schema."""
    comments = dict(
        connection.execute(
            "SELECT table_name, comment FROM duckdb_tables() WHERE database_name = current_database() "
            "AND schema_name = ? UNION ALL SELECT view_name, comment FROM duckdb_views() "
            "WHERE database_name = current_database() AND schema_name = ?",
            [schema, schema],
        ).fetchall()
    )
    return {
        name: DocumentedTable(name, comments.get(name) or "", tuple((n, kind, note or "") for n, kind, note in columns))
        for name, columns in columns_by_table(connection, schema).items()
    }
