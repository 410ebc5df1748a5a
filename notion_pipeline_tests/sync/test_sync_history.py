"""`_notion_pipeline.syncs` says what was asked for, what was really read, and why."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from notion_pipeline.project import Project
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.http.server import SandboxServer
from notion_pipeline.sandbox.model.objects import Database
from notion_pipeline_tests.support.catalog import catalogs
from notion_pipeline_tests.support.dagster_runs import Runs
from notion_pipeline_tests.support.sync.engine import BEFORE_COMMIT, Engine


@pytest.fixture
def tasks(workspace: Workspace) -> Database:
    found = workspace.add_database("Tasks", {"Name": "title", "Due": "date"})
    found.data_source.add_page({"Name": "one"})
    workspace.clock.advance(timedelta(hours=1))
    return found


def history(project: Project) -> list[tuple[Any, ...]]:
    """Asked mode, what was read and why, of each sync in order."""
    with catalogs.reading(project.root) as connection:
        return connection.execute(
            'SELECT sync_type, "read", reason FROM _notion_pipeline.syncs ORDER BY finished_at'
        ).fetchall()


@pytest.mark.slow
def test_what_was_read_is_recorded_beside_what_was_asked_for(runs: Runs, tasks: Database, project: Project) -> None:
    first = runs.job()
    second = runs.job()
    third = runs.job("notion_full_sync")
    tasks.data_source.rename_property("Due", "Deadline")
    fourth = runs.job()
    renamed = 'its schema changed (property "Due" was renamed to "Deadline")'
    assert history(project) == [
        ("INCREMENTAL", "full", "it was not synced before"),
        ("INCREMENTAL", "incremental", None),
        ("FULL_TABLE", "full", None),
        ("INCREMENTAL", "full", renamed),
    ]
    metadata = [runs.metadata(run.run_id, "tasks") for run in (first, second, third, fourth)]
    assert [entry["sync_type"] for entry in metadata] == ["INCREMENTAL", "INCREMENTAL", "FULL_TABLE", "INCREMENTAL"]
    assert [entry["read"] for entry in metadata] == ["full", "incremental", "full", "full"]
    assert [entry.get("reason") for entry in metadata] == ["it was not synced before", None, None, renamed]


def test_history_of_an_older_catalog_gets_the_columns(runs: Runs, tasks: Database, project: Project) -> None:
    runs.job()
    with catalogs.changing(project.root) as connection:
        connection.execute('ALTER TABLE _notion_pipeline.syncs DROP COLUMN "read"')
        connection.execute("ALTER TABLE _notion_pipeline.syncs DROP COLUMN reason")
    assert runs.job().success
    assert history(project) == [("INCREMENTAL", None, None), ("INCREMENTAL", "incremental", None)]


def test_full_read_that_was_left_over_is_recorded_as_what_it_is(
    workspace: Workspace, tasks: Database, sandbox: SandboxServer, tmp_path: Path
) -> None:
    engine = Engine(workspace, sandbox.url, tmp_path)
    assert engine.attempt().success
    engine.attempt("FULL_TABLE", dies=BEFORE_COMMIT)
    assert engine.attempt("INCREMENTAL").success
    with engine.catalog.reading() as connection:
        assert connection is not None
        found = connection.execute(
            'SELECT sync_type, "read", reason FROM _notion_pipeline.syncs ORDER BY finished_at'
        ).fetchall()
    assert ("INCREMENTAL", "full", "an earlier run read it whole and could not commit it") in found
