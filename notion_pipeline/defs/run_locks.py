"""Whether the process of a run still lives: Dagster's launcher does not say, and a killed run stands as started.

Schedules and the sensor wait for a run that works, and would wait for ever for one that only seems to. So a run holds a
lock file of its own, which the operating system frees with its process.

Where the executor gives each step a process, that is the step's: the lock says nothing of the run, whose own process
reports a step that was killed.
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dagster import DagsterEventType, DagsterInstance, DagsterRun, DagsterRunStatus, RunsFilter
from filelock import FileLock, Timeout

from notion_pipeline.errors import StagingError
from notion_pipeline.private_files import file_name, private_directory

_UNFINISHED = [
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
]


@contextmanager
def shows_life(home: Path, run_id: str) -> Iterator[None]:
    """Holds the run's lock file, and takes it away when the run ends as it should."""
    try:
        lock = _lock(home, run_id)
        lock.acquire(timeout=0)
    except (OSError, StagingError, Timeout):
        # The folder cannot be written, which the first read reports, or another process of this run holds the lock.
        yield
        return
    try:
        yield
    finally:
        Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()


def close_dead_runs(instance: DagsterInstance, home: Path) -> None:
    """Marks runs as failed whose process was killed; what they staged and committed is kept."""
    for run in instance.get_runs(RunsFilter(statuses=[DagsterRunStatus.STARTED])):
        if _has_died(home, run.run_id) and not _has_processes_of_steps(instance, run):
            instance.report_run_failed(run, "The process of this run was killed. What it read is kept.")


def unfinished_run(
    instance: DagsterInstance, job: str, home: Path, counts: Callable[[DagsterRun], bool] | None = None
) -> DagsterRun | None:
    """A run of the job that waits or works, dead ones closed.

    Args:
        counts: Which runs are looked for; all where it is None.
    """
    close_dead_runs(instance, home)
    runs = instance.get_runs(RunsFilter(job_name=job, statuses=_UNFINISHED), limit=None if counts else 1)
    return next((run for run in runs if counts is None or counts(run)), None)


def working_run(instance: DagsterInstance, source: str, home: Path) -> DagsterRun | None:
    """A run of one of the source's jobs that waits or works."""
    runs = (unfinished_run(instance, f"{source}_{job}", home) for job in ("sync", "full_sync"))
    return next((run for run in runs if run is not None), None)


def _has_died(home: Path, run_id: str) -> bool:
    """Only a run that left its lock file: one without may be starting, or be somebody else's."""
    path = _path(home, run_id)
    try:
        # Not by FileLock, which makes the file anew where the run has taken it away in this moment.
        with path.open("rb+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(file.fileno()).st_nlink == 0:
                return False
            path.unlink(missing_ok=True)
            return True
    except OSError:
        return False


def _has_processes_of_steps(instance: DagsterInstance, run: DagsterRun) -> bool:
    started = instance.get_records_for_run(run.run_id, of_type=DagsterEventType.STEP_WORKER_STARTING, limit=1)
    return bool(started.records)


def _lock(home: Path, run_id: str) -> FileLock:
    private_directory(home / "locks" / "_runs")
    return FileLock(_path(home, run_id), thread_local=False, mode=0o600)


def _path(home: Path, run_id: str) -> Path:
    # No source can have this folder: its locks stand in one called like the source, and `_` begins no source's name.
    return home / "locks" / "_runs" / f"{file_name(run_id)}.lock"
