"""The builder of the sandbox: values, stamps, both sides of relations, schema edits, rows in bulk."""

from __future__ import annotations

import ast
import threading
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

import notion_pipeline.sandbox
from notion_pipeline.sandbox.control.switches import Switches
from notion_pipeline.sandbox.edits.bulk import add_rows, bulk_schema
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.model.clock import Clock
from notion_pipeline.sandbox.model.objects import DataSource, Page


def shown(ws: Workspace, page: Page, name: str) -> Any:
    assert page.data_source is not None
    row = next(row for row in ws.rows(page.data_source) if row["id"] == page.id)
    value = row["properties"][name]
    return value[value["type"]]


def two_way(ws: Workspace) -> tuple[DataSource, DataSource]:
    projects = ws.add_database("Projects", {"Name": "title"}).data_source
    schema = {"Name": "title", "Project": {"type": "relation", "target": projects, "two_way": "Tasks"}}
    return projects, ws.add_database("Tasks", schema).data_source


def test_same_seed_gives_the_same_workspace() -> None:
    def build(seed: int) -> list[str]:
        ws = Workspace(seed=seed)
        source = ws.add_database("T", {"Name": "title", "K": {"type": "select", "options": ["a"]}}).data_source
        return [source.id, *(source.add_page({"K": "a"}).id for _ in range(3)), source.properties["K"].options[0].id]

    assert build(1) == build(1) != build(2)


@pytest.mark.parametrize("bumps", [True, False])
def test_both_sides_of_a_relation_follow_and_bump_as_the_switch_says(bumps: bool) -> None:
    ws = Workspace(switches=Switches(back_relation_bumps=bumps))
    projects, tasks = two_way(ws)
    project, other = projects.add_page({"Name": "p"}), projects.add_page({"Name": "q"})
    ws.clock.advance(timedelta(minutes=5))
    task = tasks.add_page({"Project": [project]})
    assert shown(ws, project, "Tasks") == [{"id": task.id}]
    assert (project.last_edited_time == ws.clock.now()) is bumps
    ws.edit_page(task, {"Project": [other]})
    assert (shown(ws, project, "Tasks"), shown(ws, other, "Tasks")) == ([], [{"id": task.id}])
    ws.edit_page(other, {"Tasks": []})
    assert shown(ws, task, "Project") == []


def test_edits_bump_even_when_nothing_changes() -> None:
    ws = Workspace()
    page = ws.add_database("T", {"Name": "title"}).data_source.add_page({"Name": "a"})
    ws.clock.advance(timedelta(seconds=10))
    ws.edit_page(page, {"Name": "a"}, edited_by=ws.token.bot)
    assert (page.last_edited_time, page.last_edited_by) == (ws.clock.now(), ws.token.bot.id)
    ws.edit_page(page.id, icon="🍏", edited_at="2026-07-03T00:00:00Z")
    assert page.last_edited_time == datetime(2026, 7, 3, tzinfo=timezone.utc)
    with pytest.raises(ValueError, match="no such page field: colour"):
        ws.edit_page(page, colour="red")


@pytest.mark.parametrize("bumps", [True, False])
def test_schema_edits_bump_the_source_and_rows_as_the_switch_says(bumps: bool) -> None:
    ws = Workspace(switches=Switches(schema_edit_bumps_rows=bumps))
    source = ws.add_database("T", {"Name": "title", "N": "number"}).data_source
    page = source.add_page({"N": 1})
    ws.clock.advance(timedelta(minutes=1))
    source.rename_property("N", "Number")
    assert source.last_edited_time == ws.clock.now()
    assert (page.last_edited_time == ws.clock.now()) is bumps


def test_rename_keeps_id_and_place_and_rollups_follow() -> None:
    ws = Workspace()
    costs = ws.add_database("Costs", {"Name": "title", "Cost": "number", "Last": "url"}).data_source
    schema = {
        "Sum": {"type": "rollup", "relation": "Rel", "property": "Cost", "function": "sum"},
        "Rel": {"type": "relation", "target": costs},
        "Name": "title",
    }
    tasks = ws.add_database("T", schema).data_source
    assert list(tasks.properties) == ["Sum", "Rel", "Name"]
    before = costs.properties["Cost"].id
    costs.rename_property("Cost", "Price")
    assert list(costs.properties) == ["Name", "Price", "Last"]
    assert costs.properties["Price"].id == before
    assert tasks.properties["Sum"].extra["rolled_name"] == "Price"


def test_retyping_keeps_the_id_and_what_can_be_carried_over() -> None:
    ws = Workspace()
    source = ws.add_database("T", {"Name": "title", "X": "rich_text"}).data_source
    pages = [source.add_page({"X": text}) for text in ("12.5", "many", "")]
    before = source.properties["X"].id
    source.retype_property("X", "number")
    assert [shown(ws, page, "X") for page in pages] == [12.5, None, None]
    source.retype_property("X", {"type": "select", "options": ["12.5"]})
    assert shown(ws, pages[0], "X")["name"] == "12.5"
    assert source.properties["X"].id == before


def test_removed_property_takes_its_values_and_leaves_the_other_side_one_way() -> None:
    ws = Workspace()
    projects, tasks = two_way(ws)
    task = tasks.add_page({"Project": [projects.add_page({})]})
    tasks.remove_property("Project")
    assert projects.properties["Tasks"].synced is None
    tasks.add_property("Project", "number")
    assert shown(ws, task, "Project") is None


