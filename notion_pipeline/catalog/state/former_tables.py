"""Brings a catalog in which commits changed the rows of their tables to the versions that they add today."""

from __future__ import annotations

from collections.abc import Iterable

import duckdb

from notion_pipeline.catalog.sql import is_table
from notion_pipeline.catalog.state.versions import SCHEMA, VersionedTable, take_over

#: As the last version that changed rows made them; earlier ones lack some of it.
_FORMER = """
CREATE TABLE IF NOT EXISTS _notion_pipeline.streams (
    source VARCHAR, database_id VARCHAR, data_source_id VARCHAR, table_name VARCHAR, sync_type VARCHAR,
    bookmark TIMESTAMPTZ, schema_fingerprint VARCHAR, columns JSON,
    last_sync_at TIMESTAMPTZ, last_full_sync_at TIMESTAMPTZ
);
CREATE TABLE IF NOT EXISTS _notion_pipeline.reads (
    source VARCHAR, data_source_id VARCHAR, account VARCHAR, start_date TIMESTAMPTZ, excluded JSON, schema JSON,
    hidden_relations JSON, next_read_is_full BOOLEAN
);
ALTER TABLE _notion_pipeline.reads ADD COLUMN IF NOT EXISTS comments VARCHAR;
ALTER TABLE _notion_pipeline.reads ADD COLUMN IF NOT EXISTS limits JSON;
CREATE TABLE IF NOT EXISTS _notion_pipeline.looks (
    source VARCHAR, database_id VARCHAR, marks VARCHAR, asked_at TIMESTAMPTZ
);
CREATE TABLE IF NOT EXISTS _notion_pipeline.content_tables (source VARCHAR, content VARCHAR, table_name VARCHAR);
CREATE TABLE IF NOT EXISTS _notion_pipeline.acknowledgements (
    source VARCHAR, data_source_id VARCHAR, acknowledged_at TIMESTAMPTZ
);
CREATE TABLE IF NOT EXISTS _notion_pipeline.refusals (
    source VARCHAR, data_source_id VARCHAR, archived VARCHAR, relations JSON
);
"""
#: The rows of each table of versions, by its name.
_MOVES = {
    "stream_versions": "SELECT source, data_source_id, database_id, table_name FROM _notion_pipeline.streams",
    "bookmark_versions": "SELECT source, data_source_id, sync_type, bookmark, last_sync_at, last_full_sync_at "
    "FROM _notion_pipeline.streams",
    "read_versions": "SELECT r.* EXCLUDE (next_read_is_full), s.schema_fingerprint, s.columns, "
    "coalesce(f.archived, '') AS archived_refused, coalesce(f.relations, '{}'::JSON) AS unclear_relations "
    "FROM _notion_pipeline.reads r "
    "LEFT JOIN _notion_pipeline.streams s ON s.source = r.source AND s.data_source_id = r.data_source_id "
    "LEFT JOIN _notion_pipeline.refusals f ON f.source = r.source AND f.data_source_id = r.data_source_id",
    "full_read_versions": "SELECT source, data_source_id FROM _notion_pipeline.reads WHERE next_read_is_full",
    "look_versions": "FROM _notion_pipeline.looks",
    "content_table_versions": "FROM _notion_pipeline.content_tables",
    "acknowledgement_versions": "FROM _notion_pipeline.acknowledgements",
}
_DROPPED = ("streams", "reads", "refusals", "looks", "content_tables", "acknowledgements")


def has_former_tables(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether an earlier version wrote this catalog, and none since."""
    return is_table(connection, (SCHEMA, "streams"))


def former_states(connection: duckdb.DuckDBPyConnection) -> str:
    """A subquery for what the view `stream_states` shows, of a catalog that no commit has moved yet."""
    has_refusals = is_table(connection, (SCHEMA, "refusals"))
    refusals = "_notion_pipeline.refusals" if has_refusals else "(SELECT '' AS source, '' AS data_source_id, '', '{}')"
    return f"""(
        SELECT s.*, r.* EXCLUDE (source, data_source_id),
               f.archived AS archived_refused, f.relations AS unclear_relations
        FROM _notion_pipeline.streams s
        LEFT JOIN _notion_pipeline.reads r ON r.source = s.source AND r.data_source_id = s.data_source_id
        LEFT JOIN {refusals} AS f (source, data_source_id, archived, relations)
               ON f.source = s.source AND f.data_source_id = s.data_source_id
    )"""


def move_former_tables(connection: duckdb.DuckDBPyConnection, tables: Iterable[VersionedTable]) -> None:
    """Moves the rows of the former tables into these, and drops them: their names are for views."""
    connection.execute(_FORMER)
    for table in tables:
        take_over(connection, table, _MOVES[table.name])
    for name in _DROPPED:
        connection.execute(f"DROP TABLE {SCHEMA}.{name}")
