"""The checks of a source: what each finds, in which runs they run, and that they name databases and rows."""

from __future__ import annotations

import re
from datetime import timedelta

import dagster as dg
import pytest
from dagster import DagsterEventType

from notion_pipeline.defs.build import build_definitions
from notion_pipeline.defs.checks.findings import IDS, ROWS, SCHEMA, VALUES
from notion_pipeline.project import Project
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.model.objects import Database
from notion_pipeline_tests.support.catalog import catalogs
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


TASKS, DEALS = (dg.AssetKey(["notion", name]) for name in ("tasks", "deals"))


def evaluations(runs: Runs, run_id: str, asset: dg.AssetKey = TASKS) -> dict[str, dg.AssetCheckEvaluation]:
    """What a run says of the checks of one table, by name."""
    records = runs.instance.get_records_for_run(run_id, of_type=DagsterEventType.ASSET_CHECK_EVALUATION).records
    events = [record.event_log_entry.dagster_event for record in records]
    found = [event.asset_check_evaluation_data for event in events if event is not None]
    names = [evaluation.check_name for evaluation in found if evaluation.asset_key == asset]
    assert len(names) == len(set(names)), "each is said once"
    return {evaluation.check_name: evaluation for evaluation in found if evaluation.asset_key == asset}


def failed(runs: Runs, result: dg.ExecuteInProcessResult) -> dict[str, str]:
    """What the checks of `notion.tasks` that did not pass say, by name."""
    found = evaluations(runs, result.run_id)
    return {name: str(evaluation.description) for name, evaluation in found.items() if not evaluation.passed}


def write(project: Project, sql: str) -> None:
    with catalogs.changing(project.root) as connection:
        connection.execute(sql)


def check_alone(runs: Runs) -> dg.ExecuteInProcessResult:
    """Runs the checks without a sync, as the UI's button does."""
    job = build_definitions(runs.project).resolve_implicit_global_asset_job_def()
    keys = {dg.AssetCheckKey(TASKS, name) for name in ALL}
    subset = job.get_subset(asset_selection=set(), asset_check_selection=keys)
    return subset.execute_in_process(instance=runs.instance, raise_on_error=False)


@pytest.mark.parametrize("how", ["job", "table", "partition", "range"])
def test_all_checks_pass_after_a_sync(runs: Runs, tasks: Database, how: str) -> None:
    runs.assets(LISTING)
    keys = runs.partitions()
    result = {
        "job": runs.job,
        "table": lambda: runs.assets(TASKS, checks=True),
        "partition": lambda: runs.assets(CONTENT, partition="tasks"),
        "range": lambda: runs.range(keys[0], keys[-1]),
    }[how]()
    assert result.success
    assert evaluations(runs, result.run_id).keys() == ALL
    assert failed(runs, result) == {}
    others = evaluations(runs, result.run_id, DEALS).keys()
    assert others == (set() if how in ("table", "partition") else ALL)


def test_tables_of_one_run_are_checked_each(runs: Runs, tasks: Database) -> None:
    runs.assets(LISTING)
    result = runs.assets(TASKS, DEALS, checks=True)
    assert result.success
    for table in (TASKS, DEALS):
        assert evaluations(runs, result.run_id, table).keys() == ALL


def test_only_what_is_news_is_reported(runs: Runs, tasks: Database, project: Project, workspace: Workspace) -> None:
    """A table that did not change and passes again is none; one that fails is, each time."""
    workspace.clock.advance(timedelta(hours=1))
    runs.job()
    assert evaluations(runs, runs.job().run_id) == {}
    write(project, "DELETE FROM notion.tasks WHERE name = 'task 1'")
    for _ in range(2):
        found = failed(runs, runs.job())
        assert found.keys() == {ROWS}
        assert found[ROWS].startswith('"Tasks" (tasks): 2 rows, Notion returned 3: 1 are missing.')
    write(project, "INSERT INTO notion.tasks (id, name) VALUES ('mine', 'task 1')")
    mended = evaluations(runs, runs.job().run_id)
    assert {name for name, evaluation in mended.items() if evaluation.passed} == {ROWS}


