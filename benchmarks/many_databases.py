"""What Dagster and many small databases cost: `python -m benchmarks.many_databases`."""

from __future__ import annotations

from benchmarks.command import run_alone
from benchmarks.project import new_project
from benchmarks.server import Contents, Server
from benchmarks.tables import Findings, bounded, shown
from benchmarks.wall_time import CONCURRENT, LATENCY

ROWS_EACH = 40


def run(*, quick: bool) -> Findings:
    """One run over many databases, then a quiet one."""
    databases = 6 if quick else 300
    latency = 0.02 if quick else LATENCY
    rows = []
    counts = {}
    with Server(Contents(ROWS_EACH, databases)) as server, new_project(concurrent_requests=CONCURRENT) as project:
        server.set_latency(latency)
        for name in ("first sync", "quiet sync"):
            server.forget_requests()
            cost = project.sync(server)
            requests = server.requests()
            bound = 1.3 * requests.all * latency / CONCURRENT + 10
            rows.append((name, str(requests.all), *bounded(cost.seconds, bound, "s"), shown(cost.megabytes, "MB")))
            counts[name] = requests.all
    return Findings(
        title="Many databases",
        command="python -m benchmarks.many_databases",
        meaning=f"{databases} databases of {ROWS_EACH} rows in one run, {latency * 1000:.0f} ms an answer, "
        f"{CONCURRENT} requests at once; the whole command. The bound is 1.3 x requests x latency / 8, and 10 s for "
        "Dagster: a partition, a materialization and a commit for each database.",
        columns=("", "requests", "command", "bound", "ratio", "peak memory"),
        rows=rows,
        counts=counts,
    )


if __name__ == "__main__":
    run_alone(run)
