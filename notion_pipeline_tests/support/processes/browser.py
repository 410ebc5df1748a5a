"""Dagster's UI over the sample workspace, in a real browser, with waits for what the page shows."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
from playwright.sync_api import Page, expect, sync_playwright
from slugify import slugify

from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.http.server import SandboxServer
from notion_pipeline.sandbox.sample import sample_workspace
from notion_pipeline_tests.support.catalog import catalogs
from notion_pipeline_tests.support.patience import PATIENCE
from notion_pipeline_tests.support.ports import free_port

ROOT = Path(__file__).parents[3]
CHROMIUM = next((path for path in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if path), None)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
#: A backfill waits for its daemon, which looks once in a while only, and the machine may be slow.
RUN_SECONDS = 2 * PATIENCE
#: Where the pictures of the documentation are put instead of beside the test: `SCREENSHOTS=docs/images`.
SCREENSHOTS = os.environ.get("SCREENSHOTS")


@dataclass
class Project:
    """A project folder with `dagster dev` over it, and the workspace it reads."""

    url: str
    folder: Path
    workspace: Workspace

    def partition(self, title: str) -> str:
        """The key of a database, which is its table's name."""
        return slugify(title, separator="_")

    def tables(self) -> set[str]:
        """The tables of databases and their list; none where the catalog is not there yet or somebody writes it."""
        try:
            with catalogs.reading(self.folder) as connection:
                found = connection.execute("SELECT table_name FROM duckdb_tables() WHERE schema_name = 'notion'")
                return {row[0] for row in found.fetchall()} - {"users"}
        except duckdb.Error:
            return set()


@contextmanager
def dagster_dev(folder: Path, sources: str) -> Iterator[Project]:
    """`dagster dev` in a folder that holds nothing but the files of a new project."""
    for name in ("workspace.yaml", "dagster.yaml"):
        shutil.copy(ROOT / name, folder / name)
    (folder / "sources.yaml").write_text(sources, encoding="utf-8")
    port = free_port()
    workspace = sample_workspace()
    with SandboxServer(workspace) as sandbox, (folder / "dev.log").open("wb") as log:
        environ = {key: value for key, value in os.environ.items() if not key.startswith(("NOTION_", "DAGSTER_"))}
        environ |= {"NOTION_API_URL": sandbox.url, "NOTION_TOKEN": "ntn_sandbox_token"}
        process = subprocess.Popen(
            [sys.executable, "-m", "dagster", "dev", "-h", "127.0.0.1", "-p", str(port)],
            cwd=folder,
            env=environ,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_for(url, process, folder / "dev.log")
            yield Project(url, folder, workspace)
        finally:
            process.terminate()
            process.wait(timeout=PATIENCE)


@contextmanager
def browser_page(width: int = 1280, height: int = 800) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS, timeout=PATIENCE * 1000)
        page = browser.new_page(viewport={"width": width, "height": height})
        page.set_default_timeout(PATIENCE * 1000)
        expect.set_options(timeout=PATIENCE * 1000)
        yield page
        browser.close()


def open_until(page: Page, url: str, shown: str) -> None:
    """Opens an address until the page shows what is to be seen: it does not hear of every change by itself."""
    end = time.monotonic() + RUN_SECONDS
    while time.monotonic() < end:
        page.goto(url)
        try:
            expect(page.get_by_text(shown).first).to_be_visible(timeout=10_000)
        except AssertionError:
            continue
        return
    raise AssertionError(f'{url} never showed "{shown}"')


def wait_for_tables(page: Page, project: Project, count: int) -> None:
    """Leaves the page open until so many tables stand: to go elsewhere at once would call the launch off."""
    end = time.monotonic() + RUN_SECONDS
    while time.monotonic() < end:
        if len(project.tables()) >= count:
            return
        page.wait_for_timeout(500)
    raise AssertionError(f"{count} tables were to come, there are {sorted(project.tables())}")


def picture(page: Page, folder: Path, name: str) -> None:
    """A picture of what the page shows now, for whoever looks into a failure, and for the documentation."""
    places = [folder, *([ROOT / SCREENSHOTS] if SCREENSHOTS else [])]
    for place in places:
        place.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=place / f"{name}.png", animations="disabled")


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(f"{url}/server_info", timeout=30):
                return
        except OSError:
            time.sleep(0.25)
    raise AssertionError(log.read_text())


def wait_for_query(page: Page, project: Project, before: int) -> None:
    """Leaves the page open until rows were asked for."""
    end = time.monotonic() + RUN_SECONDS
    while time.monotonic() < end:
        if any(request.path.endswith("/query") for request in project.workspace.requests[before:]):
            page.wait_for_timeout(5_000)  # the other data sources of the database, and the end of the run
            return
        page.wait_for_timeout(500)
    raise AssertionError("no row was asked for")
