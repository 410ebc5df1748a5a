"""Runs a module's command as this process's own and notes, as it ends, what the process cost.

`python -m benchmarks.measured REPORT MODULE [ARGUMENT]...` is `python -m MODULE [ARGUMENT]...`, whole: the imports,
Dagster and the interpreter are counted too.
"""

from __future__ import annotations

import atexit
import json
import os
import runpy
import sys
import time
from pathlib import Path


def peak_megabytes() -> float:
    """The most resident memory this process ever had; of its own, where `ru_maxrss` may show its parent's."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


def main() -> None:
    """Takes the place of the module's own process."""
    began_at = time.monotonic()
    report, module = Path(sys.argv[1]), sys.argv[2]

    def write() -> None:
        used = os.times()
        cost = {
            "megabytes": peak_megabytes(),
            "cpu_seconds": used.user + used.system,
            "seconds": time.monotonic() - began_at,
        }
        report.write_text(json.dumps(cost), encoding="utf-8")

    atexit.register(write)
    sys.argv = [module, *sys.argv[3:]]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