def test_message_of_a_check_stays_short(runs: Runs, tasks: Database, project: Project) -> None:
    runs.job()
    write(project, "INSERT INTO notion.tasks SELECT t.* FROM notion.tasks t, range(20)")
    write(project, "UPDATE notion.tasks SET id = id || repeat('x', 300)")
    evaluation = evaluations(runs, check_alone(runs).run_id)[IDS]
    assert not evaluation.passed
    assert len(str(evaluation.description).encode()) < 1000
    assert evaluation.metadata["partition"].value == "/assets/notion/database?view=partitions&partition=tasks"


def test_rows_that_somebody_added_are_found_until_a_full_sync(runs: Runs, tasks: Database, project: Project) -> None:
    runs.job()
    write(project, "INSERT INTO notion.tasks (id, name) VALUES ('x', 'mine'), ('y', 'mine too')")
    assert "5 rows, Notion returned 3: 2 are too many" in failed(runs, runs.job())[ROWS]
    assert failed(runs, runs.job("notion_full_sync")) == {}


def test_repeated_and_missing_ids_are_named(runs: Runs, tasks: Database, project: Project) -> None:
    runs.job()
    write(project, "INSERT INTO notion.tasks SELECT * FROM notion.tasks WHERE name = 'task 0'")
    write(project, "INSERT INTO notion.tasks (name) VALUES ('nameless')")
    result = check_alone(runs)
    assert result.success
    evaluation = evaluations(runs, result.run_id)[IDS]
    assert not evaluation.passed
    said = '"Tasks" (tasks): 1 rows repeat the id of another and 1 rows have no id; a full sync mends it. Rows: '
    assert str(evaluation.description).startswith(said)
    with catalogs.reading(project.root) as connection:
        ((page,),) = connection.execute("SELECT DISTINCT id FROM notion.tasks WHERE name = 'task 0'").fetchall()
    assert page in str(evaluation.description)
    assert evaluation.metadata["database_id"].value == tasks.id


def test_row_count_follows_incremental_syncs(runs: Runs, tasks: Database, workspace: Workspace) -> None:
    runs.job()
    workspace.clock.advance(timedelta(minutes=10))
    tasks.data_source.add_page({"Name": "new"})
    result = runs.job()
    assert runs.metadata(result.run_id, "tasks")["rows_inserted"] == 1
    assert failed(runs, result) == {}
    workspace.clock.advance(timedelta(minutes=10))
    workspace.trash(tasks.data_source.pages[0])
    assert failed(runs, runs.job()) == {}
    assert failed(runs, runs.job("notion_full_sync")) == {}


def test_rows_marked_as_deleted_are_not_counted(
    runs: Runs, tasks: Database, workspace: Workspace, project: Project
) -> None:
    text = "sources: [{name: notion, account: {type: token}, deleted_rows: mark}]"
    (project.root / "sources.yaml").write_text(text)
    runs.job()
    page = tasks.data_source.pages[0]
    workspace.trash(page)
    assert failed(runs, runs.job("notion_full_sync")) == {}
    workspace.clock.advance(timedelta(minutes=10))
    workspace.restore(page)
    assert failed(runs, runs.job()) == {}


def test_rows_before_a_start_date_are_no_mistake(runs: Runs, tasks: Database, project: Project) -> None:
    runs.job()
    text = "sources: [{name: notion, account: {type: token}, start_date: 2026-08-01}]"
    (project.root / "sources.yaml").write_text(text)
    assert failed(runs, runs.job()) == {}


def test_property_that_is_renamed_is_a_warning_with_its_date_that_stays(runs: Runs, tasks: Database) -> None:
    runs.job()
    tasks.data_source.rename_property("Due", "Deadline")
    for _ in range(2):
        evaluation = evaluations(runs, runs.job().run_id)[SCHEMA]
        assert (evaluation.passed, evaluation.severity) == (False, dg.AssetCheckSeverity.WARN)
        said = r'"Tasks" \(tasks\): property "Due" was renamed to "Deadline" \(synced \d{4}-\d\d-\d\d \d\d:\d\d UTC\)\.'
        assert re.fullmatch(said, str(evaluation.description))


