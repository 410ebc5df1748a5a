"""What earlier reads of each data source cost, as the history of syncs has it."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from notion_pipeline.catalog.state.tables import has_bookkeeping

#: Incremental reads whose mean is taken: what was edited lately is the best guess at what was edited now.
_INCREMENTAL_READS = 5
_FULL = "coalesce(read, CASE WHEN sync_type = 'FULL_TABLE' OR bookmark_before IS NULL THEN 'full' END) = 'full'"


@dataclass(frozen=True)
class ReadCosts:
    """What earlier reads of one data source cost.

    Attributes:
        full_rows, full_requests: Of the last full read, archived rows included; None where the history has none.
        rows_since: Rows that syncs have inserted since that read.
        incremental_requests: Mean of the last incremental reads since then; None where there was none.
    """

    full_rows: int | None
    full_requests: int | None
    rows_since: int
    incremental_requests: float | None


def read_costs(connection: duckdb.DuckDBPyConnection | None, source: str) -> dict[str, ReadCosts]:
    """The costs of each data source of a source, by its id; of those alone that were synced."""
    if connection is None or not has_bookkeeping(connection):
        return {}
    rows = connection.execute(
        f"""
        WITH own AS (SELECT *, {_FULL} AS is_full FROM _notion_pipeline.syncs WHERE source = ?),
        last_full AS (
            SELECT data_source_id, max(finished_at) AS at, arg_max(rows_read, finished_at) AS rows,
                   arg_max(api_requests, finished_at) AS requests
            FROM own WHERE is_full GROUP BY data_source_id
        )
        SELECT own.data_source_id, any_value(last_full.rows), any_value(last_full.requests),
               coalesce(sum(own.rows_inserted) FILTER (own.finished_at > last_full.at), 0)::BIGINT,
               list_avg(arg_max(own.api_requests, own.finished_at, {_INCREMENTAL_READS})
                   FILTER (NOT coalesce(own.is_full, false)
                           AND (last_full.at IS NULL OR own.finished_at > last_full.at)))
        FROM own LEFT JOIN last_full USING (data_source_id)
        GROUP BY own.data_source_id
        """,
        [source],
    ).fetchall()
    return {row[0]: ReadCosts(*row[1:]) for row in rows}
