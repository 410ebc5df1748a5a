"""The assets that a sync fills; the IO manager commits what their op yields.

One op fills them all, so that a run reads a database once whatever names it: `S/sync` (every selected database), a
partition of `S/database` or a range of them, and single tables, `S/<table>`.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Optional

import dagster as dg
from pydantic import Field

from notion_pipeline.catalog.listing.resolved import resolution_of_catalog
from notion_pipeline.catalog.read.table_index import load_tables
from notion_pipeline.config.sources import Source
from notion_pipeline.defs.asset_keys import AssetKeys
from notion_pipeline.defs.commits import DatabaseReads
from notion_pipeline.defs.dagster_internals import NO_MATERIALIZATION, step_of
from notion_pipeline.defs.failed_assets import show_failed
from notion_pipeline.defs.failures import as_failure
from notion_pipeline.defs.freshness import freshness_policy
from notion_pipeline.defs.listing import list_within
from notion_pipeline.defs.metadata import partitions_metadata, source_code
from notion_pipeline.defs.partitions import database_partitions
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
from notion_pipeline.defs.tables import output_name, table_specs
from notion_pipeline.errors import NotionPipelineError
from notion_pipeline.listing.cache import load_search_error
from notion_pipeline.project import Project
from notion_pipeline.sync.plan import Planner, expected_reads
from notion_pipeline.sync.run_context import SyncOptions
from notion_pipeline.sync.runner import Sync

#: Outputs of the op: those of `S/sync` and of `S/database`. Each table has one of its own.
WHOLE, PARTITIONED = "sync", "database"


def sync_assets(
    source: Source,
    project: Project,
    asset_keys: AssetKeys,
    catalog_path: Path,
    given: Optional[LoadedProject],  # noqa: UP045
) -> dg.AssetsDefinition:
    """What a sync fills, in one op: `S/sync`, `S/database` and every `S/<table>`; each can be materialized alone."""
    name, keys = source.name, ResourceKeys(source.name)
    in_sync = [table for table in asset_keys.tables if table.in_sync]
    database_ids = {output_name(table): table.database_id for table in in_sync}
    specs = {
        WHOLE: _whole_spec(source, asset_keys, project),
        PARTITIONED: _partitioned_spec(source, asset_keys, project),
        **dict(zip(database_ids, table_specs(source, project, asset_keys, catalog_path), strict=True)),
    }

    class OfThisSource(DatabaseConfig):
        # The titles that the last sync saw, as a help to whoever writes them in the Launchpad.
        databases: list[str] = Field(default=[], description=DATABASES_HELP + known_titles(asset_keys.tables))

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
        catalog_resource: CatalogResource = getattr(context.resources, keys.catalog)
        progress_resource: TellsProgress = getattr(context.resources, keys.progress)
        chosen = context.op_execution_context.selected_output_names
        with as_failure():
            log = context.log.info
            loaded = notion.load(given)
            project = loaded.project
            catalog = catalog_resource.catalog(context.log.warning)
            if WHOLE in chosen and not context.job_def.has_node_named(f"{name}__databases"):
                list_within(context, loaded, asset_keys, catalog)
            # A listing may just have named tables that the definitions do not know.
            now_known = asset_keys.knowing(load_tables(project.home, name))
            with catalog.reading() as connection:
                resolution, known = resolution_of_catalog(connection, loaded.source(name))
                current, forced = resolution.source, forced_sync_type(context, config)
                planner = Planner.of_catalog(connection, current, forced=forced)
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
                show_failed(step_of(context), now_known, wanted, committed=())
                raise
            skip = committed_before(context, catalog, name)
            options = SyncOptions(
                source=current,
                account=account,
                home=project.home,
                forced=forced,
                skip=skip,
                visible=wanted.visible,
                held_back={**resolution.held_back, **unclear},
                expected=expected_reads(planner.reads(wanted.databases), current.limits, skip=skip),
            )
            progress = progress_resource.progress(log)
            reads = Sync(lambda: loaded.client(current, log), catalog, options, progress, log)
            # Of a run for some databases, what may be missing besides is no matter.
            for_all = asked.everything and not config.databases
            incomplete = load_search_error(project.home, name, context.run.run_id) if for_all else None
            publish_to = loaded.sources.publish_path(project)
        # From here on databases are read in a thread of their own, while the IO manager commits those that are whole.
        with reads.start(wanted.databases) as reading:
            handed = DatabaseReads(
                current, reading, progress, wanted, reads.usage, now_known, publish_to, incomplete
            )
            # One output carries all; the IO manager logs what each of the other assets got.
            output = next((name for name in (WHOLE, PARTITIONED) if name in chosen), None) or min(chosen)
            has_own_event = output == WHOLE or (output == PARTITIONED and has_keys(context))
            yield dg.Output(handed, output_name=output, metadata={} if has_own_event else NO_MATERIALIZATION)

    return sync.with_attributes(
        asset_key_replacements={dg.AssetKey(output): spec.key for output, spec in specs.items()}
    )


def _whole_spec(source: Source, asset_keys: AssetKeys, project: Project) -> dg.AssetSpec:
    described = f"{source.description}\n\n" if source.description else ""
    spec = dg.AssetSpec(
        dg.AssetKey([source.name, asset_keys.sync_name]),
        description=f"{described}Materialize this to list the databases of source {source.name} and sync every "
        "selected one. Its materializations give the figures of each sync.",
        deps=[asset_keys.databases],
        skippable=True,
        group_name=source.name,
        owners=list(source.owners),
        tags=dict(source.tags),
        kinds={"notion", "duckdb"},
        metadata=source_code(sync_assets, project),
    )
    return asset_keys.spec(asset_keys.sync_name, spec)


def _partitioned_spec(source: Source, asset_keys: AssetKeys, project: Project) -> dg.AssetSpec:
    described = f"{source.description}\n\n" if source.description else ""
    spec = dg.AssetSpec(
        dg.AssetKey([source.name, "database"]),
        description=f"{described}A partition for each Notion database, called like its table: its pages as typed rows, "
        f"one table a data source. `{asset_keys.databases.to_user_string()}` keeps the partitions. Each table is "
        "also an asset of its own.",
        partitions_def=database_partitions(source.name),
        skippable=True,
        group_name=source.name,
        owners=list(source.owners),
        tags=dict(source.tags),
        kinds={"notion", "duckdb"},
        freshness_policy=freshness_policy(source),
        metadata={**partitions_metadata(asset_keys), **source_code(sync_assets, project)},
    )
    return asset_keys.spec("database", spec)
