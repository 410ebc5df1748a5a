"""References beyond the 25 that an answer shows, filled in through the property item endpoint.

notion-api.md section 7: a relation says so by `has_more`, people and mentions only by their number, a rollup by its
length or by the relation it runs over.
"""

from __future__ import annotations

import asyncio
from typing import Any

import orjson

from notion_pipeline.client import NotionClient
from notion_pipeline.errors import InvalidCursorError, NotionNotFoundError, RetryableNotionError
from notion_pipeline.properties import Property, decode_id, property_value

SHOWN_REFERENCES = 25
_CURSOR_RESTARTS = 3
#: Rollup functions that give the items themselves; for the rest the last page's aggregate is the value.
_ITEMS_ARE_THE_VALUE = {"show_original", "show_unique"}


async def complete_references(client: NotionClient, page: dict[str, Any], properties: tuple[Property, ...]) -> bool:
    """Fills in, in place, every value of the page that was cut.

    Returns:
        False where the page vanished meanwhile: it is in the trash or not shared any more.
    """
    cut = [prop for prop in properties if is_cut(page, prop, properties)]
    if not cut:
        return True
    try:
        await asyncio.gather(*(_complete(client, page, prop) for prop in cut))
    except NotionNotFoundError:
        return False
    return True


def is_cut(page: dict[str, Any], prop: Property, properties: tuple[Property, ...]) -> bool:
    """Whether a value may show only a part of its references."""
    if prop.type not in _SUSPECTS:
        return False
    value = property_value(page.get("properties"), prop)
    if not isinstance(value, dict):
        return False
    content = value.get(prop.type)
    if prop.type == "relation":
        return value.get("has_more") is True
    if prop.type == "rollup":
        return _rollup_is_cut(page, prop, content, properties)
    if not isinstance(content, list):
        return False
    if prop.type == "people":
        return len(content) >= SHOWN_REFERENCES
    mentions = sum(1 for item in content if isinstance(item, dict) and item.get("type") == "mention")
    return mentions >= SHOWN_REFERENCES


_SUSPECTS = {"relation", "rollup", "people", "title", "rich_text"}


def _rollup_is_cut(page: dict[str, Any], prop: Property, content: Any, properties: tuple[Property, ...]) -> bool:
    if not isinstance(content, dict):
        return False
    items = content.get("array")
    if isinstance(items, list) and len(items) >= SHOWN_REFERENCES:
        return True
    over = decode_id(str(prop.config.get("relation_property_id", "")))
    for relation in properties:
        if relation.id == over and relation.type == "relation":
            value = property_value(page.get("properties"), relation)
            if isinstance(value, dict):
                # Where it was completed first, has_more is gone and the number tells.
                known = value.get("relation")
                return value.get("has_more") is True or (isinstance(known, list) and len(known) > SHOWN_REFERENCES)
    return False


async def _complete(client: NotionClient, page: dict[str, Any], prop: Property) -> None:
    items, last = await _read_items(client, page["id"], prop)
    value = property_value(page["properties"], prop)
    if not isinstance(value, dict):
        return
    if prop.type == "rollup":
        value["rollup"] = _rollup_value(items, last, prop)
        return
    value[prop.type] = [item[prop.type] for item in items if prop.type in item]
    if "has_more" in value:
        value["has_more"] = False


async def _read_items(
    client: NotionClient, page_id: str, prop: Property
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Every item of a property, and the last answer's own `property_item`."""
    for attempt in range(_CURSOR_RESTARTS + 1):
        items: list[dict[str, Any]] = []
        seen: set[str] = set()
        cursor: str | None = None
        while True:
            try:
                body = (await client.property_item(page_id, prop.id, start_cursor=cursor)).body
            except InvalidCursorError:
                if attempt == _CURSOR_RESTARTS:
                    raise
                break
            if body.get("object") != "list":
                return [body], body
            items.extend(item for item in body.get("results", []) if isinstance(item, dict))
            if not body.get("has_more"):
                return items, body.get("property_item") or {}
            cursor = body.get("next_cursor")
            if not cursor or cursor in seen:
                break
            seen.add(cursor)
    raise RetryableNotionError(
        f'Notion did not give all of property "{prop.name}" of page {page_id}: its page cursors lead nowhere.',
        cure="Sync again later.",
    )


def _rollup_value(items: list[dict[str, Any]], last: dict[str, Any], prop: Property) -> dict[str, Any]:
    """The aggregate of the last page, with the items where they are the value."""
    aggregate = last.get("rollup")
    aggregate = dict(aggregate) if isinstance(aggregate, dict) else {"type": "incomplete", "incomplete": {}}
    function = aggregate.get("function") or prop.config.get("function")
    if function not in _ITEMS_ARE_THE_VALUE:
        # Also where it is an empty array, as for median: what the items hold is not what was asked for.
        return aggregate
    array = [_array_item(item) for item in items]
    if function == "show_unique":
        array = list({orjson.dumps(item, option=orjson.OPT_SORT_KEYS): item for item in array}.values())
    return {"type": "array", "array": array, **({"function": function} if function else {})}


_SINGLE_IN_ITEM = {"title", "rich_text", "people", "relation"}


def _array_item(item: dict[str, Any]) -> dict[str, Any]:
    """An item as a rollup array holds it: list types hold a list of the one value."""
    kind = str(item.get("type"))
    value = item.get(kind)
    return {"type": kind, kind: [value] if kind in _SINGLE_IN_ITEM and not isinstance(value, list) else value}
