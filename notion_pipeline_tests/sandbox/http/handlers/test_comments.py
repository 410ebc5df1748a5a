"""Comments: the open ones of a page or of a block, oldest first, for connections that may read them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from notion_client import APIResponseError, Client
from notion_client.helpers import collect_paginated_api

from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.model.objects import Page
from notion_pipeline.sandbox.model.richtext import mention_page, text
from notion_pipeline_tests.support.sandbox.public_sdk import LATEST

BLOCK = "0000000b-0000-4000-a000-000000000001"
NOWHERE = "00000000-0000-4000-a000-000000000000"


@pytest.fixture
def page(ws: Workspace) -> Page:
    page = ws.add_database("Tasks", {"Name": "title"}).data_source.add_page({"Name": "x"})
    ws.add_block(page, "paragraph", "Said.", id=BLOCK)
    return page


def said(notion: Client, block_id: str, **parameters: Any) -> list[str]:
    found = collect_paginated_api(notion.comments.list, block_id=block_id, **parameters)
    return [comment["rich_text"][0]["plain_text"] for comment in found]


def refusal(notion: Client, block_id: str) -> tuple[int, str]:
    with pytest.raises(APIResponseError) as raised:
        notion.comments.list(block_id=block_id)
    return raised.value.status, raised.value.code


def test_comment_has_the_shape_that_the_docs_give(ws: Workspace, page: Page, notion: Client) -> None:
    bo = ws.add_user("Bo")
    made = ws.add_comment(page, "Look", by=bo, created_at="2026-07-04T09:08:57Z")
    (comment,) = notion.comments.list(block_id=page.id)["results"]
    assert comment == {
        "object": "comment",
        "id": made.id,
        "parent": {"type": "page_id", "page_id": page.id},
        "discussion_id": made.discussion_id,
        "created_time": "2026-07-04T09:08:00.000Z",
        "last_edited_time": "2026-07-04T09:08:00.000Z",
        "created_by": {"object": "user", "id": bo.id},
        "rich_text": [text("Look")],
        "display_name": {"type": "user", "resolved_name": "Bo"},
    }
    assert {**notion.comments.retrieve(made.id), "request_id": ""} == {**comment, "request_id": ""}


def test_names_are_of_users_connections_or_the_comments_own(ws: Workspace, page: Page, notion: Client) -> None:
    ws.add_comment(page, "a", by=ws.token.bot)
    ws.add_comment(page, "b", display_name="Support desk")
    ws.add_comment(page, "c", by=ws.add_user(None))
    names = [comment["display_name"] for comment in notion.comments.list(block_id=page.id)["results"]]
    assert names == [
        {"type": "integration", "resolved_name": "Sandbox connection"},
        {"type": "custom", "resolved_name": "Support desk"},
        {"type": "user", "resolved_name": None},
    ]


def test_attachments_are_hosted_files_signed_at_each_read(ws: Workspace, page: Page, notion: Client) -> None:
    ws.add_comment(page, [text("See "), mention_page(page)], attachments=[("image", "shot.png"), ("pdf", "a b.pdf")])
    first, second = (notion.comments.list(block_id=page.id)["results"][0]["attachments"] for _ in range(2))
    assert [entry["category"] for entry in first] == ["image", "pdf"]
    assert "a%20b.pdf?" in first[1]["file"]["url"]
    assert first[0]["file"]["url"] != second[0]["file"]["url"]


@pytest.mark.parametrize("short_pages", [False, True])
def test_comments_come_oldest_first_in_pages(ws: Workspace, page: Page, notion: Client, short_pages: bool) -> None:
    ws.switches.short_pages = short_pages
    for minute in (3, 1, 2, 5, 4):
        ws.add_comment(page, str(minute), created_at=f"2026-07-04T09:0{minute}:00Z")
    assert said(notion, page.id, page_size=2) == ["1", "2", "3", "4", "5"]


def test_cursor_is_the_id_of_the_next_comment(ws: Workspace, page: Page, notion: Client) -> None:
    first, second, third = (ws.add_comment(page, word) for word in ("a", "b", "c"))
    assert notion.comments.list(block_id=page.id, page_size=1)["next_cursor"] == second.id
    ws.delete_comment(first)
    assert said(notion, page.id, start_cursor=third.id) == ["c"]
    with pytest.raises(APIResponseError, match="The start_cursor provided is invalid"):
        notion.comments.list(block_id=page.id, start_cursor=first.id)


def test_comments_of_a_page_and_of_its_blocks_are_apart(ws: Workspace, page: Page, notion: Client) -> None:
    first = ws.add_comment(page, "on the page")
    inline = ws.add_comment(BLOCK, "on the block")
    ws.add_comment(page, "answer", first.discussion_id)
    assert said(notion, page.id) == ["on the page", "answer"]
    assert said(notion, BLOCK) == ["on the block"]
    assert notion.comments.retrieve(inline.id)["parent"] == {"type": "block_id", "block_id": BLOCK}
    threads = {comment["discussion_id"] for comment in notion.comments.list(block_id=page.id)["results"]}
    assert threads == {first.discussion_id}


def test_resolved_and_deleted_ones_cannot_be_read(ws: Workspace, page: Page, notion: Client) -> None:
    resolved, deleted, edited = (ws.add_comment(page, word) for word in ("resolved", "deleted", "open"))
    ws.resolve_discussion(resolved.discussion_id)
    ws.delete_comment(deleted)
    ws.edit_comment(edited, "edited")
    assert said(notion, page.id) == ["edited"]
    for gone in (resolved, deleted):
        with pytest.raises(APIResponseError, match="Could not find comment"):
            notion.comments.retrieve(gone.id)
    ws.reopen_discussion(resolved.discussion_id)
    assert said(notion, page.id) == ["resolved", "edited"]


def test_comment_moves_no_stamp(ws: Workspace, page: Page, notion: Client) -> None:
    before = notion.pages.retrieve(page.id)["last_edited_time"]
    ws.clock.advance(timedelta(hours=1))
    ws.add_comment(page, "late")
    assert notion.pages.retrieve(page.id)["last_edited_time"] == before


def test_what_is_not_seen_has_no_comments(ws: Workspace, page: Page, notion: Client) -> None:
    comment = ws.add_comment(page, "secret")
    assert page.data_source is not None
    ws.unshare(page.data_source.database)
    for block_id in (page.id, BLOCK, NOWHERE, page.data_source.database.id):
        assert refusal(notion, block_id) == (404, "object_not_found")
    with pytest.raises(APIResponseError, match="Could not find comment"):
        notion.comments.retrieve(comment.id)
    assert refusal(notion, "nonsense") == (400, "validation_error")
    with pytest.raises(KeyError):
        ws.add_comment(NOWHERE, "nobody hears it")


def test_connection_without_the_capability_gets_403(ws: Workspace, page: Page, url: str) -> None:
    comment = ws.add_comment(page, "secret")
    ws.add_token("ntn_deaf", read_comments=False)
    with Client(auth="ntn_deaf", base_url=url, notion_version=LATEST, retry=False, log_level=60) as deaf:
        assert refusal(deaf, page.id) == (403, "restricted_resource")
        with pytest.raises(APIResponseError, match="Insufficient permissions"):
            deaf.comments.retrieve(comment.id)
        assert deaf.pages.retrieve(page.id)["id"] == page.id
