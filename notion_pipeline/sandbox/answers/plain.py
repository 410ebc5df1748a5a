"""Values in plain Python, for filters, sorts and formulas: text, numbers, names, ids, the start of dates."""

from __future__ import annotations

from typing import Any, Protocol

from notion_pipeline.sandbox.model.objects import Page, Property
from notion_pipeline.sandbox.model.richtext import plain_text


class Values(Protocol):
    """Values as Notion's JSON; a `Renderer` gives them."""

    def value(self, prop: Property, page: Page) -> Any:
        """The value under the type key."""


def plain_value(renderer: Values, page: Page, prop: Property) -> Any:
    """The value of a page's property as that connection sees it."""
    stored = page.values.get(prop.id)
    if prop.type in _AS_STORED and (stored is None or isinstance(stored, (str, int, float))):
        return stored
    return plain_json(prop.type, renderer.value(prop, page))


_AS_STORED = ("number", "url", "email", "phone_number", "checkbox")


def plain_json(type_: str, value: Any) -> Any:
    """The same out of what is served; None where the value is empty or of another form than its type has."""
    try:
        return _PLAIN[type_](value) if type_ in _PLAIN and value is not None else value
    except (TypeError, KeyError, AttributeError):
        return None


def _names(value: Any) -> list[str]:
    return [entry["name"] for entry in value]


def _ids(value: Any) -> list[str]:
    return [entry["id"] for entry in value]


def _formula(value: Any) -> Any:
    kind = value["type"]
    return None if kind == "unsupported" else plain_json(kind, value[kind])


def _rollup(value: Any) -> Any:
    kind = value["type"]
    if kind == "array":
        return [plain_json(entry["type"], entry[entry["type"]]) for entry in value["array"]]
    return None if kind in ("unsupported", "incomplete") else plain_json(kind, value[kind])


_PLAIN = {
    "title": plain_text,
    "rich_text": plain_text,
    "select": lambda value: value["name"],
    "status": lambda value: value["name"],
    "multi_select": _names,
    "files": _names,
    "people": _ids,
    "relation": _ids,
    "date": lambda value: value["start"],
    "created_by": lambda value: value["id"],
    "last_edited_by": lambda value: value["id"],
    "unique_id": lambda value: value["number"],
    "formula": _formula,
    "rollup": _rollup,
}
