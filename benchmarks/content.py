"""What the content of pages costs: `python -m benchmarks.content`."""

from __future__ import annotations

from benchmarks.command import run_alone
from benchmarks.project import Cost, Project, new_project, rows_in
from benchmarks.server import Contents, Requests, Server
from benchmarks.tables import Findings, bounded, shown
from benchmarks.wall_time import CONCURRENT, LATENCY, REQUESTS_PER_MINUTE

#: Bytes of text on a page.
WORDS = 2_000
_CONTENT = "{pages: false, users: false}"


def run(*, quick: bool) -> Findings:
    """Reads content with Notion's latency, under a budget, and of many pages; each a second time, with nothing new."""
    pages, budget_pages, many = (40, 30, 60) if quick else (1_000, 500, 100_000)
    latency = 0.02 if quick else LATENCY
    per_minute = 3_000 if quick else REQUESTS_PER_MINUTE
    rows: list[tuple[str, ...]] = []
    counts: dict[str, int] = {}
    for name, size, delay, limit, bound in (
        (f"{pages:,} pages, {latency * 1000:.0f} ms", pages, latency, None, 1.3 * pages * latency / CONCURRENT),
        (
            f"{budget_pages:,} pages, {latency * 1000:.0f} ms, {per_minute} requests a minute",
            budget_pages,
            latency,
            per_minute,
            # The first goes at once, and the last one's answer takes its time.
            1.05 * ((budget_pages - 1) * 60 / per_minute + latency),
        ),
        (f"{many:,} pages, 0 ms", many, 0.0, None, 0.0),
    ):
        with (
            Server(Contents(size, words=WORDS)) as server,
            new_project(concurrent_requests=CONCURRENT, requests_per_minute=limit, content=_CONTENT) as project,
        ):
            project.sync(server)
            server.set_latency(delay)
            for what in (name, "again, with nothing new"):
                cost, requests = _read(project, server)
                rows.append(_line(what, cost, requests, bound if what is name else 0.0))
                counts[what if what is name else f"{name}, again"] = requests.all
            counts[f"{name}, in the table"] = rows_in(project.catalog, "notion.page_content")
    return Findings(
        title="Content",
        command="python -m benchmarks.content",
        meaning=f"The job `S_content` over pages of {WORDS:,} bytes, whose rows are there. `read` lies between "
        f"the first request and the answer of the last, with {CONCURRENT} requests at once: at most 1.3 x requests x "
        "latency / 8; under a budget the bound is what the budget allows and 5 % more. `process` is the whole "
        "process, its imports and Dagster too.",
        columns=("", "requests", "read", "bound", "ratio", "process", "CPU", "peak memory"),
        rows=rows,
        counts=counts,
    )


def _read(project: Project, server: Server) -> tuple[Cost, Requests]:
    server.forget_requests()
    cost = project.run_job(server, "notion_content")
    return cost, server.requests()


def _line(name: str, cost: Cost, requests: Requests, bound: float) -> tuple[str, ...]:
    figures = bounded(requests.seconds, bound, "s") if bound else (shown(requests.seconds, "s"), "", "")
    whole = (shown(cost.seconds, "s"), shown(cost.cpu_seconds, "s"), shown(cost.megabytes, "MB"))
    return (name, str(requests.all), *figures, *whole)


if __name__ == "__main__":
    run_alone(run)
