"""The Dagster UI in a real browser: materialize the listing, backfill every partition, materialize one."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from playwright.sync_api import Page, expect, sync_playwright

from notion_pipeline.sandbox.sample import sample_workspace
from notion_pipeline.sandbox.server import SandboxServer

ROOT = Path(__file__).parent.parent
CHROMIUM = next((path for path in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if path), None)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
#: The backfill daemon looks once in a while only.
BACKFILL_SECONDS = 240

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium (Debian: apt-get install chromium)")


@pytest.fixture
def dagster_dev(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """`dagster dev` over the sample workspace: its address, and the project's folder."""
    for name in ("workspace.yaml", "dagster.yaml", "sources.yaml"):
        shutil.copy(ROOT / name, tmp_path / name)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with SandboxServer(sample_workspace()) as sandbox:
        environ = {key: value for key, value in os.environ.items() if not key.startswith(("NOTION_", "DAGSTER_"))}
        environ |= {"NOTION_API_URL": sandbox.url, "NOTION_TOKEN": "ntn_sandbox_token"}
        log = (tmp_path / "dev.log").open("wb")
        process = subprocess.Popen(
            [sys.executable, "-m", "dagster", "dev", "-h", "127.0.0.1", "-p", str(port)],
            cwd=tmp_path,
            env=environ,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_for(url, process, tmp_path / "dev.log")
            yield url, tmp_path
        finally:
            process.terminate()
            process.wait(timeout=30)
            log.close()


@pytest.fixture
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.set_default_timeout(30_000)
        yield page
        browser.close()


def test_one_partition_and_then_all_are_materialized_from_the_browser(
    dagster_dev: tuple[str, Path], page: Page
) -> None:
    url, project = dagster_dev
    page.goto(f"{url}/assets/notion/databases")
    page.get_by_role("button", name="Materialize").first.click()
    _wait_for_tables(page, project, 1)
    _open_partitions(page, url, "17 Partitions Selected")

    page.get_by_role("button", name="Materialize").first.click()
    page.get_by_text("Select a partition or create one").click()
    page.keyboard.type(_partition(project, "OKRs"))
    page.get_by_text("Select all (1)").click()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Launch").last.click()
    _wait_for_tables(page, project, 2)
    assert _tables(project) == {"databases", "okrs"}
    _open_partitions(page, url, "Materialized (1)")

    page.get_by_role("button", name="Materialize").first.click()
    page.get_by_role("button", name="All", exact=True).click()
    page.get_by_role("button", name="Launch backfill").click()
    _wait_for_tables(page, project, 1 + 18)
    _open_partitions(page, url, "Materialized (17)")

    page.goto(f"{url}/assets/notion/database?view=partitions&partition={_partition(project, 'Tasks')}")
    for shown in ("database_title", "Tasks", "rows_inserted", "notion.tasks"):
        expect(page.get_by_text(shown).first).to_be_visible()


def _open_partitions(page: Page, url: str, shown: str) -> None:
    """Opens the partitions until the page shows what is to be seen: it does not hear of every change by itself."""
    for _ in range(20):
        page.goto(f"{url}/assets/notion/database?view=partitions")
        try:
            expect(page.get_by_text(shown)).to_be_visible(timeout=10_000)
        except AssertionError:
            continue
        return
    raise AssertionError(f'the partitions never showed "{shown}"')


def _wait_for_tables(page: Page, project: Path, count: int) -> None:
    """Leaves the page open until so many tables stand: to go elsewhere at once would call the launch off."""
    for _ in range(BACKFILL_SECONDS * 2):
        if len(_tables(project)) >= count:
            return
        page.wait_for_timeout(500)
    raise AssertionError(f"{count} tables were to come, there are {sorted(_tables(project))}")


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(240):
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(f"{url}/server_info", timeout=2):
                return
        except OSError:
            time.sleep(0.25)
    raise AssertionError(log.read_text())


def _partition(project: Path, title: str) -> str:
    with duckdb.connect(str(project / "catalog.duckdb"), read_only=True) as connection:
        return str(connection.execute("SELECT id FROM notion.databases WHERE title = ?", [title]).fetchall()[0][0])


def _tables(project: Path) -> set[str]:
    """The tables of the catalog; none where it is not there yet or somebody writes it."""
    try:
        with duckdb.connect(str(project / "catalog.duckdb"), read_only=True) as connection:
            found = connection.execute("SELECT table_name FROM duckdb_tables() WHERE schema_name = 'notion'").fetchall()
    except duckdb.Error:
        return set()
    return {row[0] for row in found}
