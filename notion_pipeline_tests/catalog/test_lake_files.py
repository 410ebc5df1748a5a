"""What keeps a lake in shape: few files, versions no older than wanted, and nothing deleted that a query needs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import dagster as dg
import pytest

from notion_pipeline.catalog import state as bookkeeping
from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.catalog.upkeep.lake_files import keep_in_shape
from notion_pipeline.config.fields.catalog_location import Lake, location_of
from notion_pipeline.config.sources import load_sources
from notion_pipeline.defs.build import build_definitions
from notion_pipeline.errors import CatalogError, ConfigError
from notion_pipeline.project import project_at
from notion_pipeline_tests.support.catalog.lakehouse import needs_ducklake, needs_postgres
from notion_pipeline_tests.support.processes.postgres import postgres, query

AT_ONCE = timedelta(0)


@pytest.fixture(scope="module")
def server() -> Iterator[int]:
    with postgres() as port:
        yield port


@pytest.fixture
def lake(server: int, tmp_path: Path) -> Lake:
    query(server, f"CREATE DATABASE shape_{tmp_path.name}")
    catalog = f"ducklake:postgres:dbname=shape_{tmp_path.name} host=127.0.0.1 port={server} user=notion"
    found = location_of(catalog, str(tmp_path / "files"), Path)
    assert isinstance(found, Lake)
    return found


def fill(catalog: Catalog, commits: int = 12) -> None:
    catalog.commit(lambda writer: writer.execute("CREATE SCHEMA IF NOT EXISTS notion"))
    catalog.commit(lambda writer: writer.execute("CREATE TABLE IF NOT EXISTS notion.t (a INTEGER)"))
    for number in range(commits):
        catalog.commit(lambda writer, number=number: writer.execute("INSERT INTO notion.t VALUES (?)", [number]))


def files(lake: Lake) -> int:
    return len(list(Path(lake.data_path).rglob("*.parquet")))


@needs_ducklake
@needs_postgres
def test_small_files_become_few_and_rows_stay(lake: Lake) -> None:
    catalog = Catalog(lake, log=print)
    fill(catalog)
    assert files(lake) == 12
    done = keep_in_shape(catalog, AT_ONCE, queries_last=AT_ONCE)
    assert (done.tables_merged, done.files_merged, done.files_made) == (1, 12, 1)
    assert done.versions_removed > 12
    assert done.files_removed == 12
    assert files(lake) == 1
    with catalog.reading() as connection:
        assert connection is not None
        assert connection.execute("SELECT count(*), sum(a) FROM notion.t").fetchall() == [(12, 66)]
    again = keep_in_shape(catalog, AT_ONCE, queries_last=AT_ONCE)
    assert (again.files_merged, again.files_removed) == (0, 0)


@needs_ducklake
@needs_postgres
def test_by_default_a_week_can_be_queried_and_no_file_goes_at_once(lake: Lake) -> None:
    catalog = Catalog(lake, log=print)
    fill(catalog, 3)
    with catalog.reading() as connection:
        assert connection is not None
        before = connection.execute("SELECT max(snapshot_id) FROM ducklake_snapshots('_lake')").fetchall()[0][0]
    catalog.commit(lambda writer: writer.execute("DELETE FROM notion.t"))
    done = keep_in_shape(catalog, timedelta(days=7))
    assert (done.versions_removed, done.files_removed) == (0, 0)
    with catalog.reading() as connection:
        assert connection is not None
        then = connection.execute(f"SELECT count(*) FROM notion.t AT (VERSION => {before})").fetchall()
        assert (then, connection.execute("SELECT count(*) FROM notion.t").fetchall()) == ([(3,)], [(0,)])
    assert keep_in_shape(catalog, None).versions_removed == 0


@needs_ducklake
@needs_postgres
def test_bookkeeping_keeps_what_is_valid(lake: Lake) -> None:
    catalog = Catalog(lake, log=print)
    catalog.commit(bookkeeping.create_tables)
    for day in (1, 2, 3):
        at = datetime(2026, 7, day, tzinfo=timezone.utc)
        catalog.commit(lambda writer, at=at: bookkeeping.note_fetches(writer, "notion", {"tasks": str(at.day)}, at))
    keep_in_shape(catalog, timedelta(days=7))
    with catalog.reading() as connection:
        assert connection is not None
        assert connection.execute("SELECT marks FROM _notion_pipeline.look_versions").fetchall() == [("3",)]
        assert bookkeeping.last_fetches(connection, "notion") == {"tasks": ("3", at)}


@needs_ducklake
def test_file_and_nothing_are_no_lake(tmp_path: Path) -> None:
    for location in (tmp_path / "catalog.duckdb", location_of(f"ducklake:{tmp_path / 'x'}", None, Path)):
        with pytest.raises(CatalogError, match="is no lake"):
            keep_in_shape(Catalog(location, log=print), None)


def project_with(folder: Path, text: str) -> dg.Definitions:
    (folder / "workspace.yaml").touch()
    (folder / "sources.yaml").write_text(f"{text}\nsources: [{{name: notion, account: {{type: token}}}}]\n")
    return build_definitions(project_at(folder, {"NOTION_TOKEN": "ntn_x"}))


def test_file_has_no_job_for_it(tmp_path: Path) -> None:
    assert not [job for job in project_with(tmp_path, "").resolve_all_job_defs() if job.name == "lake_maintenance"]


def test_lake_has_a_job_and_a_nightly_schedule(tmp_path: Path) -> None:
    found = project_with(tmp_path, "catalog: ducklake:x")
    assert found.resolve_job_def("lake_maintenance").description is not None
    schedule = found.resolve_schedule_def("lake_maintenance_schedule")
    assert schedule.cron_schedule == ["30 3 * * *"]
    by_hand = project_with(tmp_path, "catalog: ducklake:x\nlake: {keep: never, maintenance: []}")
    assert "at any time" in str(by_hand.resolve_job_def("lake_maintenance").description)
    assert not [found for found in by_hand.schedules or () if found.name == "lake_maintenance_schedule"]


def test_mistake_in_the_settings_is_named(tmp_path: Path) -> None:
    (tmp_path / "sources.yaml").write_text("lake: {kept: 7d}\nsources: [{name: notion, account: {type: token}}]\n")
    with pytest.raises(ConfigError, match=r'lake\.kept: unknown key, nearest is "keep"'):
        load_sources(project_at(tmp_path, {}))


@needs_ducklake
def test_the_job_runs(tmp_path: Path) -> None:
    location = location_of(f"ducklake:{tmp_path / 'x'}", str(tmp_path / "files"), Path)
    fill(Catalog(location, log=print), 4)
    found = project_with(tmp_path, "catalog: ducklake:x\ndata_path: files")
    result = found.resolve_job_def("lake_maintenance").execute_in_process()
    assert result.success
    with Catalog(location, log=print).reading() as connection:
        assert connection is not None
        assert connection.execute("SELECT count(*) FROM notion.t").fetchall() == [(4,)]
