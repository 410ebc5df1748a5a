"""Triggers under a real `dagster dev`: a schedule's tick, and what the sensor makes of edits and new databases."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest
from dagster._core.instance import InstanceRef
from dagster._core.scheduler.instigation import TickStatus

from notion_pipeline.defs.runs.run_locks import unfinished_run
from notion_pipeline.listing.changes.cursor import ChangesCursor
from notion_pipeline.rows.text.timestamps import as_datetime
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.http.server import SandboxServer
from notion_pipeline.state.folder import FolderState
from notion_pipeline_tests.support.patience import PATIENCE

pytestmark = [pytest.mark.slow, pytest.mark.long]


ROOT = Path(__file__).parents[3]
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
        """Rows of the catalog, once nobody writes it; none where it or what is asked for is not there yet."""
        path = self.folder / "catalog.duckdb"
        give_up_at = time.monotonic() + PATIENCE
        while path.exists():
            try:
                with duckdb.connect(str(path), read_only=True) as connection:
                    return connection.execute(sql).fetchall()
            except duckdb.CatalogException:
                break
            except duckdb.Error:
                assert time.monotonic() < give_up_at, self.log
                time.sleep(0.05)
        return []

    @property
    def log(self) -> str:
        return (self.folder / "dev.log").read_text()[-8000:]

    def wait_for(self, what: Callable[[], bool]) -> None:
        give_up_at = time.monotonic() + 2 * PATIENCE
        while not what():
            assert time.monotonic() < give_up_at, self.log
            time.sleep(0.5)

    def is_quiet(self, since: datetime) -> bool:
        """Whether the sensor has looked after the minute of the last edit, and nothing is due or under way any more."""
        storage = {"storage": {"sqlite": {"base_dir": str(self.folder / ".dagster" / "storage")}}}
        ref = InstanceRef.from_dir(str(self.folder / ".dagster"), overrides=storage)
        with dg.DagsterInstance.from_ref(ref) as instance:
            (sensor,) = (state for state in instance.all_instigator_state() if state.name == "notion_changes")
            # The runs that a tick asks for are there when it has ended, and not before.
            ticks = instance.get_ticks(sensor.instigator_origin_id, sensor.selector_id, limit=5)
            last = next((tick for tick in ticks if tick.status is not TickStatus.STARTED), None)
            cursor = ChangesCursor.load(last.cursor if last else None)
            polled_at = as_datetime(cursor.polled_at)
            if polled_at is None or polled_at <= since or cursor.pending:
                return False
            return unfinished_run(instance, "notion_sync", FolderState(self.folder / ".notion_pipeline")) is None

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
            process.wait(timeout=PATIENCE)


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
    last_edit = shared.data_source.pages[0].last_edited_time
    deployment.wait_for(lambda: deployment.is_quiet(last_edit))
    before = [deployment.syncs(database.id) for database in (tasks, notes)]
    workspace.edit_page(tasks.data_source.pages[0], {"Name": "edited again"})
    deployment.wait_for(lambda: deployment.query("SELECT name FROM notion.tasks") == [("edited again",)])
    assert deployment.syncs(tasks.id) > before[0]
    assert deployment.syncs(notes.id) == before[1], "an edit in one database syncs no other"
