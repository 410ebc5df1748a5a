"""The peers' own environments: a virtual environment or a folder of node modules each, never the project's."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from shutil import rmtree, which

from benchmarks.peers.peer import UnavailableError

_SECONDS = 900.0
#: Left in an environment once it is whole.
_MARK = "installed"
_NPM_OPTIONS = ("--no-audit", "--no-fund", "--fetch-retries=1", "--fetch-retry-mintimeout=1000")


def with_packages(folder: Path, requirement: str, *, allowed: bool) -> Path:
    """The interpreter of a virtual environment that has the requirement, made when it is missing."""
    python = folder / "bin" / "python"
    if not _is_whole(folder, requirement, allowed=allowed):
        run_installed([sys.executable, "-m", "venv", str(folder)], folder.parent)
        run_installed([str(python), "-m", "pip", "install", "--quiet", requirement], folder)
        (folder / _MARK).write_text(requirement, encoding="utf-8")
    return python


def with_node_modules(folder: Path, *requirements: str, allowed: bool) -> str:
    """The path of node; the folder has the npm packages then."""
    node, npm = which("node"), which("npm")
    if node is None or npm is None:
        raise UnavailableError("node and npm are not installed")
    if not _is_whole(folder, " ".join(requirements), allowed=allowed):
        folder.mkdir(parents=True)
        run_installed([npm, "install", *_NPM_OPTIONS, "--prefix", str(folder), *requirements], folder)
        (folder / _MARK).write_text(" ".join(requirements), encoding="utf-8")
    return node


def package_version(python: Path, package: str) -> str:
    """The version of a package in that environment."""
    return run_installed(
        [str(python), "-c", f"from importlib.metadata import version; print(version({package!r}))"], python.parent
    ).strip()


def _is_whole(folder: Path, requirement: str, *, allowed: bool) -> bool:
    mark = folder / _MARK
    if mark.is_file() and mark.read_text(encoding="utf-8") == requirement:
        return True
    if not allowed:
        raise UnavailableError("not installed; `python -m benchmarks peers` installs it")
    rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    return False


def run_installed(command: Sequence[str], folder: Path) -> str:
    """What a command says that installs, or asks what is installed.

    Raises:
        UnavailableError: It failed, or took too long.
    """
    variables = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    try:
        done = subprocess.run(  # noqa: S603
            command, cwd=folder, env=variables, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise UnavailableError(f"could not be installed in {_SECONDS:.0f} s") from error
    if done.returncode:
        sys.stderr.write(done.stdout + done.stderr)
        raise UnavailableError("could not be installed from the package registry")
    return done.stdout
