"""What a source leaves when sources.yaml has it no more: listed by check, removed or renamed by a command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from dagster import AssetKey, DagsterInstance

from notion_pipeline.cli.process import environment, working_in
from notion_pipeline.cli.runs.sync_jobs import project_instance
from notion_pipeline.config.source_files import files_of, sources_with_files
from notion_pipeline.defs.build import build_definitions
from notion_pipeline.project import Project
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.state.folder import FolderState
from notion_pipeline_tests.support.catalog import catalogs
from notion_pipeline_tests.support.commands import Commands
from notion_pipeline_tests.support.shared_state import database_locked

pytestmark = [pytest.mark.slow, pytest.mark.long]


ENTRY = "{{name: {}, account: {{type: token}}}}"


def configured(*names: str) -> str:
    return f"sources: [{', '.join(ENTRY.format(name) for name in names)}]  # mine\n"


@pytest.fixture
def commands(project: Project, workspace: Workspace) -> Commands:
    """Two sources over one workspace, synced, with flat views."""
    for title in ("Tasks", "Notes"):
        workspace.add_database(title, {"Name": "title", "Due": "date"}).data_source.add_page({"Name": "one"})
    workspace.clock.advance(timedelta(hours=1))
    found = Commands(project)
    found.configure(configured("old", "other"))
    found.ok("sync")
    found.ok("views")
    return found


@contextmanager
def instance_of(project: Project) -> Iterator[DagsterInstance]:
    with working_in(project.root), environment(project.environ), project_instance(project) as instance:
        yield instance


def query(project: Project, sql: str) -> list[tuple[Any, ...]]:
    with catalogs.reading(project.root) as connection:
        return connection.execute(sql).fetchall()


def write(project: Project, *statements: str) -> None:
    with catalogs.changing(project.root) as connection:
        for sql in statements:
            connection.execute(sql)


def relations(project: Project, source: str) -> set[str]:
    """Tables and views in the schemas of a source."""
    sql = (
        "SELECT schema_name || '.' || table_name FROM duckdb_tables() UNION ALL "
        "SELECT schema_name || '.' || view_name FROM duckdb_views() WHERE NOT internal"
    )
    return {name for (name,) in query(project, sql) if name.startswith((f"{source}.", f"{source}_views."))}


def schemas(project: Project) -> set[str]:
    return {row[0] for row in query(project, "SELECT schema_name FROM duckdb_schemas()")}


def state_rows(project: Project, source: str) -> dict[str, int]:
    tables = query(
        project,
        "SELECT table_name FROM duckdb_columns() WHERE schema_name = '_notion_pipeline' AND column_name = 'source'",
    )
    counts = {
        name: query(project, f"SELECT count(*) FROM _notion_pipeline.{name} WHERE source = '{source}'")[0][0]
        for (name,) in tables
    }
    return {name: count for name, count in counts.items() if count}


OLD = {"old.databases", "old.tasks", "old.notes", "old_views.tasks", "old_views.notes"}
OTHER = {name.replace("old", "other") for name in OLD}
NEW = {name.replace("old", "new") for name in OLD}


def test_check_lists_what_a_source_left_and_passes(commands: Commands) -> None:
    assert "not in sources.yaml any more" not in commands.ok("check")
    commands.configure(configured("other"))
    (note,) = [line for line in commands.ok("check").splitlines() if "not in sources.yaml any more" in line]
    assert "Source old" in note
    assert "3 tables, 2 flat views" in note
    assert "`notion-pipeline remove-source old`" in note
    assert "`notion-pipeline rename-source old NEW`" in note


def test_removed_source_leaves_nothing_and_takes_nothing_else(commands: Commands, project: Project) -> None:
    commands.configure(configured("other"))
    output = commands.ok("remove-source", "old", "--yes")
    for part in ("old.tasks", "old_views.tasks", "2 in Dagster", "Source old is removed."):
        assert part in output
    assert relations(project, "old") == set()
    assert {"old", "old_views"}.isdisjoint(schemas(project))
    assert state_rows(project, "old") == {}
    assert files_of(FolderState(project.home), project.home / "staging", "old") == []
    assert relations(project, "other") == OTHER
    assert state_rows(project, "other")["syncs"] == 2
    with instance_of(project) as instance:
        assert instance.get_dynamic_partitions("old_databases") == []
        assert len(instance.get_dynamic_partitions("other_databases")) == 2
        assert {key.path[0] for key in instance.get_asset_keys()} == {"other"}
    assert "not in sources.yaml any more" not in commands.ok("check")
    commands.ok("sync")
    assert "Nothing is left of a source called old" in commands.fails("remove-source", "old", "--yes")


def test_source_that_is_in_sources_yaml_is_not_removed(commands: Commands, project: Project) -> None:
    assert "take it out first" in commands.fails("remove-source", "old", "--yes")
    assert relations(project, "old") == OLD


@pytest.mark.parametrize("name", ["../../x", "/etc", "..", "", "Old", "main", "_notion_pipeline", "_runs", "x" * 40])
def test_name_that_no_source_can_have_is_refused(commands: Commands, project: Project, name: str) -> None:
    before = sorted(project.home.rglob("*"))
    commands.configure(configured("other"))
    commands.fails("remove-source", name, "--yes")
    commands.fails("rename-source", name, "other", "--yes")
    commands.fails("rename-source", "old", name, "--yes")
    assert sorted(project.home.rglob("*")) == before
    assert relations(project, "old") == OLD


def test_nothing_is_done_without_a_yes(commands: Commands, project: Project) -> None:
    commands.configure(configured("other"))
    assert "--yes" in commands.fails("remove-source", "old")
    commands.configure(configured("new", "other"))
    assert "--yes" in commands.fails("rename-source", "old", "new")
    assert relations(project, "old") == OLD
    assert relations(project, "new") == set()


def test_what_is_not_ours_stays_and_is_named(commands: Commands, project: Project) -> None:
    write(
        project,
        "CREATE TABLE old.mine AS SELECT 1 AS x",
        "CREATE VIEW old.my_view AS SELECT x FROM old.mine",
        "CREATE VIEW report AS SELECT name FROM old.tasks",
        "ALTER TABLE old.notes ADD COLUMN my_note VARCHAR",
        "UPDATE old.notes SET my_note = 'keep me'",
    )
    commands.configure(configured("other"))
    output = commands.ok("remove-source", "old", "--yes")
    assert "old.mine is not ours and stays" in output
    assert "old.notes has columns that are not ours" in output
    assert "main.report" in output
    assert relations(project, "old") == {"old.mine", "old.my_view", "old.notes"}
    assert query(project, "SELECT my_note FROM old.notes") == [("keep me",)]
    assert state_rows(project, "old") == {}


def test_renamed_source_goes_on_where_it_was(commands: Commands, project: Project, workspace: Workspace) -> None:
    before = query(project, "SELECT * FROM old.tasks")
    comments = query(project, "SELECT comment FROM duckdb_columns() WHERE schema_name = 'old' AND table_name = 'tasks'")
    with instance_of(project) as instance:
        keys = instance.get_dynamic_partitions("old_databases")
    output = commands.ok("rename-source", "old", "new", "--yes")
    assert "Source old is called new now." in output
    assert commands.sources_file.read_text() == configured("new", "other"), "comments stay"
    assert relations(project, "old") == set()
    assert {"old", "old_views"}.isdisjoint(schemas(project))
    assert relations(project, "new") == NEW
    assert query(project, "SELECT * FROM new.tasks") == before
    moved = query(project, "SELECT comment FROM duckdb_columns() WHERE schema_name = 'new' AND table_name = 'tasks'")
    assert moved == comments
    about = query(project, "SELECT comment FROM duckdb_tables() WHERE schema_name = 'new' AND table_name = 'databases'")
    assert about == [("Every Notion database that the connection of source new sees",)]
    assert query(project, "SELECT name FROM new_views.tasks") == [("one",)]
    assert state_rows(project, "old") == {}
    assert "old" not in sources_with_files(FolderState(project.home), project.home / "staging")
    with instance_of(project) as instance:
        assert instance.get_dynamic_partitions("old_databases") == []
        assert instance.get_dynamic_partitions("new_databases") == keys
        assert {key.path[0] for key in instance.get_asset_keys()} == {"other"}
    keys_of_tables = build_definitions(project).resolve_asset_graph().get_all_asset_keys()
    assert AssetKey(["new", "tasks"]) in keys_of_tables
    workspace.clock.advance(timedelta(hours=1))
    commands.ok("sync", "--source", "new")
    read = "SELECT \"read\" FROM _notion_pipeline.syncs WHERE source = 'new' ORDER BY finished_at DESC LIMIT 2"
    assert query(project, read) == [("incremental",), ("incremental",)]
    assert "not in sources.yaml any more" not in commands.ok("check")


def test_source_that_was_renamed_in_the_file_first_is_renamed_too(commands: Commands, project: Project) -> None:
    commands.configure(configured("new", "other"))
    commands.ok("rename-source", "old", "new", "--yes")
    assert relations(project, "new") == NEW


def test_columns_of_somebody_go_with_their_table_and_his_own_tables_stay(commands: Commands, project: Project) -> None:
    write(
        project,
        "CREATE TABLE old.mine AS SELECT 1 AS x",
        "ALTER TABLE old.notes ADD COLUMN my_note VARCHAR",
        "UPDATE old.notes SET my_note = 'keep me'",
    )
    output = commands.ok("rename-source", "old", "new", "--yes")
    assert "old.mine is not ours and stays" in output
    assert relations(project, "old") == {"old.mine"}
    assert query(project, "SELECT my_note FROM new.notes") == [("keep me",)]


def test_index_of_somebody_stops_a_rename_before_anything_is_done(commands: Commands, project: Project) -> None:
    catalogs.only_in_a_file("a lake has no indexes")
    write(project, "CREATE INDEX mine ON old.tasks (name)")
    text = commands.sources_file.read_text()
    assert "index mine on old.tasks" in commands.fails("rename-source", "old", "new", "--yes")
    assert relations(project, "old") == OLD
    assert relations(project, "new") == set()
    assert commands.sources_file.read_text() == text


def test_name_that_has_tables_already_is_not_renamed_to(commands: Commands, project: Project) -> None:
    commands.configure(configured("new", "other"))
    commands.ok("sync", "--source", "new")
    assert "remove-source old" in commands.fails("rename-source", "old", "new", "--yes")
    commands.ok("remove-source", "old", "--yes")
    assert "new.tasks" in relations(project, "new")


def test_both_or_neither_in_the_file_is_an_error(commands: Commands, project: Project) -> None:
    assert "two sources" in commands.fails("rename-source", "old", "other", "--yes")
    commands.configure(configured("other"))
    assert "has no source new" in commands.fails("rename-source", "old", "new", "--yes")


def test_run_that_works_stops_both(commands: Commands, project: Project) -> None:
    with instance_of(project) as instance:
        run = instance.create_run_for_job(build_definitions(project).resolve_job_def("old_sync"))
    assert run.run_id in commands.fails("rename-source", "old", "new", "--yes")
    commands.configure(configured("other"))
    assert run.run_id in commands.fails("remove-source", "old", "--yes")
    assert relations(project, "old") == OLD


def test_database_that_is_being_synced_stops_both(commands: Commands, project: Project) -> None:
    """As by a run of one partition, which is none of the source's jobs."""
    ((key,),) = query(project, "SELECT id FROM old.databases WHERE title = 'Tasks'")
    with database_locked(project.home, "old", key):
        assert "is being synced" in commands.fails("rename-source", "old", "new", "--yes")
        commands.configure(configured("other"))
        assert "is being synced" in commands.fails("remove-source", "old", "--yes")
    assert relations(project, "old") == OLD
