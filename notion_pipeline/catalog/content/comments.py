"""Writes the comments of pages, each page whole; removes or marks those that are gone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Literal

import duckdb
import pyarrow as pa

from notion_pipeline.catalog.content.due.comments import create_comment_reads, has_comment_reads
from notion_pipeline.catalog.content.tables.content_tables import COMMENTS, Table, find_table, make_table
from notion_pipeline.catalog.content.tables.counts import ContentCounts
from notion_pipeline.catalog.content.tables.row_changes import write_rows
from notion_pipeline.catalog.sql import column_types, count_of, quote
from notion_pipeline.catalog.state.content_records import COMMENT_READS
from notion_pipeline.catalog.state.versions import append_query, remove
from notion_pipeline.content.comments import PageComments
from notion_pipeline.content.pages import PageResult

_TIMES = ("created_time", "last_edited_time")
_NAMES = [name for name, _, _ in COMMENTS.columns if name != "_synced_at"]
_SCHEMA = pa.schema([(name, pa.timestamp("us", "UTC") if name in _TIMES else pa.string()) for name in _NAMES])
_PAGES = pa.schema(
    [
        ("page_id", pa.string()),
        ("data_source_id", pa.string()),
        ("last_edited_time", pa.timestamp("us", "UTC")),
        ("includes_blocks", pa.bool_()),
    ]
)
DeletedRows = Literal["remove", "mark"]


def write_comments(
    connection: duckdb.DuckDBPyConnection,
    source: str,
    reads: Sequence[PageResult[PageComments]],
    now: datetime,
    *,
    deleted_rows: DeletedRows,
) -> ContentCounts:
    """Writes the comments of the pages that were read, in the caller's transaction.

    A comment that a page does not have any more is removed or marked: it was resolved or deleted, which Notion does not
    tell apart. Nothing of a page that failed is touched, and no comment on a block where blocks were not read.

    Args:
        now: Local time.
    """
    read = [(found.page, found.content) for found in reads if found.content is not None]
    if not read:
        return ContentCounts()
    create_comment_reads(connection)
    table = make_table(connection, source, COMMENTS, marks_deleted=deleted_rows == "mark")
    # A block that was moved while pages were read may show its comments on two of them.
    comments = {comment.id: comment for _, content in read for comment in content.comments}
    pages = [
        {
            "page_id": page.page_id,
            "data_source_id": page.data_source_id or None,
            "last_edited_time": page.last_edited_time,
            "includes_blocks": content.includes_blocks,
        }
        for page, content in read
    ]
    incoming = pa.Table.from_pylist([asdict(comment) for comment in comments.values()], schema=_SCHEMA)
    counts = write_rows(connection, table, incoming, ["id"], now)
    connection.register("incoming_comments", incoming)
    connection.register("pages_read", pa.Table.from_pylist(pages, schema=_PAGES))
    try:
        gone = (
            "id NOT IN (SELECT id FROM incoming_comments) AND EXISTS (SELECT 1 FROM pages_read p "
            "WHERE p.page_id = t.page_id AND (t.block_id IS NULL OR p.includes_blocks))"
        )
        counts.removed = _remove(connection, quote(*table), gone, [], now=now, deleted_rows=deleted_rows)
        append_query(
            connection,
            COMMENT_READS,
            "SELECT ? AS source, page_id, data_source_id, last_edited_time, includes_blocks, "
            "?::TIMESTAMPTZ AS read_at FROM pages_read",
            [source, now],
        )
    finally:
        connection.unregister("incoming_comments")
        connection.unregister("pages_read")
    return counts


def _remove(
    connection: duckdb.DuckDBPyConnection,
    target: str,
    gone: str,
    parameters: list[object],
    *,
    now: datetime,
    deleted_rows: DeletedRows,
) -> int:
    """Removes or marks the comments that a condition over the table `t` names; how many."""
    if deleted_rows == "mark":
        gone += " AND t._deleted_at IS NULL"
    count = count_of(connection, f"SELECT count(*) FROM {target} t WHERE {gone}", parameters)
    if count and deleted_rows == "mark":
        connection.execute(
            f"UPDATE {target} AS t SET _deleted_at = ?, _synced_at = ? WHERE {gone}", [now, now, *parameters]
        )
    elif count:
        connection.execute(f"DELETE FROM {target} AS t WHERE {gone}", parameters)
    return count


def remove_comments_of_gone_pages(
    connection: duckdb.DuckDBPyConnection,
    rows: Table,
    data_source_id: str,
    now: datetime,
    *,
    deleted_rows: DeletedRows,
    id_column: str = "id",
) -> int:
    """Removes or marks the comments of pages that are gone from their table; how many comments.

    Args:
        rows: The table, which exists.
        data_source_id: Empty for the table of pages that are in no database.
        id_column: Column with the pages' ids.
    """
    source = rows[0]
    table = find_table(connection, source, COMMENTS)
    if table is None or not has_comment_reads(connection):
        return 0
    live = " WHERE _deleted_at IS NULL" if "_deleted_at" in column_types(connection, rows) else ""
    pages = (
        "SELECT page_id FROM _notion_pipeline.comment_reads WHERE source = ? "
        "AND coalesce(data_source_id, '') = ? "
        f"AND page_id NOT IN (SELECT {quote(id_column)} FROM {quote(*rows)}{live})"
    )
    of_pages: list[object] = [source, data_source_id]
    if not count_of(connection, f"SELECT count(*) FROM ({pages})", of_pages):
        return 0
    make_table(connection, source, COMMENTS, marks_deleted=deleted_rows == "mark")
    removed = _remove(
        connection, quote(*table), f"t.page_id IN ({pages})", of_pages, now=now, deleted_rows=deleted_rows
    )
    remove(connection, COMMENT_READS, f"source = ? AND page_id IN ({pages})", [source, *of_pages])
    return removed
