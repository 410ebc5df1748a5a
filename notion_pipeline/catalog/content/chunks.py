"""The chunks of page content: those of a page are made again when its content or the settings changed, and only then.

Pages are cut between a read and a commit, since that takes time in which others may need the catalog.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from notion_pipeline.catalog.content.tables.content_tables import (
    DELETED_AT,
    PAGE_CHUNKS,
    PAGE_CONTENT,
    Table,
    find_table,
    make_table,
)
from notion_pipeline.catalog.sql import column_types, count_of, quote
from notion_pipeline.catalog.state.content_records import CHUNKED_PAGES
from notion_pipeline.catalog.state.versions import append_query, create_with_view, is_recorded, remove
from notion_pipeline.config.content import Chunks
from notion_pipeline.content.chunks import CutPage, fingerprint

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
_CUT = pa.schema([(name, pa.string()) for name in ("page_id", "content_hash", "settings")])


@dataclass(frozen=True, slots=True)
class UncutPage:
    """A page whose content is to be cut; see `PageContent`."""

    page_id: str
    content_hash: str
    markdown: str


def pages_to_cut(
    connection: duckdb.DuckDBPyConnection, source: str, hashes: Mapping[str, str], settings: Chunks
) -> set[str]:
    """Which pages have no chunks of this content, made with these settings.

    Args:
        hashes: Hash of the content of each, by page id.
    """
    if not _has_chunks(connection, source):
        return set(hashes)
    rows = connection.execute(
        "SELECT page_id, content_hash FROM _notion_pipeline.chunked_pages WHERE source = ? AND settings = ? "
        "AND page_id IN (SELECT unnest(?::VARCHAR[]))",
        [source, fingerprint(settings), list(hashes)],
    ).fetchall()
    return set(hashes) - {page_id for page_id, made_of in rows if hashes[page_id] == made_of}


def uncut_pages(
    connection: duckdb.DuckDBPyConnection, source: str, data_source_id: str | None, settings: Chunks, after: str
) -> list[UncutPage]:
    """Pages in the catalog that lack chunks or have those of other settings, by id; as many as are held in memory.

    Args:
        data_source_id: None means the pages that are in no database.
        after: The last id of the call before; empty at first.
    """
    content = find_table(connection, source, PAGE_CONTENT)
    if content is None:
        return []
    join, condition, parameters = "", "true", list[object]()
    if _has_chunks(connection, source):
        join = "LEFT JOIN _notion_pipeline.chunked_pages k ON k.source = ? AND k.page_id = c.page_id"
        condition = "(k.page_id IS NULL OR k.content_hash <> c.content_hash OR k.settings <> ?)"
        parameters = [source, fingerprint(settings)]
    sized = connection.execute(
        f"SELECT c.page_id, strlen(c.markdown) FROM {quote(*content)} c {join} WHERE {condition} "
        f"AND c.data_source_id IS NOT DISTINCT FROM ? AND c.page_id > ? AND {_is_live(connection, content)} "
        f"ORDER BY c.page_id LIMIT {PAGES_AT_ONCE}",
        [*parameters, data_source_id, after],
    ).fetchall()
    if not sized:
        return []
    rows = connection.execute(
        f"SELECT page_id, content_hash, markdown FROM {quote(*content)} WHERE page_id IN (SELECT unnest(?)) ORDER BY 1",
        [_as_many_as_fit(sized)],
    ).fetchall()
    return [UncutPage(*row) for row in rows]


def write_chunks(connection: duckdb.DuckDBPyConnection, source: str, pages: Sequence[CutPage]) -> int:
    """Writes the chunks of pages in place of those that they had, in the caller's transaction; of how many pages.

    A page is left out whose content is gone or not the one that was cut.

    Args:
        pages: Each once.
    """
    content = find_table(connection, source, PAGE_CONTENT)
    if content is None or not pages:
        return 0
    table = _make_tables(connection, source)
    cut = [{"page_id": page.page_id, "content_hash": page.content_hash, "settings": page.made_with} for page in pages]
    connection.register("cut_pages", pa.Table.from_pylist(cut, schema=_CUT))
    try:
        rows = connection.execute(
            f"SELECT c.page_id FROM {quote(*content)} c JOIN cut_pages p "
            f"ON p.page_id = c.page_id AND p.content_hash = c.content_hash WHERE {_is_live(connection, content)}"
        ).fetchall()
        current = {row[0] for row in rows}
        these = "page_id IN (SELECT unnest(?::VARCHAR[]))"
        connection.execute(f"DELETE FROM {quote(*table)} WHERE {these}", [list(current)])
        made_of = f"SELECT ? AS source, page_id, content_hash, settings FROM cut_pages WHERE {these}"
        append_query(connection, CHUNKED_PAGES, made_of, [source, list(current)])
    finally:
        connection.unregister("cut_pages")
    connection.register("incoming_chunks", _rows(page for page in pages if page.page_id in current))
    try:
        connection.execute(f"INSERT INTO {quote(*table)} ({_NAMES}) SELECT {_NAMES} FROM incoming_chunks")
    finally:
        connection.unregister("incoming_chunks")
    return len(current)


def _has_chunks(connection: duckdb.DuckDBPyConnection, source: str) -> bool:
    """Whether chunks were ever made; where somebody dropped their table, no page has any more."""
    return find_table(connection, source, PAGE_CHUNKS) is not None and is_recorded(connection, CHUNKED_PAGES)


def _make_tables(connection: duckdb.DuckDBPyConnection, source: str) -> Table:
    create_with_view(connection, CHUNKED_PAGES)
    table = find_table(connection, source, PAGE_CHUNKS)
    if table is None:
        remove(connection, CHUNKED_PAGES, "source = ?", [source])
        table = make_table(connection, source, PAGE_CHUNKS)
    return table


def _rows(pages: Iterable[CutPage]) -> pa.Table:
    rows = [
        {
            "page_id": page.page_id,
            "ordinal": chunk.ordinal,
            "heading_path": list(chunk.heading_path),
            "text": chunk.text,
            "content_hash": chunk.content_hash,
        }
        for page in pages
        for chunk in page.chunks
    ]
    return pa.Table.from_pylist(rows, schema=_SCHEMA)


def remove_chunks(connection: duckdb.DuckDBPyConnection, source: str, *, unwanted: Collection[str] = ()) -> int:
    """Removes the chunks of pages whose content is gone or marked as such; how many chunks.

    A page that is only marked keeps its content, but no search should find it any more.

    Args:
        unwanted: Data sources whose content is not cut into chunks any more.
    """
    table, content = find_table(connection, source, PAGE_CHUNKS), find_table(connection, source, PAGE_CONTENT)
    if table is None or content is None or not is_recorded(connection, CHUNKED_PAGES):
        return 0
    gone = (
        f"page_id NOT IN (SELECT c.page_id FROM {quote(*content)} c WHERE {_is_live(connection, content)} "
        "AND NOT list_contains(?::VARCHAR[], coalesce(c.data_source_id, '')))"
    )
    removed = count_of(connection, f"SELECT count(*) FROM {quote(*table)} WHERE {gone}", [list(unwanted)])
    if removed:
        connection.execute(f"DELETE FROM {quote(*table)} WHERE {gone}", [list(unwanted)])
    # A page without a word has no chunk, and is recorded all the same.
    remove(connection, CHUNKED_PAGES, f"source = ? AND {gone}", [source, list(unwanted)])
    return removed


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
