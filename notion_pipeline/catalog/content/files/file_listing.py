"""`S.files`: which hosted files the pages of a table name, by the rows and the content in the catalog."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import duckdb
import orjson
import pyarrow as pa

from notion_pipeline.catalog.content.due.pages import ContentScope
from notion_pipeline.catalog.content.files.content_files import has_content_files
from notion_pipeline.catalog.content.tables.content_tables import FILES, PAGE_CONTENT, Table, find_table, make_table
from notion_pipeline.catalog.sql import column_types, count_of, quote
from notion_pipeline.catalog.state.content_records import CONTENT_FILES, FILES_TO_REMOVE
from notion_pipeline.catalog.state.versions import append_query, create_with_view, remove
from notion_pipeline.content.files.hosted_files import CONTENT, HostedFile, files_of_page

#: Rows whose JSON is parsed at a time.
_ROWS_AT_ONCE = 2_000
_KEY = ("page_id", "kind", "property", "file_id")
_KEPT = ("path", "size", "sha256", "mime", "downloaded_at", "error")
_HOSTED = '"type":"file"'
_LISTED = pa.schema([(name, pa.string()) for name in ("page_id", "kind", "property", "file_id", "name", "source_url")])


@dataclass
class FileCounts:
    """What the listing of a table's files did."""

    listed: int = 0
    added: int = 0
    removed: int = 0


def list_files(
    connection: duckdb.DuckDBPyConnection,
    scope: ContentScope,
    now: datetime,
    *,
    deleted_rows: Literal["remove", "mark"],
) -> FileCounts:
    """Brings the rows of `S.files` up to date with what the pages of a table name, in the caller's transaction.

    A file that no page names any more leaves with its row, and is removed from its store by `files_to_remove`; where
    rows are marked, both stay.
    """
    source, marks = scope.table[0], deleted_rows == "mark"
    table = make_table(connection, source, FILES, marks_deleted=marks)
    create_with_view(connection, FILES_TO_REMOVE)
    _forget_gone_pages(connection, source)
    list_named(connection, scope)
    target, mine = quote(*table), "coalesce(data_source_id, '') = ?"
    same = " AND ".join(f"t.{name} IS NOT DISTINCT FROM l.{name}" for name in _KEY)
    counts = FileCounts(listed=count_of(connection, "SELECT count(*) FROM listed_files"))
    new = f"FROM listed_files l WHERE NOT EXISTS (SELECT 1 FROM {target} t WHERE {same} AND {mine})"
    counts.added = count_of(connection, f"SELECT count(*) {new}", [scope.data_source_id])
    if counts.added:
        # A file that another place names already is kept already.
        kept = ", ".join(_KEPT)
        connection.execute(
            f"INSERT INTO {target} "
            f"(file_id, page_id, data_source_id, kind, property, name, source_url, {kept}, _synced_at) "
            f"SELECT l.file_id, l.page_id, nullif(?, ''), l.kind, l.property, l.name, l.source_url, "
            f"{', '.join(f'k.{name}' for name in _KEPT)}, ? FROM (SELECT l.* {new}) l LEFT JOIN "
            f"(SELECT DISTINCT ON (file_id) file_id, {kept} FROM {target} WHERE path IS NOT NULL ORDER BY ALL) k "
            "ON k.file_id = l.file_id",
            [scope.data_source_id, now, scope.data_source_id],
        )
    connection.execute(
        f"UPDATE {target} AS t SET name = l.name, source_url = l.source_url, _synced_at = ? FROM listed_files l "
        f"WHERE {same} AND (t.name IS DISTINCT FROM l.name OR t.source_url IS DISTINCT FROM l.source_url)",
        [now],
    )
    if marks:
        connection.execute(
            f"UPDATE {target} AS t SET _deleted_at = NULL, _synced_at = ? FROM listed_files l "
            f"WHERE {same} AND t._deleted_at IS NOT NULL",
            [now],
        )
    _take_over(connection, scope, table, now)
    counts.removed = _take_out(connection, table, scope, now, marks=marks)
    connection.execute("DROP TABLE listed_files")
    return counts


def list_named(connection: duckdb.DuckDBPyConnection, scope: ContentScope) -> None:
    """Makes the temporary table `listed_files`: what the pages of a table name. Writes nothing else."""
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE listed_files "
        "(page_id VARCHAR, kind VARCHAR, property VARCHAR, file_id VARCHAR, name VARCHAR, source_url VARCHAR)"
    )
    for found in _files_of_rows(connection, scope):
        _list(connection, found)
    _list_content(connection, scope)


def _take_over(connection: duckdb.DuckDBPyConnection, scope: ContentScope, table: Table, now: datetime) -> None:
    """Notes the files that the read of content has stored."""
    if not has_content_files(connection):
        return
    facts = ("path", "size", "sha256", "mime", "downloaded_at")
    connection.execute(
        f"UPDATE {quote(*table)} AS t SET {', '.join(f'{name} = f.{name}' for name in facts)}, error = NULL, "
        "_synced_at = ? FROM _notion_pipeline.content_files f "
        "WHERE f.source = ? AND f.file_id = t.file_id AND f.path IS NOT NULL AND t.path IS NULL",
        [now, scope.table[0]],
    )
    kept = f"source = ? AND path IN (SELECT path FROM {quote(*table)} WHERE path IS NOT NULL)"
    remove(connection, FILES_TO_REMOVE, kept, [scope.table[0]])


