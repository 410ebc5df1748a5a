"""Syncs that died go on where they were; what was read and not committed is loaded, once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.config.sources import load_sources
from notion_pipeline.listing.targets import DatabaseTarget
from notion_pipeline.notion.client import NotionClient
from notion_pipeline.notion.limits.rate_limiter import account_key
from notion_pipeline.sandbox.control.faults import Fault
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.model.objects import DataSource
from notion_pipeline.state.folder import FolderState
from notion_pipeline.sync.locks import is_locked
from notion_pipeline.sync.run.context import SyncOptions
from notion_pipeline.sync.run.progress import LogProgress
from notion_pipeline.sync.runner import Sync
from notion_pipeline_tests.conftest import TOKEN
from notion_pipeline_tests.support.patience import PATIENCE
from notion_pipeline_tests.support.sync.truth import differences
from notion_pipeline_tests.support.whole_way import QUERY, REFUSAL, SCHEMA, Pipeline, later, synced, tasks_in

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("at", [2, 7])
def test_died_sync_goes_on_where_it_was(workspace: Workspace, pipeline: Pipeline, at: int) -> None:
    workspace.result_cap = 300
    source = workspace.add_database("Tasks", SCHEMA).data_source
    for number in range(650):
        source.add_page({"Name": f"Row {number}"}, created_at=datetime(2026, 1, 1) + timedelta(minutes=number // 10))
    undisturbed = 11 + 3  # queries, and the search, the container and the schema at the end
    workspace.faults.add(Fault("status", match=QUERY, at=at, **REFUSAL))
    assert not pipeline.sync().success
    assert pipeline.query("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'tasks'") == [(0,)]
    run = synced(pipeline)
    assert "goes on with" in run.log
    # Beside what is always asked: the listing again, a look at the schema, the refused request and one in flight; and
    # for the two cuts that each process may make in vain one request each.
    assert len(workspace.requests) <= undisturbed + 8
    assert differences(pipeline, workspace, source) == []
    assert list((pipeline.project.home / "staging").rglob("*.arrow")) == []


@pytest.mark.parametrize("at", [2, 4], ids=["within the read", "before the catch-up"])
def test_resumed_read_keeps_values_in_their_columns_where_properties_come_in_another_order(
    workspace: Workspace, pipeline: Pipeline, at: int
) -> None:
    schema = {"Name": "title", "First": "rich_text", "Second": "rich_text", "Effort": "number"}
    source = workspace.add_database("Tasks", schema).data_source
    for number in range(150):
        source.add_page({"Name": f"Row {number}", "First": "one", "Second": "two", "Effort": number})
    workspace.faults.add(Fault("status", match=QUERY, at=at, **REFUSAL))
    assert not pipeline.sync().success
    source.properties = dict(reversed(source.properties.items()))
    assert "goes on with" in synced(pipeline).log
    assert differences(pipeline, workspace, source) == []


KILLED_RUN = """
import sys
from pathlib import Path
from notion_pipeline.defs.build import build_definitions
from notion_pipeline.project import find_project
import dagster as dg
definitions = build_definitions(find_project(Path(sys.argv[1])))
definitions.resolve_job_def("notion_sync").execute_in_process(instance=dg.DagsterInstance.ephemeral())
"""


def test_killed_process_leaves_a_stage_that_the_next_run_goes_on_with(
    workspace: Workspace, pipeline: Pipeline, tmp_path: Path
) -> None:
    """SIGKILL: no handler runs, and no lock is left behind."""
    source = workspace.add_database("Tasks", SCHEMA).data_source
    for number in range(850):
        source.add_page({"Name": f"Row {number}"}, created_at=datetime(2026, 1, 1) + timedelta(minutes=number // 10))
    script = tmp_path / "run.py"
    script.write_text(KILLED_RUN, encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", str(script), str(pipeline.project.root)],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    workspace.faults.add(Fault("call", match=QUERY, at=8, callable=lambda: os.kill(process.pid, signal.SIGKILL)))
    assert process.wait(PATIENCE) == -signal.SIGKILL
    before = len(workspace.requests)
    run = synced(pipeline)
    assert "goes on with" in run.log
    # The listing and the schema; the five of twelve queries that were not answered; and for each of three readers an
    # answer in flight and one that was just being kept.
    assert len(workspace.requests) - before <= 3 + 5 + 3 * 2
    assert differences(pipeline, workspace, source) == []


def options_of(pipeline: Pipeline, **options: Any) -> SyncOptions:
    home = pipeline.project.home
    return SyncOptions(
        load_sources(pipeline.project).sources[0], account_key(TOKEN), FolderState(home), home / "staging", **options
    )


def read_without_commit(
    pipeline: Pipeline, catalog: Catalog, notion: Callable[[], NotionClient], source: DataSource, **options: Any
) -> list[str]:
    """A sync whose commit never comes, as when another program holds the catalog for too long."""
    lines: list[str] = []
    sync = Sync(
        notion,
        catalog,
        options_of(pipeline, **options),
        LogProgress(lines.append),
        lines.append,
    )
    for (extract,) in sync.start([DatabaseTarget(source.database.id, source.database.title, "", ())]):
        assert extract.failures == []
    return lines


def test_reads_that_nobody_waits_for_any_more_stop_and_keep_what_they_have(
    workspace: Workspace, pipeline: Pipeline, catalog: Catalog, notion: Callable[[], NotionClient]
) -> None:
    """As when a run is cancelled: locks are given back, stages stay."""
    sources = [tasks_in(workspace, 120, f"Database {number}") for number in range(4)]
    workspace.faults.add(Fault("hang", match=f"POST .*{sources[1].id}/query", at=3, seconds=30))
    sync = Sync(notion, catalog, options_of(pipeline), LogProgress(lambda _: None), lambda _: None)
    reads = sync.start([DatabaseTarget(source.database.id, "", "", ()) for source in sources])
    with reads:
        next(iter(reads))
    for source in sources:
        assert not is_locked(FolderState(pipeline.project.home), "notion", source.database.id)
    run = synced(pipeline)
    assert "goes on with" in run.log or "loaded now" in run.log
    assert [line for source in sources for line in differences(pipeline, workspace, source)] == []


@pytest.mark.parametrize("forced", [None, "FULL_TABLE"])
def test_read_that_was_not_committed_is_landed_by_the_next_run_and_followed_up(
    workspace: Workspace,
    pipeline: Pipeline,
    catalog: Catalog,
    notion: Callable[[], NotionClient],
    forced: str | None,
) -> None:
    tasks = tasks_in(workspace, 130)
    if forced:
        synced(pipeline)
        workspace.trash(tasks.pages[7])
    read_without_commit(pipeline, catalog, notion, tasks, forced=forced)
    workspace.edit_page(tasks.pages[0], {"Effort": 1000})
    later(workspace, hours=1)
    run = synced(pipeline)
    assert "finished before and not committed is loaded now" in run.log
    assert len(run.queries) == 1
    assert differences(pipeline, workspace, tasks) == []
    assert list((pipeline.project.home / "staging").rglob("*.arrow")) == []
    history = pipeline.query("SELECT stage_id, rows_read FROM _notion_pipeline.syncs ORDER BY finished_at DESC LIMIT 2")
    assert len({stage_id for stage_id, _ in history}) == 2
    later(workspace, hours=1)
    assert "loaded now" not in synced(pipeline).log


def test_stage_that_is_committed_already_is_not_committed_again(
    workspace: Workspace, pipeline: Pipeline, catalog: Catalog, notion: Callable[[], NotionClient], tmp_path: Path
) -> None:
    """As after a kill between the commit and the removal of the stage."""
    tasks = tasks_in(workspace, 20)
    read_without_commit(pipeline, catalog, notion, tasks)
    staging = pipeline.project.home / "staging"
    kept = {file: file.read_bytes() for file in staging.rglob("*") if file.is_file()}
    synced(pipeline)
    for file, data in kept.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    later(workspace, hours=1)
    run = synced(pipeline)
    assert "it is in the catalog already" in run.log
    assert pipeline.value("SELECT count(*) = count(DISTINCT stage_id) FROM _notion_pipeline.syncs")
    assert differences(pipeline, workspace, tasks) == []
