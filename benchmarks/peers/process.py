"""Runs a peer's command and measures it from outside, whatever language it is written in."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.peer import Command, UnavailableError
from benchmarks.project import environment
from benchmarks.server import Server

_PAUSE = 0.05
#: A peer's interpreter finds its own packages alone.
_OURS = ("PYTHONPATH", "VIRTUAL_ENV")


@dataclass(frozen=True)
class Measured:
    """What one command took.

    Attributes:
        seconds: From its start to its end; None when it was stopped after `longest` seconds.
        megabytes: The peak resident set of the process and of those it started, added up.
    """

    seconds: float | None
    megabytes: float


def measure(command: Command, folder: Path, server: Server, longest: float) -> Measured:
    """Runs it in the folder; what it writes to standard output goes to `output` there.

    Raises:
        UnavailableError: It failed.
    """
    variables = {name: value for name, value in environment(folder, server).items() if name not in _OURS}
    variables |= command.variables
    began_at = time.monotonic()
    with (folder / "output").open("wb") as output, (folder / "errors").open("wb") as errors:
        process = subprocess.Popen(  # noqa: S603
            command.arguments, cwd=folder, env=variables, stdout=output, stderr=errors, start_new_session=True
        )
        peaks: dict[int, float] = {}
        try:
            while process.poll() is None and time.monotonic() - began_at < longest:
                for pid in _family(process.pid):
                    peaks[pid] = max(peaks.get(pid, 0.0), _peak_megabytes(pid))
                time.sleep(_PAUSE)
        finally:
            if stopped := process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    seconds = time.monotonic() - began_at
    if stopped:
        return Measured(None, sum(peaks.values()))
    if process.returncode:
        sys.stderr.write((folder / "errors").read_text(encoding="utf-8", errors="replace")[-4_000:])
        raise UnavailableError(f"ended with code {process.returncode}")
    return Measured(seconds, sum(peaks.values()))


def _family(pid: int) -> list[int]:
    found = [pid]
    for parent in found:
        with suppress(OSError):
            for task in Path(f"/proc/{parent}/task").iterdir():
                found += [int(child) for child in (task / "children").read_text(encoding="ascii").split()]
    return found


def _peak_megabytes(pid: int) -> float:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return 0.0
