"""Workers with accounts of their own, all writing into one lake: `python -m benchmarks.workers`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.command import run_alone
from benchmarks.lakehouse import Lake, lakehouse, missing
from benchmarks.project import Commits, Cost, Project, new_project
from benchmarks.server import Contents, Server
from benchmarks.tables import Findings, shown
from benchmarks.wall_time import LATENCY, REQUESTS_PER_MINUTE

COLUMNS = (
    *("", "workers", "requests", "requests/min", "wall", "rows/s", "CPU of workers", "machine busy"),
    *("commits", "longest", "made again", "bound by"),
)
#: Each is an account's databases, and as many commits.
_DATABASES, _ROWS = 10, 600
_BUSY, _AT_THE_BUDGET = 0.9, 0.85


@dataclass(frozen=True)
class Together:
    """Workers that began at the same time.

    Attributes:
        seconds: From the start of the first to the end of the last.
        busy: The part of the machine's processor time that was used meanwhile, by whatever.
    """

    seconds: float
    busy: float
    costs: Sequence[Cost]
    commits: Sequence[Commits]

    @property
    def committing(self) -> list[float]:
        return [seconds for commits in self.commits for seconds in commits.seconds]

    @property
    def lost(self) -> list[float]:
        return [seconds for commits in self.commits for seconds in commits.lost_seconds]


def run(*, quick: bool) -> Findings:
    """So many workers at Notion's latency and budget, and as many without either."""
    databases, rows = (2, 20) if quick else (_DATABASES, _ROWS)
    latency, per_minute = (0.02, 3_000) if quick else (LATENCY, REQUESTS_PER_MINUTE)
    table: list[tuple[str, ...]] = []
    counts: dict[str, int] = {}
    if reason := missing():
        table.append((f"not measured: {reason}", *[""] * (len(COLUMNS) - 1)))
    else:
        with Server(Contents(rows, databases)) as server, lakehouse() as house:
            for name, delay, limit in (
                (f"{latency * 1000:.0f} ms, {per_minute} requests a minute each", latency, per_minute),
                ("0 ms, no budget", 0.0, None),
            ):
                server.set_latency(delay)
                for workers in (1, 2) if quick else (1, 2, 4, 8):
                    server.forget_requests()
                    lake = house.new_lake()
                    found = sync_together(server, lake, range(1, workers + 1), limit)
                    requests = server.requests()
                    pace = requests.all / found.seconds * 60
                    table.append(
                        (
                            *(name, str(workers), f"{requests.all:,}", shown(pace)),
                            *(shown(found.seconds, "s"), shown(workers * databases * rows / found.seconds)),
                            *(shown(sum(cost.cpu_seconds for cost in found.costs), "s"), f"{found.busy:.0%}"),
                            *(str(len(found.committing)), shown(max(found.committing), "s"), str(len(found.lost))),
                            bound_by(requests.reading / requests.seconds * 60, limit and limit * workers, found),
                        )
                    )
                    key = f"{workers} workers, {name}"
                    counts |= {f"{key}, requests": requests.all, f"{key}, rows": _rows(lake, workers)}
    return Findings(
        title="Workers",
        command="python -m benchmarks workers",
        meaning=f"Each worker is a process with a home of its own that runs `notion-pipeline sync` for an account of "
        f"its own with {databases} databases of {rows} rows, all into one empty lake, on PostgreSQL with the state "
        "beside it, files in a folder. `wall` is from the start of the first to the end of the last, imports and "
        "Dagster too: on a machine with fewer cores than workers these are much of it. `machine busy` is the part of "
        "all processors' time that was used, by the sandbox and PostgreSQL too. `made again` counts the commits that "
        "another one came before. Bound by Notion's budget: while rows were read, the pace was 85 % of it or more; by "
        "the processors: they were 90 % busy; by commits: half of the workers' time went into them; else by latency.",
        columns=COLUMNS,
        rows=table,
        counts=counts,
    )


def sync_together(server: Server, lake: Lake, accounts: Sequence[int], per_minute: int | None = None) -> Together:
    """Syncs these accounts at the same time, a process and a home for each; the source of account 1 is `account1`."""
    with ExitStack() as projects, ThreadPoolExecutor(len(accounts)) as threads:
        made: list[Project] = [
            projects.enter_context(
                new_project(
                    requests_per_minute=per_minute, source=f"account{account}", variables=lake.variables(account)
                )
            )
            for account in accounts
        ]
        began_at, began = time.monotonic(), _processors()
        done = list(threads.map(lambda project: project.timed_sync(server), made))
        seconds, ended = time.monotonic() - began_at, _processors()
    busy = (ended[0] - began[0]) / max(ended[1] - began[1], 1)
    return Together(seconds, busy, [cost for cost, _ in done], [commits for _, commits in done])


def _rows(lake: Lake, workers: int) -> int:
    """How many rows the tables of all accounts have, by what the lake knows of its files."""
    found = lake.server.ask(
        "SELECT sum(s.record_count) FROM ducklake_table_stats s JOIN ducklake_table t USING (table_id) "
        "JOIN ducklake_schema USING (schema_id) "
        f"WHERE schema_name = ANY (ARRAY{[f'account{number}' for number in range(1, workers + 1)]}) "
        "AND table_name LIKE 'bulk%' AND t.end_snapshot IS NULL",
        lake.database,
    )
    return found[0][0]


def bound_by(pace: float, budget: int | None, found: Together) -> str:
    """What kept the workers from being faster."""
    if budget and pace >= _AT_THE_BUDGET * budget:
        return "Notion's budget"
    if found.busy >= _BUSY:
        return "the processors"
    working = sum(cost.seconds for cost in found.costs)
    return "commits" if sum(found.committing) + sum(found.lost) >= working / 2 else "latency"


def _processors() -> tuple[int, int]:
    """Of all processors since the machine started, in ticks: the time that was used, and all of it."""
    first = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0]
    ticks = [int(value) for value in first.split()[1:9]]
    # The fourth is idle, the fifth waits for a disk.
    return sum(ticks) - ticks[3] - ticks[4], sum(ticks)


if __name__ == "__main__":
    run_alone(run)
