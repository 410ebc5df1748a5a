"""Two real processes that sync a database at once: the second waits and says so, whatever becomes of the first."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from notion_pipeline.project import Project
from notion_pipeline.sandbox.control.faults import Fault
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.model.objects import DataSource
from notion_pipeline_tests.support.patience import PATIENCE
from notion_pipeline_tests.support.sync.truth import differences
from notion_pipeline_tests.support.whole_way import QUERY, Pipeline

pytestmark = [pytest.mark.slow, pytest.mark.long]


ROOT = Path(__file__).parents[2]
WAITING = "is being synced by another run; waiting for it"


class Process:
    """A `notion-pipeline sync`, with what it has written so far."""

    def __init__(self, folder: Path, *args: str) -> None:
        self.output = ""
        self.let_go: Callable[[], None] = lambda: None
        self._process = subprocess.Popen(
            [sys.executable, "-m", "notion_pipeline.cli", "sync", "-v", *args],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.output += line

    def wait_for(self, text: str) -> None:
        end = time.monotonic() + PATIENCE
        while text not in self.output:
            assert time.monotonic() < end, self.output
            assert self._process.poll() is None, self.output
            time.sleep(0.02)

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)

    def exit_code(self) -> int:
        code = self._process.wait(PATIENCE)
        self._reader.join()
        return code

    def end(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()


@pytest.fixture
def folder(project: Project) -> Path:
    """The project's folder, ready for Dagster."""
    for name in ("workspace.yaml", "dagster.yaml"):
        shutil.copy(ROOT / name, project.root / name)
    return project.root


@contextmanager
def running(folder: Path, *args: str) -> Iterator[Process]:
    process = Process(folder, *args)
    try:
        yield process
    finally:
        process.end()


def rows_in(workspace: Workspace, rows: int = 450) -> DataSource:
    start = datetime(2026, 1, 1, tzinfo=timezone.utc)
    source = workspace.add_database("Tasks", {"Name": "title", "Effort": "number"}).data_source
    for number in range(rows):
        source.add_page({"Name": f"Row {number}", "Effort": number}, created_at=start + timedelta(minutes=number))
    return source


class Hold:
    """Holds the n-th query from now up until it is freed, and those after it: another reader could do without it."""

    def __init__(self, workspace: Workspace, query: int, *, queries: int = 1_000) -> None:
        self._reached, self._free = threading.Event(), threading.Event()
        workspace.faults.add(Fault("call", match=QUERY, at=query, times=queries, callable=self._hold))

    def _hold(self) -> None:
        self._reached.set()
        self._free.wait(PATIENCE)

    def wait(self, process: Process) -> None:
        """Until a process has come to it."""
        assert self._reached.wait(PATIENCE), process.output

    def free(self) -> None:
        self._free.set()


def queries(workspace: Workspace) -> int:
    return sum(request.path.endswith("/query") for request in workspace.requests)


@contextmanager
def two_syncs(workspace: Workspace, folder: Path, *, query: int, first: str = "") -> Iterator[tuple[Process, Process]]:
    """A process held up at a query, and one that waits for it; what holds it up ends with the context's body."""
    hold = Hold(workspace, query)
    with ExitStack() as processes:
        one = processes.enter_context(running(folder, *([first] if first else [])))
        one.let_go = hold.free
        try:
            hold.wait(one)
            two = processes.enter_context(running(folder))
            two.wait_for(WAITING)
            yield one, two
            hold.free()
            one.exit_code()
            two.exit_code()
        finally:
            hold.free()


def is_whole(pipeline: Pipeline, workspace: Workspace, source: DataSource) -> None:
    """The table is what Notion holds, each stage was committed once, and none is left."""
    assert differences(pipeline, workspace, source) == []
    assert pipeline.value("SELECT count(*) = count(DISTINCT stage_id) FROM _notion_pipeline.syncs")
    assert list((pipeline.project.home / "staging").rglob("*.arrow")) == []


def test_second_sync_waits_for_the_first_and_goes_on_from_it(
    workspace: Workspace, pipeline: Pipeline, folder: Path
) -> None:
    source = rows_in(workspace)
    with two_syncs(workspace, folder, query=3) as (first, second):
        asked = queries(workspace)
        time.sleep(1.2)  # longer than it takes to look at the lock again
        assert queries(workspace) == asked
    assert first.exit_code() == second.exit_code() == 0, first.output + second.output
    is_whole(pipeline, workspace, source)
    syncs = pipeline.query("SELECT rows_read, rows_inserted FROM _notion_pipeline.syncs ORDER BY finished_at")
    assert syncs == [(450, 450), (0, 0)]


def test_second_sync_takes_over_where_the_first_was_killed(
    workspace: Workspace, pipeline: Pipeline, folder: Path
) -> None:
    source = rows_in(workspace)
    with two_syncs(workspace, folder, query=5) as (first, second):
        first.kill()
        assert first.exit_code() == -signal.SIGKILL
        first.let_go()
        assert second.exit_code() == 0, second.output
    assert "goes on with" in second.output
    is_whole(pipeline, workspace, source)
    assert pipeline.query("SELECT rows_read FROM _notion_pipeline.syncs") == [(450,)], second.output


def test_full_and_incremental_syncs_at_once_end_in_one_exact_table(
    workspace: Workspace, pipeline: Pipeline, folder: Path
) -> None:
    """The one that waits had listed before the other's read was committed; edits come in between."""
    source = rows_in(workspace)
    with running(folder) as before:
        assert before.exit_code() == 0, before.output
    workspace.clock.advance(timedelta(hours=1))
    workspace.trash(source.pages[7])
    with two_syncs(workspace, folder, query=4, first="--full") as (first, second):
        workspace.clock.advance(timedelta(minutes=20))
        workspace.edit_page(source.pages[0], {"Effort": -1})
        source.add_page({"Name": "New"})
        workspace.clock.advance(timedelta(minutes=20))
    assert first.exit_code() == second.exit_code() == 0, first.output + second.output
    is_whole(pipeline, workspace, source)


def test_schema_that_changes_while_a_sync_waits_is_read_anew(
    workspace: Workspace, pipeline: Pipeline, folder: Path
) -> None:
    source = rows_in(workspace, 150)
    with two_syncs(workspace, folder, query=2) as (first, second):
        source.rename_property("Effort", "Points")
        source.add_property("Owner", "rich_text")
    assert first.exit_code() == second.exit_code() == 0, first.output + second.output
    is_whole(pipeline, workspace, source)


def test_different_databases_are_synced_side_by_side(workspace: Workspace, pipeline: Pipeline, folder: Path) -> None:
    """The lock is of a database, not of the catalog: the second lands its own while the first still reads."""
    source = rows_in(workspace, 150)
    other = workspace.add_database("Notes", {"Name": "title"}).data_source
    other.add_page({"Name": "Note"})
    hold = Hold(workspace, 2, queries=1)
    with running(folder, "Tasks") as first:
        hold.wait(first)
        with running(folder, "Notes") as second:
            assert second.exit_code() == 0, second.output
        assert pipeline.count("notes") == 1
        hold.free()
        assert first.exit_code() == 0, first.output
    is_whole(pipeline, workspace, source)
    assert differences(pipeline, workspace, other) == []
