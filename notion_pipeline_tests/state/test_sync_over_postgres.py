"""A few of the tests of sync, resuming and the sensor once more, with the state in PostgreSQL and no other change."""

from __future__ import annotations

from pathlib import Path

import pytest

from notion_pipeline.project import Project, find_project
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.http.server import SandboxServer
from notion_pipeline_tests.conftest import TOKEN
from notion_pipeline_tests.extraction.test_resuming import (  # noqa: F401 - collected here
    test_died_sync_goes_on_where_it_was,
    test_killed_process_leaves_a_stage_that_the_next_run_goes_on_with,
)
from notion_pipeline_tests.listing.changes.test_changes import (  # noqa: F401 - collected here
    test_burst_of_edits_becomes_one_run,
    test_edit_is_asked_for_at_once_and_once_more_after_its_minute,
    ticks,
)
from notion_pipeline_tests.support.shared_state import StatePlace
from notion_pipeline_tests.support.whole_way import Pipeline, synced, tasks_in
from notion_pipeline_tests.sync.test_sync import (  # noqa: F401 - collected here
    test_edited_created_and_restored_rows_are_merged,
    test_newly_shared_database_is_synced_by_the_run_that_finds_it,
    test_one_failing_database_leaves_the_others_committed,
    test_quiet_second_sync_costs_a_request_and_changes_nothing,
    test_sync_fills_a_table,
)

pytestmark = pytest.mark.slow


@pytest.fixture
def project(database: StatePlace, tmp_path: Path, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch) -> Project:
    """As that of the other tests, but for its state."""
    monkeypatch.setenv("NOTION_API_URL", sandbox.url)
    monkeypatch.setenv("NOTION_TOKEN", TOKEN)
    monkeypatch.setenv("NOTION_PIPELINE_STATE", database.environ["NOTION_PIPELINE_STATE"])
    root = tmp_path / "project"
    root.mkdir()
    (root / "workspace.yaml").touch()
    return find_project(root)


def test_nothing_of_the_state_is_in_the_home(workspace: Workspace, pipeline: Pipeline) -> None:
    tasks_in(workspace)
    synced(pipeline)
    assert {path.name for path in pipeline.project.home.iterdir()} <= {"staging"}
