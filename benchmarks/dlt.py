"""The same rows by dlt, loading into DuckDB: `python -m benchmarks.dlt`.

dlt comes with the extra `benchmarks`; its Notion source is fetched by `dlt init`, which clones it from GitHub, or from
the folder that `--location` names. Where neither is to be had, the same reading is expressed with dlt's REST client;
the table says which it was.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import which
from statistics import median

from rich.console import Console

from benchmarks.project import Cost, environment, new_project, rows_in, run_measured
from benchmarks.server import Contents, Server
from benchmarks.tables import Findings, shown

#: Where dlt's source stops: it takes what one query gives.
ROWS = 10_000
FASTER = 8
_INIT_SECONDS = 120.0


def run(*, quick: bool, location: str | None = None) -> Findings:
    """Rows a second and peak memory of both, in turn, on the same rows."""
    rows = 200 if quick else ROWS
    with Server(Contents(rows)) as server, _loader(location) as (folder, source):
        theirs: list[Cost] = []
        ours: list[Cost] = []
        counts: dict[str, int] = {}
        for _ in range(1 if quick else 2):
            theirs.append(_load(folder, server))
            counts = {"rows by dlt": rows_in(folder / "loaded.duckdb", "notion_data.bulk")}
            with new_project() as project:
                ours.append(project.sync(server))
                counts["rows by notion-pipeline"] = project.rows()
    loading = [median(_loading_seconds(cost) for cost in costs) for costs in (theirs, ours)]
    names = (f"dlt, {source}", "notion-pipeline sync")
    return Findings(
        title="Against dlt",
        command="python -m benchmarks.dlt",
        meaning=f"Both load the same {rows:,} rows of 30 properties into DuckDB without latency, in turn; the median "
        f"of {len(ours)}. dlt reads what one query gives and stops there; its figures are those of its defaults. "
        "`load` is what each says of itself, from listing or first request to the commit, Dagster's run included; "
        f"`process` counts interpreter and imports too. The aim is {FASTER} times dlt's rows a second, in less than "
        "400 MB.",
        columns=("", "load", "rows/s", "times", "process", "times", "CPU", "peak memory"),
        rows=[
            (
                name,
                shown(seconds, "s"),
                shown(rows / seconds),
                f"{loading[0] / seconds:.1f}",
                shown(whole := median(cost.seconds for cost in costs), "s"),
                f"{median(cost.seconds for cost in theirs) / whole:.1f}",
                shown(median(cost.cpu_seconds for cost in costs), "s"),
                shown(max(cost.megabytes for cost in costs), "MB"),
            )
            for name, costs, seconds in zip(names, (theirs, ours), loading, strict=True)
        ],
        counts=counts,
    )


def _loading_seconds(cost: Cost) -> float:
    """From the last line, which ends in `in 1.2 s.` for both."""
    return float(cost.said.strip().rpartition(" in ")[2].removesuffix(" s."))


@contextmanager
def _loader(location: str | None) -> Iterator[tuple[Path, str]]:
    """A folder with dlt's Notion source in it, if it is to be had, and what it is then."""
    with tempfile.TemporaryDirectory(prefix="notion-pipeline-benchmark-") as name:
        folder = Path(name)
        fetched = _fetch(folder, location)
        yield folder, "its Notion source" if fetched else "by its REST client"


def _fetch(folder: Path, location: str | None) -> bool:
    program = which("dlt", path=str(Path(sys.executable).parent)) or which("dlt")
    if program is None:
        raise SystemExit("dlt is not installed: pip install -e '.[benchmarks]'")
    command = [program, "init", "notion", "duckdb", *(["--location", location] if location else [])]
    try:
        subprocess.run(  # noqa: S603
            command, cwd=folder, input="y\ny\n", capture_output=True, text=True, timeout=_INIT_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    found = (folder / "notion" / "__init__.py").is_file()
    if location and not found:
        raise SystemExit(f"`dlt init` found no Notion source in {location}.")
    return found


def _load(folder: Path, server: Server) -> Cost:
    for leftover in folder.glob("loaded.duckdb*"):
        leftover.unlink()
    variables = environment(folder, server) | {
        "RUNTIME__DLTHUB_TELEMETRY": "false",
        "DLT_DATA_DIR": str(folder / "dlt"),
    }
    return run_measured(folder, variables, "benchmarks.dlt_load", server.database_ids[0])


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="few rows: for the counts, not for the times")
    parser.add_argument("--location", help="a checkout of dlt's verified sources, as dlt init takes it")
    given = parser.parse_args()
    run(quick=given.quick, location=given.location).show(Console())
