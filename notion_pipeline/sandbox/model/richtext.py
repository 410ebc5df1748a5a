"""Rich text items (notion-api.md section 6) from plain Python."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from notion_pipeline.sandbox.model.users import User

Item = dict[str, Any]

_PLAIN = {
    "bold": False,
    "italic": False,
    "strikethrough": False,
    "underline": False,
    "code": False,
    "color": "default",
}


class Mentioned(Protocol):
    """A page, as far as its mention shows it."""

    id: str

    @property
    def title(self) -> str: ...
    @property
    def url(self) -> str: ...


def text(content: str, *, link: str | None = None, **annotations: Any) -> Item:
    """A segment of text; annotations as Notion names them, such as bold=True."""
    return {
        "type": "text",
        "text": {"content": content, "link": {"url": link} if link else None},
        "annotations": {**_PLAIN, **annotations} if annotations else _PLAIN,
        "plain_text": content,
        "href": link,
    }


def mention_page(page: Mentioned, plain_text: str | None = None) -> Item:
    label = plain_text if plain_text is not None else page.title or "Untitled"
    return _mention({"type": "page", "page": {"id": page.id}}, label, page.url)


def mention_user(user: User) -> Item:
    """A person; served with the user's full object (section 6: user mentions)."""
    return _mention({"type": "user", "user": {"object": "user", "id": user.id}}, f"@{user.name or 'Anonymous'}", None)


def mention_date(start: str, end: str | None = None) -> Item:
    date = {"start": start, "end": end, "time_zone": None}
    return _mention({"type": "date", "date": date}, start if end is None else f"{start} → {end}", None)


def equation(expression: str) -> Item:
    return {
        "type": "equation",
        "equation": {"expression": expression},
        "annotations": _PLAIN,
        "plain_text": expression,
        "href": None,
    }


def _mention(mention: dict[str, Any], label: str, href: str | None) -> Item:
    return {"type": "mention", "mention": mention, "annotations": _PLAIN, "plain_text": label, "href": href}


def rich_text(value: str | Iterable[Item] | None) -> list[Item]:
    """Items of a stored value: a plain string is one segment, an empty one none."""
    if isinstance(value, str):
        return [text(value)] if value else []
    return list(value or ())


def plain_text(value: str | Iterable[Item] | None) -> str:
    return value if isinstance(value, str) else "".join(item.get("plain_text", "") for item in value or ())


def is_reference(item: Item) -> bool:
    """Whether the item counts against the 25 references of a value: a page or a person (section 7)."""
    return item.get("type") == "mention" and item["mention"].get("type") in ("page", "user")


def title_of(values: Mapping[str, Any]) -> str:
    """The plain title among a page's stored values."""
    value = values.get("title", "")
    return plain_text(value) if isinstance(value, (str, list)) else ""
