"""One asset a table: what its events say, what its definition is made of, and what becomes of it in time."""

from __future__ import annotations

import socket
from datetime import timedelta
from typing import Any

import dagster as dg
import duckdb
import pytest

from notion_pipeline.defs.build import build_definitions
from notion_pipeline.project import Project
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.model.objects import Database
from notion_pipeline_tests.support.catalog import catalogs
from notion_pipeline_tests.support.dagster_runs import CONTENT, LISTING, Runs, refuse

pytestmark = pytest.mark.slow


TASKS = dg.AssetKey(["notion", "tasks"])
PARTITION = "/assets/notion/database?view=partitions&partition=tasks"
NO_TABLES = {"notion/database", "notion/databases", "notion/sync"}


@pytest.fixture
def tasks(workspace: Workspace) -> Database:
    found = workspace.add_database("Tasks", {"Name": "title"}, description="What is to be done.")
    found.data_source.add_page({"Name": "one"})
    workspace.add_database("Deals", {"Name": "title"})
    return found


def spec(project: Project, key: dg.AssetKey = TASKS) -> dg.AssetSpec:
    found = {spec.key: spec for spec in build_definitions(project).resolve_all_asset_specs()}
    return found[key]


def keys(project: Project) -> set[str]:
    specs = build_definitions(project).resolve_all_asset_specs()
    return {spec.key.to_user_string() for spec in specs}


def configure(project: Project, text: str) -> None:
    (project.root / "sources.yaml").write_text(
        f"sources: [{{name: notion, account: {{type: token}}, {text}}}]", encoding="utf-8"
    )


@pytest.mark.parametrize("how", ["job", "partition", "range"])
def test_sync_materializes_each_table_once_with_its_metadata(runs: Runs, tasks: Database, how: str) -> None:
    runs.assets(LISTING)
    result = {
        "job": runs.job,
        "partition": lambda: runs.assets(CONTENT, partition="tasks"),
        "range": lambda: runs.range(runs.partitions()[0], runs.partitions()[-1]),
    }[how]()
    assert result.success
    found = runs.metadata(result.run_id, None, TASKS)
    assert (found["dagster/row_count"], found["dagster/table_name"]) == (1, "notion.tasks")
    assert [column.name for column in found["dagster/column_schema"].columns][:2] == ["id", "created_time"]
    assert (found["database_title"], found["database_url"]) == ("Tasks", tasks.url)
    assert found["partition"] == PARTITION
    assert (found["rows_read"], found["rows_inserted"]) == (1, 1)


def test_definition_of_a_table_depends_on_the_listing(runs: Runs, tasks: Database, project: Project) -> None:
    assert keys(project) == NO_TABLES
    runs.job()
    assert keys(project) == {*NO_TABLES, "notion/tasks", "notion/deals"}
    found = spec(project)
    assert [dep.asset_key for dep in found.deps] == [LISTING]
    assert (found.group_name, found.kinds) == ("notion_tables", {"notion", "duckdb", "table"})
    assert found.description == (
        'The Notion database "Tasks": a row for each page.\n\n'
        "What is to be done.\n\n"
        f"[Open it in Notion]({tasks.url})\n\n"
        f"Materialize it to sync the database. It is partition [tasks]({PARTITION}) of `notion/database`."
    )
    assert found.metadata["dagster/table_name"] == "notion.tasks"
    assert found.metadata["database_url"] == dg.MetadataValue.url(tasks.url)


def test_definitions_with_tables_open_neither_connection_nor_catalog(
    runs: Runs, tasks: Database, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs.job()

    def refuse_it(*_: Any, **__: Any) -> None:
        raise AssertionError("opened")

    monkeypatch.setattr(socket.socket, "connect", refuse_it)
    monkeypatch.setattr(duckdb, "connect", refuse_it)
    assert "notion/tasks" in keys(project)
    catalogs.remove(project.root)
    assert "notion/tasks" in keys(project)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'[{"name": "tasks"}]', b"null"])
def test_file_of_tables_that_is_none_is_made_anew(
    runs: Runs, tasks: Database, project: Project, content: bytes
) -> None:
    runs.job()
    (file,) = project.home.glob("tables/*.json")
    file.write_bytes(content)
    assert keys(project) == NO_TABLES
    runs.job()
    assert "notion/tasks" in keys(project)


def test_asset_of_another_follows_one_table_by_name(runs: Runs, tasks: Database, project: Project) -> None:
    """An asset that depends on `notion/tasks` is asked for when that table was synced, and by no other."""
    runs.job()

    @dg.asset(deps=[TASKS], automation_condition=dg.AutomationCondition.eager())
    def report() -> None: ...

    merged = dg.Definitions.merge(build_definitions(project), dg.Definitions(assets=[report]))
    first = dg.evaluate_automation_conditions(defs=merged, instance=runs.instance)
    runs.assets(CONTENT, partition="deals")
    second = dg.evaluate_automation_conditions(defs=merged, instance=runs.instance, cursor=first.cursor)
    assert second.get_num_requested(report.key) == 0
    runs.assets(CONTENT, partition="tasks")
    third = dg.evaluate_automation_conditions(defs=merged, instance=runs.instance, cursor=second.cursor)
    assert third.get_num_requested(report.key) == 1


