"""BENCHMARKS.md: the latest figures, each benchmark's between marks of its own."""

from __future__ import annotations

import os
import platform
import re
from datetime import date
from importlib.metadata import version
from pathlib import Path

from benchmarks.tables import Findings

_HEAD = """# Benchmarks

The latest figures of every benchmark in `benchmarks/`. Notion is the sandbox, in a process of its own, on the same
machine: it competes for the processors, and what it costs is not counted. Rows have 30 properties and about 4.5 kB of
JSON.

    pip install -e '.[dev,benchmarks]'
    python -m benchmarks                 # all of them, an hour and more: half of it the peers
    python -m benchmarks growth dlt      # some
    python -m benchmarks.requests        # one
    python -m benchmarks --write         # into this file
    python -m benchmarks --quick         # small sizes, in a minute or two: for the counts, which a test checks

`python -m benchmarks.dlt` needs dlt, from the extra `benchmarks`.
`python -m benchmarks peers` installs the programs that it compares with, each in an environment of its own in the
temporary folder; with `--quick` it runs those that are there already.
`lake`, `workers` and `lake_growth` need PostgreSQL on this machine and the extras `lakehouse` and `postgres`; `lake`
also writes to an S3 server, which comes with `dev`. Where something is missing, the table says so.
"""


def written(before: str, name: str, findings: Findings) -> str:
    """The text of BENCHMARKS.md with one benchmark's section put in or replaced."""
    text = before or _HEAD
    section = f"<!-- {name} -->\n{findings.as_markdown()}\n{_machine()}\n<!-- end of {name} -->\n"
    old = re.compile(rf"<!-- {name} -->\n.*?<!-- end of {name} -->\n", re.DOTALL)
    return old.sub(lambda _: section, text) if old.search(text) else f"{text}\n{section}"


def _machine() -> str:
    parts = ", ".join(f"{name} {version(name)}" for name in ("duckdb", "pyarrow", "dagster"))
    return (
        f"Measured on {date.today():%Y-%m-%d}: {os.cpu_count()} cores, {_memory():.0f} GB, "
        f"{platform.system()} {platform.machine()}, Python {platform.python_version()}, {parts}.\n"
    )


def _memory() -> float:
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("MemTotal:")) / 2**20
