"""Schedules of a source, where sources.yaml has them: they run by themselves, and no tick overtakes its predecessor."""

from collections.abc import Iterator
from typing import Union

import dagster as dg
from dagster import DagsterRunStatus, RunsFilter

from notion_pipeline.config import Source

UNFINISHED = [
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
]


def sync_schedules(source: Source) -> list[dg.ScheduleDefinition]:
    wanted = [
        (f"{source.name}_schedule", f"{source.name}_sync", source.schedule),
        (f"{source.name}_full_sync_schedule", f"{source.name}_full_sync", source.full_sync_schedule),
    ]
    return [_schedule(name, job, list(crons), source.timezone) for name, job, crons in wanted if crons]


def _schedule(name: str, job: str, crons: list[str], timezone: str) -> dg.ScheduleDefinition:
    @dg.schedule(
        name=name,
        job_name=job,
        cron_schedule=crons if len(crons) > 1 else crons[0],
        execution_timezone=timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
    def tick(context: dg.ScheduleEvaluationContext) -> Iterator[Union[dg.RunRequest, dg.SkipReason]]:  # noqa: UP007
        running = context.instance.get_runs(RunsFilter(job_name=job, statuses=UNFINISHED), limit=1)
        if running:
            yield dg.SkipReason(f"Run {running[0].run_id} of {job} is not finished yet.")
        else:
            yield dg.RunRequest()

    return tick
