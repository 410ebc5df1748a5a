"""Comments on tables and columns: where a table comes from, and which property a column holds."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from notion_pipeline.catalog.load.limits import Limits
from notion_pipeline.catalog.load.schema_evolution import PlannedColumn
from notion_pipeline.extraction.extract import Extract
from notion_pipeline.outside import shown, shown_line, web_address
from notion_pipeline.rows.json_text import dump_json
from notion_pipeline.rows.properties import COMPUTED

_PAGE_COMMENTS = {
    "id": "Id of the page; unique",
    "created_time": "When the page was made; Notion floors it to the minute",
    "last_edited_time": "When the page was last edited; Notion floors it to the minute",
    "created_by": "Id of the user who made the page",
    "last_edited_by": "Id of the user who last edited the page",
    "url": "Address of the page in Notion",
    "public_url": "Address of the page on the web, where it is published",
    "in_trash": "Whether the page is in Notion's trash",
    "is_archived": "Whether the page is archived in Notion",
    "parent": "What the page stands in, as Notion gives it",
    "icon": "Icon of the page, as Notion gives it",
    "cover": "Cover of the page, as Notion gives it",
    "properties": "Raw property values by name, as Notion gives them; references complete",
    "_synced_at": "When this row's content last changed in this table",
    "_deleted_at": "When a full sync found this row gone from Notion",
}


def comments_of(extract: Extract, planned: Sequence[PlannedColumn], limits: Limits) -> tuple[str, dict[str, str]]:
    """What a table says of itself, and what its columns say by name."""
    own = {plan.column: shown(_column_comment(plan, extract, limits)) for plan in planned}
    return _table_comment(extract), {**_PAGE_COMMENTS, **own}


def digest(on_table: str, on_columns: Mapping[str, str]) -> str:
    """By which it is known whether comments are to be written; to read them, DuckDB goes through all its tables."""
    return hashlib.sha256(dump_json([on_table, on_columns])).hexdigest()


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
