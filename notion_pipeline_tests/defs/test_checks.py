"""The checks of a source: what each finds, in which runs they run, and that they name databases and rows."""

from __future__ import annotations

import re
from datetime import timedelta

import dagster as dg
import duckdb
import pytest

from notion_pipeline.defs.build import build_definitions
from notion_pipeline.defs.checks import IDS, ROWS, SCHEMA, VALUES
from notion_pipeline.project import Project
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.model.objects import Database
from notion_pipeline_tests.support.dagster_runs import CONTENT, LISTING, Runs, refuse

pytestmark = pytest.mark.slow


ALL = {IDS, ROWS, SCHEMA, VALUES}


@pytest.fixture
def tasks(workspace: Workspace) -> Database:
    found = workspace.add_database("Tasks", {"Name": "title", "Due": "date", "Effort": "number"})
    for number in range(3):
        found.data_source.add_page({"Name": f"task {number}", "Effort": number})
    other = workspace.add_database("Deals", {"Name": "title"})
    other.data_source.add_page({"Name": "deal"})
    return found


def evaluations(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    return {evaluation.check_name: evaluation for evaluation in result.get_asset_check_evaluations()}


def failed(result: dg.ExecuteInProcessResult) -> dict[str, str]:
    """What the checks that did not pass say, by name."""
    return {name: str(found.description) for name, found in evaluations(result).items() if not found.passed}


def write(project: Project, sql: str) -> None:
    with duckdb.connect(str(project.root / "catalog.duckdb")) as connection:
        connection.execute(sql)


def check_alone(runs: Runs) -> dg.ExecuteInProcessResult:
    """Runs the checks without a sync, as the UI's button does."""
    job = build_definitions(runs.project).resolve_implicit_global_asset_job_def()
    keys = {dg.AssetCheckKey(CONTENT, name) for name in ALL}
    subset = job.get_subset(asset_selection=set(), asset_check_selection=keys)
    return subset.execute_in_process(instance=runs.instance, raise_on_error=False)


@pytest.mark.parametrize("how", ["job", "partition", "range"])
def test_all_checks_pass_after_a_sync(runs: Runs, tasks: Database, how: str) -> None:
    runs.assets(LISTING)
    keys = runs.partitions()
    result = {
        "job": runs.job,
        "partition": lambda: runs.assets(CONTENT, partition="tasks"),
        "range": lambda: runs.range(keys[0], keys[-1]),
    }[how]()
    assert result.success
    assert evaluations(result).keys() == ALL
    assert failed(result) == {}
    assert {found.asset_key for found in evaluations(result).values()} == {CONTENT}


def test_checks_tell_of_the_whole_source_after_one_partition(runs: Runs, tasks: Database, project: Project) -> None:
    runs.job()
    write(project, "DELETE FROM notion.tasks WHERE name = 'task 1'")
    deals = next(key for key in runs.partitions() if key != tasks.id)
    found = failed(runs.assets(CONTENT, partition=deals))
    assert found.keys() == {ROWS}
    assert found[ROWS].startswith('"Tasks" (tasks): 2 rows, Notion returned 3: 1 are missing.')


def test_rows_that_somebody_added_are_found_until_a_full_sync(runs: Runs, tasks: Database, project: Project) -> None:
    runs.job()
    write(project, "INSERT INTO notion.tasks (id, name) VALUES ('x', 'mine'), ('y', 'mine too')")
    assert "5 rows, Notion returned 3: 2 are too many" in failed(runs.job())[ROWS]
    assert failed(runs.job("notion_full_sync")) == {}


def test_repeated_and_missing_ids_are_named(runs: Runs, tasks: Database, project: Project) -> None:
    runs.job()
    write(project, "INSERT INTO notion.tasks SELECT * FROM notion.tasks WHERE name = 'task 0'")
    write(project, "INSERT INTO notion.tasks (name) VALUES ('nameless')")
    result = check_alone(runs)
    assert result.success
    evaluation = evaluations(result)[IDS]
    assert not evaluation.passed
    said = '"Tasks" (tasks): 1 rows repeat the id of another and 1 rows have no id; a full sync mends it. Rows: '
    assert str(evaluation.description).startswith(said)
    with duckdb.connect(str(project.root / "catalog.duckdb"), read_only=True) as connection:
        ((page,),) = connection.execute("SELECT DISTINCT id FROM notion.tasks WHERE name = 'task 0'").fetchall()
    problems = str(evaluation.metadata["problems"].value)
    assert page in problems
    assert page in str(evaluation.description)
    assert tasks.id in problems


def test_row_count_follows_incremental_syncs(runs: Runs, tasks: Database, workspace: Workspace) -> None:
    runs.job()
    workspace.clock.advance(timedelta(minutes=10))
    tasks.data_source.add_page({"Name": "new"})
    result = runs.job()
    assert runs.metadata(result.run_id, tasks.id)["rows_inserted"] == 1
    assert failed(result) == {}
    workspace.clock.advance(timedelta(minutes=10))
    workspace.trash(tasks.data_source.pages[0])
    assert failed(runs.job()) == {}
    assert failed(runs.job("notion_full_sync")) == {}


def test_rows_marked_as_deleted_are_not_counted(
    runs: Runs, tasks: Database, workspace: Workspace, project: Project
) -> None:
    text = "sources: [{name: notion, account: {type: token}, deleted_rows: mark}]"
    (project.root / "sources.yaml").write_text(text)
    runs.job()
    page = tasks.data_source.pages[0]
    workspace.trash(page)
    assert failed(runs.job("notion_full_sync")) == {}
    workspace.clock.advance(timedelta(minutes=10))
    workspace.restore(page)
    assert failed(runs.job()) == {}


def test_rows_before_a_start_date_are_no_mistake(runs: Runs, tasks: Database, project: Project) -> None:
    runs.job()
    text = "sources: [{name: notion, account: {type: token}, start_date: 2026-08-01}]"
    (project.root / "sources.yaml").write_text(text)
    assert failed(runs.job()) == {}


def test_property_that_is_renamed_is_a_warning_with_its_date_that_stays(runs: Runs, tasks: Database) -> None:
    runs.job()
    tasks.data_source.rename_property("Due", "Deadline")
    for _ in range(2):
        evaluation = evaluations(runs.job())[SCHEMA]
        assert (evaluation.passed, evaluation.severity) == (False, dg.AssetCheckSeverity.WARN)
        said = r'"Tasks" \(tasks\): property "Due" was renamed to "Deadline" \(synced \d{4}-\d\d-\d\d \d\d:\d\d UTC\)\.'
        assert re.fullmatch(said, str(evaluation.description))


def test_property_that_is_added_is_no_harm(runs: Runs, tasks: Database) -> None:
    runs.job()
    tasks.data_source.add_property("Notes", "rich_text")
    assert failed(runs.job()) == {}


def test_values_that_do_not_fit_are_a_warning_that_names_the_row_until_they_are_mended(
    runs: Runs, tasks: Database, workspace: Workspace
) -> None:
    runs.job()
    workspace.clock.advance(timedelta(minutes=10))
    page = tasks.data_source.add_page({"Name": "year zero", "Due": {"start": "0000-01-01"}})
    first = evaluations(runs.job())[VALUES]
    assert (first.passed, first.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert str(first.description).startswith('"Tasks" (tasks): 1 values of the rows last read do not fit')
    assert f"{page.id}: due is NULL, Due is" in str(first.metadata["problems"].value)
    workspace.clock.advance(timedelta(minutes=20))
    still = evaluations(runs.job())[VALUES]
    assert not still.passed
    assert page.id in str(still.metadata["problems"].value)
    workspace.edit_page(page, {"Due": {"start": "2026-01-01"}})
    assert failed(runs.job()) == {}


def test_checks_run_where_a_database_failed(runs: Runs, tasks: Database, workspace: Workspace) -> None:
    runs.assets(LISTING)
    refuse(workspace, tasks)
    result = runs.job()
    assert not result.success
    records = runs.instance.event_log_storage.get_latest_asset_check_execution_by_key(
        [dg.AssetCheckKey(CONTENT, name) for name in ALL]
    )
    assert {record.run_id for record in records.values()} == {result.run_id}
    assert {record.status.value for record in records.values()} == {"SUCCEEDED"}
    assert len(records) == len(ALL)


def test_checks_without_a_catalog_pass_over_nothing(runs: Runs, tasks: Database) -> None:
    result = check_alone(runs)
    assert result.success
    assert evaluations(result)[IDS].metadata["tables_checked"].value == 0
