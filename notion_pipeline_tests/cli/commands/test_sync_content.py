"""`notion-pipeline sync --content`: the job of content after the sync, with its result and its failures."""

from __future__ import annotations

from datetime import timedelta

import pytest

from notion_pipeline.project import Project
from notion_pipeline.sandbox.control.faults import Fault
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline_tests.support.catalog import catalogs
from notion_pipeline_tests.support.commands import Commands
from notion_pipeline_tests.support.whole_way import REFUSAL

pytestmark = pytest.mark.slow

WITH_CONTENT = "sources: [{name: notion, account: {type: token}, content: {pages: false}}]\n"
WITHOUT = "sources: [{name: notion, account: {type: token}}]\n"


@pytest.fixture
def commands(project: Project, workspace: Workspace) -> Commands:
    """Two databases of two pages each, with words; the source asks for their content."""
    for title in ("Tasks", "Notes"):
        source = workspace.add_database(title, {"Name": "title"}).data_source
        for name in ("one", "two"):
            source.add_page({"Name": name}, content=f"Words of {name}.")
    workspace.clock.advance(timedelta(hours=1))
    found = Commands(project)
    found.configure(WITH_CONTENT)
    return found


def titles(project: Project) -> list[tuple[str, int]]:
    with catalogs.reading(project.root) as connection:
        return connection.execute("SELECT path[1], count(*) FROM notion.page_content GROUP BY 1 ORDER BY 1").fetchall()


def test_content_is_read_after_the_sync(commands: Commands, project: Project) -> None:
    result = commands.run("sync", "--content")
    assert result.exit_code == 0, result.output
    assert titles(project) == [("Notes", 2), ("Tasks", 2)]
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert "Tasks 2 2 0 0" in lines
    assert any(line.startswith("Content of source notion: 4 pages read, ") for line in lines)
    assert "notion: reading content" in result.stderr
    assert "notion: 4 pages are due in 2 databases." in result.stderr
    assert "Content of source notion: 0 pages read" in commands.ok("sync", "--content")


def test_sources_and_streams_show_content_and_its_schedule(commands: Commands) -> None:
    commands.configure(WITH_CONTENT.replace("{pages: false}", '{pages: false, users: false, schedule: "0 3 * * *"}'))
    commands.ok("sync")
    assert "not read yet; `notion-pipeline sync --source notion --content` reads it" in commands.ok("sources")
    commands.ok("sync", "--content")
    shown = commands.ok("sources")
    assert "content   4 pages of 2 databases" in shown
    assert "notion_content_schedule" in shown
    assert "notion_content: success" in shown
    assert commands.json("sources", "--json")[0]["pages_with_content"] == 4
    found = {stream["title"]: stream["pages_with_content"] for stream in commands.json("streams", "--json")}
    assert "pages with content" in commands.ok("streams")
    assert found == {"List of databases": None, "Notes": 2, "Tasks": 2}


def test_pages_in_no_database_and_files_are_counted_too(
    commands: Commands, project: Project, workspace: Workspace
) -> None:
    handbook = workspace.add_page("Handbook", shared=True)
    workspace.add_block(handbook, "pdf", hosted=workspace.add_file("handbook.pdf"))
    workspace.clock.advance(timedelta(hours=1))
    commands.configure(WITH_CONTENT.replace("{pages: false}", "{files: {download_to: kept}}"))
    said = commands.ok("sync", "--content")
    pages = sum(count for _, count in titles(project))
    assert pages > 4
    assert f"Content of source notion: {pages} pages read, " in said
    assert " files kept or listed, with " in said


def test_content_of_one_database(commands: Commands, project: Project, workspace: Workspace) -> None:
    before = len(workspace.requests)
    commands.ok("sync", "Tasks", "--content")
    assert titles(project) == [("Tasks", 2)]
    assert not [request for request in workspace.requests[before:] if "/users" in request.path]


def test_page_that_fails_is_named_and_ends_the_command_with_1(
    commands: Commands, project: Project, workspace: Workspace
) -> None:
    page = next(iter(workspace.databases.values())).data_source.pages[0]
    workspace.faults.add(Fault("status", match=f"{page.id}/markdown", **REFUSAL))
    said = commands.fails("sync", "--content")
    assert page.id in said
    assert sum(count for _, count in titles(project)) == 3


def test_source_without_content_is_told_how_to_ask_for_it(commands: Commands, workspace: Workspace) -> None:
    commands.configure(WITHOUT)
    before = len(workspace.requests)
    said = commands.fails("sync", "--content")
    assert "`content: true`" in said
    assert "`notion-pipeline add --change --name notion --content all`" in said
    assert len(workspace.requests) == before


def test_sources_that_ask_for_content_go_on_beside_one_that_does_not(commands: Commands) -> None:
    commands.configure(
        "sources:\n  - {name: notion, account: {type: token}, content: {pages: false}}\n"
        "  - {name: bare, account: {type: token}}\n"
    )
    result = commands.run("sync", "--content")
    assert result.exit_code == 0, result.output
    assert "no content of source bare" in result.stderr
    assert "Content of source notion: 4 pages read" in result.stdout
