"""Databases that a connection does not see any more, and their tables, which stay."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import duckdb

from notion_pipeline.catalog.listing.known_databases import has_databases
from notion_pipeline.catalog.read.inventory import GONE_REASON, synced_tables
from notion_pipeline.catalog.sql import quote
from notion_pipeline.database_ref import DatabaseRef


@dataclass(frozen=True)
class GoneDatabase(DatabaseRef):
    """A database that was listed once and is not seen any more.

    Attributes:
        reason: In words that follow "it is".
        last_seen_at: None if no listing ever saw it.
        tables: Its tables as `schema.table`; they stay as they are.
    """

    reason: str
    last_seen_at: datetime | None
    tables: tuple[str, ...]

    def describe(self) -> str:
        """On one line: which database, why, since when, and what stays."""
        seen = f", last seen {self.last_seen_at:%Y-%m-%d %H:%M} UTC" if self.last_seen_at else ""
        stays = f"; its rows stay in {', '.join(self.tables)} and are not synced any more" if self.tables else ""
        return f"{self.label} is {self.reason}{seen}{stays}"


def gone_databases(connection: duckdb.DuckDBPyConnection | None, source: str) -> list[GoneDatabase]:
    """Every database of a source that the last listings did not find, by title."""
    if connection is None or not has_databases(connection, source):
        return []
    rows = connection.execute(
        f"SELECT id, coalesce(title, ''), coalesce(url, ''), {GONE_REASON}, last_seen_at "
        f"FROM {quote(source, 'databases')} WHERE NOT accessible ORDER BY lower(title), id"
    ).fetchall()
    tables: dict[str, list[str]] = {}
    for table in synced_tables(connection, source) if rows else ():
        tables.setdefault(table.database_id, []).append(f"{source}.{table.name}")
    return [
        GoneDatabase(
            id=row[0],
            title=row[1],
            url=row[2],
            reason=row[3],
            last_seen_at=row[4],
            tables=tuple(tables.get(row[0], ())),
        )
        for row in rows
    ]
