"""With how little memory a commit makes do, and what happens where that is too little."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from notion_pipeline.catalog import state as bookkeeping
from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.catalog.load.commit import commit_database
from notion_pipeline.config.sources import parse_sources
from notion_pipeline.errors import CatalogMemoryError
from notion_pipeline.extraction.extract import DatabaseExtract
from notion_pipeline_tests.support.staged import made_page, staged_extract

MEGABYTE = 1_000_000


def catalog_in(folder: Path) -> Catalog:
    return Catalog(folder / "catalog.duckdb", log=lambda _: None, wait_seconds=1.0)


@pytest.mark.slow
def test_rows_of_many_megabytes_each_get_the_memory_they_need(tmp_path: Path) -> None:
    answers = [[made_page(f"{number}", chr(97 + number) * 40 * MEGABYTE)] for number in range(4)]
    extract = staged_extract(tmp_path, answers)
    source = parse_sources({"sources": [{"name": "notion", "account": {"type": "token"}}]}).sources[0]
    database = DatabaseExtract("db", "Tasks", "https://app.notion.com/p/tasks", "database_db", [extract])
    catalog = catalog_in(tmp_path)
    ((_, landed),) = commit_database(catalog, source, database, "run")
    assert landed.rows_inserted == 4
    with catalog.reading() as connection:
        assert connection is not None
        assert connection.execute("SELECT DISTINCT length(name) FROM notion.tasks").fetchall() == [(40 * MEGABYTE,)]
        assert bookkeeping.is_committed(connection, extract.stage.manifest.stage_id)


def test_too_little_memory_is_told_apart_from_other_faults(tmp_path: Path) -> None:
    catalog = catalog_in(tmp_path)
    with pytest.raises(CatalogMemoryError), catalog.writing(memory_limit="8MB") as connection:
        connection.execute("CREATE TABLE wide AS SELECT repeat('x', 20000000) AS text FROM range(10)")
    with catalog.writing() as connection:
        assert connection.execute("FROM duckdb_tables()").fetchall() == []


def test_too_little_memory_at_commit_is_told_as_well(tmp_path: Path) -> None:
    with pytest.raises(CatalogMemoryError), catalog_in(tmp_path).writing():
        raise duckdb.TransactionException("TransactionContext Error: Failed to commit: failed to pin block of size 1")


def test_raw_properties_are_kept_small(tmp_path: Path) -> None:
    extract = staged_extract(tmp_path, [[made_page(f"{number}", f"Row {number} " * 40) for number in range(3_000)]])
    source = parse_sources({"sources": [{"name": "notion", "account": {"type": "token"}}]}).sources[0]
    database = DatabaseExtract("db", "Tasks", "https://app.notion.com/p/tasks", "database_db", [extract])
    catalog = catalog_in(tmp_path)
    commit_database(catalog, source, database, "run")
    with catalog.reading() as connection:
        assert connection is not None
        found = connection.execute(
            "SELECT DISTINCT compression FROM pragma_storage_info('notion.tasks') "
            "WHERE column_name = 'properties' AND segment_type <> 'VALIDITY'"
        ).fetchall()
    assert [name.lower() for (name,) in found] == ["zstd"]
