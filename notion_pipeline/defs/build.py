"""The definitions of a project, made of its folder and its sources. Opens no network connection and no catalog."""

import warnings
from pathlib import Path
from typing import Optional, Union

import dagster as dg

from notion_pipeline.catalog.connection import check_file_name
from notion_pipeline.config.sources import Sources, load_sources
from notion_pipeline.defs.assets import IO_MANAGER_KEY, source_assets
from notion_pipeline.defs.checks import source_checks
from notion_pipeline.defs.io_manager import CatalogIOManager
from notion_pipeline.defs.jobs import sync_jobs, sync_schedules
from notion_pipeline.defs.resources import CatalogResource, NotionResource, ProgressResource, TellsProgress
from notion_pipeline.defs.sensors import changes_sensor
from notion_pipeline.defs.tables import table_assets
from notion_pipeline.project import Project, find_project


def build_definitions(
    project: Union[Project, Path],  # noqa: UP007
    sources: Optional[Sources] = None,  # noqa: UP045
    *,
    progress: Optional[TellsProgress] = None,  # noqa: UP045
) -> dg.Definitions:
    """The Dagster definitions of a project: assets, checks, jobs, schedules, sensors and resources of every source.

    Args:
        project: The project, or a folder in it.
        sources: What sources.yaml says; read from the project where it is None.
        progress: Told how far a sync has come, instead of the run's log.

    Raises:
        ConfigError: sources.yaml or the environment is not valid.
    """
    found = find_project(project) if isinstance(project, Path) else project
    with warnings.catch_warnings():
        # We use parts of Dagster that are still in beta on purpose; a warning at each command would help nobody.
        warnings.simplefilter("ignore", category=dg.BetaWarning)
        return _definitions(found, sources or load_sources(found), progress)


def _definitions(project: Project, sources: Sources, progress: Optional[TellsProgress]) -> dg.Definitions:  # noqa: UP045
    catalog_path = sources.catalog_path(project)
    check_file_name(catalog_path, [source.name for source in sources.sources])
    catalog = CatalogResource(database=str(catalog_path))
    return dg.Definitions(
        assets=[
            *(asset for source in sources.sources for asset in source_assets(source, project)),
            *(table for source in sources.sources for table in table_assets(source, project, catalog_path)),
        ],
        asset_checks=[source_checks(source) for source in sources.sources],
        jobs=[job for source in sources.sources for job in sync_jobs(source)],
        schedules=[schedule for source in sources.sources for schedule in sync_schedules(source, project.home)],
        sensors=[changes_sensor(source, project.home) for source in sources.sources],
        resources={
            "notion": NotionResource(root=str(project.root)),
            "catalog": catalog,
            "notion_progress": progress or ProgressResource(),
            IO_MANAGER_KEY: CatalogIOManager(catalog=catalog, home=str(project.home)),
        },
        # One process reads all databases of a run concurrently; a process for each step would only add its start.
        executor=dg.in_process_executor,
    )
