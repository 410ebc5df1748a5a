"""Makes one Arrow column of structs of the results of a formula or rollup, whatever their kinds.

The DuckDB type of a computed column is decided at commit, by all results in its table. Until then a result is its kind,
its typed value and its text: a VARCHAR column takes the text, and so does the JSON column of a rollup's arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, NamedTuple

import pyarrow as pa

from notion_pipeline.rows.arrow import arrow_array
from notion_pipeline.rows.column_types import BOOLEAN, DATE, JSON, NUMBER, TEXT, ColumnType
from notion_pipeline.rows.properties import COMPUTED, Property
from notion_pipeline.rows.text.json_text import dump_json
from notion_pipeline.rows.values import (
    ODD,
    Converter,
    boolean,
    content,
    date,
    file_parts,
    number,
    object_id,
    option_name,
    plain_text,
    text,
    unique_id,
)

COMPUTED_TYPE = pa.struct(
    [
        ("kind", pa.string()),
        ("number", pa.float64()),
        ("boolean", pa.bool_()),
        ("date", DATE.arrow),
        ("text", pa.string()),
    ]
)
# Notion gave up, or the result is not complete yet (notion-api.md section 6): neither a value nor a null.
_NOT_COMPUTED = frozenset({"unsupported", "incomplete"})

# With more than 25 references Notion gives the items of these rollups and no aggregate (notion-api.md section 7).
_ITEMS_ONLY_OVER_25 = frozenset({"unique", "median"})


class ComputedColumn(NamedTuple):
    """Structs of COMPUTED_TYPE, the rows that Notion did not compute, and the rows whose result has an unknown kind."""

    array: pa.Array
    not_computed: list[int]
    not_converted: list[int]


class Result(NamedTuple):
    """One computed value, in the order of COMPUTED_TYPE."""

    kind: str
    number: float | None
    boolean: bool | None
    date: tuple[Any, ...] | None
    text: str


def computed_values(prop: Property, values: Sequence[Any]) -> pa.Array:
    """The structs of a formula or rollup.

    Args:
        prop: The property.
        values: Whole values, or None, as `property_value` gives them.
    """
    return computed_column(prop, [content(value, prop) for value in values]).array


def computed_column(prop: Property, found: Iterable[Any]) -> ComputedColumn:
    """The structs of a formula or rollup.

    Args:
        prop: The property.
        found: The content under the type's key of each value.
    """
    kinds = _KINDS_OF[prop.type]
    never_an_array = prop.config.get("function") in _ITEMS_ONLY_OVER_25
    rows: list[Result | None] = []
    not_computed: list[int] = []
    not_converted: list[int] = []
    for row, value in enumerate(found):
        kind = value.get("type") if type(value) is dict else None
        inner: Any = value.get(kind, ODD) if type(kind) is str else ODD
        result: Any = None
        if type(kind) is str and (kind in _NOT_COMPUTED or (kind == "array" and never_an_array)):
            not_computed.append(row)
        elif value is not None and inner is not None:
            result = RESULT_KINDS[kind].convert(inner) if type(kind) is str and kind in kinds else ODD
            if result is ODD:
                not_converted.append(row)
                result = None
            elif kind == "array" and _lacks_results(inner):
                not_computed.append(row)
        rows.append(result)
    return ComputedColumn(arrow_array(rows, COMPUTED_TYPE), not_computed, not_converted)


def _string(value: Any) -> Any:
    return ODD if text(value) is ODD else Result("string", None, None, None, value)


def _number(value: Any) -> Any:
    found = number(value)
    return ODD if found is ODD else Result("number", found, None, None, dump_json(value).decode())


def _boolean(value: Any) -> Any:
    return ODD if boolean(value) is ODD else Result("boolean", None, value, None, "true" if value else "false")


def _date(value: Any) -> Any:
    found = date(value)
    return ODD if found is ODD else Result("date", None, None, found, value["start"])


def _array(value: Any) -> Any:
    if type(value) is not list:
        return ODD
    return Result("array", None, None, None, dump_json(plain_values(value)).decode())


class ResultKind(NamedTuple):
    """What the results of one kind become.

    Attributes:
        column: The type of a column that has results of this kind only.
    """

    column: ColumnType
    convert: Converter


RESULT_KINDS = {
    "string": ResultKind(TEXT, _string),
    "number": ResultKind(NUMBER, _number),
    "boolean": ResultKind(BOOLEAN, _boolean),
    "date": ResultKind(DATE, _date),
    "array": ResultKind(JSON, _array),
}
_KINDS_OF = {
    "formula": frozenset({"string", "number", "boolean", "date"}),
    "rollup": frozenset({"number", "date", "array"}),
}


def computed_type(prop: Property, kinds: Collection[str]) -> str:
    """The DuckDB type of a formula or rollup by the kinds of results in its table; VARCHAR for none or several."""
    only = RESULT_KINDS[next(iter(kinds))] if len(kinds) == 1 and _KINDS_OF[prop.type].issuperset(kinds) else None
    return (only.column if only else TEXT).duckdb


def plain_values(items: list[Any]) -> list[Any]:
    """A rollup's array as plain values: text, name, number, boolean, ISO start, id, URL; arrays in it are flattened.

    An item without a plain form, or of an unknown kind, keeps its JSON value; one that Notion did not compute is null.
    """
    plain: list[Any] = []
    for kind, inner in _flattened(items):
        if kind in _PLAIN_LISTS:
            entries = inner if type(inner) is list else [inner]
            plain.extend(_or_itself(_PLAIN_LISTS[kind], entry) for entry in entries)
        elif kind in _NOT_COMPUTED:
            plain.append(None)
        else:
            plain.append(_or_itself(_PLAIN[kind], inner) if kind in _PLAIN else inner)
    return plain


def _lacks_results(items: list[Any]) -> bool:
    return any(kind in _NOT_COMPUTED for kind, _ in _flattened(items))


def _flattened(items: list[Any]) -> Iterable[tuple[str, Any]]:
    """Kind and content of each item, with the results of rollups and formulas in it; "" for an item without a kind.

    By a stack instead of recursion: rollups of rollups nest as deep as JSON does.
    """
    stack = items[::-1]
    while stack:
        item = stack.pop()
        kind = item.get("type") if type(item) is dict else None
        if type(item) is list:
            stack.extend(reversed(item))
        elif type(kind) is not str or kind not in item:
            yield "", item
        elif kind == "array" and type(item[kind]) is list:
            stack.extend(reversed(item[kind]))
        elif kind in COMPUTED and type(item[kind]) is dict:
            stack.append(item[kind])
        else:
            yield kind, item[kind]


def _or_itself(convert: Callable[[Any], Any], value: Any) -> Any:
    plain = None if value is None else convert(value)
    return value if plain is ODD else plain


def _start(value: Any) -> Any:
    return text(value.get("start")) if type(value) is dict else ODD


def _url(value: Any) -> Any:
    parts = file_parts(value)
    return ODD if parts is ODD or parts[2] is None else parts[2]


# Kinds with plain content (number, checkbox, url, string ...) need no converter.
_PLAIN: dict[str, Converter] = {
    "title": plain_text,
    "rich_text": plain_text,
    "select": option_name,
    "status": option_name,
    "date": _start,
    "created_by": object_id,
    "last_edited_by": object_id,
    "unique_id": unique_id,
}
_PLAIN_LISTS: dict[str, Converter] = {
    "multi_select": option_name,
    "people": object_id,
    "relation": object_id,
    "files": _url,
}
