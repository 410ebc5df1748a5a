"""The same syncs into a DuckDB file and into a lake: `python -m benchmarks.lake`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks import bucket
from benchmarks.command import run_alone
from benchmarks.lakehouse import Lake, Lakehouse, lakehouse, missing
from benchmarks.many_databases import ROWS_EACH
from benchmarks.project import Project, new_project
from benchmarks.server import Contents, Server
from benchmarks.tables import Findings, shown

COLUMNS = (
    *("sync", "catalog", "requests", "command", "CPU", "peak memory"),
    *("commits", "all", "longest", "statements", "files", "size"),
)
_FILE, _FOLDER, _BUCKET = "DuckDB file", "lake, files in a folder", "lake, files in S3"


@dataclass(frozen=True)
class Catalog:
    """Where a sync writes to.

    Attributes:
        lake: None for a DuckDB file.
        absent: What stands in its way, where something does.
    """

    name: str
    lake: Lake | None = None
    absent: str | None = None


def run(*, quick: bool) -> Findings:
    """One large database, and many small ones twice, into each kind of catalog."""
    rows, databases = (500, 6) if quick else (25_000, 300)
    many = f"{databases} databases of {ROWS_EACH} rows"
    table: list[tuple[str, ...]] = []
    counts: dict[str, int] = {}
    for contents, names in (
        (Contents(rows), (f"{rows:,} rows",)),
        (Contents(ROWS_EACH, databases), (many, f"{many}, again")),
    ):
        with Server(contents) as server, _catalogs() as catalogs:
            for catalog in catalogs:
                for line, found in _measure(server, catalog, names):
                    table.append(line)
                    counts |= found
    return Findings(
        title="File and lake",
        command="python -m benchmarks lake",
        meaning="`notion-pipeline sync` without latency, the whole process, into an empty catalog, and where it says "
        "`again` once more with nothing new in Notion. A lake is on a PostgreSQL with its defaults, on the "
        "same machine, where its state is too; what PostgreSQL and the S3 server (moto) cost is not in `CPU`, but they "
        "compete for the processors. `commits` are the transactions of the catalog, of all of which the next two "
        "columns tell the time from opening to commit. `statements` are those that PostgreSQL got, each a round trip; "
        "`files` are the Parquet files of the present version, `size` is theirs, or that of the DuckDB file. The "
        "catalogs hold the same rows.",
        columns=COLUMNS,
        rows=table,
        counts=counts,
    )


@contextmanager
def _catalogs() -> Iterator[list[Catalog]]:
    if reason := missing():
        yield [Catalog(_FILE), Catalog(_FOLDER, absent=reason), Catalog(_BUCKET, absent=reason)]
        return
    with lakehouse() as house:
        found = [Catalog(_FILE), Catalog(_FOLDER, house.new_lake())]
        if reason := bucket.missing():
            yield [*found, Catalog(_BUCKET, absent=reason)]
            return
        with bucket.bucket() as store:
            yield [*found, Catalog(_BUCKET, _lake_in(house, store))]


def _lake_in(house: Lakehouse, store: bucket.Bucket) -> Lake:
    return house.new_lake(store.new(), store.variables)


def _measure(
    server: Server, catalog: Catalog, names: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], dict[str, int]]]:
    """A line and its counts for each sync, one after the other into the same catalog."""
    if catalog.absent:
        yield (names[0], catalog.name, f"not measured: {catalog.absent}", *[""] * (len(COLUMNS) - 3)), {}
        return
    lake = catalog.lake
    with new_project(variables=lake.variables() if lake else None) as project:
        for name in names:
            server.forget_requests()
            before = lake.statements() if lake else None
            cost, commits = project.timed_sync(server)
            requests = server.requests().all
            after = lake.statements() if lake else None
            line = (
                *(name, catalog.name, str(requests)),
                *(shown(cost.seconds, "s"), shown(cost.cpu_seconds, "s"), shown(cost.megabytes, "MB")),
                *(str(len(commits.seconds)), shown(sum(commits.seconds), "s"), shown(max(commits.seconds), "s")),
                "" if before is None or after is None else f"{after - before:,}",
                *_size(project, lake),
            )
            yield line, {f"{name}, {catalog.name}": requests}


def _size(project: Project, lake: Lake | None) -> tuple[str, str]:
    if lake is None:
        return "1", shown(project.catalog.stat().st_size / 2**20, "MB")
    files = lake.files()
    return f"{files.number:,}", shown(files.megabytes, "MB")


if __name__ == "__main__":
    run_alone(run)
