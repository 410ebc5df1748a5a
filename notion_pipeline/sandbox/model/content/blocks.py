"""Blocks: the content of pages, nested, with the types that notion-api-additions.md lists in section 2."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, TypeAlias

from notion_pipeline.sandbox.model.content.code_languages import LANGUAGES, PLAIN
from notion_pipeline.sandbox.model.objects import Database, Page
from notion_pipeline.sandbox.model.richtext import Item, plain_text, rich_text

#: What stands in a page or a block, in the order of the page.
Child: TypeAlias = "Block | Page | Database"
#: What blocks stand in.
Container: TypeAlias = "Block | Page"

_TEXT: dict[str, Any] = {"rich_text": [], "color": "default"}
_HEADING: dict[str, Any] = {**_TEXT, "is_toggleable": False}
_MEDIA: dict[str, Any] = {"caption": []}
#: What stands under the type's key when nobody says more.
DEFAULTS: dict[str, dict[str, Any]] = {
    "paragraph": {**_TEXT, "icon": None},
    "heading_1": _HEADING,
    "heading_2": _HEADING,
    "heading_3": _HEADING,
    "heading_4": _HEADING,
    "bulleted_list_item": _TEXT,
    "numbered_list_item": _TEXT,
    "to_do": {**_TEXT, "checked": False},
    "toggle": _TEXT,
    "quote": _TEXT,
    "callout": {**_TEXT, "icon": None},
    "code": {"rich_text": [], "caption": [], "language": PLAIN},
    "equation": {"expression": ""},
    "divider": {},
    "breadcrumb": {},
    "table_of_contents": {"color": "default"},
    "tab": {},
    "column_list": {},
    "column": {},
    "table": {"table_width": 1, "has_column_header": False, "has_row_header": False},
    "table_row": {"cells": []},
    "synced_block": {"synced_from": None},
    "template": {"rich_text": []},
    "link_to_page": {},
    "image": _MEDIA,
    "video": _MEDIA,
    "audio": _MEDIA,
    "pdf": _MEDIA,
    "file": {**_MEDIA, "name": ""},
    "embed": {"url": "", "caption": []},
    "bookmark": {"url": "", "caption": []},
    "link_preview": {"url": ""},
    "meeting_notes": {"title": [], "status": "notes_ready"},
    "unsupported": {"block_type": "button"},
}
MEDIA_TYPES = ("image", "video", "audio", "pdf", "file")
#: Where the text of a block is kept, if not under `rich_text`.
_TEXT_KEYS = {"equation": "expression", "meeting_notes": "title"} | dict.fromkeys(
    (*MEDIA_TYPES, "embed", "bookmark"), "caption"
)


class Block:
    """One block.

    Attributes:
        content: What is served under the key of its type; a hosted file as `{"hosted": name}`, a synced block's
            original as the Block.
        parts: Of meeting notes: summary, notes and transcript, each a block that holds the text. No list shows them.
    """

    __slots__ = (
        *("id", "type", "content", "parent", "children", "parts", "in_trash"),
        *("created_time", "last_edited_time", "created_by", "last_edited_by"),
    )

    def __init__(
        self,
        block_id: str,
        type_: str,
        content: dict[str, Any],
        parent: Container,
        *,
        created_time: datetime,
        last_edited_time: datetime,
        created_by: str,
    ) -> None:
        self.id, self.type, self.content, self.parent = block_id, type_, content, parent
        self.children: list[Child] = []
        self.parts: dict[str, Block] = {}
        self.in_trash = False
        self.created_time, self.last_edited_time = created_time, last_edited_time
        self.created_by = self.last_edited_by = created_by

    @property
    def page(self) -> Page:
        """The page that it stands on."""
        above: Container = self
        while isinstance(above, Block):
            above = above.parent
        return above

    @property
    def original(self) -> Block | None:
        """What a copy of a synced block shows."""
        found = self.content.get("synced_from")
        return found if isinstance(found, Block) else None

    @property
    def text(self) -> str:
        """Its own text, without formatting."""
        return plain_text(self.content.get(text_key(self.type)) or "")

    def deleted(self) -> bool:
        """Whether it, or a block around it, was deleted."""
        above: Container = self
        while isinstance(above, Block):
            if above.in_trash:
                return True
            above = above.parent
        return False

    def walk(self) -> Iterator[Block]:
        """The block, then all blocks in it, in the order of the page."""
        left: list[Child] = [self]
        while left:
            block = left.pop()
            if isinstance(block, Block):
                yield block
                left += reversed([*block.children, *block.parts.values()])

    def __repr__(self) -> str:
        return f"Block({self.type}, {self.text!r}, {self.id})"


def text_key(type_: str) -> str:
    return _TEXT_KEYS.get(type_, "rich_text")


def block_content(type_: str, text: str | list[Item] | None, given: Mapping[str, Any]) -> dict[str, Any]:
    """What stands under the type's key: its defaults, the text, and what else is given.

    Raises:
        ValueError: No block has that type.
    """
    if type_ not in DEFAULTS:
        raise ValueError(f"no such block type: {type_}; there are {', '.join(DEFAULTS)}")
    content = {**DEFAULTS[type_], **_linked(type_, given)}
    if text is not None:
        content[text_key(type_)] = text if type_ == "equation" else rich_text(text)
    if type_ == "code" and content["language"] not in LANGUAGES:
        raise ValueError(f"no such language of a code block: {content['language']}")
    if type_ == "table_row":
        content["cells"] = [rich_text(cell) for cell in content["cells"]]
    if "caption" in content:
        content["caption"] = rich_text(content["caption"])
    return content


def _linked(type_: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Pages and databases that `link_to_page` is given as objects; the URL of an external file."""
    content = dict(given)
    if type_ == "link_to_page":
        for key in ("page", "database"):
            if key in content:
                content = {"type": f"{key}_id", f"{key}_id": content[key].id}
    if type_ in MEDIA_TYPES and "url" in content:
        content |= {"type": "external", "external": {"url": content.pop("url")}}
    return content


def trashed(page: Page) -> bool:
    """Whether the page, or anything that it stands in, is in the trash."""
    above: Any = page
    while above is not None:
        if above.in_trash:
            return True
        above = above.parent
    return False
