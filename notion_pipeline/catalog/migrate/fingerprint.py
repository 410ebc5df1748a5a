"""The content of a table in two numbers, whatever catalog it is in and in which order it lies there."""

from __future__ import annotations

from collections.abc import Iterable

import duckdb

from notion_pipeline.catalog.migrate.contents import CopiedTable, Name
from notion_pipeline.catalog.sql import column_types, columns_of, quote

#: Number of rows, and the sum of the hashes of their texts.
Fingerprint = tuple[int, int]


def fingerprint_of_source(connection: duckdb.DuckDBPyConnection, table: CopiedTable) -> Fingerprint:
    """The fingerprint that the copy of a table of the source must have."""
    return _fingerprint(connection, table.name, (column.source_value for column in table.columns))


def fingerprint(connection: duckdb.DuckDBPyConnection, name: Name) -> Fingerprint:
    """The fingerprint of a table as it is."""
    return _fingerprint(connection, name, map(quote, column_types(connection, name)))


def is_declared_alike(connection: duckdb.DuckDBPyConnection, table: CopiedTable) -> bool:
    """Whether the catalog has this table, with its columns and their comments."""
    wanted = tuple((column.name, column.kind, column.comment) for column in table.columns)
    return columns_of(connection, table.name) == wanted


def _fingerprint(connection: duckdb.DuckDBPyConnection, name: Name, values: Iterable[str]) -> Fingerprint:
    # By the texts: DuckDB's hash of an empty list is that of NULL, and its hash of 0.0 that of -0.0.
    texts = ", ".join(f"CAST({value} AS VARCHAR)" for value in values)
    rows = connection.execute(f"SELECT count(*), coalesce(sum(hash({texts})), 0) FROM {quote(*name)}").fetchall()
    return int(rows[0][0]), int(rows[0][1])
