"""The definitions of a project, made of its folder and its sources. Opens no network connection and no catalog."""

import warnings
from pathlib import Path
from typing import Optional, Union

import dagster as dg

from notion_pipeline.catalog.connection.duckdb_file import check_catalog_name
from notion_pipeline.catalog.read.table_index import load_tables
from notion_pipeline.config.sources import Source, Sources, load_sources
from notion_pipeline.defs.asset_keys import AssetKeys
from notion_pipeline.defs.assets.source_assets import sync_assets
from notion_pipeline.defs.assets.tables import retired_tables
from notion_pipeline.defs.checks.table_checks import source_checks
from notion_pipeline.defs.content.assets import content_assets
from notion_pipeline.defs.content.checks import content_checks
from notion_pipeline.defs.content.jobs import content_jobs
from notion_pipeline.defs.io_manager import CatalogIOManager
from notion_pipeline.defs.resources import (
    CatalogResource,
    LoadedProject,
    NotionResource,
    ProgressResource,
    ResourceKeys,
    TellsProgress,
    catalog_resource,
)
from notion_pipeline.defs.runs.account_tags import known_account
from notion_pipeline.defs.runs.jobs import sync_jobs, sync_schedules
from notion_pipeline.defs.runs.lake_maintenance import lake_maintenance
from notion_pipeline.defs.runs.sensors import changes_sensor
from notion_pipeline.project import Project, find_project
from notion_pipeline.state.interface import State


def build_definitions(
    project: Union[Project, Path],  # noqa: UP007
    sources: Optional[Sources] = None,  # noqa: UP045
    *,
    progress: Optional[TellsProgress] = None,  # noqa: UP045
) -> dg.Definitions:
    """The Dagster definitions of a project: assets, checks, jobs, schedules, sensors and resources of every source.

    Args:
        project: The project, or a folder in it.
        sources: The sources, which are then what runs. Where it is None they are read from the project's sources.yaml,
            now and again by each run.
        progress: Told how far a sync has come, instead of the run's log.

    Raises:
        ConfigError: sources.yaml or the environment is not valid.
    """
    found = find_project(project) if isinstance(project, Path) else project
    given = LoadedProject(found, sources) if sources is not None else None
    known = sources or load_sources(found)
    state = known.open_state(found)
    catalog = catalog_resource(known.catalog_location(found))
    check_catalog_name(catalog.location, [source.name for source in known.sources])
    maintenance = lake_maintenance(known, catalog)
    # No executor: that of a project in which these definitions are guests stays its own. Each of our jobs has one.
    return dg.Definitions.merge(
        *([maintenance] if maintenance is not None else []),
        *(
            source_definitions(
                source,
                found,
                AssetKeys(source.name, tuple(load_tables(state, source.name))),
                catalog,
                state,
                given=given,
                progress=progress,
            )
            for source in known.sources
        ),
    )


def source_definitions(
    source: Source,
    project: Project,
    asset_keys: AssetKeys,
    catalog: CatalogResource,
    state: State,
    *,
    given: Optional[LoadedProject],  # noqa: UP045
    progress: Optional[TellsProgress] = None,  # noqa: UP045
) -> dg.Definitions:
    """The definitions of one source.

    Args:
        asset_keys: The tables that are known, and the keys of the assets.
        state: What the processes of the project share.
        given: The sources to run with; None has each run read sources.yaml anew.
        progress: As `build_definitions` has it.
    """
    keys, catalog_name = ResourceKeys(source.name), catalog.database
    account = known_account(source, project.environ)
    with warnings.catch_warnings():
        # We use parts of Dagster that are still in beta on purpose; a warning at each command would help nobody.
        warnings.simplefilter("ignore", category=dg.BetaWarning)
        return dg.Definitions(
            assets=[
                sync_assets(source, project, asset_keys, catalog_name, given),
                *retired_tables(source, project, asset_keys, catalog_name),
                *source_checks(source, asset_keys),
                *content_assets(source, project, asset_keys, given),
                *content_checks(source, asset_keys, given),
            ],
            jobs=[*sync_jobs(source, asset_keys, account), *content_jobs(source, asset_keys, account)],
            schedules=sync_schedules(source, state, asset_keys),
            sensors=[changes_sensor(source, state, given)],
            resources={
                keys.notion: NotionResource(root=str(project.root)),
                keys.catalog: catalog,
                keys.progress: progress or ProgressResource(),
                keys.io_manager: CatalogIOManager(
                    catalog=catalog, state=dg.ResourceDefinition.hardcoded_resource(state), source=source.name
                ),
            },
        )
