"""Keeps the chunks of page content as the settings of each stream want them, without a request."""

from collections.abc import Sequence
from functools import partial

import duckdb

from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.catalog.content.chunks import lacks_chunks, remove_chunks, write_chunks, write_missing_chunks
from notion_pipeline.catalog.content.targets import ContentTarget
from notion_pipeline.content.pages import PageRead
from notion_pipeline.defs.content.reads import ContentReads


def cut_pages(
    connection: duckdb.DuckDBPyConnection, source: str, target: ContentTarget, reads: Sequence[PageRead]
) -> int:
    """Cuts pages whose content was just written, in the same transaction; how many were cut anew."""
    if target.content.chunks is None:
        return 0
    pages = [read.page.page_id for read in reads if read.content is not None]
    return write_chunks(connection, source, pages, target.content.chunks)


def add_missing_chunks(catalog: Catalog, source: str, target: ContentTarget) -> int:
    """Cuts content that was read before its stream had chunks, or had these settings; how many pages."""
    settings = target.content.chunks
    if settings is None:
        return 0
    with catalog.reading() as connection:
        missing = [
            scope.data_source_id or None
            for scope in target.scopes
            if connection is not None and lacks_chunks(connection, source, scope.data_source_id or None, settings)
        ]
    done = 0
    for data_source_id in missing:
        count = 1
        while count:
            count = catalog.commit(
                partial(write_missing_chunks, source=source, data_source_id=data_source_id, settings=settings)
            )
            done += count
    return done


def tidy_chunks(connection: duckdb.DuckDBPyConnection, reads: ContentReads) -> None:
    """Removes the chunks of pages that are gone, and of streams that have none any more."""
    unwanted = [
        scope.data_source_id for target in reads.targets for scope in target.scopes if target.content.chunks is None
    ]
    remove_chunks(connection, reads.source.name, unwanted=unwanted)
