"""Prepares the reads of a run: which databases, how, and with what. Makes no request."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

import dagster as dg
import duckdb

from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.catalog.listing.resolved import resolution_of_catalog
from notion_pipeline.catalog.read.table_index import load_tables
from notion_pipeline.defs.asset_keys import AssetKeys
from notion_pipeline.defs.commits.database_commits import DatabaseReads
from notion_pipeline.defs.commits.failed_assets import show_failed
from notion_pipeline.defs.dagster_internals import step_of
from notion_pipeline.defs.resources import LoadedProject
from notion_pipeline.defs.runs.earlier_attempts import committed_before
from notion_pipeline.defs.runs.run_targets import AskedFor, DatabaseConfig, RunTargets, forced_sync_type, run_targets
from notion_pipeline.errors import NotionPipelineError
from notion_pipeline.listing.cache import load_search_error
from notion_pipeline.listing.listed import KnownDatabase
from notion_pipeline.listing.resolution import Resolution
from notion_pipeline.notion.limits.run_usage import RunUsage
from notion_pipeline.sync.plan import Planner, expected_reads
from notion_pipeline.sync.run.context import SyncOptions
from notion_pipeline.sync.run.progress import Progress
from notion_pipeline.sync.runner import Sync


@dataclass(frozen=True)
class PreparedReads:
    """All that a run needs to read its databases."""

    context: dg.AssetExecutionContext
    loaded: LoadedProject
    catalog: Catalog
    options: SyncOptions
    usage: RunUsage
    targets: RunTargets
    asset_keys: AssetKeys
    publish_to: Optional[Path]  # noqa: UP045
    incomplete: Optional[NotionPipelineError]  # noqa: UP045

    @contextmanager
    def start(self, progress: Progress) -> Iterator[DatabaseReads]:
        """Reads in a thread of its own until the block ends."""
        source, log = self.options.source, self.context.log.info
        sync = Sync(
            lambda: self.loaded.client(source, log),
            self.catalog,
            self.options,
            progress,
            log,
            usage=self.usage,
            warn=self.context.log.warning,
        )
        with sync.start(self.targets.databases) as reading:
            yield DatabaseReads(
                source, reading, progress, self.targets, sync.usage, self.asset_keys, self.publish_to, self.incomplete
            )


def prepare_reads(
    context: dg.AssetExecutionContext,
    config: DatabaseConfig,
    asked: AskedFor,
    asset_keys: AssetKeys,
    *,
    loaded: LoadedProject,
    catalog: Catalog,
    usage: RunUsage,
) -> PreparedReads:
    """What is read of what was asked for.

    Raises:
        ConfigError: The config, or sources.yaml, names no database, or the account is not set.
        AuthorizationError: The account is not connected.
        CatalogError: The catalog cannot be read.
    """
    name, project = asset_keys.source, loaded.project
    staging = loaded.sources.staging_path(project)
    # A listing may just have named tables that the definitions do not know.
    now_known = asset_keys.knowing(load_tables(loaded.state, name))
    forced = forced_sync_type(context, config)

    def look(connection: Optional[duckdb.DuckDBPyConnection]) -> tuple[Resolution, dict[str, KnownDatabase], Planner]:  # noqa: UP045
        resolution, known = resolution_of_catalog(connection, loaded.source(name))
        return resolution, known, Planner.of_catalog(connection, resolution.source, forced=forced, staging=staging)

    resolution, known, planner = catalog.read(look)
    current = resolution.source
    titles = [(database.id, database.title) for database in known.values() if database.accessible]
    problems = current.ambiguous_streams(titles, file=project.sources_label)
    unclear = {key: problem.message for key, problem in problems.items()}
    targets = run_targets(context, resolution, config, asked, state=loaded.state, known=known)
    try:
        account = loaded.account(current)
    except NotionPipelineError:
        show_failed(step_of(context), now_known, targets, committed=())
        raise
    skip = committed_before(context, catalog, name)
    options = SyncOptions(
        source=current,
        account=account,
        state=loaded.state,
        staging=staging,
        bucket=loaded.sources.staging_bucket(project),
        forced=forced,
        skip=skip,
        visible=targets.visible,
        held_back={**resolution.held_back, **unclear},
        expected=expected_reads(planner.reads(targets.databases), current.limits, skip=skip),
    )
    # Of a run for some databases, what may be missing besides is no matter.
    for_all = asked.everything and not config.databases
    incomplete = load_search_error(loaded.state, name, context.run.run_id) if for_all else None
    return PreparedReads(
        context, loaded, catalog, options, usage, targets, now_known, loaded.sources.publish_path(project), incomplete
    )