def _take_out(
    connection: duckdb.DuckDBPyConnection, table: Table, scope: ContentScope, now: datetime, *, marks: bool
) -> int:
    target = quote(*table)
    same = " AND ".join(f"t.{name} IS NOT DISTINCT FROM l.{name}" for name in _KEY)
    gone = f"coalesce(t.data_source_id, '') = ? AND NOT EXISTS (SELECT 1 FROM listed_files l WHERE {same})"
    if marks:
        gone += " AND t._deleted_at IS NULL"
    removed = count_of(connection, f"SELECT count(*) FROM {target} t WHERE {gone}", [scope.data_source_id])
    if not removed:
        return 0
    if marks:
        connection.execute(
            f"UPDATE {target} AS t SET _deleted_at = ?, _synced_at = ? WHERE {gone}", [now, now, scope.data_source_id]
        )
        return removed
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE left_files AS SELECT DISTINCT path FROM {target} t "
        f"WHERE {gone} AND path IS NOT NULL",
        [scope.data_source_id],
    )
    connection.execute(f"DELETE FROM {target} AS t WHERE {gone}", [scope.data_source_id])
    append_query(
        connection,
        FILES_TO_REMOVE,
        "SELECT ? AS source, path FROM left_files "
        f"WHERE path NOT IN (SELECT path FROM {target} WHERE path IS NOT NULL)",
        [scope.table[0]],
    )
    connection.execute("DROP TABLE left_files")
    return removed


def _files_of_rows(
    connection: duckdb.DuckDBPyConnection, scope: ContentScope
) -> Iterator[list[tuple[str, HostedFile]]]:
    columns = column_types(connection, scope.table)
    named = [name for name in ("properties", "icon", "cover") if name in columns]
    select = ", ".join(name if name in named else "NULL" for name in ("properties", "icon", "cover"))
    hosted = " OR ".join(f"contains({name}::VARCHAR, '{_HOSTED}')" for name in named)
    live = " AND _deleted_at IS NULL" if "_deleted_at" in columns else ""
    after = ""
    while rows := connection.execute(
        f"SELECT id, {select} FROM {scope.rows} r WHERE id > ? AND ({hosted or 'false'}){live} "
        f"ORDER BY id LIMIT {_ROWS_AT_ONCE}",
        [after],
    ).fetchall():
        yield [
            (row[0], file)
            for row in rows
            for file in files_of_page(*(orjson.loads(text) if text is not None else None for text in row[1:]))
        ]
        after = rows[-1][0]


def _list(connection: duckdb.DuckDBPyConnection, found: Iterable[tuple[str, HostedFile]]) -> None:
    rows = [
        {
            "page_id": page_id,
            "kind": file.kind,
            "property": file.property_name or None,
            "file_id": file.file_id,
            "name": file.name,
            "source_url": file.source_url,
        }
        for page_id, file in found
    ]
    if not rows:
        return
    connection.register("incoming_files", pa.Table.from_pylist(rows, schema=_LISTED))
    try:
        # One property may name a file twice.
        keys = ", ".join(_KEY)
        connection.execute(f"INSERT INTO listed_files SELECT DISTINCT ON ({keys}) * FROM incoming_files")
    finally:
        connection.unregister("incoming_files")


def _list_content(connection: duckdb.DuckDBPyConnection, scope: ContentScope) -> None:
    content = find_table(connection, scope.table[0], PAGE_CONTENT)
    if content is None or not has_content_files(connection):
        return
    live = " AND c._deleted_at IS NULL" if "_deleted_at" in column_types(connection, content) else ""
    connection.execute(
        f"INSERT INTO listed_files SELECT f.page_id, '{CONTENT}', NULL, f.file_id, f.name, f.source_url "
        f"FROM _notion_pipeline.content_files f JOIN {quote(*content)} c ON c.page_id = f.page_id "
        f"WHERE f.source = ? AND coalesce(c.data_source_id, '') = ?{live}",
        [scope.table[0], scope.data_source_id],
    )


def _forget_gone_pages(connection: duckdb.DuckDBPyConnection, source: str) -> None:
    """Forgets what the content of pages that are gone named; a file that was stored and never listed goes too."""
    content = find_table(connection, source, PAGE_CONTENT)
    if content is None or not has_content_files(connection):
        return
    gone = f"source = ? AND page_id NOT IN (SELECT page_id FROM {quote(*content)})"
    files = find_table(connection, source, FILES)
    listed = f" AND path NOT IN (SELECT path FROM {quote(*files)} WHERE path IS NOT NULL)" if files is not None else ""
    append_query(
        connection,
        FILES_TO_REMOVE,
        f"SELECT DISTINCT source, path FROM _notion_pipeline.content_files WHERE {gone} AND path IS NOT NULL{listed}",
        [source],
    )
    remove(connection, CONTENT_FILES, gone, [source])
