"""What becomes of a table's columns when people change the properties of its data source."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from notion_pipeline.extraction.extract import LoadResult
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.http.server import SandboxServer
from notion_pipeline.sandbox.model.objects import DataSource
from notion_pipeline.sandbox.model.values import Raw
from notion_pipeline_tests.support.sync.bench import Bench

pytestmark = pytest.mark.slow


BOTH = pytest.mark.parametrize("sync_type", ["INCREMENTAL", "FULL_TABLE"])


@pytest.fixture
def bench(workspace: Workspace, sandbox: SandboxServer, tmp_path: Path) -> Bench:
    return Bench(workspace, sandbox.url, tmp_path)


@pytest.fixture
def tasks(workspace: Workspace, bench: Bench) -> DataSource:
    """Two rows, synced once."""
    schema = {
        "Name": "title",
        "Effort": "number",
        "Note": "rich_text",
        "Choice": {"type": "select", "options": ["A", "B"]},
        "Twice": {"type": "formula", "expression": "1", "result_type": "number", "compute": lambda page: 1},
    }
    source = workspace.add_database("Tasks", schema).data_source
    source.add_page({"Name": "one", "Effort": 1, "Note": "n1", "Choice": "A"})
    source.add_page({"Name": "two", "Effort": 2, "Note": "n2", "Choice": "B"})
    bench.sync()
    return source


def changes(landed: LoadResult) -> list[tuple[Any, ...]]:
    return [(change["kind"], change["property"]) for change in landed.schema_changes]


@BOTH
def test_added_property_is_appended_and_filled(tasks: DataSource, bench: Bench, sync_type: str) -> None:
    tasks.add_property("Due", "date")
    tasks.add_property("Area", {"type": "rich_text"})
    for page in tasks.pages:
        # Notion does not touch the stamp of a row when its schema changes; here neither.
        page.own_values()[tasks.properties["Area"].id] = "shop"
    landed = bench.sync(sync_type)["tasks"]
    assert list(bench.columns("tasks"))[-2:] == ["due", "area"]
    assert bench.query("SELECT area FROM notion.tasks") == [("shop",), ("shop",)]
    assert changes(landed) == [("added", "Due"), ("added", "Area")]
    (history,) = bench.query("SELECT schema_changes FROM _notion_pipeline.syncs ORDER BY finished_at DESC LIMIT 1")
    assert json.loads(history[0]) == list(landed.schema_changes)
    assert any('property "Due" was added' in line for line in bench.lines)


def test_removed_property_keeps_its_column_and_last_values_when_incremental(tasks: DataSource, bench: Bench) -> None:
    tasks.remove_property("Note")
    bench.sync("INCREMENTAL")
    assert bench.query("SELECT name, note FROM notion.tasks ORDER BY name") == [("one", "n1"), ("two", "n2")]
    comment = "SELECT comment FROM duckdb_columns() WHERE table_name = 'tasks' AND column_name = 'note'"
    assert bench.query(comment) == [("Note (rich_text); removed in Notion, last values kept",)]
    # Rows that change later keep them too, and new rows have none.
    bench.workspace.edit_page(tasks.pages[0], {"Name": "one!"})
    tasks.add_page({"Name": "three"})
    bench.sync("INCREMENTAL")
    found = bench.query("SELECT name, note FROM notion.tasks ORDER BY name")
    assert found == [("one!", "n1"), ("three", None), ("two", "n2")]


def test_removed_property_loses_its_column_in_a_full_sync(tasks: DataSource, bench: Bench) -> None:
    tasks.remove_property("Note")
    landed = bench.sync("FULL_TABLE")["tasks"]
    assert list(bench.columns("tasks")) == ["name", "effort", "choice", "twice"]
    assert changes(landed) == [("removed", "Note")]


def test_kept_column_goes_with_the_next_full_sync(tasks: DataSource, bench: Bench) -> None:
    tasks.remove_property("Note")
    bench.sync("INCREMENTAL")
    bench.sync("FULL_TABLE")
    assert "note" not in bench.columns("tasks")


@BOTH
def test_renamed_property_takes_its_column_along(tasks: DataSource, bench: Bench, sync_type: str) -> None:
    tasks.rename_property("Effort", "Days of work")
    landed = bench.sync(sync_type)["tasks"]
    assert list(bench.columns("tasks")) == ["name", "days_of_work", "note", "choice", "twice"]
    assert bench.query("SELECT days_of_work FROM notion.tasks ORDER BY 1") == [(1.0,), (2.0,)]
    assert changes(landed) == [("renamed", "Days of work")]


@BOTH
def test_renamed_title_takes_its_column_along(tasks: DataSource, bench: Bench, sync_type: str) -> None:
    tasks.rename_property("Name", "What")
    bench.sync(sync_type)
    assert next(iter(bench.columns("tasks"))) == "what"
    assert bench.query("SELECT what FROM notion.tasks ORDER BY 1") == [("one",), ("two",)]


@BOTH
def test_two_properties_that_swap_names_swap_columns(tasks: DataSource, bench: Bench, sync_type: str) -> None:
    ids = {name: prop.id for name, prop in tasks.properties.items()}
    tasks.rename_property("Note", "passing")
    tasks.rename_property("Choice", "Note")
    tasks.rename_property("passing", "Choice")
    bench.sync(sync_type)
    assert bench.query("SELECT name, note, choice FROM notion.tasks ORDER BY 1") == [
        ("one", "A", "n1"),
        ("two", "B", "n2"),
    ]
    assert recorded(bench, "note") == (ids["Choice"], "Note", "select")
    assert recorded(bench, "choice") == (ids["Note"], "Choice", "rich_text")


def test_newcomer_under_the_name_of_a_removed_property_gets_the_column(tasks: DataSource, bench: Bench) -> None:
    tasks.remove_property("Note")
    new = tasks.add_property("Note", "number")
    bench.workspace.edit_page(tasks.pages[0], {"Note": 7})
    bench.sync("INCREMENTAL")
    assert bench.columns("tasks") == {
        "name": "VARCHAR",
        "effort": "DOUBLE",
        "note__removed": "VARCHAR",
        "choice": "VARCHAR",
        "twice": "DOUBLE",
        "note": "DOUBLE",
    }
    found = bench.query("SELECT name, note__removed, note FROM notion.tasks ORDER BY 1")
    assert found == [("one", "n1", 7.0), ("two", "n2", None)]
    assert recorded(bench, "note")[0] == new.id
    bench.sync("FULL_TABLE")
    assert list(bench.columns("tasks")) == ["name", "effort", "choice", "twice", "note"]


def test_removed_column_can_be_made_way_for_twice(tasks: DataSource, bench: Bench) -> None:
    for _ in range(2):
        tasks.remove_property("Note")
        tasks.add_property("Note", "rich_text")
        bench.sync("INCREMENTAL")
    names = [name for name in bench.columns("tasks") if name.startswith("note")]
    assert names[0] == "note__removed"
    assert names[1].startswith("note__removed_")
    assert names[2] == "note"


def test_removed_property_that_comes_back_goes_on_in_its_column(
    workspace: Workspace, bench: Bench, tasks: DataSource
) -> None:
    gone = tasks.properties["Note"]
    tasks.remove_property("Note")
    bench.sync("INCREMENTAL")
    tasks.add_property("Note", {"type": "rich_text", "id": gone.id})
    bench.sync("INCREMENTAL")
    assert list(bench.columns("tasks")) == ["name", "effort", "note", "choice", "twice"]
    assert bench.query("SELECT note FROM notion.tasks") == [("",), ("",)]


@BOTH
def test_retyped_property_gets_a_column_of_its_new_type_in_its_place(
    tasks: DataSource, bench: Bench, sync_type: str
) -> None:
    tasks.retype_property("Effort", "rich_text")
    landed = bench.sync(sync_type)["tasks"]
    assert list(bench.columns("tasks").items())[1] == ("effort", "VARCHAR")
    assert bench.query("SELECT name, effort FROM notion.tasks ORDER BY 1") == [("one", "1"), ("two", "2")]
    assert changes(landed) == [("retyped", "Effort")]
    assert recorded(bench, "effort")[2] == "rich_text"


@BOTH
def test_select_that_becomes_a_status_keeps_column_and_values(tasks: DataSource, bench: Bench, sync_type: str) -> None:
    tasks.retype_property("Choice", {"type": "status", "options": ["A", "B"]})
    before = bench.columns("tasks")
    bench.sync(sync_type)
    assert bench.columns("tasks") == before
    assert bench.query("SELECT choice FROM notion.tasks ORDER BY 1") == [("A",), ("B",)]
    assert recorded(bench, "choice")[2] == "status"


def test_property_may_become_anything(workspace: Workspace, bench: Bench) -> None:
    kinds = ("checkbox", "date", "people", "files", "multi_select", "url", "unique_id", "relation", "status", "place")
    source = workspace.add_database(
        "Tasks", {"Name": "title", **{f"To {kind}": "rich_text" for kind in kinds}}
    ).data_source
    for number in range(2):
        source.add_page({"Name": "x", **{f"To {kind}": f"text {number}" for kind in kinds}})
    bench.sync()
    for kind in kinds:
        source.retype_property(f"To {kind}", {"type": kind, "target": "self"})
    assert bench.sync()["tasks"].rows_read == 2
    assert list(bench.columns("tasks")) == ["name", *(f"to_{kind}" for kind in kinds)]
    assert bench.sync("FULL_TABLE")["tasks"].rows_unchanged == 2


@pytest.mark.parametrize("change", ["renamed", "removed"])
def test_changed_option_is_read_again_in_every_row(tasks: DataSource, bench: Bench, change: str) -> None:
    if change == "renamed":
        tasks.rename_option("Choice", "A", "Alpha")
    else:
        tasks.remove_option("Choice", "A")
    landed = bench.sync("INCREMENTAL")["tasks"]
    wanted = "Alpha" if change == "renamed" else None
    assert bench.query("SELECT choice FROM notion.tasks WHERE name = 'one'") == [(wanted,)]
    assert changes(landed) == [(f"option_{change}", "Choice")]
    assert (landed.rows_read, landed.rows_updated, landed.rows_unchanged) == (2, 1, 1)


def test_added_option_reads_nothing_again(tasks: DataSource, bench: Bench) -> None:
    tasks.add_option("Choice", "C")
    landed = bench.sync("INCREMENTAL")["tasks"]
    assert (landed.rows_read, changes(landed)) == (0, [("option_added", "Choice")])


@BOTH
def test_changed_formula_is_read_again_in_every_row(tasks: DataSource, bench: Bench, sync_type: str) -> None:
    formula = tasks.properties["Twice"]
    formula.expression, formula.compute = "2", lambda page: f"<{page['Effort']:g}>"
    landed = bench.sync(sync_type)["tasks"]
    assert bench.columns("tasks")["twice"] == "VARCHAR"
    assert bench.query("SELECT twice FROM notion.tasks ORDER BY 1") == [("<1>",), ("<2>",)]
    assert changes(landed) == [("formula_changed", "Twice")]


@BOTH
def test_several_changes_in_one_go(tasks: DataSource, bench: Bench, sync_type: str) -> None:
    tasks.rename_property("Effort", "passing")
    tasks.rename_property("Choice", "Effort")
    tasks.rename_property("passing", "Choice")
    tasks.rename_property("Name", "What")
    tasks.remove_property("Note")
    tasks.retype_property("Twice", "checkbox")
    tasks.add_property("Note", {"type": "multi_select", "options": ["x"]})
    tasks.add_property("Name", "email")
    bench.workspace.edit_page(tasks.pages[0], {"Note": ["x"], "Name": "a@b.c", "Twice": True})
    bench.sync(sync_type)
    kept = {"note__removed": "VARCHAR"} if sync_type == "INCREMENTAL" else {}
    assert bench.columns("tasks") == {
        "what": "VARCHAR",
        "choice": "DOUBLE",
        **kept,
        "effort": "VARCHAR",
        "twice": "BOOLEAN",
        "note": "VARCHAR[]",
        "name": "VARCHAR",
    }
    assert bench.query("SELECT what, choice, effort, twice, note, name FROM notion.tasks ORDER BY 1") == [
        ("one", 1.0, "A", True, ["x"], "a@b.c"),
        ("two", 2.0, "B", False, [], None),
    ]


def test_recorded_columns_are_those_of_the_table_in_its_order(tasks: DataSource, bench: Bench) -> None:
    tasks.remove_property("Note")
    tasks.add_property("Note", "date")
    tasks.rename_property("Choice", "Pick")
    bench.sync("INCREMENTAL")
    (columns,) = bench.query("SELECT columns FROM _notion_pipeline.streams")[0]
    found = [(column["column"], column["duckdb_type"]) for column in json.loads(columns)]
    assert found == list(bench.columns("tasks").items())


def test_table_of_a_data_source_called_next_is_no_obstacle(workspace: Workspace, bench: Bench) -> None:
    """Tables pass through another name while they change; a table of ours may bear it already."""
    database = workspace.add_database("Tasks", {"Name": "title"})
    following = database.add_data_source("Next", {"Name": "title"})
    following.add_page({"Name": "kept"})
    bench.sync()
    assert bench.tables() == {"databases", "tasks", "tasks__next"}
    database.data_source.add_property("New", "number")
    bench.sync()
    assert bench.query("SELECT name FROM notion.tasks__next") == [("kept",)]
    assert "new" in bench.columns("tasks")


def test_names_that_need_quoting_are_columns_like_others(workspace: Workspace, bench: Bench) -> None:
    source = workspace.add_database(
        'Odd "title"; --', {'N"a;me': "title", "select": "number", "日本": "number"}
    ).data_source
    source.add_property("ID", "rich_text")
    source.add_property("Select!", "number")
    bench.settings = {"streams": {'Odd "title"; --': {"table": 'my "table"; DROP'}}}
    source.add_page({'N"a;me': "x", "select": 1, "日本": 2, "ID": "mine"})
    bench.sync()
    names = list(bench.columns('my "table"; DROP'))
    ids = {name: prop.id.encode().hex() for name, prop in source.properties.items()}
    assert names == ["n_a_me", "select", "ri_ben", f"id_{ids['ID']}", f"select_{ids['Select!']}"]
    source.rename_property("select", "from")
    bench.sync()
    assert bench.query('SELECT "from", ri_ben FROM notion."my ""table""; DROP"') == [(1.0, 2.0)]


def test_marked_rows_survive_changes_of_the_schema(tasks: DataSource, bench: Bench) -> None:
    bench.settings = {"deleted_rows": "mark"}
    bench.workspace.trash(tasks.pages[0])
    bench.sync("FULL_TABLE")
    tasks.rename_property("Note", "Remark")
    tasks.retype_property("Effort", "rich_text")
    bench.sync("FULL_TABLE")
    found = bench.query("SELECT name, remark, effort, _deleted_at IS NOT NULL FROM notion.tasks ORDER BY name")
    assert found == [("one", "n1", None, True), ("two", "n2", "2", False)]


def test_property_of_an_unknown_type_that_becomes_known_is_typed(workspace: Workspace, bench: Bench) -> None:
    source = workspace.add_database("Tasks", {"Name": "title", "New": {"type": "hologram", "config": {}}}).data_source
    page = source.add_page({"Name": "one", "New": Raw({"beam": 1})})
    bench.sync()
    assert bench.columns("tasks")["new"] == "JSON"
    page.own_values().pop(source.properties["New"].id)
    source.retype_property("New", "number")
    workspace.edit_page(page, {"New": 4})
    bench.sync()
    assert bench.query("SELECT new FROM notion.tasks") == [(4.0,)]


def recorded(bench: Bench, column: str) -> tuple[str, str, str]:
    """Property id, name and type that `streams.columns` gives a column."""
    (columns,) = bench.query("SELECT columns FROM _notion_pipeline.streams")[0]
    found = next(entry for entry in json.loads(columns) if entry["column"] == column)
    return found["property_id"], found["property_name"], found["property_type"]
