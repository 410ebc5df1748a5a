"""The properties of a data source: their identity, how they are excluded, and the snapshot that shows their changes.

A property is its decoded id; its name is a label that people change. `property_types` has the types of their columns,
`schema_changes` the differences between two snapshots.
"""

from __future__ import annotations

import hashlib
import urllib.parse
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from notion_pipeline.rows.text.json_text import dump_json, valid_text
from notion_pipeline.spelling import spelled

COMPUTED = frozenset({"formula", "rollup"})
# The other side of a two-way relation changes a relation without an edit here, and a verification expires.
_CHANGE_WITHOUT_EDIT = COMPUTED | {"relation", "verification"}
_WITH_OPTIONS = frozenset({"select", "multi_select", "status"})
#: Types whose content is one user.
USER_TYPES = ("created_by", "last_edited_by")


@dataclass(frozen=True, slots=True)
class Property:
    """One property of a data source.

    Attributes:
        id: The identity; percent-decoded so that it can be compared (notion-api.md section 2).
        name: As people see it.
        type: Notion's name of the type, known to us or not.
        config: The object under the type's key; {} if there is none.
        description: Empty if there is none.
    """

    id: str
    name: str
    type: str
    config: dict[str, Any] = field(default_factory=dict, hash=False)
    description: str = ""


@lru_cache(maxsize=65536)
def decode_id(text: str) -> str:
    """The property id without percent-encoding; answers have both forms (notion-api.md section 2)."""
    return valid_text(urllib.parse.unquote(text))


def encode_id(property_id: str) -> str:
    """A decoded property id for use in a path, encoded as Notion encodes it."""
    return urllib.parse.quote(property_id, safe="!'()*")


class PropertyId(str):
    """A property's decoded id, in a list that may have names as well."""

    __slots__ = ()


class Exclusion:
    """Excluded properties, given by name or by id in either form.

    Case and accents of names do not count, so that a capital letter does not let an excluded property through.
    """

    __slots__ = ("_ids", "_names")

    def __init__(self, exclude: Collection[str] = ()) -> None:
        self._names = frozenset(spelled(valid_text(entry)) for entry in exclude if not isinstance(entry, PropertyId))
        self._ids = frozenset(valid_text(entry) for entry in exclude) | {decode_id(entry) for entry in exclude}

    def __bool__(self) -> bool:
        return bool(self._ids)

    def out_of(self, entries: Any) -> dict[str, Any]:
        """A mapping by property name, of values or of schema entries, without the excluded ones."""
        return {
            name: entry
            for name, entry in (entries.items() if isinstance(entries, dict) else ())
            if not self.covers(name, entry.get("id") if isinstance(entry, dict) else None)
        }

    def covers(self, name: str, raw_id: Any) -> bool:
        """Whether a property of this name, and of this id in either form, is excluded."""
        return spelled(valid_text(name)) in self._names or (isinstance(raw_id, str) and decode_id(raw_id) in self._ids)


def exclusion_marks(exclude: Collection[str]) -> tuple[str, ...]:
    """Digests of excluded properties, by which a later sync sees whether it excludes others; they show no names."""
    return tuple(sorted(_digest(entry) for entry in exclude))


def name_mark(entry: str) -> str:
    """Digest of an excluded property's name for the catalog, which must not show the name."""
    return _digest(spelled(valid_text(entry)))


def _digest(text: str) -> str:
    return hashlib.sha256(valid_text(text).encode()).hexdigest()[:16]


def fitting_properties(entry: str, data_sources: Iterable[Any]) -> dict[PropertyId, str]:
    """Name by id of the properties that an entry of `exclude_properties` fits.

    Args:
        data_sources: Data sources as Notion gives them, or objects with their `properties` only.
    """
    exclusion = Exclusion([entry])
    return {
        PropertyId(prop.id): prop.name
        for data_source in data_sources
        for prop in parse_properties(data_source)
        if exclusion.covers(prop.name, prop.id)
    }


