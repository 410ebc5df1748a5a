"""What stands on the sample's pages: every kind of block, a page that is cut, pages not shared, files."""

from __future__ import annotations

import re
from typing import Any

import pytest

from notion_pipeline.sandbox.answers.markdown import page_markdown
from notion_pipeline.sandbox.answers.render import Renderer
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.model.content.blocks import DEFAULTS, Block
from notion_pipeline.sandbox.model.content.page_text import children_of
from notion_pipeline.sandbox.sample import row_id, sample_workspace

SIGNATURE = re.compile(r"\?X-Amz[^\"\s)]*")


@pytest.fixture(scope="module")
def workspace() -> Workspace:
    return sample_workspace()


def contents(workspace: Workspace) -> dict[str, dict[str, Any]]:
    """The Markdown of every page, without signatures."""
    renderer, limit = Renderer(workspace, workspace.token), workspace.markdown_limit
    found = {
        page.id: page_markdown(renderer, page, limit, transcripts=False)
        for page in workspace.pages.values()
        if workspace.token.sees_page(page)
    }
    return {key: {**answer, "markdown": SIGNATURE.sub("", answer["markdown"])} for key, answer in found.items()}


@pytest.fixture(scope="module")
def shown(workspace: Workspace) -> dict[str, dict[str, Any]]:
    return contents(workspace)


def test_content_is_the_same_each_time(shown: dict[str, dict[str, Any]]) -> None:
    again = contents(sample_workspace())
    assert {key: answer for key, answer in again.items() if answer != shown[key]} == {}


def test_blocks_of_every_type_occur(workspace: Workspace) -> None:
    blocks = [
        block
        for page in workspace.pages.values()
        for child in children_of(page)
        if isinstance(child, Block)
        for block in child.walk()
    ]
    assert {block.type for block in blocks} == set(DEFAULTS)
    assert any(block.original for block in blocks)
    assert {"hosted", "external"} <= {key for block in blocks for key in block.content}


def test_many_rows_have_content(workspace: Workspace, shown: dict[str, dict[str, Any]]) -> None:
    rows = [answer for key, answer in shown.items() if workspace.pages[key].data_source is not None]
    assert sum(bool(answer["markdown"]) for answer in rows) > 280
    assert sum("refund" in answer["markdown"].lower() for answer in rows) > 25
    assert "refund" in shown[row_id("ticket/88")]["markdown"]


def test_one_page_is_cut_and_some_parts_are_not_shared(workspace: Workspace, shown: dict[str, dict[str, Any]]) -> None:
    cut = {key: answer["unknown_block_ids"] for key, answer in shown.items() if answer["truncated"]}
    assert cut.keys() == {row_id("project/0"), row_id("handbook"), row_id("person/0"), workspace.home.id}
    assert len(cut[row_id("project/0")]) == 2
    assert cut[row_id("handbook")] == [row_id("handbook/salary")]
    assert cut[row_id("person/0")] == [row_id("handbook/salary bands")]


def test_pages_of_their_own_stand_in_pages_and_in_blocks(workspace: Workspace) -> None:
    parents = {type(page.parent).__name__ for page in workspace.pages.values() if page.data_source is None}
    assert parents == {"NoneType", "Page", "Block"}
