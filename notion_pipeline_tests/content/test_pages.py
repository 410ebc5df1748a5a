"""Standalone pages, the whole way: how they are found, what they are in, when they go, and their content."""

from __future__ import annotations

from datetime import timedelta

import pytest

from notion_pipeline.sandbox.control.faults import Fault
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.model.objects import Page
from notion_pipeline_tests.support.whole_way import SCHEMA, Pipeline, Run, synced

CONTENT = "sources:\n  - name: notion\n    account: {type: token}\n    content: true\n"
SEARCH = "POST /v1/search"
PAGE = "GET /v1/pages/"
BLOCK = "GET /v1/blocks/"
JOB = "notion_content"


@pytest.fixture
def company(pipeline: Pipeline, workspace: Workspace) -> Pipeline:
    """A handbook with a page in a toggle in it, a page in a row, and rows; synced, all an hour old."""
    tasks = workspace.add_database("Tasks", SCHEMA).data_source
    row = tasks.add_page({"Name": "First"}, content="A row's words.")
    tasks.add_page({"Name": "Second"})
    handbook = workspace.add_page("Handbook", shared=True, content="Read this.")
    toggle = workspace.add_block(handbook, "toggle", "More")
    column = workspace.add_block(toggle, "toggle", "Still more")
    workspace.add_page("Holidays", parent=column, content="Thirty days.")
    workspace.add_page("Notes", parent=row, content="Of the first task.")
    workspace.clock.advance(timedelta(hours=1))
    pipeline.configure(CONTENT)
    assert pipeline.sync().success
    return pipeline


def page(workspace: Workspace, title: str) -> Page:
    return next(found for found in workspace.pages.values() if found.title == title)


def pages(pipeline: Pipeline) -> dict[str, list[str]]:
    """Paths by title, but for the page that every database of the workspace is in."""
    return dict(pipeline.query("SELECT title, path FROM notion.pages WHERE title <> 'Acme'"))


def asked(run: Run) -> tuple[int, int, int]:
    return run.asked(SEARCH), run.asked(PAGE) - run.asked("/markdown"), run.asked(BLOCK)


def test_each_page_comes_with_its_path(company: Pipeline, workspace: Workspace) -> None:
    run = synced(company, JOB)
    assert pages(company) == {"Handbook": [], "Holidays": ["Handbook"], "Notes": ["Tasks", "First"]}
    # One search, two blocks up to the handbook; the row is in its table.
    assert asked(run) == (1, 0, 2)
    found = company.query("SELECT parent_type, parent_id, found_by FROM notion.pages WHERE title = 'Holidays'")
    assert found == [("page", page(workspace, "Handbook").id, "search")]


def test_a_second_run_asks_search_alone(company: Pipeline) -> None:
    synced(company, JOB)
    before = company.query("SELECT * FROM notion.pages ORDER BY page_id")
    run = synced(company, JOB)
    # What was edited since, and the trash.
    assert asked(run) == (2, 0, 0)
    assert run.asked("/markdown") == 0
    assert company.query("SELECT * FROM notion.pages ORDER BY page_id") == before


def test_their_content_is_read_in_the_same_run(company: Pipeline) -> None:
    run = synced(company, JOB)
    assert run.asked("/markdown") == 6
    found = company.query(
        "SELECT title, path, markdown FROM notion.page_content WHERE data_source_id IS NULL "
        "AND title <> 'Acme' ORDER BY title"
    )
    assert [(title, path) for title, path, _ in found] == [
        ("Handbook", []),
        ("Holidays", ["Handbook"]),
        ("Notes", ["Tasks", "First"]),
    ]
    assert [markdown for title, _, markdown in found if title == "Holidays"] == ["Thirty days."]


def test_an_edited_page_is_found_and_read_again(company: Pipeline, workspace: Workspace) -> None:
    synced(company, JOB)
    workspace.edit_page(page(workspace, "Holidays"), content="Thirty-one days.", edited_at=workspace.clock.now())
    workspace.clock.advance(timedelta(hours=1))
    run = synced(company, JOB)
    # The block above it is known.
    assert (asked(run), run.asked("/markdown")) == ((2, 0, 0), 1)
    assert company.value("SELECT markdown FROM notion.page_content WHERE title = 'Holidays'") == "Thirty-one days."


def test_a_renamed_page_changes_the_paths_below_it(company: Pipeline, workspace: Workspace) -> None:
    synced(company, JOB)
    workspace.edit_page(page(workspace, "Handbook"), {"title": "Manual"}, edited_at=workspace.clock.now())
    workspace.clock.advance(timedelta(hours=1))
    synced(company, JOB)
    assert pages(company)["Holidays"] == ["Manual"]
    assert company.value("SELECT path FROM notion.page_content WHERE title = 'Holidays'") == ["Manual"]


