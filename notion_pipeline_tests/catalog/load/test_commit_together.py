"""Databases that are committed to a lake in one transaction: all of them, or each alone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from notion_pipeline.catalog import state as bookkeeping
from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.catalog.state.tables import BOOKMARKS
from notion_pipeline.config.fields.catalog_location import location_of
from notion_pipeline.config.sources import Source, parse_sources
from notion_pipeline.defs.commits.group_commit import commit_group
from notion_pipeline.errors import CatalogBusyError
from notion_pipeline.extraction.extract import DatabaseExtract
from notion_pipeline_tests.support.catalog.lakehouse import needs_ducklake
from notion_pipeline_tests.support.patience import PATIENCE
from notion_pipeline_tests.support.staged import made_page, staged_extract

pytestmark = needs_ducklake


@pytest.fixture
def lake(tmp_path: Path) -> Catalog:
    location = location_of(f"ducklake:{tmp_path / 'x.ducklake'}", str(tmp_path / "files"), Path)
    return Catalog(location, log=lambda _: None, wait_seconds=PATIENCE)


@pytest.fixture
def source() -> Source:
    return parse_sources({"sources": [{"name": "notion", "account": {"type": "token"}}]}).sources[0]


def group(folder: Path, *titles: str) -> list[DatabaseExtract]:
    found = []
    for title in titles:
        names = {"database_id": f"db {title}", "data_source_id": title, "title": title, "data_source_name": title}
        extract = staged_extract(folder / title, [[made_page("a", title)]], **names)
        found.append(DatabaseExtract(f"db {title}", title, "", title, [extract]))
    return found


def snapshots(lake: Catalog) -> int:
    with lake.reading() as connection:
        assert connection is not None
        ((number,),) = connection.execute("SELECT count(*) FROM _lake.snapshots()").fetchall()
    return int(number)


def names_in_tables(lake: Catalog, *tables: str) -> list[str]:
    with lake.reading() as connection:
        assert connection is not None
        return [connection.execute(f'SELECT "Name" FROM notion.{table}').fetchall()[0][0] for table in tables]


def test_databases_of_a_group_share_a_commit_and_its_bookkeeping(lake: Catalog, source: Source, tmp_path: Path) -> None:
    lake.commit(bookkeeping.create_tables)
    before = snapshots(lake)
    done = list(commit_group(lake, source, group(tmp_path, "one", "two", "three"), "run"))
    assert [len(committed) for _, committed in done] == [1, 1, 1]
    assert snapshots(lake) == before + 1
    assert names_in_tables(lake, "one", "two", "three") == ["one", "two", "three"]
    with lake.reading() as connection:
        assert connection is not None
        files = f"SELECT count(*) FROM ducklake_list_files('_lake', '{BOOKMARKS.name}', schema => '_notion_pipeline')"
        # One row is in the table from the start.
        assert connection.execute(files).fetchall() == [(2,)]
        assert sorted(bookkeeping.stream_states(connection, "notion")) == ["one", "three", "two"]


def test_one_that_cannot_be_committed_leaves_the_others_their_own_commits(
    lake: Catalog, source: Source, tmp_path: Path
) -> None:
    with lake.writing() as connection:
        bookkeeping.create_tables(connection)
        connection.execute("CREATE SCHEMA notion")
    databases = group(tmp_path, "one", "two", "three")
    # What it staged is lost.
    next((tmp_path / "two").rglob("*.arrow*")).unlink()
    done = {
        database.title: (database.failures, committed)
        for database, committed in commit_group(lake, source, databases, "run")
    }
    assert [title for title, (failures, _) in done.items() if failures] == ["two"]
    assert [len(committed) for _, committed in done.values()] == [1, 0, 1]
    assert names_in_tables(lake, "one", "three") == ["one", "three"]


def test_a_commit_may_take_the_memory_that_the_files_of_many_commits_need(lake: Catalog) -> None:
    """64 MB, enough for a file, were too little for sixty databases: each adds files to all that is read."""
    limit = "SELECT current_setting('memory_limit')"
    ((in_force,),) = lake.commit(lambda connection: connection.execute(limit).fetchall())
    assert in_force == "488.2 MiB"


def test_a_catalog_that_was_waited_for_in_vain_is_not_waited_for_by_each(
    lake: Catalog, source: Source, tmp_path: Path
) -> None:
    lake.commit(bookkeeping.create_tables)
    impatient = Catalog(lake.location, log=lambda _: None, wait_seconds=0.3)
    with ThreadPoolExecutor(1) as pool, lake.writing():
        committing = pool.submit(lambda: list(commit_group(impatient, source, group(tmp_path, "one", "two"), "run")))
        done = committing.result(PATIENCE)
    errors = [database.failures[0] for database, committed in done if not committed]
    assert [isinstance(error, CatalogBusyError) for error in errors] == [True, True]
    assert [error.database.split('"')[1] for error in errors] == ["one", "two"]
    # One attempt failed, and both tell of it.
    assert errors[0].__cause__ is errors[1].__cause__ is not None
