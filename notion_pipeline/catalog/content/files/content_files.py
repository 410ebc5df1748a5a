"""Which hosted files the content of each page names.

They are noted with each read, since Markdown without signatures does not tell hosted files from others.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import duckdb
import pyarrow as pa

from notion_pipeline.catalog.state.content_records import CONTENT_FILES
from notion_pipeline.catalog.state.versions import append_query, create_with_view, is_recorded, remove
from notion_pipeline.content.files.file_keeping import StoredFile
from notion_pipeline.content.files.hosted_files import HostedFile
from notion_pipeline.content.pages import PageRead

_SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("page_id", "file_id", "name", "source_url", "path")),
        ("size", pa.int64()),
        *((name, pa.string()) for name in ("sha256", "mime")),
    ]
)


def has_content_files(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether files of content were ever noted in this catalog."""
    return is_recorded(connection, CONTENT_FILES)


def note_content_files(
    connection: duckdb.DuckDBPyConnection, source: str, reads: Sequence[PageRead], now: datetime
) -> None:
    """Notes the files of pages that were read, in place of those that they named before.

    Args:
        now: Local time.
    """
    found = [
        _row(read, file, read.content.stored.get(file.file_id))
        for read in reads
        if read.content is not None
        for file in read.content.files
    ]
    if not found and not has_content_files(connection):
        return
    create_with_view(connection, CONTENT_FILES)
    of_pages = "source = ? AND page_id IN (SELECT unnest(?::VARCHAR[]))"
    remove(connection, CONTENT_FILES, of_pages, [source, [read.page.page_id for read in reads]])
    if not found:
        return
    connection.register("incoming_files", pa.Table.from_pylist(found, schema=_SCHEMA))
    try:
        downloaded = "CASE WHEN path IS NOT NULL THEN ?::TIMESTAMPTZ END AS downloaded_at"
        named = f"SELECT ? AS source, *, {downloaded} FROM incoming_files"
        append_query(connection, CONTENT_FILES, named, [source, now])
    finally:
        connection.unregister("incoming_files")


def _row(read: PageRead, file: HostedFile, stored: StoredFile | None) -> dict[str, object]:
    facts = (
        {"path": stored.path, "size": stored.size, "sha256": stored.sha256, "mime": stored.mime}
        if stored is not None
        else {}
    )
    named = {"file_id": file.file_id, "name": file.name, "source_url": file.source_url}
    return {"page_id": read.page.page_id, **named, **facts}
