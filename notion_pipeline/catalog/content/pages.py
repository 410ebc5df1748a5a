"""`S.pages`, the pages that are in no database: what is known of them before a run, and what a run found."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Literal

import duckdb
import pyarrow as pa

from notion_pipeline.catalog.content.page_paths import keep_page_paths
from notion_pipeline.catalog.content.tables.content_tables import PAGE_CONTENT, PAGES, Table, find_table, make_table
from notion_pipeline.catalog.content.tables.counts import ContentCounts
from notion_pipeline.catalog.content.tables.row_changes import write_rows
from notion_pipeline.catalog.sql import column_types, count_of, quote
from notion_pipeline.catalog.state import stream_states
from notion_pipeline.catalog.state.content_records import ASKED_PAGES, PAGE_SEARCHES
from notion_pipeline.catalog.state.versions import append, create_with_view, is_recorded, remove
from notion_pipeline.content.page_finder import FoundPages
from notion_pipeline.content.standalone import Parent, StandalonePage

#: `<page url="https://…/Title-<id>">`, as a page shows the pages in it. The last id of the address is the page's.
_CHILD = r'<page\s[^>]*?url="[^"?#]*([0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12})["?#]'
_TEXTS = ("page_id", "title", "url", "parent_type", "parent_id", "parent_block_id")
_SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in _TEXTS),
        *((name, pa.timestamp("us", "UTC")) for name in ("created_time", "last_edited_time")),
        *((name, pa.string()) for name in ("created_by", "last_edited_by")),
        ("in_trash", pa.bool_()),
        *((name, pa.string()) for name in ("icon", "found_by")),
    ]
)


@dataclass(frozen=True)
class PagesState:
    """What the catalog knows of a source's standalone pages.

    Attributes:
        pages: Those that are there: what each is in, and the block between.
        named: Ids that content names and that nothing is known of, and those whose last GET failed.
        hidden: Ids that were fetched and are no such page that can be seen.
        searched_at: Notion's clock before the last search; None before the first.
        whole_at: Local time of the last search of all.
    """

    pages: Mapping[str, tuple[Parent, str | None]]
    named: frozenset[str]
    hidden: frozenset[str]
    searched_at: datetime | None
    whole_at: datetime | None

    def is_old(self, age: timedelta | None) -> bool:
        """Whether all pages are to be searched: they never were, or longer ago than this; None for no matter when."""
        if self.searched_at is None or self.whole_at is None:
            return True
        return age is not None and self.whole_at < datetime.now(timezone.utc) - age


def pages_state(connection: duckdb.DuckDBPyConnection | None, source: str) -> PagesState:
    """What is known before a run; nothing where there is no catalog."""
    if connection is None or not is_recorded(connection, PAGE_SEARCHES):
        named = _named(connection, source) if connection is not None else set()
        return PagesState({}, frozenset(named), frozenset(), None, None)
    search = connection.execute(
        "SELECT searched_at, whole_at FROM _notion_pipeline.page_searches WHERE source = ?", [source]
    ).fetchone()
    asked = connection.execute(
        "SELECT page_id, is_due FROM _notion_pipeline.asked_pages WHERE source = ?", [source]
    ).fetchall()
    hidden = frozenset(page_id for page_id, is_due in asked if not is_due)
    table, pages = find_table(connection, source, PAGES), {}
    if table is not None:
        rows = connection.execute(
            f"SELECT page_id, parent_type, parent_id, parent_block_id FROM {quote(*table)}{_there(connection, table)}"
        ).fetchall()
        pages = {page_id: (Parent(kind, key), block) for page_id, kind, key, block in rows}
    elif search is not None:
        # Somebody dropped the table: it is made anew.
        search = None
    named = _named(connection, source) - pages.keys() - hidden
    return PagesState(
        pages,
        frozenset(named | {page_id for page_id, is_due in asked if is_due}),
        hidden,
        *(search or (None, None)),
    )


def _named(connection: duckdb.DuckDBPyConnection, source: str) -> set[str]:
    table = find_table(connection, source, PAGE_CONTENT)
    if table is None:
        return set()
    there = _there(connection, table) or " WHERE true"
    rows = connection.execute(
        "SELECT DISTINCT lower(replace(named, '-', '')) FROM (SELECT unnest(regexp_extract_all(markdown, ?, 1, 'i')) "
        f"AS named FROM {quote(*table)}{there} AND contains(markdown, '<page '))",
        [_CHILD],
    ).fetchall()
    return {f"{key[:8]}-{key[8:12]}-{key[12:16]}-{key[16:20]}-{key[20:]}" for (key,) in rows}


def _there(connection: duckdb.DuckDBPyConnection, table: Table) -> str:
    return " WHERE _deleted_at IS NULL" if "_deleted_at" in column_types(connection, table) else ""


def rows_among(connection: duckdb.DuckDBPyConnection | None, source: str, ids: Collection[str]) -> set[str]:
    """Which of the ids are rows of the source's tables."""
    if connection is None or not ids:
        return set()
    found: set[str] = set()
    for state in stream_states(connection, source).values():
        if state.has_table:
            rows = connection.execute(
                f"SELECT id FROM {quote(source, state.table_name)} WHERE id IN (SELECT unnest(?::VARCHAR[]))",
                [list(ids)],
            ).fetchall()
            found |= {row[0] for row in rows}
    return found


