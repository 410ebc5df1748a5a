"""What was said on a page goes in the commit that takes its row away, not with the next run of content."""

from __future__ import annotations

import pytest

from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.model.objects import DataSource
from notion_pipeline_tests.content.conftest import sources
from notion_pipeline_tests.support.whole_way import Pipeline


@pytest.mark.parametrize("deleted_rows", ["remove", "mark"])
def test_chunks_and_comments_go_with_their_row(
    words: Pipeline, workspace: Workspace, tasks: DataSource, deleted_rows: str
) -> None:
    for page in tasks.pages:
        workspace.add_comment(page, f"About {page.title}")
    settings = f"    deleted_rows: {deleted_rows}\n    sync_type: FULL_TABLE\n"
    words.configure(sources("{pages: false, users: false, chunks: true, comments: page}", settings))
    assert words.sync("notion_content").success
    assert (words.count("page_chunks"), words.count("comments")) == (3, 3)
    gone = tasks.pages[-1]
    workspace.trash(gone)
    assert words.sync().success
    assert words.value("SELECT count(*) FROM notion.page_chunks WHERE page_id = ?", [gone.id]) == 0
    there = "_deleted_at IS NULL" if deleted_rows == "mark" else "true"
    assert words.value(f"SELECT count(*) FROM notion.comments WHERE page_id = ? AND {there}", [gone.id]) == 0
    assert (words.count("page_chunks"), words.value(f"SELECT count(*) FROM notion.comments WHERE {there}")) == (2, 2)
