"""The table of databases, and the names of the tables as listings give and keep them."""

from __future__ import annotations

import json
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.catalog.listing.databases import write_databases
from notion_pipeline.config.fields.catalog_location import location_of
from notion_pipeline.errors import NothingSharedError
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.http.server import SandboxServer
from notion_pipeline.sandbox.model.objects import Database
from notion_pipeline_tests.support.catalog.lakehouse import needs_ducklake
from notion_pipeline_tests.support.sync.bench import Bench

TIMESTAMP = "TIMESTAMP WITH TIME ZONE"


@pytest.fixture
def bench(workspace: Workspace, sandbox: SandboxServer, tmp_path: Path) -> Bench:
    return Bench(workspace, sandbox.url, tmp_path)


def add(workspace: Workspace, title: str | None, **fields: Any) -> Database:
    """A database with one row that bears its title."""
    database = workspace.add_database(title, {"Name": "title"}, **fields)
    database.data_source.add_page({"Name": title})
    return database


def table_of(bench: Bench, database: Database) -> str:
    """The table that the catalog names for the first data source of a database."""
    (name,) = bench.query("SELECT data_sources[1].table_name FROM notion.databases WHERE id = ?", [database.id])[0]
    return str(name)


@needs_ducklake
def test_a_listing_adds_one_file_to_a_lake_however_many_databases(
    workspace: Workspace, bench: Bench, tmp_path: Path
) -> None:
    for number in range(5):
        add(workspace, f"Tasks {number}")
    listing, _ = bench.list()
    location = location_of(f"ducklake:{tmp_path / 'x.ducklake'}", str(tmp_path / "files"), Path)
    lake = Catalog(location, log=lambda _: None)
    for number in (1, 2, 3):
        now = datetime(2026, 7, number, tzinfo=timezone.utc)
        lake.commit(lambda connection, now=now: write_databases(connection, bench.source, listing, now))
        assert len(list((tmp_path / "files" / "notion" / "databases").glob("*.parquet"))) == number
    with lake.reading() as connection:
        assert connection is not None
        found = connection.execute("SELECT title, last_seen_at FROM notion.databases ORDER BY 1").fetchall()
    assert [title for title, _ in found] == [f"Tasks {number}" for number in range(5)]
    assert {seen for _, seen in found} == {now}


def test_databases_has_the_columns_of_the_contract_in_order(workspace: Workspace, bench: Bench) -> None:
    add(workspace, "Tasks")
    bench.list()
    found = bench.query(
        "SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = 'databases' ORDER BY column_index"
    )
    assert found == [
        ("id", "VARCHAR"),
        ("object", "VARCHAR"),
        ("title", "VARCHAR"),
        ("description", "VARCHAR"),
        ("url", "VARCHAR"),
        ("public_url", "VARCHAR"),
        ("parent", "JSON"),
        ("icon", "JSON"),
        ("cover", "JSON"),
        ("is_inline", "BOOLEAN"),
        ("in_trash", "BOOLEAN"),
        ("archived", "BOOLEAN"),
        ("created_time", TIMESTAMP),
        ("created_by", "VARCHAR"),
        ("last_edited_time", TIMESTAMP),
        ("last_edited_by", "VARCHAR"),
        ("properties", "JSON"),
        ("data_sources", 'STRUCT(id VARCHAR, "name" VARCHAR, table_name VARCHAR)[]'),
        ("stream", "VARCHAR"),
        ("selected", "BOOLEAN"),
        ("accessible", "BOOLEAN"),
        ("sync_type", "VARCHAR"),
        ("last_seen_at", TIMESTAMP),
    ]


def test_database_is_listed_with_what_notion_says_of_it(workspace: Workspace, bench: Bench) -> None:
    database = workspace.add_database(
        "Tasks",
        {"Name": "title", "Salary": "number"},
        description="All of them",
        icon="🧵",
        created_at="2025-01-02T03:04:05Z",
    )
    second = database.add_data_source("Old", {"Name": "title"})
    bench.settings = {"streams": {"Tasks": {"sync_type": "FULL_TABLE", "exclude_properties": ["Salary"]}}}
    bench.list()
    (row,) = bench.query(
        "SELECT id, object, title, description, url, public_url, icon->>'emoji', is_inline, in_trash, archived, "
        "created_time, created_by, last_edited_by, data_sources, stream, selected, accessible, sync_type "
        "FROM notion.databases"
    )
    first = database.data_source
    assert row == (
        *(database.id, "database", "Tasks", "All of them", database.url, None, "🧵", False, False, False),
        *(datetime(2025, 1, 2, 3, 4, 5, tzinfo=timezone.utc), workspace.owner.id, workspace.owner.id),
        [
            {"id": first.id, "name": "Tasks", "table_name": "tasks"},
            {"id": second.id, "name": "Old", "table_name": "tasks__old"},
        ],
        *(f"database_{database.id}", True, True, "FULL_TABLE"),
    )
    (properties,) = bench.query("SELECT properties FROM notion.databases")[0]
    assert {key: list(found) for key, found in json.loads(properties).items()} == {
        first.id: ["Name"],
        second.id: ["Name"],
    }


