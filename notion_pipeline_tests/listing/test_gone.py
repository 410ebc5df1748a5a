"""A database that is un-shared or trashed does not disappear in silence: where it is named, and with which reason."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import dagster as dg
import pytest
from dagster import AssetRecordsFilter

from notion_pipeline.defs.build import build_definitions
from notion_pipeline.project import Project
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.model.objects import Database
from notion_pipeline_tests.support.commands import Commands
from notion_pipeline_tests.support.dagster_runs import LISTING, Runs

pytestmark = [pytest.mark.slow, pytest.mark.long]


WAYS = {
    "not shared": (lambda workspace, database: workspace.unshare(database), "not shared with the connection any more"),
    "in trash": (lambda workspace, database: workspace.trash_database(database), "in Notion's trash"),
    "deleted": (lambda workspace, database: workspace.delete_database(database), "Notion answers 404"),
}
Goes = Callable[[Workspace, Database], None]
SOURCE = "sources: [{{name: notion, account: {{type: token}}, {}}}]"


@pytest.fixture(params=list(WAYS))
def way(request: pytest.FixtureRequest) -> tuple[Goes, str]:
    return WAYS[request.param]


@pytest.fixture
def tasks(workspace: Workspace) -> Database:
    found = workspace.add_database("Tasks", {"Name": "title"})
    found.data_source.add_page({"Name": "one"})
    workspace.add_database("Notes", {"Name": "title"}).data_source.add_page({"Name": "one"})
    workspace.clock.advance(timedelta(hours=1))
    return found


def observed(runs: Runs, table: str) -> list[dg.AssetObservation]:
    key = AssetRecordsFilter(asset_key=dg.AssetKey(["notion", table]))
    found = [record.asset_observation for record in runs.instance.fetch_observations(key, limit=10).records]
    return [event for event in found if event is not None]


def test_run_that_finds_it_gone_says_so_everywhere(
    runs: Runs, tasks: Database, workspace: Workspace, way: tuple[Goes, str]
) -> None:
    goes, reason = way
    runs.job()
    goes(workspace, tasks)
    run = runs.job()
    assert run.success
    warnings = [entry for entry in runs.instance.all_logs(run.run_id) if entry.level == 30]
    said = [entry.user_message for entry in warnings if tasks.id in entry.user_message]
    assert len(said) == 1
    assert said[0].startswith('"Tasks" ')
    assert reason in said[0]
    assert "notion.tasks" in said[0]
    told = str(runs.metadata(run.run_id, None, LISTING)["not_seen_any_more"])
    assert "Tasks" in told
    assert reason in told
    assert "notion.tasks" in told
    (observation,) = observed(runs, "tasks")
    assert reason in str(observation.metadata["reason"].value)
    assert observed(runs, "notes") == []
    # The listings after it name it still, and observe nothing anew.
    again = runs.job()
    assert reason in str(runs.metadata(again.run_id, None, LISTING)["not_seen_any_more"])
    assert len(observed(runs, "tasks")) == 1


def test_one_that_comes_back_is_told_of_no_more(runs: Runs, tasks: Database, workspace: Workspace) -> None:
    runs.job()
    workspace.trash_database(tasks)
    runs.job()
    workspace.restore_database(tasks)
    run = runs.job()
    assert "not_seen_any_more" not in runs.metadata(run.run_id, None, LISTING)
    workspace.unshare(tasks)
    run = runs.job()
    assert "not shared" in str(runs.metadata(run.run_id, None, LISTING)["not_seen_any_more"])


def test_data_source_that_goes_alone_is_observed_on_its_table(
    runs: Runs, tasks: Database, workspace: Workspace
) -> None:
    second = workspace.add_data_source(tasks, "Second", {"Name": "title"})
    second.add_page({"Name": "one"})
    runs.job()
    tasks.data_sources.remove(second)
    del workspace.data_sources[second.id]
    assert runs.job().success
    (observation,) = observed(runs, "tasks__second")
    assert "no longer among the data sources" in str(observation.metadata["reason"].value)
    assert observed(runs, "tasks") == []


@pytest.fixture
def commands(tasks: Database, project: Project) -> Commands:
    return Commands(project)


def line_of(output: str, name: str) -> str:
    return next(line for line in output.splitlines() if line.split()[1:2] == [name])


def test_check_and_sources_name_it_before_and_after_the_next_sync(
    commands: Commands, tasks: Database, workspace: Workspace, way: tuple[Goes, str]
) -> None:
    goes, reason = way
    commands.ok("sync")
    goes(workspace, tasks)
    for _ in range(2):
        output = commands.ok("check")
        (note,) = [line for line in output.splitlines() if "Not seen any more" in line]
        assert '"Tasks"' in note
        assert reason in note
        commands.ok("sync")
    assert "notion.tasks" in note
    shown = commands.ok("sources")
    (gone,) = [line for line in shown.splitlines() if line.strip().startswith("gone")]
    assert '"Tasks"' in gone
    assert reason in gone
    (entry,) = json.loads(commands.ok("sources", "--json"))
    assert [(found["title"], found["tables"]) for found in entry["gone"]] == [("Tasks", ["notion.tasks"])]


@pytest.mark.parametrize(
    "settings",
    [
        "select: [Tasks, Notes]",
        "select: ['{id}', Notes]",
        "select: ['database_{id}', Notes]",
        "streams: {{Tasks: {{table: mine}}}}",
        "streams: {{'{id}': {{table: mine}}}}",
    ],
)
@pytest.mark.parametrize("after_a_sync", [False, True])
def test_check_fails_where_sources_yaml_names_it(
    commands: Commands, tasks: Database, workspace: Workspace, settings: str, after_a_sync: bool
) -> None:
    written = settings.format(id=tasks.id)
    commands.configure(SOURCE.format(written))
    commands.ok("sync")
    workspace.trash_database(tasks)
    if after_a_sync:
        # Only an id asks for this very database; a title may have gone with it, and settings may outlive it.
        assert commands.run("sync").exit_code == (tasks.id in written and "select" in written)
    result = commands.run("check")
    assert result.exit_code == 1
    line = line_of(result.stdout, "access")
    assert line.startswith("FAIL")
    assert '"Tasks"' in line
    assert "in Notion's trash" in line


@pytest.mark.parametrize("settings", ["select: ['*']", "select: ['Ta*', Notes]", "deselect: [Tasks]"])
def test_check_passes_where_it_is_named_by_nobody(
    commands: Commands, tasks: Database, workspace: Workspace, settings: str
) -> None:
    commands.configure(SOURCE.format(settings))
    commands.ok("sync")
    workspace.unshare(tasks)
    commands.ok("check")
    commands.ok("sync")
    commands.ok("check")


def test_title_that_another_database_bears_now_is_no_failure(
    commands: Commands, tasks: Database, workspace: Workspace
) -> None:
    commands.configure(SOURCE.format("select: [Tasks, Notes]"))
    commands.ok("sync")
    workspace.unshare(tasks)
    workspace.add_database("Tasks", {"Name": "title"})
    commands.ok("sync")
    output = commands.ok("check")
    assert "Not seen any more" in output


def test_id_that_was_never_seen_fails(commands: Commands, tasks: Database, workspace: Workspace) -> None:
    hidden = workspace.add_database("Hidden", {"Name": "title"})
    workspace.unshare(hidden)
    commands.configure(SOURCE.format(f"select: ['{hidden.id}', Notes]"))
    result = commands.run("check")
    assert result.exit_code == 1
    assert hidden.id in line_of(result.stdout, "access")


def test_description_of_its_asset_says_why(runs: Runs, tasks: Database, workspace: Workspace) -> None:

    runs.job()
    workspace.trash_database(tasks)
    runs.job()
    graph: Any = build_definitions(runs.project).resolve_asset_graph()
    assert "in Notion's trash" in str(graph.get(dg.AssetKey(["notion", "tasks"])).description)
