"""Schemas that change between two reads, and during one."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from notion_pipeline.sandbox.control.faults import Fault
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.model.objects import DataSource
from notion_pipeline_tests.support.sync.truth import differences
from notion_pipeline_tests.support.whole_way import QUERY, Pipeline, later, synced, tasks_in

CHANGES: dict[str, Callable[[DataSource], object]] = {
    "added": lambda source: source.add_property("Owner", "rich_text"),
    "renamed": lambda source: source.rename_property("Effort", "Points"),
    "retyped": lambda source: source.retype_property("Effort", "rich_text"),
    "option renamed": lambda source: source.rename_option("State", "Open", "Opened"),
}


@pytest.mark.slow
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_changed_schema_makes_the_next_sync_a_full_read(
    workspace: Workspace, pipeline: Pipeline, change: Callable[[DataSource], object]
) -> None:
    tasks = tasks_in(workspace)
    synced(pipeline)
    change(tasks)
    later(workspace, hours=1)
    run = synced(pipeline)
    assert "its schema changed" in run.log
    assert pipeline.last_sync()["rows_read"] == 5
    assert pipeline.last_sync()["sync_type"] == "INCREMENTAL"
    assert pipeline.last_sync()["schema_changes"] != "[]"
    assert differences(pipeline, workspace, tasks) == []


@pytest.mark.slow
def test_added_option_reads_nothing_in_full(workspace: Workspace, pipeline: Pipeline) -> None:
    tasks = tasks_in(workspace)
    synced(pipeline)
    tasks.add_option("State", "Later")
    later(workspace, hours=1)
    run = synced(pipeline)
    assert len(run.queries) == 1
    assert "option_added" in pipeline.last_sync()["schema_changes"]


def test_schema_that_changes_during_the_read_starts_it_over(workspace: Workspace, pipeline: Pipeline) -> None:
    tasks = tasks_in(workspace, 130)
    workspace.faults.add(Fault("call", match=QUERY, at=2, callable=lambda: tasks.rename_property("Effort", "Points")))
    run = synced(pipeline)
    assert run.log.count("the read starts over") == 1
    assert differences(pipeline, workspace, tasks) == []
    later(workspace, hours=1)
    assert len(synced(pipeline).queries) == 1


@pytest.mark.slow
def test_schema_that_changes_twice_during_the_read_makes_the_next_one_full(
    workspace: Workspace, pipeline: Pipeline
) -> None:
    tasks = tasks_in(workspace)
    workspace.faults.add(Fault("call", match=QUERY, at=2, callable=lambda: tasks.rename_property("Effort", "Points")))
    workspace.faults.add(Fault("call", match=QUERY, at=5, callable=lambda: tasks.rename_property("Points", "Size")))
    run = synced(pipeline)
    assert run.log.count("the read starts over") == 1
    assert "the next sync reads in full" in run.log
    assert pipeline.count("tasks") == 5
    later(workspace, hours=1)
    run = synced(pipeline)
    assert 'property "Points" was renamed to "Size"' in run.log
    assert differences(pipeline, workspace, tasks) == []


@pytest.mark.slow
def test_property_that_splits_a_minute_and_is_renamed_meanwhile_starts_the_read_over(
    workspace: Workspace, pipeline: Pipeline
) -> None:
    """The filter on its old name is refused with a 400, which is no fault of the read."""
    workspace.result_cap = 100
    source = workspace.add_database("Tasks", {"Name": "title", "Flag": "checkbox"}).data_source
    for number in range(150):
        source.add_page({"Name": f"Row {number}", "Flag": number % 2 == 0}, created_at="2026-01-01T00:00:00Z")
    workspace.faults.add(Fault("call", match=QUERY, at=4, callable=lambda: source.rename_property("Flag", "Mark")))
    run = synced(pipeline)
    assert run.log.count("the read starts over") == 1
    assert differences(pipeline, workspace, source) == []
