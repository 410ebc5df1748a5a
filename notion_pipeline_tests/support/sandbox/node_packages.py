"""Packages of npm that tests run: installed once a machine, outside the repository, by whichever test is the first."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from shutil import which

import pytest
from filelock import FileLock

from benchmarks.peers.environments import with_node_modules
from benchmarks.peers.peer import UnavailableError

#: How long a failed installation counts: the tests beside it need not wait for the registry as well.
_FAILURE_LASTS = 120.0


def node_folder(name: str, *packages: str, complete: Callable[[Path], None] | None = None) -> Path:
    """The folder whose `node_modules` holds the packages; the test is skipped, with the reason, where it cannot be.

    Args:
        name: Of the folder; the versions are part of it, so that another version is another folder.
        complete: What else is made in the folder, once.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "notion_pipeline_tests"
    folder = cache / name
    failure = cache / f"{name}.failed"
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with FileLock(cache / f"{name}.lock"):
            if failure.is_file() and time.time() - failure.stat().st_mtime < _FAILURE_LASTS:
                pytest.skip(failure.read_text(encoding="utf-8"))
            failure.unlink(missing_ok=True)
            with_node_modules(folder, *packages, allowed=True)
            if complete is not None:
                complete(folder)
    except UnavailableError as error:
        failure.write_text(str(error), encoding="utf-8")
        pytest.skip(str(error))
    except OSError as error:
        pytest.skip(f"{cache} cannot be written: {error}")
    return folder


def node() -> str:
    """The path of node, which `node_folder` found."""
    return which("node") or "node"
