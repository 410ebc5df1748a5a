"""Whether the process of a run still lives: Dagster's launcher does not say, and a killed run stands as started.

Schedules and the sensor wait for a run that works, and would wait for ever for one that only seems to. So a run holds a
lock of its own in the shared state, which ends with its process.

Where the executor gives each step a process, that is the step's: the lock says nothing of the run, whose own process
reports a step that was killed.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress

from dagster import DagsterEventType, DagsterInstance, DagsterRun, DagsterRunStatus, RunsFilter

from notion_pipeline.errors import StagingError
from notion_pipeline.private_files import file_name
from notion_pipeline.state.interface import LOCK_ENDING, Lock, State

LOOK_SECONDS = 2.0
_UNFINISHED = [
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
]


@contextmanager
def shows_life(state: State, run_id: str) -> Iterator[None]:
    """Holds the run's lock, and has it forgotten when the run ends as it should."""
    try:
        lock = state.try_lock(_name(run_id))
    except (OSError, StagingError):
        lock = None  # the first read reports it
    if lock is None:  # or another process of this run holds it
        yield
        return
    try:
        with _looked_after(lock) if state.spans_machines else nullcontext():
            yield
    finally:
        lock.release(forget=True)


@contextmanager
def _looked_after(lock: Lock) -> Iterator[None]:
    """Has a lock taken again soon that a server lost, also while its run asks nothing of the state."""
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(LOOK_SECONDS):
            with suppress(StagingError):
                lock.is_held()

    threading.Thread(target=look, name="notion_pipeline run lock", daemon=True).start()
    try:
        yield
    finally:
        ended.set()


def close_dead_runs(instance: DagsterInstance, state: State) -> None:
    """Marks runs as failed whose process was killed; what they staged and committed is kept."""
    for run in instance.get_runs(RunsFilter(statuses=[DagsterRunStatus.STARTED])):
        if _has_died(state, run.run_id) and not _has_processes_of_steps(instance, run):
            instance.report_run_failed(run, "The process of this run was killed. What it read is kept.")


def unfinished_run(
    instance: DagsterInstance, job: str, state: State, counts: Callable[[DagsterRun], bool] | None = None
) -> DagsterRun | None:
    """A run of the job that waits or works, dead ones closed.

    Args:
        counts: Which runs are looked for; all where it is None.
    """
    close_dead_runs(instance, state)
    runs = instance.get_runs(RunsFilter(job_name=job, statuses=_UNFINISHED), limit=None if counts else 1)
    return next((run for run in runs if counts is None or counts(run)), None)


def working_run(instance: DagsterInstance, source: str, state: State) -> DagsterRun | None:
    """A run of one of the source's jobs that waits or works."""
    runs = (unfinished_run(instance, f"{source}_{job}", state) for job in ("sync", "full_sync"))
    return next((run for run in runs if run is not None), None)


def _has_died(state: State, run_id: str) -> bool:
    """Only a run that left its lock: one without may be starting, or be somebody else's."""
    lock = state.try_lock(_name(run_id), known=True)
    if lock is None:
        return False
    lock.release(forget=True)
    return True


def _has_processes_of_steps(instance: DagsterInstance, run: DagsterRun) -> bool:
    started = instance.get_records_for_run(run.run_id, of_type=DagsterEventType.STEP_WORKER_STARTING, limit=1)
    return bool(started.records)


def _name(run_id: str) -> str:
    # No source can have this folder: its locks stand in one called like the source, and `_` begins no source's name.
    return f"locks/_runs/{file_name(run_id)}{LOCK_ENDING}"
