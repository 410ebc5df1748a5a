"""What a sync into a lake asks of PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from notion_pipeline.project import Project, find_project
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline_tests.support.catalog.lakehouse import needs_ducklake, needs_postgres
from notion_pipeline_tests.support.processes.postgres import Server, postgres_server, query
from notion_pipeline_tests.support.whole_way import Pipeline, later, synced, tasks_in

pytestmark = [needs_ducklake, needs_postgres]

#: Three quarters more than were counted. DuckLake sends some 8 for each scan of a table with versions, and 6 for each
#: transaction: where each statement is a transaction of its own, or tables that hold nothing have no statistics, it is
#: 2,000.
MOST = 1_300


@pytest.fixture
def server(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A PostgreSQL with the lake of the project."""
    with postgres_server() as running:
        query(running.port, "CREATE DATABASE lake")
        lake = f"ducklake:postgres:dbname=lake host=127.0.0.1 port={running.port} user=notion"
        monkeypatch.setenv("NOTION_PIPELINE_CATALOG", lake)
        monkeypatch.setenv("NOTION_PIPELINE_DATA_PATH", str(tmp_path / "files"))
        yield running


@pytest.mark.slow
def test_quiet_sync_sends_few_statements(project: Project, workspace: Workspace, server: Server) -> None:
    pipeline = Pipeline(find_project(project.root), workspace)
    for number in range(3):
        tasks_in(workspace, title=f"Tasks {number}")
    synced(pipeline)
    later(workspace, hours=1)
    server.count_statements()
    before = server.statements()
    synced(pipeline)
    sent = server.statements() - before
    assert 0 < sent < MOST, sent
