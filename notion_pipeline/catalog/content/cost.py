"""What the next run of content will ask Notion for, told by the catalog alone, without a request."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import duckdb

from notion_pipeline.catalog.content.due.comments import comment_targets, comments_due
from notion_pipeline.catalog.content.due.pages import count_due
from notion_pipeline.catalog.content.due.targets import ContentTarget, content_targets
from notion_pipeline.catalog.content.files.content_files import has_content_files
from notion_pipeline.catalog.content.files.file_listing import list_named
from notion_pipeline.catalog.content.pages import pages_state
from notion_pipeline.catalog.content.tables.content_tables import FILES, find_table
from notion_pipeline.catalog.sql import count_of, quote
from notion_pipeline.catalog.state import stream_states
from notion_pipeline.config.content import MEGABYTE
from notion_pipeline.config.sources import Source
from notion_pipeline.listing.listed import KnownDatabase

#: Entries of an answer of Notion's search; two requests tell what was edited since the last one.
_SEARCH_PAGE = 100
_SEARCHES = 2


@dataclass(frozen=True)
class ContentDue:
    """What the next run of content will read, a request each but for the files themselves.

    Attributes:
        databases: How many are chosen.
        pages: How many of their pages are due, by the rows that the catalog has; more requests for a page that Notion
            cuts into parts.
        not_synced: Databases among them whose rows were never synced, so that nothing is known of their pages.
        standalone_pages: Pages in no database whose content is due; None where none were looked for yet.
        search_requests: For the search for such pages.
        pages_asked_for: Pages that search did not show, which are asked for by their ids.
        pages_for_comments: Pages whose comments are due.
        pages_for_inline_comments: Those of them whose blocks' comments are read too; a request for each block.
        files: Files that are not kept yet, of properties and of the content that the catalog has; past Notion's limit.
        pages_for_files: Pages that are read again for the addresses of those.
        files_kept, bytes_kept: What is kept already.
    """

    databases: int = 0
    pages: int = 0
    not_synced: int = 0
    standalone_pages: int | None = None
    search_requests: int = 0
    pages_asked_for: int = 0
    pages_for_comments: int = 0
    pages_for_inline_comments: int = 0
    files: int = 0
    pages_for_files: int = 0
    files_kept: int = 0
    bytes_kept: int = 0

    @property
    def requests(self) -> int:
        """All requests that can be counted before."""
        pages = self.pages + (self.standalone_pages or 0) + self.pages_asked_for
        return pages + self.search_requests + self.pages_for_comments + self.pages_for_files


def content_due(
    connection: duckdb.DuckDBPyConnection | None, source: Source, databases: Iterable[KnownDatabase]
) -> ContentDue:
    """What is due of a source.

    Args:
        source: That knows what its names mean.
        databases: Those that it selects.
    """
    chosen = list(databases)
    targets = content_targets(connection, source, chosen, standalone_pages=source.reads_standalone_pages)
    of_databases = [target for target in targets if target.id]
    if connection is None:
        return ContentDue(len(of_databases), 0, len(of_databases))
    comments = comments_due(connection, comment_targets(connection, source, chosen))
    standalone, searches, asked_for = _standalone(connection, source, targets)
    files, pages_for_files = _files(connection, targets)
    kept, size = _kept(connection, source.name) if source.keeps_files else (0, 0)
    return ContentDue(
        databases=len(of_databases),
        pages=sum(count_due(connection, scope) for target in of_databases for scope in target.scopes),
        not_synced=sum(not target.scopes for target in of_databases),
        standalone_pages=standalone,
        search_requests=searches,
        pages_asked_for=asked_for,
        pages_for_comments=comments.total(),
        pages_for_inline_comments=comments[True],
        files=files,
        pages_for_files=pages_for_files,
        files_kept=kept,
        bytes_kept=size,
    )


def _standalone(
    connection: duckdb.DuckDBPyConnection, source: Source, targets: Sequence[ContentTarget]
) -> tuple[int | None, int, int]:
    """Pages in no database that are due, requests of search, and pages that are asked for by their ids."""
    if source.content is None or not source.content.pages:
        return None, 0, 0
    state = pages_state(connection, source.name)
    scopes = [scope for target in targets if not target.id for scope in target.scopes]
    due = sum(count_due(connection, scope) for scope in scopes) if scopes else None
    if not state.is_old(source.content.refresh_every):
        return due, _SEARCHES, len(state.named)
    entries = len(state.pages) + sum(
        count_of(connection, f"SELECT count(*) FROM {quote(source.name, stream.table_name)}")
        for stream in stream_states(connection, source.name).values()
        if stream.has_table
    )
    return due, max(1, -(-entries // _SEARCH_PAGE)), len(state.named)


def _files(connection: duckdb.DuckDBPyConnection, targets: Sequence[ContentTarget]) -> tuple[int, int]:
    """Files that are not kept yet, and pages that are read again for their addresses."""
    files = pages = 0
    for target in targets:
        if (kept := target.content.files) is None:
            continue
        for scope in target.scopes:
            source, most = scope.table[0], kept.max_megabytes * MEGABYTE
            settled, parameters = ["SELECT NULL WHERE false"], list[object]()
            if (table := find_table(connection, source, FILES)) is not None:
                settled.append(f"SELECT file_id FROM {quote(*table)} WHERE path IS NOT NULL OR size > ?")
                parameters.append(most)
            if has_content_files(connection):
                settled.append(
                    "SELECT file_id FROM _notion_pipeline.content_files WHERE source = ? AND path IS NOT NULL"
                )
                parameters.append(source)
            list_named(connection, scope)
            ((count, read_again),) = connection.execute(
                "SELECT count(*), count(DISTINCT page_id) FROM (SELECT page_id FROM listed_files "
                f"WHERE file_id NOT IN ({' UNION ALL '.join(settled)}) "
                "QUALIFY row_number() OVER (PARTITION BY file_id ORDER BY page_id, kind, property) = 1)",
                parameters,
            ).fetchall()
            connection.execute("DROP TABLE listed_files")
            files, pages = files + int(count), pages + int(read_again)
    return files, pages


def _kept(connection: duckdb.DuckDBPyConnection, source: str) -> tuple[int, int]:
    table = find_table(connection, source, FILES)
    if table is None:
        return 0, 0
    ((files, size),) = connection.execute(
        "SELECT count(*), coalesce(sum(size), 0) FROM "
        f"(SELECT DISTINCT file_id, size FROM {quote(*table)} WHERE path IS NOT NULL)"
    ).fetchall()
    return int(files), int(size)
