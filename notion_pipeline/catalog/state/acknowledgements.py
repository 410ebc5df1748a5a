"""Which changes of a schema somebody has acknowledged."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import duckdb

from notion_pipeline.catalog.state.tables import ACKNOWLEDGEMENTS, create_tables
from notion_pipeline.catalog.state.versions import append, is_recorded


def acknowledgements(connection: duckdb.DuckDBPyConnection, source: str) -> dict[str, datetime]:
    """When somebody last acknowledged the schema changes of each data source, by its id."""
    if not is_recorded(connection, ACKNOWLEDGEMENTS):  # a catalog that an earlier version wrote
        return {}
    rows = connection.execute(
        "SELECT data_source_id, max(acknowledged_at) FROM _notion_pipeline.acknowledgements WHERE source = ? "
        "GROUP BY data_source_id",
        [source],
    ).fetchall()
    return dict(rows)


def acknowledge(
    connection: duckdb.DuckDBPyConnection, source: str, data_source_ids: Collection[str], at: datetime
) -> None:
    """Records that the schema changes of these data sources up to a local time are known."""
    create_tables(connection)
    append(connection, ACKNOWLEDGEMENTS, [(source, key, at) for key in dict.fromkeys(data_source_ids)])
