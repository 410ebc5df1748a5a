"""Types of formulas and rollups: by the results that their table holds."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.http.server import SandboxServer
from notion_pipeline.sandbox.model.objects import DataSource, Page
from notion_pipeline.sandbox.model.values import UNSUPPORTED, Raw
from notion_pipeline_tests.support.sync.bench import Bench

pytestmark = pytest.mark.slow


DATE = (
    'STRUCT("start" TIMESTAMP WITH TIME ZONE, "end" TIMESTAMP WITH TIME ZONE, is_datetime BOOLEAN, time_zone VARCHAR)'
)


@pytest.fixture
def bench(workspace: Workspace, sandbox: SandboxServer, tmp_path: Path) -> Bench:
    return Bench(workspace, sandbox.url, tmp_path)


class Results:
    """A data source whose formula `Result` gives each row what the test says."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.of: dict[str, Any] = {}
        schema = {"Name": "title", "Result": {"type": "formula", "expression": "x", "compute": self.result}}
        self.source: DataSource = workspace.add_database("Tasks", schema).data_source

    def result(self, page: Page) -> Any:
        return self.of.get(str(page["Name"]))

    def row(self, name: str, result: Any) -> Page:
        self.of[name] = result
        return self.source.add_page({"Name": name})

    def edit(self, page: Page, result: Any) -> None:
        """An edit of the page, so that an incremental sync reads it."""
        self.of[page.title] = result
        self.workspace.clock.advance(timedelta(hours=1))
        self.workspace.edit_page(page, {})


@pytest.fixture
def results(workspace: Workspace) -> Results:
    return Results(workspace)


def column(bench: Bench, name: str = "result") -> tuple[str, dict[str, Any]]:
    """Type of a column, and its values by the rows' names."""
    return bench.columns("tasks")[name], dict(bench.query(f"SELECT name, {name} FROM notion.tasks ORDER BY name"))


def day(*parts: int) -> dict[str, Any]:
    start = datetime(*parts, tzinfo=timezone.utc)  # type: ignore[misc]
    return {"start": start, "end": None, "is_datetime": False, "time_zone": None}


def test_formula_takes_the_type_of_its_results(workspace: Workspace, bench: Bench) -> None:
    cases: dict[str, tuple[Any, str, Any]] = {
        "nothing": (None, "VARCHAR", None),
        "number": (1.5, "DOUBLE", 1.5),
        "boolean": (True, "BOOLEAN", True),
        "text": ("text", "VARCHAR", "text"),
        "date": ({"start": "2026-07-09"}, DATE, day(2026, 7, 9)),
    }
    formulas = {
        name: {"type": "formula", "compute": lambda page, result=result: result if page["Name"] == "a" else None}
        for name, (result, _, _) in cases.items()
    }
    source = workspace.add_database("Tasks", {"Name": "title", **formulas}).data_source
    for name in ("a", "b"):
        source.add_page({"Name": name})
    bench.sync()
    for name, (_, kind, value) in cases.items():
        assert column(bench, name) == (kind, {"a": value, "b": None})
    landed = bench.sync("FULL_TABLE")["tasks"]
    assert (landed.rows_unchanged, landed.values_not_computed, landed.values_not_converted) == (2, 0, 0)


def test_mixed_results_are_texts_as_in_json(bench: Bench, results: Results) -> None:
    for name, result in {"n": 1, "f": 2.50, "big": 1e21, "b": False, "t": "x", "d": {"start": "2026-07-09"}}.items():
        results.row(name, result)
    bench.sync()
    texts = {"n": "1", "f": "2.5", "big": "1e+21", "b": "false", "t": "x", "d": "2026-07-09"}
    assert column(bench) == ("VARCHAR", dict(sorted(texts.items())))


def test_result_that_does_not_fit_rewrites_the_rows_that_were_not_read_as_well(bench: Bench, results: Results) -> None:
    page = results.row("a", 1)
    for number in range(3):
        results.row(f"b{number}", number + 0.5)
    bench.sync()
    before = dict(bench.query("SELECT name, _synced_at FROM notion.tasks"))
    results.edit(page, "soon")
    landed = bench.sync("INCREMENTAL")["tasks"]
    assert landed.rows_read == 1
    assert column(bench) == ("VARCHAR", {"a": "soon", "b0": "0.5", "b1": "1.5", "b2": "2.5"})
    after = dict(bench.query("SELECT name, _synced_at FROM notion.tasks"))
    assert {name for name in after if after[name] != before[name]} == {"a"}


def test_first_result_of_an_incremental_sync_is_kept_as_text_until_a_full_read(bench: Bench, results: Results) -> None:
    page = results.row("a", None)
    bench.sync()
    results.edit(page, 7)
    bench.sync("INCREMENTAL")
    assert column(bench) == ("VARCHAR", {"a": "7"})
    bench.sync("FULL_TABLE")
    assert column(bench) == ("DOUBLE", {"a": 7.0})


def test_column_widens_in_an_incremental_sync_and_narrows_in_a_full_read_alone(bench: Bench, results: Results) -> None:
    page = results.row("a", "text")
    results.row("b", 1)
    bench.sync()
    results.edit(page, 2)
    bench.sync("INCREMENTAL")
    assert column(bench) == ("VARCHAR", {"a": "2", "b": "1"})
    bench.sync("FULL_TABLE")
    assert column(bench) == ("DOUBLE", {"a": 2.0, "b": 1.0})


def test_column_whose_results_all_went_in_an_incremental_sync_keeps_its_type(bench: Bench, results: Results) -> None:
    page = results.row("a", 5)
    bench.sync()
    results.edit(page, None)
    bench.sync("INCREMENTAL")
    assert column(bench) == ("DOUBLE", {"a": None})


