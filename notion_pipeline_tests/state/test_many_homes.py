"""Two machines with a home each and one state in PostgreSQL: what one does the other knows."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import dagster as dg
import pytest

from notion_pipeline.accounts.stores.stored_account import StoredAccount
from notion_pipeline.accounts.stores.token_store import open_store
from notion_pipeline.config.sources import load_sources
from notion_pipeline.defs.resources import LoadedProject
from notion_pipeline.defs.runs.run_locks import shows_life
from notion_pipeline.project import Project, project_at
from notion_pipeline.redaction import Secret
from notion_pipeline.sandbox.control.faults import Fault
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.http.server import SandboxServer
from notion_pipeline.sync.locks import lock_database
from notion_pipeline_tests.conftest import OURS, TOKEN
from notion_pipeline_tests.support.patience import PATIENCE
from notion_pipeline_tests.support.shared_state import StatePlace
from notion_pipeline_tests.support.sync.truth import differences
from notion_pipeline_tests.support.whole_way import QUERY, REFUSAL, Pipeline, tasks_in

pytestmark = pytest.mark.slow

#: Asks Notion who it is as often as the argument says, once it is given a line.
ASKS = """
import asyncio, sys
from pathlib import Path
from notion_pipeline.config.sources import load_sources
from notion_pipeline.defs.resources import LoadedProject
from notion_pipeline.project import project_at
project = project_at(Path(sys.argv[1]))
loaded = LoadedProject(project, load_sources(project))
async def ask():
    async with loaded.client(loaded.source("notion"), print) as client:
        await asyncio.gather(*(client.me() for _ in range(int(sys.argv[2]))))
