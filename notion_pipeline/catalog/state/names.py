"""Which table belongs to which data source, and which to the users of a source."""

from __future__ import annotations

from collections.abc import Collection

import duckdb

from notion_pipeline.catalog.sql import is_table
from notion_pipeline.catalog.state.tables import CONTENT_TABLES, STREAMS
from notion_pipeline.catalog.state.versions import append, is_recorded

#: The kind of content that the table of users holds.
USERS_CONTENT = "users"


def content_table(connection: duckdb.DuckDBPyConnection, source: str, content: str) -> str | None:
    """Name of the table that holds a kind of content of a source, such as its users; None where there is none yet."""
    if not is_recorded(connection, CONTENT_TABLES):  # a catalog that an earlier version wrote
        return None
    rows = connection.execute(
        "SELECT table_name FROM _notion_pipeline.content_tables WHERE source = ? AND content = ?", [source, content]
    ).fetchall()
    return rows[0][0] if rows else None


def content_tables(connection: duckdb.DuckDBPyConnection, source: str) -> dict[str, str]:
    """Names of the tables that hold content of a source, by kind; those alone that exist."""
    if not is_recorded(connection, CONTENT_TABLES):
        return {}
    rows = connection.execute(
        "SELECT content, table_name FROM _notion_pipeline.content_tables WHERE source = ? ORDER BY 1", [source]
    ).fetchall()
    return {content: name for content, name in rows if is_table(connection, (source, name))}


def note_content_table(connection: duckdb.DuckDBPyConnection, source: str, content: str, name: str) -> None:
    """Records the name of the table that was made for a kind of content."""
    append(connection, CONTENT_TABLES, [(source, content, name)])


def table_names(connection: duckdb.DuckDBPyConnection, source: str) -> dict[str, str]:
    """Table name by data source id."""
    if not is_recorded(connection, STREAMS):
        return {}
    rows = connection.execute(
        "SELECT data_source_id, table_name FROM _notion_pipeline.streams WHERE source = ?", [source]
    ).fetchall()
    return {row[0]: row[1] for row in rows}


def name_streams(connection: duckdb.DuckDBPyConnection, source: str, named: Collection[tuple[str, str, str]]) -> None:
    """Gives data sources their table names and databases, in place of those that they had.

    Args:
        named: Data source id, database id and table name.
    """
    append(connection, STREAMS, [(source, *names) for names in named])


def users_table(connection: duckdb.DuckDBPyConnection, source: str) -> tuple[str, str] | None:
    """The table of a source's users; None where no user was seen yet."""
    name = content_table(connection, source, USERS_CONTENT)
    return (source, name) if name is not None and is_table(connection, (source, name)) else None
