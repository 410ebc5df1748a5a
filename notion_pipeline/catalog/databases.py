"""The table `S.databases`, the names of the tables, and the renames that sources.yaml asks for: one transaction."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb

from notion_pipeline.catalog import bookkeeping
from notion_pipeline.catalog.comments import comment_on
from notion_pipeline.catalog.sql import free_name, is_table, names_in, quote
from notion_pipeline.config import Source
from notion_pipeline.instants import as_datetime
from notion_pipeline.json_text import dump_json
from notion_pipeline.listing import KnownDatabase, ListedDatabase, Listing
from notion_pipeline.naming import NamedDatabase, TableNames, table_names
from notion_pipeline.properties import Exclusion
from notion_pipeline.resolution import unresolved_exclusions
from notion_pipeline.selection import stream_name

#: Name, type and comment.
_COLUMNS = (
    ("id", "VARCHAR", "Id of the database"),
    ("object", "VARCHAR", "Always `database`"),
    ("title", "VARCHAR", "Title in plain text"),
    ("description", "VARCHAR", "Description in plain text"),
    ("url", "VARCHAR", "Address in Notion"),
    ("public_url", "VARCHAR", "Address on the web, where it is published"),
    ("parent", "JSON", "What the database stands in, as Notion gives it"),
    ("icon", "JSON", "Icon, as Notion gives it"),
    ("cover", "JSON", "Cover, as Notion gives it"),
    ("is_inline", "BOOLEAN", "Whether it stands within a page"),
    ("in_trash", "BOOLEAN", "Whether it is in Notion's trash"),
    ("archived", "BOOLEAN", "The same as in_trash"),
    ("created_time", "TIMESTAMPTZ", "When it was made"),
    ("created_by", "VARCHAR", "Id of the user who made it"),
    ("last_edited_time", "TIMESTAMPTZ", "When it was last edited; editing its rows does not count"),
    ("last_edited_by", "VARCHAR", "Id of the user who last edited it"),
    ("properties", "JSON", "Schema of its data sources, by data source id"),
    ("data_sources", "STRUCT(id VARCHAR, name VARCHAR, table_name VARCHAR)[]", "Its data sources with their tables"),
    ("stream", "VARCHAR", "Name of its stream"),
    ("selected", "BOOLEAN", "Whether sources.yaml selects it"),
    ("accessible", "BOOLEAN", "Whether the connection sees it"),
    ("sync_type", "VARCHAR", "How sources.yaml has it synced"),
    ("last_seen_at", "TIMESTAMPTZ", "When a listing last saw it"),
)
#: The columns that every listing writes; those before are what the database itself tells when it is asked for.
_CURRENT = ("properties", "data_sources", "stream", "selected", "accessible", "sync_type", "last_seen_at")


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


def known_databases(connection: duckdb.DuckDBPyConnection | None, source: str) -> dict[str, KnownDatabase]:
    """What the last listings left, by database id; empty before the first."""
    if connection is None or not _exists(connection, source):
        return {}
    looks = bookkeeping.looks(connection, source)
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
            marks=looks.get(row[0], (None, None))[0],
            asked_at=looks.get(row[0], (None, None))[1],
            tables=tuple(tables.get(entry["id"]) or entry["table_name"] for entry in row[3] or []),
        )
        for row in rows
    }


def accessible_databases(connection: duckdb.DuckDBPyConnection | None, source: str) -> dict[str, KnownDatabase]:
    """Those of the known databases that the last listing saw, by id."""
    return {key: found for key, found in known_databases(connection, source).items() if found.accessible}


def write_databases(
    connection: duckdb.DuckDBPyConnection, source: Source, listing: Listing, now: datetime
) -> list[ListedStream]:
    """Brings `S.databases` up to date, names new tables, and renames those that sources.yaml calls otherwise."""
    bookkeeping.create_tables(connection)
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quote(source.name)}")
    columns = ", ".join(f"{quote(name)} {kind}" for name, kind, _ in _COLUMNS)
    table = quote(source.name, "databases")
    if not _exists(connection, source.name):
        connection.execute(f"CREATE TABLE {table} ({columns})")
        comment_on(
            connection,
            (source.name, "databases"),
            f"Every Notion database that the connection of source {source.name} sees",
            {name: comment for name, _, comment in _COLUMNS},
        )
    before = known_databases(connection, source.name)
    names = name_tables(connection, source, listing.databases)
    if before:
        _require_full_reads(connection, source.name, before, listing.databases)
    asked = [database.id for database in listing.databases if database.raw is not None]
    connection.execute(f"DELETE FROM {table} WHERE list_contains(?, id)", [asked])
    connection.execute(
        f"UPDATE {table} SET accessible = false, selected = false WHERE list_contains(?, id)", [list(listing.retired)]
    )
    marks = ["?" if kind != "JSON" else "?::JSON" for _, kind, _ in _COLUMNS]
    current = ", ".join(f"{quote(name)} = {mark}" for name, mark in zip(_CURRENT, marks[-len(_CURRENT) :], strict=True))
    for database in listing.databases:
        values = _current(source, database, names.tables, now)
        if database.raw is not None:
            row = [*_container(database, database.raw), *values]
            connection.execute(f"INSERT INTO {table} VALUES ({', '.join(marks)})", row)
            bookkeeping.note_look(connection, source.name, database.id, database.marks, now)
        else:
            connection.execute(f"UPDATE {table} SET {current} WHERE id = ?", [*values, database.id])
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


def _require_full_reads(
    connection: duckdb.DuckDBPyConnection,
    source: str,
    before: dict[str, KnownDatabase],
    databases: Iterable[ListedDatabase],
) -> None:
    """Of databases that come back into sight; and of what is related to any that comes into sight.

    Its relations were shown as empty meanwhile, and neither coming nor going moves a row's `last_edited_time`
    (notion-api.md sections 2 and 6), so that no incremental read would notice.
    """
    appeared = [database for database in databases if database.id not in before or not before[database.id].accessible]
    if not appeared:
        return
    returned = {member.id for database in appeared if database.id in before for member in database.data_sources}
    targets = {member.id for database in appeared for member in database.data_sources}
    stale = [
        key
        for key, state in bookkeeping.stream_states(connection, source).items()
        if key in returned or any(entry.get("target") in targets for entry in (state.snapshot or {}).values())
    ]
    bookkeeping.require_full_read(connection, source, stale)


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
    present = names_in(connection, source.name)
    ours = {state.table_name.lower() for state in states.values() if state.has_table}
    foreign = {name.lower() for name in present if name.lower() not in ours}
    # Where somebody else's table came to stand under a name that was given and not used yet, another is given.
    held = {key: state.table_name for key, state in states.items() if state.table_name.lower() not in foreign}
    names = table_names(databases, held=held, foreign=foreign, prefix=source.table_prefix)
    standing = [(r.old, r.new) for r in names.renames if states[r.data_source_id].has_table]
    _rename_tables(connection, source.name, standing, {*present, *names.tables.values()})
    owners = {key: database.database_id for database in databases for key, _ in database.data_sources}
    for key, name in names.tables.items():
        if key not in states:
            bookkeeping.add_stream(connection, source.name, owners[key], key, name)
        elif name != states[key].table_name:
            bookkeeping.rename_stream(connection, source.name, key, name)
    return names


def _rename_tables(
    connection: duckdb.DuckDBPyConnection, schema: str, renames: list[tuple[str, str]], taken: set[str]
) -> None:
    """Renames all by way of names of no one: two tables may swap theirs."""
    passing = []
    for old, new in renames:
        between = free_name(f"{new}__moving", taken)
        taken.add(between)
        _rename(connection, schema, old, between)
        passing.append((between, new))
    for between, new in passing:
        _rename(connection, schema, between, new)


def _rename(connection: duckdb.DuckDBPyConnection, schema: str, old: str, new: str) -> None:
    connection.execute(f"ALTER TABLE {quote(schema, old)} RENAME TO {quote(new)}")


def _container(database: ListedDatabase, raw: dict[str, Any]) -> list[Any]:
    """What the database itself tells, up to the column `last_edited_by`."""
    first = database.data_sources[0].raw if database.data_sources else {}
    return [
        *(database.id, "database", database.title, _plain(raw.get("description")), database.url),
        *(raw.get("public_url"), _json(raw.get("parent")), _json(raw.get("icon")), _json(raw.get("cover"))),
        *(bool(raw.get("is_inline")), bool(raw.get("in_trash")), bool(raw.get("in_trash"))),
        *(_instant(raw, first, "created_time"), _user(raw, first, "created_by")),
        *(_instant(raw, first, "last_edited_time"), _user(raw, first, "last_edited_by")),
    ]


def _current(source: Source, database: ListedDatabase, tables: dict[str, str], now: datetime) -> list[Any]:
    """What search, sources.yaml and the listing itself tell: the columns `_CURRENT`."""
    return [
        _json({member.id: _schema(source, database, member.raw) for member in database.data_sources}),
        [{"id": member.id, "name": member.name, "table_name": tables[member.id]} for member in database.data_sources],
        stream_name(database.id),
        source.selects(database.id, database.title),
        True,
        str(source.sync_type_for(database.id, database.title).value),
        now,
    ]


def _schema(source: Source, database: ListedDatabase, raw: dict[str, Any]) -> dict[str, Any]:
    """The properties that may be known; none while an excluded name fits none of them, for it is meant for one."""
    if unresolved_exclusions(source, database.id, database.title):
        return {}
    return Exclusion(source.settings_for(database.id, database.title).exclude_properties).out_of(raw.get("properties"))


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
    return is_table(connection, (source, "databases"))
