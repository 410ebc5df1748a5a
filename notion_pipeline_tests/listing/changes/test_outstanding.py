"""With `watch` alone nothing is lost: the sensor asks until it is committed, less and less often, and stays small."""

from __future__ import annotations

import itertools
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from notion_pipeline.listing.changes.cursor import ChangesCursor
from notion_pipeline.project import Project
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.model.objects import Database
from notion_pipeline_tests.listing.changes.test_changes import Ticks
from notion_pipeline_tests.support.catalog import catalogs
from notion_pipeline_tests.support.dagster_runs import refuse
from notion_pipeline_tests.support.whole_way import Pipeline

WATCHED = "sources: [{{name: notion, account: {{type: token}}, watch: true, select: {select}, deselect: {deselect}}}]"


@pytest.fixture
def tasks(workspace: Workspace) -> Database:
    return _database(workspace, "Tasks")


@pytest.fixture
def notes(workspace: Workspace) -> Database:
    return _database(workspace, "Notes")


@pytest.fixture
def watched(tasks: Database, notes: Database, project: Project, workspace: Workspace, pipeline: Pipeline) -> Ticks:
    """The sensor after a first tick and a whole sync, an hour after anything was edited."""
    workspace.clock.advance(timedelta(hours=1))
    ticks = Ticks(project, pipeline.instance)
    assert ticks.due() == [], "the first tick asks for everything"
    assert pipeline.sync().success
    workspace.clock.advance(timedelta(minutes=2))
    assert ticks.due() is None
    return ticks


def _database(workspace: Workspace, title: str) -> Database:
    found = workspace.add_database(title, {"Name": "title"})
    found.data_source.add_page({"Name": "one"})
    return found


def _asked(ticks: Ticks, workspace: Workspace, minutes: int, pipeline: Pipeline | None = None) -> list[list[str]]:
    """What the ticks of so many minutes ask for; each is run where there is a pipeline."""
    found = []
    for _ in range(minutes):
        workspace.clock.advance(timedelta(minutes=1))
        due = ticks.due()
        if due is None:
            continue
        found.append(due)
        if pipeline is not None:
            pipeline.sync(only=due)
    return found


@pytest.mark.slow
@pytest.mark.long
def test_edit_whose_run_failed_is_asked_for_again(
    watched: Ticks, tasks: Database, workspace: Workspace, pipeline: Pipeline
) -> None:
    workspace.edit_page(tasks.data_source.pages[0], {"Name": "edited"})
    refuse(workspace, tasks)
    assert watched.due() == [tasks.id]
    assert not pipeline.sync(only=[tasks.id]).success
    assert watched.due() == [tasks.id], "at once when the first run for it has ended"
    workspace.faults.clear()
    assert pipeline.sync(only=[tasks.id]).success
    _asked(watched, workspace, 2, pipeline)
    assert pipeline.query("SELECT name FROM notion.tasks") == [("edited",)]
    assert _asked(watched, workspace, 3) == []
    assert ChangesCursor.load(watched.cursor).pending == {}


@pytest.mark.slow
@pytest.mark.long
def test_failing_database_is_asked_for_less_and_less_often_and_never_given_up(
    watched: Ticks, tasks: Database, notes: Database, workspace: Workspace, pipeline: Pipeline
) -> None:
    workspace.edit_page(tasks.data_source.pages[0], {"Name": "edited"})
    refuse(workspace, tasks, times=10_000)
    moments = []
    for minute in range(200):
        workspace.clock.advance(timedelta(minutes=1))
        # Somebody who goes on working on it makes it no more urgent.
        workspace.edit_page(tasks.data_source.pages[0], {"Name": f"edited {minute}"})
        if (due := watched.due()) is not None:
            assert due == [tasks.id]
            moments.append(minute)
            if len(moments) == 1:
                pipeline.sync(only=due)
    gaps = [later - earlier for earlier, later in itertools.pairwise(moments)]
    assert gaps == [1, 2, 4, 8, 16, 32, 60, 60]
    # Another database does not wait for it.
    workspace.edit_page(notes.data_source.pages[0], {"Name": "edited"})
    assert watched.due() == [notes.id]


@pytest.mark.slow
@pytest.mark.long
def test_database_whose_first_run_failed_gets_its_table_without_an_edit(
    tasks: Database, notes: Database, project: Project, workspace: Workspace, pipeline: Pipeline
) -> None:
    workspace.clock.advance(timedelta(hours=1))
    ticks = Ticks(project, pipeline.instance)
    refuse(workspace, tasks)
    assert ticks.due() == []
    assert not pipeline.sync().success
    workspace.faults.clear()
    workspace.clock.advance(timedelta(hours=1))
    assert ticks.due() == [tasks.id]
    assert pipeline.sync(only=[tasks.id]).success
    assert _asked(ticks, workspace, 3) == []


