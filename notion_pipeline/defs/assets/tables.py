"""One asset a table, `S/<table>`: to materialize it syncs the database behind it.

Definitions are made of a small file that each listing and each sync leaves, so a listing names new tables, and a run
that brings others has the definitions loaded anew. The event of a commit makes a table appear before that.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Union

import dagster as dg
from dagster import DagsterInstance, DagsterRun

from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.catalog.read.current_tables import current_tables
from notion_pipeline.catalog.read.inventory import known_tables
from notion_pipeline.catalog.read.table_index import SyncedTable, load_tables, save_tables
from notion_pipeline.catalog.state import committed_bookmarks
from notion_pipeline.config.selection import stream_name
from notion_pipeline.config.sources import KnownNames, Source
from notion_pipeline.defs.asset_keys import AssetKeys
from notion_pipeline.defs.assets.freshness import freshness_policy
from notion_pipeline.defs.dagster_internals import provenance_tags, reload_definitions
from notion_pipeline.defs.metadata import (
    COLUMN_SCHEMA,
    column_schema,
    current_metadata,
    link,
    partition_link,
    partition_path,
    source_code,
    table_metadata,
)
from notion_pipeline.defs.runs.partitions import partitions_name, partitions_of
from notion_pipeline.errors import NotionPipelineError
from notion_pipeline.extraction.extract import DatabaseExtract
from notion_pipeline.listing.changes.committed import save_committed
from notion_pipeline.outside import markdown_link, markdown_text, shown_line, web_address
from notion_pipeline.project import Project
from notion_pipeline.state.interface import LOCK_ENDING, State, wait_for_lock

#: The same for every listing: a new one is no reason to sync the tables again. What is one, the sensor finds.
LISTING_VERSION = "listing"
#: What a listing says of a table.
TableEvent = dg.AssetMaterialization | dg.AssetObservation
TABLE_KINDS = {"notion", "duckdb", "table"}


def output_name(table: SyncedTable) -> str:
    """Name of the op's output for a table, which may be called anything itself."""
    return f"table_{table.data_source_id.replace('-', '')}"


def table_specs(source: Source, project: Project, asset_keys: AssetKeys, catalog: str) -> list[dg.AssetSpec]:
    """The asset of each table that syncs keep up to date."""
    return _specs(source, project, asset_keys, [table for table in asset_keys.tables if table.in_sync], catalog)


def retired_tables(source: Source, project: Project, asset_keys: AssetKeys, catalog: str) -> list[dg.AssetSpec]:
    """Tables that are no longer synced: they keep their page, and cannot be materialized."""
    retired = [table for table in asset_keys.tables if not table.in_sync and table.synced]
    return _specs(source, project, asset_keys, retired, catalog)


def _specs(
    source: Source, project: Project, asset_keys: AssetKeys, tables: Sequence[SyncedTable], catalog: str
) -> list[dg.AssetSpec]:
    keys = {("streams", key) for table in tables for key in table.keys}
    meant = {key: frozenset(table.database_id for table in tables if key[1] in table.keys) for key in keys}
    source = source.knowing(KnownNames(meant))
    # The same for all; a workspace may have hundreds of tables, and every process of Dagster's loads them.
    freshness = freshness_policy(source) if tables else None
    shared = {"catalog": dg.MetadataValue.path(catalog), **source_code(table_specs, project)}
    return [asset_keys.spec(table.name, _spec(source, asset_keys, table, freshness, shared)) for table in tables]


def _spec(
    source: Source,
    asset_keys: AssetKeys,
    table: SyncedTable,
    freshness: dg.FreshnessPolicy | None,
    shared: Mapping[str, Any],
) -> dg.AssetSpec:
    settings = source.settings_for(table.database_id, table.title)
    metadata: dict[str, Any] = {
        "dagster/table_name": f"{source.name}.{table.name}",
        "database_title": shown_line(table.title) or "Untitled",
        "database_id": table.database_id,
        **shared,
    }
    if table.columns:
        metadata[COLUMN_SCHEMA] = column_schema(table.columns)
    if table.url:
        metadata["database_url"] = link(table.url)
    if table.in_sync:
        metadata["partition"] = partition_link(asset_keys, table.partition or table.database_id)
    return dg.AssetSpec(
        dg.AssetKey([source.name, table.name]),
        description=_description(source, asset_keys, table),
        deps=[asset_keys.databases],
        skippable=True,
        group_name=f"{source.name}_tables",
        owners=list(settings.owners),
        tags=dict(settings.tags),
        kinds=TABLE_KINDS,
        metadata=metadata,
        freshness_policy=freshness if table.in_sync else None,
    )


def _description(source: Source, asset_keys: AssetKeys, table: SyncedTable) -> str:
    """What the table holds, then the ways to Notion and to its partition.

    The list of assets shows the first lines as they stand, so they have no Markdown.
    """
    title = shown_line(table.title) or "Untitled"
    several = table.data_source and table.data_source != (table.title or "Untitled")
    what = f'data source "{shown_line(table.data_source)}" of the Notion database' if several else "Notion database"
    lines = [f'The {what} "{title}": a row for each page.']
    if table.description:
        lines.append(markdown_text(table.description))
    if web_address(table.url):
        lines.append(markdown_link("Open it in Notion", web_address(table.url)))
    if table.in_sync:
        key = table.partition or table.database_id
        partition = markdown_link(key, partition_path(asset_keys, key))
        lines.append(
            f"Materialize it to sync the database. It is partition {partition} of "
            f"`{asset_keys.database.to_user_string()}`."
        )
    else:
        why = f"it is {table.gone}" if table.gone else "the database is not selected"
        lines.append(f"No longer synced: {why}. The table keeps its rows.")
    return "\n\n".join(lines)


