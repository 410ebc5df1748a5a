"""`notion-pipeline add`: the wizard in a pseudo-terminal, and each of its answers as a flag."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from notion_pipeline.project import Project
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline_tests.support.commands import Commands
from notion_pipeline_tests.support.processes.terminal import CTRL_A, CTRL_C, DOWN, ENTER, SPACE, Terminal

pytestmark = pytest.mark.slow


TEMPLATE = Path(__file__).parents[4] / "sources.yaml"


@pytest.fixture
def commands(project: Project, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Commands:
    """Tasks, Café and Archive can be seen, a row in each; the machine stands in Paris."""
    monkeypatch.setenv("TZ", "Europe/Paris")
    for title in ("Tasks", "Café", "Archive"):
        workspace.add_database(title, {"Name": "title"}).data_source.add_page({"Name": "one"})
    return Commands(project)


def ids(workspace: Workspace) -> dict[str, str]:
    return {database.title: database.id for database in workspace.databases.values()}


def written(commands: Commands, name: str = "notion") -> dict[str, Any]:
    content = yaml.load(commands.sources_file.read_text(encoding="utf-8"), yaml.BaseLoader)
    return next(source for source in content["sources"] if source["name"] == name)


class TestWizard:
    def test_answers_give_a_file_that_validates_and_syncs(
        self, commands: Commands, project: Project, workspace: Workspace
    ) -> None:
        known = ids(workspace)
        with Terminal(project.root, "add") as terminal:
            terminal.answers("Name of the source")
            terminal.answers("Account: how is Notion reached?")
            terminal.answers("Start date", "2024-01-01")
            terminal.answers("Streams: the account sees 3 databases", DOWN, DOWN)
            # Typed letters filter; the table's name finds the title without its accent.
            terminal.answers("Synced are", "cafe", SPACE, *["\x7f"] * 4, "task", SPACE)
            terminal.answers("a prefix for all names", "n_")
            terminal.answers("How are tables synced?")
            terminal.sees("notion.n_cafe")
            terminal.answers("Change the name or the sync type", "y")
            terminal.answers("Which", "tasks", SPACE)
            terminal.answers('Table of "Tasks"', *["\x7f"] * 7, "jobs")
            terminal.answers('How is "Tasks" synced?', DOWN)
            terminal.answers("Content: read the words on the pages too? (a request a page, 180 a minute)")
            terminal.sees("Description, at most 140 characters")
            terminal.types("Our team")
            terminal.shows("8 of 140 characters")
            terminal.types(ENTER)
            terminal.answers("Triggers", SPACE, *[DOWN] * 4, SPACE)
            terminal.answers("Every day at", *["\x7f"] * 5, "06:00, 18:30")
            terminal.answers("Look for changes every how many seconds?")
            terminal.answers("Full syncs too", "y")
            terminal.answers("Full syncs once a week on")
            terminal.answers("Time zone")
            terminal.answers("Write it into sources.yaml?", "y")
            code, shown = terminal.ends()
        assert code == 0, shown
        assert "2 of 3 databases are selected" in shown
        assert "notion-pipeline sync --source notion" in shown
        assert written(commands) == {
            "name": "notion",
            "description": "Our team",
            "account": {"type": "token", "token": {"env": "NOTION_TOKEN"}},
            "start_date": "2024-01-01",
            "select": [known["Tasks"], known["Café"]],
            "table_prefix": "n_",
            "streams": {known["Tasks"]: {"table": "jobs", "sync_type": "FULL_TABLE"}},
            "schedule": ["0 6 * * *", "30 18 * * *"],
            "full_sync_schedule": "0 3 * * 0",
            "timezone": "Europe/Paris",
            "watch": {"every_seconds": "60"},
        }
        assert f"- {known['Café']} # Café\n" in commands.sources_file.read_text(encoding="utf-8")
        assert "notion.jobs" in commands.ok("sync")
        assert {stream["title"]: stream["rows"] for stream in commands.json("streams", "--json")} == {
            "List of databases": 3,
            "Tasks": 1,
            "Café": 1,
            "Archive": None,
        }

    def test_defaults_take_everything_and_ask_for_no_trigger(self, commands: Commands, project: Project) -> None:
        with Terminal(project.root, "add", "--name", "all_of_it", "--token-env", "NOTION_TOKEN") as terminal:
            for question in (
                *("Start date", "Streams", "a prefix for all names", "How are tables synced?"),
                *("Change the name or the sync type", "Content: read", "Description", "Triggers", "Full syncs too"),
                "Write it into",
            ):
                terminal.answers(question)
            assert terminal.ends()[0] == 0
        account = {"type": "token", "token": {"env": "NOTION_TOKEN"}}
        assert written(commands, "all_of_it") == {"name": "all_of_it", "account": account, "select": ["*"]}

    def test_wrong_answers_are_asked_again(self, commands: Commands, project: Project) -> None:
        with Terminal(project.root, "add", "--token-env", "NOTION_TOKEN") as terminal:
            terminal.answers("Name of the source", *["\x7f"] * 6, "main")
            terminal.shows("a name that DuckDB keeps for itself")
            terminal.types(*["\x7f"] * 4, "notion", ENTER)
            terminal.answers("Start date", "yesterday")
            terminal.shows("allowed: a date such as")
            terminal.types(CTRL_C)
            code, shown = terminal.ends()
        assert (code, commands.sources_file.exists()) == (130, False)
        assert "Interrupted; nothing was written." in shown
        assert "Traceback" not in shown

    def test_source_that_is_there_is_changed_and_the_rest_stays(
        self, commands: Commands, project: Project, workspace: Workspace
    ) -> None:
        commands.configure(TEMPLATE.read_text(encoding="utf-8"))
        with Terminal(project.root, "add") as terminal:
            terminal.answers("What shall be done?", DOWN)
            terminal.answers("Account")
            terminal.answers("Start date")
            terminal.answers("Streams", DOWN)
            terminal.answers("Left out are", "arch", SPACE)
            terminal.answers("a prefix for all names")
            terminal.answers("How are tables synced?")
            terminal.answers("Change the name or the sync type")
            terminal.answers("Content: read")
            terminal.answers("Description", "Changed")
            terminal.answers("Triggers")
            terminal.answers("Full syncs too")
            terminal.answers("Write it into", "y")
            code, shown = terminal.ends()
        assert code == 0, shown
        found = written(commands)
        assert (found["description"], found["deselect"]) == ("Changed", [ids(workspace)["Archive"]])
        lines = commands.sources_file.read_text(encoding="utf-8").splitlines()
        assert set(TEMPLATE.read_text(encoding="utf-8").splitlines()) <= set(lines)

    def test_account_that_does_not_work_is_asked_for_again(self, commands: Commands, project: Project) -> None:
        with Terminal(project.root, "add", "--name", "notion") as terminal:
            terminal.answers("Account", *[DOWN] * 3)
            terminal.answers("Which variable", "NO_SUCH_TOKEN")
            terminal.sees("NO_SUCH_TOKEN is not set")
            terminal.sees("Account")
            terminal.types(*[DOWN] * 2, ENTER)
            terminal.answers("Token", "ntn_sandbox_token")
            terminal.sees("NOTION_TOKEN_NOTION")
            terminal.sees("Start date")
            terminal.types(CTRL_C)
            _, shown = terminal.ends()
        assert "ntn_sandbox_token" not in shown

    def test_all_are_ticked_at_once(self, commands: Commands, project: Project, workspace: Workspace) -> None:
        flags = ["--name", "notion", "--token-env", "NOTION_TOKEN", "--start-date", "", "--table-prefix", ""]
        flags += ["--sync-type", "INCREMENTAL", "--description", "", "--no-watch", "--content", "none"]
        with Terminal(project.root, "add", *flags) as terminal:
            terminal.answers("Streams", DOWN, DOWN)
            terminal.answers("Synced are", CTRL_A)
            terminal.answers("Change the name or the sync type")
            terminal.answers("Full syncs too")
            terminal.answers("Write it into")
            assert terminal.ends()[0] == 0
        assert set(written(commands)["select"]) == set(ids(workspace).values())


class TestFlags:
    def test_every_answer_is_a_flag(self, commands: Commands, workspace: Workspace) -> None:
        known = ids(workspace)
        output = commands.ok(
            *("add", "--name", "sales", "--token-env", "NOTION_TOKEN", "--start-date", "2024-01-01"),
            *("--select", "Tasks", "--select", "C*", "--deselect", "Archive", "--table-prefix", "n_"),
            *("--table", "Tasks=jobs", "--stream-sync-type", "Café=full_table", "--description", "Sales team"),
            *("--daily", "06:00,18:30", "--weekly", "mon 7:15", "--schedule", "@hourly", "--watch-every", "30"),
            *("--full-sync-weekly", "sun 03:00", "--timezone", "Europe/Berlin", "--content", "Tasks"),
        )
        assert "notion-pipeline sync --source sales" in output
        assert written(commands, "sales") == {
            "name": "sales",
            "description": "Sales team",
            "account": {"type": "token", "token": {"env": "NOTION_TOKEN"}},
            "start_date": "2024-01-01",
            "select": [known["Tasks"], "C*"],
            "deselect": [known["Archive"]],
            "table_prefix": "n_",
            "streams": {known["Tasks"]: {"table": "jobs"}, known["Café"]: {"sync_type": "FULL_TABLE"}},
            "schedule": ["0 6 * * *", "30 18 * * *", "15 7 * * 1", "@hourly"],
            "full_sync_schedule": "0 3 * * 0",
            "content": {"select": [known["Tasks"]]},
            "timezone": "Europe/Berlin",
            "watch": {"every_seconds": "30"},
        }
        assert "sales.jobs" in commands.ok("sync")

    def test_source_is_named_after_the_workspace_where_notion_is_taken(self, commands: Commands) -> None:
        commands.ok("add")
        assert written(commands)["select"] == ["*"]
        commands.ok("add")
        assert written(commands, "notion_2")
        message = commands.fails("add", "--name", "notion")
        assert "--change" in message

    def test_change_touches_what_is_said_and_nothing_else(self, commands: Commands) -> None:
        before = TEMPLATE.read_text(encoding="utf-8")
        commands.configure(before)
        commands.ok("add", "--change", "--name", "notion", "--daily", "06:00", "--timezone", "UTC")
        after = commands.sources_file.read_text(encoding="utf-8")
        added = ['    schedule: "0 6 * * *"', "    timezone: UTC"]
        assert [line for line in after.splitlines() if line not in added] == before.splitlines()
        commands.ok("add", "--change", "--watch")
        assert written(commands)["watch"] == {"every_seconds": "60"}
        commands.ok("add", "--change", "--no-watch")
        assert "watch" not in written(commands)
        assert "There is no source" in commands.fails("add", "--change", "--name", "other")

    def test_change_knows_a_database_by_the_name_that_the_file_gave_it(
        self, commands: Commands, workspace: Workspace
    ) -> None:
        account = "account: {type: token, token: {env: NOTION_TOKEN}}"
        commands.configure(
            f"sources:\n  - name: notion\n    {account}\n    select: [Tasks]\n    streams: {{Tasks: {{table: jobs}}}}\n"
        )
        commands.ok("sync")
        tasks = next(database for database in workspace.databases.values() if database.title == "Tasks")
        workspace.rename_database(tasks, "Chores")
        for name, sync_type in (("Tasks", "FULL_TABLE"), ("Chores", "INCREMENTAL"), ("jobs", "FULL_TABLE")):
            result = commands.run("add", "--change", "--stream-sync-type", f"{name}={sync_type}")
            assert result.exit_code == 0, result.output
            assert 'select "Tasks" means "Chores"' in result.stderr
            assert written(commands)["streams"] == {"Tasks": {"table": "jobs", "sync_type": sync_type}}
        commands.ok("add", "--change", "--deselect", "Tasks")
        assert written(commands)["deselect"] == [tasks.id]

    def test_dry_run_prints_and_writes_nothing(self, commands: Commands) -> None:
        output = commands.ok("add", "--dry-run", "--select", "Tasks")
        assert "# Tasks" in output
        assert not commands.sources_file.exists()

    @pytest.mark.parametrize(
        ("flags", "reason"),
        [
            (["--select", "Taks"], 'Nearest: "Tasks"'),
            (["--table", "Nothing=x"], "No database"),
            (["--table", "Tasks=archive"], "another stream's table"),
            (["--workspace", "Nowhere"], "No account is connected"),
            (["--token-env", "UNSET_TOKEN"], "UNSET_TOKEN is not set"),
            (["--name", "main"], "DuckDB keeps"),
        ],
    )
    def test_what_cannot_be_is_refused(self, commands: Commands, flags: list[str], reason: str) -> None:
        assert reason in commands.fails("add", *flags)
        assert not commands.sources_file.exists()

    @pytest.mark.parametrize(
        "flags",
        [
            ["--daily", "25:00"],
            ["--weekly", "someday 06:00"],
            ["--schedule", "0 6 * *"],
            ["--timezone", "Mars/Olympus"],
            ["--description", "x" * 141],
            ["--start-date", "soon"],
            ["--sync-type", "SOMETIMES"],
            ["--table", "Tasks"],
            ["--watch-every", "1"],
            ["--token-env", "A", "--workspace", "B"],
            ["--content", "none", "--content", "Tasks"],
        ],
    )
    def test_flags_that_say_nothing_sensible_are_wrong_usage(self, commands: Commands, flags: list[str]) -> None:
        assert commands.run("add", *flags).exit_code == 2

    def test_broken_file_is_named_before_anything_else(self, commands: Commands, workspace: Workspace) -> None:
        commands.configure("sources: [{name: notion, acount: {}}]")
        assert "acount" in commands.fails("add", "--name", "other")
        assert not workspace.requests
