"""Paths of standalone pages: the titles of what each is in, through other pages, rows and their databases."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

import duckdb
import pyarrow as pa

from notion_pipeline.catalog.content.due.pages import title_column
from notion_pipeline.catalog.content.tables.content_tables import Table
from notion_pipeline.catalog.sql import column_types, is_table, quote
from notion_pipeline.catalog.state import stream_states
from notion_pipeline.content.standalone import RowAbove

Path = tuple[str, ...]


def keep_page_paths(
    connection: duckdb.DuckDBPyConnection,
    source: str,
    table: Table,
    rows_above: Mapping[str, RowAbove],
    now: datetime,
) -> set[str]:
    """Gives each page the path that it has now; which pages that changed.

    Args:
        rows_above: Rows of no table, which this run fetched.
    """
    there = " WHERE _deleted_at IS NULL" if "_deleted_at" in column_types(connection, table) else ""
    found = connection.execute(
        f"SELECT page_id, title, parent_type, parent_id, path FROM {quote(*table)}{there}"
    ).fetchall()
    pages = {row[0]: (row[1] or "", row[3] if row[2] == "page" else None) for row in found}
    before = {row[0]: None if row[4] is None else tuple(row[4]) for row in found}
    above = {parent for _, parent in pages.values() if parent is not None and parent not in pages}
    paths = _paths(pages, before, row_paths(connection, source, above, rows_above))
    moved = [key for key, path in paths.items() if before[key] != path]
    if moved:
        changed = pa.table(
            {"page_id": moved, "path": pa.array([list(paths[key]) for key in moved], pa.list_(pa.string()))}
        )
        connection.register("moved_pages", changed)
        try:
            connection.execute(
                f"UPDATE {quote(*table)} AS t SET path = m.path, _synced_at = ? FROM moved_pages m "
                "WHERE t.page_id = m.page_id",
                [now],
            )
        finally:
            connection.unregister("moved_pages")
    return set(moved)


def _paths(
    pages: Mapping[str, tuple[str, str | None]], before: Mapping[str, Path | None], rows: Mapping[str, Path]
) -> dict[str, Path]:
    paths: dict[str, Path] = {}
    for start in pages:
        # Upwards to what has a path, then down again: no recursion, since pages nest as deep as somebody nests them.
        way: list[str] = []
        key: str | None = start
        while key is not None and key in pages and key not in paths and key not in way:
            way.append(key)
            key = pages[key][1]
        for page_id in reversed(way):
            parent = pages[page_id][1]
            if parent is None:
                paths[page_id] = ()
            elif parent in paths:
                paths[page_id] = (*paths[parent], pages[parent][0])
            else:
                # Of a parent that cannot be seen, and that no request was made for, nothing has changed.
                paths[page_id] = rows.get(parent, before[page_id] or ())
    return paths


def row_paths(
    connection: duckdb.DuckDBPyConnection, source: str, ids: Collection[str], rows_above: Mapping[str, RowAbove]
) -> dict[str, Path]:
    """Path to and with each row: the title of its database, and its own.

    Args:
        rows_above: Rows that may be in no table.
    """
    titles: dict[str, str] = {}
    if ids and is_table(connection, (source, "databases")):
        found = connection.execute(f"SELECT id, title FROM {quote(source, 'databases')}").fetchall()
        titles = {key: title for key, title in found if title}
    paths = {key: _path(titles, row.database_id, row.title) for key, row in rows_above.items() if key in ids}
    for state in stream_states(connection, source).values() if ids else ():
        if not state.has_table:
            continue
        column = title_column(state)
        title = quote(column) if column is not None else "NULL"
        rows = connection.execute(
            f"SELECT id, {title} FROM {quote(source, state.table_name)} WHERE id IN (SELECT unnest(?::VARCHAR[]))",
            [list(ids)],
        ).fetchall()
        paths |= {key: _path(titles, state.database_id, name or "") for key, name in rows}
    return paths


def _path(titles: Mapping[str, str], database_id: str | None, title: str) -> Path:
    database = titles.get(database_id or "")
    return (*((database,) if database else ()), title)
