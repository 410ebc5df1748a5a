"""A catalog read in the DuckDB of another one: files and lakes, each beside each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest

from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.config.fields.catalog_location import CatalogLocation, location_of
from notion_pipeline.errors import CatalogBusyError, CatalogError
from notion_pipeline_tests.support.catalog.lakehouse import HAS_DUCKLAKE
from notion_pipeline_tests.support.processes.postgres import postgres, programs, query

KINDS = ["file", *(["lake"] if HAS_DUCKLAKE else []), *(["server"] if HAS_DUCKLAKE and programs() else [])]


@pytest.fixture(scope="module")
def server() -> Iterator[int]:
    if "server" not in KINDS:
        yield 0
        return
    with postgres() as port:
        yield port


@pytest.fixture
def place(server: int, tmp_path: Path) -> Callable[[str, str], CatalogLocation]:
    def location(kind: str, name: str) -> CatalogLocation:
        if kind == "file":
            return tmp_path / f"{name}.duckdb"
        files = str(tmp_path / f"{name}_files")
        if kind == "lake":
            return location_of(f"ducklake:{tmp_path / name}.ducklake", files, Path)
        database = f"{name}_{abs(hash(str(tmp_path)))}"
        query(server, f"CREATE DATABASE {database}")
        return location_of(f"ducklake:postgres:dbname={database} host=127.0.0.1 port={server} user=notion", files, Path)

    return location


def make(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("CREATE SCHEMA IF NOT EXISTS notion; CREATE TABLE IF NOT EXISTS notion.t (a INTEGER)")
    connection.execute("INSERT INTO notion.t VALUES (1)")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("other", KINDS)
def test_one_catalog_is_read_while_another_is_written(
    place: Callable[[str, str], CatalogLocation], kind: str, other: str
) -> None:
    source, target = Catalog(place(kind, "a"), log=print), Catalog(place(other, "b"), log=print)
    source.commit(make)
    with target.kept_open():
        target.commit(make)
        for _ in range(2):  # what is let go can be attached again
            with target.reading(in_one_state=False) as reader, source.attached(reader, "_other") as found:
                assert found.execute("SELECT count(*) FROM notion.t").fetchall() == [(1,)]
                target.commit(lambda writer: writer.execute("INSERT INTO notion.t SELECT a + 1 FROM _other.notion.t"))
                with pytest.raises(duckdb.Error, match="read-only"):
                    found.execute("INSERT INTO notion.t VALUES (2)")
    source.commit(make)
    with target.reading(in_one_state=False) as connection:
        assert sorted(connection.execute("SELECT a FROM notion.t").fetchall()) == [(1,), (2,), (2,)]


@pytest.mark.skipif("server" not in KINDS, reason="no DuckLake, or no PostgreSQL")
def test_lake_on_a_server_is_read_as_it_was(place: Callable[[str, str], CatalogLocation]) -> None:
    source, target = Catalog(place("server", "a"), log=print), Catalog(place("file", "b"), log=print)
    source.commit(make)
    with target.kept_open():
        target.commit(make)
        with target.reading(in_one_state=False) as reader, source.attached(reader, "_other") as found:
            source.commit(make)
            assert found.execute("SELECT count(*) FROM notion.t").fetchall() == [(1,)]


def test_nobody_writes_a_file_meanwhile(tmp_path: Path) -> None:
    source, target = Catalog(tmp_path / "a.duckdb", log=print), Catalog(tmp_path / "b.duckdb", log=print)
    for catalog in (source, target):
        catalog.commit(make)
    with target.kept_open():
        target.commit(make)
        with target.reading(in_one_state=False) as reader, source.attached(reader, "_other"):
            with (
                pytest.raises(CatalogBusyError),
                Catalog(source.location, log=print, wait_seconds=0.0).writing(),
            ):
                pass
            with Catalog(source.location, log=print, wait_seconds=5.0).reading(in_one_state=False) as beside:
                assert beside.execute("SELECT count(*) FROM notion.t").fetchall() == [(1,)]


def test_a_catalog_that_is_not_there(tmp_path: Path) -> None:
    target = Catalog(tmp_path / "b.duckdb", log=print)
    target.commit(make)
    nowhere = Catalog(tmp_path / "a.duckdb", log=print)
    with (
        target.reading(in_one_state=False) as reader,
        pytest.raises(CatalogError, match="There is no catalog"),
        nowhere.attached(reader, "_other"),
    ):
        pass
    assert not (tmp_path / "a.duckdb").exists()
