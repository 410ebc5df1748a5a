"""Comments on tables and columns: where a table comes from, and which property a column holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import duckdb

from notion_pipeline.catalog.evolution import PlannedColumn
from notion_pipeline.catalog.sql import quote, text
from notion_pipeline.extract import Extract
from notion_pipeline.properties import COMPUTED

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


def write_comments(
    connection: duckdb.DuckDBPyConnection, extract: Extract, table: tuple[str, str], planned: Sequence[PlannedColumn]
) -> dict[str, str | None]:
    """Brings the comments up to date; one that says the same already is not written again.

    Returns:
        Those of the columns as they are now.
    """
    on_columns = {**_PAGE_COMMENTS, **{plan.column: _column_comment(plan, extract) for plan in planned}}
    return comment_on(connection, table, _table_comment(extract), on_columns)


def comment_on(
    connection: duckdb.DuckDBPyConnection, table: tuple[str, str], wanted: str, wishes: Mapping[str, str]
) -> dict[str, str | None]:
    """Writes those comments of a table and its columns that do not say so already; those of the columns then."""
    here = [table[0], table[1]]
    on_table = connection.execute(
        "SELECT comment FROM duckdb_tables() WHERE database_name = current_database() "
        "AND schema_name = ? AND table_name = ?",
        here,
    ).fetchall()[0][0]
    if on_table != wanted:
        connection.execute(f"COMMENT ON TABLE {quote(*table)} IS {text(wanted)}")
    on_columns = dict(
        connection.execute(
            "SELECT column_name, comment FROM duckdb_columns() WHERE database_name = current_database() "
            "AND schema_name = ? AND table_name = ?",
            here,
        ).fetchall()
    )
    for name, comment in on_columns.items():
        if name in wishes and comment != wishes[name]:
            connection.execute(f"COMMENT ON COLUMN {quote(*table, name)} IS {text(wishes[name])}")
    return {name: wishes.get(name, comment) for name, comment in on_columns.items()}


def _table_comment(extract: Extract) -> str:
    title = extract.title or "Untitled"
    if extract.data_source_name and extract.data_source_name != extract.title:
        title = f"{title} / {extract.data_source_name}"
    return f"{title} {extract.url}".strip()


def _column_comment(plan: PlannedColumn, extract: Extract) -> str:
    parts = [f"{plan.property_name} ({plan.property_type})"]
    if plan.prop is None:
        parts.append("removed in Notion, last values kept")
    elif plan.prop.description:
        parts.append(plan.prop.description)
    if plan.property_type in COMPUTED:
        parts.append("refreshed by full sync")
    if plan.property_id in extract.hidden_relations:
        parts.append("its target is not shared with the connection, so Notion shows it as empty")
    return "; ".join(parts)
