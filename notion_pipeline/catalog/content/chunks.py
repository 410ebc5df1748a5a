"""Writes the chunks of page content: those of a page again when its content or the settings changed, and only then."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from notion_pipeline.catalog.content.tables import (
    DELETED_AT,
    PAGE_CHUNKS,
    PAGE_CONTENT,
    Table,
    find_table,
    make_table,
)
from notion_pipeline.catalog.sql import column_types, count_of, is_table, quote
from notion_pipeline.config.content import Chunks
from notion_pipeline.content.chunks import chunks_of, fingerprint

#: Pages cut at a time, and bytes of their Markdown: so much is held in memory.
PAGES_AT_ONCE = 200
BYTES_AT_ONCE = 8 * 1024 * 1024

_SCHEMA = pa.schema(
    [
        ("page_id", pa.string()),
        ("ordinal", pa.int32()),
        ("heading_path", pa.list_(pa.string())),
        ("text", pa.string()),
        ("content_hash", pa.string()),
    ]
)
_NAMES = ", ".join(_SCHEMA.names)
_CHUNKED = ("_notion_pipeline", "chunked_pages")
_CHUNKED_NAME = quote(*_CHUNKED)
#: The pages of one data source.
_OF_DATA_SOURCE = "c.data_source_id IS NOT DISTINCT FROM ?"
#: From which content, and with which settings, the chunks of each page were made.
_CREATE_CHUNKED = """
CREATE SCHEMA IF NOT EXISTS _notion_pipeline;
CREATE TABLE IF NOT EXISTS _notion_pipeline.chunked_pages (
    source VARCHAR, page_id VARCHAR, content_hash VARCHAR, settings VARCHAR
);
"""


def write_chunks(connection: duckdb.DuckDBPyConnection, source: str, page_ids: Sequence[str], settings: Chunks) -> int:
    """Makes the chunks of these pages, in the caller's transaction; of how many they had to be made.

    Args:
        page_ids: Pages whose content was just written.
    """
    content = find_table(connection, source, PAGE_CONTENT)
    if content is None or not page_ids:
        return 0
    cut, done = _Cut(connection, source, content, settings), 0
    while count := cut.write("c.page_id IN (SELECT unnest(?))", list(page_ids)):
        done += count
    return done


def write_missing_chunks(
    connection: duckdb.DuckDBPyConnection, source: str, data_source_id: str | None, settings: Chunks
) -> int:
    """Makes chunks of pages that lack them or have those of other settings, some pages at a time.

    Args:
        data_source_id: None means the pages that are in no database.

    Returns:
        Of how many pages; 0 once none is left.
    """
    content = find_table(connection, source, PAGE_CONTENT)
    return _Cut(connection, source, content, settings).write(_OF_DATA_SOURCE, data_source_id) if content else 0


def lacks_chunks(
    connection: duckdb.DuckDBPyConnection, source: str, data_source_id: str | None, settings: Chunks
) -> bool:
    """Whether `write_missing_chunks` would find a page; cheaper, since it only reads."""
    content = find_table(connection, source, PAGE_CONTENT)
    if content is None:
        return False
    if find_table(connection, source, PAGE_CHUNKS) is None or not is_table(connection, _CHUNKED):
        return True
    query, parameters = _Cut(connection, source, content, settings).due(_OF_DATA_SOURCE, data_source_id)
    return bool(connection.execute(f"{query} LIMIT 1", parameters).fetchall())


def remove_chunks(connection: duckdb.DuckDBPyConnection, source: str, *, unwanted: Collection[str] = ()) -> int:
    """Removes the chunks of pages whose content is gone or marked as such; how many chunks.

    A page that is only marked keeps its content, but no search should find it any more.

    Args:
        unwanted: Data sources whose content is not cut into chunks any more.
    """
    table, content = find_table(connection, source, PAGE_CHUNKS), find_table(connection, source, PAGE_CONTENT)
    if table is None or content is None or not is_table(connection, _CHUNKED):
        return 0
    gone = (
        f"page_id NOT IN (SELECT c.page_id FROM {quote(*content)} c WHERE {_is_live(connection, content)} "
        "AND NOT list_contains(?::VARCHAR[], coalesce(c.data_source_id, '')))"
    )
    removed = count_of(connection, f"SELECT count(*) FROM {quote(*table)} WHERE {gone}", [list(unwanted)])
    if removed:
        connection.execute(f"DELETE FROM {quote(*table)} WHERE {gone}", [list(unwanted)])
    # A page without a word has no chunk, and is recorded all the same.
    connection.execute(f"DELETE FROM {_CHUNKED_NAME} WHERE source = ? AND {gone}", [source, list(unwanted)])
    return removed


@dataclass(frozen=True)
class _Cut:
    """Cuts pages of a source, whose content is in a table that exists, under the same settings."""

    connection: duckdb.DuckDBPyConnection
    source: str
    content: Table
    settings: Chunks

    def due(self, which: str, value: object) -> tuple[str, list[object]]:
        """A query for pages that have no chunks of their content and these settings, with the bytes of each.

        Args:
            which: SQL over the content, alias c, with one parameter.
        """
        return (
            f"SELECT c.page_id, strlen(c.markdown) FROM {quote(*self.content)} c "
            f"LEFT JOIN {_CHUNKED_NAME} k ON k.source = ? AND k.page_id = c.page_id "
            "WHERE (k.page_id IS NULL OR k.content_hash <> c.content_hash OR k.settings <> ?) "
            f"AND {which} AND {_is_live(self.connection, self.content)}",
            [self.source, fingerprint(self.settings), value],
        )

    def write(self, which: str, value: object) -> int:
        """Makes the chunks of such pages, as many as are held in memory; how many pages."""
        table = self._make_tables()
        query, parameters = self.due(which, value)
        sized = self.connection.execute(f"{query} ORDER BY c.page_id LIMIT {PAGES_AT_ONCE}", parameters).fetchall()
        if pages := _as_many_as_fit(sized):
            self._replace(table, pages)
        return len(pages)

    def _make_tables(self) -> Table:
        self.connection.execute(_CREATE_CHUNKED)
        table = find_table(self.connection, self.source, PAGE_CHUNKS)
        if table is None:
            # Where somebody dropped it, no page has chunks any more.
            self.connection.execute(f"DELETE FROM {_CHUNKED_NAME} WHERE source = ?", [self.source])
            table = make_table(self.connection, self.source, PAGE_CHUNKS)
        return table

    def _replace(self, table: Table, pages: list[str]) -> None:
        these = "page_id IN (SELECT unnest(?))"
        self.connection.execute(f"DELETE FROM {quote(*table)} WHERE {these}", [pages])
        self.connection.execute(f"DELETE FROM {_CHUNKED_NAME} WHERE source = ? AND {these}", [self.source, pages])
        self.connection.register("incoming_chunks", self._chunks(pages))
        try:
            self.connection.execute(f"INSERT INTO {quote(*table)} ({_NAMES}) SELECT {_NAMES} FROM incoming_chunks")
        finally:
            self.connection.unregister("incoming_chunks")
        self.connection.execute(
            f"INSERT INTO {_CHUNKED_NAME} SELECT ?, page_id, content_hash, ? FROM {quote(*self.content)} WHERE {these}",
            [self.source, fingerprint(self.settings), pages],
        )

    def _chunks(self, pages: list[str]) -> pa.Table:
        texts = self.connection.execute(
            f"SELECT page_id, markdown FROM {quote(*self.content)} WHERE page_id IN (SELECT unnest(?)) ORDER BY 1",
            [pages],
        ).fetchall()
        rows = [
            {
                "page_id": page_id,
                "ordinal": chunk.ordinal,
                "heading_path": list(chunk.heading_path),
                "text": chunk.text,
                "content_hash": chunk.content_hash,
            }
            for page_id, markdown in texts
            for chunk in chunks_of(markdown, self.settings)
        ]
        return pa.Table.from_pylist(rows, schema=_SCHEMA)


def _is_live(connection: duckdb.DuckDBPyConnection, content: Table) -> str:
    return f"c.{DELETED_AT[0]} IS NULL" if DELETED_AT[0] in column_types(connection, content) else "true"


def _as_many_as_fit(sized: Sequence[tuple[str, int]]) -> list[str]:
    """The first pages, as far as their bytes fit a transaction; one in any case."""
    found: list[str] = []
    total = 0
    for page_id, size in sized:
        total += size
        if found and total > BYTES_AT_ONCE:
            break
        found.append(page_id)
    return found
