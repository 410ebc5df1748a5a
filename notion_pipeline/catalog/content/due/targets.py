"""The databases whose pages' content is read, and what that will cost: told by the catalog alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone

import duckdb

from notion_pipeline.catalog.content.due.pages import ContentScope, content_scopes, standalone_scope
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
