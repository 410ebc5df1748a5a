"""The table of users: filled from what rows show, never made poorer, and the names that flat views show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from notion_pipeline.catalog.views.flat_views import apply_changes, keep_views, view_changes
from notion_pipeline.rows.naming import NamedDatabase, table_names
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.http.server import SandboxServer
from notion_pipeline.sandbox.model.objects import DataSource
from notion_pipeline.sandbox.model.users import User
from notion_pipeline.sandbox.model.values import Raw
from notion_pipeline_tests.support.catalog.former_catalog import make_former
from notion_pipeline_tests.support.sync.bench import Bench

SCHEMA = "notion_views"
GROUP = {"object": "group", "id": "0f1e2d3c-0000-4000-8000-000000000001", "name": "Crew"}


@pytest.fixture
def bench(workspace: Workspace, sandbox: SandboxServer, tmp_path: Path) -> Bench:
    return Bench(workspace, sandbox.url, tmp_path)


@pytest.fixture
def ada(workspace: Workspace) -> User:
    return workspace.add_user("Ada", "ada@example.org")


@pytest.fixture
def tasks(workspace: Workspace, ada: User) -> DataSource:
    schema = {"Task": "title", "Who": "people", "Made by": "created_by", "Editor": "last_edited_by"}
    source = workspace.add_database("Tasks", schema).data_source
    source.add_page({"Task": "one", "Who": [ada.id, GROUP]}, created_by=ada)
    return source


def users(bench: Bench, table: str = "users") -> dict[str, tuple[Any, ...]]:
    rows = bench.query(f"SELECT id, object, type, name, email FROM notion.{table}")
    assert len(rows) == len({row[0] for row in rows})
    return {row[0]: row[1:] for row in rows}


def make_views(bench: Bench) -> None:
    with bench.catalog.writing() as connection:
        apply_changes(connection, SCHEMA, view_changes(connection, "notion", SCHEMA))


def test_users_of_values_are_kept(workspace: Workspace, bench: Bench, tasks: DataSource, ada: User) -> None:
    bob, verifier = workspace.add_user("Bob", kind="bot"), workspace.add_user("Vera")
    proof = {"state": "verified", "date": None, "verified_by": {"object": "user", "id": verifier.id, "name": "Vera"}}
    wiki = workspace.add_database("Wiki", {"Name": "title", "Proof": "verification", "Who": "people"}).data_source
    wiki.add_page({"Proof": Raw(proof), "Who": [bob.id, "99999999-0000-4000-8000-000000000000"]})
    bench.sync()
    assert users(bench) == {
        ada.id: ("user", "person", "Ada", "ada@example.org"),
        GROUP["id"]: ("group", None, "Crew", None),
        bob.id: ("user", "bot", "Bob", None),
        verifier.id: ("user", None, "Vera", None),
        "99999999-0000-4000-8000-000000000000": ("user", None, None, None),
    }


def test_users_of_excluded_properties_do_not_land(workspace: Workspace, bench: Bench, ada: User) -> None:
    boss = workspace.add_user("Boss")
    source = workspace.add_database("Reviews", {"Name": "title", "Who": "people", "Judge": "people"}).data_source
    source.add_page({"Who": [ada.id], "Judge": [boss.id]})
    bench.settings = {"streams": {"Reviews": {"exclude_properties": ["Judge"]}}}
    bench.sync()
    assert list(users(bench)) == [ada.id]


def test_users_of_a_property_that_is_excluded_later_go(workspace: Workspace, bench: Bench, ada: User) -> None:
    """But for those whom another property shows, here or in another table."""
    boss, bob, cy = (workspace.add_user(name) for name in ("Boss", "Bob", "Cy"))
    source = workspace.add_database("Reviews", {"Name": "title", "Who": "people", "Judge": "people"}).data_source
    source.add_page({"Who": [ada.id, cy.id], "Judge": [boss.id, ada.id, bob.id]})
    others = workspace.add_database("Tasks", {"Name": "title", "Made by": "created_by"}).data_source
    others.add_page({"Name": "x"}, created_by=bob)
    bench.sync()
    assert set(users(bench)) == {ada.id, cy.id, boss.id, bob.id}
    bench.settings = {"streams": {"Reviews": {"exclude_properties": ["Judge"]}}}
    bench.sync()
    assert set(users(bench)) == {ada.id, cy.id, bob.id}


def test_second_sync_writes_no_user(bench: Bench, tasks: DataSource) -> None:
    bench.sync()
    before = bench.query("SELECT * FROM notion.users ORDER BY id")
    bench.sync()
    bench.sync("FULL_TABLE")
    assert bench.query("SELECT * FROM notion.users ORDER BY id") == before


def test_no_table_is_made_where_nobody_is_seen(workspace: Workspace, bench: Bench) -> None:
    workspace.add_database("Plain", {"Name": "title"}).data_source.add_page({"Name": "x"})
    bench.sync()
    assert bench.tables() == {"databases", "plain"}


def test_partial_user_wipes_neither_name_nor_email(
    workspace: Workspace, bench: Bench, tasks: DataSource, ada: User
) -> None:
    bench.sync()
    workspace.token.user_information = "none"
    tasks.add_page({"Task": "two", "Who": [ada.id]})
    bench.sync()
    assert users(bench)[ada.id] == ("user", "person", "Ada", "ada@example.org")
    workspace.token.user_information = "without_email"
    workspace.rename_user(ada, "Ada King")
    tasks.add_page({"Task": "three", "Who": [ada.id]})
    bench.sync()
    assert users(bench)[ada.id] == ("user", "person", "Ada King", "ada@example.org")


def test_renamed_person_shows_the_new_name_in_rows_that_nobody_edited(
    workspace: Workspace, bench: Bench, tasks: DataSource, ada: User
) -> None:
    schema = {
        "Name": "title",
        "Tasks": {"type": "relation", "target": tasks},
        "People": {"type": "rollup", "relation": "Tasks", "property": "Who", "function": "show_original"},
    }
    projects = workspace.add_database("Projects", schema).data_source
    projects.add_page({"Name": "Tent", "Tasks": tasks.pages})
    bench.sync()
    make_views(bench)
    shown = f"SELECT who, made_by, editor FROM {SCHEMA}.tasks WHERE task = 'one'"
    assert bench.query(shown) == [("Ada, Crew", "Ada", "Ada")]
    workspace.rename_user(ada, "Ada King")
    tasks.add_page({"Task": "two", "Who": [ada.id]})
    bench.sync()
    assert keep_views(bench.catalog, "notion") == ""
    assert bench.query(shown) == [("Ada King, Crew", "Ada King", "Ada King")]
    assert bench.query(f"SELECT people FROM {SCHEMA}.projects") == [("Ada King, Crew",)]
    # The row itself is as it was when it was read.
    assert bench.query("SELECT who[1].name FROM notion.tasks WHERE task = 'one'") == [("Ada",)]


def test_views_show_what_rows_know_where_there_are_no_users(bench: Bench, tasks: DataSource) -> None:
    """As in a catalog of before the table of users, or where somebody dropped it."""
    bench.sync()
    with bench.catalog.writing() as connection:
        make_former(connection)
        connection.execute("DROP TABLE notion.users; DROP TABLE _notion_pipeline.content_tables")
    make_views(bench)
    assert bench.query(f"SELECT who, made_by FROM {SCHEMA}.tasks") == [("Ada, Crew", "Ada")]
    bench.sync("FULL_TABLE")
    assert keep_views(bench.catalog, "notion") == ""
    assert set(users(bench)) >= {GROUP["id"]}
    assert bench.query(f"SELECT who, made_by FROM {SCHEMA}.tasks") == [("Ada, Crew", "Ada")]


def test_name_is_kept_from_titles(workspace: Workspace, bench: Bench, tasks: DataSource) -> None:
    database = workspace.add_database("Users", {"Name": "title"})
    bench.sync()
    assert bench.tables() == {"databases", "tasks", "users", f"users_{database.id.replace('-', '')[:8]}"}


@pytest.mark.parametrize("holder", ["CREATE TABLE notion.users (mine VARCHAR)", "CREATE VIEW notion.users AS SELECT 1"])
def test_table_that_has_the_name_keeps_it(bench: Bench, tasks: DataSource, holder: str) -> None:
    bench.list()
    bench.execute(holder)
    bench.sync()
    bench.sync("FULL_TABLE")
    assert len(users(bench, "users_")) == 2
    make_views(bench)
    assert bench.query(f"SELECT who FROM {SCHEMA}.tasks") == [("Ada, Crew",)]


def test_table_of_a_database_that_holds_the_name_keeps_it() -> None:
    database = NamedDatabase("aaaaaaaa-0000-4000-8000-000000000000", "Users", (("one", "Users"),))
    assert table_names([database], held={"one": "users"}).tables == {"one": "users"}
    assert table_names([database], held={}).tables == {"one": "users_aaaaaaaa"}
    configured = NamedDatabase(database.database_id, "People", database.data_sources, "users")
    assert table_names([configured], held={}).tables == {"one": "users"}


def test_configured_name_moves_the_table_of_users_out_of_the_way(bench: Bench, tasks: DataSource) -> None:
    bench.settings = {"streams": {"Tasks": {"table": "users"}}}
    bench.sync()
    bench.sync()
    assert bench.tables() == {"databases", "users", "users_"}
    assert len(users(bench, "users_")) == 2
