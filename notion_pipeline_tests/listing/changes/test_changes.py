"""The sensor S_changes: what it asks for, what a quiet tick costs, and what it does when Notion does not answer."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import dagster as dg
import pytest

from notion_pipeline.config.shared_state import open_state
from notion_pipeline.config.sources import load_sources
from notion_pipeline.defs.build import build_definitions
from notion_pipeline.defs.resources import NotionResource
from notion_pipeline.defs.runs.sensors import TickLimits, changes_sensor
from notion_pipeline.listing.changes.cursor import ChangesCursor
from notion_pipeline.project import Project
from notion_pipeline.sandbox.control.faults import Fault
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline_tests.support.whole_way import Pipeline


class Ticks:
    """The sensor's ticks, one after another, each going on from the cursor of the one before."""

    def __init__(self, project: Project, instance: dg.DagsterInstance) -> None:
        self.definitions = build_definitions(project)
        self.sensor = self.definitions.resolve_sensor_def("notion_changes")
        self.notion = NotionResource(root=str(project.root))
        self.project = project
        self.instance = instance
        self.cursor: str | None = None

    def limit(self, limits: TickLimits) -> None:
        """Has the ticks that follow end sooner or later."""
        source = load_sources(self.project).source("notion")
        self.sensor = changes_sensor(source, open_state(self.project, None), limits=limits)

    def tick(self) -> Any:
        context = dg.build_sensor_context(
            instance=self.instance,
            cursor=self.cursor,
            definitions=self.definitions,
            resources={"notion_notion": self.notion},
        )
        result = self.sensor.evaluate_tick(context)
        self.cursor = result.cursor
        return result

    def due(self) -> list[str] | None:
        """The databases that a tick asks for; None where it asks for no run."""
        requests = self.tick().run_requests or []
        assert len(requests) <= 1, "a burst of edits becomes one run"
        return _databases(requests[0].run_config) if requests else None


def _databases(run_config: Any) -> list[str]:
    return list(run_config["ops"]["notion__database"]["config"]["databases"]) if run_config else []


@pytest.fixture
def ticks(project: Project, workspace: Workspace, pipeline: Pipeline) -> Ticks:
    """The sensor after its first tick, over a workspace of two databases that are synced."""
    for title in ("Tasks", "Notes"):
        database = workspace.add_database(title, {"Name": "title"})
        for number in range(3):
            database.data_source.add_page({"Name": f"{title} {number}"})
    workspace.clock.advance(timedelta(hours=1))
    ticks = Ticks(project, pipeline.instance)
    pipeline.sync()
    assert ticks.due() == [], "the first tick asks for everything"
    return ticks


def _named(workspace: Workspace, title: str) -> Any:
    return next(database for database in workspace.databases.values() if database.title == title)


def test_quiet_tick_asks_for_nothing_and_costs_one_request(ticks: Ticks, workspace: Workspace) -> None:
    ticks.due()
    workspace.requests.clear()
    assert ticks.due() is None
    assert [request.path for request in workspace.requests] == ["/v1/search"]


def test_edit_is_asked_for_at_once_and_once_more_after_its_minute(ticks: Ticks, workspace: Workspace) -> None:
    ticks.due()
    tasks = _named(workspace, "Tasks")
    workspace.edit_page(tasks.data_source.pages[0], {"Name": "edited"})
    assert ticks.due() == [tasks.id]
    assert ticks.due() is None
    workspace.clock.advance(timedelta(minutes=1))
    assert ticks.due() == [tasks.id]
    assert ticks.due() is None


def test_burst_of_edits_becomes_one_run(ticks: Ticks, workspace: Workspace) -> None:
    ticks.due()
    wanted = {_named(workspace, title).id for title in ("Tasks", "Notes")}
    for database in workspace.databases.values():
        for page in database.data_source.pages:
            workspace.edit_page(page, {"Name": "edited"})
    assert set(ticks.due() or []) == wanted


def test_newly_shared_database_is_asked_for(ticks: Ticks, workspace: Workspace) -> None:
    ticks.due()
    database = workspace.add_database("New", {"Name": "title"})
    assert database.id in (ticks.due() or [])


