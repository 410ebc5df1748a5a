"""`connect` in a real browser: Allow and then a sync, Cancel, and a callback that is visited again."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Error, Page, expect

from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.http.server import SandboxServer
from notion_pipeline_tests.support.accounts.connecting_process import Folder
from notion_pipeline_tests.support.catalog import catalogs
from notion_pipeline_tests.support.processes.browser import CHROMIUM, browser_page

#: A folder to look at the pages in; nothing is kept without it.
SCREENSHOTS = os.environ.get("CONNECT_SCREENSHOTS")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium (Debian: apt-get install chromium)"),
]


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with browser_page(900, 700) as page:
        yield page


@pytest.fixture
def folder(tmp_path: Path, workspace: Workspace, sandbox: SandboxServer) -> Folder:
    for title, rows in (("Tasks", 3), ("<b>Notes</b>", 2), ("Private", 1)):
        database = workspace.add_database(title, {"Name": "title"})
        for number in range(rows):
            database.data_source.add_page({"Name": f"{number}"})
    return Folder(tmp_path / "project", sandbox)


def look(page: Page, name: str) -> None:
    if SCREENSHOTS:
        page.screenshot(path=f"{SCREENSHOTS}/{name}.png")


def test_allow_connects_and_the_chosen_databases_are_synced(folder: Folder, page: Page) -> None:
    with folder.connecting() as connecting:
        page.goto(connecting.url)
        page.get_by_label("Private").uncheck()
        look(page, "authorize")
        page.get_by_role("button", name="Allow").click()
        expect(page.get_by_role("heading", name='Connected to "Acme"')).to_be_visible()
        look(page, "connected")
        expect(page.get_by_text("2 databases can be seen.")).to_be_visible()
        expect(page.get_by_text('account: {type: oauth, workspace: "Acme"}')).to_be_visible()
        callback = page.url
        code, output = connecting.end()
    assert code == 0, output
    assert 'Connected to "Acme"' in output

    parts = urlsplit(callback)
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", parts.port or 0)) != 0, "nothing listens any more"
    with pytest.raises(Error, match="ERR_CONNECTION_REFUSED"):
        page.goto(callback)
    with folder.connecting():
        assert page.goto(callback).status == 400  # type: ignore[union-attr]
        expect(page.get_by_role("heading", name="This page belongs to another connection")).to_be_visible()
        look(page, "wrong_state")

    folder.configure("Acme")
    synced = folder.run("sync")
    assert synced.returncode == 0, synced.stdout + synced.stderr
    with catalogs.reading(folder.root) as connection:
        found = connection.execute("SELECT title FROM notion.databases ORDER BY title").fetchall()
        assert connection.execute("SELECT count(*) FROM notion.tasks").fetchall() == [(3,)]
    assert found == [("<b>Notes</b>",), ("Tasks",)]


def test_cancel_says_how_to_go_on(folder: Folder, page: Page) -> None:
    with folder.connecting("--source", "notion") as connecting:
        page.goto(connecting.url)
        page.get_by_role("button", name="Cancel").click()
        expect(page.get_by_role("heading", name="Nothing was connected")).to_be_visible()
        expect(page.locator("code", has_text="notion-pipeline connect --source notion")).to_be_visible()
        look(page, "cancelled")
        code, output = connecting.end()
    assert code == 1
    assert "Error: Access was cancelled in Notion; nothing was connected." in output
    assert "Traceback" not in output
    assert list((folder.root / ".notion_pipeline").rglob("*.json")) == []


def test_wrong_client_credentials_have_a_page(folder: Folder, page: Page) -> None:
    folder.environ["NOTION_CLIENT_SECRET"] = "of-another-connection"
    with folder.connecting() as connecting:
        page.goto(connecting.url)
        page.get_by_role("button", name="Allow").click()
        expect(page.get_by_role("heading", name="Notion does not know this connection")).to_be_visible()
        look(page, "wrong_client")
        code, output = connecting.end()
    assert code == 1
    assert "of-another-connection" not in output + page.content()


def test_a_code_that_is_spent_has_a_page(folder: Folder, page: Page) -> None:
    folder.server.ws.oauth.settings.code_seconds = 0
    with folder.connecting() as connecting:
        page.goto(connecting.url)
        page.get_by_role("button", name="Allow").click()
        expect(page.get_by_role("heading", name="Notion's code was too old, or used already")).to_be_visible()
        look(page, "code_refused")
        assert connecting.end()[0] == 1
