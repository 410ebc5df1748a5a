"""What most tests start from: a pretend Notion, a project that points at it, a client, a catalog of its own.

The sandbox's clock stands at 2026-07-01 09:00 UTC until a test moves it, and is years off the machine's own: whatever
mixes the two clocks shows. Faults that a client repeats cost real back-off; refusals (400, 403) cost nothing.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest
from hypothesis import HealthCheck, settings

from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.config.sources import Limits, Source, Sources
from notion_pipeline.notion.client import BearerAuth, NotionClient
from notion_pipeline.notion.limits.rate_limiter import RateLimiter
from notion_pipeline.notion.limits.shared_limits import SharedLimits
from notion_pipeline.project import Project, find_project
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.http.server import SandboxServer
from notion_pipeline.state.folder import FolderState
from notion_pipeline_tests.support.catalog import catalogs
from notion_pipeline_tests.support.dagster_runs import Runs
from notion_pipeline_tests.support.reader import Reader
from notion_pipeline_tests.support.whole_way import Pipeline

# An example may take as long as a busy machine makes it take: nothing here asserts a time.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Two workers a core: many tests wait, for a process, a clock or a browser."""
    return 2 * (os.cpu_count() or 1)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--catalog", choices=catalogs.KINDS, default="file", help="what catalogs are kept in")
    parser.addoption("--concurrent-requests", type=int, help="instead of the 8 that a source has unless it says so")


def pytest_configure(config: pytest.Config) -> None:
    """Whatever a sync promises it promises at every setting: the suite can be run at 1, or at 32."""
    # What a shell starts in the background ignores Ctrl-C, and so would the commands that tests interrupt.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    catalogs.session.kind = config.getoption("--catalog")
    if wanted := config.getoption("--concurrent-requests"):
        Source.model_fields["limits"].default = Limits(concurrent_requests=wanted)
        for model in (Source, Sources):
            model.model_rebuild(force=True)


def pytest_unconfigure() -> None:
    catalogs.session.stack.close()


TOKEN = "ntn_sandbox_token"
#: Of the environment that pytest was started in; tests set their own.
OURS = (
    *("NOTION_TOKEN", "NOTION_API_URL", "NOTION_CLIENT_ID", "NOTION_CLIENT_SECRET", "NOTION_REDIRECT_URI"),
    *("NOTION_PIPELINE_SOURCES", "NOTION_PIPELINE_CATALOG", "NOTION_PIPELINE_HOME", "NOTION_PIPELINE_KEY"),
    *("NOTION_PIPELINE_DATA_PATH", "NOTION_PIPELINE_STATE", "NOTION_PIPELINE_STAGING", "DAGSTER_HOME"),
)


@pytest.fixture(autouse=True)
def databases_of_lakes() -> Iterator[None]:
    """What a test makes in the server of `--catalog postgres` ends with it."""
    with catalogs.session.dropping():
        yield


@pytest.fixture
def workspace() -> Workspace:
    """An empty workspace; tests add what they need, also while it is served."""
    return Workspace(token=TOKEN)


@pytest.fixture
def sandbox(workspace: Workspace) -> Iterator[SandboxServer]:
    """The workspace on loopback."""
    with SandboxServer(workspace) as server:
        yield server


@pytest.fixture
def lines() -> list[str]:
    """What the parts under test have logged."""
    return []


@pytest.fixture
def project(tmp_path: Path, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project folder without a sources.yaml: one source `notion`, reading the sandbox."""
    for name in OURS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NOTION_API_URL", sandbox.url)
    monkeypatch.setenv("NOTION_TOKEN", TOKEN)
    root = tmp_path / "project"
    root.mkdir()
    (root / "workspace.yaml").touch()
    for name, value in catalogs.variables(root).items():
        monkeypatch.setenv(name, value)
    return find_project(root)


@pytest.fixture
def catalog(project: Project, lines: list[str]) -> Catalog:
    """The project's catalog; it is made by the first commit."""
    return Catalog(catalogs.location(project.root), log=lines.append, wait_seconds=5.0)


@pytest.fixture
def notion(sandbox: SandboxServer, tmp_path: Path, lines: list[str]) -> Callable[[], NotionClient]:
    """Makes a client of the sandbox, to be entered in the event loop that uses it; it waits for nothing."""

    async def no_sleep(_: float) -> None:
        return None

    def client() -> NotionClient:
        rate_limiter = RateLimiter(
            concurrent_requests=8,
            requests_per_minute=None,
            shared=SharedLimits(FolderState(tmp_path), "test"),
            log=lines.append,
        )
        return NotionClient(
            auth=BearerAuth(TOKEN),
            rate_limiter=rate_limiter,
            base_url=sandbox.url,
            source="notion",
            log=lines.append,
            sleep=no_sleep,
        )

    return client


@pytest.fixture
def pipeline(project: Project, workspace: Workspace) -> Pipeline:
    """The project run through Dagster in this process, and its catalog."""
    return Pipeline(project, workspace)


@pytest.fixture
def runs(project: Project) -> Iterator[Runs]:
    """Runs of the project in an instance of its own, one by one, and what their events say."""
    with dg.DagsterInstance.ephemeral() as instance:
        yield Runs(project, instance)


@pytest.fixture
def reader(
    request: pytest.FixtureRequest,
    workspace: Workspace,
    notion: Callable[[], NotionClient],
    tmp_path: Path,
    lines: list[str],
) -> Reader:
    """Reads data sources into a stage, without a catalog; by one reader, or by as many as are asked for."""
    return Reader(workspace, notion, tmp_path / "stage", lines, spare=getattr(request, "param", 1) - 1)
