"""The assets of a source: `S/databases` lists, the others read; the IO manager commits what they yield.

One op fills all others, so that a run reads a database once whatever names it: `S/sync` (every selected database), a
partition of `S/database` or a range of them, and single tables, `S/<table>`.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Optional

import dagster as dg
from pydantic import Field

from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.catalog.listing.known_databases import known_databases
from notion_pipeline.catalog.listing.resolved import known_names, resolution_of_catalog
from notion_pipeline.catalog.read.table_index import SyncedTable
from notion_pipeline.config.sources import Source
from notion_pipeline.defs.commits import DatabaseReads, FoundListing
from notion_pipeline.defs.dagster_internals import NO_MATERIALIZATION, step_of
from notion_pipeline.defs.failed_assets import show_failed
from notion_pipeline.defs.failures import as_failure
from notion_pipeline.defs.freshness import freshness_policy
from notion_pipeline.defs.metadata import partitions_metadata, source_code
from notion_pipeline.defs.partitions import database_partitions, update_partitions
from notion_pipeline.defs.resources import CatalogResource, LoadedProject, NotionResource, ResourceKeys, TellsProgress
from notion_pipeline.defs.run_targets import (
    DATABASES_HELP,
    AskedFor,
    DatabaseConfig,
    committed_before,
    forced_sync_type,
    has_keys,
    known_titles,
    run_targets,
)
from notion_pipeline.defs.tables import LISTING_VERSION, output_name, sync_key, table_specs
from notion_pipeline.errors import NotionPipelineError
from notion_pipeline.listing.cache import load_search_error, save_listing
from notion_pipeline.listing.databases import hold_back, list_databases
from notion_pipeline.listing.listed import KnownDatabase, Listing
from notion_pipeline.listing.resolution import (
    fails_a_sync,
    resolve_listing,
)
from notion_pipeline.project import Project
from notion_pipeline.sync.run_context import SyncOptions
from notion_pipeline.sync.runner import Sync

#: Outputs of the op: those of `S/sync` and of `S/database`. Each table has one of its own.
WHOLE, PARTITIONED = "sync", "database"


def listing_asset(source: Source, project: Project, given: Optional[LoadedProject]) -> dg.AssetsDefinition:  # noqa: UP045
    """`S/databases`.

    Args:
        given: The sources to run with; None has each run read sources.yaml anew.
    """
    name, keys = source.name, ResourceKeys(source.name)
    described = f"{source.description}\n\n" if source.description else ""

    @dg.asset(
        key=[name, "databases"],
        group_name=name,
        kinds={"notion", "duckdb"},
        owners=list(source.owners),
        tags=dict(source.tags),
        freshness_policy=freshness_policy(source),
        metadata={"dagster/table_name": f"{name}.databases", **source_code(listing_asset, project)},
        io_manager_key=keys.io_manager,
        required_resource_keys={keys.notion, keys.catalog},
        description=f"{described}Every Notion database that the connection of source {name} sees, as the table "
        f"`{name}.databases`. Keeps the partitions of the databases that are selected.",
    )
    def databases(context: dg.AssetExecutionContext) -> Iterator[dg.Output[FoundListing]]:
        notion: NotionResource = getattr(context.resources, keys.notion)
        catalog = _catalog(context, keys)
        with as_failure():
            loaded = notion.load(given)
            found = _list(context, loaded, name, catalog)
        yield dg.Output(found, data_version=dg.DataVersion(LISTING_VERSION))
        # The catalog holds the listing now: partitions follow it, never the other way round.
        databases = found.databases()
        selected = [database_id for database_id, title in databases if found.source.selects(database_id, title)]
        failed = [failure for failure in found.listing.failures if fails_a_sync(found.source, failure)]
        with as_failure():
            save_listing(
                loaded.project.home,
                found.source,
                context.run.run_id,
                found.listing,
                selected,
                failed=[failure.id for failure in failed],
                names=found.resolution.names,
            )
        with as_failure(), catalog.reading() as connection:
            known = known_databases(connection, name)
        _update_partitions(context, name, known, selected, loaded.project.home)
        # In a run that also reads, the asset of the reads fails for them: else nothing at all would be read.
        if not _reads_too(context, name):
            reasons = [str(failure.error) for failure in failed]
            reasons += [str(found.listing.search_error)] if found.listing.search_error else []
            if reasons:
                raise dg.Failure("\n".join(reasons), allow_retries=False)

    return databases


def sync_assets(
    source: Source,
    project: Project,
    tables: Sequence[SyncedTable],
    catalog_path: Path,
    given: Optional[LoadedProject],  # noqa: UP045
) -> dg.AssetsDefinition:
    """What a sync fills, in one op: `S/sync`, `S/database` and every `S/<table>`. Any part of it can be materialized.

    Args:
        tables: Those that a listing or a sync has named so far.
    """
    name, keys = source.name, ResourceKeys(source.name)
    in_sync = [table for table in tables if table.in_sync]
    database_ids = {output_name(table): table.database_id for table in in_sync}
    specs = {
        WHOLE: _whole_spec(source, tables, project),
        PARTITIONED: _partitioned_spec(source, tables, project),
        **dict(zip(database_ids, table_specs(source, project, in_sync, catalog_path), strict=True)),
    }

    class OfThisSource(DatabaseConfig):
        # The titles that the last sync saw, as a help to whoever writes them in the Launchpad.
        databases: list[str] = Field(default=[], description=DATABASES_HELP + known_titles(tables))

    @dg.multi_asset(
        name=f"{name}__database",
        # Names of tables may be any text, names of outputs may not: each asset gets its key below.
        specs=[
            spec.replace_attributes(key=output).with_io_manager_key(keys.io_manager) for output, spec in specs.items()
        ],
        can_subset=True,
        backfill_policy=dg.BackfillPolicy.single_run(),
        required_resource_keys={keys.notion, keys.catalog, keys.progress},
    )
    def sync(context: dg.AssetExecutionContext, config: OfThisSource) -> Iterator[dg.Output[DatabaseReads]]:
        notion: NotionResource = getattr(context.resources, keys.notion)
        progress_resource: TellsProgress = getattr(context.resources, keys.progress)
        chosen = context.op_execution_context.selected_output_names
        with as_failure():
            log = context.log.info
            loaded = notion.load(given)
            project = loaded.project
            catalog = _catalog(context, keys)
            with catalog.reading() as connection:
                resolution, known = resolution_of_catalog(connection, loaded.source(name))
            current = resolution.source
            titles = [(database.id, database.title) for database in known.values() if database.accessible]
            problems = current.ambiguous_streams(titles, file=project.sources_label)
            unclear = {key: problem.message for key, problem in problems.items()}
            asked = AskedFor(
                # A run of a job over `S/database` without a partition is a whole sync, as that over `S/sync` is.
                everything=WHOLE in chosen or (PARTITIONED in chosen and not has_keys(context)),
                keys=tuple(context.partition_keys) if PARTITIONED in chosen and has_keys(context) else (),
                database_ids=tuple(dict.fromkeys(database_ids[output] for output in database_ids if output in chosen)),
                former={table.partition: table.database_id for table in in_sync},
            )
            wanted = run_targets(context, resolution, config, asked, home=project.home, known=known)
            try:
                account = loaded.account(current)
            except NotionPipelineError:
                show_failed(step_of(context), name, wanted, committed=())
                raise
            options = SyncOptions(
                source=current,
                account=account,
                home=project.home,
                forced=forced_sync_type(context, config),
                skip=committed_before(context, catalog, name),
                visible=wanted.visible,
                held_back={**resolution.held_back, **unclear},
            )
            progress = progress_resource.progress(log)
            reads = Sync(lambda: loaded.client(current, log), catalog, options, progress, log)
            # Of a run for some databases, what may be missing besides is no matter.
            for_all = asked.everything and not config.databases
            incomplete = load_search_error(project.home, name, context.run.run_id) if for_all else None
            publish_to = loaded.sources.publish_path(project)
        # From here on databases are read in a thread of their own, while the IO manager commits those that are whole.
        with reads.start(wanted.databases) as reading:
            handed = DatabaseReads(current, reading, progress, wanted, publish_to, incomplete)
            # One output carries all; the IO manager logs what each of the other assets got.
            output = next((name for name in (WHOLE, PARTITIONED) if name in chosen), None) or min(chosen)
            has_own_event = output == WHOLE or (output == PARTITIONED and has_keys(context))
            yield dg.Output(handed, output_name=output, metadata={} if has_own_event else NO_MATERIALIZATION)

    return sync.with_attributes(
        asset_key_replacements={dg.AssetKey(output): spec.key for output, spec in specs.items()}
    )


def _whole_spec(source: Source, tables: Sequence[SyncedTable], project: Project) -> dg.AssetSpec:
    described = f"{source.description}\n\n" if source.description else ""
    return dg.AssetSpec(
        sync_key(source.name, tables),
        description=f"{described}Materialize this to sync every selected database of source {source.name}. Its "
        "materializations give the figures of each sync.",
        deps=[dg.AssetKey([source.name, "databases"])],
        skippable=True,
        group_name=source.name,
        owners=list(source.owners),
        tags=dict(source.tags),
        kinds={"notion", "duckdb"},
        metadata=source_code(sync_assets, project),
    )


def _partitioned_spec(source: Source, tables: Sequence[SyncedTable], project: Project) -> dg.AssetSpec:
    described = f"{source.description}\n\n" if source.description else ""
    return dg.AssetSpec(
        dg.AssetKey([source.name, "database"]),
        description=f"{described}A partition for each Notion database, called like its table: its pages as typed rows, "
        f"one table a data source. `{source.name}/databases` keeps the partitions. Each table is also an asset of its "
        f"own, `{source.name}/<table>`.",
        partitions_def=database_partitions(source.name),
        skippable=True,
        group_name=source.name,
        owners=list(source.owners),
        tags=dict(source.tags),
        kinds={"notion", "duckdb"},
        freshness_policy=freshness_policy(source),
        metadata={**partitions_metadata(source.name, tables), **source_code(sync_assets, project)},
    )


def _catalog(context: dg.AssetExecutionContext, keys: ResourceKeys) -> Catalog:
    catalog: CatalogResource = getattr(context.resources, keys.catalog)
    return catalog.catalog(context.log.warning)


def _reads_too(context: dg.AssetExecutionContext, source: str) -> bool:
    """Whether this run also reads databases of the source."""
    executable = context.job_def.asset_layer.executable_asset_keys
    return any(key.path[0] == source and key.path[1:] != ["databases"] for key in executable)


def _update_partitions(
    context: dg.AssetExecutionContext,
    source: str,
    known: Mapping[str, KnownDatabase],
    selected: Sequence[str],
    home: Path,
) -> None:
    """Gives each selected database its partition, and takes those of others away."""
    wanted = [known[key].partition for key in selected if key in known]
    ids = {database.partition: key for key, database in known.items()}
    added, removed, busy = update_partitions(context.instance, source, wanted, ids, home=home)
    log = context.log.info
    log(f"{len(selected)} databases selected; {len(added)} partitions added, {len(removed)} removed.")
    if former := [key for key in removed if key in known]:
        log(
            f"Partitions are called like tables now: {len(former):,} that were called by the id of their database went."
        )
    if busy:
        log(f"Partitions that runs work on stay until the next listing: {', '.join(busy)}.")


def _list(context: dg.AssetExecutionContext, loaded: LoadedProject, name: str, catalog: Catalog) -> FoundListing:
    source = loaded.source(name)
    with catalog.reading() as connection:
        before = known_databases(connection, source.name)
        names = known_names(connection, source.name)
    known = {key: database for key, database in before.items() if database.accessible}

    async def look() -> Listing:
        async with loaded.client(source, context.log.info) as client:
            return await list_databases(
                client, named=source.named_ids(), known=known, log=context.log.info, source=source.name
            )

    listing = asyncio.run(look())
    resolution = resolve_listing(source, listing.databases, before, names, listing.failures)
    found = [(database.id, database.title) for database in listing.databases]
    bound = resolution.source
    listing = hold_back(listing, bound.ambiguous_streams(found, file=loaded.project.sources_label), known)
    for failure in listing.failures:
        passing = "" if fails_a_sync(bound, failure) else " It is not selected, so no sync fails for it."
        context.log.warning(f"{failure.error}{passing}")
    if listing.search_error is not None:
        context.log.warning(str(listing.search_error))
    for entry in resolution.unmatched:
        context.log.warning(f"sources.yaml ({source.name}): {entry.sentence()}")
    for sentence in resolution.renamed:
        context.log.warning(f"sources.yaml ({source.name}): {sentence}")
    return FoundListing(bound, listing, resolution)
