"""Finds the values of a property in pages, and converts them for its column.

A converter takes the content under the type's key and gives a value that fits the column, or ODD. No content raises: a
value that does not fit is NULL and counted, and stays intact in the page's `properties`. `property_types` says which
converter a property has; formulas and rollups have their own, in `computed_values`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isfinite
from typing import Any

import pyarrow as pa

from notion_pipeline.rows.arrow import arrow_array
from notion_pipeline.rows.properties import Property, encode_id, property_value
from notion_pipeline.rows.text.json_text import dump_json, unsigned_url
from notion_pipeline.rows.text.timestamps import instant, moment


class Odd:
    """Stands for a value that does not fit its column."""

    __slots__ = ()


ODD = Odd()
Converter = Callable[[Any], Any]

_DASHED_LENGTH = 36
_HEX_LENGTH = 32


def contents(prop: Property, pages_properties: Sequence[Any]) -> list[Any]:
    """The content under the type's key in each page's value: None if there is no value, ODD if it is not one.

    Values are found by name, and their ids compared, which is quick; the other values are searched by id.
    """
    alike = _contents_of_all(prop, pages_properties)
    return _contents_of_each(prop, pages_properties) if alike is None else alike


def _contents_of_all(prop: Property, pages_properties: Sequence[Any]) -> list[Any] | None:
    """The contents if every page has the value under its name, with its id and type; else None."""
    name, kind = prop.name, prop.type
    try:
        values = [properties[name] for properties in pages_properties]
        if {value["id"] for value in values} == {encode_id(prop.id)} and {value["type"] for value in values} == {kind}:
            return [value[kind] for value in values]
    except (KeyError, TypeError):  # absent, or not an object
        return None
    return None


def _contents_of_each(prop: Property, pages_properties: Sequence[Any]) -> list[Any]:
    name, kind, spelling = prop.name, prop.type, encode_id(prop.id)
    found: list[Any] = []
    for properties in pages_properties:
        try:
            value = properties[name]
            if value["id"] == spelling and value["type"] == kind:
                found.append(value[kind])
                continue
        except (KeyError, TypeError):  # absent, or not an object
            pass
        value = property_value(properties, prop)
        found.append(content(value, prop))
        if isinstance(value, dict) and isinstance(value.get("id"), str):
            spelling = value["id"]
    return found


def content(value: Any, prop: Property) -> Any:
    """The content under the type's key of a whole value; ODD if it has another type and is not null."""
    if value is None:
        return None
    if not isinstance(value, dict):
        return ODD
    kind = value.get("type", prop.type)
    if kind == prop.type:
        return value.get(prop.type, ODD)
    return None if isinstance(kind, str) and value.get(kind, ODD) is None else ODD


def converted(values: Sequence[Any], convert: Converter, kind: pa.DataType) -> tuple[pa.Array, list[int]]:
    """The array of the converted values, with NULL for None, and the rows whose value did not fit."""
    if (as_they_are := _AS_THEY_ARE.get(convert)) is not None and as_they_are.issuperset(map(type, values)):
        return arrow_array(values, kind), []
    rows = [None if value is None else convert(value) for value in values]
    odd = [row for row, value in enumerate(rows) if value is ODD]
    for row in odd:
        rows[row] = None
    return arrow_array(rows, kind), odd


def text(value: Any) -> Any:
    """A text, unchanged."""
    return value if type(value) is str else ODD


def boolean(value: Any) -> Any:
    """True or false; 0 and 1 do not fit."""
    return value if type(value) is bool else ODD


#: Types of values that a converter leaves as they are, so that they need not be converted one by one.
_AS_THEY_ARE: dict[Converter, frozenset[type]] = {
    text: frozenset({str, type(None)}),
    boolean: frozenset({bool, type(None)}),
}


def number(value: Any) -> Any:
    """A finite DOUBLE; true and false do not fit."""
    if type(value) is float:
        return value if isfinite(value) else ODD
    try:
        return float(value) if type(value) is int else ODD
    except OverflowError:
        return ODD


