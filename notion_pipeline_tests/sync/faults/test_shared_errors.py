"""One error that several databases wait for: each tells of itself, and none of another."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from notion_pipeline.errors import AuthorizationError, CatalogError, NotionPipelineError, error_context, located
from notion_pipeline.project import Project, find_project
from notion_pipeline.sandbox.control.faults import Fault
from notion_pipeline.sandbox.http.server import SandboxServer
from notion_pipeline_tests.support.accounts.oauth_side import CREDENTIALS, SOURCES, OAuthSide
from notion_pipeline_tests.support.patience import PATIENCE
from notion_pipeline_tests.support.whole_way import QUERY, Pipeline, synced, tasks_in


@pytest.fixture
def side(project: Project, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch) -> OAuthSide:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    (project.root / "sources.yaml").write_text(SOURCES)
    return OAuthSide(find_project(project.root), sandbox)


def revoke_when_all_wait(side: OAuthSide) -> None:
    """Disconnects the account once three queries were refused."""
    deadline = time.monotonic() + PATIENCE
    while sum(request.status == 401 for request in side.ws.requests) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    side.ws.oauth.disconnect()


def test_databases_of_a_revoked_account_are_each_named_once(side: OAuthSide) -> None:
    pipeline = Pipeline(side.project, side.ws)
    databases = [tasks_in(side.ws, 2, title).database for title in ("Tasks", "Notes", "Plans")]
    side.connect()
    synced(pipeline)
    # All three ask at once, are refused, and wait for the one refresh, which is refused as well.
    side.ws.faults.add(Fault("call", match=QUERY, times=3, callable=threading.Barrier(3, timeout=PATIENCE).wait))
    side.ws.faults.add(Fault("unauthorized", match=QUERY, times=3))
    side.ws.faults.add(Fault("call", match="POST /v1/oauth/token", callable=lambda: revoke_when_all_wait(side)))
    run = pipeline.sync()
    assert not run.success
    assert "3 of 3 databases of source notion failed" in run.log, run.log[-3000:]
    text = run.log[run.log.rindex("3 of 3 databases of source notion failed") :]
    for database in databases:
        assert text.count(f'Database "{database.title}" ({database.id})') == 1, text
    assert text.count("was disconnected") == 3


@pytest.mark.parametrize("error", [AuthorizationError("Gone.", hint="Connect.", status=401), CatalogError("Locked.")])
def test_error_that_tasks_share_is_told_by_each_of_its_own(error: NotionPipelineError) -> None:
    async def told() -> list[NotionPipelineError]:
        shared: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def task(name: str) -> None:
            with error_context(source="notion", database=name):
                await asyncio.shield(shared)

        tasks = [asyncio.ensure_future(task(name)) for name in ("A", "B", "C")]
        await asyncio.sleep(0)
        shared.set_exception(error)
        return [found for found in await asyncio.gather(*tasks, return_exceptions=True) if found is not None]

    found = asyncio.run(told())
    assert [own.database for own in found] == ["A", "B", "C"]
    assert {type(own) for own in found} == {type(error)}
    assert all(own.message == error.message and own.hint == error.hint for own in found)
    assert error.database is None


def test_error_keeps_its_cause_and_its_way() -> None:
    try:
        try:
            raise KeyError("why")
        except KeyError as cause:
            raise CatalogError("Locked.") from cause
    except CatalogError as error:
        own = located(error, database="A")
        assert own is not error
        assert own.__cause__ is error.__cause__
        assert own.__traceback__ is error.__traceback__
        assert located(own, database="B") is own
