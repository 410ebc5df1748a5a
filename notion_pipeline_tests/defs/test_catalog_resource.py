"""The catalog resource: read under the lock, and by no way past it."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from notion_pipeline import CatalogBusyError, CatalogError, CatalogResource
from notion_pipeline.catalog.connection import Catalog


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "catalog.duckdb"
    with Catalog(path, log=lambda _: None).writing() as connection:
        connection.execute("CREATE TABLE t AS SELECT 1 AS n")
    return path


def test_read_gives_a_connection_that_cannot_write(path: Path) -> None:
    with CatalogResource(database=str(path)).read() as connection:
        assert connection.execute("SELECT n FROM t").fetchall() == [(1,)]
        with pytest.raises(duckdb.Error, match="read-only"):
            connection.execute("INSERT INTO t VALUES (2)")


def test_writer_waits_while_it_is_open_and_not_after_an_error(path: Path) -> None:
    writer = Catalog(path, log=lambda _: None, wait_seconds=0)
    with pytest.raises(ZeroDivisionError), CatalogResource(database=str(path)).read():
        with pytest.raises(CatalogBusyError), writer.writing():
            pass
        1 / 0  # noqa: B018
    with writer.writing() as connection:
        connection.execute("INSERT INTO t VALUES (2)")


def test_no_catalog_says_so(tmp_path: Path) -> None:
    with (
        pytest.raises(CatalogError, match="no catalog"),
        CatalogResource(database=str(tmp_path / "none.duckdb")).read(),
    ):
        pass


def test_connection_past_the_lock_is_refused_and_says_where_to_go(path: Path) -> None:
    with pytest.raises(CatalogError, match=r"catalog\.read\(\)"):
        CatalogResource(database=str(path)).get_connection()
