"""A database is named in the same ways everywhere, and a selection of nothing is a failure."""

from __future__ import annotations

import pytest

from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.model.objects import DataSource
from notion_pipeline_tests.support.commands import Commands
from notion_pipeline_tests.support.whole_way import Pipeline, synced, tasks_in

pytestmark = [pytest.mark.slow, pytest.mark.long]


VIEW = "2" * 32
WAYS = [
    "{dashed}",
    "{bare}",
    "DATABASE_{bare}",
    "https://www.notion.so/acme/My-Tasks-{bare}?v={view}&pvs=4",
    "https://app.notion.com/p/slug-{bare}",
    "{bare}?v={view}",
    "My-Tasks-{bare}",
    "{data_source}",
    "my tasks",
    "my_tasks",
    "NOTION.MY_TASKS",
]


def written(way: str, tasks: DataSource) -> str:
    bare = tasks.database.id.replace("-", "")
    return way.format(dashed=tasks.database.id.upper(), bare=bare, view=VIEW, data_source=tasks.id)


def config(**keys: object) -> str:
    entry = {"name": "notion", "account": {"type": "token", "token": {"env": "NOTION_TOKEN"}}, **keys}
    return f"sources: [{entry}]".replace("'", '"').replace("True", "true")


@pytest.fixture
def commands(pipeline: Pipeline) -> Commands:
    return Commands(pipeline.project)


@pytest.fixture
def tasks(workspace: Workspace) -> DataSource:
    """A database among others."""
    tasks_in(workspace, 1, "Notes")
    return tasks_in(workspace, 2, "My Tasks")


@pytest.mark.parametrize("way", WAYS)
def test_every_way_names_it_in_sources_yaml(pipeline: Pipeline, tasks: DataSource, way: str) -> None:
    entry = written(way, tasks)
    pipeline.configure(config(select=[entry], streams={entry: {"exclude_properties": ["Effort"], "table": "chores"}}))
    synced(pipeline)
    assert pipeline.query("SELECT title FROM notion.databases WHERE selected") == [("My Tasks",)]
    assert pipeline.query("SELECT column_name FROM duckdb_columns() WHERE column_name = 'effort'") == []
    assert pipeline.count("chores") == 2
    pipeline.configure(config(deselect=[entry]))
    synced(pipeline)
    assert pipeline.query("SELECT title FROM notion.databases WHERE selected") == [("Notes",)]


def test_every_way_names_it_in_the_launchpad(pipeline: Pipeline, tasks: DataSource) -> None:
    synced(pipeline)
    for way in WAYS:
        run = synced(pipeline, only=[written(way, tasks)])
        assert [request.path.split("/")[3] for request in run.queries] == [tasks.id] * len(run.queries), way
        assert run.queries, way


def test_every_way_names_it_on_the_command_line(commands: Commands, tasks: DataSource) -> None:
    for way in WAYS:
        (found,) = (
            commands.json("streams", written(way, tasks), "--json") if way != WAYS[0] else [{"title": "My Tasks"}]
        )
        assert found["title"] == "My Tasks"
        output = commands.ok("sync", written(way, tasks))
        assert "My Tasks" in output
        assert "Notes" not in output


@pytest.mark.parametrize("way", WAYS[:-1])
def test_every_way_names_it_to_the_wizard(commands: Commands, tasks: DataSource, way: str) -> None:
    entry = written(way, tasks)
    flags = ["--name", "notion", "--token-env", "NOTION_TOKEN", "--select", entry, "--table", f"{entry}=chores"]
    if "=" in entry:
        flags = flags[:-2]  # the equals sign parts a stream from its table
    output = commands.ok("add", "--yes", "--dry-run", *flags)
    assert tasks.database.id in output


def test_data_source_that_search_misses_names_its_database(
    workspace: Workspace, pipeline: Pipeline, tasks: DataSource
) -> None:
    pipeline.configure(config(select=[tasks.id]))
    workspace.switches.search_gaps |= {tasks.id, tasks.database.id}
    synced(pipeline)
    assert pipeline.count("my_tasks") == 2


def test_exact_title_wins_over_the_same_text_as_a_glob(workspace: Workspace, pipeline: Pipeline) -> None:
    tasks_in(workspace, 1, "Plan [2024]")
    tasks_in(workspace, 1, "Plan 2")
    tasks_in(workspace, 1, "Plan 0")
    pipeline.configure(config(select=["Plan [2024]"]))
    synced(pipeline)
    assert pipeline.query("SELECT title FROM notion.databases WHERE selected") == [("Plan [2024]",)]
    run = synced(pipeline, only=["plan [2024]"])
    assert len({request.path for request in run.queries}) == 1
    pipeline.configure(config(deselect=["Plan [2024]"]))
    synced(pipeline)
    assert pipeline.query("SELECT title FROM notion.databases WHERE selected ORDER BY 1") == [("Plan 0",), ("Plan 2",)]


def test_a_glob_speaks_of_titles_as_they_are(workspace: Workspace, pipeline: Pipeline) -> None:
    pipeline.configure(config(deselect=["archive*"]))
    old = tasks_in(workspace, 1, "Archive 2023")
    tasks_in(workspace, 1)
    synced(pipeline)
    assert pipeline.query("SELECT title FROM notion.databases WHERE selected") == [("Tasks",)]
    workspace.rename_database(old.database, "Old")
    synced(pipeline)
    assert pipeline.query("SELECT title FROM notion.databases WHERE selected ORDER BY 1") == [("Old",), ("Tasks",)]


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        (
            {"select": ["My Taks"]},
            'select "My Taks" matches no database that the connection sees; nearest is "My Tasks".',
        ),
        ({"select": ["Zz*"]}, 'select "Zz*" matches no database'),
        ({"deselect": ["*"]}, "deselect takes all of them out."),
        ({"select": []}, "select is empty."),
    ],
)
def test_selection_of_nothing_fails(commands: Commands, tasks: DataSource, keys: dict[str, object], says: str) -> None:
    commands.configure(config(**keys))
    message = commands.fails("sync")
    assert "selects none of the 2 databases that the connection sees" in message
    assert says in message
    result = commands.run("check")
    assert result.exit_code == 1
    assert says in result.stdout


def test_selection_of_an_id_that_cannot_be_seen_fails(commands: Commands, tasks: DataSource) -> None:
    commands.configure(config(select=["f" * 32]))
    assert "It is named in sources.yaml. Share the database with the connection" in commands.fails("sync")
    assert commands.run("check").exit_code == 1


def test_list_of_databases_alone_may_be_selected(commands: Commands, tasks: DataSource) -> None:
    commands.configure(config(select=["databases"]))
    commands.ok("sync")
    commands.ok("check")


def test_name_that_fits_nothing_beside_one_that_does_is_warned_of(commands: Commands, tasks: DataSource) -> None:
    commands.configure(config(select=["Nots", "My Tasks"]))
    result = commands.run("sync")
    assert result.exit_code == 0
    assert 'select "Nots" matches no database that the connection sees; nearest is "Notes".' in result.stderr
    assert commands.run("check").exit_code == 1


@pytest.mark.parametrize("entry", ["My Taks", "Zz*", "f" * 32])
def test_sync_of_nothing_fails(commands: Commands, tasks: DataSource, entry: str) -> None:
    message = commands.fails("sync", entry)
    assert f'No selected database is called "{entry}"' in message
    assert entry != "My Taks" or 'nearest is "My Tasks"' in message
