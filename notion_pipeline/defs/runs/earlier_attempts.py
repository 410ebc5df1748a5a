"""What was tried before a run: retries of it, failed runs that it repeats, and what these committed."""

from typing import Optional

import dagster as dg
import duckdb
from dagster import DagsterRun

from notion_pipeline.catalog import state as bookkeeping
from notion_pipeline.catalog.connection import Catalog


def committed_before(context: dg.AssetExecutionContext, catalog: Catalog, source: str) -> frozenset[str]:
    """Data sources that earlier attempts of this run committed."""
    runs = earlier_attempts(context)
    if not runs:
        return frozenset()

    def committed(connection: Optional[duckdb.DuckDBPyConnection]) -> frozenset[str]:  # noqa: UP045
        if connection is None or not bookkeeping.has_bookkeeping(connection):
            return frozenset()
        return frozenset(bookkeeping.committed_in_run(connection, source, runs))

    return catalog.read(committed)


def earlier_attempts(context: dg.AssetExecutionContext) -> list[str]:
    """Ids of the runs that tried the same before: this one where it retries, and the failed ones that it repeats."""
    runs = [context.run.run_id] if context.retry_number else []
    run: Optional[DagsterRun] = context.run  # noqa: UP045
    while run is not None and run.parent_run_id is not None:
        run = context.instance.get_run_by_id(run.parent_run_id)
        if run is None or run.is_success:
            break
        runs.append(run.run_id)
    return runs
