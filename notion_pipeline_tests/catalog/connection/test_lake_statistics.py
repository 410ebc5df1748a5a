"""What DuckLake's statistics of a table say wrongly, and that no query of ours believes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.config.fields.catalog_location import location_of
from notion_pipeline_tests.support.catalog.lakehouse import needs_ducklake

pytestmark = needs_ducklake


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return Catalog(location_of(f"ducklake:{tmp_path / 'x.ducklake'}", str(tmp_path / "files"), Path), log=print)


def test_comparison_with_a_column_that_was_null_at_first_is_made(catalog: Catalog) -> None:
    for statements in (
        "CREATE TABLE main.reads (id INTEGER, seen TIMESTAMPTZ);"
        # In the transaction of the other rows: then what is least in the column is forgotten.
        "INSERT INTO main.reads VALUES (0, NULL);"
        "INSERT INTO main.reads VALUES (1, '2026-07-01 09:00:00+00'), (2, '2026-07-01 09:00:00+00')",
        "INSERT INTO main.reads VALUES (2, '2026-07-01 11:00:00+00')",
        "CREATE TABLE main.edits AS SELECT 1 AS id, TIMESTAMPTZ '2026-07-01 11:00:00+00' AS seen",
    ):
        with catalog.writing() as connection:
            connection.execute(statements)
    with catalog.reading() as connection:
        assert connection is not None
        found = connection.execute("SELECT r.id FROM main.edits e JOIN main.reads r USING (id) WHERE e.seen > r.seen")
        assert found.fetchall() == [(1,)]
