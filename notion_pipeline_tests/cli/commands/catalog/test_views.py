"""`notion-pipeline views`: what it makes and prints, and how it fails."""

from __future__ import annotations

import duckdb
import pytest

from notion_pipeline.project import Project
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline_tests.support.catalog import catalogs
from notion_pipeline_tests.support.commands import Commands
from notion_pipeline_tests.support.processes.holder import held_by_another_process

pytestmark = pytest.mark.slow


@pytest.fixture
def commands(project: Project, workspace: Workspace) -> Commands:
    tasks = workspace.add_database("Tasks", {"Name": "title", "Due": "date"})
    tasks.data_source.add_page({"Name": "one", "Due": {"start": "2026-03-01"}})
    workspace.add_database("Notes", {"Name": "title"})
    return Commands(project)


def query(commands: Commands, sql: str) -> list[tuple[object, ...]]:
    with catalogs.reading(commands.project.root) as connection:
        return connection.execute(sql).fetchall()


def test_nothing_is_made_before_a_sync(commands: Commands) -> None:
    assert "`notion-pipeline sync` makes them" in commands.fails("views")
    commands.ok("sync", "databases")
    assert "nothing to make views of" in commands.fails("views")


def test_views_are_made_kept_and_removed(commands: Commands, workspace: Workspace) -> None:
    commands.ok("sync")
    dry = commands.ok("views", "--dry-run")
    assert 'CREATE OR REPLACE VIEW "notion_views"."tasks" AS' in dry
    assert not query(commands, "SELECT 1 FROM duckdb_views() WHERE NOT internal AND schema_name <> '_notion_pipeline'")
    made = commands.json("views", "--json")
    assert made == [
        {"source": "notion", "view": "notion_views.notes", "table": "notion.notes", "columns": 11, "action": "created"},
        {"source": "notion", "view": "notion_views.tasks", "table": "notion.tasks", "columns": 17, "action": "created"},
    ]
    assert {entry["action"] for entry in commands.json("views", "--json")} == {"unchanged"}
    assert query(commands, "SELECT name, due_start::DATE::VARCHAR FROM notion_views.tasks") == [("one", "2026-03-01")]
    # A rename in sources.yaml renames table and view; a new database and a new property come with the sync.
    commands.configure(
        "sources: [{name: notion, account: {type: token}, streams: {Tasks: {table: to_do, sync_type: FULL_TABLE}}}]"
    )
    tasks = next(database for database in workspace.databases.values() if database.title == "Tasks").data_source
    tasks.add_property("Effort", "number")
    workspace.add_database("Deals", {"Name": "title"})
    commands.ok("sync")
    views = query(commands, "SELECT view_name FROM duckdb_views() WHERE schema_name = 'notion_views' ORDER BY 1")
    assert views == [("deals",), ("notes",), ("to_do",)]
    assert query(commands, "SELECT name, effort FROM notion_views.to_do") == [("one", None)]
    removed = commands.json("views", "--drop", "--json")
    assert {entry["action"] for entry in removed} == {"removed"}
    assert not query(commands, "SELECT 1 FROM duckdb_schemas() WHERE schema_name = 'notion_views'")


def test_published_copy_gets_the_views_too(commands: Commands) -> None:
    catalogs.only_in_a_file("nothing of a lake is published")
    commands.configure("publish: copy.duckdb\nsources: [{name: notion, account: {type: token}}]")
    commands.ok("sync")
    commands.ok("views")
    with duckdb.connect(str(commands.project.root / "copy.duckdb"), read_only=True) as copy:
        assert copy.execute("SELECT name FROM notion_views.tasks").fetchall() == [("one",)]


def test_names_that_need_quotes(commands: Commands) -> None:
    commands.configure(
        """sources: [{name: notion, account: {type: token}, streams: {Tasks: {table: 'a "b". c''; --'}}}]"""
    )
    commands.ok("sync")
    assert [entry["action"] for entry in commands.json("views", "--json")] == ["created", "created"]
    assert query(commands, """SELECT name FROM notion_views."a ""b"". c'; --\"""") == [("one",)]
    assert commands.ok("dbt")


def test_retired_database_keeps_its_view(commands: Commands, workspace: Workspace) -> None:
    commands.ok("sync")
    commands.ok("views")
    workspace.trash_database(next(found for found in workspace.databases.values() if found.title == "Tasks"))
    commands.ok("sync")
    assert query(commands, "SELECT name FROM notion_views.tasks") == [("one",)]


def test_one_source_of_several(commands: Commands) -> None:
    commands.configure(
        "sources: [{name: sales, account: {type: token}, select: [Tasks]}, {name: hr, account: {type: token}}]"
    )
    commands.ok("sync", "--source", "hr")
    assert {entry["source"] for entry in commands.json("views", "--source", "hr", "--json")} == {"hr"}
    result = commands.run("views")
    assert result.exit_code == 0
    assert "sync --source sales`" in result.stderr
    assert "nearest" in commands.fails("views", "--source", "hrr")


def test_catalog_that_is_held_is_told(commands: Commands, project: Project) -> None:
    catalogs.only_in_a_file("nobody waits for a lake")
    commands.ok("sync")
    with held_by_another_process(project.root / "catalog.duckdb") as holder:
        assert f"PID {holder.pid}" in commands.fails("views")
