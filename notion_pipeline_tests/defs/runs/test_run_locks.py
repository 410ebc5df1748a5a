"""A run whose process was killed does not stand in the way of those after it."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

import dagster as dg
import pytest
from dagster import DagsterEvent, DagsterEventType, DagsterRun, DagsterRunStatus
from dagster._core.events import EngineEventData

from notion_pipeline.defs.runs.run_locks import close_dead_runs, shows_life, unfinished_run
from notion_pipeline.state.folder import FolderState

pytestmark = pytest.mark.slow


HOLD = """
import os, signal, sys
from pathlib import Path
from notion_pipeline.defs.runs.run_locks import shows_life
from notion_pipeline.state.folder import FolderState
with shows_life(FolderState(Path(sys.argv[1])), sys.argv[2]):
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def instance() -> dg.DagsterInstance:
    return dg.DagsterInstance.ephemeral()


@pytest.fixture
def run(instance: dg.DagsterInstance) -> DagsterRun:
    """A run that Dagster takes for started."""
    return instance.add_run(DagsterRun("notion_sync", status=DagsterRunStatus.STARTED))


def _status(instance: dg.DagsterInstance, run: DagsterRun) -> DagsterRunStatus:
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    return found.status


def test_run_of_a_killed_process_is_closed(instance: dg.DagsterInstance, run: DagsterRun, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-W", "ignore", "-c", HOLD, str(tmp_path), run.run_id], check=False)
    assert unfinished_run(instance, "notion_sync", FolderState(tmp_path)) is None
    assert _status(instance, run) is DagsterRunStatus.FAILURE


def test_run_that_lives_is_left_alone(instance: dg.DagsterInstance, run: DagsterRun, tmp_path: Path) -> None:
    with shows_life(FolderState(tmp_path), run.run_id):
        found = unfinished_run(instance, "notion_sync", FolderState(tmp_path))
        assert found is not None
        assert found.run_id == run.run_id
    assert not list(tmp_path.rglob("*.lock")), "a run that ends takes its lock file away"


def test_run_that_ends_while_it_is_looked_at_is_left_alone(
    instance: dg.DagsterInstance, run: DagsterRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    life, flock = ExitStack(), fcntl.flock
    life.enter_context(shows_life(FolderState(tmp_path), run.run_id))

    def flock_of_what_has_just_ended(file: BinaryIO, operation: int) -> None:
        monkeypatch.undo()
        life.close()
        flock(file, operation)

    monkeypatch.setattr(fcntl, "flock", flock_of_what_has_just_ended)
    close_dead_runs(instance, FolderState(tmp_path))
    assert _status(instance, run) is DagsterRunStatus.STARTED
    assert not list(tmp_path.rglob("*.lock"))


def test_run_without_a_lock_file_is_left_alone(instance: dg.DagsterInstance, run: DagsterRun, tmp_path: Path) -> None:
    """It may be starting, or be of another code location."""
    close_dead_runs(instance, FolderState(tmp_path))
    assert _status(instance, run) is DagsterRunStatus.STARTED


def test_run_with_a_process_for_each_step_outlives_one_that_was_killed(
    instance: dg.DagsterInstance, run: DagsterRun, tmp_path: Path
) -> None:
    """Its own process lives, and says what comes of the run."""
    subprocess.run([sys.executable, "-W", "ignore", "-c", HOLD, str(tmp_path), run.run_id], check=False)
    starting = DagsterEvent(
        DagsterEventType.STEP_WORKER_STARTING.value,
        run.job_name,
        step_key="notion__database",
        event_specific_data=EngineEventData(),
    )
    instance.report_dagster_event(starting, run.run_id)
    close_dead_runs(instance, FolderState(tmp_path))
    assert _status(instance, run) is DagsterRunStatus.STARTED
