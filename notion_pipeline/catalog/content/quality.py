"""What the checks of `S.page_content` ask of it: every page that should have content has it, and has it once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from notion_pipeline.catalog.content.due.pages import ContentScope, DueRule, count_due, due_pages
from notion_pipeline.catalog.content.due.targets import ContentTarget
from notion_pipeline.catalog.content.tables.content_tables import DELETED_AT, PAGE_CONTENT, find_table
from notion_pipeline.catalog.sql import column_types, count_of, quote
from notion_pipeline.content.pages import DuePage

MOST_NAMED = 5


@dataclass(frozen=True)
class ContentQuality:
    """What was found of a source's content.

    Attributes:
        pages: Rows of the table.
        missing: How many pages of the chosen databases have no content; some of them are in `missing_pages`.
        repeated: How many pages have more than one row; ids of some of them are in `repeated_ids`.
    """

    pages: int
    missing: int
    missing_pages: tuple[DuePage, ...]
    repeated: int
    repeated_ids: tuple[str, ...]


def content_quality(
    connection: duckdb.DuckDBPyConnection, source: str, targets: Sequence[ContentTarget]
) -> ContentQuality | None:
    """None before the first content.

    Args:
        targets: All databases whose content is read.
    """
    table = find_table(connection, source, PAGE_CONTENT)
    if table is None:
        return None
    scopes = [scope for target in targets for scope in target.scopes]
    missing = {scope: count_due(connection, scope, make_rule=_has_none) for scope in scopes}
    named = [
        page
        for scope in [scope for scope, count in missing.items() if count][:MOST_NAMED]
        for page in due_pages(connection, scope, "", MOST_NAMED, make_rule=_has_none)
    ]
    target = quote(*table)
    repeating = f"SELECT page_id FROM {target} GROUP BY page_id HAVING count(*) > 1"
    repeated = count_of(connection, f"SELECT count(*) FROM ({repeating})")
    ids = connection.execute(f"{repeating} ORDER BY page_id LIMIT {MOST_NAMED}").fetchall() if repeated else []
    return ContentQuality(
        count_of(connection, f"SELECT count(*) FROM {target}"),
        sum(missing.values()),
        tuple(named[:MOST_NAMED]),
        repeated,
        tuple(str(row[0]) for row in ids),
    )


def _has_none(connection: duckdb.DuckDBPyConnection, scope: ContentScope) -> DueRule:
    table = find_table(connection, scope.table[0], PAGE_CONTENT)
    if table is None:
        return DueRule("", "true")
    here = " AND c._deleted_at IS NULL" if DELETED_AT[0] in column_types(connection, table) else ""
    return DueRule(f"LEFT JOIN {quote(*table)} c ON c.page_id = r.id{here}", "c.page_id IS NULL")
