"""All benchmarks in turn: `python -m benchmarks [--quick] [--write] [NAME]...`."""

from __future__ import annotations

import argparse
from importlib import import_module
from pathlib import Path

from rich.console import Console

from benchmarks.report import written

NAMES = (
    *("requests", "wall_time", "dlt", "growth", "commits", "content", "many_databases", "imports", "peers"),
    *("lake", "workers", "lake_growth"),
)
REPORT = Path(__file__).parents[1] / "BENCHMARKS.md"


def main() -> None:
    """Prints each table as it comes; with --write puts them into BENCHMARKS.md."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(NAMES)}; all without any")
    parser.add_argument("--quick", action="store_true", help="small sizes: for the counts, not for the times")
    parser.add_argument("--write", action="store_true", help="put the tables into BENCHMARKS.md")
    parser.add_argument("--location", help="for dlt: a checkout of its verified sources, as dlt init takes it")
    given = parser.parse_args()
    if unknown := sorted(set(given.names) - set(NAMES)):
        parser.error(f"there is no benchmark called {', '.join(unknown)}")
    console = Console()
    # All of them make the file anew, in their order.
    anew = not given.names
    for name in given.names or NAMES:
        options = {"location": given.location} if name == "dlt" else {}
        findings = import_module(f"benchmarks.{name}").run(quick=given.quick, **options)
        findings.show(console)
        if given.write:
            report = "" if anew or not REPORT.exists() else REPORT.read_text(encoding="utf-8")
            REPORT.write_text(written(report, name, findings), encoding="utf-8")
            anew = False


if __name__ == "__main__":
    main()
