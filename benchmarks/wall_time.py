"""How long a sync takes without latency, with Notion's, and under a budget: `python -m benchmarks.wall_time`."""

from __future__ import annotations

from benchmarks.command import run_alone
from benchmarks.project import Cost, new_project
from benchmarks.server import Contents, Requests, Server
from benchmarks.tables import Findings, bounded, shown

LATENCY = 0.3
CONCURRENT = 8
REQUESTS_PER_MINUTE = 180


def run(*, quick: bool) -> Findings:
    """Seconds against what latency and budget leave."""
    rows, budget_rows = (500, 300) if quick else (25_000, 10_000)
    latency = 0.02 if quick else LATENCY
    per_minute = 3_000 if quick else REQUESTS_PER_MINUTE
    table = []
    counts = {}
    for delay in (0.0, latency):
        cost, requests = _sync(rows, delay, None)
        name = f"{rows:,} rows, {delay * 1000:.0f} ms"
        bound = 1.3 * requests.all * delay / CONCURRENT
        table.append((name, *_line(cost, requests, rows, bound)))
        counts[name] = requests.reading
    cost, requests = _sync(budget_rows, latency, per_minute)
    name = f"{budget_rows:,} rows, {latency * 1000:.0f} ms, {per_minute} requests a minute"
    # The first goes at once, and the last one's answer takes its time.
    bound = 1.05 * ((requests.reading - 1) * 60 / per_minute + latency)
    table.append((name, *_line(cost, requests, budget_rows, bound)))
    counts[name] = requests.reading
    return Findings(
        title="Wall time",
        command="python -m benchmarks.wall_time",
        meaning=f"`read` lies between the first query and the answer of the last, with {CONCURRENT} requests at once: "
        "at most 1.3 x requests x latency / 8; under a budget the pace is even and the bound is what the budget "
        "allows and 5 % more. `command` is all of `notion-pipeline sync`: its imports, Dagster, the listing and the "
        "commit too.",
        columns=("", "requests", "read", "bound", "ratio", "command", "rows/s"),
        rows=table,
        counts=counts,
    )


def _sync(rows: int, latency: float, per_minute: int | None) -> tuple[Cost, Requests]:
    with (
        Server(Contents(rows)) as server,
        new_project(concurrent_requests=CONCURRENT, requests_per_minute=per_minute) as project,
    ):
        server.set_latency(latency)
        return project.sync(server), server.requests()


def _line(cost: Cost, requests: Requests, rows: int, bound: float) -> tuple[str, ...]:
    bounds = bounded(requests.seconds, bound, "s") if bound else (shown(requests.seconds, "s"), "", "")
    return str(requests.all), *bounds, shown(cost.seconds, "s"), shown(rows / cost.seconds)


if __name__ == "__main__":
    run_alone(run)
