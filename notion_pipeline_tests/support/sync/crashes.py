"""Kills a syncing process again and again and compares what comes of it with Notion: `python -m ... --kills 200`.

Kills are aimed by the number of requests served and at the named points of `crash_child`. A round goes on until a
sync finishes; then its table is compared cell by cell, some rows are edited, and the next round reads everything again.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path

import click

from notion_pipeline.project import find_project
from notion_pipeline.sandbox.control.faults import Fault
from notion_pipeline.sandbox.edits.bulk import add_rows, bulk_schema
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.http.server import SandboxServer
from notion_pipeline_tests.support.catalog import catalogs
from notion_pipeline_tests.support.sync.crash_child import POINTS
from notion_pipeline_tests.support.sync.truth import differences
from notion_pipeline_tests.support.whole_way import Pipeline

TOKEN = "ntn_sandbox_token"
CONCURRENT_REQUESTS = 8
REQUESTS_OF_A_SMALL_ONE = 5
#: How many requests more a read may make than another of the same rows: its readers meet elsewhere.
MEETINGS = 6
ROOT = Path(__file__).parents[3]


@dataclass
class Toll:
    """What was survived."""

    kills: int = 0
    points: Counter[str] = field(default_factory=Counter)
    rounds: int = 0
    edits: int = 0
    requests: int = 0
    undisturbed: int = 0
    differences: list[str] = field(default_factory=list)
    over_budget: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        points = "; ".join(f"{name}: {count}" for name, count in sorted(self.points.items()))
        return (
            f"{self.kills} kills in {self.rounds} syncs, {self.edits} rows edited between them, "
            f"{self.requests} requests ({self.undisturbed} undisturbed); {len(self.differences)} differences, "
            f"{len(self.over_budget)} syncs over their request budget. Kills by place: {points}"
        )


class Crashes:
    """A project over a workspace of one large database and some small ones, which are committed close together."""

    def __init__(self, folder: Path, *, rows: int, small: int, seed: int) -> None:
        self.folder = folder
        self.random = random.Random(seed)
        self.small = small
        self.workspace = Workspace(token=TOKEN, now=datetime(2026, 7, 1, 9, 0, tzinfo=timezone.utc))
        database = self.workspace.add_database("Events", bulk_schema())
        add_rows(database.data_source, rows, start=datetime(2026, 1, 1, tzinfo=timezone.utc), minutes=max(rows // 5, 1))
        for number in range(small):
            tasks = self.workspace.add_database(f"Tasks {number}", bulk_schema())
            add_rows(tasks.data_source, 40, start=datetime(2026, 1, 1, tzinfo=timezone.utc), minutes=40)
        for name in ("workspace.yaml", "dagster.yaml"):
            shutil.copy(ROOT / name, folder / name)
        self.pipeline = Pipeline(find_project(folder, catalogs.variables(folder)), self.workspace)
        self.toll = Toll()

    def run(self, kills: int, *, points: tuple[str, ...] = POINTS, say: Callable[[str], None] | None = None) -> Toll:
        """Rounds until so many kills have hit; `say` is told of each."""
        with SandboxServer(self.workspace) as server:
            self.toll.undisturbed = self._undisturbed(server.url)
            aims = list(points)
            while self.toll.kills < kills:
                self._round(server.url, kills, aims)
                if say is not None:
                    say(str(self.toll))
        return self.toll

    def _undisturbed(self, url: str) -> int:
        self._child(url, None, "none", 0)
        self.workspace.requests.clear()
        self._child(url, None, "none", 0, "--full")
        return len(self.workspace.requests)

    def _round(self, url: str, kills: int, aims: list[str]) -> None:
        """One full sync, killed on its way, until a process finishes it."""
        self._edit()
        self.workspace.requests.clear()
        began = datetime.now(timezone.utc)
        killed = 0
        while True:
            after, point, times = None, "none", 0
            if self.toll.kills < kills:
                if not aims:
                    aims.extend(POINTS)
                if self.random.random() < 0.5:
                    after = self.random.randint(1, max(2, self.toll.undisturbed // 3))
                else:
                    point = aims.pop(self.random.randrange(len(aims)))
                    times = self.random.randint(1, 2 + self.small if "manifest" not in point else 40)
            # A sync that died after its commit is over: another full one would begin anew.
            full = [] if self._is_committed_since(began) else ["--full"]
            if self._child(url, after, point, times, *full) == 0:
                break
            killed += 1
            self.toll.kills += 1
            self.toll.points[point if after is None else "after so many requests"] += 1
        self.toll.rounds += 1
        self._judge(killed)

    def _is_committed_since(self, began: datetime) -> bool:
        found = self.pipeline.query(
            "SELECT last_full_sync_at > ? FROM _notion_pipeline.streams WHERE table_name = 'events'", [began]
        )
        return bool(found and found[0][0])

    def _judge(self, killed: int) -> None:
        spent = len(self.workspace.requests)
        self.toll.requests += spent
        # Of a kill's share a process takes its listing, and the small databases that were done before.
        share = 2 * (CONCURRENT_REQUESTS + 1) + REQUESTS_OF_A_SMALL_ONE * (self.small - 1)
        budget = self.toll.undisturbed + MEETINGS + killed * share
        if spent > budget:
            self.toll.over_budget.append(f"round {self.toll.rounds}: {spent} requests, {killed} kills, budget {budget}")
        for database in self.workspace.databases.values():
            self.toll.differences += differences(self.pipeline, self.workspace, database.data_source)
        left = [path for path in (self.folder / ".notion_pipeline" / "staging").rglob("*") if path.is_file()]
        self.toll.differences += [f"left behind: {path.name}" for path in left]

    def _edit(self) -> None:
        self.workspace.clock.advance(timedelta(hours=1))
        large, *small = self.workspace.databases.values()
        for database in (large, *self.random.sample(small, min(3, self.small))):
            pages = list(database.data_source.pages)
            for page in self.random.sample(pages, 5):
                self.workspace.edit_page(page, {"Name": f"edited {self.random.random()}"})
            self.workspace.trash(self.random.choice(pages))
            self.toll.edits += 6

    def _child(self, url: str, after: int | None, point: str, times: int, *args: str) -> int:
        """Runs a process; 0 where it finished, 1 where it was killed."""
        environ = {key: value for key, value in os.environ.items() if not key.startswith(("NOTION_", "DAGSTER_"))}
        environ |= {"NOTION_API_URL": url, "NOTION_TOKEN": TOKEN, **catalogs.variables(self.folder)}
        process = subprocess.Popen(
            [sys.executable, "-m", "notion_pipeline_tests.support.sync.crash_child", point, str(times), "sync", *args],
            cwd=self.folder,
            env=environ | {"PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        if after is not None:
            kill = Fault("call", at=after, callable=lambda: os.kill(process.pid, signal.SIGKILL))
            self.workspace.faults.add(kill)
        output, _ = process.communicate(timeout=600)
        if after is not None and kill in self.workspace.faults.planned:
            self.workspace.faults.planned.remove(kill)
        if process.returncode not in (0, -signal.SIGKILL):
            raise AssertionError(f"exit {process.returncode}, killed at {point} {times} or {after}:\n{output.decode()}")
        return 0 if process.returncode == 0 else 1


@click.command()
@click.option("--kills", default=200, show_default=True)
@click.option("--rows", default=25_000, show_default=True)
@click.option("--small", default=12, show_default=True, help="Databases of 40 rows beside the large one.")
@click.option("--seed", default=1, show_default=True)
def command(kills: int, rows: int, small: int, seed: int) -> None:
    """Kills until KILLS, and prints what was survived; exit 1 where anything is not as it should be."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        toll = Crashes(Path(folder), rows=rows, small=small, seed=seed).run(kills, say=click.echo)
    click.echo(f"{toll} ({time.monotonic() - began:.0f} s)")
    for line in [*toll.differences[:20], *toll.over_budget[:20]]:
        click.echo(line)
    if toll.differences or toll.over_budget:
        raise SystemExit(1)


if __name__ == "__main__":
    command()