def test_listing_again_keeps_one_row_a_database_and_follows_changes(workspace: Workspace, bench: Bench) -> None:
    database = add(workspace, "Tasks")
    other = add(workspace, "Other")
    bench.list()
    workspace.rename_database(database, "To do")
    bench.settings = {"deselect": ["Other"]}
    bench.list()
    found = bench.query("SELECT id, title, selected, data_sources[1].table_name FROM notion.databases")
    assert set(found) == {(database.id, "To do", True, "tasks"), (other.id, "Other", False, "other")}


@pytest.mark.parametrize("how", ["unshared", "trashed", "deleted"])
def test_database_that_is_gone_is_retired_and_its_table_stays(workspace: Workspace, bench: Bench, how: str) -> None:
    gone, _ = add(workspace, "Gone"), add(workspace, "Left")
    bench.sync()
    {"unshared": workspace.unshare, "trashed": workspace.trash_database, "deleted": workspace.delete_database}[how](
        gone
    )
    listing, streams = bench.list()
    assert listing.retired == (gone.id,)
    assert [stream.title for stream in streams] == ["Left"]
    found = bench.query("SELECT title, accessible, selected FROM notion.databases ORDER BY title")
    assert found == [("Gone", False, False), ("Left", True, True)]
    assert bench.query("SELECT name FROM notion.gone") == [("Gone",)]


def test_database_that_search_misses_is_not_retired(workspace: Workspace, bench: Bench) -> None:
    missed, _ = add(workspace, "Missed"), add(workspace, "Found")
    bench.list()
    workspace.switches.search_gaps = {missed.id, missed.data_source.id}
    listing, _ = bench.list()
    assert listing.retired == ()
    assert bench.query("SELECT accessible FROM notion.databases WHERE title = 'Missed'") == [(True,)]


def test_databases_are_never_retired_all_at_once(workspace: Workspace, bench: Bench) -> None:
    databases = [add(workspace, title) for title in ("A", "B")]
    bench.list()
    for database in databases:
        workspace.unshare(database)
    with pytest.raises(NothingSharedError, match="None of the 2 known databases"):
        bench.list()
    assert bench.query("SELECT count(*) FROM notion.databases WHERE accessible") == [(2,)]


def test_database_that_returns_is_read_in_full(workspace: Workspace, bench: Bench) -> None:
    database, _ = add(workspace, "Tasks"), add(workspace, "Left")
    gone = database.data_source.add_page({"Name": "gone"})
    bench.sync()
    workspace.unshare(database)
    bench.sync()
    workspace.delete(gone)
    workspace.share(database)
    landed = bench.sync()["tasks"]
    assert (landed.rows_read, landed.rows_removed) == (1, 1)
    assert any("it was out of sight for a while" in line for line in bench.lines)
    assert bench.sync()["tasks"].rows_read == 0


def test_tables_are_named_after_titles_the_elder_first(workspace: Workspace, bench: Bench) -> None:
    young = add(workspace, "Tasks!", created_at="2025-06-01T00:00:00Z")
    elder = add(workspace, "tasks", created_at="2025-01-01T00:00:00Z")
    names = {
        elder: "tasks",
        young: f"tasks_{young.id[:8]}",
        add(workspace, ""): "untitled",
        add(workspace, "2026"): "_2026",
        (reserved := add(workspace, "Databases")): f"databases_{reserved.id[:8]}",
    }
    landed = bench.sync()
    assert {database: table_of(bench, database) for database in names} == names
    assert landed.keys() == set(names.values())


def test_table_prefix_is_for_newcomers(workspace: Workspace, bench: Bench) -> None:
    old = add(workspace, "Old")
    bench.sync()
    new = add(workspace, "New")
    bench.settings = {"table_prefix": "n_"}
    bench.sync()
    assert (table_of(bench, old), table_of(bench, new)) == ("old", "n_new")


