"""Which pages' comments are due: told by the tables' own rows and by the age of the last read, without a request."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

import duckdb

from notion_pipeline.catalog.content.due.pages import (
    ContentScope,
    DueRule,
    MakeRule,
    content_scopes,
    count_due,
    standalone_scope,
)
from notion_pipeline.catalog.state.content_records import COMMENT_READS
from notion_pipeline.catalog.state.versions import create_with_view, is_recorded
from notion_pipeline.config.content import Comments, Content
from notion_pipeline.config.sources import Source
from notion_pipeline.listing.listed import KnownDatabase


@dataclass(frozen=True)
class CommentTarget:
    """Pages of one table whose comments are read.

    Attributes:
        with_blocks: Those on blocks are read too.
    """

    scope: ContentScope
    with_blocks: bool


def comment_targets(
    connection: duckdb.DuckDBPyConnection | None,
    source: Source,
    databases: Iterable[KnownDatabase],
    *,
    refresh_all: bool = False,
) -> tuple[CommentTarget, ...]:
    """The tables whose pages' comments are read: those of these databases, and that of the pages in none.

    Args:
        source: That knows what its names mean.
        refresh_all: Every page is due.
    """
    now = datetime.now(timezone.utc)
    found: list[CommentTarget] = []
    if connection is None:
        return ()

    def before(content: Content) -> datetime | None:
        age = content.comments_every
        return now if refresh_all else now - age if age is not None else None

    for database in databases:
        content = source.content_for(database.id, database.title)
        if content is not None and content.comments is not None:
            scopes = content_scopes(
                connection, source.name, database.id, database.title, refresh_before=before(content)
            )
            found += [CommentTarget(scope, content.comments is Comments.INLINE) for scope in scopes]
    content = source.content
    if content is not None and content.pages and content.comments is not None:
        standalone = standalone_scope(connection, source.name, refresh_before=before(content))
        found += [CommentTarget(standalone, content.comments is Comments.INLINE)] if standalone is not None else []
    return tuple(found)


def comments_due(connection: duckdb.DuckDBPyConnection | None, targets: Sequence[CommentTarget]) -> Counter[bool]:
    """How many pages are due, by whether the comments on their blocks are read too."""
    due = Counter[bool]()
    if connection is not None:
        for target in targets:
            rule = comments_rule(with_blocks=target.with_blocks)
            due[target.with_blocks] += count_due(connection, target.scope, make_rule=rule)
    return due


def comments_rule(*, with_blocks: bool) -> MakeRule:
    """Comments are due that were never read, whose page was edited since, or that are old: a comment stamps nothing.

    Args:
        with_blocks: Those on blocks are wanted too.
    """

    def rule(connection: duckdb.DuckDBPyConnection, scope: ContentScope) -> DueRule:
        if not has_comment_reads(connection):
            return DueRule("", "true")
        return DueRule(
            "LEFT JOIN _notion_pipeline.comment_reads p ON p.source = ? AND p.page_id = r.id",
            "p.page_id IS NULL OR r.last_edited_time > p.last_edited_time OR p.read_at < ?"
            + (" OR NOT p.includes_blocks" if with_blocks else ""),
            (scope.table[0], scope.refresh_before),
        )

    return rule


def create_comment_reads(connection: duckdb.DuckDBPyConnection) -> None:
    """Makes the table that says when each page's comments were read, by local time."""
    create_with_view(connection, COMMENT_READS)


def has_comment_reads(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether comments were ever read into this catalog."""
    return is_recorded(connection, COMMENT_READS)
