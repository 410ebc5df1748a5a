"""What commits of content did, in rows, and how many pages have content."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from notion_pipeline.catalog.content.tables.content_tables import DELETED_AT, PAGE_CONTENT, find_table
from notion_pipeline.catalog.sql import column_types, quote


@dataclass
class ContentCounts:
    """What a commit of content did."""

    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    removed: int = 0

    def add(self, other: ContentCounts) -> None:
        """Adds the counts of another commit."""
        self.inserted += other.inserted
        self.updated += other.updated
        self.unchanged += other.unchanged
        self.removed += other.removed


def pages_with_content(connection: duckdb.DuckDBPyConnection | None, source: str) -> dict[str, int] | None:
    """How many pages have content, by database id; None before the first content."""
    table = find_table(connection, source, PAGE_CONTENT) if connection is not None else None
    if connection is None or table is None:
        return None
    here = "WHERE _deleted_at IS NULL" if DELETED_AT[0] in column_types(connection, table) else ""
    rows = connection.execute(
        f"SELECT coalesce(database_id, ''), count(*) FROM {quote(*table)} {here} GROUP BY ALL"
    ).fetchall()
    return {str(key): int(count) for key, count in rows}
