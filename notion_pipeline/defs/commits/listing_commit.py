"""Commits a listing, then takes the steps that follow: views, what became of tables, metadata."""

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Optional

import dagster as dg
import duckdb

from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.catalog.listing.databases import write_databases
from notion_pipeline.catalog.listing.resolved import keep_names
from notion_pipeline.catalog.read.gone import GoneDatabase, gone_databases
from notion_pipeline.catalog.sql import columns_of
from notion_pipeline.catalog.views.flat_views import keep_views
from notion_pipeline.config.sources import Source
from notion_pipeline.defs.asset_keys import AssetKeys
from notion_pipeline.defs.assets.tables import TableEvent, table_changes
from notion_pipeline.defs.metadata import listing_metadata
from notion_pipeline.errors import NotionPipelineError
from notion_pipeline.listing.listed import Listing
from notion_pipeline.listing.resolution import Resolution
from notion_pipeline.state.interface import State


@dataclass(frozen=True)
class FoundListing:
    """What `S/databases` hands over: a listing that is complete.

    Attributes:
        resolution: What the names in sources.yaml mean.
    """

    source: Source
    listing: Listing
    resolution: Resolution
    asset_keys: AssetKeys

    def databases(self) -> list[tuple[str, str]]:
        """Id and title of the databases that the catalog lists, those that could not be listed this time included."""
        seen = [(database.id, database.title) for database in self.listing.databases]
        return seen + [(failure.id, failure.title) for failure in self.listing.failures if failure.is_kept]

    def failures(self) -> list[NotionPipelineError]:
        """Why databases, or search, could not be listed."""
        found = [failure.error for failure in self.listing.failures]
        return [*found, self.listing.search_error] if self.listing.search_error else found


def store_listing(context: dg.OutputContext, catalog: Catalog, found: FoundListing, state: Optional[State]) -> None:  # noqa: UP045
    """Commits a listing, then takes the steps that follow."""
    metadata, events = commit_listing(catalog, found, state, run=context.step_context.dagster_run, log=context.log)
    context.add_output_metadata(metadata)
    for event in events:
        context.log_event(event)


def commit_listing(
    catalog: Catalog,
    found: FoundListing,
    state: Optional[State],  # noqa: UP045
    *,
    run: dg.DagsterRun,
    log: dg.DagsterLogManager,
) -> tuple[dict[str, Any], list[TableEvent]]:
    """Commits a listing.

    Returns:
        The metadata of its materialization, and events of tables that it renamed or retired.
    """

    def change(connection: duckdb.DuckDBPyConnection) -> tuple[Any, Any, list[GoneDatabase]]:
        streams = write_databases(connection, found.source, found.listing, datetime.now(timezone.utc), log.warning)
        keep_names(connection, found.source.name, found.resolution.names)
        columns = columns_of(connection, (found.source.name, "databases"))
        return streams, columns, gone_databases(connection, found.source.name)

    streams, columns, gone = catalog.commit(change)
    follow_tables(log, catalog, found.source)
    _warn_of_gone(log, found.listing, gone)
    metadata = listing_metadata(
        found.asset_keys,
        streams,
        columns,
        api_requests=found.listing.api_requests,
        unmatched=[str(entry) for entry in found.resolution.unmatched],
        renamed=found.resolution.renamed,
        gone=gone,
        failures=[str(error) for error in found.failures()],
    )
    events = [] if state is None else table_changes(catalog, state, found.asset_keys, run=run, log=log)
    return metadata, events


def _warn_of_gone(log: dg.DagsterLogManager, listing: Listing, gone: list[GoneDatabase]) -> None:
    """Warns once, when a listing finds it; the metadata of every listing names it."""
    for database in gone:
        if database.id in listing.retired:
            log.warning(f"{database.describe()}.")


def follow_tables(log: dg.DagsterLogManager, catalog: Catalog, source: Source) -> None:
    """Brings flat views up to date with their tables; a view that cannot follow is a warning."""
    if problem := keep_views(catalog, source.name):
        log.warning(problem)
