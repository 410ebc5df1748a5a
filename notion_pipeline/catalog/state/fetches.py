"""When each database was last fetched, and what search showed of it then."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import duckdb

from notion_pipeline.catalog.state.tables import LOOKS
from notion_pipeline.catalog.state.versions import append, is_recorded


def last_fetches(connection: duckdb.DuckDBPyConnection, source: str) -> dict[str, tuple[str | None, datetime]]:
    """By database id: the digest of what search showed at the last fetch, and the time of that fetch."""
    if not is_recorded(connection, LOOKS):  # a catalog that an earlier version wrote
        return {}
    rows = connection.execute(
        "SELECT database_id, marks, asked_at FROM _notion_pipeline.looks WHERE source = ?", [source]
    ).fetchall()
    return {row[0]: (row[1], row[2]) for row in rows}


def note_fetches(
    connection: duckdb.DuckDBPyConnection, source: str, marks: Mapping[str, str | None], at: datetime
) -> None:
    """Records that databases were fetched.

    Args:
        marks: The digest of what search showed, by database id.
    """
    append(connection, LOOKS, [(source, database_id, digest, at) for database_id, digest in marks.items()])