def test_table_has_owners_tags_and_freshness_of_its_source_or_its_own(
    runs: Runs, tasks: Database, project: Project
) -> None:
    configure(
        project,
        'owners: [ana@example.com], tags: {domain: ops}, schedule: "0 6 * * *", '
        "streams: {Tasks: {owners: ['team:tasks'], tags: {tier: '1'}}}",
    )
    runs.job()
    found, other = spec(project), spec(project, dg.AssetKey(["notion", "deals"]))
    assert (list(found.owners), list(other.owners)) == (["team:tasks"], ["ana@example.com"])
    assert {key: value for key, value in found.tags.items() if not key.startswith("dagster/")} == {
        "domain": "ops",
        "tier": "1",
    }
    daily = dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=26), warn_window=timedelta(hours=25))
    assert found.freshness_policy == daily
    for name in ("database", "databases"):
        whole = spec(project, dg.AssetKey(["notion", name]))
        assert (list(whole.owners), whole.tags["domain"]) == (["ana@example.com"], "ops")
        assert whole.freshness_policy == daily


def test_table_that_is_renamed_goes_on_under_its_new_name(runs: Runs, tasks: Database, project: Project) -> None:
    runs.job()
    configure(project, "streams: {Tasks: {table: todo}}")
    result = runs.assets(LISTING)
    assert result.success
    todo = dg.AssetKey(["notion", "todo"])
    assert keys(project) == {*NO_TABLES, "notion/todo", "notion/deals"}
    found = runs.metadata(result.run_id, None, todo)
    assert (found["dagster/row_count"], found["renamed_from"]) == (1, "notion.tasks")
    events = runs.instance.fetch_observations(TASKS, limit=1).records
    observation = events[0].asset_observation
    assert observation is not None
    assert observation.metadata["renamed_to"].value == todo
    assert runs.assets(CONTENT, partition="todo").success


@pytest.mark.parametrize("how", ["retired", "deselected"])
def test_table_of_a_database_that_is_gone_stays_without_a_partition(
    runs: Runs, tasks: Database, project: Project, workspace: Workspace, how: str
) -> None:
    configure(project, 'schedule: "0 6 * * *"')
    runs.job()
    if how == "retired":
        workspace.unshare(tasks)
    else:
        configure(project, 'schedule: "0 6 * * *", deselect: [Tasks]')
    assert runs.job().success
    assert "tasks" not in runs.partitions()
    found = spec(project)
    assert [dep.asset_key for dep in found.deps] == [LISTING]
    assert "No longer synced" in str(found.description)
    assert found.freshness_policy is None
    assert "partition" not in found.metadata
    assert build_definitions(project).get_repository_def()


def test_several_data_sources_are_an_asset_each(runs: Runs, tasks: Database, project: Project) -> None:
    tasks.add_data_source("Archive", {"What": "title"}).add_page({"What": "old"})
    result = runs.job()
    archive = dg.AssetKey(["notion", "tasks__archive"])
    found = runs.metadata(result.run_id, None, archive)
    assert (found["dagster/row_count"], found["dagster/table_name"]) == (1, "notion.tasks__archive")
    assert found["data_source"] == "Archive"
    assert 'data source "Archive" of the Notion database "Tasks"' in str(spec(project, archive).description)


def test_failed_database_materializes_no_table_and_keeps_others(
    runs: Runs, tasks: Database, project: Project, workspace: Workspace
) -> None:
    refuse(workspace, tasks)
    result = runs.job()
    assert not result.success
    assert runs.materialized(result.run_id, TASKS) == []
    assert keys(project) == {*NO_TABLES, "notion/tasks", "notion/deals"}


@pytest.mark.parametrize("name", ["My tasks", "a/b", 'q"uote', "任务", "Ünïcode.x"])
def test_any_table_name_makes_an_asset(runs: Runs, tasks: Database, project: Project, name: str) -> None:
    configure(project, f"streams: {{Tasks: {{table: '{name}'}}}}")
    result = runs.job()
    assert result.success
    key = dg.AssetKey(["notion", name])
    assert runs.metadata(result.run_id, None, key)["dagster/row_count"] == 1
    assert spec(project, key).key == key


def test_code_is_found_where_the_package_is(runs: Runs, tasks: Database, project: Project) -> None:
    runs.job()
    (project.root / "sources.yaml").write_text("sources: [{name: notion, account: {type: token}}]")
    labels = {
        key: [reference.label for reference in spec(project, key).metadata["dagster/code_references"].code_references]
        for key in (TASKS, CONTENT, LISTING)
    }
    assert labels[TASKS] == ["sources.yaml", "notion_pipeline/defs/assets/tables.py"]
    assert labels[CONTENT] == ["sources.yaml", "notion_pipeline/defs/assets/source_assets.py"]
    assert labels[LISTING] == ["sources.yaml", "notion_pipeline/defs/assets/listing.py"]
