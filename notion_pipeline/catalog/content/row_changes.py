"""Brings rows of a content table up to date: only those that differ are written, so that `_synced_at` tells of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb
import pyarrow as pa

from notion_pipeline.catalog.content.tables import DELETED_AT, Table
from notion_pipeline.catalog.sql import column_types, count_of, quote


@dataclass(frozen=True)
class RowChanges:
    """How many rows were new, changed, or as they were."""

    inserted: int = 0
    updated: int = 0
    unchanged: int = 0


def write_rows(
    connection: duckdb.DuckDBPyConnection, table: Table, rows: pa.Table, key: Sequence[str], now: datetime
) -> RowChanges:
    """Inserts rows, and replaces those that differ; one that was marked as gone is there again.

    Args:
        rows: With the table's columns as far as they are to be written, each key once.
        key: Columns by which a row is known; none is NULL.
        now: Local time, for `_synced_at`.
    """
    if not rows.num_rows:
        return RowChanges()
    target = quote(*table)
    names = ", ".join(quote(name) for name in rows.column_names)
    same = " AND ".join(f"t.{quote(name)} = i.{quote(name)}" for name in key)
    differs = " OR ".join(f"t.{quote(name)} IS DISTINCT FROM i.{quote(name)}" for name in rows.column_names)
    if DELETED_AT[0] in column_types(connection, table):
        differs += f" OR t.{DELETED_AT[0]} IS NOT NULL"
    connection.register("incoming_rows", rows)
    try:
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE changed_rows AS SELECT i.*, t.{quote(key[0])} IS NULL AS is_new "
            f"FROM incoming_rows i LEFT JOIN {target} t ON {same} WHERE t.{quote(key[0])} IS NULL OR {differs}"
        )
    finally:
        connection.unregister("incoming_rows")
    inserted = count_of(connection, "SELECT count(*) FROM changed_rows WHERE is_new")
    changed = count_of(connection, "SELECT count(*) FROM changed_rows")
    if changed:
        connection.execute(f"DELETE FROM {target} t USING changed_rows i WHERE NOT i.is_new AND {same}")
        connection.execute(
            f"INSERT INTO {target} ({names}, _synced_at) SELECT {names}, ? FROM changed_rows",
            [now],
        )
    connection.execute("DROP TABLE changed_rows")
    return RowChanges(inserted, changed - inserted, rows.num_rows - changed)
