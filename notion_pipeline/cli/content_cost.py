"""What the next run of content will read, and how long that takes at the account's pace."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import duckdb

from notion_pipeline.catalog.content.cost import ContentDue, content_due
from notion_pipeline.config.sources import Limits, Source
from notion_pipeline.listing.listed import KnownDatabase
from notion_pipeline.sync.estimate import requests_per_minute, seconds_for

_MEGABYTE = 1_000_000


def due_content(
    connection: duckdb.DuckDBPyConnection | None, source: Source, databases: Mapping[str, KnownDatabase]
) -> ContentDue:
    """What is due of the selected databases.

    Args:
        source: That knows what its names mean.
    """
    chosen = [found for found in databases.values() if found.accessible and source.selects(found.id, found.title)]
    return content_due(connection, source, chosen)


def content_line(due: ContentDue, source: Source) -> str:
    """For a plan."""
    unknown = f"; nothing is known yet of {due.not_synced:,} that were never synced" if due.not_synced else ""
    parts = [
        f"Content, by {source.name}_content after the sync: pages due {due.pages:,}, databases {due.databases:,}; "
        f"about as many requests, {_duration(due.pages, source)}; and those that the sync finds edited{unknown}.",
        _standalone(due) if source.reads_standalone_pages else "",
        _comments(due),
        _files(due),
    ]
    if due.requests > due.pages:
        parts.append(f"All of it: about {due.requests:,} requests, {_duration(due.requests, source)}.")
    return " ".join(filter(None, parts))


def pages_cost(pages: int | None, limits: Limits) -> str:
    """What the content of so many pages costs when it is read for the first time.

    Args:
        pages: None where their number is not known.
    """
    if pages is None:
        return f"a request a page, {requests_per_minute(limits):,} a minute"
    length = timedelta(seconds=round(seconds_for(pages, limits)))
    return f"a request a page: about {length} for the {pages:,} pages known"


def content_note(
    connection: duckdb.DuckDBPyConnection, source: Source, databases: Mapping[str, KnownDatabase]
) -> list[str]:
    """For a check; empty where nothing is due."""
    due = due_content(connection, source, databases)
    notes, pace = [], requests_per_minute(source.limits)
    if due.pages:
        notes.append(
            f"The content of {due.pages:,} {'page' if due.pages == 1 else 'pages'} is due in source {source.name}: "
            f"about as many requests, {_duration(due.pages, source)} at {pace:,} a minute."
        )
    standalone = _standalone(due) if source.reads_standalone_pages and due.standalone_pages != 0 else ""
    return notes + [
        f"Source {source.name}: {part}"
        for part in (standalone, _comments(due), _files(due) if due.files else "")
        if part
    ]


def _standalone(due: ContentDue) -> str:
    known = "not searched for yet" if due.standalone_pages is None else f"due {due.standalone_pages:,}, a request each"
    named = f", for pages that others name {due.pages_asked_for:,}" if due.pages_asked_for else ""
    return f"Pages in no database: {known}; requests of search about {due.search_requests:,}{named}."


def _comments(due: ContentDue) -> str:
    if not due.pages_for_comments:
        return ""
    blocks = f", and for {due.pages_for_inline_comments:,} of them one a block" if due.pages_for_inline_comments else ""
    return f"Comments of {due.pages_for_comments:,} pages are due: a request each{blocks}."


def _files(due: ContentDue) -> str:
    if not due.files and not due.files_kept:
        return ""
    again = f", pages read again for their addresses {due.pages_for_files:,}, a request each" if due.files else ""
    kept = f"; kept so far {due.files_kept:,}, {due.bytes_kept / _MEGABYTE:,.1f} MB" if due.files_kept else ""
    return f"Files to download, which Notion does not limit: {due.files:,}{again}{kept}."


def _duration(requests: int, source: Source) -> timedelta:
    return timedelta(seconds=round(seconds_for(requests, source.limits)))
