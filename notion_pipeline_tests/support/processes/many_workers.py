"""Sources with a workspace, a server and a connected account each; one lake and one state in PostgreSQL for them all.

Workers are `notion-pipeline` processes, each in a folder of its own with a home and a Dagster instance of its own.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import duckdb
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.cli.process import environment
from notion_pipeline.cli.project_template import template
from notion_pipeline.config.fields.catalog_location import location_of
from notion_pipeline.project import Project, project_at
from notion_pipeline.sandbox.edits.bulk import add_rows
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.http.server import SandboxServer
from notion_pipeline_tests.support.accounts.oauth_side import CREDENTIALS, OAuthSide
from notion_pipeline_tests.support.accounts.token_stores import KEY
from notion_pipeline_tests.support.patience import PATIENCE
from notion_pipeline_tests.support.processes.postgres import query
from notion_pipeline_tests.support.sync.crash_child import ACCOUNT_VARIABLE
from notion_pipeline_tests.support.whole_way import SCHEMA, Pipeline, Run

ROOT = Path(__file__).parents[3]
LAKE, STATE = "lake", "state"


class Arrivals:
    """When requests came that count for an account's budget: not those for tokens, nor those with an old token."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def __call__(self, app: ASGIApp) -> ASGIApp:
        async def noting(scope: Scope, receive: Receive, send: Send) -> None:
            at = time.monotonic()

            async def answer(message: Message) -> None:
                if message["type"] == "http.response.start" and message["status"] != 401:
                    self.times.append(at)
                await send(message)

            # By this the sandbox reaches the connection that a fault cuts.
            answer.__self__ = send.__self__  # type: ignore[attr-defined]
            path = scope.get("path", "")
            counts = path.startswith("/v1/") and not path.startswith("/v1/oauth")
            await app(scope, receive, answer if counts else send)

        return noting

    def most_within(self, seconds: float) -> int:
        """Of all spans of this length, the requests in the fullest."""
        times = sorted(self.times)
        return max((sum(start <= at < start + seconds for at in times) for start in times), default=0)


@dataclass
class Account:
    """A source, the workspace that it reads, and who is connected."""

    source: str
    server: SandboxServer
    arrivals: Arrivals
    side: OAuthSide
    bot_id: str = ""
    kills: int = 0

    @property
    def ws(self) -> Workspace:
        return self.server.ws

    @property
    def queries(self) -> int:
        """Requests for rows until now."""
        return sum(request.path.endswith("/query") for request in list(self.ws.requests))


@dataclass(frozen=True)
class Size:
    """How much there is in each workspace: `databases` of `rows` rows.

    Attributes:
        large: Rows more in the first database of each of the first two workspaces.
    """

    sources: int
    databases: int
    rows: int
    large: int = 0


