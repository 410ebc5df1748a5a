"""A change of a schema is told of for seven days, or until somebody says that he knows."""

from __future__ import annotations

from datetime import timedelta

import dagster as dg
import pytest
from dagster import DagsterInstance

from notion_pipeline.cli.process import environment, working_in
from notion_pipeline.cli.runs.sync_jobs import project_instance
from notion_pipeline.defs.checks.findings import SCHEMA
from notion_pipeline.project import Project
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.model.objects import Database
from notion_pipeline_tests.support.catalog import catalogs
from notion_pipeline_tests.support.catalog.former_catalog import make_former
from notion_pipeline_tests.support.commands import Commands

pytestmark = [pytest.mark.slow, pytest.mark.long]


CHECKS = [dg.AssetCheckKey(dg.AssetKey(["notion", table]), SCHEMA) for table in ("deals", "tasks")]


@pytest.fixture
def databases(workspace: Workspace) -> dict[str, Database]:
    found = {}
    for title in ("Tasks", "Deals"):
        found[title] = workspace.add_database(title, {"Name": "title", "Due": "date"})
        found[title].data_source.add_page({"Name": "one"})
    workspace.clock.advance(timedelta(hours=1))
    return found


@pytest.fixture
def commands(databases: dict[str, Database], project: Project) -> Commands:
    """Both databases synced, then a property of each renamed and synced again."""
    found = Commands(project)
    found.ok("sync")
    for database in databases.values():
        database.data_source.rename_property("Due", "Deadline")
    found.ok("sync")
    return found


def shown(project: Project) -> tuple[bool, str]:
    """What Dagster shows of the check of both tables: whether it passed, and its words."""
    with working_in(project.root), environment(project.environ), project_instance(project) as instance:
        return _latest(instance)


def _latest(instance: DagsterInstance) -> tuple[bool, str]:
    records = instance.event_log_storage.get_latest_asset_check_execution_by_key(CHECKS)
    events = [records[check].event for check in CHECKS]
    found = [event.dagster_event.asset_check_evaluation_data for event in events if event and event.dagster_event]
    return all(one.passed for one in found), "; ".join(str(one.description) for one in found if not one.passed)


def write(project: Project, sql: str) -> None:
    with catalogs.changing(project.root) as connection:
        connection.execute(sql)


def test_change_is_told_of_by_every_sync_until_it_is_acknowledged(
    commands: Commands, project: Project, databases: dict[str, Database]
) -> None:
    commands.ok("sync")
    passed, said = shown(project)
    assert not passed
    assert "(tasks)" in said
    assert "(deals)" in said
    output = commands.ok("acknowledge", "Tasks")
    assert 'notion.tasks: property "Due" was renamed to "Deadline"' in output
    assert "deals" not in output
    passed, said = shown(project)
    assert not passed
    assert "(tasks)" not in said, "at once, and not with the next sync"
    assert "(deals)" in said
    assert "notion.deals" in commands.ok("acknowledge")
    assert shown(project)[0]
    commands.ok("sync")
    assert shown(project)[0]
    assert commands.ok("acknowledge").strip() == "There is nothing to acknowledge."
    databases["Tasks"].data_source.rename_property("Deadline", "Until")
    commands.ok("sync")
    passed, said = shown(project)
    assert not passed
    assert '"Until"' in said
    assert '"Due"' not in said, "what was acknowledged stays so"


@pytest.mark.parametrize(("days", "told"), [(6, True), (8, False)])
def test_change_is_told_of_for_seven_days(commands: Commands, project: Project, days: int, told: bool) -> None:
    write(project, f"UPDATE _notion_pipeline.syncs SET finished_at = finished_at - INTERVAL {days} DAY")
    write(
        project,
        f"UPDATE _notion_pipeline.bookmark_versions SET last_full_sync_at = last_full_sync_at - INTERVAL {days} DAY",
    )
    commands.ok("sync")
    assert shown(project)[0] is not told


@pytest.mark.parametrize("how", ["tasks", "TASKS", "Ta*", "id", "stream"])
def test_streams_are_named_in_every_way(commands: Commands, databases: dict[str, Database], how: str) -> None:
    key = databases["Tasks"].id
    output = commands.ok("acknowledge", {"id": key, "stream": f"database_{key}"}.get(how, how), "--source", "notion")
    assert "notion.tasks" in output
    assert "notion.deals" not in output


@pytest.mark.parametrize("name", ["Chores", "chores", "To do", "tasks"])
def test_database_is_found_by_its_names_before_and_after_a_rename(
    databases: dict[str, Database], workspace: Workspace, project: Project, name: str
) -> None:
    """`To do` is what sources.yaml calls it; `tasks` is its table, which keeps its name."""
    commands = Commands(project)
    account = "{type: token, token: {env: NOTION_TOKEN}}"
    commands.configure(f'sources:\n  - {{name: notion, account: {account}, select: ["Tasks", "Deals"]}}')
    commands.ok("sync")
    tasks = databases["Tasks"]
    workspace.rename_database(tasks, "To do")
    commands.configure(f'sources:\n  - {{name: notion, account: {account}, select: ["To do", "Deals"]}}')
    commands.ok("sync")
    workspace.rename_database(tasks, "Chores")
    for database in databases.values():
        database.data_source.rename_property("Due", "Deadline")
    commands.ok("sync")
    output = commands.ok("acknowledge", name)
    assert "notion.tasks" in output
    assert "notion.deals" not in output


def test_name_that_nobody_bears_is_an_error_and_acknowledges_nothing(commands: Commands, project: Project) -> None:
    assert 'nearest is "Tasks"' in commands.fails("acknowledge", "Deals", "Taks")
    assert "(deals)" in shown(project)[1]


def test_without_a_catalog_there_is_nothing(project: Project) -> None:
    assert "nothing to acknowledge" in Commands(project).ok("acknowledge")


def test_catalog_of_an_older_version_gets_the_table(commands: Commands, project: Project) -> None:
    with catalogs.changing(project.root) as connection:
        make_former(connection)
        connection.execute("DROP TABLE _notion_pipeline.acknowledgements")
    assert "notion.tasks" in commands.ok("acknowledge", "tasks")
