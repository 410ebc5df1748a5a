"""Which table belongs to which data source, and which to the users of a source."""

from __future__ import annotations

import duckdb

from notion_pipeline.catalog.sql import is_table
from notion_pipeline.catalog.state.commits import require_full_read

#: The kind of content that the table of users holds.
USERS_CONTENT = "users"


def content_table(connection: duckdb.DuckDBPyConnection, source: str, content: str) -> str | None:
    """Name of the table that holds a kind of content of a source, such as its users; None where there is none yet."""
    if not is_table(connection, ("_notion_pipeline", "content_tables")):  # a catalog that an earlier version wrote
        return None
    rows = connection.execute(
        "SELECT table_name FROM _notion_pipeline.content_tables WHERE source = ? AND content = ?", [source, content]
    ).fetchall()
    return rows[0][0] if rows else None


def content_tables(connection: duckdb.DuckDBPyConnection, source: str) -> dict[str, str]:
    """Names of the tables that hold content of a source, by kind; those alone that exist."""
    if not is_table(connection, ("_notion_pipeline", "content_tables")):
        return {}
    rows = connection.execute(
        "SELECT content, table_name FROM _notion_pipeline.content_tables WHERE source = ? ORDER BY 1", [source]
    ).fetchall()
    return {content: name for content, name in rows if is_table(connection, (source, name))}


def note_content_table(connection: duckdb.DuckDBPyConnection, source: str, content: str, name: str) -> None:
    """Records the name of the table that was made for a kind of content."""
    connection.execute(
        "DELETE FROM _notion_pipeline.content_tables WHERE source = ? AND content = ?", [source, content]
    )
    connection.execute("INSERT INTO _notion_pipeline.content_tables VALUES (?, ?, ?)", [source, content, name])


def table_names(connection: duckdb.DuckDBPyConnection, source: str) -> dict[str, str]:
    """Table name by data source id."""
    if not is_table(connection, ("_notion_pipeline", "streams")):
        return {}
    rows = connection.execute(
        "SELECT data_source_id, table_name FROM _notion_pipeline.streams WHERE source = ?", [source]
    ).fetchall()
    return {row[0]: row[1] for row in rows}


def add_stream(
    connection: duckdb.DuckDBPyConnection, source: str, database_id: str, data_source_id: str, table_name: str
) -> None:
    """Gives a data source its table name, which it keeps for good."""
    connection.execute(
        "INSERT INTO _notion_pipeline.streams (source, database_id, data_source_id, table_name, columns) "
        "VALUES (?, ?, ?, ?, '[]')",
        [source, database_id, data_source_id, table_name],
    )


def rename_stream(connection: duckdb.DuckDBPyConnection, source: str, data_source_id: str, table_name: str) -> None:
    """Records the new name of a data source's table."""
    connection.execute(
        "UPDATE _notion_pipeline.streams SET table_name = ? WHERE source = ? AND data_source_id = ?",
        [table_name, source, data_source_id],
    )


def move_stream(connection: duckdb.DuckDBPyConnection, source: str, data_source_id: str, database_id: str) -> None:
    """Moves a data source to another database. Its next read is full, since each row names its parent database."""
    connection.execute(
        "UPDATE _notion_pipeline.streams SET database_id = ? WHERE source = ? AND data_source_id = ?",
        [database_id, source, data_source_id],
    )
    require_full_read(connection, source, [data_source_id])


def users_table(connection: duckdb.DuckDBPyConnection, source: str) -> tuple[str, str] | None:
    """The table of a source's users; None where no user was seen yet."""
    name = content_table(connection, source, USERS_CONTENT)
    return (source, name) if name is not None and is_table(connection, (source, name)) else None
