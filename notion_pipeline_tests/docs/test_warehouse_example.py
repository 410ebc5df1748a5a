"""The example of a warehouse, on a real PostgreSQL: what changed is sent, what is gone is deleted, types hold."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline_tests.support.processes.postgres import NOT_INSTALLED, postgres, programs, query
from notion_pipeline_tests.support.whole_way import Pipeline, later, synced

pytest.importorskip("dagster_dlt", reason="the extra `warehouse` is not installed")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(programs() is None, reason=NOT_INSTALLED),
    # dlt's own.
    pytest.mark.filterwarnings("ignore"),
]

SCHEMA = {
    "Name": "title",
    "Effort": "number",
    "Done": "checkbox",
    "Due": "date",
    "Tags": {"type": "multi_select", "options": ["red", "blue"]},
}


@pytest.fixture
def port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The server's; dlt finds it, and a folder to work in."""
    with postgres() as number:
        monkeypatch.setenv(
            "DESTINATION__POSTGRES__CREDENTIALS", f"postgresql://notion:unused@127.0.0.1:{number}/postgres"
        )
        monkeypatch.setenv("WAREHOUSE_WORK", str(tmp_path / "dlt"))
        yield number


def publish(pipeline: Pipeline) -> set[str]:
    """Materializes the assets of the warehouse; the tables that were loaded."""
    from examples.warehouse.publish import warehouse

    notion = pipeline.definitions()
    definitions = dg.Definitions.merge(notion, warehouse(notion))
    keys = {spec.key for spec in definitions.resolve_all_asset_specs() if spec.group_name == "warehouse"}
    job = definitions.resolve_implicit_global_asset_job_def().get_subset(asset_selection=keys)
    result = job.execute_in_process(instance=pipeline.instance)
    return {event.asset_key.path[-1] for event in result.get_asset_materialization_events() if event.asset_key}


def rows_sent(port: int, table: str) -> int:
    """How many rows the last load wrote that are still there."""
    (found,) = query(
        port,
        f"SELECT count(*) FROM notion.{table} WHERE _dlt_load_id = (SELECT max(load_id) FROM notion._dlt_loads)",
    )
    return int(found)


def test_the_character_that_postgres_refuses_is_left_out() -> None:
    from examples.warehouse.tables import without_nul

    assert without_nul({"a\0": ["b\0", {"c": "\0"}], "n": 1}) == {"a": ["b", {"c": ""}], "n": 1}


def test_changes_deletions_and_types_arrive(pipeline: Pipeline, workspace: Workspace, port: int) -> None:
    tasks = workspace.add_database("Tasks", SCHEMA).data_source
    values = {"Effort": 2.5, "Done": True, "Due": "2026-03-01", "Tags": ["red", "blue"]}
    pages = [tasks.add_page({"Name": f"Task {number}", **values}) for number in range(4)]
    later(workspace, hours=1)
    synced(pipeline)
    assert publish(pipeline) == {"tasks"}
    kinds = dict(
        line.split("|")
        for line in query(
            port,
            "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = 'notion' AND "
            "table_name = 'tasks'",
        )
    )
    assert {name: kinds[name] for name in ("name", "effort", "done", "due", "tags", "_synced_at")} == {
        "name": "character varying",
        "effort": "double precision",
        "done": "boolean",
        "due": "jsonb",
        "tags": "jsonb",
        "_synced_at": "timestamp with time zone",
    }
    (line,) = query(port, "SELECT effort, done, tags, due ->> 'start' FROM notion.tasks WHERE name = 'Task 1'")
    effort, done, tags, due = line.split("|")
    assert (effort, done, json.loads(tags)) == ("2.5", "t", ["red", "blue"])
    assert due.startswith("2026-03-01")

    # One edited, one new, one gone.
    workspace.edit_page(pages[1], {"Effort": 7})
    tasks.add_page({"Name": "New", **values})
    workspace.trash(pages[3])
    workspace.clock.advance(timedelta(hours=1))
    synced(pipeline, "notion_full_sync")
    publish(pipeline)
    assert query(port, "SELECT name, effort FROM notion.tasks ORDER BY name") == [
        "New|2.5",
        "Task 0|2.5",
        "Task 1|7",
        "Task 2|2.5",
    ]
    assert rows_sent(port, "tasks") == 2

    # Nothing changed.
    publish(pipeline)
    assert query(port, "SELECT count(*) FROM notion.tasks") == ["4"]

    # A property is renamed, so the column is.
    workspace.rename_property(tasks, "Effort", "Hours")
    later(workspace, hours=1)
    synced(pipeline, "notion_full_sync")
    publish(pipeline)
    assert query(port, "SELECT name, hours FROM notion.tasks ORDER BY name")[2] == "Task 1|7"
