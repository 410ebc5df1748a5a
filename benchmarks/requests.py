"""How many requests a sync costs: `python -m benchmarks.requests`."""

from __future__ import annotations

from math import ceil

from benchmarks.command import run_alone
from benchmarks.project import new_project
from benchmarks.server import Contents, Server
from benchmarks.tables import Findings, bounded

ROWS_AN_ANSWER = 100


def full_read_bound(rows: int) -> float:
    """What a full read may cost: the answers there are, a little for the edges of windows, and what frames it."""
    return 1.06 * ceil(rows / ROWS_AN_ANSWER) + 8


def run(*, quick: bool) -> Findings:
    """Requests against their bounds."""
    sizes = (300,) if quick else (5_000, 25_000)
    databases = 5 if quick else 300
    rows: list[tuple[str, ...]] = []
    counts: dict[str, int] = {}
    for size in sizes:
        for concurrent in (1, 32) if quick else (1, 8, 32):
            with Server(Contents(size)) as server, new_project(concurrent_requests=concurrent) as project:
                project.sync(server)
                full = server.requests()
                server.forget_requests()
                project.sync(server)
                quiet = server.requests()
            rows.append(
                (f"full read of {size:,} rows, {concurrent} at once", *_of(full.reading, full_read_bound(size)))
            )
            rows.append((f"quiet sync of it, {concurrent} at once", *_of(quiet.reading, 1)))
            counts |= {f"full {size} {concurrent}": full.reading, f"quiet {size} {concurrent}": quiet.reading}
    with Server(Contents(1, databases)) as server, new_project() as project:
        for what, new in (("first", databases), ("quiet", 0)):
            server.forget_requests()
            project.sync(server, "databases")
            found = server.requests()
            rows.append((f"{what} listing of {databases} databases", *_of(found.all, ceil(databases / 100) + 2 + new)))
            counts[f"{what} listing"] = found.all
    return Findings(
        title="Requests",
        command="python -m benchmarks.requests",
        meaning="Notion gives 100 rows an answer and 180 requests a minute, so a request is what a sync has least of. "
        "A full read asks for the rows, twice for archived rows, for what was edited meanwhile, and for the schema "
        "again; the bound is 1.06 x ceil(rows / 100) + 8.",
        columns=("", "requests", "bound", "ratio"),
        rows=rows,
        counts=counts,
    )


def _of(requests: int, bound: float) -> tuple[str, str, str]:
    return bounded(requests, bound)


if __name__ == "__main__":
    run_alone(run)
