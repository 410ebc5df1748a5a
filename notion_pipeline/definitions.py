"""The Dagster code location: every source of sources.yaml, wired. Opens no network connection and no catalog."""

from __future__ import annotations

import warnings
from pathlib import Path

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
from notion_pipeline.redaction import keep_secrets_unwritten


def build_definitions(
    project: Project, sources: Sources | None = None, *, progress: TellsProgress | None = None
) -> dg.Definitions:
    """The definitions of a project.

    Raises:
        ConfigError: sources.yaml or the environment asks for what cannot be.
    """
    keep_secrets_unwritten()
    with warnings.catch_warnings():
        # What of Dagster is still in beta is used on purpose; who starts a command need not read of it each time.
        warnings.simplefilter("ignore", category=dg.BetaWarning)
        return _definitions(project, sources or load_sources(project), progress)


def _definitions(project: Project, sources: Sources, progress: TellsProgress | None) -> dg.Definitions:
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
        # One process reads all databases of a run concurrently; a process a step would only add its start.
        executor=dg.in_process_executor,
    )


defs = build_definitions(find_project(Path.cwd()))
