"""Makes of a catalog what the version before wrote, in which commits changed the rows of the bookkeeping."""

from __future__ import annotations

import duckdb
import pytest

from notion_pipeline.catalog.dialect import FILE, dialect_of

#: As that version made its tables, and the columns that it added to those of versions before it.
FORMER_TABLES = """
CREATE TABLE _notion_pipeline.streams (
    source VARCHAR, database_id VARCHAR, data_source_id VARCHAR, table_name VARCHAR, sync_type VARCHAR,
    bookmark TIMESTAMPTZ, schema_fingerprint VARCHAR, columns JSON,
    last_sync_at TIMESTAMPTZ, last_full_sync_at TIMESTAMPTZ
);
CREATE TABLE _notion_pipeline.reads (
    source VARCHAR, data_source_id VARCHAR, account VARCHAR, start_date TIMESTAMPTZ, excluded JSON, schema JSON,
    hidden_relations JSON, next_read_is_full BOOLEAN
);
ALTER TABLE _notion_pipeline.reads ADD COLUMN IF NOT EXISTS comments VARCHAR;
ALTER TABLE _notion_pipeline.reads ADD COLUMN IF NOT EXISTS limits JSON;
CREATE TABLE _notion_pipeline.looks (source VARCHAR, database_id VARCHAR, marks VARCHAR, asked_at TIMESTAMPTZ);
CREATE TABLE _notion_pipeline.content_tables (source VARCHAR, content VARCHAR, table_name VARCHAR);
CREATE TABLE _notion_pipeline.acknowledgements (source VARCHAR, data_source_id VARCHAR, acknowledged_at TIMESTAMPTZ);
CREATE TABLE _notion_pipeline.refusals (source VARCHAR, data_source_id VARCHAR, archived VARCHAR, relations JSON);
"""
FORMER = ("streams", "reads", "looks", "content_tables", "acknowledgements", "refusals")


def make_former(connection: duckdb.DuckDBPyConnection) -> None:
    """Puts the former tables, with all that the catalog has for them, in the place of the present ones.

    Skips the test where the catalog is a lake: that version wrote DuckDB files alone.
    """
    if dialect_of(connection) != FILE:
        pytest.skip("earlier versions wrote no lake")
    for name in FORMER:
        connection.execute(f"CREATE OR REPLACE TEMP TABLE kept_{name} AS FROM _notion_pipeline.{name}")
        connection.execute(f"DROP VIEW _notion_pipeline.{name}")
    connection.execute("DROP VIEW _notion_pipeline.stream_states")
    versions = connection.execute(
        "SELECT table_name FROM duckdb_tables() WHERE schema_name = '_notion_pipeline' AND table_name LIKE '%_versions'"
    ).fetchall()
    for (name,) in versions:
        connection.execute(f"DROP TABLE _notion_pipeline.{name}")
    connection.execute(FORMER_TABLES)
    for name in FORMER:
        connection.execute(f"INSERT INTO _notion_pipeline.{name} BY NAME FROM kept_{name}")
