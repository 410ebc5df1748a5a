"""The listing of a run: `S/databases`, the steps that follow its commit, and the partitions."""

import asyncio
from collections.abc import Mapping, Sequence
from logging import Logger
from typing import Optional

import dagster as dg
from dagster import DagsterEventType

from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.catalog.listing.known_databases import known_databases
from notion_pipeline.catalog.listing.resolved import known_names
from notion_pipeline.config.sources import Source
from notion_pipeline.defs.asset_keys import AssetKeys
from notion_pipeline.defs.assets.freshness import freshness_policy
from notion_pipeline.defs.assets.source_spec import source_spec
from notion_pipeline.defs.assets.tables import LISTING_VERSION
from notion_pipeline.defs.commits.listing_commit import FoundListing, commit_listing
from notion_pipeline.defs.dagster_internals import data_version_tags
from notion_pipeline.defs.resources import LoadedProject
from notion_pipeline.defs.runs.earlier_attempts import earlier_attempts
from notion_pipeline.defs.runs.partitions import update_partitions
from notion_pipeline.listing.cache import load_search_error, save_listing
from notion_pipeline.listing.databases import hold_back, list_databases
from notion_pipeline.listing.listed import KnownDatabase, Listing
from notion_pipeline.listing.resolution import fails_a_sync, resolve_listing
from notion_pipeline.notion.limits.run_usage import RunUsage
from notion_pipeline.project import Project
from notion_pipeline.state.interface import State


def listing_spec(source: Source, project: Project, asset_keys: AssetKeys) -> dg.AssetSpec:
    """`S/databases`."""
    return source_spec(
        source,
        project,
        asset_keys,
        "databases",
        description=f"Every Notion database that the connection of source {source.name} sees. Materialize it to list "
        "them anew; it keeps the partitions of those that are selected.",
        maker=listing_spec,
        metadata={"dagster/table_name": f"{source.name}.databases"},
        freshness_policy=freshness_policy(source),
    )


def commit_within(context: dg.AssetExecutionContext, found: FoundListing, state: State, catalog: Catalog) -> None:
    """Commits the listing of a run that was launched without `S/databases`, which is told of it by an event."""
    metadata, events = commit_listing(catalog, found, state, run=context.run, log=context.log)
    tags = data_version_tags(LISTING_VERSION)
    context.log_event(dg.AssetMaterialization(found.asset_keys.databases, metadata=metadata, tags=tags))
    for event in events:
        context.log_event(event)


def after_commit(
    context: dg.AssetExecutionContext, loaded: LoadedProject, found: FoundListing, catalog: Catalog
) -> list[str]:
    """Leaves the listing to the reads of this run, and brings the partitions up to date.

    Returns:
        Why selected databases, or search, could not be listed.
    """
    name, state = found.source.name, loaded.state
    selected = [key for key, title in found.databases() if found.source.selects(key, title)]
    failed = [failure for failure in found.listing.failures if fails_a_sync(found.source, failure)]
    save_listing(
        state,
        found.source,
        context.run.run_id,
        found.listing,
        selected,
        failed=[failure.id for failure in failed],
        names=found.resolution.names,
    )
    known = catalog.read(lambda connection: known_databases(connection, name))
    _update_partitions(context, found.asset_keys, known, selected, state)
    reasons = [str(failure.error) for failure in failed]
    return [*reasons, str(found.listing.search_error)] if found.listing.search_error else reasons


def listed_before(context: dg.AssetExecutionContext, asset_keys: AssetKeys, state: State) -> bool:
    """Whether an earlier attempt of this run committed a whole listing: it is not made again for what failed."""
    for run_id in earlier_attempts(context):
        if load_search_error(state, asset_keys.source, run_id) is not None:
            return False
        records = context.instance.get_records_for_run(run_id, of_type=DagsterEventType.ASSET_MATERIALIZATION).records
        events = [record.asset_materialization for record in records]
        if any(event is not None and event.asset_key == asset_keys.databases for event in events):
            return True
    return False


def _update_partitions(
    context: dg.AssetExecutionContext,
    asset_keys: AssetKeys,
    known: Mapping[str, KnownDatabase],
    selected: Sequence[str],
    state: State,
) -> None:
    """Gives each selected database its partition, and takes those of others away."""
    wanted = [known[key].partition for key in selected if key in known]
    ids = {database.partition: key for key, database in known.items()}
    added, removed, busy = update_partitions(
        context.instance, asset_keys.source, wanted, ids, state=state, asset=asset_keys.database
    )
    log = context.log.info
    log(f"{len(selected)} databases selected; {len(added)} partitions added, {len(removed)} removed.")
    if former := [key for key in removed if key in known]:
        log(
            f"Partitions are called like tables now: {len(former):,} that were called by the id of their database went."
        )
    if busy:
        log(f"Partitions that runs work on stay until the next listing: {', '.join(busy)}.")


def list_source(
    log: Logger,
    loaded: LoadedProject,
    asset_keys: AssetKeys,
    catalog: Catalog,
    usage: Optional[RunUsage] = None,  # noqa: UP045
) -> FoundListing:
    """Asks Notion which databases there are. Commits nothing.

    Args:
        usage: Where a run counts what its requests take of the account's limit.
    """
    source = loaded.source(asset_keys.source)
    before, names = catalog.read(
        lambda connection: (known_databases(connection, source.name), known_names(connection, source.name))
    )
    known = {key: database for key, database in before.items() if database.accessible}

    async def look() -> Listing:
        async with loaded.client(source, log.info) as client:
            client.stats.run = usage or client.stats.run
            return await list_databases(client, named=source.named_ids(), known=known, log=log.info, source=source.name)

    listing = asyncio.run(look())
    resolution = resolve_listing(source, listing.databases, before, names, listing.failures)
    found = [(database.id, database.title) for database in listing.databases]
    bound = resolution.source
    listing = hold_back(listing, bound.ambiguous_streams(found, file=loaded.project.sources_label), known)
    for failure in listing.failures:
        passing = "" if fails_a_sync(bound, failure) else " It is not selected, so no sync fails for it."
        log.warning(f"{failure.error}{passing}")
    if listing.search_error is not None:
        log.warning(str(listing.search_error))
    for entry in resolution.unmatched:
        log.warning(f"{loaded.project.sources_label} ({source.name}): {entry.sentence()}")
    for sentence in resolution.renamed:
        log.warning(f"{loaded.project.sources_label} ({source.name}): {sentence}")
    return FoundListing(bound, listing, resolution, asset_keys)
