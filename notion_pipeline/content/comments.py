"""Reads the open comments of one page whole: those on the page, and where asked for those on each of its blocks.

Notion lists comments by what they hang on: the page, or one block. So comments on blocks take a walk through the
blocks, and a request for each.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from notion_pipeline.content.files.hosted_urls import without_signatures
from notion_pipeline.content.pages import DuePage
from notion_pipeline.errors import NotionNotFoundError
from notion_pipeline.notion.client import PAGE_SIZE, NotionClient
from notion_pipeline.notion.pagination import Listing, pages
from notion_pipeline.notion.responses.parsing import objects_of
from notion_pipeline.notion_ids import normalise_id, notion_id
from notion_pipeline.rows.text.timestamps import as_datetime
from notion_pipeline.rows.values import ODD, Converter, json_value, object_id, plain_text

#: More than one page or block can have.
_MOST_ENTRIES = 1_000_000
#: Blocks that stand for pages of their own: their comments are read with those pages, and so are their blocks.
_OTHER_PAGES = ("child_page", "child_database")


@dataclass(frozen=True, slots=True)
class Comment:
    """One comment.

    Attributes:
        block_id: The block that it hangs on; None for one on the page.
        text: Without formatting.
        rich_text: JSON, without signatures of addresses.
        attachments: JSON, likewise; None where there are none.
    """

    id: str
    discussion_id: str | None
    page_id: str
    block_id: str | None
    created_time: datetime | None
    last_edited_time: datetime | None
    created_by: str | None
    display_name: str | None
    text: str | None
    rich_text: str | None
    attachments: str | None


@dataclass(frozen=True, slots=True)
class PageComments:
    """The open comments of a page.

    Attributes:
        includes_blocks: Whether those on its blocks are among them.
    """

    comments: tuple[Comment, ...]
    includes_blocks: bool


async def read_page_comments(client: NotionClient, page: DuePage) -> PageComments:
    """The comments on a page itself.

    Raises:
        NotionNotFoundError: The page is gone, or not shared any more.
        NotPermittedError: The connection may not read comments.
        NotionError: They could not be read whole.
    """
    return PageComments(tuple([found async for found in _comments_on(client, page.page_id, None)]), False)


async def read_all_comments(client: NotionClient, page: DuePage) -> PageComments:
    """The comments on a page and on each of its blocks.

    Raises:
        NotionError: As `read_page_comments`.
    """
    comments = {found.id: found async for found in _comments_on(client, page.page_id, None)}
    async for block_id in _blocks_in(client, page.page_id):
        try:
            async for found in _comments_on(client, page.page_id, block_id):
                comments[found.id] = found
        except NotionNotFoundError:
            continue  # deleted since it was listed, with its comments
    return PageComments(tuple(comments.values()), True)


async def _blocks_in(client: NotionClient, page_id: str) -> AsyncIterator[str]:
    """The id of every block of a page, however deep, each once."""
    waiting, seen = [page_id], {page_id}
    while waiting:
        parent_id = waiting.pop()
        try:
            async for block in _children(client, parent_id):
                block_id = notion_id(block.get("id"), "A block")
                if block_id in seen or block.get("type") in _OTHER_PAGES:
                    continue
                parents = [found for found in _parents_in(block, block_id) if found not in seen]
                seen.update(parents, (block_id,))
                waiting += parents
                yield block_id
        except NotionNotFoundError:
            if parent_id == page_id:
                raise
            # Deleted since it was listed, or a part that is not shared.


def _parents_in(block: dict[str, Any], block_id: str) -> list[str]:
    """Whose children are to be listed next: the block itself, or the parts that it names."""
    value = block.get(str(block.get("type")))
    content = value if isinstance(value, dict) else {}
    if content.get("synced_from"):
        return []  # a copy: its blocks belong to the page of the original, and so do their comments
    named = content.get("children")
    parts = [normalise_id(part) for part in named.values() if isinstance(part, str)] if isinstance(named, dict) else []
    return [part for part in parts if part] + ([block_id] if block.get("has_children") else [])


async def _children(client: NotionClient, parent_id: str) -> AsyncIterator[dict[str, Any]]:
    subject = f"the blocks in {parent_id}"
    listing = Listing(subject, most_pages=_MOST_ENTRIES // PAGE_SIZE, source=client.source)
    async for body in pages(lambda cursor: client.block_children(parent_id, cursor), listing):
        for block in objects_of(body, subject):
            yield block


async def _comments_on(client: NotionClient, page_id: str, block_id: str | None) -> AsyncIterator[Comment]:
    parent_id = block_id or page_id
    subject = f"the comments on {parent_id}"
    listing = Listing(subject, most_pages=_MOST_ENTRIES // PAGE_SIZE, source=client.source)
    async for body in pages(lambda cursor: client.comments(parent_id, cursor), listing):
        for answer in objects_of(body, subject):
            yield _comment(answer, page_id, block_id)


def _comment(answer: dict[str, Any], page_id: str, block_id: str | None) -> Comment:
    shown = answer.get("display_name")
    name = shown.get("resolved_name") if isinstance(shown, dict) else None
    return Comment(
        id=notion_id(answer.get("id"), "A comment"),
        discussion_id=normalise_id(str(answer.get("discussion_id"))),
        page_id=page_id,
        block_id=block_id,
        created_time=as_datetime(answer.get("created_time")),
        last_edited_time=as_datetime(answer.get("last_edited_time")),
        created_by=_fitting(object_id, answer.get("created_by")),
        display_name=name if isinstance(name, str) else None,
        text=_fitting(plain_text, answer.get("rich_text")),
        rich_text=_json(answer.get("rich_text")),
        attachments=_json(answer.get("attachments") or None),
    )


def _fitting(convert: Converter, value: Any) -> Any:
    found = convert(value)
    return None if found is ODD else found


def _json(value: Any) -> str | None:
    # A mentioned user comes whole, and so does the address of a picture.
    return without_signatures(str(json_value(value))) if value is not None else None


def comments_weight(read: PageComments) -> int:
    """Bytes of a page's comments, or about."""
    return sum(500 + len(found.rich_text or "") for found in read.comments)
