"""The table `S.databases`, the names of the tables, and the renames that sources.yaml asks for: one transaction."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb

from notion_pipeline.catalog import bookkeeping
from notion_pipeline.catalog.sql import quote
from notion_pipeline.config import Source
from notion_pipeline.instants import as_datetime
from notion_pipeline.json_text import dump_json
from notion_pipeline.listing import ListedDatabase, Listing
from notion_pipeline.naming import NamedDatabase, TableNames, table_names
from notion_pipeline.properties import Exclusion
from notion_pipeline.selection import stream_name

_COLUMNS = (
    ("id", "VARCHAR"),
    ("object", "VARCHAR"),
    ("title", "VARCHAR"),
    ("description", "VARCHAR"),
    ("url", "VARCHAR"),
    ("public_url", "VARCHAR"),
    ("parent", "JSON"),
    ("icon", "JSON"),
    ("cover", "JSON"),
    ("is_inline", "BOOLEAN"),
    ("in_trash", "BOOLEAN"),
    ("archived", "BOOLEAN"),
    ("created_time", "TIMESTAMPTZ"),
    ("created_by", "VARCHAR"),
    ("last_edited_time", "TIMESTAMPTZ"),
    ("last_edited_by", "VARCHAR"),
    ("properties", "JSON"),
    ("data_sources", "STRUCT(id VARCHAR, name VARCHAR, table_name VARCHAR)[]"),
    ("stream", "VARCHAR"),
    ("selected", "BOOLEAN"),
    ("accessible", "BOOLEAN"),
    ("sync_type", "VARCHAR"),
    ("last_seen_at", "TIMESTAMPTZ"),
)


@dataclass(frozen=True)
class ListedStream:
    """A database as the listing leaves it in the catalog."""

    database_id: str
    title: str
    url: str
    stream: str
    tables: tuple[str, ...]
    sync_type: str
    selected: bool


@dataclass(frozen=True)
class KnownDatabase:
    """A database of `S.databases`, with (id, name) of its data sources."""

    id: str
    title: str
    url: str
    data_sources: tuple[tuple[str, str], ...]
    selected: bool
    accessible: bool


def known_databases(connection: duckdb.DuckDBPyConnection | None, source: str) -> dict[str, KnownDatabase]:
    """What the last listings left, by database id; empty before the first."""
    if connection is None or not _exists(connection, source):
        return {}
    rows = connection.execute(
        f"SELECT id, title, url, data_sources, selected, accessible FROM {quote(source, 'databases')}"
    ).fetchall()
    return {
        row[0]: KnownDatabase(
            *(row[0], row[1], row[2], tuple((entry["id"], entry["name"]) for entry in row[3] or []), row[4], row[5])
        )
        for row in rows
    }


def write_databases(
    connection: duckdb.DuckDBPyConnection, source: Source, listing: Listing, now: datetime
) -> list[ListedStream]:
    """Brings `S.databases` up to date, names new tables, and renames those that sources.yaml calls otherwise."""
    bookkeeping.create_tables(connection)
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quote(source.name)}")
    columns = ", ".join(f"{quote(name)} {kind}" for name, kind in _COLUMNS)
    table = quote(source.name, "databases")
    connection.execute(f"CREATE TABLE IF NOT EXISTS {table} ({columns})")
    before = known_databases(connection, source.name)
    names = name_tables(connection, source, listing.databases)
    returned = [d for d in listing.databases if d.id in before and not before[d.id].accessible]
    bookkeeping.require_full_read(
        connection, source.name, [member.id for database in returned for member in database.data_sources]
    )
    listed = [database.id for database in listing.databases]
    connection.execute(f"DELETE FROM {table} WHERE list_contains(?, id)", [listed])
    connection.execute(
        f"UPDATE {table} SET accessible = false, selected = false WHERE list_contains(?, id)", [list(listing.retired)]
    )
    marks = ", ".join("?" if kind != "JSON" else "?::JSON" for _, kind in _COLUMNS)
    for database in listing.databases:
        connection.execute(f"INSERT INTO {table} VALUES ({marks})", _row(source, database, names.tables, now))
    return [
        ListedStream(
            database_id=database.id,
            title=database.title,
            url=database.url,
            stream=stream_name(database.id),
            tables=tuple(f"{source.name}.{names.tables[member.id]}" for member in database.data_sources),
            sync_type=str(source.sync_type_for(database.id, database.title).value),
            selected=source.selects(database.id, database.title),
        )
        for database in listing.databases
    ]


def name_tables(
    connection: duckdb.DuckDBPyConnection, source: Source, databases: Iterable[ListedDatabase]
) -> TableNames:
    """Gives every data source its table name and renames tables, by way of names of no one since two may swap."""
    return _name(
        connection,
        source,
        [
            NamedDatabase(
                database.id,
                database.title,
                tuple((member.id, member.name) for member in database.data_sources),
                source.table_for(database.id, database.title),
            )
            for database in databases
        ],
    )


def name_unlisted(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    database_id: str,
    title: str,
    data_sources: Iterable[tuple[str, str]],
) -> None:
    """Names the tables of a database that is synced before any listing, as after the loss of the catalog."""
    named = NamedDatabase(database_id, title, tuple(data_sources), source.table_for(database_id, title))
    _name(connection, source, [named])


def _name(connection: duckdb.DuckDBPyConnection, source: Source, databases: list[NamedDatabase]) -> TableNames:
    bookkeeping.create_tables(connection)
    states = bookkeeping.stream_states(connection, source.name)
    held = {state.data_source_id: state.table_name for state in states.values()}
    present = {
        row[0]
        for row in connection.execute(
            "SELECT table_name FROM duckdb_tables() WHERE database_name = current_database() AND schema_name = ? "
            "UNION ALL SELECT view_name FROM duckdb_views() "
            "WHERE database_name = current_database() AND schema_name = ?",
            [source.name, source.name],
        ).fetchall()
    }
    ours = {name.lower() for name in held.values()}
    foreign = {name for name in present if name.lower() not in ours}
    names = table_names(databases, held=held, foreign=foreign, prefix=source.table_prefix)
    owners = {key: database.database_id for database in databases for key, _ in database.data_sources}
    standing = [rename for rename in names.renames if states[rename.data_source_id].has_table]
    for rename in standing:
        _rename(connection, source.name, rename.old, f"{rename.new}__moving")
    for rename in standing:
        _rename(connection, source.name, f"{rename.new}__moving", rename.new)
    for rename in names.renames:
        bookkeeping.rename_stream(connection, source.name, rename.data_source_id, rename.new)
    for key, name in names.tables.items():
        if key not in held:
            bookkeeping.add_stream(connection, source.name, owners[key], key, name)
    return names


def _rename(connection: duckdb.DuckDBPyConnection, schema: str, old: str, new: str) -> None:
    connection.execute(f"ALTER TABLE {quote(schema, old)} RENAME TO {quote(new)}")


def _row(source: Source, database: ListedDatabase, tables: dict[str, str], now: datetime) -> list[Any]:
    raw = database.raw
    first = database.data_sources[0].raw if database.data_sources else {}
    excluded = Exclusion(source.settings_for(database.id, database.title).exclude_properties)
    schemas = {
        member.id: {
            name: entry
            for name, entry in (member.raw.get("properties") or {}).items()
            if not excluded.covers(name, entry.get("id") if isinstance(entry, dict) else None)
        }
        for member in database.data_sources
    }
    return [
        *(database.id, "database", database.title, _plain(raw.get("description")), database.url),
        *(raw.get("public_url"), _json(raw.get("parent")), _json(raw.get("icon")), _json(raw.get("cover"))),
        *(bool(raw.get("is_inline")), bool(raw.get("in_trash")), bool(raw.get("in_trash"))),
        *(_instant(raw, first, "created_time"), _user(raw, first, "created_by")),
        *(_instant(raw, first, "last_edited_time"), _user(raw, first, "last_edited_by")),
        _json(schemas),
        [{"id": member.id, "name": member.name, "table_name": tables[member.id]} for member in database.data_sources],
        stream_name(database.id),
        source.selects(database.id, database.title),
        True,
        str(source.sync_type_for(database.id, database.title).value),
        now,
    ]


def _plain(parts: Any) -> str:
    items = parts if isinstance(parts, list) else []
    return "".join(str(item.get("plain_text") or "") for item in items if isinstance(item, dict))


def _json(value: Any) -> str | None:
    return None if value is None else dump_json(value).decode()


def _instant(raw: dict[str, Any], first: dict[str, Any], key: str) -> Any:
    return as_datetime(raw.get(key) or first.get(key))


def _user(raw: dict[str, Any], first: dict[str, Any], key: str) -> str | None:
    user = raw.get(key) or first.get(key)
    return str(user["id"]) if isinstance(user, dict) and "id" in user else None


def _exists(connection: duckdb.DuckDBPyConnection, source: str) -> bool:
    return bool(
        connection.execute(
            "SELECT 1 FROM duckdb_tables() WHERE database_name = current_database() AND schema_name = ? "
            "AND table_name = 'databases'",
            [source],
        ).fetchall()
    )
