"""`notion-pipeline streams`: what it finds, in which order, and what it tells of each stream."""

from __future__ import annotations

import pytest

from notion_pipeline.project import Project
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline_tests.support.catalog import catalogs
from notion_pipeline_tests.support.commands import Commands
from notion_pipeline_tests.support.processes.holder import held_by_another_process

pytestmark = pytest.mark.slow


@pytest.fixture
def commands(project: Project, workspace: Workspace) -> Commands:
    """Three databases that can be seen: Tasks with two data sources, Café, and Old tasks, which is not selected."""
    tasks = workspace.add_database("Tasks", {"Name": "title"})
    tasks.data_sources[0].add_page({"Name": "one"})
    workspace.add_data_source(tasks, "Backlog", {"Name": "title"})
    workspace.add_database("Café", {"Name": "title"}).data_source.add_page({"Name": "menu"})
    workspace.add_database("Old tasks", {"Name": "title"})
    commands = Commands(project)
    commands.configure("sources: [{name: notion, account: {type: token}, deselect: ['Old *'], table_prefix: n_}]")
    return commands


def test_nothing_is_known_before_the_first_listing(commands: Commands) -> None:
    assert "notion-pipeline sync databases" in commands.fails("streams")
    assert commands.json("streams", "--json") == []


def test_streams_show_what_is_selected_and_what_is_loaded(commands: Commands, workspace: Workspace) -> None:
    commands.ok("sync", "databases")
    before = {stream["title"]: stream for stream in commands.json("streams", "--json")}
    assert (before["Tasks"]["rows"], before["Tasks"]["last_sync_at"]) == (None, None)
    commands.ok("sync")
    found = {stream["title"]: stream for stream in commands.json("streams", "--json")}
    assert found.keys() == {"List of databases", "Café", "Old tasks", "Tasks"}
    tasks = found["Tasks"]
    assert [table["table"] for table in tasks["data_sources"]] == ["notion.n_tasks", "notion.n_tasks__backlog"]
    assert [table["rows"] for table in tasks["data_sources"]] == [1, 0]
    assert (tasks["rows"], tasks["selected"], tasks["sync_type"]) == (1, True, "INCREMENTAL")
    assert tasks["stream"] == f"database_{tasks['database_id']}"
    assert tasks["last_sync_at"] is not None
    assert (found["Old tasks"]["selected"], found["Old tasks"]["rows"]) == (False, None)
    assert (found["List of databases"]["stream"], found["List of databases"]["rows"]) == ("databases", 3)
    # What sources.yaml says now counts, not what it said at the last listing.
    commands.configure("sources: [{name: notion, account: {type: token}, select: [Old*], sync_type: FULL_TABLE}]")
    found = {stream["title"]: stream for stream in commands.json("streams", "--json")}
    assert [found[title]["selected"] for title in ("Tasks", "Old tasks")] == [False, True]
    assert found["Tasks"]["sync_type"] == "FULL_TABLE"
    # One that is gone is told as such.
    workspace.trash_database(next(database for database in workspace.databases.values() if database.title == "Café"))
    commands.ok("sync", "databases")
    assert "gone from Notion" in commands.ok("streams", "cafe")


def test_query_orders_by_how_well_it_fits(commands: Commands) -> None:
    commands.ok("sync", "databases")
    assert [stream["title"] for stream in commands.json("streams", "--json", "TASKS")] == ["Tasks", "Old tasks"]
    assert [stream["title"] for stream in commands.json("streams", "--json", "cafe")] == ["Café"]
    assert [stream["title"] for stream in commands.json("streams", "--json", "n_old")] == ["Old tasks"]
    (tasks,) = commands.json("streams", "--json", "backlog")
    assert [stream["title"] for stream in commands.json("streams", "--json", tasks["database_id"][9:18])] == ["Tasks"]
    lines = commands.ok("streams", "old", "tasks").splitlines()
    assert " ".join(lines[0].split()) == "stream title data sources table sync type selected rows last sync"
    assert len(lines) == 2
    message = commands.fails("streams", "taks")
    assert "Nearest: Tasks" in message
    assert commands.json("streams", "--json", "taks") == []


def test_several_sources_are_told_apart(commands: Commands) -> None:
    commands.configure(
        "sources: [{name: sales, account: {type: token}, select: [Tasks]}, {name: hr, account: {type: token}}]"
    )
    commands.ok("sync", "databases", "--source", "hr")
    result = commands.run("streams", "--json", "tasks")
    assert "--source sales" in result.stderr
    assert {stream["source"] for stream in commands.json("streams", "--json", "--source", "hr")} == {"hr"}
    assert '"hr"' in commands.fails("streams", "--source", "hrr")


def test_catalog_that_is_held_is_waited_for_a_moment_only(commands: Commands, project: Project) -> None:
    catalogs.only_in_a_file("nobody waits for a lake")
    commands.ok("sync", "databases")
    with held_by_another_process(project.root / "catalog.duckdb") as holder:
        assert f"PID {holder.pid}" in commands.fails("streams")
