"""Handlers that read what stands on pages: blocks and Markdown (notion-api-additions.md sections 2 and 3)."""

from __future__ import annotations

from typing import Any
from zlib import crc32

from notion_pipeline.sandbox.answers.blocks import BlockRenderer
from notion_pipeline.sandbox.answers.markdown import page_markdown
from notion_pipeline.sandbox.http.handlers.calls import Call, listing
from notion_pipeline.sandbox.model.content.blocks import Block, Container
from notion_pipeline.sandbox.model.errors import invalid
from notion_pipeline.sandbox.model.ids import dashed
from notion_pipeline.sandbox.model.objects import Database


def block(call: Call) -> dict[str, Any]:
    """A block; a page or a database as its block: the same id (section 2)."""
    return BlockRenderer(call.renderer).child(_found(call))


def block_children(call: Call) -> dict[str, Any]:
    """The first level only."""
    found = _found(call)
    if isinstance(found, Database):
        return listing("block", [])
    if call.ws.switches.synced_copy_children == "not_found" and isinstance(found, Block) and found.original is not None:
        raise call.missing("block", found.id)
    blocks = BlockRenderer(call.renderer)
    return _block_list(call, blocks, found)


def _found(call: Call) -> Container | Database:
    call.require_read()
    block_id = call.path_id("block_id")
    database = call.ws.databases.get(block_id)
    if database is not None and call.token.sees(database):
        return database
    page = call.ws.pages.get(block_id)
    if page is not None and call.token.sees_page(page):
        return page
    found = call.ws.find_block(block_id)
    if found is not None and call.token.sees_block(found):
        return found
    raise call.missing("block", block_id)


def _block_list(call: Call, blocks: BlockRenderer, container: Container) -> dict[str, Any]:
    """Here the cursor is the id of the next page's first item (section 3)."""
    cursor, size = call.list_parameters()
    children = list(blocks.listed(container))
    start = 0
    if cursor is not None:
        ids = [child.id for child in children]
        if dashed(cursor) not in ids:
            raise invalid(f"The start_cursor provided is invalid: {cursor}")
        start = ids.index(str(dashed(cursor)))
    if call.ws.switches.short_pages:
        size = 1 + crc32(f"{container.id}:{start}".encode()) % size
    end = start + size
    following = children[end].id if end < len(children) else None
    return listing("block", [blocks.child(child) for child in children[start:end]], following)


def markdown(call: Call) -> dict[str, Any]:
    """A page whole, or the subtree of a block by the block's id."""
    call.require_read()
    wanted = call.path_id("page_id")
    transcripts = dict(call.query).get("include_transcript", "false")
    if transcripts not in ("true", "false"):
        problem = f'query.include_transcript should be a boolean, instead was `"{transcripts}"`.'
        raise invalid(f"query failed validation: {problem}")
    block = call.ws.find_block(wanted) if wanted not in call.ws.pages else None
    if block is not None and (block.deleted() or not call.token.sees_block(block)):
        raise call.missing("page", wanted)
    found = block or call.page(wanted)
    return page_markdown(call.renderer, found, call.ws.markdown_limit, transcripts=transcripts == "true")
