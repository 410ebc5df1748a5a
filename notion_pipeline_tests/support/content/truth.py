"""Compares what the catalog has of content with what the sandbox holds."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable
from typing import Any

from notion_pipeline.config.content import Chunks
from notion_pipeline.content.chunks import chunks_of
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.model.objects import DataSource

Query = Callable[[str], Iterable[tuple[Any, ...]]]


def content_differences(
    query: Query, workspace: Workspace, sources: Iterable[DataSource], *, but: Collection[str] = ()
) -> list[str]:
    """What of `S.page_content` is not as the pages of these data sources are.

    Args:
        but: Ids of pages whose words may be older than Notion's.
    """
    held: dict[str, tuple[str, str]] = {}
    found = []
    for page_id, markdown, digest in query("SELECT page_id, markdown, content_hash FROM notion.page_content"):
        if page_id in held:
            found.append(f"page {page_id} stands twice in page_content")
        held[page_id] = (markdown, digest)
        if hashlib.sha256(markdown.encode()).hexdigest() != digest:
            found.append(f"page {page_id}: another hash than its content's")
    pages = {page.id: page for source in sources for page in source.pages if page.live}
    found += [f"page {page_id} is gone from Notion" for page_id in held.keys() - pages.keys()]
    found += [f"page {page_id} has no content" for page_id in pages.keys() - held.keys()]
    for page_id in sorted((held.keys() & pages.keys()) - set(but)):
        if held[page_id][0] != (wanted := workspace.markdown(pages[page_id])):
            found.append(f"page {page_id}: {held[page_id][0]!r} and not {wanted!r}")
    return found


def chunk_differences(query: Query, settings: Chunks) -> list[str]:
    """What of `S.page_chunks` is not as the content there is cut."""
    wanted = [
        (page_id, chunk.ordinal, chunk.text)
        for page_id, markdown in query("SELECT page_id, markdown FROM notion.page_content ORDER BY page_id")
        for chunk in chunks_of(markdown, settings)
    ]
    held = list(query("SELECT page_id, ordinal, text FROM notion.page_chunks ORDER BY page_id, ordinal"))
    return [] if held == wanted else [f"{len(held)} chunks, not the {len(wanted)} of the content"]


def comment_differences(query: Query, workspace: Workspace, sources: Iterable[DataSource]) -> list[str]:
    """What of `S.comments` is not as the open comments on the pages of these data sources are."""
    pages = {page.id for source in sources for page in source.pages if page.live}
    wanted = {
        (comment.id, comment.page_id)
        for comment in workspace.comments.values()
        if comment.parent_id in pages and comment.discussion_id not in workspace.resolved_discussions
    }
    held = list(query("SELECT id, page_id FROM notion.comments"))
    found = ["a comment stands twice"] if len(held) != len(set(held)) else []
    return found + [f"comment {entry}" for entry in sorted(set(held) ^ wanted)]
