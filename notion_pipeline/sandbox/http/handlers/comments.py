"""Handlers for comments: open ones of a page or a block, and one by its id."""

from __future__ import annotations

from typing import Any

from notion_pipeline.sandbox.http.handlers.calls import Call, listing, sliced_by_id
from notion_pipeline.sandbox.model.clock import page_stamp
from notion_pipeline.sandbox.model.content.comments import Comment
from notion_pipeline.sandbox.model.errors import invalid, quoted, restricted
from notion_pipeline.sandbox.model.ids import dashed
from notion_pipeline.sandbox.model.objects import Page


def comments(call: Call) -> dict[str, Any]:
    """The open comments on a page or on a block themselves, oldest first; those on blocks within are not included."""
    _require_comments(call)
    parent_id = _parent_id(call)
    found = [
        comment for comment in call.ws.comments.values() if comment.parent_id == parent_id and _open(call, comment)
    ]
    found.sort(key=lambda comment: comment.created_time)
    start, end, cursor = sliced_by_id(call, [comment.id for comment in found])
    return listing("comment", [_comment(call, comment) for comment in found[start:end]], cursor)


def comment(call: Call) -> dict[str, Any]:
    _require_comments(call)
    comment_id = call.path_id("comment_id")
    found = call.ws.comments.get(comment_id)
    if found is None or not _open(call, found) or not _seen(call, call.ws.pages.get(found.page_id)):
        raise call.missing("comment", comment_id)
    return _comment(call, found)


def _require_comments(call: Call) -> None:
    if not call.token.read_comments:
        raise restricted("read comments")


def _parent_id(call: Call) -> str:
    given = dict(call.query).get("block_id")
    if given is None:
        raise invalid("query failed validation: query.block_id should be defined, instead was `undefined`.")
    block_id = dashed(given)
    if block_id is None:
        raise invalid(f"query failed validation: query.block_id should be a valid uuid, instead was `{quoted(given)}`.")
    database = call.ws.databases.get(block_id)
    if database is not None and call.token.sees(database):
        return block_id
    if not _seen(call, call.ws.page_of_block(block_id)):
        raise call.missing("block", block_id)
    return block_id


def _seen(call: Call, page: Page | None) -> bool:
    return page is not None and not page.gone and call.token.sees_page(page)


def _open(call: Call, found: Comment) -> bool:
    return found.discussion_id not in call.ws.resolved_discussions


def _comment(call: Call, found: Comment) -> dict[str, Any]:
    kind = "page_id" if found.parent_id in call.ws.pages else "block_id"
    name_type, name = found.display_name
    body: dict[str, Any] = {
        "object": "comment",
        "id": found.id,
        "parent": {"type": kind, kind: found.parent_id},
        "discussion_id": found.discussion_id,
        "created_time": page_stamp(found.created_time),
        "last_edited_time": page_stamp(found.last_edited_time),
        "created_by": {"object": "user", "id": found.created_by},
        "rich_text": found.rich_text,
        "display_name": {"type": name_type, "resolved_name": name},
    }
    if found.attachments:
        body["attachments"] = [
            {"category": category, "file": call.renderer.signed(path)} for category, path in found.attachments
        ]
    return body
