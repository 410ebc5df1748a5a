"""Properties of a data source: from the builder's short form to Notion's schema entries (notion-api.md section 5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from notion_pipeline.sandbox.model.ids import IdSource
from notion_pipeline.sandbox.model.objects import Property
from notion_pipeline.sandbox.model.options import new_options

OPTION_TYPES = ("select", "multi_select", "status")
TYPES = (
    *("title", "rich_text", "number", "select", "multi_select", "status", "date", "people", "files", "checkbox"),
    *("url", "email", "phone_number", "formula", "relation", "rollup", "unique_id", "created_time", "created_by"),
    *("last_edited_time", "last_edited_by", "button", "verification", "place", "location", "last_visited_time"),
)
COMPUTED = ("formula", "rollup")
FUNCTIONS = (
    *("count", "count_values", "empty", "not_empty", "unique", "show_unique", "percent_empty", "percent_not_empty"),
    *("sum", "average", "median", "min", "max", "range", "earliest_date", "latest_date", "date_range", "checked"),
    *("unchecked", "percent_checked", "percent_unchecked", "count_per_group", "percent_per_group", "show_original"),
)
_GROUPS = (("To-do", "gray"), ("In progress", "blue"), ("Complete", "green"))


def normalized(spec: Any) -> dict[str, Any]:
    """The short form as a dict with `type`."""
    entry = {"type": spec} if isinstance(spec, str) else dict(spec)
    if entry.get("type") not in TYPES and "config" not in entry:
        raise ValueError(f"no such property type: {entry.get('type')!r}")
    return entry


def apply_spec(prop: Property, entry: Mapping[str, Any], ids: IdSource) -> None:
    """Set what needs no other data source; relations and rollups are wired by the workspace."""
    prop.type = entry["type"]
    prop.description = entry.get("description", prop.description)
    prop.extra = dict(entry.get("config", {}))
    if prop.type == "number":
        prop.extra.setdefault("format", entry.get("format", "number"))
    if prop.type in OPTION_TYPES:
        prop.options = new_options(entry.get("options") or _default_options(prop.type), ids)
    if prop.type == "status":
        prop.groups = [(ids.uuid(), name, color) for name, color in _GROUPS]
    if prop.type == "formula":
        prop.expression = entry.get("expression", "")
        prop.compute = entry.get("compute")
        prop.result_type = entry.get("result_type", "string")
    if prop.type == "unique_id":
        prop.prefix = entry.get("prefix")


def _default_options(type_: str) -> list[str]:
    return ["Not started", "In progress", "Done"] if type_ == "status" else []


def schema_entry(prop: Property, *, raw_ids: bool = False) -> dict[str, Any]:
    """The property as a data source shows it."""
    return {
        "id": prop.id if raw_ids else prop.encoded_id,
        "name": prop.name,
        "description": prop.description,
        "type": prop.type,
        prop.type: config(prop),
    }


def config(prop: Property) -> dict[str, Any]:
    """The value under the type key."""
    if prop.type in ("select", "multi_select"):
        return {"options": [option.config() for option in prop.options]}
    if prop.type == "status":
        return _status_config(prop)
    if prop.type == "formula":
        return {"expression": prop.expression}
    if prop.type == "relation":
        return _relation_config(prop)
    if prop.type == "rollup":
        return _rollup_config(prop)
    if prop.type == "unique_id":
        return {"prefix": prop.prefix}
    return prop.extra


def _status_config(prop: Property) -> dict[str, Any]:
    groups = [
        {
            "id": group_id,
            "name": name,
            "color": color,
            "option_ids": [option.id for option in prop.options if option.group == number],
        }
        for number, (group_id, name, color) in enumerate(prop.groups)
    ]
    return {"options": [option.config() for option in prop.options], "groups": groups}


def _relation_config(prop: Property) -> dict[str, Any]:
    target = prop.target
    where = {
        "database_id": target.database.id if target else "",
        "data_source_id": target.id if target else "",
    }
    if prop.synced is None:
        return where | {"type": "single_property", "single_property": {}}
    synced = {"synced_property_id": prop.synced.id, "synced_property_name": prop.synced.name}
    return where | {"type": "dual_property", "dual_property": synced}


def _rollup_config(prop: Property) -> dict[str, Any]:
    return {
        "function": prop.function,
        "relation_property_id": prop.relation_id,
        "relation_property_name": prop.extra.get("relation_name", ""),
        "rollup_property_id": prop.rolled_id,
        "rollup_property_name": prop.extra.get("rolled_name", ""),
    }
