"""The table `S.databases`, the names of the tables, and the renames that sources.yaml asks for: one transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import duckdb

from notion_pipeline.catalog import state as bookkeeping
from notion_pipeline.catalog.additions.declarations import referring_tables
from notion_pipeline.catalog.additions.indexes import drop_indexes, indexes, make_indexes
from notion_pipeline.catalog.additions.views import views_over
from notion_pipeline.catalog.comments import comment_on
from notion_pipeline.catalog.duckdb_errors import reason
from notion_pipeline.catalog.sql import free_name, is_table, names_in, needs_quotes, quote
from notion_pipeline.config.selection import stream_name
from notion_pipeline.config.sources import Source
from notion_pipeline.errors import CatalogError
from notion_pipeline.listing.databases import IN_TRASH
from notion_pipeline.listing.exclusions import unresolved_exclusions
from notion_pipeline.listing.listed import KnownDatabase, ListedDatabase, Listing
from notion_pipeline.rows.json_text import dump_json
from notion_pipeline.rows.naming import NamedDatabase, TableNames, TableRename, first_table, table_names
from notion_pipeline.rows.properties import Exclusion
from notion_pipeline.rows.timestamps import as_datetime

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
    """A database as the listing leaves it in the catalog.

    Attributes:
        failure: Why it could not be listed, where the catalog keeps it as the last listing left it.
    """

    database_id: str
    title: str
    url: str
    stream: str
    tables: tuple[str, ...]
    sync_type: str
    selected: bool
    failure: str = ""

    @property
    def partition(self) -> str:
        """Its partition key; see `KnownDatabase`."""
        return first_table(table.split(".", 1)[1] for table in self.tables) or self.database_id


def known_databases(connection: duckdb.DuckDBPyConnection | None, source: str) -> dict[str, KnownDatabase]:
    """What the last listings left, by database id; empty before the first."""
    if connection is None or not _exists(connection, source):
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
    """Those of the known databases that the last listing saw, by id."""
    return {key: found for key, found in known_databases(connection, source).items() if found.accessible}


def write_databases(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    listing: Listing,
    now: datetime,
    log: Callable[[str], None] | None = None,
) -> list[ListedStream]:
    """Brings `S.databases` up to date, names new tables, and renames those that sources.yaml calls otherwise.

    Args:
        log: Told of names that cannot be had as sources.yaml wishes them, and of views that a renaming breaks.
    """
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
    names = name_tables(connection, source, listing.databases, log)
    if before:
        _require_full_reads(connection, source.name, before, listing.databases)
    for database_id in listing.retired:
        in_trash = listing.gone.get(database_id) == IN_TRASH
        connection.execute(
            f"UPDATE {table} SET accessible = false, selected = false, in_trash = ?, archived = ? WHERE id = ?",
            [in_trash, in_trash, database_id],
        )
    all_names = [name for name, _, _ in _COLUMNS]
    for database in listing.databases:
        values = _current(source, database, names.tables, now)
        if database.raw is None:
            _write(connection, table, database.id, _CURRENT, values, is_new=False)
        else:
            row = [*_container(database, database.raw), *values]
            _write(connection, table, database.id, all_names, row, is_new=database.id not in before)
            bookkeeping.note_fetch(connection, source.name, database.id, database.search_digest, now)
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
    ] + _kept(connection, source, listing)


def _kept(connection: duckdb.DuckDBPyConnection, source: Source, listing: Listing) -> list[ListedStream]:
    """Those that could not be listed stay as they are, but for what sources.yaml says of them now.

    A data source that another database was seen to have moved there, with its table.
    """
    table = quote(source.name, "databases")
    moved = [member.id for database in listing.databases for member in database.data_sources]
    kept = []
    for failure in listing.failures:
        if not failure.is_kept:
            continue
        selected = source.selects(failure.id, failure.title)
        sync_type = str(source.sync_type_for(failure.id, failure.title).value)
        connection.execute(
            f"UPDATE {table} SET selected = ?, sync_type = ?, data_sources = "
            "list_filter(data_sources, lambda member: NOT list_contains(?, member.id)) WHERE id = ?",
            [selected, sync_type, moved, failure.id],
        )
        for url, data_sources in connection.execute(
            f"SELECT url, data_sources FROM {table} WHERE id = ?", [failure.id]
        ).fetchall():
            kept.append(
                ListedStream(
                    database_id=failure.id,
                    title=failure.title,
                    url=url,
                    stream=stream_name(failure.id),
                    tables=tuple(f"{source.name}.{entry['table_name']}" for entry in data_sources or []),
                    sync_type=sync_type,
                    selected=selected,
                    failure=str(failure.error),
                )
            )
    return kept


def _write(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    database_id: str,
    names: Sequence[str],
    values: Sequence[Any],
    *,
    is_new: bool,
) -> None:
    """Writes these columns of a database and no others, which may be the user's."""
    kinds = {name: kind for name, kind, _ in _COLUMNS}
    marks = ["?::JSON" if kinds[name] == "JSON" else "?" for name in names]
    if is_new:
        columns = ", ".join(map(quote, names))
        connection.execute(f"INSERT INTO {table} ({columns}) VALUES ({', '.join(marks)})", list(values))
        return
    changes = ", ".join(f"{quote(name)} = {mark}" for name, mark in zip(names, marks, strict=True))
    connection.execute(f"UPDATE {table} SET {changes} WHERE id = ?", [*values, database_id])


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
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    databases: Iterable[ListedDatabase],
    log: Callable[[str], None] | None = None,
) -> TableNames:
    """Gives every data source its table name and renames tables, by way of names of no one since two may swap."""
    return _name(
        connection,
        source,
        log,
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
    _name(connection, source, None, [named])


def _name(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    log: Callable[[str], None] | None,
    databases: list[NamedDatabase],
) -> TableNames:
    bookkeeping.create_tables(connection)
    say = log or (lambda _: None)
    states = bookkeeping.stream_states(connection, source.name)
    present = names_in(connection, source.name)
    ours = {state.table_name.lower() for state in states.values() if state.has_table}
    foreign = {name.lower() for name in present if name.lower() not in ours}
    # Where somebody else's table came to stand under a name that was given and not used yet, another is given.
    held = {key: state.table_name for key, state in states.items() if state.table_name.lower() not in foreign}
    names = table_names(databases, held=held, foreign=foreign, prefix=source.table_prefix)
    stuck = {
        rename.data_source_id
        for rename in names.renames
        if states[rename.data_source_id].has_table and not _can_be_renamed(connection, source.name, rename, say)
    }
    if stuck:
        databases = [replace(d, table=None) if stuck & {key for key, _ in d.data_sources} else d for d in databases]
        names = table_names(databases, held=held, foreign=foreign, prefix=source.table_prefix)
    current = [(r.old, r.new) for r in names.renames if states[r.data_source_id].has_table]
    _rename_tables(connection, source.name, current, {*present, *names.tables.values()})
    for old, new in current:
        say(f"The table {source.name}.{old} is called {source.name}.{new} now, as sources.yaml says.")
    if current and (views := views_over(connection, source.name, [old for old, _ in current])):
        say(
            f"Views and macros that are not ours ask for tables by names that these do not have any more, and fail "
            f"until they are made anew: {', '.join(views)}."
        )
    owners = {key: database.database_id for database in databases for key, _ in database.data_sources}
    for key, name in names.tables.items():
        if key not in states:
            bookkeeping.add_stream(connection, source.name, owners[key], key, name)
        elif name != states[key].table_name:
            bookkeeping.rename_stream(connection, source.name, key, name)
        if key in states and owners[key] != states[key].database_id:
            bookkeeping.move_stream(connection, source.name, key, owners[key])
    for note in wish_notes(connection, source, databases) if log else ():
        say(note)
    return names


def wish_notes(
    connection: duckdb.DuckDBPyConnection, source: Source, databases: Iterable[NamedDatabase]
) -> Iterator[str]:
    """What sources.yaml wishes as table names and cannot have, or what SQL takes in quotes only."""
    wishes = [database for database in databases if database.table is not None]
    if not wishes or not bookkeeping.has_bookkeeping(connection):
        return
    states = bookkeeping.stream_states(connection, source.name)
    holders = {state.table_name.lower(): f"the table of database {state.database_id}" for state in states.values()}
    foreign = {name.lower(): "a table or view that is not ours" for name in names_in(connection, source.name)}
    takers = foreign | holders
    for database in wishes:
        wish = database.table or ""
        own = [states[key].table_name for key, _ in database.data_sources if key in states]
        if own and wish.lower() in takers and wish.lower() not in {name.lower() for name in own}:
            yield (
                f'Database "{database.title}": the name {quote(source.name, wish)} that sources.yaml wishes is taken '
                f"by {takers[wish.lower()]}; its table is called {quote(source.name, own[0])}. Wish for another name, "
                "or free that one."
            )
        elif needs_quotes(connection, wish):
            yield (
                f'Database "{database.title}": SQL takes the table name {quote(wish)} in double quotes only: '
                f"SELECT * FROM {source.name}.{quote(wish)}."
            )


def _can_be_renamed(
    connection: duckdb.DuckDBPyConnection, schema: str, rename: TableRename, say: Callable[[str], None]
) -> bool:
    """Tries it beside the transaction, which a failure would end."""
    passing = free_name(f"{rename.old}__moving", names_in(connection, schema))
    with connection.cursor() as beside:
        beside.execute("BEGIN")
        try:
            found = indexes(beside, (schema, rename.old))
            if found and duckdb.__version__.startswith("1."):
                # Seen on 1.5.6: the file cannot be opened any more ("index storage info … not found").
                raise CatalogError(
                    f"DuckDB {duckdb.__version__} leaves the file unreadable where a table that has the index "
                    f"{', '.join(quote(index.name) for index in found)} is renamed"
                )
            drop_indexes(beside, schema, found)
            _rename(beside, schema, rename.old, passing)
            make_indexes(beside, found, (schema, passing))
        except (duckdb.Error, CatalogError) as error:
            why = error.message if isinstance(error, CatalogError) else reason(error)
        else:
            why = ""
        with suppress(duckdb.Error):
            beside.execute("ROLLBACK")
        referring = referring_tables(beside, (schema, rename.old)) if why else []
    if why:
        by = f" {', '.join(referring)} refer to it by a foreign key." if referring else ""
        say(
            f"The table {schema}.{rename.old} keeps its name, though sources.yaml calls it {quote(rename.new)}: "
            f"{why.rstrip('.')}.{by} Drop what depends on it, then list again."
        )
    return not why


def _rename_tables(
    connection: duckdb.DuckDBPyConnection, schema: str, renames: list[tuple[str, str]], taken: set[str]
) -> None:
    """Renames all by way of names of no one: two tables may swap theirs. The user's indexes go along."""
    passing = []
    for old, new in renames:
        between = free_name(f"{new}__moving", taken)
        taken.add(between)
        found = indexes(connection, (schema, old))
        drop_indexes(connection, schema, found)
        _rename(connection, schema, old, between)
        passing.append((between, new, found))
    for between, new, found in passing:
        _rename(connection, schema, between, new)
        make_indexes(connection, found, (schema, new))


def _rename(connection: duckdb.DuckDBPyConnection, schema: str, old: str, new: str) -> None:
    connection.execute(f"ALTER TABLE {quote(schema, old)} RENAME TO {quote(new)}")


def _container(database: ListedDatabase, raw: dict[str, Any]) -> list[Any]:
    """What the database itself tells, up to the column `last_edited_by`."""
    first = database.data_sources[0].raw if database.data_sources else {}
    return [
        *(database.id, "database", database.title, _plain(raw.get("description")), database.url),
        *(_text(raw.get("public_url")), _json(raw.get("parent")), _json(raw.get("icon")), _json(raw.get("cover"))),
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


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _json(value: Any) -> str | None:
    return None if value is None else dump_json(value).decode()


def _instant(raw: dict[str, Any], first: dict[str, Any], key: str) -> Any:
    return as_datetime(raw.get(key) or first.get(key))


def _user(raw: dict[str, Any], first: dict[str, Any], key: str) -> str | None:
    user = raw.get(key) or first.get(key)
    return str(user["id"]) if isinstance(user, dict) and "id" in user else None


def _exists(connection: duckdb.DuckDBPyConnection, source: str) -> bool:
    return is_table(connection, (source, "databases"))
