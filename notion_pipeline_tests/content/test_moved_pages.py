"""A page that moves to another database: its old row stays until its old table is read in full."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.http.server import SandboxServer
from notion_pipeline_tests.support.content.engine import ContentEngine
from notion_pipeline_tests.support.content.truth import content_differences
from notion_pipeline_tests.support.whole_way import SCHEMA


@pytest.mark.parametrize("deleted_rows", ["remove", "mark"])
def test_moved_page_stands_once_and_is_read_once(
    tmp_path: Path, workspace: Workspace, sandbox: SandboxServer, deleted_rows: str
) -> None:
    tasks, notes = (workspace.add_database(title, SCHEMA).data_source for title in ("Tasks", "Notes"))
    moved = tasks.add_page({"Name": "Moved"}, content="Its words.")
    tasks.add_page({"Name": "Stays"}, content="Other words.")
    workspace.clock.advance(timedelta(hours=1))
    settings = {"content": {"pages": False, "users": False}, "deleted_rows": deleted_rows}
    engine = ContentEngine(workspace, sandbox.url, tmp_path, settings=settings)
    held = "SELECT database_id, title FROM notion.page_content WHERE page_id = ?"
    assert engine.attempt().success
    assert len(engine.read_all().requests) == 2
    workspace.move_page(moved, notes)
    workspace.edit_page(moved, {"Effort": 1})
    workspace.clock.advance(timedelta(hours=1))
    assert engine.attempt().success
    assert len(engine.query("SELECT id FROM notion.tasks")) == 2
    assert len(engine.read_all().requests) == 1
    here = [(notes.database.id, "Moved")]
    assert engine.query(held, [moved.id]) == here
    assert engine.read_all().requests == []
    assert len(engine.read_all(refresh=True).requests) == 2
    assert engine.query(held, [moved.id]) == here
    assert engine.attempt("FULL_TABLE").success
    assert engine.read_all().success
    assert engine.query(held, [moved.id]) == here
    assert not content_differences(engine.query, workspace, (tasks, notes))
