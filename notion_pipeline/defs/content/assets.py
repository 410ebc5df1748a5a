"""The assets of page content: `S/page_content`, with the partitions of `S/database`, and `S/content` for all of them.

One op fills both. `S/content` is to `S/page_content` what `S/sync` is to `S/database`: all that is due, without a
partition to choose.
"""

from collections.abc import Iterator, Sequence
from typing import Optional, Union

import dagster as dg
from pydantic import Field

from notion_pipeline.catalog.content.due.targets import content_targets
from notion_pipeline.catalog.listing.resolved import resolution_of_catalog
from notion_pipeline.config.selection import find_databases
from notion_pipeline.config.sources import Source
from notion_pipeline.defs.asset_keys import AssetKeys
from notion_pipeline.defs.assets.source_spec import source_spec
from notion_pipeline.defs.commits.database_commits import AlreadyCommitted
from notion_pipeline.defs.content.comments import comments_assets
from notion_pipeline.defs.content.files import files_asset
from notion_pipeline.defs.content.pages import pages_asset
from notion_pipeline.defs.content.reads import ContentReads, start_reads
from notion_pipeline.defs.content.users import users_assets
from notion_pipeline.defs.dagster_internals import NO_MATERIALIZATION
from notion_pipeline.defs.failures import as_failure
from notion_pipeline.defs.resources import CatalogResource, LoadedProject, NotionResource, ResourceKeys
from notion_pipeline.defs.runs.partitions import database_partitions, partition_keys
from notion_pipeline.defs.runs.run_targets import has_keys
from notion_pipeline.errors import ConfigError
from notion_pipeline.listing.listed import KnownDatabase
from notion_pipeline.listing.resolution import known_database_name
from notion_pipeline.notion.limits.turns import Turns
from notion_pipeline.project import Project

DESCRIPTION = (
    "The words of the pages, as Markdown: one row a page. A page is read again when it was edited, or when its content "
    "is older than `refresh_every`; which pages that are is told by the tables, without a request."
)


#: Outputs of the op: those of `S/content` and `S/page_content`.
WHOLE, PARTITIONED = "content", "page_content"


class ContentConfig(dg.Config):
    """What one run does otherwise than sources.yaml says."""

    databases: list[str] = Field(
        default=[],
        description="For a run without a partition: titles, tables or ids of the databases whose pages are read. "
        "Empty: all that sources.yaml chooses.",
    )
    standalone_pages: bool = Field(
        default=False,
        description="Beside `databases`: read the pages that are in no database too. Without `databases` they are read "
        "in any case.",
    )
    refresh: bool = Field(default=False, description="Read every page again, edited or not.")


def content_assets(
    source: Source,
    project: Project,
    asset_keys: AssetKeys,
    given: Optional[LoadedProject],  # noqa: UP045
) -> list[dg.AssetsDefinition]:
    """The assets of a source's content; none where sources.yaml asks for no content.

    Args:
        given: The sources to run with; None has each run read sources.yaml anew.
    """
    if not source.reads_content:
        return []
    assets = [
        _page_content(source, project, asset_keys, given),
        *users_assets(source, project, asset_keys, given),
        *comments_assets(source, project, asset_keys, given),
    ]
    if source.reads_standalone_pages:
        assets.append(pages_asset(source, project, asset_keys, given))
    if source.keeps_files:
        assets.append(files_asset(source, project, asset_keys, given))
    return assets


