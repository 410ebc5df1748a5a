"""Schedules of a source, where sources.yaml has them: they run by themselves, and no tick overtakes its predecessor."""

from collections.abc import Iterator
from pathlib import Path
from typing import Union

import dagster as dg

from notion_pipeline.config import Source
from notion_pipeline.defs.liveness import unfinished_run


def sync_schedules(source: Source, home: Path) -> list[dg.ScheduleDefinition]:
    wanted = [
        (f"{source.name}_schedule", f"{source.name}_sync", source.schedule),
        (f"{source.name}_full_sync_schedule", f"{source.name}_full_sync", source.full_sync_schedule),
    ]
    return [_schedule(source, name, job, list(crons), home) for name, job, crons in wanted if crons]


def _schedule(source: Source, name: str, job: str, crons: list[str], home: Path) -> dg.ScheduleDefinition:
    described = f"{source.description}: " if source.description else ""

    @dg.schedule(
        name=name,
        job_name=job,
        cron_schedule=crons if len(crons) > 1 else crons[0],
        execution_timezone=source.timezone,
        description=f"{described}runs {job} when sources.yaml says; skips a tick while the run before works.",
        owners=list(source.owners),
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
    def tick(context: dg.ScheduleEvaluationContext) -> Iterator[Union[dg.RunRequest, dg.SkipReason]]:  # noqa: UP007
        running = unfinished_run(context.instance, job, home)
        if running is not None:
            yield dg.SkipReason(f"Run {running.run_id} of {job} is not finished yet.")
        else:
            yield dg.RunRequest()

    return tick
