"""A newcomer in the Dagster UI: from an empty instance to synced tables and through a failure, in the browser alone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from playwright.sync_api import TimeoutError as NotThereError

from notion_pipeline.sandbox.control.faults import Fault
from notion_pipeline_tests.support.processes.browser import (
    CHROMIUM,
    SCREENSHOTS,
    Project,
    browser_page,
    dagster_dev,
    open_until,
    picture,
    wait_for_query,
    wait_for_tables,
)

#: Half a day from now, so that no tick comes between what the tests do; the documentation's pictures show the morning.
HOUR = 6 if SCREENSHOTS else (datetime.now(timezone.utc).hour + 12) % 24
SOURCES = f"""
sources:
  - name: notion
    description: Fernweh Outdoor, product team
    owners: ["team:data"]
    tags: {{domain: product}}
    account: {{type: token}}
    schedule: "0 {HOUR} * * *"
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium (Debian: apt-get install chromium)"),
]


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with dagster_dev(tmp_path, SOURCES) as project:
        yield project


@pytest.fixture
def page() -> Iterator[Page]:
    with browser_page() as page:
        yield page


def test_a_newcomer_syncs_and_finds_his_tables_in_the_browser(project: Project, page: Page) -> None:
    _sync_everything_with_one_click(page, project)
    _look_at_the_listing(page, project)
    _look_at_a_partition(page, project)
    _find_a_table_by_its_name(page, project)
    _sync_that_table_by_its_own_button(page, project)
    _switch_schedule_and_sensor(page, project)
    _launch_a_full_sync_of_one_database(page, project)


def test_a_failed_sync_tells_why_and_is_repeated_for_what_failed_alone(project: Project, page: Page) -> None:
    bad = [database for database in project.workspace.databases.values() if database.title in ("Deals", "Tasks")]
    for database in bad:
        query = f"POST /v1/data_sources/{database.data_source.id}/query"
        message = "Insufficient permissions for this endpoint."
        fault = Fault("status", match=query, times=1000, status=403, code="restricted_resource", message=message)
        project.workspace.faults.add(fault)
    _launch(page, project, "databases: [Deals, OKRs, People, Tasks]")
    wait_for_tables(page, project, 1 + 2)
    expect(page.get_by_text("RUN_FAILURE").first).to_be_visible()
    run = page.url
    expect(page.get_by_text("2 of 4 databases of source notion failed; the others are committed.").last).to_be_visible()
    expect(page.get_by_text('Give it the capability "Read content"').last).to_be_visible()
    picture(page, project.folder, "run_failure")
    # Red in both places: the table, and its partition.
    open_until(page, f"{project.url}/assets/notion/deals", "Failed")
    open_until(page, f"{project.url}/assets/notion/database?view=partitions", "Failed (2)")
    page.goto(run)

    project.workspace.faults.clear()
    before = len(project.workspace.requests)
    page.locator("button:right-of(:text('Re-execute all'))").first.click()
    page.get_by_role("menuitem", name="From failure").click()
    wait_for_tables(page, project, 1 + 4)
    expect(page.get_by_text("RUN_SUCCESS").first).to_be_visible()
    asked = {
        request.path.split("/")[3] for request in project.workspace.requests[before:] if request.path.endswith("/query")
    }
    assert asked == {database.data_source.id for database in bad}


def _sync_everything_with_one_click(page: Page, project: Project) -> None:
    """From the empty instance; neither a partition nor a confirmation is asked for."""
    page.goto(f"{project.url}/assets/notion/sync")
    page.get_by_role("button", name="Materialize").first.click()
    wait_for_tables(page, project, 1 + 18)
    open_until(page, f"{project.url}/assets/notion/sync", "api_requests")
    picture(page, project.folder, "sync")
    open_until(page, f"{project.url}/assets/notion/database?view=partitions", "Materialized (17)")
    picture(page, project.folder, "partitions")


def _look_at_the_listing(page: Page, project: Project) -> None:
    open_until(page, f"{project.url}/assets/notion/databases", "[Show Markdown]")
    page.get_by_text("[Show Markdown]").first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("Tasks", exact=True).first).to_be_visible()
    expect(dialog.get_by_text("sync type", exact=True)).to_be_visible()
    picture(page, project.folder, "databases")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)


