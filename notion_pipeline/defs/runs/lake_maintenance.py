"""The job that keeps a lake in shape, and its schedule; a project whose catalog is a DuckDB file has neither."""

from dataclasses import asdict
from typing import Optional

import dagster as dg

from notion_pipeline.catalog.upkeep.lake_files import keep_in_shape
from notion_pipeline.config.fields.catalog_location import Lake
from notion_pipeline.config.sources import Sources
from notion_pipeline.defs.failures import as_failure
from notion_pipeline.defs.resources import CatalogResource

JOB = "lake_maintenance"


def lake_maintenance(sources: Sources, catalog: CatalogResource) -> Optional[dg.Definitions]:  # noqa: UP045
    """The job `lake_maintenance` and its schedule; None for a DuckDB file."""
    if not isinstance(catalog.location, Lake):
        return None
    settings = sources.lake

    @dg.op(name=JOB, description="Merges small files, gives up old versions, deletes what nothing needs.")
    def keep_lake_in_shape(context: dg.OpExecutionContext) -> None:
        with as_failure():
            done = keep_in_shape(catalog.catalog(context.log.warning), settings.keep)
        context.log.info(
            f"{done.files_merged:,} files of {done.tables_merged:,} tables became {done.files_made:,}; "
            f"{done.versions_removed:,} versions given up, {done.files_removed:,} files deleted."
        )
        context.add_output_metadata(asdict(done))

    @dg.job(
        name=JOB,
        executor_def=dg.in_process_executor,
        description=f"Keeps the lake in shape; it can be queried as it was {_age(sources)}.",
    )
    def job() -> None:
        keep_lake_in_shape()

    if not settings.maintenance:
        return dg.Definitions(jobs=[job])
    schedule = dg.ScheduleDefinition(
        name=f"{JOB}_schedule",
        job=job,
        cron_schedule=list(settings.maintenance),
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
    return dg.Definitions(jobs=[job], schedules=[schedule])


def _age(sources: Sources) -> str:
    keep = sources.lake.keep
    if keep is None:
        return "at any time"
    days = keep.total_seconds() / 86_400
    return f"up to {days:g} days ago" if days != 1 else "up to a day ago"
