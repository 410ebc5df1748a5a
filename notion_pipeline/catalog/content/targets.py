"""The databases whose pages' content is read, and what that will cost: told by the catalog alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

import duckdb

from notion_pipeline.catalog.content.due import ContentScope, content_scopes, count_due
from notion_pipeline.config.content import Content
from notion_pipeline.config.sources import Source
from notion_pipeline.listing.listed import KnownDatabase


@dataclass(frozen=True)
class ContentTarget:
    """A database whose pages' content is read.

    Attributes:
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
) -> tuple[ContentTarget, ...]:
    """The databases whose content is read, of those given.

    Args:
        source: That knows what its names mean.
        refresh_all: Every page is due.
    """
    now = datetime.now(timezone.utc)
    found = []
    for database in databases:
        content = source.content_for(database.id, database.title)
        if content is None:
            continue
        age = content.refresh_every
        before = now if refresh_all else now - age if age is not None else None
        scopes = (
            content_scopes(connection, source.name, database.id, database.title, refresh_before=before)
            if connection is not None
            else ()
        )
        found.append(ContentTarget(database.id, database.title, database.partition, content, tuple(scopes)))
    return tuple(found)


def content_due(connection: duckdb.DuckDBPyConnection | None, targets: Sequence[ContentTarget]) -> ContentDue:
    """What the next run of content will read of these."""
    pages = sum(count_due(connection, scope) for target in targets for scope in target.scopes) if connection else 0
    return ContentDue(len(targets), pages, sum(not target.scopes for target in targets))
