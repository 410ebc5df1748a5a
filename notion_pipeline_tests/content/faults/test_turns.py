"""Whose turn it is: content waits while tables of its account are read, by any process, and goes on afterwards."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pytest
from rich.console import Console

from notion_pipeline.cli.runs.content_jobs import ContentOutcome, ContentProgress, run_content
from notion_pipeline.config.sources import load_sources
from notion_pipeline.defs.resources import LoadedProject
from notion_pipeline.notion.limits.turns import Turns
from notion_pipeline.project import Project
from notion_pipeline.sandbox.control.faults import Fault
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.state.folder import FolderState
from notion_pipeline_tests.content.conftest import NAMES
from notion_pipeline_tests.support.patience import PATIENCE
from notion_pipeline_tests.support.whole_way import Pipeline, Run

WAITS = "content waits for them"
ONE_AT_A_TIME = (
    "sources:\n  - name: notion\n    account: {type: token}\n    limits: {concurrent_requests: 1}\n"
    "    content: {pages: false, users: false}\n"
)
#: Reads tables of an account until it is given a line.
READS_TABLES = """
import sys
from pathlib import Path
from notion_pipeline.notion.limits.turns import Turns
from notion_pipeline.state.folder import FolderState
with Turns(FolderState(Path(sys.argv[1])), sys.argv[2]).for_tables():
    print("reading", flush=True)
    sys.stdin.readline()
sys.stdin.read()
"""


@contextmanager
def tables_read_by_another_process(home: Path, account: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", READS_TABLES, str(home), account]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "reading\n"
        yield process


def let_go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def account_of(project: Project) -> str:
    sources = load_sources(project)
    return LoadedProject(project, sources).account(sources.source("notion"))


class Log(ContentProgress):
    """What a run of content logs; `on_wait` is called when it begins to wait."""

    def __init__(self) -> None:
        super().__init__(Console(quiet=True), "notion", verbose=False)
        self.lines: list[str] = []
        self.waits = threading.Event()

    def on_wait(self) -> None:
        self.waits.set()

    def say(self, level: int, message: str) -> None:
        self.lines.append(message)
        if WAITS in message:
            self.on_wait()


def read_content(pipeline: Pipeline, log: Log) -> ContentOutcome:
    with dg.DagsterInstance.ephemeral() as instance:
        return run_content(pipeline.project, load_sources(pipeline.project), instance, "notion", progress=log)


def test_wait_ends_with_the_process_that_reads_tables(tmp_path: Path) -> None:
    lines: list[str] = []
    turns = Turns(FolderState(tmp_path), "an account")
    assert not turns.tables_are_read()
    with tables_read_by_another_process(tmp_path, "an account") as process:
        assert turns.tables_are_read()
        assert not Turns(FolderState(tmp_path), "another account").tables_are_read()

        def log(line: str) -> None:
            lines.append(line)
            process.kill()

        asyncio.run(asyncio.wait_for(turns.wait_for_tables(log), PATIENCE))
    assert len(lines) == 1
    assert WAITS in lines[0]


def test_run_of_content_waits_for_a_process_that_reads_tables_and_goes_on(words: Pipeline) -> None:
    log = Log()
    with tables_read_by_another_process(words.project.home, account_of(words.project)) as process:
        asked: list[int] = []
        before = len(words.workspace.requests)

        def on_wait() -> None:
            asked.append(len(words.workspace.requests) - before)
            let_go(process)

        log.on_wait = on_wait  # type: ignore[method-assign]
        outcome = read_content(words, log)
    assert outcome.success, outcome.failures
    assert asked == [0]
    assert sum(found.count("pages_read") for found in outcome.databases) == len(NAMES)


@pytest.mark.slow
def test_sync_that_starts_while_content_is_read_ends_before_it(words: Pipeline, workspace: Workspace) -> None:
    """The first page comes when tables are being read, rows when content waits, and the second page after the sync."""
    words.configure(ONE_AT_A_TIME)
    tables_are_read, log, ended = threading.Event(), Log(), list[str]()
    synced: list[Run] = []

    def sync() -> None:
        synced.append(words.sync())
        ended.append("tables")

    tables = threading.Thread(target=sync)

    def first_page() -> None:
        tables.start()
        assert tables_are_read.wait(PATIENCE)

    def first_rows() -> None:
        tables_are_read.set()
        assert log.waits.wait(PATIENCE)

    workspace.faults.add(Fault("call", match="/markdown$", callable=first_page))
    workspace.faults.add(Fault("call", match="/query$", callable=first_rows))
    workspace.faults.add(Fault("call", match="/markdown$", at=2, callable=lambda: tables.join(PATIENCE)))
    outcome = read_content(words, log)
    ended.append("content")
    tables.join(PATIENCE)
    assert outcome.success, outcome.failures
    assert synced[0].success, synced[0].log
    assert ended == ["tables", "content"]
    lines = [f"{request.method} {request.path}" for request in workspace.requests]
    last_rows = max(place for place, line in enumerate(lines) if line.endswith("/query"))
    assert sum(line.endswith("/markdown") for line in lines[last_rows:]) == len(NAMES) - 1
