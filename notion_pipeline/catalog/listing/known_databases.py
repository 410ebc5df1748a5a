"""Reads `S.databases`: what earlier listings left."""

from __future__ import annotations

import duckdb

from notion_pipeline.catalog import state as bookkeeping
from notion_pipeline.catalog.sql import is_table, quote
from notion_pipeline.listing.listed import KnownDatabase


def has_databases(connection: duckdb.DuckDBPyConnection, source: str) -> bool:
    """Whether a listing of this source was committed before."""
    return is_table(connection, (source, "databases"))


def known_databases(connection: duckdb.DuckDBPyConnection | None, source: str) -> dict[str, KnownDatabase]:
    """Every database of earlier listings, by id; empty before the first listing."""
    if connection is None or not has_databases(connection, source):
        return {}
    fetches = bookkeeping.last_fetches(connection, source)
    tables = bookkeeping.table_names(connection, source)
    rows = connection.execute(
        f"SELECT id, title, url, data_sources, selected, accessible, created_time FROM {quote(source, 'databases')}"
    ).fetchall()
    return {
        row[0]: KnownDatabase(
            id=row[0],
            title=row[1],
            url=row[2],
            data_sources=tuple((entry["id"], entry["name"]) for entry in row[3] or []),
            selected=row[4],
            accessible=row[5],
            created_time=row[6],
            search_digest=fetches.get(row[0], (None, None))[0],
            asked_at=fetches.get(row[0], (None, None))[1],
            tables=tuple(tables.get(entry["id"]) or entry["table_name"] for entry in row[3] or []),
        )
        for row in rows
    }


def accessible_databases(connection: duckdb.DuckDBPyConnection | None, source: str) -> dict[str, KnownDatabase]:
    """The known databases that the last listing saw, by id."""
    return {key: found for key, found in known_databases(connection, source).items() if found.accessible}
