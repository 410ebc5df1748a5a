"""When each database was last fetched, and what search showed of it then."""

from __future__ import annotations

from datetime import datetime

import duckdb

from notion_pipeline.catalog.sql import is_table


def last_fetches(connection: duckdb.DuckDBPyConnection, source: str) -> dict[str, tuple[str | None, datetime]]:
    """By database id: the digest of what search showed at the last fetch, and the time of that fetch."""
    if not is_table(connection, ("_notion_pipeline", "looks")):  # a catalog that an earlier version wrote
        return {}
    rows = connection.execute(
        "SELECT database_id, marks, asked_at FROM _notion_pipeline.looks WHERE source = ?", [source]
    ).fetchall()
    return {row[0]: (row[1], row[2]) for row in rows}


def note_fetch(
    connection: duckdb.DuckDBPyConnection, source: str, database_id: str, marks: str | None, at: datetime
) -> None:
    """Records that a database was fetched, with the digest of what search showed."""
    connection.execute("DELETE FROM _notion_pipeline.looks WHERE source = ? AND database_id = ?", [source, database_id])
    connection.execute("INSERT INTO _notion_pipeline.looks VALUES (?, ?, ?, ?)", [source, database_id, marks, at])