def test_marked_rows_count_for_the_type(bench: Bench, results: Results) -> None:
    gone = results.row("a", 5)
    left = results.row("b", 6)
    bench.settings = {"deleted_rows": "mark"}
    bench.sync()
    results.workspace.trash(gone)
    results.edit(left, "text")
    bench.sync("FULL_TABLE")
    assert column(bench) == ("VARCHAR", {"a": "5", "b": "text"})


def test_rows_from_before_the_start_date_count_for_the_type(bench: Bench, results: Results) -> None:
    results.of["old"] = 5
    results.source.add_page({"Name": "old"}, created_at="2024-01-01T00:00:00Z")
    page = results.row("new", 6)
    bench.sync()
    results.edit(page, True)
    results.source.add_property("New", "number")
    bench.settings = {"start_date": "2025-01-01"}
    bench.sync("INCREMENTAL")
    assert column(bench) == ("VARCHAR", {"new": "true", "old": "5"})


def test_rewriting_goes_through_more_rows_than_are_held_at_once(bench: Bench, results: Results) -> None:
    page = results.row("a", 1)
    bench.sync()
    # Rows of a table are many; here by copying one, since only their count matters.
    bench.execute(
        "INSERT INTO notion.tasks SELECT t.* REPLACE ('copy ' || range AS id, 'a' AS name) "
        "FROM notion.tasks t, range(12000)"
    )
    results.edit(page, "text")
    bench.sync("INCREMENTAL")
    assert bench.query("SELECT result, count(*) FROM notion.tasks GROUP BY 1 ORDER BY 1") == [("1", 12000), ("text", 1)]


def test_results_that_notion_did_not_compute_are_null_and_counted(bench: Bench, results: Results) -> None:
    results.row("a", UNSUPPORTED)
    results.row("b", 2)
    odd = results.row("c", 3)
    results.workspace.edit_page(odd, {"Result": Raw({"type": "number", "number": "three"})})
    landed = bench.sync()["tasks"]
    assert (landed.values_not_computed, landed.values_not_converted) == (1, 1)
    assert column(bench) == ("DOUBLE", {"a": None, "b": 2.0, "c": None})
    assert bench.query("SELECT properties->>'$.Result.formula.number' FROM notion.tasks WHERE name = 'c'") == [
        ("three",)
    ]


def test_rollup_takes_the_type_of_its_function(workspace: Workspace, bench: Bench) -> None:
    peers = {"type": "relation", "target": "self"}
    looks = {"relation": "Peers", "type": "rollup"}
    source = workspace.add_database(
        "Tasks",
        {
            "Name": "title",
            "Peers": peers,
            "Effort": "number",
            "Due": "date",
            "Tags": {"type": "multi_select", "options": ["x", "y"]},
            "Total": {**looks, "property": "Effort", "function": "sum"},
            "Latest": {**looks, "property": "Due", "function": "latest_date"},
            "All tags": {**looks, "property": "Tags", "function": "show_original"},
            "All ids": {**looks, "property": "Peers", "function": "show_original"},
            "All days": {**looks, "property": "Due", "function": "show_original"},
        },
    ).data_source
    one = source.add_page({"Name": "one", "Effort": 1, "Due": "2026-07-01", "Tags": ["x", "y"]})
    two = source.add_page({"Name": "two", "Effort": 2, "Tags": ["x"], "Peers": [one]})
    source.add_page({"Name": "three", "Peers": [one, two]})
    bench.sync()
    assert column(bench, "total") == ("DOUBLE", {"one": 0.0, "two": 1.0, "three": 3.0})
    assert column(bench, "latest") == (DATE, {"one": None, "two": day(2026, 7, 1), "three": day(2026, 7, 1)})
    assert column(bench, "all_tags") == ("JSON", {"one": "[]", "two": '["x","y"]', "three": '["x","y","x"]'})
    assert column(bench, "all_ids") == ("JSON", {"one": "[]", "two": "[]", "three": f'["{one.id}"]'})
    assert column(bench, "all_days") == ("JSON", {"one": "[]", "two": '["2026-07-01"]', "three": '["2026-07-01",null]'})


def test_rollup_whose_function_changes_changes_its_column(workspace: Workspace, bench: Bench) -> None:
    total = {"type": "rollup", "relation": "Peers", "property": "Effort", "function": "sum"}
    schema = {"Name": "title", "Peers": {"type": "relation", "target": "self"}, "Effort": "number", "Total": total}
    source = workspace.add_database("Tasks", schema).data_source
    one = source.add_page({"Name": "one", "Effort": 1})
    source.add_page({"Name": "two", "Peers": [one]})
    bench.sync()
    source.retype_property("Total", {**total, "function": "show_original"})
    landed = bench.sync("INCREMENTAL")["tasks"]
    assert column(bench, "total") == ("JSON", {"one": "[]", "two": "[1]"})
    assert [change["kind"] for change in landed.schema_changes] == ["rollup_changed"]


def test_mixed_rollup_is_text(workspace: Workspace, bench: Bench) -> None:
    total = {"type": "rollup", "relation": "Peers", "property": "Effort", "function": "sum"}
    schema = {"Name": "title", "Peers": {"type": "relation", "target": "self"}, "Effort": "number", "Total": total}
    source = workspace.add_database("Tasks", schema).data_source
    source.add_page({"Name": "a", "Total": Raw({"type": "number", "number": 4, "function": "sum"})})
    source.add_page({"Name": "b", "Total": Raw({"type": "array", "array": [{"type": "number", "number": 1}]})})
    source.add_page({"Name": "c", "Total": Raw({"type": "date", "date": {"start": "2026-07-01", "end": None}})})
    bench.sync()
    assert column(bench, "total") == ("VARCHAR", {"a": "4", "b": "[1]", "c": "2026-07-01"})