def test_database_that_is_not_selected_is_left_alone(
    project: Project, workspace: Workspace, pipeline: Pipeline
) -> None:
    workspace.add_database("Tasks", {"Name": "title"})
    hidden = workspace.add_database("Archive 2024", {"Name": "title"})
    (project.root / "sources.yaml").write_text(
        "sources: [{name: notion, account: {type: token, token: {env: NOTION_TOKEN}}, deselect: ['Archive*']}]"
    )
    pipeline.sync()
    workspace.clock.advance(timedelta(hours=1))
    ticks = Ticks(project, pipeline.instance)
    ticks.due()
    hidden.data_source.add_page({"Name": "nobody asks for it"})
    assert ticks.due() is None


def test_unreachable_notion_skips_the_tick_with_the_reason(ticks: Ticks, workspace: Workspace) -> None:
    ticks.limit(TickLimits(tick_seconds=0.3))
    workspace.faults.add(Fault("status", status=500, code="internal_server_error", message="down", times=100))
    result = ticks.tick()
    assert "Notion did not answer" in str(result.skip_message)
    assert json.loads(str(result.cursor))["failing_since"] is not None


def test_old_database_that_is_shared_is_asked_for_once(ticks: Ticks, workspace: Workspace, pipeline: Pipeline) -> None:
    """Sharing edits nothing: it stands at its old place in search, below more than one page of others."""
    tasks = _named(workspace, "Tasks")
    hidden = workspace.add_database("Old and hidden", {"Name": "title"})
    workspace.unshare(hidden)
    workspace.clock.advance(timedelta(days=1))
    for number in range(150):
        tasks.data_source.add_page({"Name": f"newer {number}"})
    workspace.clock.advance(timedelta(hours=1))
    pipeline.sync()
    for _ in range(3):
        ticks.due()
    workspace.share(hidden)
    asked = [ticks.due() for _ in range(4)]
    assert [found for found in asked if found] == [[hidden.id]]
    # What no listing can see is not asked for again and again.
    assert ChangesCursor.load(ticks.cursor).offered == [hidden.id]
    pipeline.sync()
    assert ticks.due() is None
    assert ChangesCursor.load(ticks.cursor).offered == []


def test_quiet_tick_of_a_large_workspace_costs_two_requests(ticks: Ticks, workspace: Workspace) -> None:
    for number in range(130):
        workspace.add_database(f"Database {number}", {"Name": "title"})
    Pipeline(ticks.notion.load().project, workspace, ticks.instance).sync(only=["Tasks"])
    # A burst that the lookback still covers, and an hour later.
    for wait in (timedelta(minutes=2), timedelta(hours=1)):
        workspace.clock.advance(wait)
        for _ in range(3):
            ticks.due()
        workspace.requests.clear()
        assert ticks.due() is None
        assert [request.path for request in workspace.requests] == ["/v1/search"] * 2


def test_edits_of_the_time_without_ticks_are_asked_for(ticks: Ticks, workspace: Workspace) -> None:
    """A daemon that stood still, or Notion that did not answer, for longer than a poll goes back."""
    ticks.due()
    tasks = _named(workspace, "Tasks")
    workspace.clock.advance(timedelta(hours=2))
    workspace.edit_page(tasks.data_source.pages[0], {"Name": "while nobody polled"})
    workspace.clock.advance(timedelta(hours=3))
    assert ticks.due() == [tasks.id]
    assert ticks.due() is None


def test_page_of_search_that_is_refused_costs_no_edit_on_the_pages_before(ticks: Ticks, workspace: Workspace) -> None:
    """Newest first: the edit stands on the first page, and the second is refused for good."""
    ticks.due()
    for number in range(150):
        workspace.add_database(f"Other {number}", {"Name": "title"})
    refusal = {"status": 400, "code": "validation_error", "message": "No more."}
    workspace.faults.add(Fault("status", match="POST /v1/search", at=2, times=1, **refusal))
    notes = _named(workspace, "Notes")
    workspace.clock.advance(timedelta(minutes=1))
    notes.data_source.add_page({"Name": "New"})
    found = set(ticks.due() or [])
    assert notes.id in found
    others = {database.id for database in workspace.databases.values() if database.title.startswith("Other")}
    assert not others <= found
    assert others <= found | set(ticks.due() or [])


