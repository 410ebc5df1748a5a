"""Which pages' content is due: told by the tables' own rows, without a request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import duckdb

from notion_pipeline.catalog import state as bookkeeping
from notion_pipeline.catalog.content.tables.content_tables import PAGE_CONTENT, PAGES, Table, find_table, has_reads
from notion_pipeline.catalog.sql import column_types, count_of, quote
from notion_pipeline.catalog.state import StreamState
from notion_pipeline.content.pages import DuePage

#: Pages fetched at a time: what is held of a source with a million pages is this much of it.
PAGES_AT_ONCE = 2_000


@dataclass(frozen=True)
class ContentScope:
    """Pages of one table whose content is read under the same settings.

    Attributes:
        table: The table of rows; its columns `id`, `url` and `last_edited_time` are used.
        title_column: Column with the pages' title; None where the table has none.
        data_source_id, database_id: Empty for pages that are in no database.
        path: Titles of what all of its pages stand in, outermost first.
        refresh_before: Pages that were read before it (local time) are due without an edit; None for none.
        id_column: Column with the pages' ids.
        path_column: Column with the path of each page; None where all have `path`.
    """

    table: Table
    data_source_id: str
    database_id: str
    title_column: str | None
    path: tuple[str, ...]
    refresh_before: datetime | None
    id_column: str = "id"
    path_column: str | None = None

    @property
    def rows(self) -> str:
        """The table in SQL, its pages' ids under the name `id`."""
        table = quote(*self.table)
        return table if self.id_column == "id" else f"(SELECT *, {quote(self.id_column)} AS id FROM {table})"


@dataclass(frozen=True)
class DueRule:
    """What makes a page due, in SQL over its row `r`."""

    joins: str
    condition: str
    parameters: tuple[object, ...] = ()


MakeRule = Callable[[duckdb.DuckDBPyConnection, ContentScope], DueRule]


def content_scopes(
    connection: duckdb.DuckDBPyConnection,
    source: str,
    database_id: str,
    title: str,
    *,
    refresh_before: datetime | None,
) -> list[ContentScope]:
    """The tables of a database, as far as a sync has filled them."""
    return [
        ContentScope(
            (source, state.table_name),
            state.data_source_id,
            database_id,
            title_column(state),
            (title,) if title else (),
            refresh_before,
        )
        for state in bookkeeping.stream_states(connection, source).values()
        if state.database_id == database_id and state.has_table
    ]


def standalone_scope(
    connection: duckdb.DuckDBPyConnection, source: str, *, refresh_before: datetime | None
) -> ContentScope | None:
    """The pages that are in no database; None where none were looked for yet."""
    table = find_table(connection, source, PAGES)
    if table is None:
        return None
    return ContentScope(table, "", "", "title", (), refresh_before, id_column="page_id", path_column="path")


def title_column(state: StreamState) -> str | None:
    """Column with the titles of a table's pages; None where the title is excluded."""
    return next((column.column for column in state.columns if column.property_type == "title"), None)


def content_rule(connection: duckdb.DuckDBPyConnection, scope: ContentScope) -> DueRule:
    """Content is due that was never read, whose page was edited since, or that is old."""
    content = find_table(connection, scope.table[0], PAGE_CONTENT)
    if content is None or not has_reads(connection):
        return DueRule("", "true")
    return DueRule(
        "LEFT JOIN _notion_pipeline.page_reads p ON p.source = ? AND p.page_id = r.id "
        f"LEFT JOIN {quote(*content)} c ON c.page_id = r.id",
        "(p.page_id IS NULL OR c.page_id IS NULL OR r.last_edited_time > p.last_edited_time "
        "OR NOT p.is_settled OR p.read_at < ?) "
        # A page that was moved has a row in two tables until its old one is read in full.
        "AND NOT coalesce(coalesce(c.data_source_id, '') <> ? AND r.last_edited_time < c.last_edited_time, false)",
        (scope.table[0], scope.refresh_before, scope.data_source_id),
    )


def count_due(connection: duckdb.DuckDBPyConnection, scope: ContentScope, *, make_rule: MakeRule = content_rule) -> int:
    """How many pages of a table are due."""
    query, parameters = _due_query(connection, scope, make_rule)
    return count_of(connection, f"SELECT count(*) FROM ({query})", parameters)


def due_pages(
    connection: duckdb.DuckDBPyConnection,
    scope: ContentScope,
    after: str,
    limit: int = PAGES_AT_ONCE,
    *,
    make_rule: MakeRule = content_rule,
) -> list[DuePage]:
    """Pages that are due, by id.

    Args:
        after: The last id of the call before; empty at first.
    """
    query, parameters = _due_query(connection, scope, make_rule)
    rows = connection.execute(
        f"SELECT * FROM ({query}) WHERE id > ? ORDER BY id LIMIT {limit}", [*parameters, after]
    ).fetchall()
    return [
        DuePage(
            row[0], scope.data_source_id, scope.database_id, row[1] or "", row[2] or "", _path(scope, row[4]), row[3]
        )
        for row in rows
    ]


def _path(scope: ContentScope, own: list[str] | None) -> tuple[str, ...]:
    return scope.path if scope.path_column is None else tuple(own or ())


def _due_query(
    connection: duckdb.DuckDBPyConnection, scope: ContentScope, make_rule: MakeRule
) -> tuple[str, list[object]]:
    title = f"r.{quote(scope.title_column)}" if scope.title_column is not None else "NULL"
    path = f"r.{quote(scope.path_column)}" if scope.path_column is not None else "NULL"
    here = " AND r._deleted_at IS NULL" if "_deleted_at" in column_types(connection, scope.table) else ""
    rule = make_rule(connection, scope)
    return (
        f"SELECT r.id, {title} AS title, r.url, r.last_edited_time, {path} AS path FROM {scope.rows} r {rule.joins} "
        f"WHERE ({rule.condition}){here}",
        list(rule.parameters),
    )
