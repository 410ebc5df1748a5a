"""What cannot be had from Notion is counted and named: in the comments of columns and by `check`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from notion_pipeline.catalog.load.limits import limits_told
from notion_pipeline.sandbox.control.faults import Fault
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.http.server import SandboxServer
from notion_pipeline.sandbox.model.objects import DataSource
from notion_pipeline.sandbox.model.values import UNSUPPORTED
from notion_pipeline_tests.support.sync.bench import Bench

LAYERED = "computed over other formulas or rollups, maybe over 25 of their references only"


@pytest.fixture
def bench(workspace: Workspace, sandbox: SandboxServer, tmp_path: Path) -> Bench:
    return Bench(workspace, sandbox.url, tmp_path)


@pytest.fixture
def goals(workspace: Workspace) -> DataSource:
    """Goals over projects over 40 tasks."""

    def total(page: Any) -> Any:
        return UNSUPPORTED if page["Name"] == "Hopeless" else len(page["Tasks"])

    tasks = workspace.add_database("Tasks", {"Name": "title", "Points": "number"}).data_source
    schema: dict[str, Any] = {
        "Name": "title",
        "Cost": "number",
        "Tasks": {"type": "relation", "target": tasks},
        "Points": {"type": "rollup", "relation": "Tasks", "property": "Points", "function": "sum"},
        "Middle": {"type": "rollup", "relation": "Tasks", "property": "Points", "function": "median"},
        "Total": {"type": "formula", "expression": 'prop("Tasks").length()', "compute": total, "result_type": "number"},
        "Gross": {
            "type": "formula",
            "expression": 'prop("Cost") * 2',
            "compute": lambda page: (page["Cost"] or 0) * 2,
            "result_type": "number",
        },
    }
    projects = workspace.add_database("Projects", schema).data_source
    rows = [projects.add_page({"Name": "Tent", "Tasks": [tasks.add_page({"Points": 1}) for _ in range(40)]})]
    rows.append(projects.add_page({"Name": "Hopeless"}))

    def rollup(name: str) -> dict[str, str]:
        return {"type": "rollup", "relation": "Projects", "property": name, "function": "sum"}

    schema = {
        "Name": "title",
        "Projects": {"type": "relation", "target": projects},
        **{name: rollup(name) for name in ("Points", "Total", "Gross", "Cost")},
        "Sum": {"type": "formula", "expression": 'prop("Total") + 1', "compute": lambda page: 1},
        "Plain": {"type": "formula", "expression": 'prop("Cost") + 1', "compute": lambda page: 1},
    }
    source = workspace.add_database("Goals", schema).data_source
    source.add_page({"Name": "Summer", "Projects": rows})
    return source


def comments(bench: Bench, table: str) -> dict[str, str]:
    return dict(
        bench.query(
            "SELECT column_name, comment FROM duckdb_columns() WHERE schema_name = 'notion' AND table_name = ?", [table]
        )
    )


def told(bench: Bench) -> list[str]:
    with bench.catalog.reading() as connection:
        assert connection is not None
        return limits_told(connection, "notion")


def test_what_cannot_be_had_is_named(bench: Bench, goals: DataSource) -> None:
    landed = bench.sync()
    assert landed["projects"].values_not_computed == 2
    found = comments(bench, "projects")
    assert found["middle"].endswith("; not computed by Notion in 1 row")
    assert found["total"].endswith("; not computed by Notion in 1 row")
    assert not [name for name in ("points", "gross") if "not computed" in found[name]]
    found = comments(bench, "goals")
    assert {name for name, comment in found.items() if LAYERED in comment} == {"points", "total", "sum"}
    lines = told(bench)
    assert '"Middle" of notion.projects is not computed by Notion in 1 row.' in lines
    assert f'"Total" of notion.goals is {LAYERED}.' in lines
    assert len(lines) == 5


def test_quiet_sync_leaves_it_as_it_is(bench: Bench, goals: DataSource) -> None:
    bench.sync()
    before = (comments(bench, "projects"), comments(bench, "goals"), told(bench))
    bench.sync()
    assert (comments(bench, "projects"), comments(bench, "goals"), told(bench)) == before


def test_it_goes_when_notion_computes_again(workspace: Workspace, bench: Bench, goals: DataSource) -> None:
    bench.sync()
    projects = goals.properties["Projects"].target
    assert projects is not None
    projects.remove_property("Middle")
    for page in projects.pages:
        page.own_values()["title"] = "Tent"
    bench.sync("FULL_TABLE")
    assert [line for line in told(bench) if "projects" in line] == []
    assert "not computed" not in comments(bench, "projects")["total"]


@pytest.mark.parametrize("sync_type", ["INCREMENTAL", "FULL_TABLE"])
def test_value_that_is_given_in_part_is_named_until_it_is_given_whole(
    workspace: Workspace, bench: Bench, sync_type: str
) -> None:
    people = [workspace.add_user(f"Person {number}") for number in range(40)]
    source = workspace.add_database("Teams", {"Name": "title", "Who / what~": "people"}).data_source
    bad, _good = [source.add_page({"Name": name, "Who / what~": people}) for name in ("Bad", "Good")]
    refusal = {"status": 403, "code": "restricted_resource", "message": "Not for you."}
    workspace.faults.add(Fault("status", match=f"GET /v1/pages/{bad.id}/properties/", times=999, **refusal))
    bench.sync()
    bench.sync(sync_type)
    assert bench.query("SELECT name, len(who_what) FROM notion.teams ORDER BY 1") == [("Bad", 25), ("Good", 40)]
    assert comments(bench, "teams")["who_what"] == "Who / what~ (people); not given whole by Notion in 1 row"
    assert told(bench) == ['"Who / what~" of notion.teams is not given whole by Notion in 1 row.']
    workspace.faults.clear()
    if sync_type == "INCREMENTAL":
        workspace.edit_page(bad, {"Name": "Mended"})
    bench.sync(sync_type)
    assert bench.query("SELECT DISTINCT len(who_what) FROM notion.teams") == [(40,)]
    assert comments(bench, "teams")["who_what"] == "Who / what~ (people)"
    assert told(bench) == []
