"""What Notion refuses beside the rows of a data source: archived rows, and looks at the targets of relations."""

from __future__ import annotations

from typing import Any

import pytest

from notion_pipeline.project import Project
from notion_pipeline.sandbox.control.faults import Fault
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.model.objects import DataSource
from notion_pipeline_tests.listing.test_bad_databases import configure
from notion_pipeline_tests.support.commands import Commands
from notion_pipeline_tests.support.dagster_runs import Runs
from notion_pipeline_tests.support.whole_way import SCHEMA, Pipeline, later, synced, tasks_in

FOR_GOOD = 10_000
REFUSALS: dict[str, dict[str, Any]] = {
    "400": {"status": 400, "code": "validation_error", "message": "Not in this way."},
    "403": {"status": 403, "code": "restricted_resource", "message": "Not for you."},
}


# Relations


def related(workspace: Workspace) -> tuple[DataSource, DataSource]:
    """Tasks with a relation to a database that no listing shows."""
    target = workspace.add_database("Projects", {"Name": "title"}, shared=False).data_source
    schema = {**SCHEMA, "Project": {"type": "relation", "target": target}}
    tasks = workspace.add_database("Tasks", schema).data_source
    tasks.add_page({"Name": "Row"})
    later(workspace, hours=1)
    return tasks, target


def comment(pipeline: Pipeline) -> str:
    return str(
        pipeline.value(
            "SELECT comment FROM duckdb_columns() WHERE schema_name = 'notion' AND table_name = 'tasks' "
            "AND column_name = 'project'"
        )
    )


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("kind", [*REFUSALS, "500"])
def test_relation_whose_target_cannot_be_looked_at_is_told_and_the_rows_land(
    workspace: Workspace, runs: Runs, pipeline: Pipeline, kind: str
) -> None:
    _, target = related(workspace)
    refusal = REFUSALS.get(kind, {"status": 500})
    workspace.faults.add(Fault("status", match=f"GET /v1/data_sources/{target.id}", times=FOR_GOOD, **refusal))
    result = runs.job()
    assert result.success
    assert pipeline.count("tasks") == 1
    assert 'the target of relation "Project" could not be looked at' in runs.log(result.run_id)
    (note,) = runs.metadata(result.run_id, "tasks")["relations_not_looked_at"]
    assert note.startswith("Project: ")
    assert "relations_not_shared" not in runs.metadata(result.run_id, "tasks")
    assert "its target could not be looked at" in comment(pipeline)
    asked = len(workspace.requests)
    assert runs.job().success
    assert not any(target.id in request.path for request in workspace.requests[asked:])
    assert "its target could not be looked at" in comment(pipeline)


@pytest.mark.slow
@pytest.mark.long
def test_note_of_a_relation_goes_when_its_target_can_be_looked_at(workspace: Workspace, pipeline: Pipeline) -> None:
    _, target = related(workspace)
    workspace.faults.add(Fault("status", match=f"GET /v1/data_sources/{target.id}", times=FOR_GOOD, **REFUSALS["403"]))
    synced(pipeline)
    workspace.faults.clear()
    synced(pipeline, "notion_full_sync")
    assert "its target is not shared" in comment(pipeline)
    workspace.share(target.database)
    synced(pipeline, "notion_full_sync")
    assert "its target" not in comment(pipeline)


def test_check_names_a_relation_whose_target_cannot_be_looked_at(workspace: Workspace, project: Project) -> None:
    _, target = related(workspace)
    workspace.faults.add(Fault("status", match=f"GET /v1/data_sources/{target.id}", times=FOR_GOOD, **REFUSALS["403"]))
    text = Commands(project).ok("check")
    assert 'Relations whose target could not be fetched: "Project" of "Tasks" (The connection may not read' in text


# Archived rows


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("mode", ["remove", "mark"])
@pytest.mark.parametrize("kind", REFUSALS)
def test_archived_rows_that_are_refused_stay_in_the_table(
    workspace: Workspace, runs: Runs, pipeline: Pipeline, kind: str, mode: str
) -> None:
    tasks, others = tasks_in(workspace, 4), tasks_in(workspace, 2, "Others")
    for source in (tasks, others):
        workspace.archive(source.pages[0])
    configure(pipeline, f"deleted_rows: {mode}")
    assert runs.job("notion_full_sync").success
    workspace.trash(tasks.pages[1])
    workspace.archive(others.pages[1])
    later(workspace, hours=1)
    workspace.faults.add(Fault("status", match=f"{tasks.id}/query", **REFUSALS[kind]))
    result = runs.job("notion_full_sync")
    assert result.success
    log = runs.log(result.run_id)
    assert log.count("does not give the archived rows") == 1
    gone = "" if mode == "remove" else "WHERE _deleted_at IS NULL"
    found = pipeline.query(f"SELECT name, is_archived FROM notion.tasks {gone} ORDER BY name")
    assert found == [("Row 0", True), ("Row 2", False), ("Row 3", False)]
    assert pipeline.query("SELECT name, is_archived FROM notion.others ORDER BY name") == [
        ("Row 0", True),
        ("Row 1", True),
    ]
    (reason,) = runs.metadata(result.run_id, "tasks")["archived_rows_refused"]
    assert str(REFUSALS[kind]["message"]) in reason
    checks = runs.instance.get_records_for_run(result.run_id).records
    evaluations = [
        record.event_log_entry.dagster_event.asset_check_evaluation_data
        for record in checks
        if record.event_log_entry.dagster_event is not None
        and record.event_log_entry.dagster_event.event_type_value == "ASSET_CHECK_EVALUATION"
    ]
    assert evaluations
    assert all(evaluation.passed for evaluation in evaluations), evaluations


@pytest.mark.slow
@pytest.mark.long
def test_check_names_tables_whose_archived_rows_were_refused(
    workspace: Workspace, pipeline: Pipeline, project: Project
) -> None:
    tasks = tasks_in(workspace, 2)
    workspace.faults.add(Fault("status", match=f"{tasks.id}/query", **REFUSALS["403"]))
    synced(pipeline)
    assert "The archived rows of notion.tasks were refused" in Commands(project).ok("check")
    synced(pipeline)
    assert "The archived rows of notion.tasks were refused" in Commands(project).ok("check")
    synced(pipeline, "notion_full_sync")
    assert "were refused" not in Commands(project).ok("check")
