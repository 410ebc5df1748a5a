"""Page content, the whole way: what is due, what is read, what the catalog holds then."""

from __future__ import annotations

from datetime import timedelta

import pytest

from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline_tests.support.whole_way import SCHEMA, Pipeline

MARKDOWN = r"/markdown"
CONTENT = "sources:\n  - name: notion\n    account: {type: token}\n    content: true\n"


@pytest.fixture
def words(pipeline: Pipeline, workspace: Workspace) -> Pipeline:
    """A database of three pages with words in them, synced; their edits are an hour old."""
    tasks = workspace.add_database("Tasks", SCHEMA).data_source
    for name in ("First", "Second", "Third"):
        tasks.add_page({"Name": name}, content=f"# {name}\nWhat {name} says.")
    workspace.clock.advance(timedelta(hours=1))
    pipeline.configure(CONTENT)
    assert pipeline.sync().success
    return pipeline


def test_each_page_lands_once(words: Pipeline) -> None:
    run = words.sync("notion_content")
    assert run.success, run.log
    assert run.asked(MARKDOWN) == 3
    rows = words.query("SELECT title, markdown, path, truncated FROM notion.page_content ORDER BY title")
    assert rows == [(name, f"# {name}\nWhat {name} says.", ["Tasks"], False) for name in ("First", "Second", "Third")]


def test_a_second_run_asks_for_nothing(words: Pipeline) -> None:
    words.sync("notion_content")
    assert words.sync("notion_content").requests == []
