"""Properties of a data source: from the builder's short form to Notion's schema entries (notion-api.md section 5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from notion_pipeline.sandbox.model.ids import IdSource, encode_property_id

if TYPE_CHECKING:
    from notion_pipeline.sandbox.model.objects import DataSource, Page

COLORS = ("default", "gray", "brown", "orange", "yellow", "green", "blue", "purple", "pink", "red")
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


@dataclass
class Option:
    """A choice of a select, multi_select or status property."""

    id: str
    name: str
    color: str = "default"
    description: str | None = None
    group: int = 0

    def config(self) -> dict[str, Any]:
        return {"id": self.id, "name": self.name, "color": self.color, "description": self.description}

    def value(self) -> dict[str, Any]:
        return {"id": self.id, "name": self.name, "color": self.color}


@dataclass(eq=False)
class Property:
    """One column.

    Attributes:
        target: Data source a relation points at.
        synced: The other side of a two-way relation.
        relation_id, rolled_id: Ids of a rollup's relation and of the property it looks at.
        compute: What a formula's result comes from, given the page.
        extra: Config that is served as it stands, such as a number's format.
    """

    id: str
    name: str
    type: str
    description: str | None = None
    options: list[Option] = field(default_factory=list)
    groups: list[tuple[str, str, str]] = field(default_factory=list)
    target: DataSource | None = field(default=None, repr=False)
    synced: Property | None = field(default=None, repr=False)
    relation_id: str = ""
    rolled_id: str = ""
    function: str = ""
    expression: str = ""
    compute: Callable[[Page], Any] | None = None
    result_type: str = "string"
    prefix: str | None = None
    next_number: int = 1
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def encoded_id(self) -> str:
        return encode_property_id(self.id)

    def option_named(self, name: str) -> Option | None:
        return next((option for option in self.options if option.name == name), None)

    def option_by_id(self, option_id: str) -> Option | None:
        return next((option for option in self.options if option.id == option_id), None)


def normalized(spec: Any) -> dict[str, Any]:
    """The short form as a dict with `type`."""
    entry = {"type": spec} if isinstance(spec, str) else dict(spec)
    if entry.get("type") not in TYPES and "config" not in entry:
        raise ValueError(f"no such property type: {entry.get('type')!r}")
    return entry


def new_options(names: Any, ids: IdSource) -> list[Option]:
    """Options from names or from dicts with name and perhaps id, color, description, group."""
    options = []
    for number, entry in enumerate(names):
        given = {"name": entry} if isinstance(entry, str) else dict(entry)
        options.append(
            Option(
                given.get("id") or ids.option_id(),
                given["name"],
                given.get("color") or COLORS[number % len(COLORS)],
                given.get("description"),
                int(given.get("group", 0 if number == 0 else 2 if number == len(names) - 1 else 1)),
            )
        )
    return options


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
    """What stands under the type key."""
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
