"""Runs a module's command as this process's own and notes each transaction of the catalog.

`python -m benchmarks.commit_times REPORT MODULE [ARGUMENT]...` is `python -m MODULE [ARGUMENT]...`. How long a
transaction took is from its opening of the catalog to the answer of its commit.
"""

from __future__ import annotations

import atexit
import json
import runpy
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.project import Commits
from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.errors import CatalogConflictError


def main() -> None:
    """Takes the place of the module's own process."""
    report, module = Path(sys.argv[1]), sys.argv[2]
    found = Commits([], [])
    transaction = Catalog._transaction

    @contextmanager
    def timed(catalog: Catalog, *options: Any) -> Iterator[Any]:
        began_at = time.perf_counter()
        try:
            with transaction(catalog, *options) as connection:
                yield connection
        except CatalogConflictError:
            found.lost_seconds.append(time.perf_counter() - began_at)
            raise
        found.seconds.append(time.perf_counter() - began_at)

    Catalog._transaction = timed  # type: ignore[method-assign,assignment]
    atexit.register(lambda: report.write_text(json.dumps(vars(found)), encoding="utf-8"))
    sys.argv = [module, *sys.argv[3:]]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
