"""What nobody foresaw, an interruption and a stranger's answer: each is told as what it is."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import dagster as dg
import httpx
import pytest
from dagster import DagsterEventType, DagsterRunStatus

from notion_pipeline.accounts.oauth_client import OAuthClient, with_retries
from notion_pipeline.cli.process import working_in
from notion_pipeline.cli.runs.sync_jobs import project_instance
from notion_pipeline.defs.build import build_definitions
from notion_pipeline.errors import RetryableNotionError
from notion_pipeline.notion.client import NotionClient
from notion_pipeline.notion.responses.failures import TransientFailure
from notion_pipeline.notion.responses.parsing import parse_response
from notion_pipeline.project import Project
from notion_pipeline.redaction import Secret
from notion_pipeline.sandbox.control.faults import Fault
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sync.run.progress import LogProgress, Progress
from notion_pipeline_tests.conftest import TOKEN
from notion_pipeline_tests.support.catalog import catalogs
from notion_pipeline_tests.support.commands import Commands
from notion_pipeline_tests.support.dagster_runs import Runs
from notion_pipeline_tests.support.patience import PATIENCE
from notion_pipeline_tests.support.processes.terminal import CTRL_C, Terminal

BLOCKED = "<!DOCTYPE html><html><head><TITLE lang=en>\n Attention Required! | Cloudflare&amp;co </TITLE></head></html>"
RAY = "8f00000000000000-CDG"


# Unforeseen errors


class BrokenForTasks:
    """Stands where a project's own progress does, and breaks over one database."""

    def progress(self, log: Callable[[str], None]) -> Progress:
        return _Broken(log)


class _Broken(LogProgress):
    def staged(self, database_id: str, rows: int, requests: int) -> None:
        if self._reads[database_id].title == "Tasks":
            raise KeyError(f"no bar for {TOKEN} \x1b[2J")
        super().staged(database_id, rows, requests)


def test_traceback_stands_in_the_log_and_in_dagsters_event(workspace: Workspace, project: Project) -> None:
    for title in ("Notes", "Tasks"):
        workspace.add_database(title, {"Name": "title"}).data_source.add_page({"Name": "one"})
    job = build_definitions(project, progress=BrokenForTasks()).resolve_job_def("notion_sync")
    with dg.DagsterInstance.ephemeral() as instance:
        run = job.execute_in_process(instance=instance, raise_on_error=False)
        runs = Runs(project, instance)
        assert not run.success
        assert 'Tasks": KeyError' in runs.failure(run.run_id)
        assert "Traceback" not in runs.failure(run.run_id)
        (event,) = (event for event in run.all_events if event.event_type == DagsterEventType.STEP_FAILURE)
        error = event.step_failure_data.error
        assert error is not None
        assert error.cause is not None
        assert error.cause.cls_name == "KeyError"
        assert any(__file__ in line for line in error.cause.stack)
        log = runs.log(run.run_id)
        assert "Traceback (most recent call last)" in log
        assert __file__ in log
        whole = log + str(error)
        assert TOKEN not in whole
        assert "\x1b" not in log
    with catalogs.reading(project.root) as connection:
        assert connection.execute("SELECT count(*) FROM notion.notes").fetchone() == (1,)