def test_a_page_that_search_never_shows_is_found_by_content(company: Pipeline, workspace: Workspace) -> None:
    hidden, notes = page(workspace, "Holidays"), page(workspace, "Notes")
    workspace.switches.search_gaps = {hidden.id, notes.id}
    assert asked(synced(company, JOB)) == (1, 0, 0)
    # Both were named by what the first run read. The second one of them is in a row.
    run = synced(company, JOB)
    assert (asked(run), run.asked("/markdown")) == ((2, 2, 2), 2)
    assert pages(company) == {"Handbook": [], "Holidays": ["Handbook"], "Notes": ["Tasks", "First"]}
    assert company.value("SELECT found_by FROM notion.pages WHERE title = 'Notes'") == "content"
    assert asked(synced(company, JOB)) == (2, 0, 0)


def test_a_page_that_is_not_shared_is_asked_for_once(company: Pipeline, workspace: Workspace) -> None:
    workspace.switches.search_gaps = {page(workspace, "Holidays").id}
    synced(company, JOB)
    workspace.faults.add(refused(page(workspace, "Holidays").id))
    assert asked(synced(company, JOB)) == (2, 1, 0)
    assert asked(synced(company, JOB)) == (2, 0, 0)
    assert set(pages(company)) == {"Handbook", "Notes"}


def refused(page_id: str) -> Fault:
    return Fault(
        "status", match=f"/v1/pages/{page_id}$", status=404, code="object_not_found", message="Not found.", times=99
    )


def test_a_page_in_the_trash_goes_with_its_content(company: Pipeline, workspace: Workspace) -> None:
    synced(company, JOB)
    workspace.trash(page(workspace, "Notes"))
    workspace.clock.advance(timedelta(hours=1))
    synced(company, JOB)
    assert set(pages(company)) == {"Handbook", "Holidays"}
    assert company.value("SELECT count(*) FROM notion.page_content WHERE title = 'Notes'") == 0


def test_a_page_that_is_gone_is_marked_where_rows_are(company: Pipeline, workspace: Workspace) -> None:
    company.configure(CONTENT + "    deleted_rows: mark\n")
    synced(company, JOB)
    workspace.delete(page(workspace, "Notes"))
    # Nothing tells of it before a search of all.
    synced(company, JOB)
    assert company.value("SELECT count(*) FROM notion.pages WHERE _deleted_at IS NOT NULL") == 0
    run = company.sync(JOB, config={"notion__pages": {"search_all": True}})
    assert asked(run) == (1, 1, 2)
    found = company.query("SELECT title, in_trash FROM notion.pages WHERE _deleted_at IS NOT NULL")
    assert found == [("Notes", False)]
    assert company.value("SELECT count(*) FROM notion.page_content WHERE _deleted_at IS NOT NULL") == 1


def test_a_page_whose_content_is_gone_is_asked_for_by_the_next_run(company: Pipeline, workspace: Workspace) -> None:
    synced(company, JOB)
    workspace.delete(page(workspace, "Notes"))
    assert company.sync(JOB, config={"notion__content": {"refresh": True}}).success
    assert "Notes" in pages(company)
    assert asked(synced(company, JOB)) == (2, 1, 0)
    assert set(pages(company)) == {"Handbook", "Holidays"}


def test_nothing_goes_when_the_search_fails(company: Pipeline, workspace: Workspace) -> None:
    synced(company, JOB)
    workspace.delete(page(workspace, "Notes"))
    workspace.faults.add(Fault("status", match="/v1/search", status=400, code="validation_error", message="No."))
    run = company.sync(JOB, config={"notion__pages": {"search_all": True}})
    assert not run.success
    assert run.asked(PAGE) == 0
    assert len(pages(company)) == 3
    # The next one is whole again only when it is asked for.
    assert company.sync(JOB, config={"notion__pages": {"search_all": True}}).success
    assert len(pages(company)) == 2


def test_a_page_that_fails_is_asked_for_again(company: Pipeline, workspace: Workspace) -> None:
    toggle = workspace.blocks_of(page(workspace, "Handbook"))[1]
    workspace.faults.add(
        Fault("status", match=f"/v1/blocks/{toggle.id}", status=400, code="validation_error", message="No.")
    )
    run = synced(company, JOB)
    assert "could not be read, and is asked for again by the next run" in run.log
    assert set(pages(company)) == {"Handbook", "Notes"}
    assert asked(synced(company, JOB)) == (2, 1, 2)
    assert pages(company)["Holidays"] == ["Handbook"]


def test_a_page_that_became_a_row_leaves(company: Pipeline, workspace: Workspace) -> None:
    synced(company, JOB)
    tasks = next(iter(workspace.databases.values())).data_source
    workspace.move_page(page(workspace, "Notes"), tasks)
    workspace.clock.advance(timedelta(hours=1))
    synced(company)
    synced(company, JOB)
    assert set(pages(company)) == {"Handbook", "Holidays"}
    found = company.query("SELECT data_source_id, path, markdown FROM notion.page_content WHERE title = 'Notes'")
    assert found == [(tasks.id, ["Tasks"], "Of the first task.")]


def test_none_are_read_where_they_are_switched_off(company: Pipeline) -> None:
    company.configure("sources:\n  - name: notion\n    account: {type: token}\n    content: {pages: false}\n")
    run = synced(company, JOB)
    assert asked(run) == (0, 0, 0)
    assert run.asked("/markdown") == 2
