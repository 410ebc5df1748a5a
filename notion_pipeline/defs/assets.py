"""The two assets of a source: `S/databases` lists, `S/database` reads; one body for a key, a range and a whole sync."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from typing import Any, Optional

import dagster as dg
from dagster import DagsterRun
from pydantic import Field

from notion_pipeline.catalog import state as bookkeeping
from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.catalog.databases import known_databases
from notion_pipeline.catalog.read.table_index import SyncedTable, load_tables
from notion_pipeline.catalog.resolved import known_names, resolution_of_catalog
from notion_pipeline.config.selection import DatabaseName, find_databases, named_id, stream_name
from notion_pipeline.config.sources import Source
from notion_pipeline.defs.dagster_internals import NO_MATERIALIZATION, plan_materializations
from notion_pipeline.defs.freshness import freshness_policy
from notion_pipeline.defs.io_manager import ListingHandover, ReadsHandover
from notion_pipeline.defs.metadata import partitions_metadata, source_code
from notion_pipeline.defs.partitions import database_partitions, partitions_name, update_partitions
from notion_pipeline.defs.resources import CatalogResource, NotionResource, ProgressResource
from notion_pipeline.errors import ConfigError, NotionPipelineError
from notion_pipeline.listing.cache import load_failures, load_listing, load_search_error, save_listing
from notion_pipeline.listing.databases import KnownDatabase, Listing, hold_back, list_databases
from notion_pipeline.listing.resolution import (
    Resolution,
    fails_a_sync,
    known_database_name,
    nothing_selected,
    resolve_listing,
)
from notion_pipeline.listing.targets import DatabaseTarget, DataSourceTarget
from notion_pipeline.messages import nearest
from notion_pipeline.outside import shown_line
from notion_pipeline.project import Project
from notion_pipeline.redaction import redact_error
from notion_pipeline.sync.data_source import SyncOptions
from notion_pipeline.sync.runner import Sync

SYNC_TYPE_TAG = "notion_pipeline/sync_type"
TRIGGER_TAG = "notion_pipeline/trigger"
SENSOR_TRIGGER = "changes"
IO_MANAGER_KEY = "notion_catalog"


DATABASES_HELP = (
    "For a run without a partition: titles, globs on titles, tables, ids, addresses or stream names of the databases "
    "to sync. "
    "Empty: all selected ones."
)
#: The Launchpad shows a description in a small window.
TITLES_SHOWN = 30


class ForcedSyncType(Enum):
    """How to sync, instead of what sources.yaml says."""

    INCREMENTAL = "INCREMENTAL"
    FULL_TABLE = "FULL_TABLE"


class DatabaseConfig(dg.Config):
    """What one run does otherwise than sources.yaml says."""

    sync_type: Optional[ForcedSyncType] = Field(  # noqa: UP045 - Dagster reads this annotation
        default=None,
        description="FULL_TABLE reads everything and makes the table exact; INCREMENTAL reads what was edited. "
        "Empty: as sources.yaml says.",
    )
    # An empty list and no factory: only what Dagster knows as a default does the Launchpad show.
    databases: list[str] = Field(default=[], description=DATABASES_HELP)


def source_assets(source: Source, project: Project) -> list[dg.AssetsDefinition]:
    """`S/databases` and `S/database` of one source."""
    name = source.name
    listing_key, content_key = dg.AssetKey([name, "databases"]), dg.AssetKey([name, "database"])
    described = f"{source.description}\n\n" if source.description else ""
    tables = [table for table in load_tables(project.home, name) if table.in_sync]

    class OfThisSource(DatabaseConfig):
        # The titles that the last sync saw, as a help to whoever writes them in the Launchpad.
        databases: list[str] = Field(default=[], description=DATABASES_HELP + _titles(tables))

    @dg.asset(
        key=listing_key,
        group_name=name,
        kinds={"notion", "duckdb"},
        owners=list(source.owners),
        tags=dict(source.tags),
        freshness_policy=freshness_policy(source),
        metadata={"dagster/table_name": f"{name}.databases", **source_code(source_assets, project)},
        io_manager_key=IO_MANAGER_KEY,
        description=f"{described}Every Notion database that the connection of source {name} sees, as the table "
        f"`{name}.databases`. Keeps the partitions of the databases that are selected.",
    )
    def databases(
        context: dg.AssetExecutionContext, notion: NotionResource, catalog: CatalogResource
    ) -> Iterator[dg.Output[Any]]:
        with _as_failure():
            current = notion.source(name)
            handover = _list(context, current, notion, catalog.catalog(context.log.warning))
        yield dg.Output(handover)
        # The catalog holds the listing now: partitions follow it, never the other way round.
        selected = [stream.database_id for stream in handover.streams if stream.selected]
        home = notion.project.home
        with _as_failure():
            failed = [found for found in handover.listing.failures if fails_a_sync(handover.source, found)]
            save_listing(
                home,
                handover.source,
                context.run.run_id,
                handover.listing,
                selected,
                failed=[found.id for found in failed],
                names=handover.resolution.names,
            )
        added, removed, busy = update_partitions(context.instance, name, selected, home=home)
        context.log.info(
            f"{len(handover.streams)} databases, {len(selected)} selected; "
            f"{len(added)} partitions added, {len(removed)} removed."
        )
        if busy:
            context.log.info(f"Partitions that runs work on stay until the next listing: {', '.join(busy)}.")
        # In a run that also reads, the asset of the reads fails for them: else nothing at all would be read.
        if content_key not in context.job_def.asset_layer.executable_asset_keys:
            reasons = [str(found.error) for found in failed]
            reasons += [str(handover.listing.search_error)] if handover.listing.search_error else []
            if reasons:
                raise dg.Failure("\n".join(reasons), allow_retries=False)

    @dg.asset(
        key=content_key,
        group_name=name,
        kinds={"notion", "duckdb"},
        owners=list(source.owners),
        tags=dict(source.tags),
        freshness_policy=freshness_policy(source),
        metadata={**partitions_metadata(name, tables), **source_code(source_assets, project)},
        partitions_def=database_partitions(name),
        backfill_policy=dg.BackfillPolicy.single_run(),
        io_manager_key=IO_MANAGER_KEY,
        deps=[dg.AssetDep(listing_key)],
        description=f"{described}A partition for each Notion database, by its id: its pages as typed rows, one table a "
        f"data source. Each table is also an asset of its own, `{name}/<table>`; the databases' titles stand in the "
        f"table of `{name}/databases`.",
    )
    def database(
        context: dg.AssetExecutionContext,
        config: OfThisSource,
        notion: NotionResource,
        catalog: CatalogResource,
        notion_progress: ProgressResource,
    ) -> Iterator[dg.Output[Any]]:
        with _as_failure():
            log = context.log.info
            opened = catalog.catalog(context.log.warning)
            with opened.reading() as connection:
                resolution, known = resolution_of_catalog(connection, notion.source(name))
            current = resolution.source
            titles = [(database.id, database.title) for database in known.values() if database.accessible]
            problems = current.ambiguous_streams(titles, file=notion.project.sources_label)
            unclear = {key: problem.message for key, problem in problems.items()}
            keys, listed, visible = _targets(context, resolution, config, notion, known)
            project = notion.project
            options = SyncOptions(
                source=current,
                account=notion.account(current),
                home=project.home,
                forced=_forced(context, config),
                skip=_committed_before(context, opened, name),
                visible=visible,
                held_back={**resolution.held_back, **unclear},
            )
            progress = notion_progress.progress(log)
            sync = Sync(lambda: notion.client(current, log), opened, options, progress, log)
            targets = [listed.get(key) or DatabaseTarget(key, "", "", ()) for key in keys]
            # Of a run for some databases, what may be missing besides is no matter.
            for_all = not _has_keys(context) and not config.databases
            incomplete = load_search_error(project.home, name, context.run.run_id) if for_all else None
        publish_to = notion.sources.publish_path(project)
        reads = ReadsHandover(current, sync.extracts(targets), progress, publish_to, incomplete)
        yield dg.Output(reads, metadata={} if _has_keys(context) else NO_MATERIALIZATION)

    return [databases, database]


def _titles(known: Sequence[SyncedTable]) -> str:
    """What a description says of the databases that there are, as far as the last sync knew."""
    titles = list(
        dict.fromkeys(shown_line(table.title) for table in sorted(known, key=lambda table: table.title) if table.title)
    )
    if not titles:
        return ""
    more = f" and {len(titles) - TITLES_SHOWN} more" if len(titles) > TITLES_SHOWN else ""
    return f" Known: {', '.join(titles[:TITLES_SHOWN])}{more}."


def _list(
    context: dg.AssetExecutionContext, source: Source, notion: NotionResource, catalog: Catalog
) -> ListingHandover:
    with catalog.reading() as connection:
        before = known_databases(connection, source.name)
        names = known_names(connection, source.name)
    known = {key: database for key, database in before.items() if database.accessible}

    async def look() -> Listing:
        async with notion.client(source, context.log.info) as client:
            return await list_databases(
                client, named=source.named_ids(), known=known, log=context.log.info, source=source.name
            )

    listing = asyncio.run(look())
    resolution = resolve_listing(source, listing.databases, before, names)
    found = [(database.id, database.title) for database in listing.databases]
    bound = resolution.source
    listing = hold_back(listing, bound.ambiguous_streams(found, file=notion.project.sources_label), known)
    for failure in listing.failures:
        passing = "" if fails_a_sync(bound, failure) else " It is not selected, so no sync fails for it."
        context.log.warning(f"{failure.error}{passing}")
    if listing.search_error is not None:
        context.log.warning(str(listing.search_error))
    for entry in resolution.unmatched:
        context.log.warning(f"sources.yaml ({source.name}): {entry.sentence()}")
    for sentence in resolution.renamed:
        context.log.warning(f"sources.yaml ({source.name}): {sentence}")
    return ListingHandover(bound, listing, resolution)


def _targets(
    context: dg.AssetExecutionContext,
    resolution: Resolution,
    config: DatabaseConfig,
    notion: NotionResource,
    known: dict[str, KnownDatabase],
) -> tuple[list[str], dict[str, DatabaseTarget], frozenset[str]]:
    """The keys of this run, what is known of each database, and every data source that the connection sees."""
    source = resolution.source
    listed = {key: _target(database) for key, database in known.items() if database.accessible}
    home, repeated = notion.project.home, {context.run.parent_run_id, context.run.root_run_id} - {None}
    fresh = load_listing(home, source.name, context.run.run_id)
    fresh |= {key: target for key, target in load_failures(home, source.name, repeated).items() if key not in listed}
    listed.update(fresh)
    visible = frozenset(key for database in known.values() if database.accessible for key, _ in database.data_sources)
    if _has_keys(context):
        return list(context.partition_keys), listed, visible
    found_by_sensor = context.run.tags.get(TRIGGER_TAG) == SENSOR_TRIGGER
    unlisted = {
        key: KnownDatabase(key, target.title, "", (), selected=True, accessible=True)
        for key, target in fresh.items()
        if key not in known or not known[key].accessible
    }
    keys, unknown = _wanted(
        resolution, config.databases, known | unlisted, context.log.info, found_by_sensor=found_by_sensor
    )
    with_partition = [key for key in keys if key not in unlisted]
    present = set(context.instance.get_dynamic_partitions(partitions_name(source.name)))
    if missing := [key for key in with_partition if key not in present]:
        context.instance.add_dynamic_partitions(partitions_name(source.name), missing)
    plan_materializations(context, with_partition)
    # A name that fits nothing fails by itself, as a database does; the others of the run are synced.
    listed.update({entry: DatabaseTarget(entry, entry, "", (), error) for entry, error in unknown.items()})
    return [*keys, *unknown], listed, visible


def _has_keys(context: dg.AssetExecutionContext) -> bool:
    """Whether the run was launched for a partition or a range of them."""
    return bool(context.has_partition_key or context.has_partition_key_range)


def _target(database: KnownDatabase) -> DatabaseTarget:
    members = tuple(DataSourceTarget(key, name) for key, name in database.data_sources)
    return DatabaseTarget(database.id, database.title, database.url, members)


def _wanted(
    resolution: Resolution,
    entries: Sequence[str],
    known: dict[str, KnownDatabase],
    log: Callable[[str], None],
    *,
    found_by_sensor: bool,
) -> tuple[list[str], dict[str, ConfigError]]:
    """The ids of the databases that a run is about, and what is wrong with the names that fit none of them."""
    source = resolution.source
    selected = [
        known_database_name(source, database)
        for database in known.values()
        if database.accessible and database.selected
    ]
    if not entries:
        if not selected and (problem := nothing_selected(resolution, sum(d.accessible for d in known.values()))):
            raise ConfigError(
                problem,
                hint="Mend select and deselect in sources.yaml; `notion-pipeline streams` shows what there is.",
                source=source.name,
            )
        return [database.id for database in selected], {}
    wanted: list[str] = []
    unknown: dict[str, ConfigError] = {}
    for entry in entries:
        named = named_id(entry)
        # The sensor may name a database of which only a page is shared; of a person such a name is a mistake.
        if named is not None and found_by_sensor and named not in {d.id for d in selected}:
            log(f"Database {entry} is not among the selected ones; it is left out.")
            continue
        # What sources.yaml calls a database is understood here as well, after it was renamed in Notion too.
        found = find_databases(entry, selected) or [d for d in selected if d.id in source.ids_called(entry)]
        if not found:
            unknown[entry] = _unknown(source, entry, selected, known)
        wanted.extend(database.id for database in found)
    return list(dict.fromkeys(wanted)), unknown


def _unknown(
    source: Source, entry: str, selected: Sequence[DatabaseName], known: dict[str, KnownDatabase]
) -> ConfigError:
    """Why a name fits no selected database: another is meant, or the one it names is not selected."""
    others = find_databases(entry, (known_database_name(source, database) for database in known.values()))
    if others:
        accessible = known[others[0].id].accessible
        why = "it is not selected" if accessible else "the connection does not see it any more"
        return ConfigError(
            f'No selected database is called "{entry}": {why}.',
            hint=f"Look at select and deselect of the source in sources.yaml, then materialize {source.name}/databases."
            if accessible
            else f"Share it with the connection again, then materialize {source.name}/databases.",
            source=source.name,
        )
    near = nearest(
        entry, [*(d.title for d in selected), *(stream_name(d.id) for d in selected), *(d.id for d in selected)]
    )
    return ConfigError(
        f'No selected database is called "{entry}"' + (f', nearest is "{near}".' if near else "."),
        hint="See the asset's partitions, or `notion-pipeline streams`, for what there is.",
        source=source.name,
    )


def _forced(context: dg.AssetExecutionContext, config: DatabaseConfig) -> Optional[str]:  # noqa: UP045
    if config.sync_type is not None:
        return config.sync_type.value
    tag = context.run.tags.get(SYNC_TYPE_TAG)
    if tag is not None and tag not in ForcedSyncType.__members__:
        raise ConfigError(
            f'The run tag {SYNC_TYPE_TAG} is "{tag}".', hint=f"It may be {' or '.join(ForcedSyncType.__members__)}."
        )
    return tag


def _committed_before(context: dg.AssetExecutionContext, catalog: Catalog, source: str) -> frozenset[str]:
    """Data sources that earlier attempts of this run committed: its own, and of the failed runs that it repeats."""
    runs = [context.run.run_id] if context.retry_number else []
    run: Optional[DagsterRun] = context.run  # noqa: UP045
    while run is not None and run.parent_run_id is not None:
        run = context.instance.get_run_by_id(run.parent_run_id)
        if run is None or run.is_success:
            break
        runs.append(run.run_id)
    if not runs:
        return frozenset()
    with catalog.reading() as connection:
        if connection is None or not bookkeeping.has_bookkeeping(connection):
            return frozenset()
        return frozenset(bookkeeping.committed_in_run(connection, source, runs))


class _as_failure:  # noqa: N801 - reads as the statement it is
    """Turns an error of ours into a failure whose text is its message alone."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if isinstance(error, NotionPipelineError):
            raise dg.Failure(str(error)) from None
        redact_error(error)
