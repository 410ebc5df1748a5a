"""Sources of a lake that get another name: their tables are copied, unless a copy would lose what a user declared."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from notion_pipeline.catalog import state as bookkeeping
from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.catalog.upkeep.leftovers import rename_source
from notion_pipeline.config.fields.catalog_location import location_of
from notion_pipeline.errors import CatalogError
from notion_pipeline_tests.support.catalog.lakehouse import needs_ducklake

pytestmark = needs_ducklake


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return Catalog(location_of(f"ducklake:{tmp_path / 'x.ducklake'}", str(tmp_path / "files"), Path), log=print)


def make(connection: duckdb.DuckDBPyConnection) -> None:
    bookkeeping.create_tables(connection)
    bookkeeping.name_streams(connection, "old", [("of tasks", "of tasks", "tasks")])
    connection.execute("CREATE SCHEMA old; CREATE TABLE old.databases AS SELECT 'of tasks' AS id, 'Tasks' AS title")


def test_tables_go_along(catalog: Catalog) -> None:
    catalog.commit(make)
    assert catalog.commit(lambda connection: rename_source(connection, "old", "new")).tables == ("databases",)
    with catalog.reading() as connection:
        assert connection is not None
        assert connection.execute("SELECT title FROM new.databases").fetchall() == [("Tasks",)]
        assert bookkeeping.table_names(connection, "new") == {"of tasks": "tasks"}
        assert bookkeeping.table_names(connection, "old") == {}


def test_default_that_a_user_declared_stops_it(catalog: Catalog) -> None:
    catalog.commit(make)
    catalog.commit(lambda connection: connection.execute("ALTER TABLE old.databases ALTER title SET DEFAULT 'none'"))
    with pytest.raises(CatalogError, match=r"default of title on old\.databases\."):
        catalog.commit(lambda connection: rename_source(connection, "old", "new"))
