"""Removes what later versions of the bookkeeping replaced: commits into a lake leave it."""

from __future__ import annotations

import duckdb

from notion_pipeline.catalog.sql import is_table
from notion_pipeline.catalog.state.content_records import CONTENT_RECORDS
from notion_pipeline.catalog.state.tables import VERSIONED
from notion_pipeline.catalog.state.versions import SCHEMA, keep_latest


def remove_superseded(connection: duckdb.DuckDBPyConnection) -> None:
    """Keeps the latest version of each row, in the caller's transaction; commits that add meanwhile are not in the way.

    What is removed stays readable in the lake's earlier snapshots until these expire.
    """
    for table in (*VERSIONED, *CONTENT_RECORDS):
        if is_table(connection, (SCHEMA, table.name)):
            keep_latest(connection, table)
