"""`S_changes`: asks for a sync of what the catalog lacks: databases that were edited, newly shared or newly selected.

A quiet tick costs two requests. What the catalog holds is read from the files that runs leave, never from itself.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Union

import dagster as dg
from dagster import DagsterInstance, DagsterRunStatus, RunsFilter

from notion_pipeline.config.sources import Source, Watch
from notion_pipeline.defs.resources import LoadedProject, NotionResource, ResourceKeys
from notion_pipeline.defs.runs.run_locks import unfinished_run
from notion_pipeline.defs.runs.run_targets import DATABASES_TAG, SENSOR_TRIGGER, TRIGGER_TAG
from notion_pipeline.errors import RetryableNotionError
from notion_pipeline.listing.cache import last_listing
from notion_pipeline.listing.changes.committed import load_committed
from notion_pipeline.listing.changes.cursor import ChangesCursor
from notion_pipeline.listing.changes.outstanding import Moment, Outstanding
from notion_pipeline.listing.changes.polls import poll_changes
from notion_pipeline.outside import shown_line
from notion_pipeline.state.interface import State

#: A tag is one line in the list of runs.
TITLES_IN_TAG, TITLE_CHARACTERS = 5, 40


@dataclass(frozen=True)
class TickLimits:
    """How long a tick may take; Dagster gives it a minute.

    Attributes:
        poll_seconds: A poll that takes longer is carried on by the next tick.
        tick_seconds: A tick that takes longer is skipped.
        patience_seconds: Ticks are skipped for so long while Notion does not answer; then they fail.
    """

    poll_seconds: float = 15.0
    tick_seconds: float = 40.0
    patience_seconds: float = 1800.0


def changes_sensor(
    source: Source, state: State, given: LoadedProject | None = None, limits: TickLimits = TickLimits()
) -> dg.SensorDefinition:
    """The sensor of a source; running where sources.yaml has `watch`, else there and stopped."""
    watch, keys = source.watch or Watch(), ResourceKeys(source.name)
    described = f"{source.description}. " if source.description else ""

    @dg.sensor(
        name=f"{source.name}_changes",
        job_name=f"{source.name}_sync",
        minimum_interval_seconds=watch.every_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING if source.watch else dg.DefaultSensorStatus.STOPPED,
        description=f"{described}Finds what was edited last and syncs the databases concerned, newly shared and "
        "newly selected ones included; asks again until they are committed.",
        owners=list(source.owners),
        required_resource_keys={keys.notion},
    )
    def changes(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        cursor = ChangesCursor.load(context.cursor)
        # The first poll notes what there is; what was edited before it, the first run reads.
        is_first = not cursor.started
        notion: NotionResource = getattr(context.resources, keys.notion)
        # As sources.yaml stands now: a selection that is widened needs no restart.
        loaded = notion.load(given)
        project, current = loaded.project, loaded.source(source.name)
        listing = last_listing(loaded.state, source.name)
        committed = load_committed(loaded.state, source.name, loaded.sources.catalog_location(project))
        outstanding = Outstanding(current, cursor, listing, committed)
        now = _poll(context, current, loaded, cursor, outstanding, limits=limits)
        if isinstance(now, str):
            return dg.SensorResult(skip_reason=now, cursor=cursor.dump())
        outstanding.update(now, is_first=is_first)
        return _request(context, source.name, outstanding, now, state, is_first=is_first)

    return changes


def _poll(
    context: dg.SensorEvaluationContext,
    source: Source,
    loaded: LoadedProject,
    cursor: ChangesCursor,
    outstanding: Outstanding,
    *,
    limits: TickLimits,
) -> Union[datetime, str]:  # noqa: UP007
    """Brings the cursor up to date; returns Notion's time, or why there is none where Notion does not answer."""

    async def poll() -> tuple[datetime, str]:
        async with loaded.client(source, context.log.info) as client:
            return await asyncio.wait_for(
                poll_changes(
                    client,
                    cursor,
                    ignored=outstanding.ignored,
                    listing=outstanding.listing,
                    seconds=limits.poll_seconds,
                ),
                limits.tick_seconds,
            )

    try:
        now, problem = asyncio.run(poll())
        if problem:
            context.log.warning(f"Not everything could be searched: {problem}")
    except (RetryableNotionError, asyncio.TimeoutError) as error:
        cursor.failing_since = cursor.failing_since or time.time()
        lasted = time.time() - cursor.failing_since
        if lasted > limits.patience_seconds:
            raise
        return f"Notion did not answer ({str(error) or 'out of time'}); for {lasted / 60:.0f} minutes now."
    cursor.failing_since = None
    return now


def _request(
    context: dg.SensorEvaluationContext,
    source: str,
    outstanding: Outstanding,
    now: datetime,
    state: State,
    *,
    is_first: bool,
) -> dg.SensorResult:
    """One run for all that is due; none while one works, so that a burst of edits becomes one run."""
    cursor, job = outstanding.cursor, f"{source}_sync"
    running = None if is_first else unfinished_run(context.instance, job, state)
    moment = Moment(time.time(), now, _last_end(context.instance, job))
    everything = is_first or outstanding.everything_is_due(moment)
    full = unfinished_run(context.instance, f"{source}_full_sync", state)
    due = outstanding.due(moment, edited_only=full is not None)
    if not everything and not due:
        reason = "Nothing was edited since the last tick."
        if cursor.pending:
            reason = f"{len(cursor.pending):,} databases are not committed yet; they are asked for again in a while."
        return dg.SensorResult(skip_reason=reason, cursor=cursor.dump())
    if running is not None:
        what = "All" if everything else f"{len(due):,}"
        reason = f"{what} databases are due; run {running.run_id} of {job} is not finished yet."
        return dg.SensorResult(skip_reason=reason, cursor=cursor.dump())
    outstanding.asked(due, moment, everything=everything)
    request = dg.RunRequest(
        run_config={} if everything else _run_config(source, due),
        tags={TRIGGER_TAG: SENSOR_TRIGGER, DATABASES_TAG: "all" if everything else _titles(due, outstanding)},
    )
    return dg.SensorResult(run_requests=[request], cursor=cursor.dump())


def _titles(due: list[str], outstanding: Outstanding) -> str:
    """The databases of a run as the list of runs shows them."""
    seen = outstanding.listing.databases if outstanding.listing is not None else {}
    titles = [shown_line(seen[key].title)[:TITLE_CHARACTERS] if key in seen else key for key in due[:TITLES_IN_TAG]]
    more = f" and {len(due) - TITLES_IN_TAG} more" if len(due) > TITLES_IN_TAG else ""
    return ", ".join(title or "Untitled" for title in titles) + more


def _last_end(instance: DagsterInstance, job: str) -> Union[float, None]:  # noqa: UP007
    """When the newest finished run of a job ended, in epoch seconds."""
    finished = [DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED]
    records = instance.get_run_records(RunsFilter(job_name=job, statuses=finished), limit=1)
    return records[0].end_time or records[0].update_timestamp.timestamp() if records else None


def _run_config(source: str, databases: list[str]) -> Mapping[str, Any]:
    return {"ops": {f"{source}__database": {"config": {"databases": databases}}}}
