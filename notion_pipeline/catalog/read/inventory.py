"""The tables of a source, and the database each belongs to."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from notion_pipeline.catalog import state as bookkeeping
from notion_pipeline.catalog.listing.known_databases import has_databases
from notion_pipeline.catalog.listing.resolved import known_names
from notion_pipeline.catalog.read.table_index import SyncedTable
from notion_pipeline.catalog.sql import columns_by_table, quote, text
from notion_pipeline.listing.databases import IN_TRASH, NOT_SHARED
from notion_pipeline.rows.naming import first_table

#: SQL of the reason why a database of `S.databases` is not accessible.
GONE_REASON = f"CASE WHEN in_trash THEN {text(IN_TRASH)} ELSE {text(NOT_SHARED)} END"
_NO_MEMBER = "no longer among the data sources of its database, or in Notion's trash"
_SYNCED = """
SELECT s.table_name, s.database_id, s.data_source_id
FROM _notion_pipeline.streams s
JOIN duckdb_tables() t ON t.database_name = current_database() AND t.schema_name = s.source
     AND lower(t.table_name) = lower(s.table_name)
WHERE s.source = ? AND s.last_sync_at IS NOT NULL
ORDER BY s.table_name
"""


def synced_tables(connection: duckdb.DuckDBPyConnection | None, source: str) -> list[SyncedTable]:
    """Every table that a sync has filled, by name, also of databases that are no longer seen or selected."""
    return [table for table in known_tables(connection, source) if table.synced]


def known_tables(connection: duckdb.DuckDBPyConnection | None, source: str) -> list[SyncedTable]:
    """The tables that syncs have filled, and those that the next sync makes of the selected databases; by name."""
    if connection is None or not bookkeeping.has_bookkeeping(connection):
        return []
    databases = _databases(connection, source)
    current = bookkeeping.table_names(connection, source)
    keys: dict[str, list[str]] = {}
    for (kind, name), ids in known_names(connection, source).databases.items():
        for database_id in ids if kind == "streams" else ():
            keys.setdefault(database_id, []).append(name)
    synced = connection.execute(_SYNCED, [source]).fetchall()
    filled = {data_source_id for _, _, data_source_id in synced}
    listed = [
        (current.get(member["id"]) or member["table_name"], database_id, member["id"])
        for database_id, database in databases.items()
        for member in (database.members or [] if database.in_sync else [])
        if member["id"] not in filled
    ]
    columns = columns_by_table(connection, source)
    found = []
    for name, database_id, data_source_id in sorted([*synced, *listed]):
        database = databases.get(database_id, _Database())
        members = {member["id"]: member for member in database.members or []}
        is_member = database.members is None or data_source_id in members
        tables = [current.get(key) or member["table_name"] for key, member in members.items()]
        found.append(
            SyncedTable(
                name=name,
                database_id=database_id,
                data_source_id=data_source_id,
                title=database.title,
                url=database.url,
                description=database.description,
                data_source=(members[data_source_id]["name"] or "") if data_source_id in members else "",
                in_sync=database.in_sync and (is_member or bool(database.gone)),
                gone=database.gone or ("" if is_member else _NO_MEMBER),
                keys=tuple(sorted(keys.get(database_id, ()))),
                partition=first_table(tables) or database_id,
                synced=data_source_id in filled,
                columns=columns.get(name, ()) if data_source_id in filled else (),
            )
        )
    return found


@dataclass(frozen=True)
class _Database:
    """A database of `S.databases`; the defaults are for one that no listing knows.

    Attributes:
        members: Its data sources; None if no listing knows it.
    """

    title: str = ""
    url: str = ""
    description: str = ""
    members: list[dict[str, str]] | None = None
    in_sync: bool = True
    gone: str = ""


def _databases(connection: duckdb.DuckDBPyConnection, source: str) -> dict[str, _Database]:
    if not has_databases(connection, source):
        return {}
    rows = connection.execute(
        "SELECT id, coalesce(title, ''), coalesce(url, ''), coalesce(description, ''), data_sources, "
        f"selected AND accessible, CASE WHEN accessible THEN '' ELSE {GONE_REASON} END "
        f"FROM {quote(source, 'databases')}"
    ).fetchall()
    return {
        key: _Database(title, url, about, members, bool(in_sync), gone)
        for key, title, url, about, members, in_sync, gone in rows
    }
