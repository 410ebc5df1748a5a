"""Reads the content of one page whole: what Notion cut off is read by its block id and put where its tag stands.

Notion's Markdown of a page ends at some 20,000 blocks. Each part that is left out has a tag `<unknown url=… alt=…/>` in
the text, and its id in `unknown_block_ids`; parts that are not shared have the same tag, and answer 404 by themselves
(notion-api-additions.md section 3).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Any

from notion_pipeline.content.files.hosted_files import files_of_content
from notion_pipeline.content.files.hosted_urls import without_signatures
from notion_pipeline.content.pages import DuePage, PageContent
from notion_pipeline.errors import (
    AuthorizationError,
    ContentError,
    NotionNotFoundError,
    NotionRequestError,
    NotPermittedError,
)
from notion_pipeline.notion.client import NotionClient
from notion_pipeline.notion_ids import normalise_id

#: Parts of one page that are asked for by themselves; a page that has more stays truncated, and says so.
MOST_PARTS = 1_000
#: Bytes of a page with its parts; the catalog can commit one of so many in the memory that it may use. Parts that name
#: each other twice and more would grow without end.
MOST_BYTES = 16 * 1024 * 1024
_UNKNOWN = re.compile(
    r"(?P<indent>(?:^[ \t]*)?)(?P<tag><unknown\b(?P<attributes>[^>]*?)/?>(?:</unknown>)?)", re.MULTILINE
)
_ID = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)


@dataclass
class _Parts:
    """The parts of one page that were asked for, each once."""

    texts: dict[str, str] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)
    cut: set[str] = field(default_factory=set)
    refused: int = 0
    read_at: datetime | None = None

    @property
    def asked(self) -> int:
        return len(self.texts) + len(self.hidden) + self.refused

    def knows(self, block_id: str) -> bool:
        return block_id in self.texts or block_id in self.hidden or block_id in self.cut


async def read_content(client: NotionClient, page: DuePage) -> PageContent:
    """The content of a page, with all parts that the connection may see.

    Raises:
        NotionNotFoundError: The page is gone, or not shared any more.
        AuthorizationError: The credential is refused.
        NotPermittedError: The connection may not read content.
        NotionError: The page, or a part of it, could not be read; nothing of it is kept.
    """
    page_id, parts = page.page_id, _Parts()
    whole, unknown = await _ask(client, page_id, parts)
    # In the order of the text, so that its beginning is whole where there are too many. A stack and no recursion: parts
    # may nest as deep as somebody nests them.
    waiting = unknown[::-1]
    while waiting:
        block_id = waiting.pop()
        if parts.knows(block_id) or block_id == page_id:
            continue
        if parts.asked >= MOST_PARTS:
            parts.cut.add(block_id)
            continue
        try:
            parts.texts[block_id], more = await _ask(client, block_id, parts)
        except (AuthorizationError, NotPermittedError):
            raise
        except NotionNotFoundError:
            parts.hidden.add(block_id)
        except NotionRequestError as error:
            if error.status != HTTPStatus.BAD_REQUEST:
                raise
            # A kind of block that this endpoint refuses.
            parts.refused += 1
            parts.cut.add(block_id)
        else:
            waiting.extend(reversed(more))
    signed = _stitched(whole, unknown, parts)
    markdown = without_signatures(signed)
    encoded = markdown.encode()
    if len(encoded) > MOST_BYTES:
        raise ContentError(
            f"The content is {len(encoded) / 2**20:,.0f} MB long, more than the {MOST_BYTES / 2**20:,.0f} MB of a page "
            "that can be stored.",
            hint="Split the page in Notion, or take its database out of content: select.",
        )
    unread = parts.hidden | parts.cut
    left = tuple(dict.fromkeys(key for key in _ids_in(markdown) if key in unread))
    return PageContent(
        markdown=markdown,
        content_hash=hashlib.sha256(encoded).hexdigest(),
        truncated=bool(parts.cut),
        unknown_block_ids=left or tuple(sorted(unread)),
        read_at=parts.read_at,
        files=files_of_content(signed),
    )


async def _ask(client: NotionClient, block_id: str, parts: _Parts) -> tuple[str, list[str]]:
    answer = await client.page_markdown(block_id)
    if parts.read_at is None or (answer.server_time is not None and answer.server_time < parts.read_at):
        parts.read_at = answer.server_time
    text: Any = answer.body.get("markdown")
    if not isinstance(text, str):
        raise ContentError(
            f"The content of {block_id} came without its Markdown.",
            hint="Check that NOTION_API_URL, and whatever stands between, is Notion's; then read again.",
        )
    listed = answer.body.get("unknown_block_ids")
    found = (normalise_id(key) for key in listed if isinstance(key, str)) if isinstance(listed, list) else ()
    return text, [key for key in found if key]


def _stitched(text: str, unknown: list[str], parts: _Parts) -> str:
    """The text with each part in the place of its tag, at the tag's indentation; as far as it is not too long."""
    # Each frame is a text that is being written, and the parts in which it stands: a part within itself stays a tag.
    out: list[str] = []
    room = MOST_BYTES - len(text)
    stack: list[tuple[Iterator[str | tuple[str, str, str]], frozenset[str]]] = [(_pieces(text, unknown), frozenset())]
    while stack:
        pieces, around = stack[-1]
        piece = next(pieces, None)
        if piece is None:
            stack.pop()
        elif isinstance(piece, str):
            out.append(piece)
        else:
            key, indent, tag = piece
            part = parts.texts.get(key)
            if part is None or key in around:
                out.append(indent + tag)
            elif len(part) + len(indent) * (part.count("\n") + 1) > room:
                parts.cut.add(key)
                out.append(indent + tag)
            else:
                part = _indented(part, indent)
                room -= len(part)
                stack.append((_pieces(part, []), around | {key}))
    return "".join(out)


def _pieces(text: str, unknown: list[str]) -> Iterator[str | tuple[str, str, str]]:
    """The text between tags, and of each tag its block's id, its indentation and itself.

    Args:
        unknown: Ids in the order of their tags, for tags whose address names none.
    """
    if "<unknown" not in text:
        yield text
        return
    named = {normalise_id(found) for found in _ID.findall(text)} if unknown else set()
    nameless = iter([key for key in unknown if key not in named])
    end = 0
    for match in _UNKNOWN.finditer(text):
        ids = _ID.findall(match["attributes"])
        key = normalise_id(ids[-1]) if ids else next(nameless, None)
        if key is None:
            continue
        yield text[end : match.start()]
        yield key, match["indent"], match["tag"]
        end = match.end()
    yield text[end:]


def _indented(text: str, indent: str) -> str:
    lines = text.removesuffix("\n").split("\n")
    return "\n".join(indent + line if line else line for line in lines)


def _ids_in(text: str) -> Iterator[str]:
    if "<unknown" not in text:
        return
    for match in _UNKNOWN.finditer(text):
        for found in _ID.findall(match["attributes"])[-1:]:
            if key := normalise_id(found):
                yield key


def content_weight(content: PageContent) -> int:
    """Bytes of a page's content."""
    text = content.markdown
    return len(text) if text.isascii() else len(text.encode())