@pytest.mark.slow
@pytest.mark.long
def test_first_run_that_never_listed_is_asked_for_again(
    tasks: Database, project: Project, workspace: Workspace, pipeline: Pipeline
) -> None:
    ticks = Ticks(project, pipeline.instance)
    assert ticks.due() == []
    assert ticks.due() is None
    workspace.clock.advance(timedelta(minutes=1))
    assert ticks.due() == []
    pipeline.sync()
    workspace.clock.advance(timedelta(hours=1))
    assert _asked(ticks, workspace, 3, pipeline) == []


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("before", [("[Tasks]", "[]"), ('["*"]', "[Notes]")])
def test_selection_that_is_widened_is_synced_without_an_edit(
    tasks: Database,
    notes: Database,
    project: Project,
    workspace: Workspace,
    pipeline: Pipeline,
    before: tuple[str, str],
) -> None:
    pipeline.configure(WATCHED.format(select=before[0], deselect=before[1]))
    workspace.clock.advance(timedelta(hours=1))
    ticks = Ticks(project, pipeline.instance)
    ticks.due()
    pipeline.sync()
    assert _asked(ticks, workspace, 3) == []
    pipeline.configure(WATCHED.format(select='["*"]', deselect="[]"))
    assert ticks.due() == [notes.id]
    pipeline.sync(only=[notes.id])
    assert _asked(ticks, workspace, 3, pipeline) == []
    assert pipeline.count("notes") == 1


@pytest.mark.slow
@pytest.mark.long
def test_database_selected_again_is_synced_for_what_was_edited_meanwhile(
    watched: Ticks, notes: Database, workspace: Workspace, pipeline: Pipeline
) -> None:
    pipeline.configure(WATCHED.format(select='["*"]', deselect="[Notes]"))
    pipeline.sync()
    workspace.edit_page(notes.data_source.pages[0], {"Name": "while nobody polled"})
    workspace.clock.advance(timedelta(hours=2))
    assert watched.due() is None
    pipeline.configure(WATCHED.format(select='["*"]', deselect="[]"))
    assert watched.due() == [notes.id]
    pipeline.sync(only=[notes.id])
    assert pipeline.query("SELECT name FROM notion.notes") == [("while nobody polled",)]
    assert _asked(watched, workspace, 3) == []


@pytest.mark.slow
@pytest.mark.long
def test_database_named_by_id_that_search_misses_is_asked_for_once(
    watched: Ticks, workspace: Workspace, pipeline: Pipeline
) -> None:
    hidden = _database(workspace, "Hidden")
    workspace.unshare(hidden)
    pipeline.configure(WATCHED.format(select=f'["Tasks", "{hidden.id}"]', deselect="[]"))
    assert watched.due() == [hidden.id]
    pipeline.sync(only=["Tasks"])
    assert _asked(watched, workspace, 3) == []


@pytest.mark.slow
@pytest.mark.long
def test_table_that_was_dropped_and_catalog_that_is_gone_are_made_anew(
    watched: Ticks, tasks: Database, notes: Database, workspace: Workspace, pipeline: Pipeline, project: Project
) -> None:
    catalogs.remove(project.root)
    assert set(watched.due() or []) == {tasks.id, notes.id}
    pipeline.sync()
    assert pipeline.count("tasks") == 1
    assert _asked(watched, workspace, 3, pipeline) == []


@pytest.mark.slow
@pytest.mark.long
def test_edits_within_one_minute_are_all_read(
    watched: Ticks, tasks: Database, workspace: Workspace, pipeline: Pipeline
) -> None:
    page = tasks.data_source.pages[0]
    workspace.edit_page(page, {"Name": "first"})
    assert watched.due() == [tasks.id]
    pipeline.sync(only=[tasks.id])
    workspace.edit_page(page, {"Name": "second, in the same minute"})
    assert watched.due() is None, "the minute is not over"
    assert _asked(watched, workspace, 5, pipeline) == [[tasks.id]]
    assert pipeline.query("SELECT name FROM notion.tasks") == [("second, in the same minute",)]