def test_name_is_never_taken_from_its_holder(workspace: Workspace, bench: Bench) -> None:
    first, _ = add(workspace, "Tasks"), add(workspace, "Left")
    bench.sync()
    workspace.rename_database(first, "Chores")
    elder = add(workspace, "Tasks", created_at="2020-01-01T00:00:00Z")
    bench.sync()
    assert (table_of(bench, first), table_of(bench, elder)) == ("tasks", f"tasks_{elder.id[:8]}")
    # Nor from one that is gone: its table still stands.
    workspace.unshare(first)
    late = add(workspace, "Tasks")
    bench.sync()
    assert table_of(bench, late) == f"tasks_{late.id[:8]}"
    assert bench.query("SELECT name FROM notion.tasks") == [("Tasks",)]


def test_changed_table_name_in_sources_yaml_renames_the_tables(workspace: Workspace, bench: Bench) -> None:
    database = add(workspace, "Tasks")
    database.add_data_source("Old ones", {"Name": "title"})
    bench.sync()
    before = bench.query("SELECT * FROM notion.tasks")
    bench.settings = {"streams": {"Tasks": {"table": "Chores"}}}
    bench.list()
    assert bench.tables() == {"databases", "Chores", "Chores__old_ones"}
    assert bench.query('SELECT * FROM notion."Chores"') == before
    assert bench.sync()["Chores"].rows_inserted == 0
    assert bench.query("SELECT table_name FROM _notion_pipeline.streams ORDER BY 1") == [
        ("Chores",),
        ("Chores__old_ones",),
    ]
    # Without the wish the name is kept: names do not follow titles.
    bench.settings = {}
    bench.list()
    assert "Chores" in bench.tables()


def test_rename_that_changes_case_alone(workspace: Workspace, bench: Bench) -> None:
    add(workspace, "Tasks")
    bench.sync()
    bench.settings = {"streams": {"Tasks": {"table": "TASKS"}}}
    bench.sync()
    assert bench.query('SELECT name FROM notion."TASKS"') == [("Tasks",)]


def test_two_tables_swap_their_names(workspace: Workspace, bench: Bench) -> None:
    add(workspace, "A")
    add(workspace, "B")
    bench.sync()
    bench.settings = {"streams": {"A": {"table": "b"}, "B": {"table": "a"}}}
    bench.sync()
    assert bench.query("SELECT (SELECT name FROM notion.a), (SELECT name FROM notion.b)") == [("B", "A")]


def test_renames_pass_by_a_table_of_the_passing_name(workspace: Workspace, bench: Bench) -> None:
    for title in ("A", "B", "C"):
        add(workspace, title)
    bench.settings = {"streams": {"C": {"table": "b__moving"}}}
    bench.sync()
    bench.settings = {"streams": {"A": {"table": "b"}, "B": {"table": "b__moving"}, "C": {"table": "a"}}}
    bench.sync()
    found = bench.query(
        "SELECT (SELECT name FROM notion.a), (SELECT name FROM notion.b), (SELECT name FROM notion.b__moving)"
    )
    assert found == [("C", "A", "B")]


def test_wished_name_of_somebody_elses_view_is_not_taken(workspace: Workspace, bench: Bench) -> None:
    database = add(workspace, "Tasks")
    bench.sync()
    bench.execute("CREATE VIEW notion.chores AS SELECT 1 AS a")
    bench.settings = {"streams": {"Tasks": {"table": "Chores"}}}
    bench.sync()
    assert table_of(bench, database) == f"Chores_{database.id[:8]}"
    assert bench.query("FROM notion.chores") == [(1,)]


def test_two_sources_have_schemas_of_their_own(workspace: Workspace, bench: Bench) -> None:
    add(workspace, "Tasks")
    bench.sync()
    bench.settings = {"name": "other"}
    bench.sync()
    assert bench.query("SELECT (SELECT count(*) FROM notion.tasks), (SELECT count(*) FROM other.tasks)") == [(1, 1)]
    assert bench.query("SELECT source, table_name FROM _notion_pipeline.streams ORDER BY 1") == [
        ("notion", "tasks"),
        ("other", "tasks"),
    ]


def test_hundred_databases_are_listed_in_seconds(workspace: Workspace, bench: Bench) -> None:
    """The file is held meanwhile, and nobody else can read it. Seconds of work, for the machine may be busy."""
    for number in range(100):
        workspace.add_database(f"Database {number}", {"Name": "title", "Effort": "number"})
    bench.list()
    began = time.process_time()
    bench.list()
    assert time.process_time() - began < 15
    assert bench.query("SELECT count(*), count(DISTINCT id) FROM notion.databases") == [(100, 100)]
