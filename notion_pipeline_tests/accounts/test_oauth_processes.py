"""Connected accounts over whole syncs: short-lived tokens in four processes, and a connection removed in Notion."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from notion_pipeline.accounts.stores.token_store import open_store
from notion_pipeline.project import find_project
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.http.server import SandboxServer
from notion_pipeline_tests.support.accounts.connecting_process import Folder
from notion_pipeline_tests.support.accounts.oauth_side import allow
from notion_pipeline_tests.support.catalog import catalogs
from notion_pipeline_tests.support.patience import PATIENCE

pytestmark = [pytest.mark.slow, pytest.mark.long]


SOURCES = ("north", "east", "south", "west")


def connect(folder: Folder) -> str:
    with folder.connecting() as connecting:
        assert httpx.get(allow(connecting.url), timeout=PATIENCE).status_code == 200
        code, output = connecting.end()
    assert code == 0, output
    return folder.server.ws.oauth.grants[-1].token.bot.id


def fetch(folder: Folder, sql: str) -> list[tuple[Any, ...]]:
    with catalogs.reading(folder.root) as connection:
        return connection.execute(sql).fetchall()


@pytest.fixture
def folder(tmp_path: Path, sandbox: SandboxServer) -> Folder:
    return Folder(tmp_path / "project", sandbox)


def test_four_processes_with_tokens_of_two_seconds_never_use_a_refresh_token_twice(
    folder: Folder, workspace: Workspace
) -> None:
    for source in SOURCES:
        for number in range(4):
            database = workspace.add_database(f"{source} {number}", {"Name": "title"})
            for row in range(120):
                database.data_source.add_page({"Name": f"{row}"})
    entries = [
        f"  - name: {source}\n    account: {{type: oauth, workspace: Acme}}\n    select: ['{source} *']\n"
        "    limits: {concurrent_requests: 2}\n"
        for source in SOURCES
    ]
    (folder.root / "sources.yaml").write_text(f"sources:\n{''.join(entries)}")
    connect(folder)
    # Dagster's own storage is made by the first command; four at once would race for that.
    assert folder.run("sync", "databases", "--source", "north").returncode == 0
    oauth = workspace.oauth
    oauth.settings.access_token_seconds = 2.0
    workspace.latency = 0.25
    open_store(find_project(folder.root, {})).save(_refreshed(folder))

    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "notion_pipeline.cli", "sync", "--source", source],
            cwd=folder.root,
            env=folder.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for source in SOURCES
    ]
    outputs = [process.communicate(timeout=PATIENCE)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, "\n".join(outputs)
    assert oauth.reused == 0
    assert not oauth.grants[0].ended
    assert oauth.grants[0].refreshes >= 3, "the sync outlived several tokens"
    refused = [request for request in workspace.requests if request.path == "/v1/oauth/token" and request.status != 200]
    assert refused == []
    for source in SOURCES:
        assert fetch(folder, f"SELECT sum(rows_read) FROM _notion_pipeline.syncs WHERE source = '{source}'") == [
            (4 * 120,)
        ]


def _refreshed(folder: Folder) -> Any:
    """A pair that dies as the settings say from now on."""
    from notion_pipeline.accounts.oauth_client import OAuthClient

    project = find_project(folder.root, folder.environ)
    (account,) = open_store(project).accounts()
    return OAuthClient.of(project).refresh(account)


def test_a_connection_removed_in_notion_ends_the_run_and_connecting_goes_on(
    folder: Folder, workspace: Workspace
) -> None:
    database = workspace.add_database("Tasks", {"Name": "title"})
    for row in range(5):
        database.data_source.add_page({"Name": f"{row}"})
    folder.configure("Acme")
    connect(folder)
    assert folder.run("sync").returncode == 0
    before = fetch(folder, "SELECT bookmark FROM _notion_pipeline.streams")

    workspace.oauth.disconnect()
    refused = folder.run("sync")
    assert refused.returncode == 1
    told = " ".join(refused.stderr.split())
    assert 'The account was disconnected: Notion no longer lets it into workspace "Acme".' in told
    assert "Connect it again with `notion-pipeline connect --source notion`" in told
    assert "Traceback" not in told
    assert fetch(folder, "SELECT count(*) FROM notion.tasks") == [(5,)]
    assert fetch(folder, "SELECT accessible FROM notion.databases") == [(True,)]

    connect(folder)
    database.data_source.add_page({"Name": "new"})
    asked = len(workspace.requests)
    assert folder.run("sync").returncode == 0
    assert fetch(folder, "SELECT count(*) FROM notion.tasks") == [(6,)]
    last = "SELECT sync_type, bookmark_before FROM _notion_pipeline.syncs ORDER BY finished_at DESC LIMIT 1"
    assert fetch(folder, last) == [("INCREMENTAL", before[0][0])]
    queries = [request for request in workspace.requests[asked:] if request.path.endswith("/query")]
    assert all("last_edited_time" in str(request.body) for request in queries), "nothing was read in full"
