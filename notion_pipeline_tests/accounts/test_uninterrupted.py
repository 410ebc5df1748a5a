"""Commands that are ended while Notion gives tokens: whatever is sent, however often, the pair is kept."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from notion_pipeline.accounts.stores.token_store import TokenStore, open_store
from notion_pipeline.project import find_project
from notion_pipeline.sandbox.control.faults import Fault
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.http.server import SandboxServer
from notion_pipeline_tests.support.accounts.connecting_process import Folder
from notion_pipeline_tests.support.accounts.oauth_side import allow
from notion_pipeline_tests.support.patience import PATIENCE

pytestmark = [pytest.mark.slow, pytest.mark.long]


INT, TERM, HUP = signal.SIGINT, signal.SIGTERM, signal.SIGHUP
#: What a person and what a supervisor sends; each process meets one of them.
BY_KEYBOARD, BY_SUPERVISOR = [INT] * 3, [TERM, TERM, INT, TERM]
ON_THE_COMMAND_LINE = [sys.executable, "-m", "notion_pipeline.cli"]
BY_DAGSTER = [sys.executable, "-m", "dagster", "job", "execute", "-m", "notion_pipeline.definitions", "-j"]


@pytest.fixture
def folder(tmp_path: Path, sandbox: SandboxServer) -> Folder:
    folder = Folder(tmp_path / "project", sandbox)
    folder.configure("Acme")
    sandbox.ws.add_database("Tasks", {"Name": "title"}).data_source.add_page({"Name": "one"})
    return folder


def connect(folder: Folder) -> None:
    with folder.connecting() as connecting:
        assert httpx.get(allow(connecting.url), timeout=PATIENCE).status_code == 200
        code, output = connecting.end()
    assert code == 0, output


def store(folder: Folder) -> TokenStore:
    return open_store(find_project(folder.root, folder.environ))


class Held:
    """An answer with tokens that the sandbox gives when it is told to."""

    def __init__(self, workspace: Workspace) -> None:
        self.asked, self.given = threading.Event(), threading.Event()
        workspace.faults.add(Fault("call", match="/v1/oauth/token", callable=self._hold))

    def _hold(self) -> None:
        self.asked.set()
        self.given.wait(PATIENCE)

    def end(self, process: subprocess.Popen[str], signals: list[signal.Signals]) -> None:
        """Sends signals while the answer is waited for, each with time to do what it does, and then answers."""
        assert self.asked.wait(PATIENCE)
        for number in signals:
            process.send_signal(number)
            try:
                process.wait(0.3)
            except subprocess.TimeoutExpired:
                continue
        self.given.set()


@contextmanager
def running(folder: Folder, command: list[str]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        command, cwd=folder.root, env=folder.environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def assert_kept(folder: Folder, workspace: Workspace, accounts: int = 1) -> None:
    found = store(folder).accounts()
    assert len(found) == accounts
    assert found[-1].access_token.reveal() in workspace.tokens
    assert not workspace.oauth.grants[-1].ended
    after = folder.run("sync")
    assert after.returncode == 0, after.stderr
    assert workspace.oauth.reused == 0


@pytest.mark.parametrize(
    ("command", "where", "signals"),
    [
        ([*ON_THE_COMMAND_LINE, "sync"], "/v1/search", BY_KEYBOARD),
        ([*ON_THE_COMMAND_LINE, "sync"], "/query$", BY_SUPERVISOR),
        ([*ON_THE_COMMAND_LINE, "check"], "/v1/users/me", BY_KEYBOARD),
        ([*BY_DAGSTER, "notion_sync"], "/query$", BY_SUPERVISOR),
    ],
    ids=["listing", "reading", "check", "a run of Dagster's"],
)
def test_a_refresh_is_kept_whatever_ends_the_process(
    folder: Folder, workspace: Workspace, signals: list[signal.Signals], command: list[str], where: str
) -> None:
    connect(folder)
    workspace.faults.add(Fault("unauthorized", match=where))
    held = Held(workspace)
    with running(folder, command) as process:
        held.end(process, signals)
        output = process.communicate(timeout=PATIENCE)[0]
    assert process.returncode != 0, output
    assert workspace.oauth.grants[-1].refreshes == 1
    assert_kept(folder, workspace)


@pytest.mark.parametrize(
    ("pasted", "signals"), [(False, BY_SUPERVISOR), (True, BY_KEYBOARD)], ids=["by the browser", "by hand"]
)
def test_an_exchange_is_kept_whatever_ends_connect(
    folder: Folder, workspace: Workspace, signals: list[signal.Signals], pasted: bool
) -> None:
    held = Held(workspace)
    with folder.connecting(*(["--no-browser"] if pasted else [])) as connecting:
        location = allow(connecting.url)
        visitor = threading.Thread(target=_visit, args=(location,))
        if pasted:
            connecting.paste(location)
        else:
            visitor.start()
        held.end(connecting.process, signals)
        connecting.end()
        if not pasted:
            visitor.join()
    assert_kept(folder, workspace)


def _visit(location: str) -> None:
    with suppress(httpx.HTTPError):  # the command was ended
        httpx.get(location, timeout=PATIENCE)


def test_a_closed_terminal_waits_for_the_pair_as_well(folder: Folder, workspace: Workspace) -> None:
    connect(folder)
    workspace.faults.add(Fault("unauthorized", match="/v1/users/me"))
    held = Held(workspace)
    with running(folder, [*ON_THE_COMMAND_LINE, "check"]) as process:
        held.end(process, [HUP, TERM, HUP, INT])
        process.communicate(timeout=PATIENCE)
    assert_kept(folder, workspace)


def test_a_command_that_waits_for_nothing_ends_at_once(folder: Folder) -> None:
    with folder.connecting() as connecting:
        connecting.process.send_signal(TERM)
        code, output = connecting.end()
    assert code not in (0, None), output
    assert "Traceback" not in output
