"""The two assets of a source: `S/databases` lists, `S/database` reads; the IO manager commits what they yield.

One body of `S/database` serves a partition, a range of them and a whole sync.
"""

import asyncio
from collections.abc import Iterator

import dagster as dg
from pydantic import Field

from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.catalog.databases import known_databases
from notion_pipeline.catalog.read.table_index import load_tables
from notion_pipeline.catalog.resolved import known_names, resolution_of_catalog
from notion_pipeline.config.sources import Source
from notion_pipeline.defs.commits import DatabaseReads, FoundListing
from notion_pipeline.defs.dagster_internals import NO_MATERIALIZATION
from notion_pipeline.defs.failures import as_failure
from notion_pipeline.defs.freshness import freshness_policy
from notion_pipeline.defs.metadata import partitions_metadata, source_code
from notion_pipeline.defs.partitions import database_partitions, update_partitions
from notion_pipeline.defs.resources import CatalogResource, LoadedProject, NotionResource, ProgressResource
from notion_pipeline.defs.run_targets import (
    DATABASES_HELP,
    DatabaseConfig,
    committed_before,
    forced_sync_type,
    has_keys,
    known_titles,
    run_targets,
)
from notion_pipeline.listing.cache import load_search_error, save_listing
from notion_pipeline.listing.databases import hold_back, list_databases
from notion_pipeline.listing.listed import Listing
from notion_pipeline.listing.resolution import (
    fails_a_sync,
    resolve_listing,
)
from notion_pipeline.project import Project
from notion_pipeline.sync.data_source import SyncOptions
from notion_pipeline.sync.runner import Sync

IO_MANAGER_KEY = "notion_catalog"


def source_assets(source: Source, project: Project) -> list[dg.AssetsDefinition]:
    """`S/databases` and `S/database` of one source."""
    name = source.name
    listing_key, content_key = dg.AssetKey([name, "databases"]), dg.AssetKey([name, "database"])
    described = f"{source.description}\n\n" if source.description else ""
    tables = [table for table in load_tables(project.home, name) if table.in_sync]

    class OfThisSource(DatabaseConfig):
        # The titles that the last sync saw, as a help to whoever writes them in the Launchpad.
        databases: list[str] = Field(default=[], description=DATABASES_HELP + known_titles(tables))

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
    ) -> Iterator[dg.Output[FoundListing]]:
        with as_failure():
            loaded = notion.load()
            found = _list(context, loaded, name, catalog.catalog(context.log.warning))
        yield dg.Output(found)
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
        added, removed, busy = update_partitions(context.instance, name, selected, home=loaded.project.home)
        context.log.info(
            f"{len(databases)} databases, {len(selected)} selected; "
            f"{len(added)} partitions added, {len(removed)} removed."
        )
        if busy:
            context.log.info(f"Partitions that runs work on stay until the next listing: {', '.join(busy)}.")
        # In a run that also reads, the asset of the reads fails for them: else nothing at all would be read.
        if content_key not in context.job_def.asset_layer.executable_asset_keys:
            reasons = [str(failure.error) for failure in failed]
            reasons += [str(found.listing.search_error)] if found.listing.search_error else []
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
    ) -> Iterator[dg.Output[DatabaseReads]]:
        with as_failure():
            log = context.log.info
            loaded = notion.load()
            project = loaded.project
            opened = catalog.catalog(context.log.warning)
            with opened.reading() as connection:
                resolution, known = resolution_of_catalog(connection, loaded.source(name))
            current = resolution.source
            titles = [(database.id, database.title) for database in known.values() if database.accessible]
            problems = current.ambiguous_streams(titles, file=project.sources_label)
            unclear = {key: problem.message for key, problem in problems.items()}
            wanted = run_targets(context, resolution, config, project.home, known)
            options = SyncOptions(
                source=current,
                account=loaded.account(current),
                home=project.home,
                forced=forced_sync_type(context, config),
                skip=committed_before(context, opened, name),
                visible=wanted.visible,
                held_back={**resolution.held_back, **unclear},
            )
            progress = notion_progress.progress(log)
            sync = Sync(lambda: loaded.client(current, log), opened, options, progress, log)
            # Of a run for some databases, what may be missing besides is no matter.
            for_all = not has_keys(context) and not config.databases
            incomplete = load_search_error(project.home, name, context.run.run_id) if for_all else None
            publish_to = loaded.sources.publish_path(project)
        # From here on databases are read in a thread of their own, while the IO manager commits those that are whole.
        with sync.start(wanted.databases) as reading:
            reads = DatabaseReads(current, reading, progress, publish_to, incomplete)
            yield dg.Output(reads, metadata={} if has_keys(context) else NO_MATERIALIZATION)

    return [databases, database]


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
