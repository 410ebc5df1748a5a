"""Writes a listing into `S.databases` and names the tables, in the caller's transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb

from notion_pipeline.catalog import state as bookkeeping
from notion_pipeline.catalog.comments import comment_on
from notion_pipeline.catalog.listing.database_row import (
    DATABASE_COLUMNS,
    LISTED_COLUMNS,
    database_values,
    listed_values,
)
from notion_pipeline.catalog.listing.known_databases import has_databases, known_databases
from notion_pipeline.catalog.listing.table_names import name_tables
from notion_pipeline.catalog.sql import quote
from notion_pipeline.config.selection import stream_name
from notion_pipeline.config.sources import Source
from notion_pipeline.database_ref import DatabaseRef
from notion_pipeline.listing.databases import IN_TRASH
from notion_pipeline.listing.listed import KnownDatabase, ListedDatabase, Listing
from notion_pipeline.rows.naming import first_table


@dataclass(frozen=True)
class ListedStream(DatabaseRef):
    """A database as the catalog has it after a listing.

    Attributes:
        failure: Why it could not be listed; the catalog then keeps what the last listing wrote.
    """

    stream: str
    tables: tuple[str, ...]
    sync_type: str
    selected: bool
    failure: str = ""

    @property
    def partition(self) -> str:
        """Its partition key; see `KnownDatabase`."""
        return first_table(table.split(".", 1)[1] for table in self.tables) or self.id


def write_databases(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    listing: Listing,
    now: datetime,
    log: Callable[[str], None] | None = None,
) -> list[ListedStream]:
    """Brings `S.databases` up to date, names new tables, and renames those for which sources.yaml has another name.

    Args:
        log: Takes messages about table names, as `name_tables` has them.
    """
    bookkeeping.create_tables(connection)
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quote(source.name)}")
    columns = ", ".join(f"{quote(name)} {kind}" for name, kind, _ in DATABASE_COLUMNS)
    table = quote(source.name, "databases")
    if not has_databases(connection, source.name):
        connection.execute(f"CREATE TABLE {table} ({columns})")
        comment_on(
            connection,
            (source.name, "databases"),
            f"Every Notion database that the connection of source {source.name} sees",
            {name: comment for name, _, comment in DATABASE_COLUMNS},
        )
    before = known_databases(connection, source.name)
    names = name_tables(connection, source, listing.databases, log)
    if before:
        _require_full_reads(connection, source.name, before, listing.databases)
    for in_trash in (True, False):
        if gone := [key for key in listing.retired if (listing.gone.get(key) == IN_TRASH) is in_trash]:
            connection.execute(
                f"UPDATE {table} SET accessible = false, selected = false, in_trash = ?, archived = ? "
                "WHERE list_contains(?, id)",
                [in_trash, in_trash, gone],
            )
    all_names = tuple(name for name, _, _ in DATABASE_COLUMNS)
    fetched = {}
    new, changed, seen = list[list[Any]](), list[list[Any]](), list[list[Any]]()
    for database in listing.databases:
        values = listed_values(source, database, names.tables, now)
        if database.raw is None:
            seen.append([database.id, *values])
        else:
            rows = changed if database.id in before else new
            rows.append([*database_values(database, database.raw), *values])
            fetched[database.id] = database.search_digest
    _write(connection, table, all_names, new, are_new=True)
    _write(connection, table, all_names, changed)
    _write(connection, table, ("id", *LISTED_COLUMNS), seen)
    bookkeeping.note_fetches(connection, source.name, fetched, now)
    return [
        ListedStream(
            id=database.id,
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
    """Keeps the databases that could not be listed, with the present settings of sources.yaml.

    A data source that the listing saw in another database moved there, with its table.
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
                    id=failure.id,
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
    names: Sequence[str],
    rows: Sequence[Sequence[Any]],
    *,
    are_new: bool = False,
) -> None:
    """Writes these columns of databases, their id among them, in one statement: in a lake each one adds files.

    Other columns may be the user's.
    """
    if not rows:
        return
    kinds = {name: kind for name, kind, _ in DATABASE_COLUMNS}
    marks = ", ".join("?::JSON" if kinds[name] == "JSON" else "?" for name in names)
    columns = ", ".join(map(quote, names))
    typed = ", ".join(f"{quote(name)} {kinds[name]}" for name in names)
    connection.execute(f"CREATE OR REPLACE TEMP TABLE listed ({typed})")
    for row in rows:
        connection.execute(f"INSERT INTO listed VALUES ({marks})", list(row))
    if are_new:
        connection.execute(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM listed")
    else:
        changes = ", ".join(f"{quote(name)} = listed.{quote(name)}" for name in names if name != "id")
        connection.execute(f"UPDATE {table} AS known SET {changes} FROM listed WHERE known.id = listed.id")
    connection.execute("DROP TABLE listed")


def _require_full_reads(
    connection: duckdb.DuckDBPyConnection,
    source: str,
    before: dict[str, KnownDatabase],
    databases: Iterable[ListedDatabase],
) -> None:
    """Asks for a full read of databases that came back, and of data sources related to any database that appeared.

    Notion showed relations to an invisible database as empty. Neither its disappearance nor its return changes a row's
    `last_edited_time` (notion-api.md sections 2 and 6), so no incremental read would notice.
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
