"""Comments on tables and columns: where a table comes from, and which property a column holds.

A comment that this pipeline did not write is the user's and stays. We know our own by their digests, which the catalog
keeps for each data source.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence

import duckdb
import orjson

from notion_pipeline.catalog.comments import comment_on, comments_on
from notion_pipeline.catalog.load.limits import Limits
from notion_pipeline.catalog.load.schema_evolution import PlannedColumn
from notion_pipeline.extraction.extract import Extract
from notion_pipeline.outside import shown, shown_line, web_address
from notion_pipeline.rows.properties import COMPUTED
from notion_pipeline.rows.text.json_text import dump_json

_PAGE_COMMENTS = {
    "id": "Id of the page; unique",
    "created_time": "When the page was made; Notion floors it to the minute",
    "last_edited_time": "When the page was last edited; Notion floors it to the minute",
    "created_by": "Id of the user who made the page",
    "last_edited_by": "Id of the user who last edited the page",
    "url": "Address of the page in Notion",
    "public_url": "Address of the page on the web, if it is published",
    "in_trash": "Whether the page is in Notion's trash",
    "is_archived": "Whether the page is archived in Notion",
    "parent": "Parent of the page, as Notion gives it",
    "icon": "Icon of the page, as Notion gives it",
    "cover": "Cover of the page, as Notion gives it",
    "properties": "Raw property values by name, as Notion gives them; references complete",
    "_synced_at": "When this row's content last changed in this table",
    "_deleted_at": "When a full sync found this row gone from Notion",
}


def comments_of(extract: Extract, planned: Sequence[PlannedColumn], limits: Limits) -> tuple[str, dict[str, str]]:
    """The comment on a table, and the comment on each column by its name."""
    own = {plan.column: shown(_column_comment(plan, extract, limits)) for plan in planned}
    return _table_comment(extract), {**_PAGE_COMMENTS, **own}


def keep_comments(
    connection: duckdb.DuckDBPyConnection,
    table: tuple[str, str],
    on_table: str,
    on_columns: Mapping[str, str],
    *,
    noted: str | None,
    is_made_anew: bool,
) -> str:
    """Writes comments where there are none or ours; returns what to record about them for the next sync.

    Args:
        noted: What the last sync recorded; None if nothing.
        is_made_anew: Whether the table or a column was made since.
    """
    digest, before, ours = _digest(on_table, on_columns), *_read(noted)
    # DuckDB goes through all its tables to read comments, so they are read only if some must be written.
    if is_made_anew or digest != before:
        current_table, current = comments_on(connection, table)
        wanted = {name: comment for name, comment in on_columns.items() if _is_ours(current.get(name), ours)}
        comment_on(connection, table, on_table if _is_ours(current_table, ours) else None, wanted)
    return orjson.dumps([digest, *sorted({_mark(comment) for comment in (on_table, *on_columns.values())})]).decode()


def are_written(on_table: str, on_columns: Mapping[str, str], noted: str | None) -> bool:
    """Whether the last sync wrote these very comments, so that `keep_comments` would write none."""
    return _read(noted)[0] == _digest(on_table, on_columns) and _read(noted)[1] is not None


def _digest(on_table: str, on_columns: Mapping[str, str]) -> str:
    return hashlib.sha256(dump_json([on_table, on_columns])).hexdigest()


def _read(noted: str | None) -> tuple[str, Collection[str] | None]:
    """The digest of all comments, and the mark of each; no marks in the record of an earlier version."""
    if not noted or not noted.startswith("["):
        return noted or "", None
    digest, *marks = orjson.loads(noted)
    return digest, frozenset(marks)


def _mark(comment: str) -> str:
    return hashlib.sha256(comment.encode(errors="surrogatepass")).hexdigest()[:16]


def _is_ours(comment: str | None, ours: Collection[str] | None) -> bool:
    return not comment or ours is None or _mark(comment) in ours


def _table_comment(extract: Extract) -> str:
    title = extract.title or "Untitled"
    if extract.data_source_name and extract.data_source_name != extract.title:
        title = f"{title} / {extract.data_source_name}"
    return f"{shown_line(title)} {web_address(extract.url)}".strip()


def _column_comment(plan: PlannedColumn, extract: Extract, limits: Limits) -> str:
    parts = [f"{shown_line(plan.property_name)} ({plan.property_type})"]
    if plan.prop is None:
        parts.append("removed in Notion, last values kept")
    elif plan.prop.description:
        parts.append(plan.prop.description)
    if plan.property_type in COMPUTED:
        parts.append("refreshed by full sync")
    parts += limits.told(plan.property_id)
    if plan.property_id in extract.hidden_relations:
        parts.append("its target is not shared with the connection, so Notion shows it as empty")
    if plan.property_id in extract.unclear_relations:
        parts.append("its target could not be looked at; where it is not shared, Notion shows the relation as empty")
    return "; ".join(parts)
