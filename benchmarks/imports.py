"""What loading the definitions costs: `python -m benchmarks.imports`."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from benchmarks.command import run_alone
from benchmarks.tables import Findings, bounded, shown

MOST_SECONDS = 1.5
_SCRIPT = """
import json, time
def status(name):
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(name))
begin = time.perf_counter()
import dagster
between, before = time.perf_counter(), status("VmRSS")
import notion_pipeline.definitions
end = time.perf_counter()
print(json.dumps([between - begin, end - between, before, status("VmRSS")]))
"""


def run(*, quick: bool) -> Findings:
    """Seconds and memory of both imports, the median of some processes."""
    with tempfile.TemporaryDirectory() as folder:
        found = [_measure(Path(folder)) for _ in range(2 if quick else 7)]
    dagster, ours, before, after = (median(column) for column in zip(*found, strict=True))
    return Findings(
        title="Import",
        command="python -m benchmarks.imports",
        meaning="Dagster loads the definitions anew in each process that it starts; the median of some processes, with "
        "compiled modules at hand. Nothing is asked over the network and no DuckDB file is opened.",
        columns=("", "seconds", "bound", "ratio", "memory"),
        rows=[
            ("dagster", shown(dagster, "s"), "", "", shown(before, "MB")),
            ("notion_pipeline.definitions, after it", *bounded(ours, MOST_SECONDS, "s"), shown(after, "MB")),
        ],
    )


def _measure(folder: Path) -> list[float]:
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-W", "ignore", "-c", _SCRIPT], cwd=folder, capture_output=True, text=True, check=True
    )
    measured: list[float] = json.loads(done.stdout)
    return measured


if __name__ == "__main__":
    run_alone(run)
