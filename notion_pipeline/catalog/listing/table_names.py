"""Gives every data source its table name, and renames tables for which sources.yaml has another name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import duckdb

from notion_pipeline.catalog import state as bookkeeping
from notion_pipeline.catalog.additions.views import views_over
from notion_pipeline.catalog.listing.table_renames import can_be_renamed, rename_tables
from notion_pipeline.catalog.sql import names_in, needs_quotes, quote
from notion_pipeline.config.sources import Source
from notion_pipeline.listing.listed import ListedDatabase
from notion_pipeline.rows.naming import NamedDatabase, TableNames, table_names


def name_tables(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    databases: Iterable[ListedDatabase],
    log: Callable[[str], None] | None = None,
) -> TableNames:
    """Gives every data source of a listing its table name, and renames tables.

    Args:
        log: Takes a message for each rename, for views that it breaks, and for names that cannot be given.
    """
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
    """Names the tables of a database that is synced before any listing, for example after the catalog was lost."""
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
    # A name that was given but not used yet is replaced if a table that is not ours has it by now.
    held = {key: state.table_name for key, state in states.items() if state.table_name.lower() not in foreign}
    names = table_names(databases, held=held, foreign=foreign, prefix=source.table_prefix)
    stuck = {
        rename.data_source_id
        for rename in names.renames
        if states[rename.data_source_id].has_table and not can_be_renamed(connection, source.name, rename, say)
    }
    if stuck:
        databases = [replace(d, table=None) if stuck & {key for key, _ in d.data_sources} else d for d in databases]
        names = table_names(databases, held=held, foreign=foreign, prefix=source.table_prefix)
    current = [(r.old, r.new) for r in names.renames if states[r.data_source_id].has_table]
    rename_tables(connection, source.name, current, {*present, *names.tables.values()})
    for old, new in current:
        say(f"The table {source.name}.{old} is called {source.name}.{new} now, as sources.yaml says.")
    if current and (views := views_over(connection, source.name, [old for old, _ in current])):
        say(
            f"Views and macros that are not ours read tables by their former names, and fail until you make them "
            f"again: {', '.join(views)}."
        )
    owners = {key: database.database_id for database in databases for key, _ in database.data_sources}
    bookkeeping.name_streams(
        connection,
        source.name,
        [
            (key, owners[key], name)
            for key, name in names.tables.items()
            if key not in states or (owners[key], name) != (states[key].database_id, states[key].table_name)
        ],
    )
    # Each row names its parent database.
    moved = [key for key in names.tables if key in states and owners[key] != states[key].database_id]
    bookkeeping.require_full_read(connection, source.name, moved)
    for note in table_name_notes(connection, source, databases) if log else ():
        say(note)
    return names


def table_name_notes(
    connection: duckdb.DuckDBPyConnection, source: Source, databases: Iterable[NamedDatabase]
) -> Iterator[str]:
    """A message for each table name of sources.yaml that is taken, or that needs double quotes in SQL."""
    configured = [database for database in databases if database.table is not None]
    if not configured or not bookkeeping.has_bookkeeping(connection):
        return
    states = bookkeeping.stream_states(connection, source.name)
    holders = {state.table_name.lower(): f"the table of database {state.database_id}" for state in states.values()}
    foreign = {name.lower(): "a table or view that is not ours" for name in names_in(connection, source.name)}
    # Catalogs of earlier versions may have a table of this name, so sources.yaml may ask for it.
    takers = {"sync": "the asset of a whole sync"} | foreign | holders
    for database in configured:
        wanted = database.table or ""
        own = [states[key].table_name for key, _ in database.data_sources if key in states]
        if own and wanted.lower() in takers and wanted.lower() not in {name.lower() for name in own}:
            yield (
                f'Database "{database.title}": the table name {quote(source.name, wanted)} in sources.yaml is taken '
                f"by {takers[wanted.lower()]}; its table is called {quote(source.name, own[0])}. Choose another name, "
                "or free that one."
            )
        elif needs_quotes(connection, wanted):
            yield (
                f'Database "{database.title}": the table name {quote(wanted)} needs double quotes in SQL: '
                f"SELECT * FROM {source.name}.{quote(wanted)}."
            )
