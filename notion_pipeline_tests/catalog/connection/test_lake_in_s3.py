"""A lake whose files are in a bucket, within the memory that a commit has."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from benchmarks.bucket import bucket, missing
from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.config.fields.catalog_location import Lake, location_of
from notion_pipeline_tests.support.catalog.lakehouse import needs_ducklake, needs_postgres
from notion_pipeline_tests.support.patience import PATIENCE
from notion_pipeline_tests.support.processes.postgres import postgres, query


def make(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("CREATE SCHEMA IF NOT EXISTS notion; CREATE TABLE IF NOT EXISTS notion.t (a INTEGER)")
    connection.execute("INSERT INTO notion.t SELECT range FROM range(10_000)")


@needs_ducklake
@needs_postgres
@pytest.mark.slow
@pytest.mark.skipif(missing() is not None, reason=missing() or "")
def test_commit_to_a_bucket_fits_into_the_memory_of_a_commit() -> None:
    with bucket() as store, postgres() as port:
        query(port, "CREATE DATABASE lake")
        location = location_of(
            f"ducklake:postgres:dbname=lake host=127.0.0.1 port={port} user=notion", store.new(), Path, store.variables
        )
        assert isinstance(location, Lake)
        catalog = Catalog(location, log=lambda _: None, wait_seconds=PATIENCE)
        for _ in range(2):
            catalog.commit(make)
        with catalog.reading() as connection:
            assert connection is not None
            assert connection.execute("SELECT count(*), max(a) FROM notion.t").fetchall() == [(20_000, 9_999)]
