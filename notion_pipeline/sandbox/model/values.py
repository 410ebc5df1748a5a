"""Property values as stored: small Python values, out of what builders and writers hand in.

title and rich_text: str or rich text items; select and status: option id; multi_select: option ids; people: user
ids or group objects; relation: page ids; files: dicts; date: a date object; the rest as Notion has it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final

from notion_pipeline.sandbox.model.clock import milli_stamp
from notion_pipeline.sandbox.model.objects import Property
from notion_pipeline.sandbox.model.options import Option
from notion_pipeline.sandbox.model.schema import OPTION_TYPES

if TYPE_CHECKING:
    from notion_pipeline.sandbox.model.ids import IdSource

TEXT_TYPES = ("title", "rich_text")
LIST_TYPES = ("multi_select", "people", "files", "relation")
#: Types whose value nobody sets: the server makes it.
READ_ONLY = ("formula", "rollup", "unique_id", "created_time", "created_by", "last_edited_time", "last_edited_by")


@dataclass(frozen=True)
class Raw:
    """A property value that is served as it is under the type key, whatever it is."""

    value: Any


class _Unsupported:
    def __repr__(self) -> str:
        return "UNSUPPORTED"


#: A formula's `compute` gives this where the server gave up (notion-api.md section 6).
UNSUPPORTED: Final = _Unsupported()


def stored(prop: Property, value: Any, ids: IdSource) -> Any:
    """The value as kept by the page."""
    if isinstance(value, Raw):
        return value
    if prop.type in TEXT_TYPES:
        return "" if value is None else value if isinstance(value, str) else list(value)
    if prop.type in ("select", "status"):
        return None if value is None else option_for(prop, value, ids).id
    if prop.type == "multi_select":
        return [option_for(prop, entry, ids).id for entry in _listed(value)]
    if prop.type in ("people", "relation"):
        return [entry if isinstance(entry, (str, dict)) else entry.id for entry in _listed(value)]
    if prop.type == "files":
        return [dict(entry) for entry in _listed(value)]
    if prop.type == "date":
        return date_object(value)
    if prop.type == "checkbox":
        return bool(value)
    return value


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def option_for(prop: Property, value: str | dict[str, Any], ids: IdSource) -> Option:
    """The option of that name or id; a new name is added, as Notion does on writes."""
    given = {"name": value} if isinstance(value, str) else value
    found = prop.option_by_id(given["id"]) if "id" in given else prop.option_named(given["name"])
    if found is None:
        found = Option(ids.option_id(), given["name"], given.get("color", "default"), group=1)
        prop.options.append(found)
    return found


def date_object(value: Any) -> dict[str, Any] | None:
    """Notion's date object out of a string, a date, a datetime or a dict with start, end and time_zone."""
    if value is None:
        return None
    given = value if isinstance(value, dict) else {"start": value}
    return {
        "start": _date_text(given.get("start")),
        "end": _date_text(given.get("end")),
        "time_zone": given.get("time_zone"),
    }


def _date_text(value: Any) -> str | None:
    if isinstance(value, datetime):
        if value.utcoffset() is None:
            return value.isoformat(timespec="milliseconds")
        return value.isoformat(timespec="milliseconds") if value.utcoffset() else milli_stamp(value)[:-1] + "+00:00"
    return value.isoformat() if isinstance(value, date) else value


def empty(type_: str) -> Any:
    """The stored value of a property nobody set."""
    if type_ in TEXT_TYPES:
        return ""
    if type_ in LIST_TYPES:
        return []
    return False if type_ == "checkbox" else {} if type_ == "button" else None


def holds_hosted_file(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(entry, dict) and "hosted" in entry for entry in value)


def has_options(type_: str) -> bool:
    return type_ in OPTION_TYPES
