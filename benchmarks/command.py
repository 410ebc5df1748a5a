"""What every benchmark's own command does."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Protocol

from rich.console import Console

from benchmarks.tables import Findings


class Benchmark(Protocol):
    """Measures and tells; `quick` takes sizes that need seconds, for their counts and not for their times."""

    def __call__(self, *, quick: bool) -> Findings: ...


def run_alone(benchmark: Benchmark, parse: Callable[[], bool] | None = None) -> None:
    """Runs one benchmark and prints its table."""
    benchmark(quick=(parse or _quick)()).show(Console())


def _quick() -> bool:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="small sizes: seconds instead of minutes")
    return bool(parser.parse_args().quick)
