"""The types of columns, as DuckDB spells them and as Arrow stages them."""

from __future__ import annotations

from typing import NamedTuple

import pyarrow as pa


class ColumnType(NamedTuple):
    """One type; JSON is staged as text.

    Attributes:
        duckdb: As duckdb_columns() of DuckDB 1.5 and 2.0 prints it.
    """

    duckdb: str
    arrow: pa.DataType


TEXT = ColumnType("VARCHAR", pa.string())
JSON = ColumnType("JSON", pa.string())
NUMBER = ColumnType("DOUBLE", pa.float64())
BOOLEAN = ColumnType("BOOLEAN", pa.bool_())
TEXTS = ColumnType("VARCHAR[]", pa.list_(pa.string()))
TIMESTAMP = ColumnType("TIMESTAMP WITH TIME ZONE", pa.timestamp("us", "UTC"))
DATE = ColumnType(
    f'STRUCT("start" {TIMESTAMP.duckdb}, "end" {TIMESTAMP.duckdb}, is_datetime BOOLEAN, time_zone VARCHAR)',
    pa.struct(
        [
            ("start", TIMESTAMP.arrow),
            ("end", TIMESTAMP.arrow),
            ("is_datetime", pa.bool_()),
            ("time_zone", pa.string()),
        ]
    ),
)
PEOPLE = ColumnType(
    'STRUCT(id VARCHAR, "name" VARCHAR, email VARCHAR)[]',
    pa.list_(pa.struct([("id", pa.string()), ("name", pa.string()), ("email", pa.string())])),
)
FILES = ColumnType(
    'STRUCT("name" VARCHAR, "type" VARCHAR, url VARCHAR)[]',
    pa.list_(pa.struct([("name", pa.string()), ("type", pa.string()), ("url", pa.string())])),
)
