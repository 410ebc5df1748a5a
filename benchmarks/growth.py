"""What a sync costs as a database grows: `python -m benchmarks.growth`."""

from __future__ import annotations

from benchmarks.command import run_alone
from benchmarks.project import new_project
from benchmarks.server import Contents, Server
from benchmarks.tables import Findings, shown

MOST_MEGABYTES = 400


def run(*, quick: bool) -> Findings:
    """Time and memory a row, over three sizes."""
    rows = []
    counts = {}
    for size in (100, 300, 900) if quick else (2_500, 25_000, 250_000):
        with Server(Contents(size)) as server, new_project() as project:
            cost = project.sync(server)
            requests = server.requests()
            megabytes = project.catalog.stat().st_size / 2**20
            counts[f"{size} rows"] = project.rows()
        rows.append(
            (
                f"{size:,}",
                str(requests.reading),
                shown(cost.seconds, "s"),
                shown(size / cost.seconds),
                shown(cost.cpu_seconds, "s"),
                shown(cost.cpu_seconds / size * 1e6, "us"),
                shown(cost.megabytes, "MB"),
                shown(megabytes, "MB"),
            )
        )
    return Findings(
        title="Growth",
        command="python -m benchmarks.growth",
        meaning="A first `notion-pipeline sync` of one database of 30 properties, without latency, the whole process: "
        "imports, Dagster, reading and commit. Its peak memory (resident set) is to stay below "
        f"{MOST_MEGABYTES} MB and to be the same within 15 % for 25,000 and 250,000 rows, which is the most that "
        "Notion lets a database hold.",
        columns=("rows", "requests", "command", "rows/s", "CPU", "CPU a row", "peak memory", "catalog"),
        rows=rows,
        counts=counts,
    )


if __name__ == "__main__":
    run_alone(run)