def parse_properties(data_source: dict[str, Any], exclude: Collection[str] = ()) -> tuple[Property, ...]:
    """The properties of a data source in the answer's order, without those excluded by name or id."""
    entries = data_source.get("properties")
    excluded = Exclusion(exclude)
    found: dict[str, Property] = {}
    for key, entry in entries.items() if isinstance(entries, dict) else ():
        if isinstance(entry, dict):
            prop = _parsed(key, entry)
            if not (excluded.covers(key, entry.get("id")) or excluded.covers(prop.name, None)):
                found.setdefault(prop.id, prop)
    return tuple(found.values())


def _parsed(key: str, entry: dict[str, Any]) -> Property:
    name = _text(entry.get("name")) or valid_text(key)
    kind = _text(entry.get("type")) or "unknown"
    config = entry.get(kind)
    return Property(
        id=decode_id(entry["id"]) if isinstance(entry.get("id"), str) else name,
        name=name,
        type=kind,
        config=config if isinstance(config, dict) else {},
        description=_text(entry.get("description")),
    )


def _text(value: Any) -> str:
    return valid_text(value) if isinstance(value, str) else ""


def property_value(properties: Any, prop: Property) -> Any:
    """The property's whole value (`{"id", "type", ...}`) in a page's `properties`, or None.

    The id decides; the name is tried first since it is quick. A value without an id is found by its name.
    """
    if not isinstance(properties, dict):
        return None
    value = properties.get(prop.name)
    if _is_value_of(value, prop):
        return value
    by_id = (other for other in properties.values() if isinstance(other, dict) and _is_value_of(other, prop))
    found = next(by_id, None)
    if found is None and not (isinstance(value, dict) and isinstance(value.get("id"), str)):
        return value
    return found


def _is_value_of(value: Any, prop: Property) -> bool:
    raw_id = value.get("id") if isinstance(value, dict) else None
    return isinstance(raw_id, str) and decode_id(raw_id) == prop.id


def has_computed(properties: Iterable[Property]) -> bool:
    """Whether values can change without an edit of their page (notion-api.md section 2)."""
    return any(prop.type in _CHANGE_WITHOUT_EDIT for prop in properties)


def schema_snapshot(properties: Iterable[Property]) -> dict[str, Any]:
    """The parts of a schema whose change makes a sync read in full, by property id; plain JSON without order.

    Descriptions, colours, number formats, groups and orders are left out, since they change no value.
    """
    return {prop.id: {"name": prop.name, "type": prop.type, **_details(prop)} for prop in properties}


def snapshot_properties(snapshot: Mapping[str, Any]) -> tuple[Property, ...]:
    """The properties that a snapshot was made of, as far as it tells: `schema_snapshot` of them gives it again."""
    return tuple(Property(key, entry["name"], entry["type"], _config(entry)) for key, entry in snapshot.items())


def _config(entry: Mapping[str, Any]) -> dict[str, Any]:
    if "rollup" in entry:
        ids = ("relation_property_id", "rollup_property_id")
        return {**entry["rollup"], **{key: encode_id(entry["rollup"][key]) for key in ids}}
    if "target" in entry:
        return {"data_source_id": entry["target"]}
    if "options" in entry:
        return {"options": [{"id": key, "name": name} for key, name in entry["options"].items()]}
    return {key: entry[key] for key in ("expression", "prefix") if key in entry}


def fingerprint(properties: Iterable[Property]) -> str:
    """SHA-256 over `schema_snapshot`, in hex."""
    return hashlib.sha256(dump_json(schema_snapshot(properties))).hexdigest()


def _details(prop: Property) -> dict[str, Any]:
    config = prop.config
    if prop.type == "formula":
        return {"expression": _text(config.get("expression"))}
    if prop.type == "rollup":
        ids = {key: decode_id(_text(config.get(key))) for key in ("relation_property_id", "rollup_property_id")}
        return {"rollup": {"function": _text(config.get("function")), **ids}}
    if prop.type == "relation":
        return {"target": _text(config.get("data_source_id")) or _text(config.get("database_id"))}
    if prop.type == "unique_id":
        return {"prefix": _text(config.get("prefix"))}
    if prop.type in _WITH_OPTIONS:
        return {"options": _options(config.get("options"))}
    return {}


def _options(options: Any) -> dict[str, str]:
    """Option names by option id; by name for an option without an id."""
    known = [option for option in options if isinstance(option, dict)] if isinstance(options, list) else []
    return {_text(option.get("id")) or _text(option.get("name")): _text(option.get("name")) for option in known}
