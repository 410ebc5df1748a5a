"""The files of `S.files` that are not kept yet, what came of each, and the stored files that are to be removed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby

import duckdb
import pyarrow as pa

from notion_pipeline.catalog.content.due.pages import ContentScope
from notion_pipeline.catalog.content.files.content_files import has_content_files
from notion_pipeline.catalog.content.tables.content_tables import FILES, Table, find_table
from notion_pipeline.catalog.sql import column_types, count_of, quote
from notion_pipeline.catalog.state.content_records import CONTENT_FILES, FILES_TO_REMOVE
from notion_pipeline.catalog.state.versions import append_query, remove
from notion_pipeline.content.file_reader import FileRead, WantedFile

#: Pages fetched at a time.
_PAGES_AT_ONCE = 2_000
_CAME = pa.schema(
    [
        ("file_id", pa.string()),
        ("path", pa.string()),
        ("size", pa.int64()),
        ("sha256", pa.string()),
        ("mime", pa.string()),
        ("error", pa.string()),
    ]
)


def count_wanted(connection: duckdb.DuckDBPyConnection, scope: ContentScope, max_bytes: int) -> int:
    """How many files of a table's pages are to be downloaded."""
    table = find_table(connection, scope.table[0], FILES)
    if table is None:
        return 0
    return count_of(
        connection, f"SELECT count(*) FROM ({_wanted(connection, table)})", [scope.data_source_id, max_bytes]
    )


def wanted_files(
    connection: duckdb.DuckDBPyConnection, scope: ContentScope, max_bytes: int, after: str
) -> list[tuple[str, tuple[WantedFile, ...]]]:
    """Pages with the files that are to be downloaded, by id, each file at one page.

    Args:
        after: The last id of the call before; empty at first.
    """
    table = find_table(connection, scope.table[0], FILES)
    if table is None:
        return []
    rows = connection.execute(
        f"WITH wanted AS ({_wanted(connection, table)}) SELECT page_id, file_id, kind, name FROM wanted WHERE page_id "
        f"IN (SELECT DISTINCT page_id FROM wanted WHERE page_id > ? ORDER BY page_id LIMIT {_PAGES_AT_ONCE}) "
        "ORDER BY page_id, file_id",
        [scope.data_source_id, max_bytes, after],
    ).fetchall()
    return [
        (page_id, tuple(WantedFile(file_id, kind, name or "") for _, file_id, kind, name in files))
        for page_id, files in groupby(rows, key=lambda row: str(row[0]))
    ]


def _wanted(connection: duckdb.DuckDBPyConnection, table: Table) -> str:
    here = " AND _deleted_at IS NULL" if "_deleted_at" in column_types(connection, table) else ""
    return (
        f"SELECT page_id, file_id, kind, name FROM {quote(*table)} WHERE coalesce(data_source_id, '') = ? "
        f"AND path IS NULL AND (size IS NULL OR size <= ?){here} "
        "QUALIFY row_number() OVER (PARTITION BY file_id ORDER BY page_id, kind, property) = 1"
    )


def write_files(connection: duckdb.DuckDBPyConnection, source: str, reads: Sequence[FileRead], now: datetime) -> None:
    """Writes what came of files, in the caller's transaction, to every place that names them."""
    table = find_table(connection, source, FILES)
    rows = [_row(read) for read in {read.file.file_id: read for read in reads}.values()]
    if table is None or not rows:
        return
    connection.register("incoming_files", pa.Table.from_pylist(rows, schema=_CAME))
    try:
        facts = ("path", "size", "sha256", "mime", "error")
        connection.execute(
            f"UPDATE {quote(*table)} AS t SET {', '.join(f'{name} = i.{name}' for name in facts)}, "
            "downloaded_at = CASE WHEN i.path IS NOT NULL THEN ?::TIMESTAMPTZ END, _synced_at = ? "
            "FROM incoming_files i WHERE t.file_id = i.file_id "
            f"AND ({' OR '.join(f't.{name} IS DISTINCT FROM i.{name}' for name in facts)})",
            [now, now],
        )
        remove(connection, FILES_TO_REMOVE, "source = ? AND path IN (SELECT path FROM incoming_files)", [source])
    finally:
        connection.unregister("incoming_files")


def _row(read: FileRead) -> dict[str, object]:
    stored = read.stored
    if stored is None:
        return {"file_id": read.file.file_id, "size": read.size, "error": read.reason}
    return {
        "file_id": read.file.file_id,
        "path": stored.path,
        "size": stored.size,
        "sha256": stored.sha256,
        "mime": stored.mime,
    }


def files_to_remove(connection: duckdb.DuckDBPyConnection | None, source: str) -> list[str]:
    """Paths of files that no page names any more."""
    if connection is None or find_table(connection, source, FILES) is None:
        return []
    rows = connection.execute("SELECT path FROM _notion_pipeline.files_to_remove WHERE source = ?", [source]).fetchall()
    return [row[0] for row in rows]


def note_removed(connection: duckdb.DuckDBPyConnection, source: str, paths: Sequence[str]) -> None:
    """Notes that these are removed."""
    removed = "source = ? AND path IN (SELECT unnest(?::VARCHAR[]))"
    remove(connection, FILES_TO_REMOVE, removed, [source, list(paths)])
    if has_content_files(connection):
        connection.execute(
            "CREATE OR REPLACE TEMP TABLE files_gone AS SELECT * REPLACE (NULL::VARCHAR AS path) "
            f"FROM _notion_pipeline.content_files WHERE {removed}",
            [source, list(paths)],
        )
        append_query(connection, CONTENT_FILES, "FROM files_gone")
        connection.execute("DROP TABLE files_gone")