def note_tables(
    catalog: Catalog, state: State, source: str, *, run: DagsterRun, log: dg.DagsterLogManager
) -> tuple[list[SyncedTable], list[SyncedTable]]:
    """Writes down which tables stand now, and has the definitions loaded anew where they know others.

    Returns:
        The tables as they were noted before, and now; the same twice, where they cannot be noted. That is no reason
        for a run to fail: what it read is committed, and the next one notes it.
    """
    before = load_tables(state, source)
    try:
        # Two runs: who looks last writes last.
        lock = wait_for_lock(state, f"tables/{source}{LOCK_ENDING}")
        try:
            now, committed = catalog.read(
                lambda connection: (known_tables(connection, source), committed_bookmarks(connection, source))
            )
            save_tables(state, source, now)
            save_committed(state, source, catalog.location, committed)
        finally:
            lock.release()
    except (NotionPipelineError, OSError) as error:
        log.warning(f"The tables of source {source} could not be noted for Dagster's asset catalog: {error}")
        return before, before
    if _defined(before) != _defined(now):
        reload_definitions(run, log.info)
    return before, now


def _defined(tables: Sequence[SyncedTable]) -> list[SyncedTable]:
    """What definitions are made of: a table has one as soon as a listing names it."""
    return [replace(table, synced=True) for table in tables if table.in_sync or table.synced]


def table_changes(
    catalog: Catalog, state: State, asset_keys: AssetKeys, *, run: DagsterRun, log: dg.DagsterLogManager
) -> list[TableEvent]:
    """What a listing did to tables: one that sources.yaml renames appears under its new name, and tells where from.

    The asset of the old name keeps its history, and says where the table went. That of a table which is not synced any
    more, since its database is gone, says why.
    """
    before, now = note_tables(catalog, state, asset_keys.source, run=run, log=log)
    asset_keys = asset_keys.knowing(now)
    return [*_gone(asset_keys, before, now), *_renamed(log, catalog, asset_keys, before, now)]


def _gone(
    asset_keys: AssetKeys, before: Sequence[SyncedTable], now: Sequence[SyncedTable]
) -> list[dg.AssetObservation]:
    known = {table.data_source_id: table.gone for table in before}
    return [
        dg.AssetObservation(
            asset_keys.key(table.name),
            description=f'"{table.title or "Untitled"}" is {table.gone}. The table keeps its rows.',
            metadata={
                "not_synced_since": dg.MetadataValue.timestamp(time.time()),
                "reason": table.gone,
                "database_title": table.title or "Untitled",
                "database_id": table.database_id,
            },
        )
        for table in now
        if table.gone and table.gone != known.get(table.data_source_id)
    ]


def _renamed(
    log: dg.DagsterLogManager,
    catalog: Catalog,
    asset_keys: AssetKeys,
    before: Sequence[SyncedTable],
    now: Sequence[SyncedTable],
) -> list[TableEvent]:
    source = asset_keys.source
    names = {table.data_source_id: table.name for table in before}
    renamed = [
        (old, table)
        for table in now
        if table.synced and (old := names.get(table.data_source_id, table.name)) != table.name
    ]
    if not renamed:
        return []
    current = catalog.read(
        lambda connection: {
            table.database_id: current_tables(connection, source, table.database_id) for _, table in renamed
        }
    )
    events: list[TableEvent] = []
    for old, table in renamed:
        own = [entry for entry in current[table.database_id] if entry[0].data_source_id == table.data_source_id]
        database = DatabaseExtract(table.database_id, table.title, table.url, stream_name(table.database_id))
        metadata = table_metadata(
            database, current_metadata(database, own), asset_keys, table.data_source, table.partition
        )
        events.append(materialization(asset_keys, table.name, {**metadata, "renamed_from": f"{source}.{old}"}))
        gone = {"renamed_to": dg.MetadataValue.asset(asset_keys.key(table.name))}
        events.append(dg.AssetObservation(asset_keys.key(old), metadata=gone))
        log.info(f"Table {source}.{old} is called {source}.{table.name} now, as its asset is.")
    return events


def materialization(asset_keys: AssetKeys, table: str, metadata: Mapping[str, Any]) -> dg.AssetMaterialization:
    """The event by which a table shows as materialized."""
    tags = provenance_tags({asset_keys.databases: LISTING_VERSION})
    return dg.AssetMaterialization(asset_keys.key(table), metadata=metadata, tags=tags)


def is_reported(context: dg.OutputContext, table: dg.AssetKey, committed_at: Union[datetime, None]) -> bool:  # noqa: UP007
    """Whether the attempt that committed a table lived to report it."""
    event = context.step_context.instance.get_latest_materialization_event(table)
    return event is not None and (committed_at is None or event.timestamp >= committed_at.timestamp())


def forget_source(instance: DagsterInstance, source: str, tables: Iterable[str]) -> None:
    """Takes the source's partitions and the history of its assets out of the instance.

    Args:
        tables: Tables that may have assets. Other assets whose keys begin with the source's name belong to the user.
    """
    for key in partitions_of(instance, source):
        instance.delete_dynamic_partition(partitions_name(source), key)
    tables = list(tables)
    beside_tables = ("sync", "content", "page_content", "users", "pages", "comments", "files")
    ours = ("databases", "database", *(f"{name}_" if name in tables else name for name in beside_tables))
    keys = [AssetKeys(source).key(name) for name in (*ours, *tables)]
    known = [key for key in dict.fromkeys(keys) if instance.has_asset_key(key)]
    if known:
        instance.wipe_assets(known)
