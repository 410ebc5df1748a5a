"""Keeps the chunks of page content as the settings of each stream want them, without a request.

Pages are cut while no transaction is open: other runs commit meanwhile, and the reads of this one go on.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Optional

import duckdb

from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.catalog.content.chunks import (
    UncutPage,
    pages_to_cut,
    remove_chunks,
    uncut_pages,
    write_chunks,
)
from notion_pipeline.catalog.content.due.targets import ContentTarget
from notion_pipeline.config.content import Chunks
from notion_pipeline.content.chunks import CutPage, cut_page
from notion_pipeline.content.pages import PageContent, PageRead
from notion_pipeline.defs.content.reads import ContentReads


def cut_pages(
    catalog: Catalog, source: str, batch: Sequence[PageRead], settings_of: Mapping[str, Chunks]
) -> dict[str, list[CutPage]]:
    """Cuts pages that were read and are to be committed, by database id; those that have their chunks are left out.

    Args:
        settings_of: By database id; pages of other databases are not cut.
    """
    contents: dict[str, dict[str, PageContent]] = {}
    for read in batch:
        if read.content is not None and read.page.database_id in settings_of:
            contents.setdefault(read.page.database_id, {})[read.page.page_id] = read.content
    if not contents:
        return {}
    due: dict[str, set[str]] = {}
    with catalog.reading() as connection:
        for key, pages in contents.items():
            hashes = {page_id: content.content_hash for page_id, content in pages.items()}
            due[key] = set(hashes) if connection is None else pages_to_cut(connection, source, hashes, settings_of[key])
    return {
        key: [
            cut_page(page_id, content.markdown, content.content_hash, settings_of[key])
            for page_id, content in pages.items()
            if page_id in due[key]
        ]
        for key, pages in contents.items()
    }


def add_missing_chunks(catalog: Catalog, source: str, target: ContentTarget) -> int:
    """Cuts content that was read before its stream had chunks, or had these settings; how many pages."""
    settings, done = target.content.chunks, 0
    if settings is None:
        return 0
    for scope in target.scopes:
        after = ""
        while pages := _uncut(catalog, source, scope.data_source_id or None, settings, after):
            cut = [cut_page(page.page_id, page.markdown, page.content_hash, settings) for page in pages]
            done += catalog.commit(partial(write_chunks, source=source, pages=cut))
            after = pages[-1].page_id
    return done


def _uncut(
    catalog: Catalog,
    source: str,
    data_source_id: Optional[str],  # noqa: UP045
    settings: Chunks,
    after: str,
) -> list[UncutPage]:
    with catalog.reading() as connection:
        return [] if connection is None else uncut_pages(connection, source, data_source_id, settings, after)


def tidy_chunks(connection: duckdb.DuckDBPyConnection, reads: ContentReads) -> None:
    """Removes the chunks of pages that are gone, and of streams that have none any more."""
    unwanted = [
        scope.data_source_id for target in reads.targets for scope in target.scopes if target.content.chunks is None
    ]
    remove_chunks(connection, reads.source.name, unwanted=unwanted)
