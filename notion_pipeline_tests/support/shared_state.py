"""Places of shared state for tests: a folder, or a database of the test's own in a PostgreSQL."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from notion_pipeline.config.shared_state import open_state
from notion_pipeline.project import Project, project_at
from notion_pipeline.state.folder import FolderState
from notion_pipeline.state.interface import State
from notion_pipeline.sync.locks import lock_database
from notion_pipeline_tests.support.processes.postgres import NOT_INSTALLED, postgres, programs, query

#: Does something with a state, says so, and goes on when it is given a line.
PROCESS = """
import sys
from pathlib import Path
from notion_pipeline.config.shared_state import open_state
from notion_pipeline.project import project_at
state = open_state(project_at(Path(sys.argv[1])), None)
{body}
print("done", flush=True)
sys.stdin.readline()
"""


@dataclass
class StatePlace:
    """Where processes share their state.

    Attributes:
        root: Of a project, for those who have no home of their own.
        environ: What names the place.
        port, name: Of the PostgreSQL and its database; none for a folder.
    """

    root: Path
    environ: Mapping[str, str] = field(default_factory=dict)
    port: int = 0
    name: str = ""

    def project(self, root: Path | None = None) -> Project:
        return project_at(root or self.root, self.environ)

    def open(self) -> State:
        """As another process would see it."""
        return open_state(self.project(), None)

    @contextmanager
    def process(self, body: str) -> Iterator[subprocess.Popen[str]]:
        """A process that has done `body` with `state`; it ends with its input, or when it is killed."""

        environ = {**os.environ, **self.environ}
        command = [sys.executable, "-c", PROCESS.format(body=body), str(self.root)]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environ
        ) as process:
            assert process.stdout is not None
            try:
                assert process.stdout.readline() == "done\n"
                yield process
            finally:
                process.kill()

    def end_sessions(self) -> None:
        """Ends every connection to the database, as a restart of the server does."""
        ours = f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{self.name}'"
        query(self.port, ours)


@contextmanager
def database_locked(home: Path, source: str, database_id: str) -> Iterator[None]:
    """The lock of a database, held by somebody who shares the state in a folder."""
    lock = lock_database(FolderState(home), source, database_id)
    assert lock is not None
    try:
        yield
    finally:
        lock.release()


def folder_place(folder: Path) -> StatePlace:
    return StatePlace(folder, {"NOTION_PIPELINE_HOME": str(folder / "state")})


@contextmanager
def postgres_server() -> Iterator[int]:
    """The port of a server; the test is skipped where there is none, or no driver."""
    if programs() is None:
        pytest.skip(NOT_INSTALLED)
    pytest.importorskip("psycopg2", reason="psycopg2 is not installed (the extra postgres)")
    with postgres() as port:
        yield port


def postgres_place(port: int, folder: Path) -> StatePlace:
    """A new database in the server."""
    name = f"state_{secrets.token_hex(6)}"
    query(port, f"create database {name}")
    url = f"postgresql://notion@127.0.0.1:{port}/{name}"
    return StatePlace(folder, {"NOTION_PIPELINE_STATE": url, "NOTION_PIPELINE_HOME": str(folder / "home")}, port, name)
