"""Kills a process that reads content again and again, and compares what comes of it with Notion: `python -m ...`.

A round goes on until a run of the job finishes; then content, chunks, comments and users are compared, pages are edited
and their rows synced, and the next round begins.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import IO, cast

import click

from notion_pipeline.config.content import Chunks
from notion_pipeline.sandbox.control.faults import Fault
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.http.server import SandboxServer
from notion_pipeline_tests.support.catalog import catalogs
from notion_pipeline_tests.support.content.crash_child import POINTS, SIZE
from notion_pipeline_tests.support.content.truth import (
    chunk_differences,
    comment_differences,
    content_differences,
)
from notion_pipeline_tests.support.sync.engine import TOKEN, Engine
from notion_pipeline_tests.support.whole_way import SCHEMA

CONCURRENT_REQUESTS = 8
#: Pages that a kill loses: a batch, which is what is being committed and what was read since, and what is under way.
LOST = SIZE + CONCURRENT_REQUESTS
ROOT = Path(__file__).parents[3]
_SOURCES = """
sources:
  - name: notion
    account: {type: token}
    content: {pages: false, chunks: true, comments: true, comments_every: never}
"""


@dataclass
class ContentToll:
    """What was survived."""

    kills: int = 0
    rounds: int = 0
    points: Counter[str] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)
    over_budget: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        points = "; ".join(f"{name}: {count}" for name, count in sorted(self.points.items()))
        return (
            f"{self.kills} kills in {self.rounds} rounds; {len(self.differences)} differences, "
            f"{len(self.over_budget)} rounds over their budget. Kills by place: {points}"
        )


class ContentCrashes:
    """A project over one database whose pages have words, cut parts and comments."""

    def __init__(self, folder: Path, *, pages: int, seed: int) -> None:
        self.folder = folder
        self.random = random.Random(seed)
        self.workspace = Workspace(token=TOKEN)
        self.workspace.markdown_limit = 4
        self.source = self.workspace.add_database("Tasks", SCHEMA).data_source
        for number in range(pages):
            page = self.source.add_page({"Name": f"Page {number}"}, content=f"# Page {number}\nIts words.")
            if number % 10 == 0:
                for part in range(3):
                    self.workspace.add_block(page, "toggle", f"Part {part}", children=["a", "b"])
            if number % 3 == 0:
                self.workspace.add_comment(page, f"About {number}")
        self.workspace.clock.advance(timedelta(hours=1))
        shutil.copy(ROOT / "dagster.yaml", folder / "dagster.yaml")
        shutil.copy(ROOT / "workspace.yaml", folder / "workspace.yaml")
        (folder / "sources.yaml").write_text(_SOURCES, encoding="utf-8")
        self.toll = ContentToll()

    def run(self, kills: int, *, say: Callable[[str], None] | None = None) -> ContentToll:
        """Rounds until so many kills have hit; `say` is told of each."""
        with SandboxServer(self.workspace) as server:
            environ = {key: value for key, value in os.environ.items() if not key.startswith(("NOTION_", "DAGSTER_"))}
            environ |= {"NOTION_API_URL": server.url, "NOTION_TOKEN": TOKEN, "PYTHONPATH": str(ROOT)}
            environ |= catalogs.variables(self.folder)
            engine = Engine(self.workspace, server.url, self.folder)
            command = [sys.executable, "-m", "notion_pipeline_tests.support.content.crash_child"]
            with subprocess.Popen(
                command, cwd=self.folder, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            ) as process:
                while self.toll.kills < kills:
                    self._round(engine, process, kills)
                    if say is not None:
                        say(str(self.toll))
                cast(IO[str], process.stdin).close()
        return self.toll

    def _round(self, engine: Engine, process: subprocess.Popen[str], kills: int) -> None:
        if self.toll.rounds:
            self._edit()
        rows = engine.attempt("FULL_TABLE")
        assert rows.success, rows.reasons
        self.workspace.requests.clear()
        killed = 0
        while True:
            aim = self._aim() if self.toll.kills < kills else ("none", 0, None)
            if self._attempt(process, *aim):
                break
            killed += 1
            self.toll.kills += 1
            self.toll.points[aim[0]] += 1
        self.toll.rounds += 1
        self._compare(engine, killed)

    def _aim(self) -> tuple[str, int, int | None]:
        """A point with its count, or a number of requests."""
        untried = [point for point in POINTS if not self.toll.points[point]] or list(POINTS)
        if self.toll.kills % 3 == 2:
            return "after so many requests", 0, self.random.randint(1, SIZE * 2)
        return self.random.choice(untried), 1 if self.random.random() < 0.5 else 2, None

    def _attempt(self, process: subprocess.Popen[str], point: str, times: int, after: int | None) -> bool:
        """One process; False where it was killed."""
        orders, answers = cast(IO[str], process.stdin), cast(IO[str], process.stdout)
        orders.write(json.dumps([point, times]) + "\n")
        orders.flush()
        child = int(answers.readline())
        fault = None
        if after is not None:
            fault = self.workspace.faults.add(Fault("call", at=after, callable=lambda: os.kill(child, signal.SIGKILL)))
        code = int(answers.readline())
        if fault is not None:
            with suppress(ValueError):
                self.workspace.faults.planned.remove(fault)
        if code not in (0, -signal.SIGKILL):
            raise AssertionError(f"exit {code}, killed at {point} {times} or {after}")
        return code == 0

    def _compare(self, engine: Engine, killed: int) -> None:
        # A part is asked for as often as its page.
        pages = {f"/v1/pages/{page.id}/markdown" for page in self.source.pages}
        asked = [request.path for request in self.workspace.requests if request.path in pages]
        asked += [request.query for request in self.workspace.requests if request.path == "/v1/comments"]
        budget = len(set(asked)) + killed * LOST
        if len(asked) > budget:
            self.toll.over_budget.append(f"round {self.toll.rounds}: {len(asked)} pages read, budget {budget}")
        sources = (self.source,)
        self.toll.differences += content_differences(engine.query, self.workspace, sources)
        self.toll.differences += chunk_differences(engine.query, Chunks())
        self.toll.differences += comment_differences(engine.query, self.workspace, sources)
        users = {row[0] for row in engine.query("SELECT id FROM notion.users WHERE name IS NOT NULL")}
        if users != set(self.workspace.users):
            self.toll.differences.append(f"{len(users)} users, not {len(self.workspace.users)}")

    def _edit(self) -> None:
        ws, live = self.workspace, [page for page in self.source.pages if page.live]
        ws.clock.advance(timedelta(hours=1))
        for page in self.random.sample(live, len(live) // 2):
            ws.add_block(page, "paragraph", f"New words {self.random.random()}")
            if self.random.random() < 0.3:
                ws.add_comment(page, "New")
        ws.trash(self.random.choice(live))
        self.source.add_page({"Name": "New"}, content="New words.")
        guest = ws.add_user(f"Guest {self.toll.rounds}", guest=True)
        ws.edit_page(live[0] if live[0].live else live[1], {"Effort": self.toll.rounds}, edited_by=guest)
        ws.clock.advance(timedelta(hours=1))


@click.command()
@click.option("--kills", default=100, show_default=True)
@click.option("--pages", default=200, show_default=True)
@click.option("--seed", default=1, show_default=True)
def command(kills: int, pages: int, seed: int) -> None:
    """Kills until KILLS, and prints what was survived; exit 1 where anything is not as it should be."""
    with tempfile.TemporaryDirectory() as folder:
        toll = ContentCrashes(Path(folder), pages=pages, seed=seed).run(kills, say=click.echo)
    for line in [*toll.differences[:20], *toll.over_budget[:20]]:
        click.echo(line)
    if toll.differences or toll.over_budget:
        raise SystemExit(1)


if __name__ == "__main__":
    command()
