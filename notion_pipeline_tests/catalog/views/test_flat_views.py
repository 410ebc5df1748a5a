"""Flat views: what they show of each type, what they never touch, and that tables may change under them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest

from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.catalog.views.flat_views import (
    Action,
    apply_changes,
    keep_views,
    view_changes,
    views_schema,
)
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.http.server import SandboxServer
from notion_pipeline.sandbox.model.objects import DataSource
from notion_pipeline_tests.support.catalog import catalogs
from notion_pipeline_tests.support.sync.bench import Bench

SCHEMA = "notion_views"


@pytest.fixture
def bench(workspace: Workspace, sandbox: SandboxServer, tmp_path: Path) -> Bench:
    return Bench(workspace, sandbox.url, tmp_path)


@pytest.fixture
def projects(workspace: Workspace) -> DataSource:
    lead = workspace.add_user("Ada", "ada@example.org")
    source = workspace.add_database("Projects", {"Project": "title", "Lead": "people"}).data_source
    source.add_page({"Project": "Shop", "Lead": [lead.id]})
    source.add_page({"Project": ""})
    return source


@pytest.fixture
def tasks(workspace: Workspace, projects: DataSource) -> DataSource:
    schema = {
        "Task": "title",
        "Due": "date",
        "Due start": "rich_text",
        "$ / ~x": "created_by",
        "Tags": "multi_select",
        "Who": "people",
        "Files": "files",
        "Where": "place",
        "Push": "button",
        "Project": {"type": "relation", "target": projects},
        "Names": {"type": "rollup", "relation": "Project", "property": "Project", "function": "show_original"},
        "Leads": {"type": "rollup", "relation": "Project", "property": "Lead", "function": "show_original"},
    }
    source = workspace.add_database("Tasks", schema).data_source
    (shop, unnamed) = projects.pages
    first = {
        "Due": {"start": "2026-03-01", "end": "2026-03-04"},
        "Due start": "no date",
        "Tags": ["red", "blue"],
        "Who": [workspace.add_user("Bo").id, workspace.add_user("Cy").id],
        "Files": [{"name": "a.pdf", "url": "https://example.org/a.pdf"}],
        "Project": [unnamed.id, shop.id],
    }
    source.add_page({"Task": "one", **first}, created_by=workspace.add_user("Ed"))
    source.add_page({"Task": "two"})
    return source


def make(bench: Bench, **options: Any) -> dict[str, Action]:
    """Makes the views; what was done to each."""
    with bench.catalog.writing() as connection:
        changes = view_changes(connection, "notion", SCHEMA, **options)
        apply_changes(connection, SCHEMA, changes)
    return {change.view: change.action for change in changes}


def row(bench: Bench, view: str, where: str) -> dict[str, Any]:
    with catalogs.reading(bench.folder) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        found = connection.execute(f"SELECT * FROM {SCHEMA}.{view} WHERE {where}")
        names = [column[0] for column in found.description or []]
        (only,) = found.fetchall()
        return dict(zip(names, only, strict=True))


def test_every_value_is_plain(bench: Bench, tasks: DataSource, projects: DataSource) -> None:
    bench.sync()
    assert make(bench) == {"projects": "created", "tasks": "created"}
    kinds = bench.query(f"SELECT DISTINCT data_type FROM duckdb_columns() WHERE schema_name = '{SCHEMA}'")
    assert {kind for (kind,) in kinds} <= {"VARCHAR", "DOUBLE", "BOOLEAN", "DATE", "TIMESTAMP WITH TIME ZONE"}
    one = row(bench, "tasks", "task = 'one'")
    assert list(one)[:2] == ["id", "task"]
    assert (str(one["due_end"]), one["due_is_datetime"]) == ("2026-03-04 00:00:00+00:00", False)
    # A property of that name was there first; what is unfolded is named beside it.
    due = tasks.properties["Due"].id.encode().hex()
    assert (one["due_start"], str(one[f"due_start_{due}"])) == ("no date", "2026-03-01 00:00:00+00:00")
    assert (one["tags"], one["who"]) == ("red, blue", "Bo, Cy")
    assert (one["files"], one["files_url"]) == ("a.pdf", "https://example.org/a.pdf")
    # In Notion's order; a page without a title by its id.
    assert one["project"] == f"{projects.pages[1].id}, Shop"
    assert (one["names"], one["leads"]) == ("Shop", "Ada")
    assert one["x"] == "Ed"
    assert "push" not in one
    two = row(bench, "tasks", "task = 'two'")
    assert {two[name] for name in ("tags", "who", "files", "project", "names", "leads", "due_end")} == {None}


def test_relation_to_what_is_not_synced_shows_ids(bench: Bench, tasks: DataSource, projects: DataSource) -> None:
    bench.sync()
    with bench.catalog.writing() as connection:
        connection.execute("DROP TABLE notion.projects")
    make(bench)
    unnamed, shop = projects.pages[1].id, projects.pages[0].id
    assert row(bench, "tasks", "task = 'one'")["project"] == f"{unnamed}, {shop}"


def test_second_time_changes_nothing(bench: Bench, tasks: DataSource) -> None:
    bench.sync()
    make(bench)
    with bench.catalog.reading() as connection:
        assert connection is not None
        changes = view_changes(connection, "notion", SCHEMA)
    assert {(change.action, change.statements) for change in changes} == {("unchanged", ())}


def test_views_of_other_people_stay(bench: Bench, tasks: DataSource) -> None:
    bench.sync()
    make(bench)
    mine = f"CREATE OR REPLACE VIEW {SCHEMA}.tasks AS SELECT 1 AS mine"
    with bench.catalog.writing() as connection:
        connection.execute(mine)
        connection.execute(f"CREATE TABLE {SCHEMA}.notes AS SELECT 2 AS kept")
    beside = f"tasks_{tasks.id.replace('-', '')[:8]}"
    assert make(bench) == {"projects": "unchanged", beside: "created"}
    assert make(bench) == {"projects": "unchanged", beside: "unchanged"}
    assert make(bench, drop=True) == {"projects": "removed", beside: "removed"}
    assert bench.query(f"SELECT mine FROM {SCHEMA}.tasks") == [(1,)]
    assert bench.query(f"SELECT kept FROM {SCHEMA}.notes") == [(2,)]


def test_schema_goes_with_the_last_view(bench: Bench, tasks: DataSource) -> None:
    bench.sync()
    make(bench)
    make(bench, drop=True)
    assert not bench.query(f"SELECT 1 FROM duckdb_schemas() WHERE schema_name = '{SCHEMA}'")


@pytest.mark.parametrize("sync_type", ["INCREMENTAL", "FULL_TABLE"])
def test_syncs_succeed_over_views_and_views_follow(bench: Bench, tasks: DataSource, sync_type: str) -> None:
    bench.sync()
    make(bench)
    tasks.add_property("Added", "number")
    tasks.remove_property("Files")
    tasks.rename_property("Tags", "Labels")
    tasks.retype_property("Due start", "number")
    bench.sync(sync_type)
    assert keep_views(bench.catalog, "notion") == ""
    columns = list(row(bench, "tasks", "task = 'one'"))
    assert {"added", "labels"} <= set(columns)
    assert "tags" not in columns
    assert ("files" in columns) == (sync_type == "INCREMENTAL")
    assert row(bench, "tasks", "task = 'one'")["labels"] == "red, blue"


def test_table_that_somebody_changed_stops_neither_sync_nor_views(bench: Bench, tasks: DataSource) -> None:
    bench.sync()
    make(bench)
    bench.execute("ALTER TABLE notion.tasks DROP COLUMN id")
    bench.execute("ALTER TABLE notion.projects DROP COLUMN project")
    assert keep_views(bench.catalog, "notion") == ""
    assert make(bench) == {"projects": "unchanged"}
    assert row(bench, "projects", "lead IS NOT NULL")["lead"] == "Ada"


def test_views_are_not_made_for_who_never_asked(bench: Bench, tasks: DataSource) -> None:
    bench.sync()
    assert keep_views(bench.catalog, "notion") == ""
    assert not bench.query("SELECT 1 FROM duckdb_views() WHERE NOT internal AND schema_name <> '_notion_pipeline'")


def test_views_answer_in_a_copy_of_another_name(bench: Bench, tasks: DataSource, tmp_path: Path) -> None:
    bench.sync()
    make(bench)
    copy = tmp_path / "published.duckdb"
    copy.write_bytes(bench.catalog.location.read_bytes())
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{copy}' AS elsewhere (READ_ONLY)")
        assert connection.execute(f"SELECT count(*) FROM elsewhere.{SCHEMA}.tasks").fetchall() == [(2,)]


def test_schema_is_no_sources_and_not_the_catalogs(tmp_path: Path) -> None:
    def schema(file: str, *sources: str) -> str:
        return views_schema("notion", ("notion", *sources), Catalog(tmp_path / file, log=lambda _: None))

    assert schema("catalog.duckdb") == "notion_views"
    assert schema("catalog.duckdb", "notion_views") == "notion_views_2"
    assert schema("Notion_Views.duckdb", "notion_views_2") == "notion_views_3"
