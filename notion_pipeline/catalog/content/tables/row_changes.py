"""Brings rows of a content table up to date: only those that differ are written, so that `_synced_at` tells of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

import duckdb
import pyarrow as pa

from notion_pipeline.catalog.content.tables.content_tables import DELETED_AT, Table
from notion_pipeline.catalog.content.tables.counts import ContentCounts
from notion_pipeline.catalog.sql import column_types, count_of, quote


def write_rows(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    rows: pa.Table,
    key: Sequence[str],
    now: datetime,
    *,
    not_compared: Collection[str] = (),
) -> ContentCounts:
    """Inserts rows, and replaces those that differ; one that was marked as gone is there again.

    Args:
        rows: With the table's columns as far as they are to be written, each key once.
        key: Columns by which a row is known; none is NULL.
        now: Local time, for `_synced_at`.
        not_compared: Columns that differ only where another one does.
    """
    if not rows.num_rows:
        return ContentCounts()
    target, types = quote(*table), column_types(connection, table)
    names, keys = (", ".join(quote(name) for name in some) for some in (rows.column_names, key))
    same = " AND ".join(f"t.{quote(name)} = i.{quote(name)}" for name in key)
    differs = " OR ".join(
        # JSON is compared as the text that it was written as.
        f"t.{quote(name)}{'::VARCHAR' if types[name] == 'JSON' else ''} IS DISTINCT FROM i.{quote(name)}"
        for name in rows.column_names
        if name not in not_compared
    )
    if DELETED_AT[0] in types:
        differs += f" OR t.{DELETED_AT[0]} IS NOT NULL"
    connection.register("incoming_rows", rows)
    try:
        # Keys alone: rows may be as large as the memory that DuckDB may use.
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE changed_rows AS SELECT {', '.join(f'i.{quote(name)}' for name in key)}, "
            f"t.{quote(key[0])} IS NULL AS is_new FROM incoming_rows i LEFT JOIN {target} t ON {same} "
            f"WHERE t.{quote(key[0])} IS NULL OR {differs}"
        )
        inserted = count_of(connection, "SELECT count(*) FROM changed_rows WHERE is_new")
        changed = count_of(connection, "SELECT count(*) FROM changed_rows")
        if changed:
            connection.execute(f"DELETE FROM {target} t USING changed_rows i WHERE NOT i.is_new AND {same}")
            connection.execute(
                f"INSERT INTO {target} ({names}, _synced_at) SELECT {names}, ? FROM incoming_rows "
                f"SEMI JOIN changed_rows USING ({keys})",
                [now],
            )
    finally:
        connection.unregister("incoming_rows")
    connection.execute("DROP TABLE changed_rows")
    return ContentCounts(inserted, changed - inserted, rows.num_rows - changed)
