"""References beyond the 25 that an answer shows, filled in through the property item endpoint.

notion-api.md section 7: a relation says so by `has_more`, people and mentions only by their number, a rollup by its
length or by the relation it runs over.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from notion_pipeline.client import NotionClient
from notion_pipeline.endless import Listing
from notion_pipeline.errors import InvalidCursorError, NotionNotFoundError, RetryableNotionError
from notion_pipeline.properties import Property, decode_id, property_value
from notion_pipeline.together import all_or_first_error

SHOWN_REFERENCES = 25
_CURSOR_RESTARTS = 3
#: 100 items each. Notion holds 10,000 references at most (section 5); nothing is said of texts.
MOST_ITEM_PAGES = 2_000
#: Rollup functions that give the items themselves; for the rest the last page's aggregate is the value.
_ITEMS_ARE_THE_VALUE = {"show_original", "show_unique"}


async def complete_references(
    client: NotionClient, pages: Sequence[dict[str, Any]], properties: Sequence[Property]
) -> list[dict[str, Any]]:
    """Fills in, in place, every value of the pages that was cut; a request each for 100 references.

    Returns:
        The pages without those that vanished meanwhile: they are in the trash or not shared any more.
    """
    suspects = [prop for prop in properties if prop.type in _SUSPECTS]
    cut = [(place, props) for place, page in enumerate(pages) if (props := [p for p in suspects if is_cut(page, p)])]
    still_there = await all_or_first_error(_complete_page(client, pages[place], props) for place, props in cut)
    gone = {place for (place, _), is_there in zip(cut, still_there, strict=True) if not is_there}
    return [page for place, page in enumerate(pages) if place not in gone]


async def _complete_page(client: NotionClient, page: dict[str, Any], cut: Sequence[Property]) -> bool:
    try:
        await all_or_first_error(_complete(client, page, prop) for prop in cut)
    except NotionNotFoundError:
        if await _is_there(client, page["id"]):
            raise  # the property is what is gone: the schema changed during the read
        return False
    return True


async def _is_there(client: NotionClient, page_id: str) -> bool:
    try:
        await client.page(page_id)
    except NotionNotFoundError:
        return False
    return True


def is_cut(page: dict[str, Any], prop: Property) -> bool:
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
        return _rollup_is_cut(page, prop, content)
    if not isinstance(content, list):
        return False
    if prop.type == "people":
        return len(content) >= SHOWN_REFERENCES
    mentions = sum(1 for item in content if isinstance(item, dict) and item.get("type") == "mention")
    return mentions >= SHOWN_REFERENCES


_SUSPECTS = {"relation", "rollup", "people", "title", "rich_text"}


def _rollup_is_cut(page: dict[str, Any], prop: Property, content: Any) -> bool:
    if not isinstance(content, dict):
        return False
    items = content.get("array")
    if content.get("type") == "incomplete" or (isinstance(items, list) and len(items) >= SHOWN_REFERENCES):
        return True
    # Among all values of the page: the relation may be one that sources.yaml excludes.
    relation_id = decode_id(str(prop.config.get("relation_property_id", "")))
    return any(
        isinstance(value, dict) and value.get("has_more") is True and decode_id(str(value.get("id"))) == relation_id
        for value in page["properties"].values()
    )


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
    for _ in range(_CURSOR_RESTARTS + 1):
        items: list[dict[str, Any]] = []
        seen: set[str] = set()
        listing = Listing(f'property "{prop.name}" of page {page_id}', most_pages=MOST_ITEM_PAGES, source=client.source)
        cursor: str | None = None
        while True:
            try:
                body = (await client.property_item(page_id, prop.id, start_cursor=cursor)).body
            except InvalidCursorError:
                break
            if body.get("object") != "list":
                return [body], body
            found = [item for item in body.get("results") or [] if isinstance(item, dict)]
            items.extend(found)
            listing.page_of(len(found), has_more=bool(body.get("has_more")))
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
