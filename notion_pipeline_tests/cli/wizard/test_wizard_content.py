"""What `add` asks and writes about content, as a flag and at the keyboard; comments and other settings stay."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import yaml

from notion_pipeline.project import Project
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline_tests.support.commands import Commands
from notion_pipeline_tests.support.processes.terminal import DOWN, SPACE, Terminal

ADD = ("add", "--yes", "--name", "notion", "--token-env", "NOTION_TOKEN")
CHANGE = ("add", "--yes", "--change")
COMMENTED = """
sources:
  - name: notion
    account: {type: token}  # ours
    content:  # the words
      select:  # not all
        - Tasks  # the team's
      refresh_every: 7d  # weekly
      chunks: true
    sync_type: INCREMENTAL
"""


@pytest.fixture
def commands(project: Project, workspace: Workspace) -> Commands:
    """Two databases of two pages each."""
    for title in ("Tasks", "Notes"):
        source = workspace.add_database(title, {"Name": "title"}).data_source
        for name in ("one", "two"):
            source.add_page({"Name": name})
    workspace.clock.advance(timedelta(hours=1))
    return Commands(project)


def content(commands: Commands) -> Any:
    (source,) = yaml.load(commands.sources_file.read_text(encoding="utf-8"), yaml.BaseLoader)["sources"]
    return source.get("content")


def text(commands: Commands) -> str:
    return commands.sources_file.read_text(encoding="utf-8")


def id_of(workspace: Workspace, title: str) -> str:
    return next(database.id for database in workspace.databases.values() if database.title == title)


def test_flag_writes_all_none_or_single_databases(commands: Commands, workspace: Workspace) -> None:
    commands.ok(*ADD)
    assert content(commands) is None
    commands.ok(*CHANGE, "--content", "all")
    assert content(commands) == "true"
    commands.ok(*CHANGE, "--content", "Notes")
    notes = id_of(workspace, "Notes")
    assert content(commands) == {"select": [notes]}
    assert f"- {notes} # Notes\n" in text(commands)
    commands.ok(*CHANGE, "--content", "none")
    assert content(commands) is None


def test_settings_and_comments_of_content_stay(commands: Commands, workspace: Workspace) -> None:
    commands.configure(COMMENTED)
    commands.ok(*CHANGE, "--content", "Notes")
    kept = ("# ours", "# the words", "# weekly", "chunks: true")
    assert content(commands) == {"select": [id_of(workspace, "Notes")], "refresh_every": "7d", "chunks": "true"}
    assert all(part in text(commands) for part in kept)
    commands.ok(*CHANGE, "--content", "all")
    assert content(commands) == {"refresh_every": "7d", "chunks": "true"}
    assert all(part in text(commands) for part in kept)


def test_content_on_one_line_stays_a_line(commands: Commands, workspace: Workspace) -> None:
    commands.configure("sources:\n  - name: notion\n    account: {type: token}\n    content: {chunks: true}  # ours\n")
    commands.ok(*CHANGE, "--content", "Tasks")
    assert content(commands) == {"chunks": "true", "select": [id_of(workspace, "Tasks")]}
    assert "# ours" in text(commands)


def test_database_that_nobody_sees_is_refused(commands: Commands) -> None:
    assert 'fits "Taks". Nearest: "Tasks"' in commands.fails(*ADD, "--content", "Taks")


@pytest.mark.slow
def test_question_tells_the_cost_and_keeps_what_was_chosen(
    commands: Commands, project: Project, workspace: Workspace
) -> None:
    commands.configure("sources:\n  - name: notion\n    account: {type: token}\n")
    commands.ok("sync")
    flags = [
        "--change",
        "--name",
        "notion",
        "--token-env",
        "NOTION_TOKEN",
        "--start-date",
        "",
        "--select",
        "*",
        "--table-prefix",
        "",
    ]
    flags += ["--sync-type", "INCREMENTAL", "--description", "", "--no-watch", "--full-sync-weekly", "sun 03:00"]
    with Terminal(project.root, "add", *flags) as terminal:
        terminal.answers("Change the name or")
        terminal.answers("(a request a page: about 0:00:01 for the 4 pages known)", DOWN, DOWN)
        terminal.answers("Content is read of", "notes", SPACE)
        terminal.sees("The content of 1 is read, a request a page")
        terminal.answers("Write it into")
        assert terminal.ends()[0] == 0
    assert content(commands) == {"select": [id_of(workspace, "Notes")]}
    before = text(commands)
    with Terminal(project.root, "add", *flags) as terminal:
        terminal.answers("Change the name or")
        terminal.answers("Content: read")
        terminal.answers("Content is read of")
        terminal.answers("Write it into")
        assert terminal.ends()[0] == 0
    assert text(commands) == before
