"""Tables for others: as Arrow for downstream assets, and the copy of the file that tools hold open."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from notion_pipeline.catalog.read.tables import publish, read_tables, tables_of_database
from notion_pipeline.catalog.sql import is_table
from notion_pipeline.errors import CatalogError
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.http.server import SandboxServer
from notion_pipeline_tests.support.sync.bench import Bench


@pytest.fixture
def bench(workspace: Workspace, sandbox: SandboxServer, tmp_path: Path) -> Bench:
    return Bench(workspace, sandbox.url, tmp_path)


def read(bench: Bench, *names: str) -> pa.Table:
    with bench.catalog.reading() as connection:
        return read_tables(connection, "notion", names)


def test_tables_of_a_database_are_its_data_sources_the_first_one_first(workspace: Workspace, bench: Bench) -> None:
    database = workspace.add_database("Tasks", {"Name": "title"})
    database.add_data_source("A", {"Name": "title"})
    bench.settings = {"streams": {"Tasks": {"table": "Zebra"}}}
    bench.sync()
    with bench.catalog.reading() as connection:
        assert tables_of_database(connection, "notion", database.id) == ["Zebra", "Zebra__a"]


def test_database_without_a_table_is_named_with_what_to_do(workspace: Workspace, bench: Bench) -> None:
    database = workspace.add_database("Tasks", {"Name": "title"})
    with bench.catalog.reading() as connection, pytest.raises(CatalogError, match=rf"{database.id}.*Materialize"):
        tables_of_database(connection, "notion", database.id)
    bench.list()
    with bench.catalog.reading() as connection, pytest.raises(CatalogError, match=rf"{database.id}.*Materialize"):
        tables_of_database(connection, "notion", database.id)


def test_one_table_is_read_as_it_is(workspace: Workspace, bench: Bench) -> None:
    schema = {"Name": "title", "Tags": {"type": "multi_select", "options": ["x"]}, "Due": "date"}
    workspace.add_database("Tasks", schema).data_source.add_page({"Name": "one", "Tags": ["x"], "Due": "2026-07-01"})
    bench.sync()
    table = read(bench, "tasks")
    (row,) = table.select(["name", "tags", "due", "parent"]).to_pylist()
    assert (row["name"], row["tags"], row["due"]["is_datetime"]) == ("one", ["x"], False)
    # JSON is plain text for those who know no DuckDB.
    assert table.schema.field("parent").type == pa.string()


def test_several_tables_are_united_by_column_name(workspace: Workspace, bench: Bench) -> None:
    workspace.add_database("A", {"Name": "title", "Effort": "number"}).data_source.add_page({"Name": "a", "Effort": 1})
    workspace.add_database("B", {"Name": "title", "Done": "checkbox"}).data_source.add_page({"Name": "b", "Done": True})
    bench.sync()
    found = read(bench, "a", "b").select(["_table", "name", "effort", "done"]).to_pylist()
    assert sorted(found, key=str) == [
        {"_table": "a", "name": "a", "effort": 1.0, "done": None},
        {"_table": "b", "name": "b", "effort": None, "done": True},
    ]


def test_columns_of_one_name_and_several_types_come_as_text(workspace: Workspace, bench: Bench) -> None:
    kinds = ("date", "rich_text", "number", "checkbox", "multi_select", "people", "place")
    values: dict[str, Any] = {"date": "2026-07-01", "number": 1.5, "checkbox": True, "multi_select": ["x"]}
    for kind in kinds:
        source = workspace.add_database(kind, {"Name": "title", "What": kind}).data_source
        source.add_page({"Name": kind, **({"What": values[kind]} if kind in values else {})})
    bench.sync()
    table = read(bench, *kinds)
    assert table.schema.field("what").type == pa.string()
    found = dict(zip(*(table.column(name).to_pylist() for name in ("name", "what")), strict=True))
    assert '"start":"2026-07-01 00:00:00+00"' in found.pop("date")
    expected = {"rich_text": "", "number": "1.5", "checkbox": "true", "multi_select": '["x"]', "people": "[]"}
    assert found == {**expected, "place": None}


def test_published_copy_is_whole_and_those_who_hold_the_old_one_read_on(
    workspace: Workspace, bench: Bench, tmp_path: Path
) -> None:
    source = workspace.add_database("Tasks", {"Name": "title"}).data_source
    source.add_page({"Name": "one"})
    bench.sync()
    path = tmp_path / "published.duckdb"
    publish(bench.catalog, path)
    with duckdb.connect(str(path), read_only=True) as held:
        source.add_page({"Name": "two"})
        bench.sync()
        publish(bench.catalog, path)
        assert held.execute("SELECT count(*) FROM notion.tasks").fetchall() == [(1,)]
    with duckdb.connect(str(path), read_only=True) as connection:
        assert connection.execute("SELECT count(*) FROM notion.tasks").fetchall() == [(2,)]
    assert [entry.name for entry in tmp_path.iterdir() if "publish" in entry.name] == ["published.duckdb"]


def test_copy_that_cannot_be_published_is_one_catalog_error(workspace: Workspace, bench: Bench, tmp_path: Path) -> None:
    workspace.add_database("Tasks", {"Name": "title"})
    bench.sync()
    with pytest.raises(CatalogError, match="could not be published"):
        publish(bench.catalog, tmp_path / "nowhere" / "published.duckdb")
    (tmp_path / "folder").mkdir()
    with pytest.raises(CatalogError, match="could not be published"):
        publish(bench.catalog, tmp_path / "folder")
    assert not list(tmp_path.glob(".*.publishing*"))


def test_name_of_no_table_is_found_out_without_ending_the_transaction(bench: Bench) -> None:
    with bench.catalog.writing() as connection:
        connection.execute("CREATE SCHEMA s; CREATE TABLE s.kept (a INTEGER); CREATE VIEW s.seen AS SELECT 1 AS a")
        connection.execute("""CREATE TABLE s."we""ird.name" (a INTEGER)""")
        known = [
            name for name in ("kept", "KEPT", "seen", 'we"ird.name', "nowhere") if is_table(connection, ("s", name))
        ]
        assert known == ["kept", "KEPT", 'we"ird.name']
        assert not is_table(connection, ("nowhere", "kept"))
    assert bench.query("FROM s.kept") == []