print("ready")
sys.stdin.readline()
asyncio.run(ask())
"""


@dataclass
class Machine:
    """A machine with a project folder, a home and a Dagster instance of its own; the catalog is shared."""

    pipeline: Pipeline

    @property
    def project(self) -> Project:
        return self.pipeline.project

    @property
    def loaded(self) -> LoadedProject:
        return LoadedProject(self.project, load_sources(self.project))


@pytest.fixture
def machines(
    database: StatePlace,
    sandbox: SandboxServer,
    workspace: Workspace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> list[Machine]:
    for name in OURS:
        monkeypatch.delenv(name, raising=False)
    return [Machine(Pipeline(_project(database, sandbox, tmp_path / name), workspace)) for name in ("first", "second")]


def _project(database: StatePlace, sandbox: SandboxServer, root: Path) -> Project:
    root.mkdir()
    catalog = root.parent / "first" / "catalog.duckdb"
    (root / ".env").write_text(
        f"NOTION_API_URL={sandbox.url}\nNOTION_TOKEN={TOKEN}\nNOTION_PIPELINE_CATALOG={catalog}\n", "utf-8"
    )
    (root / "sources.yaml").write_text(
        f"state: {database.environ['NOTION_PIPELINE_STATE']}\n"
        "sources:\n  - name: notion\n    account: {type: token}\n",
        "utf-8",
    )
    return project_at(root)


def configured(machine: Machine, *, limits: str = "{}", staging: str = "") -> None:
    file = machine.project.root / "sources.yaml"
    before = f"staging: {staging}\n" if staging else ""
    file.write_text(f"{before}{file.read_text('utf-8')}    limits: {limits}\n", "utf-8")


def tables_of(definitions: dg.Definitions) -> set[str]:
    keys = definitions.resolve_asset_graph().get_all_asset_keys()
    return {key.path[-1] for key in keys} & {"tasks", "people"}


def test_definitions_of_another_home_show_the_tables_that_were_synced(
    machines: list[Machine], workspace: Workspace
) -> None:
    first, second = machines
    for title in ("Tasks", "People"):
        tasks_in(workspace, 3, title)
    assert tables_of(second.pipeline.definitions()) == set()
    assert first.pipeline.sync().success
    assert tables_of(second.pipeline.definitions()) == {"tasks", "people"}
    kept = {path.name for path in first.project.home.iterdir()}
    assert kept & {"tables", "listings", "committed", "pauses", "turns", "locks"} == set()


def test_a_database_that_another_machine_syncs_is_waited_for(machines: list[Machine], workspace: Workspace) -> None:
    first, second = machines
    tasks = tasks_in(workspace)
    tasks_in(workspace, 2, "Free")
    lock = lock_database(second.loaded.state, "notion", tasks.database.id)
    assert lock is not None
    configured(first, limits="{concurrent_requests: 1}")
    workspace.faults.add(Fault("call", match=QUERY, at=3, callable=lock.release))
    run = first.pipeline.sync()
    assert run.success
    assert run.log.count("is being synced by another run") == 1
    assert differences(first.pipeline, workspace, tasks) == []


def test_a_lock_that_was_lost_while_its_database_was_read_keeps_the_rows_out(
    machines: list[Machine], workspace: Workspace, database: StatePlace
) -> None:
    first, second = machines
    tasks = tasks_in(workspace)
    other = second.loaded.state
    other.now()

    def taken_by_another() -> None:
        database.end_sessions()
        lock = lock_database(other, "notion", tasks.database.id)
        assert lock is not None
        lock.release()

    workspace.faults.add(Fault("call", match=QUERY, callable=taken_by_another))
    run = first.pipeline.sync()
    assert not run.success
    assert re.search(r"its lock in postgresql://.* was lost while it was read", run.log)
    again = first.pipeline.sync()
    assert again.success
    assert "committed" in again.log
    assert differences(first.pipeline, workspace, tasks) == []


def test_accounts_are_kept_where_the_sources_file_says_that_the_state_is(machines: list[Machine]) -> None:
    first, second = (
        open_store(project_at(machine.project.root, {"NOTION_PIPELINE_KEY": "of both machines"}))
        for machine in machines
    )
    account = StoredAccount(
        bot_id="11111111-2222-4333-8444-555555555555",
        workspace_id="w",
        workspace_name="Acme",
        owner="",
        owner_id="",
        access_token=Secret("ntn_a_token_of_the_account"),
        refresh_token=None,
        connected_at=datetime(2026, 7, 1, tzinfo=timezone.utc),
        refreshed_at=datetime(2026, 7, 1, tzinfo=timezone.utc),
    )
    first.save(account)
    assert second.accounts() == [account]


def test_a_read_whose_worker_died_goes_on_elsewhere_from_a_shared_folder(
    machines: list[Machine], workspace: Workspace, tmp_path: Path
) -> None:
    first, second = machines
    for machine in machines:
        configured(machine, staging=str(tmp_path / "shared"))
    tasks = tasks_in(workspace, 250)
    workspace.faults.add(Fault("status", match=QUERY, at=3, **REFUSAL))
    assert not first.pipeline.sync().success
    run = second.pipeline.sync()
    assert run.success
    assert "goes on with" in run.log
    assert differences(first.pipeline, workspace, tasks) == []
    assert not (second.project.home / "staging").exists()


def test_a_read_that_was_begun_elsewhere_starts_over_and_says_so(machines: list[Machine], workspace: Workspace) -> None:
    first, second = machines
    tasks = tasks_in(workspace, 250)
    workspace.faults.add(Fault("status", match=QUERY, at=3, **REFUSAL))
    assert not first.pipeline.sync().success
    run = second.pipeline.sync()
    assert run.success
    assert run.log.count(f"a read that was begun on {socket.gethostname()} and not committed starts over") == 1
    assert differences(first.pipeline, workspace, tasks) == []
    quiet = first.pipeline.sync()
    assert "starts over" not in quiet.log, "what the other one read is committed"


def test_a_run_whose_connection_was_lost_shows_life_again(machines: list[Machine], database: StatePlace) -> None:
    """Also while it asks nothing of the state, as in a long commit."""
    first, second = machines
    name = "locks/_runs/run.lock"
    with shows_life(first.loaded.state, "run"):
        database.end_sessions()
        give_up_at = time.monotonic() + PATIENCE
        while not second.loaded.state.is_locked(name):
            assert time.monotonic() < give_up_at
            time.sleep(0.1)
    assert second.loaded.state.lock_names("locks") == []


def test_a_pause_that_one_machine_was_told_holds_the_other(machines: list[Machine], workspace: Workspace) -> None:
    workspace.faults.add(Fault("rate_limit", match="users/me", retry_after=3600))
    with ExitStack() as stack:
        for machine in machines:
            process = stack.enter_context(asking(machine, requests=1))
            go(process)
            assert process.stdout is not None
            assert any("Notion asked this account to wait" in line for line in process.stdout)
    assert [request.status for request in workspace.requests] == [429]


def test_two_machines_keep_one_budget(machines: list[Machine], workspace: Workspace) -> None:
    for machine in machines:
        configured(machine, limits="{requests_per_minute: 600}")
    state = machines[0].loaded.state
    with ExitStack() as stack:
        processes = [stack.enter_context(asking(machine, requests=10)) for machine in machines]
        began = state.now()
        for process in processes:
            go(process)
        for process in processes:
            assert process.wait(PATIENCE) == 0
        lasted = state.now() - began
    assert len([request for request in workspace.requests if request.status == 200]) == 20
    # Twenty turns a tenth of a second apart, whoever took them: two budgets would be through in half of that.
    assert lasted >= 1.9


@contextmanager
def asking(machine: Machine, *, requests: int) -> Iterator[subprocess.Popen[str]]:
    """A process of the machine that asks Notion when it is told to `go`."""
    environ = {**os.environ, "PYTHONPATH": ":".join(path for path in sys.path if path)}
    with subprocess.Popen(
        [sys.executable, "-u", "-c", ASKS, str(machine.project.root), str(requests)],
        env=environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()
