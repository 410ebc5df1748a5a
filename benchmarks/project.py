"""A project in a folder of its own, and the command that a user would run in it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from benchmarks.server import TOKEN, Server


@dataclass(frozen=True)
class Cost:
    """What a process cost, from its start to its end.

    Attributes:
        seconds: By the wall clock, the interpreter's start and the imports included.
        cpu_seconds: Of all its threads, in the system too.
        megabytes: The most memory it had at once (resident set).
        said: Its standard output.
    """

    seconds: float
    cpu_seconds: float
    megabytes: float
    said: str


@dataclass(frozen=True)
class Commits:
    """What a process committed.

    Attributes:
        seconds: Of each transaction that went through.
        lost_seconds: Of each that another commit came before, and that was made again.
    """

    seconds: list[float]
    lost_seconds: list[float]


@dataclass(frozen=True)
class Project:
    """A folder with a sources.yaml; catalog, staging and Dagster's own files are in it, unless variables say otherwise.

    Attributes:
        variables: Of the project's own, for each process that works in it.
    """

    folder: Path
    variables: Mapping[str, str] = field(default_factory=dict)

    def sync(self, server: Server, *arguments: str) -> Cost:
        """`notion-pipeline sync` there."""
        return self._run(server, "notion_pipeline.cli", "sync", *arguments)

    def timed_sync(self, server: Server) -> tuple[Cost, Commits]:
        """`notion-pipeline sync` there, and its commits."""
        report = self.folder / "commits.json"
        cost = self._run(server, "benchmarks.commit_times", str(report), "notion_pipeline.cli", "sync")
        return cost, Commits(**json.loads(report.read_text(encoding="utf-8")))

    def run_job(self, server: Server, name: str) -> Cost:
        """A job of Dagster's, there."""
        return self._run(server, "benchmarks.job_process", name)

    def _run(self, server: Server, module: str, *arguments: str) -> Cost:
        variables = environment(self.folder, server) | dict(self.variables)
        return run_measured(self.folder, variables, module, *arguments)

    def rows(self) -> int:
        """How many rows the database's table holds."""
        return rows_in(self.catalog, "notion.bulk")

    @property
    def catalog(self) -> Path:
        return self.folder / "catalog.duckdb"


def rows_in(file: Path, table: str) -> int:
    """How many rows a table of a DuckDB file has."""
    with duckdb.connect(str(file), read_only=True) as connection:
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0])


@contextmanager
def new_project(
    *,
    concurrent_requests: int = 8,
    requests_per_minute: int | None = None,
    content: str = "false",
    source: str = "notion",
    variables: Mapping[str, str] | None = None,
) -> Iterator[Project]:
    """A project that is gone afterwards; see `write_project` and `Project`."""
    folder = Path(tempfile.mkdtemp(prefix="notion-pipeline-benchmark-"))
    try:
        write_project(
            folder,
            concurrent_requests=concurrent_requests,
            requests_per_minute=requests_per_minute,
            content=content,
            source=source,
        )
        yield Project(folder, variables or {})
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_project(
    folder: Path,
    *,
    concurrent_requests: int = 8,
    requests_per_minute: int | None = None,
    content: str = "false",
    source: str = "notion",
) -> None:
    """Makes the folder a project.

    Args:
        content: The value of `content:` in sources.yaml.
        source: The name of its only source.
    """
    limits = f"{{concurrent_requests: {concurrent_requests}, requests_per_minute: {requests_per_minute or 'null'}}}"
    (folder / "workspace.yaml").write_text("load_from:\n  - python_module: notion_pipeline.definitions\n", "utf-8")
    (folder / "sources.yaml").write_text(
        f"sources:\n  - name: {source}\n    account: {{type: token}}\n    limits: {limits}\n    content: {content}\n",
        "utf-8",
    )


def environment(folder: Path, server: Server) -> dict[str, str]:
    """For a process that works in the folder against the server; the settings of whoever measures do not count."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("NOTION_", "DAGSTER_"))}
    root = str(Path(__file__).parents[1])
    return own | {
        "NOTION_API_URL": server.url,
        "NOTION_TOKEN": TOKEN,
        "NOTION_PIPELINE_HOME": str(folder / "home"),
        "NOTION_PIPELINE_CATALOG": str(folder / "catalog.duckdb"),
        "PYTHONPATH": os.pathsep.join(part for part in (root, os.environ.get("PYTHONPATH")) if part),
    }


def run_measured(folder: Path, variables: Mapping[str, str], module: str, *arguments: str) -> Cost:
    """Runs a module as a command in a process of its own, in the folder.

    Raises:
        SystemExit: It failed; what it said is shown.
    """
    report = folder / "cost.json"
    command = [sys.executable, "-m", "benchmarks.measured", str(report), module, *arguments]
    done = subprocess.run(  # noqa: S603
        command, cwd=folder, env=dict(variables), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{module} {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
    return Cost(**json.loads(report.read_text(encoding="utf-8")), said=done.stdout)
