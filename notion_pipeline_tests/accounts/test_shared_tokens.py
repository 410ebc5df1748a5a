"""Tokens that several machines share in PostgreSQL: processes with homes of their own, killed and not."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from notion_pipeline.project import find_project
from notion_pipeline.sandbox.control.faults import Fault
from notion_pipeline.sandbox.http.server import SandboxServer
from notion_pipeline_tests.support.accounts.asking_process import AskingProcess
from notion_pipeline_tests.support.accounts.oauth_side import CREDENTIALS, SOURCES, OAuthSide
from notion_pipeline_tests.support.accounts.token_stores import KEY

pytestmark = [pytest.mark.slow, pytest.mark.long]

MACHINES = 8
LIFETIMES = 4


class Machines:
    """Processes with projects and homes of their own, and what they share: the state's address and the key."""

    def __init__(self, folder: Path, environ: dict[str, str], stack: ExitStack) -> None:
        self._folder, self._environ, self._stack = folder, environ, stack
        self._started = 0

    def start(self, number: int = 1) -> list[AskingProcess]:
        processes = [
            AskingProcess(self._folder / f"machine {self._next()}", SOURCES, self._environ) for _ in range(number)
        ]
        for process in processes:
            self._stack.callback(process.end)
        for process in processes:
            process.wait_until_ready()
        return processes

    def _next(self) -> int:
        self._started += 1
        return self._started


@pytest.fixture
def environ(sandbox: SandboxServer, state_address: str) -> dict[str, str]:
    return {
        **CREDENTIALS,
        "NOTION_API_URL": sandbox.url,
        "NOTION_PIPELINE_KEY": KEY,
        "NOTION_PIPELINE_STATE": state_address,
    }


@pytest.fixture
def side(tmp_path: Path, sandbox: SandboxServer, environ: dict[str, str]) -> OAuthSide:
    root = tmp_path / "where connect ran"
    root.mkdir()
    (root / "workspace.yaml").touch()
    side = OAuthSide(find_project(root, environ), sandbox)
    side.connect()
    return side


@pytest.fixture
def machines(tmp_path: Path, environ: dict[str, str], side: OAuthSide) -> Iterator[Machines]:
    with ExitStack() as stack:
        yield Machines(tmp_path, environ, stack)


def test_eight_machines_refresh_once_a_lifetime_and_no_refresh_token_twice(side: OAuthSide, machines: Machines) -> None:
    processes = machines.start(MACHINES)
    for lifetime in range(1, LIFETIMES + 1):
        side.expire()
        for process in processes:
            process.ask()
        assert [process.answer() for process in processes] == ["user"] * MACHINES
        assert (side.grant.refreshes, side.ws.oauth.reused) == (lifetime, 0)
        for process in processes:
            process.wait_until_ready()
    (account,) = side.store.accounts()
    assert account.access_token.reveal() in side.ws.tokens


def test_a_machine_killed_after_it_kept_the_pair_costs_nothing(side: OAuthSide, machines: Machines) -> None:
    first, second = machines.start(2)
    side.expire()
    # The first question is refused; the second has the new token.
    kill = Fault("call", match="/v1/users/me", at=2, callable=lambda: os.kill(first.process.pid, signal.SIGKILL))
    side.ws.faults.add(kill)
    first.ask()
    assert first.answer() == ""
    second.ask()
    assert second.answer() == "user"
    assert (side.grant.refreshes, side.ws.oauth.reused) == (1, 0)


def test_a_machine_killed_before_it_kept_the_pair_holds_nobody_up(side: OAuthSide, machines: Machines) -> None:
    """The pair is lost, as Notion gives it once: the others say at once what to do, and connecting mends it."""
    first, second = machines.start(2)
    side.expire()
    kill = Fault("call", match="/v1/oauth/token", callable=lambda: os.kill(first.process.pid, signal.SIGKILL))
    side.ws.faults.add(kill)
    first.ask()
    assert first.answer() == ""
    while side.grant.refreshes == 0:  # the answer to the dead is still being made
        time.sleep(0.01)
    second.ask()
    said = second.answer()
    assert "The account was disconnected" in said
    assert "notion-pipeline connect --source notion" in said

    side.connect()
    second.wait_until_ready()
    second.ask()
    assert second.answer() == "user"
