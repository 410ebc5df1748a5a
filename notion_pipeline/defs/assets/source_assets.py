"""The assets of a source; the IO manager commits what their op yields.

One op fills them all, so that a run reads a database once whatever names it: `S/sync` (lists, then reads every selected
database), a partition of `S/database` or a range of them, and single tables, `S/<table>`. `S/databases` lists alone.
None of the first three depends on another: Dagster would ask for confirmation before the first sync.
"""

from collections.abc import Iterator
from typing import Optional

import dagster as dg
from pydantic import Field

from notion_pipeline.config.sources import Source
from notion_pipeline.defs.asset_keys import AssetKeys
from notion_pipeline.defs.assets.freshness import freshness_policy
from notion_pipeline.defs.assets.listing import after_commit, commit_within, list_source, listed_before, listing_spec
from notion_pipeline.defs.assets.reads import prepare_reads
from notion_pipeline.defs.assets.source_spec import source_spec
from notion_pipeline.defs.assets.tables import LISTING_VERSION, output_name, table_specs
from notion_pipeline.defs.commits.database_commits import AlreadyCommitted, DatabaseReads
from notion_pipeline.defs.commits.listing_commit import FoundListing
from notion_pipeline.defs.dagster_internals import NO_MATERIALIZATION
from notion_pipeline.defs.failures import as_failure
from notion_pipeline.defs.metadata import partitions_metadata
from notion_pipeline.defs.resources import CatalogResource, LoadedProject, NotionResource, ResourceKeys, TellsProgress
from notion_pipeline.defs.runs.partitions import database_partitions, partition_keys
from notion_pipeline.defs.runs.run_targets import (
    DATABASES_HELP,
    AskedFor,
    DatabaseConfig,
    has_keys,
    known_titles,
)
from notion_pipeline.notion.limits.run_usage import RunUsage
from notion_pipeline.project import Project

#: Outputs of the op: those of `S/databases`, `S/sync` and `S/database`. Each table has one of its own.
LISTING, WHOLE, PARTITIONED = "databases", "sync", "database"
#: What the op hands to the IO manager.
HandedOver = FoundListing | DatabaseReads | AlreadyCommitted


def sync_assets(
    source: Source,
    project: Project,
    asset_keys: AssetKeys,
    catalog_name: str,
    given: Optional[LoadedProject],  # noqa: UP045
) -> dg.AssetsDefinition:
    """`S/databases`, `S/sync`, `S/database` and every `S/<table>`; each can be materialized alone.

    Args:
        given: The sources to run with; None has each run read sources.yaml anew.
    """
    name, keys = source.name, ResourceKeys(source.name)
    in_sync = [table for table in asset_keys.tables if table.in_sync]
    database_ids = {output_name(table): table.database_id for table in in_sync}
    specs = {
        LISTING: listing_spec(source, project, asset_keys),
        WHOLE: _whole_spec(source, asset_keys, project),
        PARTITIONED: _partitioned_spec(source, asset_keys, project),
        **dict(zip(database_ids, table_specs(source, project, asset_keys, catalog_name), strict=True)),
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
    def sync(context: dg.AssetExecutionContext, config: OfThisSource) -> Iterator[dg.Output[HandedOver]]:
        notion: NotionResource = getattr(context.resources, keys.notion)
        catalog_resource: CatalogResource = getattr(context.resources, keys.catalog)
        progress_resource: TellsProgress = getattr(context.resources, keys.progress)
        chosen = context.op_execution_context.selected_output_names
        usage = RunUsage()
        with as_failure():
            loaded = notion.load(given)
            catalog = catalog_resource.catalog(context.log.warning)
            # A listing alone that is tried again has failed as a whole.
            lists = chosen == {LISTING} or (
                not chosen.isdisjoint({LISTING, WHOLE}) and not listed_before(context, asset_keys, loaded.state)
            )
            found = list_source(context.log, loaded, asset_keys, catalog, usage) if lists else None
        if found is not None:
            if LISTING in chosen:
                yield dg.Output(found, output_name=LISTING, data_version=dg.DataVersion(LISTING_VERSION))
            # The catalog holds the listing now: partitions follow it, never the other way round.
            with as_failure():
                if LISTING not in chosen:
                    commit_within(context, found, loaded.state, catalog)
                reasons = after_commit(context, loaded, found, catalog)
            # In a run that also reads, the reads fail for them: else nothing at all would be read.
            if chosen == {LISTING} and reasons:
                raise dg.Failure("\n".join(reasons), allow_retries=False)
        if chosen == {LISTING}:
            return
        with as_failure():
            asked = AskedFor(
                # A run of a job over `S/database` without a partition is a whole sync, as that over `S/sync` is.
                everything=WHOLE in chosen or (PARTITIONED in chosen and not has_keys(context)),
                keys=partition_keys(context) if PARTITIONED in chosen and has_keys(context) else (),
                database_ids=tuple(dict.fromkeys(database_ids[output] for output in database_ids if output in chosen)),
                former={table.partition: table.database_id for table in in_sync},
                lists=not chosen.isdisjoint({LISTING, WHOLE}),
            )
            prepared = prepare_reads(context, config, asked, asset_keys, loaded=loaded, catalog=catalog, usage=usage)
            progress = progress_resource.progress(context.log.info)
        # From here on databases are read in a thread of their own, while the IO manager commits those that are whole.
        with prepared.start(progress) as handed:
            # One output carries all; the IO manager logs what each of the other assets got.
            others = chosen - {LISTING}
            output = next((name for name in (WHOLE, PARTITIONED) if name in others), None) or min(others)
            has_own_event = output == WHOLE or (output == PARTITIONED and has_keys(context))
            yield dg.Output(handed, output_name=output, metadata={} if has_own_event else NO_MATERIALIZATION)
        # All was committed, and told by events. What depends on the other assets is skipped where an output is missing.
        for other in sorted(others - {output}):
            yield dg.Output(AlreadyCommitted(), output_name=other, metadata=NO_MATERIALIZATION)

    return sync.with_attributes(
        asset_key_replacements={dg.AssetKey(output): spec.key for output, spec in specs.items()}
    )


def _whole_spec(source: Source, asset_keys: AssetKeys, project: Project) -> dg.AssetSpec:
    return source_spec(
        source,
        project,
        asset_keys,
        asset_keys.sync_name,
        description=f"Materialize this to list the databases of source {source.name} and sync every selected one. Its "
        "materializations give the figures of each sync.",
        maker=sync_assets,
    )


def _partitioned_spec(source: Source, asset_keys: AssetKeys, project: Project) -> dg.AssetSpec:
    return source_spec(
        source,
        project,
        asset_keys,
        "database",
        description="A partition for each Notion database, called like its table: its pages as typed rows, one table a "
        f"data source. {asset_keys.databases.to_user_string()} keeps the partitions. Each table is also an asset of "
        "its own.",
        maker=sync_assets,
        metadata=partitions_metadata(asset_keys),
        partitions_def=database_partitions(source.name),
        freshness_policy=freshness_policy(source),
    )
