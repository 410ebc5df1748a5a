"""The tables of the schema `_notion_pipeline`, made where they are missing."""

from __future__ import annotations

import duckdb

from notion_pipeline.catalog.sql import is_table

_TABLES = """
CREATE SCHEMA IF NOT EXISTS _notion_pipeline;
CREATE TABLE IF NOT EXISTS _notion_pipeline.streams (
    source VARCHAR, database_id VARCHAR, data_source_id VARCHAR, table_name VARCHAR, sync_type VARCHAR,
    bookmark TIMESTAMPTZ, schema_fingerprint VARCHAR, columns JSON,
    last_sync_at TIMESTAMPTZ, last_full_sync_at TIMESTAMPTZ
);
CREATE TABLE IF NOT EXISTS _notion_pipeline.syncs (
    run_id VARCHAR, source VARCHAR, database_id VARCHAR, data_source_id VARCHAR, stage_id VARCHAR, sync_type VARCHAR,
    started_at TIMESTAMPTZ, finished_at TIMESTAMPTZ,
    rows_read BIGINT, rows_inserted BIGINT, rows_updated BIGINT, rows_unchanged BIGINT, rows_removed BIGINT,
    api_requests BIGINT, api_retries BIGINT, bookmark_before TIMESTAMPTZ, bookmark_after TIMESTAMPTZ,
    schema_changes JSON, read VARCHAR, reason VARCHAR
);
ALTER TABLE _notion_pipeline.syncs ADD COLUMN IF NOT EXISTS read VARCHAR;
ALTER TABLE _notion_pipeline.syncs ADD COLUMN IF NOT EXISTS reason VARCHAR;
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


def create_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Makes the schema and its tables; adds the columns that a catalog of an earlier version lacks."""
    connection.execute(_TABLES)


def has_bookkeeping(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether anything was ever committed to this catalog."""
    return is_table(connection, ("_notion_pipeline", "reads"))