def _page_content(
    source: Source,
    project: Project,
    asset_keys: AssetKeys,
    given: Optional[LoadedProject],  # noqa: UP045
) -> dg.AssetsDefinition:
    name, keys = source.name, ResourceKeys(source.name)
    specs = {
        WHOLE: _whole_spec(source, project, asset_keys),
        PARTITIONED: _partitioned_spec(source, project, asset_keys),
    }

    @dg.multi_asset(
        name=f"{name}__content",
        specs=[
            spec.replace_attributes(key=output).with_io_manager_key(keys.io_manager) for output, spec in specs.items()
        ],
        can_subset=True,
        backfill_policy=dg.BackfillPolicy.single_run(),
        required_resource_keys={keys.notion, keys.catalog},
    )
    def read(
        context: dg.AssetExecutionContext, config: ContentConfig
    ) -> Iterator[dg.Output[Union[ContentReads, AlreadyCommitted]]]:  # noqa: UP007
        notion: NotionResource = getattr(context.resources, keys.notion)
        catalog_resource: CatalogResource = getattr(context.resources, keys.catalog)
        chosen = context.op_execution_context.selected_output_names
        with as_failure():
            loaded, log = notion.load(given), context.log.info
            catalog = catalog_resource.catalog(context.log.warning)
            with catalog.reading() as connection:
                resolution, known = resolution_of_catalog(connection, loaded.source(name))
                current = resolution.source
                databases = _chosen(context, config, current, list(known.values()))
                targets = content_targets(
                    connection,
                    current,
                    databases,
                    refresh_all=config.refresh,
                    standalone_pages=current.reads_standalone_pages
                    and not has_keys(context)
                    and (config.standalone_pages or not config.databases),
                )
            turns = Turns(loaded.state, loaded.account(current))
            reads = start_reads(
                lambda: loaded.client(current, log),
                catalog,
                current,
                asset_keys,
                targets,
                project=loaded.project,
                turns=turns,
                log=log,
            )
            log(f"{sum(reads.due.values()):,} pages are due in {len(databases):,} databases.")
        output = WHOLE if WHOLE in chosen else PARTITIONED
        has_own_event = output == WHOLE or has_keys(context)
        yield dg.Output(reads, output_name=output, metadata={} if has_own_event else NO_MATERIALIZATION)
        for other in chosen - {output}:
            yield dg.Output(AlreadyCommitted(), output_name=other, metadata=NO_MATERIALIZATION)

    return read.with_attributes(
        asset_key_replacements={dg.AssetKey(output): spec.key for output, spec in specs.items()}
    )


def _whole_spec(source: Source, project: Project, asset_keys: AssetKeys) -> dg.AssetSpec:
    return source_spec(
        source,
        project,
        asset_keys,
        asset_keys.free_name(WHOLE),
        description="Materialize this to read the content of every page that is due, of every database that "
        "sources.yaml chooses. Its materializations give the figures of each run.",
        maker=content_assets,
    )


def _partitioned_spec(source: Source, project: Project, asset_keys: AssetKeys) -> dg.AssetSpec:
    return source_spec(
        source,
        project,
        asset_keys,
        asset_keys.free_name(PARTITIONED),
        description=DESCRIPTION,
        maker=content_assets,
        partitions_def=database_partitions(source.name),
        # Not in `S/content`: Dagster refuses a run without a partition as long as both of these have partitions.
        deps=[asset_keys.database],
    )


def _chosen(
    context: dg.AssetExecutionContext, config: ContentConfig, source: Source, known: Sequence[KnownDatabase]
) -> list[KnownDatabase]:
    """The databases that a run is about, of those whose content sources.yaml chooses.

    Raises:
        ConfigError: A partition or a name means none of them.
    """
    wanted = [
        database
        for database in known
        if database.selected and source.content_for(database.id, database.title) is not None
    ]
    if has_keys(context):
        by_partition = {database.partition: database for database in wanted}
        keys = partition_keys(context)
        found = [by_partition[key] for key in keys if key in by_partition]
        if not found:
            raise ConfigError(
                f"sources.yaml chooses the content of none of the databases {', '.join(keys)}.",
                hint="Name them under content: select, or give their stream `content: true`.",
                source=source.name,
            )
        return found
    if not config.databases:
        return wanted
    names = {database.id: known_database_name(source, database) for database in wanted}
    found = []
    for entry in config.databases:
        meant = find_databases(entry, names.values())
        if not meant:
            raise ConfigError(
                f'"{entry}" names no database whose content sources.yaml chooses.',
                hint="`notion-pipeline streams` shows what there is.",
                source=source.name,
            )
        ids = {database.id for database in meant}
        found += [database for database in wanted if database.id in ids and database not in found]
    return found