def _look_at_a_partition(page: Page, project: Project) -> None:
    page.goto(f"{project.url}/assets/notion/database?view=partitions&partition={project.partition('Tasks')}")
    for shown in ("dagster/row_count", "376", "notion.tasks", "database_title", "rows_inserted"):
        expect(page.get_by_text(shown).first).to_be_visible()
    page.get_by_text("[Show Table Schema]").first.click()
    dialog = page.get_by_role("dialog")
    for column in ("last_edited_time", "assignee"):
        expect(dialog.get_by_text(column, exact=True).first).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    picture(page, project.folder, "partition")


def _find_a_table_by_its_name(page: Page, project: Project) -> None:
    """By typing it, as somebody does who knows no more than that; its columns need a definition of its own."""
    for _ in range(10):
        page.goto(f"{project.url}/overview")
        page.get_by_text("Search", exact=True).click()
        page.keyboard.type("customers_crm")
        try:
            page.get_by_text("notion / customers_crm").first.click(timeout=30_000)
            expect(page.get_by_text("Filter columns").or_(page.get_by_placeholder("Filter columns"))).to_be_visible(
                timeout=30_000
            )
        except (AssertionError, NotThereError):
            continue
        break
    expect(page.get_by_text('The Notion database "Customers (CRM)"')).to_be_visible()
    expect(page.get_by_text("notion.customers_crm").first).to_be_visible()
    expect(page.get_by_text("84", exact=True).first).to_be_visible()
    expect(page.get_by_text("domain: product").first).to_be_visible()
    picture(page, project.folder, "table")


def _sync_that_table_by_its_own_button(page: Page, project: Project) -> None:
    crm = next(database for database in project.workspace.databases.values() if database.title == "Customers (CRM)")
    before = len(project.workspace.requests)
    page.get_by_role("button", name="Materialize").first.click()
    wait_for_query(page, project, before)
    paths = {request.path for request in project.workspace.requests[before:] if request.path.endswith("/query")}
    assert paths == {f"/v1/data_sources/{source.id}/query" for source in crm.data_sources}


def _switch_schedule_and_sensor(page: Page, project: Project) -> None:
    """The schedule runs by itself since sources.yaml asks for it: it is switched off, and on again."""
    for name, states in (("schedules/notion_schedule", (False, True)), ("sensors/notion_changes", (True,))):
        page.goto(f"{project.url}/locations/notion_pipeline/{name}")
        switch = page.get_by_role("checkbox").first
        for wanted in states:
            expect(switch).to_be_checked(checked=not wanted)
            switch.locator("xpath=..").click()
            expect(switch).to_be_checked(checked=wanted)
    page.goto(f"{project.url}/automation")
    time = f"{HOUR % 12 or 12:02}:00 {'AM' if HOUR < 12 else 'PM'} UTC"
    expect(page.get_by_text(f"Scheduled At {time}")).to_be_visible()
    expect(page.get_by_text("notion_changes")).to_be_visible()
    picture(page, project.folder, "schedule")
    page.goto(f"{project.url}/locations/notion_pipeline/sensors/notion_changes")
    switch = page.get_by_role("checkbox").first
    expect(switch).to_be_checked()
    switch.locator("xpath=..").click()
    expect(switch).to_be_checked(checked=False)


def _launch_a_full_sync_of_one_database(page: Page, project: Project) -> None:
    _launch(page, project, "databases:\n        - Deals\n      sync_type: FULL_TABLE", shot="launchpad")
    expect(page.get_by_text("RUN_SUCCESS").first).to_be_visible()


def _launch(page: Page, project: Project, config: str, shot: str = "") -> None:
    """Writes the config into the Launchpad's editor, in place of what stands there, and launches it."""
    page.goto(f"{project.url}/locations/notion_pipeline/jobs/notion_sync/playground")
    editor = page.locator(".CodeMirror").first
    expect(editor.get_by_text("notion__database")).to_be_visible()
    text = f"ops:\n  notion__database:\n    config:\n      {config}\n"
    editor.evaluate("(element, text) => { element.CodeMirror.setValue(text); element.CodeMirror.focus(); }", text)
    # The panel beside the editor explains the field that the cursor stands in.
    editor.evaluate("element => element.CodeMirror.setCursor({line: 3, ch: 8})")
    expect(page.get_by_text("the databases to sync.").first).to_be_visible()
    expect(page.get_by_text("No errors")).to_be_visible()
    launch = page.get_by_role("button", name="Launch Run")
    expect(launch).to_be_enabled()
    if shot:
        picture(page, project.folder, shot)
    launch.click()
    page.wait_for_url("**/runs/**")
