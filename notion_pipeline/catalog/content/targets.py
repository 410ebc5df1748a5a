"""The databases whose pages' content is read, and what that will cost: told by the catalog alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

import duckdb

from notion_pipeline.catalog.content.due import ContentScope, content_scopes, count_due, standalone_scope
from notion_pipeline.config.content import Content
from notion_pipeline.config.sources import Source
from notion_pipeline.listing.listed import KnownDatabase

#: Stands for a database's title.
STANDALONE = "Pages in no database"


@dataclass(frozen=True)
class ContentTarget:
    """A database whose pages' content is read; or all pages that are in none.

    Attributes:
        id, partition: Empty for pages that are in no database.
        scopes: Its tables, as far as a sync has filled them.
    """

    id: str
    title: str
    partition: str
    content: Content
    scopes: tuple[ContentScope, ...]


@dataclass(frozen=True)
class ContentDue:
    """What the next run of content will read.

    Attributes:
        databases: How many are chosen.
        pages: How many of their pages are due, by the rows that the catalog has; a request each, and more for a page
            that Notion cuts into parts.
        not_synced: Databases among them whose rows were never synced, so that nothing is known of their pages.
        pages_for_comments: Pages whose comments are due; a request each.
        pages_for_inline_comments: Those of them whose blocks' comments are read too; a request for each block.
    """

    databases: int
    pages: int
    not_synced: int
    pages_for_comments: int = 0
    pages_for_inline_comments: int = 0


def content_targets(
    connection: duckdb.DuckDBPyConnection | None,
    source: Source,
    databases: Iterable[KnownDatabase],
    *,
    refresh_all: bool = False,
    standalone_pages: bool = False,
) -> tuple[ContentTarget, ...]:
    """The databases whose content is read, of those given.

    Args:
        source: That knows what its names mean.
        refresh_all: Every page is due.
        standalone_pages: Whether the pages that are in no database are read too.
    """
    now = datetime.now(timezone.utc)
    found = []
    for database in databases:
        content = source.content_for(database.id, database.title)
        if content is None:
            continue
        before = _refresh_before(content, now, refresh_all=refresh_all)
        scopes = (
            content_scopes(connection, source.name, database.id, database.title, refresh_before=before)
            if connection is not None
            else ()
        )
        found.append(ContentTarget(database.id, database.title, database.partition, content, tuple(scopes)))
    if standalone_pages and source.content is not None and connection is not None:
        before = _refresh_before(source.content, now, refresh_all=refresh_all)
        scope = standalone_scope(connection, source.name, refresh_before=before)
        found.append(ContentTarget("", STANDALONE, "", source.content, (scope,) if scope is not None else ()))
    return tuple(found)


def _refresh_before(content: Content, now: datetime, *, refresh_all: bool) -> datetime | None:
    if refresh_all:
        return now
    return now - content.refresh_every if content.refresh_every is not None else None


def content_due(connection: duckdb.DuckDBPyConnection | None, targets: Sequence[ContentTarget]) -> ContentDue:
    """What the next run of content will read of these."""
    pages = sum(count_due(connection, scope) for target in targets for scope in target.scopes) if connection else 0
    return ContentDue(len(targets), pages, sum(not target.scopes for target in targets))
