"""Writes page content, each page whole; removes or marks that of pages that are gone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

import duckdb
import pyarrow as pa

from notion_pipeline.catalog.content.due.pages import ContentScope
from notion_pipeline.catalog.content.files.content_files import note_content_files
from notion_pipeline.catalog.content.tables.content_tables import (
    PAGE_CONTENT,
    Table,
    create_reads,
    find_table,
    make_table,
)
from notion_pipeline.catalog.content.tables.counts import ContentCounts
from notion_pipeline.catalog.content.tables.row_changes import write_rows
from notion_pipeline.catalog.sql import column_types, count_of, quote
from notion_pipeline.catalog.state.content_records import PAGE_READS
from notion_pipeline.catalog.state.versions import append_query, remove
from notion_pipeline.content.pages import DuePage, PageContent, PageRead

_SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("page_id", "data_source_id", "database_id", "title", "url")),
        ("path", pa.list_(pa.string())),
        ("markdown", pa.string()),
        ("content_hash", pa.string()),
        ("truncated", pa.bool_()),
        ("unknown_block_ids", pa.list_(pa.string())),
        ("last_edited_time", pa.timestamp("us", "UTC")),
        ("is_settled", pa.bool_()),
    ]
)
#: A later edit within the same minute carries the same stamp.
_STAMP = timedelta(minutes=1)


def write_content(
    connection: duckdb.DuckDBPyConnection,
    source: str,
    reads: Sequence[PageRead],
    now: datetime,
    *,
    deleted_rows: Literal["remove", "mark"],
) -> ContentCounts:
    """Writes the pages that were read, in the caller's transaction. Nothing of a page that failed is touched.

    Args:
        now: Local time, for `_synced_at` and the age of the content.
    """
    create_reads(connection)
    table = make_table(connection, source, PAGE_CONTENT, marks_deleted=deleted_rows == "mark")
    rows = list(_newest(reads).values())
    if not rows:
        return ContentCounts()
    incoming = pa.Table.from_pylist(rows, schema=_SCHEMA)
    # Its hash tells whether the Markdown differs, without reading what the table holds of it.
    written = incoming.drop_columns(["is_settled"])
    counts = write_rows(connection, table, written, ["page_id"], now, not_compared=["markdown"])
    connection.register("incoming_content", incoming)
    try:
        append_query(
            connection,
            PAGE_READS,
            "SELECT ? AS source, page_id, last_edited_time, is_settled, ?::TIMESTAMPTZ AS read_at "
            "FROM incoming_content",
            [source, now],
        )
        note_content_files(connection, source, [read for read in reads if read.content is not None], now)
    finally:
        connection.unregister("incoming_content")
    return counts


def _newest(reads: Sequence[PageRead]) -> dict[str, dict[str, object]]:
    """A row for each page; of a page that stands in two tables, since it was moved, the one with the newer edit."""
    found: dict[str, dict[str, object]] = {}
    for read in sorted(reads, key=lambda read: (read.page.last_edited_time is not None, read.page.last_edited_time)):
        if read.content is not None:
            found[read.page.page_id] = _row(read.page, read.content)
    return found


def _row(page: DuePage, content: PageContent) -> dict[str, object]:
    edited, read_at = page.last_edited_time, content.read_at
    return {
        "page_id": page.page_id,
        "data_source_id": page.data_source_id or None,
        "database_id": page.database_id or None,
        "title": page.title,
        "url": page.url,
        "path": list(page.path),
        "markdown": content.markdown,
        "content_hash": content.content_hash,
        "truncated": content.truncated,
        "unknown_block_ids": list(content.unknown_block_ids),
        "last_edited_time": edited,
        "is_settled": edited is None or (read_at is not None and read_at >= edited + _STAMP),
    }


def remove_gone(
    connection: duckdb.DuckDBPyConnection,
    rows: Table,
    data_source_id: str,
    now: datetime,
    *,
    deleted_rows: Literal["remove", "mark"],
    id_column: str = "id",
) -> int:
    """Removes the content of pages that are gone from their table, or marks it; how many pages.

    Args:
        rows: The table, which exists.
        data_source_id: Empty for the table of pages that are in no database.
        id_column: Column with the pages' ids.
    """
    source = rows[0]
    table = find_table(connection, source, PAGE_CONTENT)
    if table is None:
        return 0
    live = " WHERE _deleted_at IS NULL" if "_deleted_at" in column_types(connection, rows) else ""
    target = quote(*table)
    gone = f"coalesce(data_source_id, '') = ? AND page_id NOT IN (SELECT {quote(id_column)} FROM {quote(*rows)}{live})"
    if deleted_rows == "mark":
        make_table(connection, source, PAGE_CONTENT, marks_deleted=True)
        gone += " AND _deleted_at IS NULL"
    removed = count_of(connection, f"SELECT count(*) FROM {target} WHERE {gone}", [data_source_id])
    if not removed:
        return 0
    create_reads(connection)
    of_gone = f"source = ? AND page_id IN (SELECT page_id FROM {target} WHERE {gone})"
    remove(connection, PAGE_READS, of_gone, [source, data_source_id])
    if deleted_rows == "mark":
        connection.execute(
            f"UPDATE {target} SET _deleted_at = ?, _synced_at = ? WHERE {gone}", [now, now, data_source_id]
        )
    else:
        connection.execute(f"DELETE FROM {target} WHERE {gone}", [data_source_id])
    return removed


def keep_paths(connection: duckdb.DuckDBPyConnection, scope: ContentScope, now: datetime) -> int:
    """Gives the pages of a table the path and database they have now, without a request; how many it changed."""
    table = find_table(connection, scope.table[0], PAGE_CONTENT)
    if table is None:
        return 0
    if scope.path_column is not None:
        return _keep_own_paths(connection, scope, table, now)
    moved = "data_source_id = ? AND (path IS DISTINCT FROM ? OR database_id IS DISTINCT FROM ?)"
    wanted = [scope.data_source_id, list(scope.path), scope.database_id]
    count = count_of(connection, f"SELECT count(*) FROM {quote(*table)} WHERE {moved}", wanted)
    if count:
        connection.execute(
            f"UPDATE {quote(*table)} SET path = ?, database_id = ?, _synced_at = ? WHERE {moved}",
            [list(scope.path), scope.database_id, now, *wanted],
        )
    return count


def _keep_own_paths(connection: duckdb.DuckDBPyConnection, scope: ContentScope, table: Table, now: datetime) -> int:
    moved = (
        f"FROM {scope.rows} r WHERE r.id = c.page_id AND c.data_source_id IS NULL "
        f"AND c.path IS DISTINCT FROM r.{quote(str(scope.path_column))}"
    )
    count = count_of(connection, f"SELECT count(*) FROM {quote(*table)} c WHERE EXISTS (SELECT 1 {moved})", [])
    if count:
        connection.execute(
            f"UPDATE {quote(*table)} AS c SET path = r.{quote(str(scope.path_column))}, _synced_at = ? {moved}", [now]
        )
    return count