def ask_again(connection: duckdb.DuckDBPyConnection, source: str, ids: Collection[str]) -> None:
    """Has the next run fetch pages whose content was gone: their own answer tells whether they are."""
    if ids:
        _create_state(connection)
        append(connection, ASKED_PAGES, [(source, page_id, True) for page_id in dict.fromkeys(ids)])


def _create_state(connection: duckdb.DuckDBPyConnection) -> None:
    for table in (PAGE_SEARCHES, ASKED_PAGES):
        create_with_view(connection, table)


def write_pages(
    connection: duckdb.DuckDBPyConnection,
    source: str,
    found: FoundPages,
    now: datetime,
    *,
    deleted_rows: Literal["remove", "mark"],
) -> ContentCounts:
    """Writes what a run found, in the caller's transaction; takes out what is gone; brings all paths up to date.

    Args:
        now: Local time.
    """
    _create_state(connection)
    table = make_table(connection, source, PAGES, marks_deleted=deleted_rows == "mark")
    rows = pa.Table.from_pylist([_row(page) for page in found.pages.values()], schema=_SCHEMA)
    counts = write_rows(connection, table, rows, ["page_id"], now)
    counts.removed = _take_out(connection, table, found, now, marks=deleted_rows == "mark")
    moved = keep_page_paths(connection, source, table, found.rows_above, now)
    _keep_state(connection, source, found, now)
    counts.updated += len(moved - found.pages.keys())
    return counts


def _row(page: StandalonePage) -> dict[str, object]:
    return {
        "page_id": page.id,
        "title": page.title,
        "url": page.url,
        "parent_type": page.parent.type,
        "parent_id": page.parent.id,
        "parent_block_id": page.parent_block_id,
        "created_time": page.created_time,
        "last_edited_time": page.last_edited_time,
        "created_by": page.created_by,
        "last_edited_by": page.last_edited_by,
        "in_trash": False,
        "icon": page.icon,
        "found_by": page.found_by,
    }


def _take_out(
    connection: duckdb.DuckDBPyConnection, table: Table, found: FoundPages, now: datetime, *, marks: bool
) -> int:
    target, listed = quote(*table), "page_id IN (SELECT unnest(?::VARCHAR[]))"
    here = " AND _deleted_at IS NULL" if marks else ""
    leaving = [*found.gone, *found.rows]
    removed = count_of(connection, f"SELECT count(*) FROM {target} WHERE {listed}{here}", [leaving])
    if not removed:
        return 0
    if marks:
        for in_trash in (False, True):
            gone = [page_id for page_id, is_in_trash in found.gone.items() if is_in_trash == in_trash]
            connection.execute(
                f"UPDATE {target} SET _deleted_at = ?, in_trash = ?, _synced_at = ? WHERE {listed}{here}",
                [now, in_trash, now, gone],
            )
    # A page that is a row now is not gone: its table has it.
    connection.execute(f"DELETE FROM {target} WHERE {listed}", [list(found.rows) if marks else leaving])
    return removed


def _keep_state(connection: duckdb.DuckDBPyConnection, source: str, found: FoundPages, now: datetime) -> None:
    if found.is_whole and found.searched_at is not None:
        # The next run fetches anew what was hidden and is still named.
        remove(connection, ASKED_PAGES, "source = ? AND NOT is_due", [source])
    settled = [*found.pages, *found.gone, *found.rows, *found.hidden, *found.errors]
    remove(connection, ASKED_PAGES, "source = ? AND page_id IN (SELECT unnest(?::VARCHAR[]))", [source, settled])
    asked = dict.fromkeys(found.hidden, False) | dict.fromkeys(found.errors, True)
    append(connection, ASKED_PAGES, [(source, page_id, is_due) for page_id, is_due in asked.items()])
    if found.searched_at is None:
        return
    before = connection.execute(
        "SELECT whole_at FROM _notion_pipeline.page_searches WHERE source = ?", [source]
    ).fetchone()
    whole_at = now if found.is_whole else before[0] if before else None
    append(connection, PAGE_SEARCHES, [(source, found.searched_at, whole_at)])
