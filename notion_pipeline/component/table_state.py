"""The tables of a source as the component's state: those that a listing names. Writes nothing into the catalog."""

from __future__ import annotations

from collections.abc import Sequence
from logging import Logger
from pathlib import Path

import orjson

from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.catalog.read.inventory import known_tables
from notion_pipeline.catalog.read.table_index import (
    SyncedTable,
    dump_tables,
    load_tables,
    parse_tables,
    tables_noted_at,
)
from notion_pipeline.defs.asset_keys import AssetKeys
from notion_pipeline.defs.assets.listing import list_source
from notion_pipeline.defs.resources import LoadedProject
from notion_pipeline.rows.naming import NamedDatabase, first_table, table_names
from notion_pipeline.state.interface import State


def write_state(path: Path, loaded: LoadedProject, source: str, catalog: Catalog, log: Logger) -> None:
    """Asks Notion which databases there are, and writes down the tables of those that are selected.

    Raises:
        NotionPipelineError: Notion could not be asked, or not be searched to the end.
    """
    began = loaded.state.now()
    found = list_source(log, loaded, AssetKeys(source), catalog)
    if found.listing.search_error is not None:
        raise found.listing.search_error
    with catalog.reading() as connection:
        noted = known_tables(connection, source) or load_tables(loaded.state, source)
    settings = found.source
    databases = [
        NamedDatabase(
            database.id,
            database.title,
            tuple((member.id, member.name) for member in database.data_sources),
            settings.table_for(database.id, database.title),
        )
        for database in found.listing.databases
    ]
    held = {table.data_source_id: table.name for table in noted}
    names = table_names(databases, held=held, foreign=set(), prefix=settings.table_prefix).tables
    keys: dict[str, list[str]] = {}
    for (kind, key), ids in found.resolution.names.databases.items():
        for database_id in ids if kind == "streams" else ():
            keys.setdefault(database_id, []).append(key)
    tables = [
        SyncedTable(
            name=names[member.id],
            database_id=database.id,
            data_source_id=member.id,
            title=database.title,
            url=database.url,
            description="",
            data_source=member.name,
            in_sync=True,
            keys=tuple(sorted(keys.get(database.id, ()))),
            partition=first_table(names[each.id] for each in database.data_sources) or database.id,
            synced=False,
        )
        for database in found.listing.databases
        if settings.selects(database.id, database.title)
        for member in database.data_sources
    ]
    state = {"listed_at": began, "tables": orjson.Fragment(dump_tables(tables))}
    path.parent.mkdir(parents=True, exist_ok=True)
    # Dagster reads the file while another process may refresh it.
    passing = path.with_name(f"{path.name}.new")
    passing.write_bytes(orjson.dumps(state))
    passing.replace(path)
    log.info(f"{len(tables)} tables of source {source} are known.")


def tables_of(listed: Path | None, state: State, source: str) -> Sequence[SyncedTable]:
    """The tables that are known: those that the project's own listings and syncs noted, and newer ones of the state."""
    noted = load_tables(state, source)
    if listed is None:
        return noted
    try:
        content = orjson.loads(listed.read_bytes())
        listed_at, tables = float(content["listed_at"]), parse_tables(orjson.dumps(content["tables"]))
    except (OSError, ValueError, TypeError, KeyError):
        return noted
    if listed_at < tables_noted_at(state, source):
        return noted
    ids, names = {table.data_source_id for table in noted}, {table.name.lower() for table in noted}
    return [*noted, *(t for t in tables if t.data_source_id not in ids and t.name.lower() not in names)]
