"""One entry a property type: the type of its column, and the converter of its values.

Types that nobody knew when this was written are kept as JSON. Formulas and rollups have no type of their own: theirs is
decided by their results, see `computed_values`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pyarrow as pa

from notion_pipeline.rows.column_types import (
    BOOLEAN,
    DATE,
    FILES,
    JSON,
    NUMBER,
    PEOPLE,
    TEXT,
    TEXTS,
    TIMESTAMP,
    ColumnType,
)
from notion_pipeline.rows.properties import Property
from notion_pipeline.rows.values import (
    Converter,
    boolean,
    converted,
    date,
    files,
    json_value,
    number,
    object_id,
    object_ids,
    option_name,
    option_names,
    people,
    plain_text,
    text,
    timestamp,
    unique_id,
)


class PropertyType(NamedTuple):
    """What the values of a property become."""

    column: ColumnType
    convert: Converter


_UNKNOWN = PropertyType(JSON, json_value)
_PROPERTY_TYPES = {
    "title": PropertyType(TEXT, plain_text),
    "rich_text": PropertyType(TEXT, plain_text),
    "url": PropertyType(TEXT, text),
    "email": PropertyType(TEXT, text),
    "phone_number": PropertyType(TEXT, text),
    "select": PropertyType(TEXT, option_name),
    "status": PropertyType(TEXT, option_name),
    "number": PropertyType(NUMBER, number),
    "checkbox": PropertyType(BOOLEAN, boolean),
    "multi_select": PropertyType(TEXTS, option_names),
    "date": PropertyType(DATE, date),
    "people": PropertyType(PEOPLE, people),
    "files": PropertyType(FILES, files),
    "relation": PropertyType(TEXTS, object_ids),
    "created_time": PropertyType(TIMESTAMP, timestamp),
    "last_edited_time": PropertyType(TIMESTAMP, timestamp),
    "created_by": PropertyType(TEXT, object_id),
    "last_edited_by": PropertyType(TEXT, object_id),
    "unique_id": PropertyType(TEXT, unique_id),
}


def column_type(prop: Property) -> ColumnType:
    """The type of the column of a property that is not computed."""
    return _PROPERTY_TYPES.get(prop.type, _UNKNOWN).column


def value_column(prop: Property, found: Sequence[object]) -> tuple[pa.Array, list[int]]:
    """The column of a property that is not computed, and the rows whose value does not fit it.

    Args:
        prop: The property.
        found: What `values.contents` gives.
    """
    kind = _PROPERTY_TYPES.get(prop.type, _UNKNOWN)
    return converted(found, kind.convert, kind.column.arrow)