def timestamp(value: Any) -> Any:
    """An ISO text in microseconds since 1970."""
    found = instant(value)
    return ODD if found is None else found


def json_value(value: Any) -> Any:
    """Any value as JSON text."""
    return ODD if value is ODD else dump_json(value).decode()


def plain_text(value: Any) -> Any:
    """Rich text without its formatting (notion-api.md section 6)."""
    if type(value) is not list:
        return ODD
    try:
        return "".join([item["plain_text"] for item in value])
    except (TypeError, KeyError):
        return ODD


def option_name(value: Any) -> Any:
    """The name of a select or status option."""
    name = value.get("name") if type(value) is dict else None
    return name if type(name) is str else ODD


def option_names(value: Any) -> Any:
    """The names of the options of a multi-select."""
    return each(value, option_name)


def object_id(value: Any) -> Any:
    """The id of a user or page, dashed."""
    found = value.get("id") if type(value) is dict else None
    return uuid(found) if type(found) is str else ODD


def object_ids(value: Any) -> Any:
    """The ids of related pages."""
    return each(value, object_id)


def uuid(found: str) -> str:
    """A UUID dashed and in lower case, as Notion gives it (notion-api.md section 2); any other text unchanged."""
    if len(found) == _DASHED_LENGTH and found.islower():
        return found
    digits = found.replace("-", "").lower()
    if len(digits) != _HEX_LENGTH or not set(digits) <= set("0123456789abcdef"):
        return found
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def unique_id(value: Any) -> Any:
    """`PREFIX-12`, or `12` without a prefix."""
    if type(value) is not dict:
        return ODD
    prefix, digits = value.get("prefix"), value.get("number")
    if digits is None:
        return None
    if type(digits) is not int or not (prefix is None or type(prefix) is str):
        return ODD
    return f"{prefix}-{digits}" if prefix else str(digits)


def date(value: Any) -> Any:
    """start, end, is_datetime, time_zone; start and end as instants."""
    if type(value) is not dict:
        return ODD
    start, end, zone = value.get("start"), value.get("end"), value.get("time_zone")
    if type(start) is not str or not (end is None or type(end) is str) or not (zone is None or type(zone) is str):
        return ODD
    begins = moment(start, zone)
    ends = None if end is None else moment(end, zone)
    if begins is None or (ends is None and end is not None):
        return ODD
    return begins.microseconds, None if ends is None else ends.microseconds, begins.has_time, zone


def people(value: Any) -> Any:
    """id, name and email of each person; bots, groups and partial users lack some (notion-api.md section 6)."""
    return each(value, _person)


def _person(value: Any) -> Any:
    found = object_id(value)
    if found is ODD:
        return ODD
    name, person = value.get("name"), value.get("person")
    email = person.get("email") if type(person) is dict else None
    fits = (name is None or type(name) is str) and (email is None or type(email) is str)
    return (found, name, email) if fits else ODD


def files(value: Any) -> Any:
    """name, type and URL of each file; the URL of a hosted file without its signed query."""
    return each(value, file_parts)


def file_parts(value: Any) -> Any:
    """name, type and URL of one file, hosted by Notion or linked."""
    if type(value) is not dict:
        return ODD
    name, kind = value.get("name"), value.get("type")
    place = value.get(kind) if type(kind) is str else None
    place = place if type(place) is dict else {}
    url: Any = place.get("url")
    if not all(part is None or type(part) is str for part in (name, kind, url)):
        return ODD
    if url is not None and (kind == "file" or "expiry_time" in place):
        url = unsigned_url(url)
    return name, kind, url


def each(value: Any, convert: Converter) -> Any:
    """Every item of a list converted; ODD if one of them is."""
    if type(value) is not list:
        return ODD
    items = [convert(item) for item in value]
    return ODD if ODD in items else items