class ManyWorkers:
    """All that the workers share.

    Args:
        port: Of an empty PostgreSQL.
        stack: Ends the servers, and the workers that are left.
        staging: Where they share reads in progress; a folder by default, and nowhere where it is empty.
        environ: Of the workers, beside what names their own places.
    """

    def __init__(
        self,
        folder: Path,
        port: int,
        stack: ExitStack,
        size: Size,
        *,
        limits: str = "{}",
        staging: str | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.folder, self._stack = folder, stack
        self._environ = dict(environ or {})
        staging = str(folder / "staging") if staging is None else staging
        for name in (LAKE, STATE):
            query(port, f"CREATE DATABASE {name}")
        self._lake = f"ducklake:postgres:dbname={LAKE} host=127.0.0.1 port={port} user=notion"
        names = [f"source_{number}" for number in range(size.sources)]
        self._sources = "\n".join(
            [
                f'catalog: "{self._lake}"',
                f"data_path: {folder / 'lake'}",
                f"state: postgresql://notion@127.0.0.1:{port}/{STATE}",
                *([f"staging: {staging}"] if staging else []),
                "sources:",
                *(line for name in names for line in _source(name, limits)),
            ]
        )
        self.accounts = [self._account(name, number, size, stack) for number, name in enumerate(names)]

    def _account(self, name: str, number: int, size: Size, stack: ExitStack) -> Account:
        ws = Workspace(f"Workspace of {name}", seed=number, now=datetime(2026, 7, 1, 9, 0, tzinfo=timezone.utc))
        for database in range(size.databases):
            source = ws.add_database(f"Tasks {database}", SCHEMA).data_source
            for row in range(size.rows):
                source.add_page({"Name": f"Row {row}", "Effort": row, "State": "Open"})
        if size.large and number < 2:
            large = next(iter(ws.databases.values())).data_source
            add_rows(large, size.large, start=datetime(2026, 1, 1, tzinfo=timezone.utc), minutes=size.large / 5)
        ws.clock.advance(timedelta(hours=1))
        arrivals = Arrivals()
        server = stack.enter_context(SandboxServer(ws, around=arrivals))
        side = OAuthSide(self.project(f"connects {name}", server.url), server)
        return Account(name, server, arrivals, side, bot_id=side.connect().bot_id)

    def project(self, home: str, url: str) -> Project:
        """A folder with everything that is one machine's."""
        root = self.folder / home
        (root / ".dagster").mkdir(parents=True, exist_ok=True)
        (root / "workspace.yaml").touch()
        (root / "sources.yaml").write_text(self._sources, encoding="utf-8")
        (root / ".dagster" / "dagster.yaml").write_text(template("dagster.yaml"), encoding="utf-8")
        environ = {**self._environ, **CREDENTIALS, "NOTION_API_URL": url, "NOTION_PIPELINE_KEY": KEY}
        return project_at(root, environ | {"DAGSTER_HOME": str(root / ".dagster")})

    def start(self, account: Account, home: str, *, point: str = "none", times: int = 0) -> Worker:
        """A sync of the account's source that kills itself at a point of `crash_child`, if that is named."""
        project = self.project(home, account.server.url)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("NOTION_", "DAGSTER_"))}
        log = project.root / "worker.log"
        begins = log.stat().st_size if log.exists() else 0
        with log.open("ab") as output:
            process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "notion_pipeline_tests.support.sync.crash_child", point, str(times)),
                    *("sync", "--source", account.source, "-v"),
                ],
                cwd=project.root,
                env=inherited | dict(project.environ) | {"PYTHONPATH": str(ROOT), ACCOUNT_VARIABLE: account.bot_id},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        self._stack.callback(_end, process)
        return Worker(account, process, log, begins)

    def sync_here(self, account: Account, home: str = "here") -> Run:
        """A sync of the account's source in this process."""
        project = self.project(home, account.server.url)
        with environment({**os.environ, **project.environ}):
            run = Pipeline(project, account.ws).sync(f"{account.source}_sync")
        assert run.success, run.log[-4000:]
        return run

    @contextmanager
    def reading(self) -> Iterator[duckdb.DuckDBPyConnection]:
        location = location_of(self._lake, str(self.folder / "lake"), Path)
        with Catalog(location, log=print).reading() as connection:
            assert connection is not None
            yield connection


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def _source(name: str, limits: str) -> list[str]:
    account = f"{{type: oauth, workspace: Workspace of {name}}}"
    return [f"  - name: {name}", f"    account: {account}", f"    limits: {limits}"]


@dataclass
class Worker:
    """A process that syncs."""

    account: Account
    process: subprocess.Popen[bytes]
    log_file: Path
    begins: int

    @property
    def log(self) -> str:
        """What this process said."""
        with self.log_file.open("rb") as file:
            file.seek(self.begins)
            return file.read().decode()

    def wait(self, until: Callable[[], bool] = lambda: False) -> int | None:
        """Its exit code; None where the condition came before."""
        give_up_at = time.monotonic() + PATIENCE
        while (code := self.process.poll()) is None and not until():
            assert time.monotonic() < give_up_at, self.log[-4000:]
            time.sleep(0.02)
        return code

    def kill(self) -> None:
        """Kills it, when nobody refreshes the account's tokens: Notion gives a pair once."""
        side, give_up_at = self.account.side, time.monotonic() + PATIENCE
        while (release := side.store.try_lock(self.account.bot_id)) is None:
            assert time.monotonic() < give_up_at
            time.sleep(0.01)
        try:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        finally:
            release()


@dataclass
class Lake:
    """Rows of the lake, times in UTC."""

    connection: duckdb.DuckDBPyConnection

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self.connection.execute(sql, list(parameters)).fetchall()
