"""Makes a batch of typed rows of the pages of a data source, for the stage.

The page's own columns come first (contract section 4), then `p0`, `p1`, ... for the properties in their order, then for
each row how many values Notion did not compute, how many do not fit their column, and the users in it. The catalog
gives the property columns their names and DuckDB types at commit. Every page gives a row, with NULL for missing values.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from notion_pipeline.rows.arrow import arrow_array
from notion_pipeline.rows.column_types import BOOLEAN, JSON, TEXT, TIMESTAMP, ColumnType
from notion_pipeline.rows.computed_values import COMPUTED_TYPE, computed_column
from notion_pipeline.rows.properties import COMPUTED, Exclusion, Property
from notion_pipeline.rows.property_types import column_type, value_column
from notion_pipeline.rows.text.storable import TEXTS_REPLACED
from notion_pipeline.rows.users_seen import USERS_TYPE, UsersSeen
from notion_pipeline.rows.values import (
    ODD,
    Converter,
    boolean,
    contents,
    converted,
    json_value,
    object_id,
    text,
    timestamp,
    uuid,
)

#: Columns that the catalog adds: when a row's content last changed here, and when a marked row was found to be gone.
SYNCED_AT = "_synced_at"
DELETED_AT = "_deleted_at"
#: Columns with addresses of the page, which end in its title and id.
_ADDRESSES = ("url", "public_url")
_TITLED_ADDRESS = re.compile(r"(https?://[^/?#]+/(?:[^/?#]+/)?)(?:[^/?#]*-)?([0-9a-f]{32})(?:[?#].*)?")
#: Columns of a staged batch with counts for each row.
NOT_COMPUTED = "_not_computed"
NOT_CONVERTED = "_not_converted"
#: Column of the users in a row, without those that an earlier row of the batch has in the same form.
USERS = "_users"


@dataclass(frozen=True)
class RowSchema:
    """The schema of the batches of one data source.

    Attributes:
        properties: All but the excluded properties.
        exclude: Names or ids of properties that must not be in the `properties` column either.
        arrow: The Arrow schema of every batch.
    """

    properties: tuple[Property, ...]
    exclude: Collection[str] = ()
    arrow: pa.Schema = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        own = [(name, column.arrow) for name, column, _ in _PAGE]
        theirs = [
            (staged_name(position), COMPUTED_TYPE if prop.type in COMPUTED else column_type(prop).arrow)
            for position, prop in enumerate(self.properties)
        ]
        counts = [(NOT_COMPUTED, pa.int32()), (NOT_CONVERTED, pa.int32())]
        object.__setattr__(self, "arrow", pa.schema([*own, *theirs, *counts, (USERS, USERS_TYPE)]))


def staged_name(position: int) -> str:
    """The field of the property at this position of the schema."""
    return f"p{position}"


def to_batch(pages: Sequence[dict[str, Any]], schema: RowSchema) -> pa.RecordBatch:
    """One row for each page, in their order."""
    counts = _Counts(len(pages))
    hides_title = bool(schema.exclude) and not any(prop.type == "title" for prop in schema.properties)
    arrays = [
        counts.checked(converted(_page_values(pages, name, hides_title), convert, column.arrow))
        for name, column, convert in _PAGE[:-1]
    ]
    for row, page in enumerate(pages):
        counts.not_converted[row] += page.get(TEXTS_REPLACED, 0)
    values = [page.get("properties") for page in pages]
    kept = _without_excluded(values, Exclusion(schema.exclude))
    arrays.append(counts.checked(converted(kept, json_value, pa.string())))
    users = UsersSeen(len(pages))
    for prop in schema.properties:
        found = contents(prop, values)
        arrays.append(_property_array(prop, found, counts))
        users.collect(prop.type, found)
    arrays += [arrow_array(counts.not_computed, pa.int32()), arrow_array(counts.not_converted, pa.int32())]
    arrays.append(arrow_array(users.by_row, USERS_TYPE))
    return pa.RecordBatch.from_arrays(arrays, schema=schema.arrow)


def _page_values(pages: Sequence[dict[str, Any]], name: str, hides_title: bool) -> list[Any]:
    """The values of one column of the page. Addresses hold the title, which may be excluded."""
    values = [page.get(name) for page in pages]
    return list(map(_address_without_title, values)) if hides_title and name in _ADDRESSES else values


def _address_without_title(address: Any) -> Any:
    """The address with the page's id alone, which Notion takes as well; None if no id ends it."""
    if not isinstance(address, str):
        return address
    found = _TITLED_ADDRESS.fullmatch(address)
    return f"{found[1]}{found[2]}" if found else None


class _Counts:
    """Counts for each row the values that its columns cannot hold."""

    def __init__(self, rows: int) -> None:
        self.not_computed = [0] * rows
        self.not_converted = [0] * rows

    def checked(self, found: tuple[pa.Array, Iterable[int]]) -> pa.Array:
        """The array; counts the rows whose value did not fit."""
        array, odd = found
        for row in odd:
            self.not_converted[row] += 1
        return array


def _property_array(prop: Property, found: Sequence[Any], counts: _Counts) -> pa.Array:
    if prop.type not in COMPUTED:
        return counts.checked(value_column(prop, found))
    column = computed_column(prop, found)
    for row in column.not_computed:
        counts.not_computed[row] += 1
    return counts.checked((column.array, column.not_converted))


def _without_excluded(values: list[Any], excluded: Exclusion) -> list[Any]:
    """The raw properties without the excluded ones; ODD for anything but an object."""
    if not excluded:
        return values
    return [
        {name: value for name, value in found.items() if not excluded.covers(name, _raw_id(value))}
        if isinstance(found, dict)
        else (None if found is None else ODD)
        for found in values
    ]


def _raw_id(value: Any) -> Any:
    return value.get("id") if isinstance(value, dict) else None


def _page_id(value: Any) -> Any:
    return uuid(value) if type(value) is str else ODD


#: The page's own columns in the order of the table; the properties come last.
_PAGE: tuple[tuple[str, ColumnType, Converter], ...] = (
    ("id", TEXT, _page_id),
    ("created_time", TIMESTAMP, timestamp),
    ("last_edited_time", TIMESTAMP, timestamp),
    ("created_by", TEXT, object_id),
    ("last_edited_by", TEXT, object_id),
    ("url", TEXT, text),
    ("public_url", TEXT, text),
    ("in_trash", BOOLEAN, boolean),
    ("is_archived", BOOLEAN, boolean),
    ("parent", JSON, json_value),
    ("icon", JSON, json_value),
    ("cover", JSON, json_value),
    ("properties", JSON, json_value),
)
#: Name and DuckDB type of each.
PAGE_COLUMNS = tuple((name, column.duckdb) for name, column, _ in _PAGE)