def test_command_that_fails_unforeseen_shows_its_traceback(project: Project, workspace: Workspace) -> None:
    """A token store of the team's own that breaks: no error of ours, so whoever mends it needs the place."""
    (project.root / "our_store.py").write_text("def make(project):\n    return {}['accounts']\n")
    result = subprocess.run(
        [sys.executable, "-m", "notion_pipeline.cli", "accounts"],
        cwd=project.root,
        env={**project.environ, "NOTION_PIPELINE_TOKEN_STORE": "our_store:make", "PYTHONPATH": str(project.root)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert result.returncode == 1
    assert "our_store.py" in result.stderr
    assert result.stderr.splitlines()[-1] == "Error: KeyError: 'accounts'"


# Interruptions


def statuses(project: Project) -> list[DagsterRunStatus]:
    with working_in(project.root), project_instance(project) as instance:
        return [run.status for run in instance.get_runs()]


@pytest.mark.slow
@pytest.mark.parametrize("held", ["/v1/search", "/query"])
def test_ctrl_c_says_interrupted_wherever_a_sync_is(project: Project, workspace: Workspace, held: str) -> None:
    workspace.add_database("Tasks", {"Name": "title"}).data_source.add_page({"Name": "one"})
    commands = Commands(project)
    workspace.faults.add(Fault("delay", match=held, times=99, seconds=PATIENCE))
    with Terminal(project.root, "sync") as terminal:
        wait_for(lambda: any(held in request.path for request in workspace.requests))
        terminal.types(CTRL_C)
        code, shown = terminal.ends()
    assert code == 130, shown
    assert "Interrupted" in shown
    assert not {"InterruptedError", "KeyboardInterrupt", "DagsterExecution", "Aborted"} & set(shown.split())
    assert "Dagster" not in shown
    assert statuses(project) == [DagsterRunStatus.FAILURE]
    workspace.faults.clear()
    listed = commands.ok("sources")
    assert "Interrupted" in listed
    assert "DagsterExecution" not in listed


@pytest.mark.slow
@pytest.mark.parametrize("command", [["check"], ["add", "--yes"], ["accounts"]])
def test_ctrl_c_says_interrupted_in_every_command(project: Project, workspace: Workspace, command: list[str]) -> None:
    if command == ["accounts"]:
        connected = subprocess.run(
            [sys.executable, "-m", "notion_pipeline.cli", "connect", "--token"],
            cwd=project.root,
            input=project.environ["NOTION_TOKEN"] + "\n",
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=True,
        )
        assert "Connected" in connected.stdout
        workspace.requests.clear()
    workspace.latency = PATIENCE
    process = subprocess.Popen(
        [sys.executable, "-m", "notion_pipeline.cli", *command],
        cwd=project.root,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(lambda: bool(workspace.requests))
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert errors.splitlines()[-1].startswith("Error: Interrupted")
    assert "Traceback" not in errors


def wait_for(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.05)


# Answers of others than Notion


@pytest.mark.parametrize("status", [401, 403, 404, 407, 451])
def test_page_of_a_proxy_is_named_by_its_title_and_ray(
    workspace: Workspace, notion: Callable[[], NotionClient], status: int
) -> None:
    workspace.faults.add(Fault("status", times=99, status=status, html=BLOCKED, headers={"cf-ray": RAY}))

    async def ask() -> None:
        async with notion() as client:
            await client.me()

    with pytest.raises(RetryableNotionError) as caught:
        asyncio.run(ask())
    words = str(caught.value)
    assert f"HTTP {status}" in words
    assert 'titled "Attention Required! | Cloudflare&co"' in words
    assert RAY in words
    assert "again later" not in words
    assert "proxy or a firewall" in words


def test_a_stranger_over_tokens_is_named_as_well(workspace: Workspace, sandbox: Any) -> None:
    workspace.faults.add(Fault("status", match="oauth", times=99, status=403, html=BLOCKED, headers={"cf-ray": RAY}))
    client = OAuthClient("id", Secret("a-secret-value"), "http://localhost:1/", sandbox.url)
    with pytest.raises(RetryableNotionError, match="Attention Required") as caught:
        with_retries(lambda: client.is_active(Secret("a-token-value")), sleep=lambda _: None)
    assert RAY in str(caught.value)
    assert "again later" not in str(caught.value)


@pytest.mark.parametrize(
    "page", [b"", b"<title", b"<title>\xff\x1b[2J</title>", b"<title></title>", b"<title>" + b"x" * 1_000_000]
)
def test_any_page_is_put_into_words(page: bytes) -> None:
    request = httpx.Request("GET", "https://api.notion.com/v1/users/me")
    response = httpx.Response(502, content=page, request=request)
    with pytest.raises(TransientFailure) as caught:
        parse_response(response, "it")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 600
