"""Runs the sync jobs of a project in this process, through its Dagster instance, and reports the result.

The run is an ordinary one: the instance's history has it, and `dagster dev` shows it. Two things differ from a run that
Dagster launches itself: progress goes to the terminal as well as to the run's log, and standard output is not captured.
"""

from __future__ import annotations

import logging
import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import dagster as dg
from dagster import DagsterEventType, DagsterInstance, ExecuteInProcessResult
from filelock import FileLock

from notion_pipeline.config.sources import Sources
from notion_pipeline.defs.build import build_definitions
from notion_pipeline.defs.dagster_internals import NO_COMPUTE_LOGS, InstanceRef
from notion_pipeline.defs.failures import INTERRUPTED, is_interruption, step_reason
from notion_pipeline.errors import ConfigError
from notion_pipeline.private_files import private_directory
from notion_pipeline.project import Project
from notion_pipeline.sync.run.pace import ExpectedReads
from notion_pipeline.sync.run.progress import LogProgress, Progress

#: The tag of runs that the command line starts.
LAUNCHED_BY = "notion_pipeline/launched_by"
COMMAND_LINE = "command-line"

Say = Callable[[int, str], None]


@dataclass(frozen=True)
class SyncRequest:
    """What to sync of a source.

    Attributes:
        streams: Stream names, ids, titles and globs of databases; empty is all that are selected.
        full: FULL_TABLE, whatever sources.yaml says.
        listing_only: The stream `databases` alone.
    """

    source: str
    streams: tuple[str, ...] = ()
    full: bool = False
    listing_only: bool = False


@dataclass(frozen=True)
class SyncedDatabase:
    """What a run committed of one database, in the numbers of its materialization."""

    source: str
    title: str
    stream: str
    tables: str
    counts: Mapping[str, int]

    def count(self, name: str) -> int:
        return self.counts.get(name, 0)


@dataclass(frozen=True)
class Outcome:
    """What one run did.

    Attributes:
        databases_listed: How many the listing found; None where it failed.
        failures: Why the run failed, in words for the user; each may name several databases.
        interrupted: Somebody ended the process; what was read is kept.
    """

    source: str
    run_id: str
    success: bool
    interrupted: bool
    databases_listed: int | None = None
    synced: list[SyncedDatabase] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


@contextmanager
def project_instance(project: Project) -> Iterator[DagsterInstance]:
    """The instance that `dagster dev` would use in the project's folder, which must be the current one.

    Without a dagster.yaml the settings are those that come with the package, so that partitions and history persist.
    """
    home = project.environ.get("DAGSTER_HOME")
    overrides = {"compute_logs": NO_COMPUTE_LOGS}
    if home:
        if not Path(home).expanduser().is_absolute() or not Path(home).expanduser().is_dir():
            raise ConfigError(
                f'DAGSTER_HOME is "{home}", allowed: the absolute path of a folder that exists.',
                hint=f"Was the project moved? `notion-pipeline init {shlex.quote(str(project.root))}` sets it anew.",
            )
        reference = InstanceRef.from_dir(str(Path(home).expanduser()), overrides=overrides)
    elif (project.root / "dagster.yaml").is_file():
        reference = InstanceRef.from_dir(".dagster", config_dir=str(project.root), overrides=overrides)
    else:
        with resources.as_file(resources.files("notion_pipeline") / "project_files") as templates:
            reference = InstanceRef.from_dir(".dagster", config_dir=str(templates), overrides=overrides)
    with _made_by_one(project), ExitStack() as stack:
        instance = stack.enter_context(DagsterInstance.from_ref(reference))
        # Touched while nobody else makes them: two first commands at once would both lay out the same SQLite files.
        _ = (instance.run_storage, instance.event_log_storage, instance.schedule_storage)
        opened = stack.pop_all()
    with opened:
        yield instance


def _made_by_one(project: Project) -> FileLock:
    return FileLock(private_directory(project.home / "locks") / "_instance.lock", mode=0o600)


def run_sync(
    project: Project, sources: Sources, instance: DagsterInstance, request: SyncRequest, *, progress: Progress, say: Say
) -> Outcome:
    """One run of `S_sync`.

    Args:
        progress: Told how far the run is, beside the run's log.
        say: Gets the run's log lines with their level, Dagster's own events at DEBUG.
    """
    definitions = dg.Definitions.merge(
        build_definitions(project, sources, progress=_Announcer(progress)),
        dg.Definitions(loggers={"console": terminal_logger(say)}),
    )
    result = definitions.resolve_job_def(f"{request.source}_sync").execute_in_process(
        run_config=_run_config(request),
        instance=instance,
        tags={LAUNCHED_BY: COMMAND_LINE},
        asset_selection=[dg.AssetKey([request.source, "databases"])] if request.listing_only else None,
        raise_on_error=False,
    )
    return _outcome(instance, request.source, result)