def test_property_that_is_added_is_no_harm(runs: Runs, tasks: Database) -> None:
    runs.job()
    tasks.data_source.add_property("Notes", "rich_text")
    assert failed(runs, runs.job()) == {}


def test_values_that_do_not_fit_are_a_warning_that_names_the_row_until_they_are_mended(
    runs: Runs, tasks: Database, workspace: Workspace
) -> None:
    runs.job()
    workspace.clock.advance(timedelta(minutes=10))
    page = tasks.data_source.add_page({"Name": "year zero", "Due": {"start": "0000-01-01"}})
    first = evaluations(runs, runs.job().run_id)[VALUES]
    assert (first.passed, first.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert str(first.description).startswith('"Tasks" (tasks): 1 values of the rows last read do not fit')
    assert f"{page.id}: due is NULL, Due is" in str(first.description)
    workspace.clock.advance(timedelta(minutes=20))
    still = evaluations(runs, runs.job().run_id)[VALUES]
    assert not still.passed
    assert page.id in str(still.description)
    workspace.edit_page(page, {"Due": {"start": "2026-01-01"}})
    assert failed(runs, runs.job()) == {}


@pytest.mark.parametrize("how", ["job", "table"])
def test_tables_are_checked_where_another_database_failed(
    runs: Runs, tasks: Database, workspace: Workspace, how: str
) -> None:
    runs.assets(LISTING)
    refuse(workspace, next(found for found in workspace.databases.values() if found.title == "Deals"))
    result = runs.job() if how == "job" else runs.assets(TASKS, DEALS, checks=True)
    assert not result.success
    found = evaluations(runs, result.run_id)
    assert {name for name, evaluation in found.items() if evaluation.passed} == ALL
    assert evaluations(runs, result.run_id, DEALS) == {}


def test_table_that_no_sync_has_filled_yet_passes(runs: Runs, tasks: Database) -> None:
    runs.assets(LISTING)
    result = check_alone(runs)
    assert result.success
    assert evaluations(runs, result.run_id)[IDS].description == "No sync has filled this table yet."


@pytest.mark.parametrize("name", ["My tasks", "a/b", "任务"])
def test_any_table_name_can_be_checked(runs: Runs, tasks: Database, project: Project, name: str) -> None:
    text = f"sources: [{{name: notion, account: {{type: token}}, streams: {{Tasks: {{table: '{name}'}}}}}}]"
    (project.root / "sources.yaml").write_text(text, encoding="utf-8")
    result = runs.job()
    assert evaluations(runs, result.run_id, dg.AssetKey(["notion", name])).keys() == ALL


def test_check_after_a_sync_of_its_table_looks_at_what_was_read(
    runs: Runs, tasks: Database, workspace: Workspace
) -> None:
    """By the table's own button, too: to go through the values of every row would take longer than the sync."""
    runs.job()
    workspace.clock.advance(timedelta(minutes=10))
    page = tasks.data_source.add_page({"Name": "year zero", "Due": {"start": "0000-01-01"}})
    found = evaluations(runs, runs.assets(TASKS, checks=True).run_id)[VALUES]
    assert not found.passed
    assert "1 values of the rows last read do not fit" in str(found.description)
    assert page.id in str(found.description)


def test_values_that_did_not_fit_before_still_fail_where_another_database_failed(
    runs: Runs, tasks: Database, workspace: Workspace
) -> None:
    """The check was planned by the failing run, and that plan hides what it found before."""
    runs.job()
    workspace.clock.advance(timedelta(minutes=10))
    page = tasks.data_source.add_page({"Name": "year zero", "Due": {"start": "0000-01-01"}})
    for _ in range(2):  # the second reads the row once more, the third does not
        assert VALUES in failed(runs, runs.job())
        workspace.clock.advance(timedelta(minutes=20))
    refuse(workspace, next(found for found in workspace.databases.values() if found.title == "Deals"))
    result = runs.assets(TASKS, DEALS, checks=True)
    assert not result.success
    assert page.id in failed(runs, result)[VALUES]
