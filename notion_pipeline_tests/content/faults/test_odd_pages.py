"""Pages that are odd in themselves: huge, empty, with characters that no database likes."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from notion_pipeline.config.content import Chunks
from notion_pipeline.sandbox.control.faults import Fault
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.http.server import SandboxServer
from notion_pipeline.sandbox.model.objects import DataSource
from notion_pipeline_tests.support.content.engine import ContentEngine
from notion_pipeline_tests.support.content.truth import chunk_differences, content_differences
from notion_pipeline_tests.support.whole_way import SCHEMA

#: 2 MB.
HUGE = "\n".join(["Words that somebody wrote. " * 75] * 1_000)


@pytest.fixture
def tasks(workspace: Workspace) -> DataSource:
    return workspace.add_database("Tasks", SCHEMA).data_source


@pytest.fixture
def engine(workspace: Workspace, sandbox: SandboxServer, tmp_path: Path) -> ContentEngine:
    settings = {"content": {"pages": False, "users": False, "chunks": True}}
    return ContentEngine(workspace, sandbox.url, tmp_path, settings=settings)


def read(engine: ContentEngine) -> None:
    engine.workspace.clock.advance(timedelta(hours=1))
    rows = engine.attempt()
    assert rows.success, rows.reasons
    outcome = engine.read_all()
    assert outcome.success, outcome.reasons


@pytest.mark.slow
def test_huge_page_and_empty_one_are_stored_beside_each_other(engine: ContentEngine, tasks: DataSource) -> None:
    tasks.add_page({"Name": "Huge"}, content=HUGE)
    tasks.add_page({"Name": "Empty"})
    read(engine)
    assert not content_differences(engine.query, engine.workspace, [tasks])
    assert not chunk_differences(engine.query, Chunks())


@pytest.mark.slow
def test_page_of_many_parts_is_whole(engine: ContentEngine, tasks: DataSource) -> None:
    engine.workspace.markdown_limit = 100
    page = tasks.add_page({"Name": "Long"})
    for number in range(20):
        engine.workspace.add_block(page, "toggle", f"Part {number}", children=["line"] * 100)
    read(engine)
    assert not content_differences(engine.query, engine.workspace, [tasks])
    assert engine.query("SELECT truncated FROM notion.page_content") == [(False,)]


def test_characters_that_no_database_likes_are_stored_or_replaced(engine: ContentEngine, tasks: DataSource) -> None:
    tasks.add_page({"Name": "Odd"}, content="before HERE after")
    odd = rb"\u0000 \ud83d \udc00\ud83d"
    engine.workspace.faults.add(Fault("rewrite", match="/markdown", callable=lambda body: body.replace(b"HERE", odd)))
    read(engine)
    stored = [("before \0 \ufffd \ufffd\ufffd after",)]
    assert engine.query("SELECT markdown FROM notion.page_content") == stored
    assert engine.query("SELECT text FROM notion.page_chunks") == stored
