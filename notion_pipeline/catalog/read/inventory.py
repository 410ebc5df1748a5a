"""Which tables of a source stand in the catalog, and which database each belongs to."""

from __future__ import annotations

import duckdb

from notion_pipeline.catalog import state as bookkeeping
from notion_pipeline.catalog.read.table_index import SyncedTable
from notion_pipeline.catalog.resolved import known_names
from notion_pipeline.catalog.sql import names_in, quote, text
from notion_pipeline.listing.databases import IN_TRASH, NOT_SHARED

#: SQL of why a database of `S.databases` that is not accessible is not.
GONE_REASON = f"CASE WHEN in_trash THEN {text(IN_TRASH)} ELSE {text(NOT_SHARED)} END"
_NO_MEMBER = "no longer among the data sources of its database, or in Notion's trash"
_STANDING = """
SELECT s.table_name, s.database_id, s.data_source_id
FROM _notion_pipeline.streams s
JOIN duckdb_tables() t ON t.database_name = current_database() AND t.schema_name = s.source
     AND lower(t.table_name) = lower(s.table_name)
WHERE s.source = ? AND s.last_sync_at IS NOT NULL
ORDER BY s.table_name
"""


def synced_tables(connection: duckdb.DuckDBPyConnection | None, source: str) -> list[SyncedTable]:
    """Every table that a sync has filled, by name; those of databases that are no longer seen or selected too."""
    if connection is None or not bookkeeping.has_bookkeeping(connection):
        return []
    databases = _databases(connection, source)
    keys: dict[str, list[str]] = {}
    for (kind, name), ids in known_names(connection, source).databases.items():
        for database_id in ids if kind == "streams" else ():
            keys.setdefault(database_id, []).append(name)
    found = []
    for name, database_id, data_source_id in connection.execute(_STANDING, [source]).fetchall():
        title, url, description, members, in_sync, gone = databases.get(database_id, ("", "", "", None, True, ""))
        names = {member["id"]: member["name"] for member in members or []}
        if not gone and members is not None and data_source_id not in names:
            gone, in_sync = _NO_MEMBER, False
        found.append(
            SyncedTable(
                name=name,
                database_id=database_id,
                data_source_id=data_source_id,
                title=title or "",
                url=url or "",
                description=description or "",
                data_source=names.get(data_source_id) or "",
                in_sync=bool(in_sync),
                gone=gone,
                keys=tuple(sorted(keys.get(database_id, ()))),
            )
        )
    return found


def _databases(
    connection: duckdb.DuckDBPyConnection, source: str
) -> dict[str, tuple[str, str, str, list[dict[str, str]] | None, bool, str]]:
    """Title, url, description, data sources, whether it is synced, and why it is gone, of each listed database."""
    if "databases" not in names_in(connection, source):
        return {}
    rows = connection.execute(
        "SELECT id, title, url, description, data_sources, selected AND accessible, "
        f"CASE WHEN accessible THEN '' ELSE {GONE_REASON} END FROM {quote(source, 'databases')}"
    ).fetchall()
    return {row[0]: (row[1], row[2], row[3], row[4], row[5], row[6]) for row in rows}