def test_late_unique_id_numbers_rows_by_creation() -> None:
    ws = Workspace()
    source = ws.add_database("T", {"Name": "title"}).data_source
    second = source.add_page({}, created_at="2026-01-02T00:00:00Z")
    first = source.add_page({}, created_at="2026-01-01T00:00:00Z")
    source.add_property("Id", {"type": "unique_id", "prefix": "T"})
    third = source.add_page({})
    assert [shown(ws, page, "Id")["number"] for page in (first, second, third)] == [1, 2, 3]


@pytest.mark.parametrize(
    ("given", "start"),
    [
        ("2024-05-10", "2024-05-10"),
        (date(2024, 5, 10), "2024-05-10"),
        (datetime(2024, 5, 10, 8, 30, tzinfo=timezone.utc), "2024-05-10T08:30:00.000+00:00"),
        (datetime(2024, 5, 10, 8, 30, tzinfo=timezone(timedelta(hours=2))), "2024-05-10T08:30:00.000+02:00"),
        ({"start": "2024-05-10T08:30:00.000", "time_zone": "Europe/Paris"}, "2024-05-10T08:30:00.000"),
    ],
)
def test_dates_are_served_in_notions_forms(given: Any, start: str) -> None:
    ws = Workspace()
    page = ws.add_database("T", {"Name": "title", "D": "date"}).data_source.add_page({"D": given})
    assert shown(ws, page, "D")["start"] == start


def test_formulas_see_plain_values_and_set_their_type() -> None:
    ws = Workspace()
    results = iter([True, 2, "x", date(2024, 1, 1), ["a", "b"], None])
    schema = {"Name": "title", "F": {"type": "formula", "compute": lambda page: next(results)}}
    page = ws.add_database("T", schema).data_source.add_page({"Name": "a"})
    served = [shown(ws, page, "F") for _ in range(6)]
    assert [value["type"] for value in served] == ["boolean", "number", "string", "date", "string", "string"]
    assert served[4]["string"] == "a, b"
    assert page["Name"] == "a"


def test_edits_from_many_threads_are_all_kept() -> None:
    ws = Workspace()
    source = ws.add_database("T", {"Name": "title"}).data_source
    threads = [threading.Thread(target=lambda: [source.add_page({"Name": "x"}) for _ in range(50)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({page.id for page in source.pages}) == 200


def test_clock_stands_still_until_moved() -> None:
    clock = Clock(datetime(2026, 1, 1, tzinfo=timezone.utc))
    assert clock.now() == clock.now() == datetime(2026, 1, 1, tzinfo=timezone.utc)
    clock.advance(timedelta(hours=1))
    clock.skew = timedelta(minutes=3)
    assert clock.header_time() == datetime(2026, 1, 1, 1, 3, tzinfo=timezone.utc)


def test_bulk_rows_are_varied_editable_and_the_same_in_every_run() -> None:
    def build() -> tuple[Workspace, DataSource]:
        ws = Workspace()
        source = ws.add_database("Big", bulk_schema()).data_source
        add_rows(source, 500, start="2026-01-01T00:00:00Z", minutes=100)
        return ws, source

    ws, source = build()
    rows = ws.rows(source)
    assert rows == build()[0].rows(source.id)
    assert len(rows) == 500
    assert len(rows[0]["properties"]) == 30
    assert len({row["created_time"] for row in rows}) == 100
    assert [row["properties"]["Key"]["unique_id"]["number"] for row in rows] == list(range(1, 501))
    for name in rows[0]["properties"]:
        if name not in ("Created", "Edited", "Author", "Editor"):
            assert len({str(row["properties"][name]) for row in rows}) > 1, name
    page = source.pages[7]
    ws.edit_page(page, {"Amount 1": -1, "Owner": []})
    after = ws.rows(source)[7]["properties"]
    assert after["Amount 1"]["number"] == -1
    assert after["Name"] == rows[7]["properties"]["Name"]
    assert source.add_page({"Name": "more"}).values[source.properties["Key"].id] == 501


def test_bulk_rows_before_others_keep_the_order_of_creation() -> None:
    ws = Workspace()
    source = ws.add_database("Big", bulk_schema()).data_source
    late = source.add_page({"Name": "late"}, created_at="2026-02-01T00:00:00Z")
    add_rows(source, 10, start="2026-01-01T00:00:00Z", minutes=10)
    assert source.pages[-1] is late


def test_switches_are_set_by_name_only() -> None:
    switches = Switches()
    switches.update({"search_gaps": ["a"], "live_cursors": True})
    assert (switches.search_gaps, switches.live_cursors) == ({"a"}, True)
    with pytest.raises(ValueError, match="no such switch: nonsense"):
        switches.update({"nonsense": 1})
    assert switches.as_dict()["search_gaps"] == ["a"]


def test_wrong_schemas_are_refused_at_once() -> None:
    ws = Workspace()
    with pytest.raises(ValueError, match="no such property type: 'nunber'"):
        ws.add_database("T", {"N": "nunber"})
    with pytest.raises(ValueError, match="rollup 'Sum'"):
        ws.add_database("T", {"Sum": {"type": "rollup", "relation": "Nope", "property": "Name", "function": "sum"}})
    source = ws.add_database("T", {"Name": "title", "N": "number"}).data_source
    with pytest.raises(ValueError, match="exists"):
        source.add_property("N", "number")
    with pytest.raises(ValueError, match="title property cannot be removed"):
        source.remove_property("Name")


def test_sandbox_imports_nothing_of_the_pipeline() -> None:
    """A pretend Notion that shared our constants would share our mistakes."""
    for path in Path(notion_pipeline.sandbox.__path__[0]).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                name = node.module or ""
                assert name.startswith("notion_pipeline.sandbox") or not name.startswith("notion_pipeline"), path.name
            elif isinstance(node, ast.Import):
                assert not any(alias.name.startswith("notion_pipeline") for alias in node.names), path.name
