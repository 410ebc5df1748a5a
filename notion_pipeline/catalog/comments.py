"""Comments on tables and columns: where a table comes from, and which property a column holds."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from notion_pipeline.catalog.evolution import PlannedColumn
from notion_pipeline.catalog.sql import quote, text
from notion_pipeline.extract import Extract
from notion_pipeline.properties import COMPUTED

_PAGE_COMMENTS = {
    "properties": "Raw property values by name, as Notion gives them",
    "_synced_at": "When this row's content last changed in this table",
    "_deleted_at": "When a full sync found this row gone from Notion",
}


def write_comments(
    connection: duckdb.DuckDBPyConnection, extract: Extract, table: tuple[str, str], planned: Sequence[PlannedColumn]
) -> None:
    """Brings the comments up to date; one that says the same already is not written again."""
    here = [table[0], table[1]]
    on_table = connection.execute(
        "SELECT comment FROM duckdb_tables() WHERE database_name = current_database() "
        "AND schema_name = ? AND table_name = ?",
        here,
    ).fetchall()[0][0]
    wanted = _table_comment(extract)
    if on_table != wanted:
        connection.execute(f"COMMENT ON TABLE {quote(*table)} IS {text(wanted)}")
    on_columns = connection.execute(
        "SELECT column_name, comment FROM duckdb_columns() WHERE database_name = current_database() "
        "AND schema_name = ? AND table_name = ?",
        here,
    ).fetchall()
    wishes = {**_PAGE_COMMENTS, **{plan.column: _column_comment(plan, extract) for plan in planned}}
    for name, comment in on_columns:
        if name in wishes and comment != wishes[name]:
            connection.execute(f"COMMENT ON COLUMN {quote(*table, name)} IS {text(wishes[name])}")


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
