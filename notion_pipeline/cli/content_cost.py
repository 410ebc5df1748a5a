"""What the next run of content will read, and how long that takes at the account's pace."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import duckdb

from notion_pipeline.catalog.content.comments_due import comment_targets, comments_due
from notion_pipeline.catalog.content.targets import ContentDue, content_due, content_targets
from notion_pipeline.config.sources import Limits, Source
from notion_pipeline.listing.listed import KnownDatabase
from notion_pipeline.sync.estimate import requests_per_minute, seconds_for


def due_content(
    connection: duckdb.DuckDBPyConnection | None, source: Source, databases: Mapping[str, KnownDatabase]
) -> ContentDue:
    """What is due of the selected databases.

    Args:
        source: That knows what its names mean.
    """
    chosen = [found for found in databases.values() if found.accessible and source.selects(found.id, found.title)]
    due = content_due(connection, content_targets(connection, source, chosen))
    comments = comments_due(connection, comment_targets(connection, source, chosen))
    return replace(due, pages_for_comments=comments.total(), pages_for_inline_comments=comments[True])


def content_line(due: ContentDue, source: Source) -> str:
    """For a plan."""
    unknown = f"; nothing is known yet of {due.not_synced:,} that were never synced" if due.not_synced else ""
    return (
        f"Content, by {source.name}_content after the sync: pages due {due.pages:,}, databases {due.databases:,}; "
        f"about as many requests, {_duration(due, source)}; and those that the sync finds edited{unknown}."
        f"{_comments(due)}"
    )


def pages_cost(pages: int | None, limits: Limits) -> str:
    """What the content of so many pages costs when it is read for the first time.

    Args:
        pages: None where their number is not known.
    """
    if pages is None:
        return f"a request a page, {requests_per_minute(limits):,} a minute"
    length = timedelta(seconds=round(seconds_for(pages, limits)))
    return f"a request a page: about {length} for the {pages:,} pages known"


def _comments(due: ContentDue) -> str:
    if not due.pages_for_comments:
        return ""
    blocks = f", and for {due.pages_for_inline_comments:,} of them one a block" if due.pages_for_inline_comments else ""
    return f" Comments of {due.pages_for_comments:,} pages are due: a request each{blocks}."


def content_note(
    connection: duckdb.DuckDBPyConnection, source: Source, databases: Mapping[str, KnownDatabase]
) -> list[str]:
    """For a check; empty where nothing is due."""
    due = due_content(connection, source, databases)
    comments = [f"Source {source.name}:{_comments(due)}"] if due.pages_for_comments else []
    if not due.pages:
        return comments
    return [
        f"The content of {due.pages:,} {'page' if due.pages == 1 else 'pages'} is due in source {source.name}: about "
        f"as many requests, {_duration(due, source)} at {requests_per_minute(source.limits):,} a minute.",
        *comments,
    ]


def _duration(due: ContentDue, source: Source) -> timedelta:
    return timedelta(seconds=round(seconds_for(due.pages, source.limits)))
