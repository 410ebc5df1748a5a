"""Reads from the project's Dagster instance how the last run of a source ended and when the next one starts."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

import dagster as dg
from dagster import DagsterEventType, DagsterInstance, DagsterRunStatus, RunRecord, RunsFilter

from notion_pipeline.catalog.read.table_index import SyncedTable
from notion_pipeline.config.sources import Source
from notion_pipeline.defs.asset_keys import AssetKeys
from notion_pipeline.defs.dagster_internals import InstigatorStatus, schedule_execution_time_iterator
from notion_pipeline.defs.failures import step_reason
from notion_pipeline.outside import shown_line

#: How many runs without a job's name are searched; the UI and `dagster asset materialize` make such runs.
_RUNS_LOOKED_AT = 100
_SCHEDULE, _SENSOR = "dagster/schedule_name", "dagster/sensor_name"
_LAUNCHED_BY = "notion_pipeline/launched_by"


@dataclass(frozen=True)
class LastRun:
    """A run of a source.

    Attributes:
        what: The job, or what of the source was materialized.
        result: Dagster's status in lower case.
        started_by: What asked for it.
        reason: Why it failed; empty where it did not.
    """

    run_id: str
    what: str
    result: str
    started_by: str
    at: datetime
    seconds: float | None
    reason: str = ""


@dataclass(frozen=True)
class LastUsage:
    """What the last whole sync took of its account's limit.

    Attributes:
        requests: For the listing and the reads.
        most, allowed: Requests in a minute: the most that were made, and what the account has.
        waited: Seconds in which requests waited for the limit: for pauses of Notion's, or for their turn.
    """

    run_id: str
    at: datetime
    requests: int
    most: int
    allowed: int
    waited: float

    @property
    def percent(self) -> float:
        return 100 * self.most / self.allowed


@dataclass(frozen=True)
class NextRun:
    """A schedule or sensor that will start a run.

    Attributes:
        at: None for the sensor, which waits for something to change.
        stopped: Switched off in Dagster, whatever sources.yaml says.
    """

    name: str
    at: datetime | None
    every_seconds: int | None = None
    stopped: bool = False


def last_run(instance: DagsterInstance, source: str) -> LastRun | None:
    """The newest run of a source; None where there is none."""
    records = [
        record
        for job in (*_jobs(source), _content_job(source))
        for record in instance.get_run_records(RunsFilter(job_name=job), limit=1)
    ]
    others = instance.get_run_records(limit=_RUNS_LOOKED_AT)
    records += [record for record in others if _concerns(record, source)][:1]
    newest = max(records, key=lambda record: record.create_timestamp, default=None)
    return None if newest is None else _told(instance, newest, source)


def last_usage(instance: DagsterInstance, source: str, tables: Sequence[SyncedTable]) -> LastUsage | None:
    """What the last whole sync of a source took of its account's limit; None where none told it yet.

    Args:
        tables: Those of the source that are known; the asset's name depends on them.
    """
    record = instance.get_latest_materialization_event(AssetKeys(source, tuple(tables)).sync)
    event = record.asset_materialization if record is not None else None
    if record is None or event is None:
        return None
    values = {name: entry.value for name, entry in event.metadata.items()}
    try:
        return LastUsage(
            record.run_id,
            datetime.fromtimestamp(record.timestamp, timezone.utc),
            int(str(values["requests_made"])),
            int(str(values["most_requests_in_a_minute"])),
            int(str(values["requests_a_minute_allowed"])),
            float(str(values["seconds_rate_limited"])) + float(str(values["seconds_paced"])),
        )
    except KeyError:
        return None  # an earlier version wrote it


def has_succeeded(instance: DagsterInstance, source: str) -> bool:
    """Whether any run of one of the source's jobs ended well."""
    succeeded = [DagsterRunStatus.SUCCESS]
    return any(instance.get_runs(RunsFilter(job_name=job, statuses=succeeded), limit=1) for job in _jobs(source))


def next_runs(instance: DagsterInstance, source: Source) -> list[NextRun]:
    """Each schedule with its next time, the earliest first, and the sensor."""
    status = {state.instigator_name: state.status for state in instance.all_instigator_state()}
    wanted = {
        f"{source.name}_schedule": source.schedule,
        f"{source.name}_full_sync_schedule": source.full_sync_schedule,
        f"{source.name}_content_schedule": source.content.schedule if source.content else (),
    }
    schedules = [
        NextRun(name, _next_time(crons, source.timezone), stopped=status.get(name) is InstigatorStatus.STOPPED)
        for name, crons in wanted.items()
        if crons
    ]
    sensor = f"{source.name}_changes"
    found = sorted(schedules, key=lambda run: run.at or datetime.max.replace(tzinfo=timezone.utc))
    if source.watch is not None or status.get(sensor) is InstigatorStatus.RUNNING:
        every = source.watch.every_seconds if source.watch else None
        found.append(NextRun(sensor, None, every, stopped=status.get(sensor) is InstigatorStatus.STOPPED))
    return found


def daemon_is_alive(instance: DagsterInstance) -> bool:
    """Whether `dagster dev` or the daemon runs on this instance, so that schedules and sensors start runs."""
    return all(instance.get_daemon_statuses([kind])[kind].healthy for kind in ("SCHEDULER", "SENSOR"))


def _jobs(source: str) -> tuple[str, str]:
    return f"{source}_sync", f"{source}_full_sync"


def _content_job(source: str) -> str:
    return f"{source}_content"


def _concerns(record: RunRecord, source: str) -> bool:
    keys = record.dagster_run.asset_selection or ()
    return any(key.path[0] == source for key in keys)


def _told(instance: DagsterInstance, record: RunRecord, source: str) -> LastRun:
    run, jobs = record.dagster_run, (*_jobs(source), _content_job(source))
    at = record.start_time or record.create_timestamp.timestamp()
    ended = record.end_time
    return LastRun(
        run_id=run.run_id,
        what=run.job_name if run.job_name in jobs else _assets(run.asset_selection, source),
        result=run.status.value.lower().replace("_", " "),
        started_by=_starter(run.tags),
        at=datetime.fromtimestamp(at, timezone.utc),
        seconds=ended - at if ended else None,
        reason=_reason(instance, run.run_id) if run.status is DagsterRunStatus.FAILURE else "",
    )


def _assets(selection: object, source: str) -> str:
    keys = selection if isinstance(selection, (set, frozenset)) else ()
    return ", ".join(sorted(key.to_user_string() for key in keys if isinstance(key, dg.AssetKey))) or source


def _starter(tags: Mapping[str, str]) -> str:
    for tag, kind in ((_SCHEDULE, "schedule"), (_SENSOR, "sensor")):
        if tag in tags:
            return f"{kind} {tags[tag]}"
    if "dagster/backfill" in tags:
        return "a backfill"
    return "the command line" if _LAUNCHED_BY in tags else "hand"


def _reason(instance: DagsterInstance, run_id: str) -> str:
    """The message of the failed step on one line; our own errors without a traceback."""
    records = instance.get_records_for_run(run_id, of_type=DagsterEventType.STEP_FAILURE).records
    for record in records:
        event = record.event_log_entry.dagster_event
        if event is not None and (reason := step_reason(event)):
            return shown_line(reason)
    return "Its process ended without a word." if not records else ""


def _next_time(crons: Sequence[str], time_zone: str) -> datetime:
    return next(schedule_execution_time_iterator(time.time(), list(crons), time_zone))