@pytest.mark.slow
@pytest.mark.long
def test_setting_that_changes_what_is_read_is_followed(
    watched: Ticks, tasks: Database, notes: Database, workspace: Workspace, pipeline: Pipeline
) -> None:
    watched.due()
    pipeline.configure("sources: [{name: notion, account: {type: token}, start_date: 2020-01-01}]")
    assert set(watched.due() or []) == {tasks.id, notes.id}
    pipeline.sync()
    assert _asked(watched, workspace, 3, pipeline) == []


@pytest.mark.slow
@pytest.mark.long
def test_cursor_stays_small_whatever_is_edited(watched: Ticks, tasks: Database, workspace: Workspace) -> None:
    for number in range(400):
        workspace.edit_page(tasks.data_source.add_page({"Name": f"page {number}"}), {"Name": "edited"})
        if number % 40 == 0:
            workspace.clock.advance(timedelta(seconds=70))
    watched.due()
    assert len(str(watched.cursor)) < 1_000
    for number in range(300):
        _database(workspace, f"Database {number}")
    watched.due()
    watched.due()
    assert len(ChangesCursor.load(watched.cursor).pending) > 300
    assert len(str(watched.cursor)) < 16_000


@pytest.mark.slow
@pytest.mark.long
def test_cursor_comes_back_as_it_went(watched: Ticks, workspace: Workspace) -> None:
    for number in range(5):
        _database(workspace, f"Database {number}")
    watched.due()
    cursor = ChangesCursor.load(watched.cursor)
    again = ChangesCursor.load(cursor.dump())
    assert again == cursor
    assert len(cursor.offered) == 5
    assert ChangesCursor.load(cursor.dump().replace('"polled_at"', '"looked_at"')) == cursor, "of an earlier version"


@pytest.mark.slow
@pytest.mark.long
def test_cursor_of_the_version_before_is_understood(
    watched: Ticks, tasks: Database, notes: Database, workspace: Workspace
) -> None:
    now = workspace.clock.now().replace(second=0, microsecond=0)
    watched.cursor = json.dumps(
        {
            "known": {tasks.data_source.pages[0].id: now.isoformat()},
            "again": {notes.id: (now - timedelta(minutes=3)).isoformat()},
            "pending": [tasks.id],
            "deeper": None,
            "broken": False,
            "looked_at": now.isoformat(),
            "round": None,
            "offered": [],
            "failing_since": None,
            "started": True,
        }
    )
    # Notes was synced after the minute in which it was to be synced again.
    assert watched.due() == [tasks.id]
    assert watched.due() is None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"known": 3}', '{"pending": [[1, 2]]}', '{"seen": "x"}'])
def test_cursor_that_is_none_begins_anew(content: str) -> None:
    assert ChangesCursor.load(content) == ChangesCursor()


@pytest.mark.slow
@pytest.mark.long
def test_edit_that_search_shows_late_below_a_busy_page_is_found(
    watched: Ticks, tasks: Database, notes: Database, workspace: Workspace
) -> None:
    """What search shows late stands at its own stamp's place, which may be below pages that are known."""
    late = notes.data_source.pages[0]
    stamp = workspace.clock.now()
    workspace.clock.advance(timedelta(minutes=1))
    for number in range(240):
        tasks.data_source.add_page({"Name": f"new {number}"})
    assert watched.due() == [tasks.id]
    workspace.clock.advance(timedelta(minutes=1))
    watched.due()
    late.last_edited_time = stamp
    asked = [found for _ in range(8) for found in _asked(watched, workspace, 1)]
    assert any(notes.id in found for found in asked)


@pytest.mark.slow
@pytest.mark.long
def test_listing_and_bookmarks_are_private_files(watched: Ticks, project: Project) -> None:
    files: list[Path] = [project.home / kind / "notion.json" for kind in ("listings", "committed")]
    assert [oct(file.stat().st_mode & 0o777) for file in files] == ["0o600", "0o600"]
    content: dict[str, Any] = json.loads(files[1].read_bytes())
    assert len(content["bookmarks"]) == 2


@pytest.mark.slow
@pytest.mark.long
def test_what_a_full_sync_is_about_to_read_is_not_asked_for_beside_it(
    watched: Ticks, tasks: Database, notes: Database, project: Project, workspace: Workspace, pipeline: Pipeline
) -> None:
    run = pipeline.instance.create_run_for_job(watched.definitions.resolve_job_def("notion_full_sync"))
    catalogs.remove(project.root)
    assert watched.due() is None
    workspace.edit_page(tasks.data_source.pages[0], {"Name": "edited"})
    # Its tables are made by the full sync; what was edited since is asked for as ever.
    assert watched.due() == [tasks.id]
    pipeline.instance.report_run_failed(run)
    assert watched.due() == [notes.id]