def test_refused_page_of_all_data_sources_costs_no_edit(ticks: Ticks, workspace: Workspace) -> None:
    for number in range(150):
        workspace.add_database(f"Other {number}", {"Name": "title"})
    workspace.clock.advance(timedelta(hours=1))
    ticks.due()
    tasks = _named(workspace, "Tasks")
    tasks.data_source.add_page({"Name": "New"})
    refusal = {"status": 403, "code": "restricted_resource", "message": "No more."}
    workspace.faults.add(Fault("status", match="POST /v1/search", at=2, times=1, **refusal))
    assert tasks.id in (ticks.due() or [])


def test_poll_that_was_cut_off_loses_no_edit(ticks: Ticks, workspace: Workspace) -> None:
    ticks.due()
    notes, tasks = _named(workspace, "Notes"), _named(workspace, "Tasks")
    workspace.edit_page(notes.data_source.pages[0], {"Name": "on the second page of the poll"})
    workspace.clock.advance(timedelta(minutes=1))
    for number in range(120):
        tasks.data_source.add_page({"Name": f"new {number}"})
    ticks.limit(TickLimits(tick_seconds=0.5))
    workspace.faults.add(Fault("status", status=500, code="internal_server_error", at=2, times=100))
    assert "Notion did not answer" in str(ticks.tick().skip_message)
    ticks.limit(TickLimits())
    workspace.faults.clear()
    asked = {database for _ in range(3) for database in ticks.due() or []}
    assert asked == {notes.id, tasks.id}


def test_poll_that_does_not_fit_a_tick_is_carried_on(ticks: Ticks, workspace: Workspace) -> None:
    ticks.due()
    notes, tasks = _named(workspace, "Notes"), _named(workspace, "Tasks")
    workspace.edit_page(notes.data_source.pages[0], {"Name": "far down"})
    workspace.clock.advance(timedelta(minutes=1))
    for number in range(250):
        tasks.data_source.add_page({"Name": f"new {number}"})
    ticks.limit(TickLimits(poll_seconds=0.0))
    first = ticks.due()
    assert first == [tasks.id]
    assert json.loads(str(ticks.cursor))["deeper"] is not None
    ticks.limit(TickLimits())
    assert notes.id in (ticks.due() or [])
    assert json.loads(str(ticks.cursor))["deeper"] is None


def test_cursor_of_another_version_begins_anew(ticks: Ticks) -> None:
    ticks.cursor = '{"something": "else"}'
    assert ticks.due() == []


def test_unreachable_notion_fails_the_tick_when_it_has_lasted(ticks: Ticks, workspace: Workspace) -> None:
    ticks.limit(TickLimits(tick_seconds=0.3))
    workspace.faults.add(Fault("status", status=500, code="internal_server_error", message="down", times=1000))
    ticks.tick()
    ticks.limit(TickLimits(tick_seconds=0.3, patience_seconds=0.0))
    with pytest.raises(asyncio.TimeoutError):
        ticks.tick()


def test_runs_name_their_databases_in_a_tag(ticks: Ticks, workspace: Workspace) -> None:
    def tag() -> str:
        (request,) = ticks.tick().run_requests
        return str(request.tags["notion_pipeline/databases"])

    ticks.due()
    for title in ("Tasks", "Notes"):
        workspace.edit_page(_named(workspace, title).data_source.pages[0], {"Name": "edited"})
    assert tag() in ("Tasks, Notes", "Notes, Tasks")
    workspace.add_database("Fresh", {"Name": "title"}).data_source.add_page({"Name": "new"})
    workspace.clock.advance(timedelta(minutes=1))
    assert tag()
    ticks.cursor = None
    assert tag() == "all"