class _Announcer:
    """Replaces the progress resource, and writes to both the run's log and the terminal."""

    def __init__(self, terminal: Progress) -> None:
        self._terminal = terminal

    def progress(self, log: Callable[[str], None]) -> Progress:
        return _Both(LogProgress(log), self._terminal)


class _Both:
    def __init__(self, first: Progress, second: Progress) -> None:
        self._all = (first, second)

    def planned(self, databases: int, expected: ExpectedReads | None = None) -> None:
        for progress in self._all:
            progress.planned(databases, expected)

    def started(self, database_id: str, title: str) -> None:
        for progress in self._all:
            progress.started(database_id, title)

    def staged(self, database_id: str, rows: int, requests: int) -> None:
        for progress in self._all:
            progress.staged(database_id, rows, requests)

    def finished(self, database_id: str, rows: int, *, failed: bool) -> None:
        for progress in self._all:
            progress.finished(database_id, rows, failed=failed)


def terminal_logger(say: Say) -> dg.LoggerDefinition:
    """Hands the run's log lines to the terminal. Replaces Dagster's console logger, which writes every event."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            meta = getattr(record, "dagster_meta", {})
            is_event = getattr(record, "dagster_event", None) is not None
            # Errors are told from the outcome, in full and once.
            level = logging.DEBUG if is_event or record.levelno > logging.WARNING else record.levelno
            say(level, str(meta.get("orig_message") or record.getMessage()))

    def make(_: dg.InitLoggerContext) -> logging.Logger:
        logger = logging.Logger("notion_pipeline.cli", logging.DEBUG)
        logger.addHandler(Handler())
        return logger

    return dg.LoggerDefinition(make)


def _run_config(request: SyncRequest) -> dict[str, Any]:
    config: dict[str, Any] = {"loggers": {"console": {}}}
    asked: dict[str, Any] = {}
    if request.streams:
        asked["databases"] = list(request.streams)
    if request.full:
        asked["sync_type"] = "FULL_TABLE"
    if asked and not request.listing_only:
        config["ops"] = {f"{request.source}__database": {"config": asked}}
    return config


def _outcome(instance: DagsterInstance, source: str, result: ExecuteInProcessResult) -> Outcome:
    records = instance.get_records_for_run(result.run_id, of_type=DagsterEventType.ASSET_MATERIALIZATION).records
    materializations = [record.asset_materialization for record in records if record.asset_materialization]
    listed = [
        event.metadata["dagster/row_count"].value
        for event in materializations
        if event.asset_key.path[-1] == "databases" and "dagster/row_count" in event.metadata
    ]
    failures, interrupted = failures_of(result)
    return Outcome(
        source=source,
        run_id=result.run_id,
        success=result.success,
        interrupted=interrupted,
        databases_listed=int(str(listed[-1])) if listed else None,
        synced=[_synced(source, event) for event in materializations if event.partition and "stream" in event.metadata],
        failures=failures,
    )


def _synced(source: str, event: dg.AssetMaterialization) -> SyncedDatabase:
    values = {name: entry.value for name, entry in event.metadata.items()}
    return SyncedDatabase(
        source=source,
        title=str(values.get("database_title", "")),
        stream=str(values["stream"]),
        tables=str(values.get("dagster/table_name", "")),
        counts={name: value for name, value in values.items() if isinstance(value, int)},
    )


def failures_of(result: ExecuteInProcessResult) -> tuple[list[str], bool]:
    """Why the steps of a run failed, with our own message where there is one, and whether it was interrupted."""
    reasons: list[str] = []
    interrupted = False
    for event in result.all_events:
        if event.event_type == DagsterEventType.STEP_FAILURE:
            reason = step_reason(event) or "A step failed without a reason."
            interrupted = interrupted or reason == INTERRUPTED
            reasons += [reason] if reason != INTERRUPTED else []
    if not result.success and not reasons and not interrupted:
        ends = [event for event in result.all_events if event.event_type == DagsterEventType.RUN_FAILURE]
        interrupted = any(is_interruption(event.job_failure_data.error) for event in ends)
        words = next((event.message for event in reversed(ends) if event.message), "The run failed.")
        reasons = [] if interrupted else [words]
    return reasons, interrupted
