"""Handler for property items: one value in full, a reference an item (notion-api.md section 7)."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote, urlencode

from notion_pipeline.sandbox.answers import computed
from notion_pipeline.sandbox.answers.render import Renderer
from notion_pipeline.sandbox.http.handlers.calls import Call, sliced
from notion_pipeline.sandbox.model.errors import invalid
from notion_pipeline.sandbox.model.objects import Page, Property

LISTED = ("title", "rich_text", "people", "relation")
#: Rollups that are not computed here: only the items are given.
NOT_COMPUTED = ("show_unique", "unique", "median", "count_per_group", "percent_per_group")
#: Of what a list holds the entries of in a rollup's flattened values.
_FLATTENED = ("title", "rich_text", "people", "relation")


def property_item(call: Call) -> dict[str, Any]:
    """One object for simple types, a list for those that refer to other things."""
    page = call.page()
    prop = _property(call, page)
    renderer = Renderer(call.ws, call.token, call.version, truncate=False)
    if prop.type in LISTED:
        return _list_answer(call, prop, _items(call, prop, prop.type, renderer.value(prop, page)), {})
    if prop.type == "rollup":
        return _rollup_answer(call, renderer, prop, page)
    return _item(prop, prop.type, renderer.value(prop, page))


def _property(call: Call, page: Page) -> Property:
    """The path holds the id encoded once, as page values show it."""
    property_id = unquote(call.params["property_id"])
    if page.data_source is None:
        found = Property("title", "Title", "title") if property_id == "title" else None
    else:
        found = page.data_source.property_by_id(property_id)
    if found is None:
        if call.ws.switches.missing_property == "validation_error":
            raise invalid(f"{property_id} is not a property that exists.")
        raise call.missing("property", call.params["property_id"])
    return found


def _item(prop: Property, type_: str, value: Any) -> dict[str, Any]:
    return {"object": "property_item", "id": prop.encoded_id, "type": type_, type_: value}


def _items(call: Call, prop: Property, type_: str, value: Any) -> list[dict[str, Any]]:
    entries = value if isinstance(value, list) else []
    return [_item(prop, type_, entry) for entry in (_users(call, entries) if type_ == "people" else entries)]


def _users(call: Call, entries: list[Any]) -> list[Any]:
    """Items hold users and no groups; users may be partial."""
    users = [entry for entry in entries if not (isinstance(entry, dict) and entry.get("object") == "group")]
    partial = call.ws.switches.partial_item_users
    return [{"object": "user", "id": entry["id"]} for entry in users] if partial else users


def _list_answer(call: Call, prop: Property, items: list[dict[str, Any]], inner: dict[str, Any]) -> dict[str, Any]:
    part, cursor = sliced(call, "property_item", items)
    shown_id = prop.id if call.ws.switches.raw_property_ids else prop.encoded_id
    return {
        "object": "list",
        "results": part,
        "next_cursor": cursor,
        "has_more": cursor is not None,
        "type": "property_item",
        "property_item": {
            "id": shown_id,
            "next_url": _next_url(call, prop, cursor),
            "type": prop.type,
            prop.type: inner,
        },
    }


def _next_url(call: Call, prop: Property, cursor: str | None) -> str | None:
    if cursor is None:
        return None
    query = urlencode({"start_cursor": cursor, "page_size": call.list_parameters()[1]})
    return f"https://api.notion.com/v1/pages/{call.path_id('page_id')}/properties/{prop.encoded_id}?{query}"


def _rollup_answer(call: Call, renderer: Renderer, prop: Property, page: Page) -> dict[str, Any]:
    """The items, and beside them the aggregate, which only the last page has in full."""
    through = page.data_source.property_by_id(prop.relation_id) if page.data_source else None
    related = renderer.related(through, page) if through else []
    values = computed.rolled_values(renderer, prop, through, related) if through else []
    shows_values = prop.function in NOT_COMPUTED and call.ws.switches.uncomputed_items == "values"
    if prop.function == "show_original" or shows_values:
        items = [item for type_, value in values for item in _flattened(call, prop, type_, value)]
    else:
        items = [_item(through or prop, "relation", {"id": other}) for other in related]
    answer = _list_answer(call, prop, items, {})
    answer["property_item"]["rollup"] = _aggregate(call, prop, values, answer)
    return answer


def _flattened(call: Call, prop: Property, type_: str, value: Any) -> list[dict[str, Any]]:
    return _items(call, prop, type_, value) if type_ in _FLATTENED else [_item(prop, type_, value)]


def _aggregate(call: Call, prop: Property, values: list[computed.Value], answer: dict[str, Any]) -> dict[str, Any]:
    if answer["has_more"] and call.ws.switches.rollup_progress == "incomplete":
        return {"type": "incomplete", "incomplete": {}, "function": prop.function}
    if prop.function in NOT_COMPUTED:
        return {"type": "unsupported", "unsupported": {}, "function": prop.function}
    if prop.function == "show_original":
        return {"type": "array", "array": [], "function": prop.function}
    if answer["has_more"]:
        values = values[: _seen_so_far(call, len(answer["results"]))]
    return computed.aggregate(prop.function, values)


def _seen_so_far(call: Call, served: int) -> int:
    """How many references the pages up to this one have shown."""
    cursor = call.list_parameters()[0]
    return served + (call.ws.sessions.offset(cursor) if cursor is not None else 0)
