"""The sensor S_changes: what it asks for, what a quiet tick costs, and what it does when Notion does not answer."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import dagster as dg
import pytest

from notion_pipeline.definitions import build_definitions
from notion_pipeline.defs.resources import NotionResource
from notion_pipeline.project import Project
from notion_pipeline.sandbox.faults import Fault
from notion_pipeline.sandbox.workspace import Workspace
from notion_pipeline_tests.whole_way import Pipeline


class Ticks:
    """The sensor's ticks, one after another, each going on from the cursor of the one before."""

    def __init__(self, project: Project, instance: dg.DagsterInstance) -> None:
        self.definitions = build_definitions(project)
        self.sensor = self.definitions.resolve_sensor_def("notion_changes")
        self.notion = NotionResource(root=str(project.root))
        self.instance = instance
        self.cursor: str | None = None

    def tick(self) -> dg.SensorResult:
        context = dg.build_sensor_context(
            instance=self.instance,
            cursor=self.cursor,
            definitions=self.definitions,
            resources={"notion": self.notion},
        )
        result = self.sensor(context)
        assert isinstance(result, dg.SensorResult)
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


def test_unreachable_notion_skips_the_tick_with_the_reason(
    ticks: Ticks, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("notion_pipeline.defs.sensors.TICK_SECONDS", 0.3)
    workspace.faults.add(Fault("status", status=500, code="internal_server_error", message="down", times=100))
    result = ticks.tick()
    assert "Notion did not answer" in str(result.skip_reason)
    assert json.loads(str(result.cursor))["failing_since"] is not None
