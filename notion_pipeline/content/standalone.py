"""A page that is in no database: what Notion tells of it, and what is known of one from earlier runs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from notion_pipeline.errors import NotionRequestError
from notion_pipeline.notion_ids import normalise_id
from notion_pipeline.outside import shown_line
from notion_pipeline.rows.text.json_text import dump_json
from notion_pipeline.rows.text.timestamps import as_datetime

#: Kinds of parents, by Notion's `parent.type`, of pages that are in no database.
_PARENTS = {"page_id": "page", "block_id": "block", "workspace": "workspace", "agent_id": "agent"}
_IN_A_DATABASE = ("data_source_id", "database_id")


@dataclass(frozen=True, slots=True)
class Parent:
    """What something is in.

    Attributes:
        type: `page`, `block`, `workspace` or `agent`; `database` for rows.
        id: None for the workspace.
    """

    type: str
    id: str | None


@dataclass(frozen=True, slots=True)
class StandalonePage:
    """A page that is in no database, as Notion gave it.

    Attributes:
        parent: The page that it is in, also where it is in a block of that page; the block itself where its page cannot
            be seen.
        parent_block_id: The block that it is in; None where it is directly in its parent.
        icon: JSON, without a signature.
        found_by: `search`; `content` where it was named by the content of another page; `parent` where a page in it
            was found.
    """

    id: str
    title: str
    url: str
    parent: Parent
    parent_block_id: str | None
    created_time: datetime | None
    last_edited_time: datetime | None
    created_by: str | None
    last_edited_by: str | None
    icon: str | None
    found_by: str


@dataclass(frozen=True, slots=True)
class RowAbove:
    """A row of a database that no table holds, in which a standalone page is."""

    database_id: str | None
    title: str


def parent_of(raw: dict[str, Any]) -> Parent:
    """What a page or block is in.

    Raises:
        NotionRequestError: It does not say so.
    """
    parent = raw.get("parent")
    kind = parent.get("type") if isinstance(parent, dict) else None
    if isinstance(parent, dict) and isinstance(kind, str):
        found = parent.get(kind)
        if kind in _IN_A_DATABASE:
            named = parent.get("database_id") or found
            return Parent("database", normalise_id(str(named)))
        if kind == "workspace":
            return Parent("workspace", None)
        if kind in _PARENTS and (key := normalise_id(str(found))) is not None:
            return Parent(_PARENTS[kind], key)
    raise NotionRequestError(
        f'{raw.get("object")} "{shown_line(str(raw.get("id")))}" came without a parent that is known.',
        hint="Check that NOTION_API_URL, and whatever stands between, is Notion's; then read again.",
        status=200,
    )


def page_of(raw: dict[str, Any], page_id: str, parent: Parent, found_by: str) -> StandalonePage:
    """The page in an answer of Notion's.

    Args:
        parent: As `parent_of` gives it; a block is kept in `parent_block_id` as well.
    """
    return StandalonePage(
        page_id,
        title_of(raw),
        str(raw.get("url") or ""),
        parent,
        parent.id if parent.type == "block" else None,
        as_datetime(raw.get("created_time")),
        as_datetime(raw.get("last_edited_time")),
        _user(raw.get("created_by")),
        _user(raw.get("last_edited_by")),
        dump_json(icon).decode() if (icon := raw.get("icon")) is not None else None,
        found_by,
    )


def title_of(raw: dict[str, Any]) -> str:
    """The plain text of a page's title; empty where it has none."""
    properties = raw.get("properties")
    for value in properties.values() if isinstance(properties, dict) else ():
        parts = value.get("title") if isinstance(value, dict) else None
        if isinstance(parts, list):
            return "".join(str(part.get("plain_text") or "") for part in parts if isinstance(part, dict))
    return ""


def _user(raw: Any) -> str | None:
    return normalise_id(str(raw.get("id"))) if isinstance(raw, dict) else None
