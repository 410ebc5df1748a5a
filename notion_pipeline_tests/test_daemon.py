"""Triggers under a real `dagster dev`: a schedule's tick, and what the sensor makes of edits and new databases."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

from notion_pipeline.sandbox.server import SandboxServer
from notion_pipeline.sandbox.workspace import Workspace

ROOT = Path(__file__).parent.parent
SOURCES = """
sources:
  - name: notion
    account: {type: token, token: {env: NOTION_TOKEN}}
    select: ["*"]
    deselect: ["Other*"]
    watch: {every_seconds: 5}
  - name: other
    account: {type: token, token: {env: NOTION_TOKEN}}
    select: ["Other*"]
    schedule: "* * * * *"
"""


@dataclass
class Deployment:
    """A project folder with `dagster dev` at work on it."""

    folder: Path
    workspace: Workspace

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of the catalog; none where it is not there yet or somebody writes it."""
        try:
            with duckdb.connect(str(self.folder / "catalog.duckdb"), read_only=True) as connection:
                return connection.execute(sql).fetchall()
        except duckdb.Error:
            return []

    def wait_for(self, what: Callable[[], bool], seconds: float = 150) -> None:
        give_up_at = time.monotonic() + seconds
        while not what():
            assert time.monotonic() < give_up_at, (self.folder / "dev.log").read_text()[-8000:]
            time.sleep(0.5)

    def syncs(self, database_id: str) -> int:
        found = self.query(f"SELECT count(*) FROM _notion_pipeline.syncs WHERE database_id = '{database_id}'")
        return int(found[0][0]) if found else 0


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    workspace = Workspace(token="ntn_sandbox_token", clock_runs=True)
    for title in ("Tasks", "Notes", "Other things"):
        database = workspace.add_database(title, {"Name": "title"})
        database.data_source.add_page({"Name": f"{title} 1"})
    for name in ("workspace.yaml", "dagster.yaml"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "sources.yaml").write_text(SOURCES)
    environ = {key: value for key, value in os.environ.items() if not key.startswith(("NOTION_", "DAGSTER_"))}
    with SandboxServer(workspace) as server, (tmp_path / "dev.log").open("wb") as log:
        environ |= {"NOTION_API_URL": server.url, "NOTION_TOKEN": "ntn_sandbox_token"}
        process = subprocess.Popen(
            [sys.executable, "-m", "dagster", "dev", "-h", "127.0.0.1", "-p", "0"],
            cwd=tmp_path,
            env=environ,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            yield Deployment(tmp_path, workspace)
        finally:
            process.terminate()
            process.wait(timeout=60)


def _named(workspace: Workspace, title: str) -> Any:
    return next(database for database in workspace.databases.values() if database.title == title)


def test_triggers_keep_the_catalog_fresh_by_themselves(deployment: Deployment) -> None:
    workspace = deployment.workspace
    tasks, notes = _named(workspace, "Tasks"), _named(workspace, "Notes")
    deployment.wait_for(lambda: len(deployment.query("SELECT * FROM notion.tasks")) == 1)
    deployment.wait_for(lambda: len(deployment.query("SELECT * FROM notion.notes")) == 1)

    # The sensor syncs what was just made once more when its minute is over; then it is quiet.
    time.sleep(1)
    workspace.edit_page(tasks.data_source.pages[0], {"Name": "edited"})
    deployment.wait_for(lambda: deployment.query("SELECT name FROM notion.tasks") == [("edited",)])

    shared = workspace.add_database("Shared later", {"Name": "title"})
    shared.data_source.add_page({"Name": "new"})
    deployment.wait_for(lambda: deployment.query("SELECT name FROM notion.shared_later") == [("new",)])

    # The other source's schedule ticks every minute, and neither source meets the other's tables.
    deployment.wait_for(lambda: len(deployment.query("SELECT * FROM other.other_things")) == 1)
    assert deployment.query("SELECT count(*) FROM duckdb_tables() WHERE schema_name = 'other'") == [(2,)]

    # A minute later everything was synced for the last time; from then on a tick is one search.
    deployment.wait_for(lambda: not _is_busy(deployment, (tasks.id, notes.id, shared.id)), seconds=200)
    before = [deployment.syncs(database.id) for database in (tasks, notes)]
    workspace.edit_page(tasks.data_source.pages[0], {"Name": "edited again"})
    deployment.wait_for(lambda: deployment.query("SELECT name FROM notion.tasks") == [("edited again",)])
    assert deployment.syncs(tasks.id) > before[0]
    assert deployment.syncs(notes.id) == before[1], "an edit in one database syncs no other"


def _is_busy(deployment: Deployment, databases: tuple[str, ...]) -> bool:
    """Whether anything was synced while the sensor had time for two ticks."""
    before = [deployment.syncs(database_id) for database_id in databases]
    time.sleep(14)
    return before != [deployment.syncs(database_id) for database_id in databases]
