"""Another process that has a catalog's file open."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HOLDER = """
import sys, duckdb
connection = duckdb.connect(sys.argv[1], read_only=sys.argv[2] == "reader")
print("open", flush=True)
sys.stdin.readline()
connection.close()
sys.stdin.read()
"""


@contextmanager
def held_by_another_process(path: Path, how: str = "writer") -> Iterator[subprocess.Popen[str]]:
    """The file is closed at the first line the process is given, and the process ends with the context's body."""
    command = [sys.executable, "-c", HOLDER, str(path), how]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        yield holder
