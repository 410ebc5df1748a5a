"""What is listed is whole on narrow terminals: titles, ids and table names can be read and copied."""

from __future__ import annotations

import pytest

from notion_pipeline.project import Project
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline_tests.support.commands import Commands
from notion_pipeline_tests.support.processes.terminal import Terminal

LONG = "Customer success interviews and what came of them, Europe (2024)"


@pytest.mark.slow
@pytest.mark.parametrize("columns", [60, 80, 100, 400])
def test_streams_are_whole(project: Project, workspace: Workspace, columns: int) -> None:
    titles = [LONG, "Tasks", "日本のお客様との会議の記録"]
    databases = [workspace.add_database(title, {"Name": "title"}) for title in titles]
    commands = Commands(project)
    commands.ok("sync")
    stored = {stream["title"]: stream for stream in commands.json("streams", "--json")}
    with Terminal(project.root, "streams", columns=columns) as terminal:
        code, shown = terminal.ends()
    assert code == 0, shown
    lines = [line.rstrip("\r") for line in shown.split("\n")]
    for database in databases:
        assert any(database.title in line for line in lines), shown
        assert any(f"database_{database.id}" in line for line in lines), shown
        assert any(stored[database.title]["data_sources"][0]["table"] in line for line in lines), shown
    assert "…" not in shown
    is_table = any(line.startswith("stream    ") for line in lines)
    assert is_table is (columns == 400), shown


@pytest.mark.parametrize("columns", [60, 80, 250])
def test_accounts_are_whole(project: Project, workspace: Workspace, columns: int) -> None:
    workspace.name = LONG
    with Terminal(project.root, "connect", "--token") as terminal:
        terminal.answers("Token", workspace.token.value)
        assert terminal.ends()[0] == 0
    with Terminal(project.root, "accounts", columns=columns) as terminal:
        code, shown = terminal.ends()
    assert code == 0, shown
    lines = shown.splitlines()
    assert any(LONG in line for line in lines), shown
    assert any(workspace.token.bot.id in line for line in lines), shown
    assert any("token in place of NOTION_TOKEN" in line for line in lines), shown


def test_a_pipe_gets_a_line_each(project: Project, workspace: Workspace) -> None:
    workspace.add_database(LONG * 6, {"Name": "title"})
    commands = Commands(project)
    commands.ok("sync")
    (line,) = (line for line in commands.ok("streams").splitlines() if LONG in line)
    assert LONG * 6 in line
