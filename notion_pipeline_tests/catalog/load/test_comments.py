"""Comments: where each table comes from and what each column holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.http.server import SandboxServer
from notion_pipeline_tests.support.catalog.former_catalog import make_former
from notion_pipeline_tests.support.sync.bench import PAGE_COLUMNS, Bench

pytestmark = pytest.mark.slow


@pytest.fixture
def bench(workspace: Workspace, sandbox: SandboxServer, tmp_path: Path) -> Bench:
    return Bench(workspace, sandbox.url, tmp_path)


def comments(bench: Bench, table: str) -> dict[str, str]:
    found = bench.query("SELECT column_name, comment FROM duckdb_columns() WHERE table_name = ?", [table])
    return {name: comment for name, comment in found if name not in PAGE_COLUMNS}


def table_comment(bench: Bench, table: str) -> str:
    return str(bench.query("SELECT comment FROM duckdb_tables() WHERE table_name = ?", [table])[0][0])


def test_every_table_and_column_carries_a_comment(workspace: Workspace, bench: Bench) -> None:
    workspace.add_database("Tasks", {"Name": "title", "Done": "checkbox"})
    bench.settings = {"deleted_rows": "mark"}
    bench.sync()
    bare = bench.query(
        "SELECT table_name, NULL FROM duckdb_tables() WHERE schema_name = 'notion' AND comment IS NULL UNION ALL "
        "SELECT table_name, column_name FROM duckdb_columns() WHERE schema_name = 'notion' AND comment IS NULL"
    )
    assert bare == []


def test_comments_name_database_property_type_and_description(workspace: Workspace, bench: Bench) -> None:
    database = workspace.add_database(
        "Bob's tasks",
        {
            "Name": "title",
            "Effort": {"type": "number", "description": "In days; it's a guess"},
            "Twice": {"type": "formula", "compute": lambda page: "x"},
        },
    )
    database.add_data_source("Archive", {"Name": "title"})
    bench.sync()
    assert table_comment(bench, "bob_s_tasks") == f"Bob's tasks {database.url}"
    assert table_comment(bench, "bob_s_tasks__archive") == f"Bob's tasks / Archive {database.url}"
    assert comments(bench, "bob_s_tasks") == {
        "name": "Name (title)",
        "effort": "Effort (number); In days; it's a guess",
        "twice": "Twice (formula); refreshed by full sync",
    }


def test_comments_follow_what_is_renamed_without_changing_rows(workspace: Workspace, bench: Bench) -> None:
    database = workspace.add_database("Tasks", {"Name": "title", "Effort": {"type": "number", "description": "old"}})
    database.data_source.add_page({"Name": "one"})
    bench.sync()
    rows = bench.query("SELECT * FROM notion.tasks")
    workspace.rename_database(database, "Chores")
    database.data_source.properties["Effort"].description = "new"
    bench.sync()
    assert table_comment(bench, "tasks") == f"Chores {database.url}"
    assert comments(bench, "tasks")["effort"] == "Effort (number); new"
    assert bench.query("SELECT * FROM notion.tasks") == rows


def test_catalog_of_an_earlier_version_gets_its_comments(workspace: Workspace, bench: Bench) -> None:
    database = workspace.add_database("Tasks", {"Name": "title"})
    bench.sync()
    with bench.catalog.writing() as connection:
        make_former(connection)
        connection.execute("ALTER TABLE _notion_pipeline.reads DROP COLUMN comments")
        connection.execute("COMMENT ON TABLE notion.tasks IS 'as it used to be said'")
    bench.sync()
    assert table_comment(bench, "tasks") == f"Tasks {database.url}"


def test_comments_outlive_a_table_that_is_made_anew(workspace: Workspace, bench: Bench) -> None:
    source = workspace.add_database("Tasks", {"Name": "title"}).data_source
    bench.sync()
    source.add_property("New", "number")
    bench.sync()
    assert comments(bench, "tasks") == {"name": "Name (title)", "new": "New (number)"}
    assert table_comment(bench, "tasks") == f"Tasks {source.database.url}"


def test_relation_to_what_is_not_shared_says_so(workspace: Workspace, bench: Bench) -> None:
    secret = workspace.add_database("Secret", {"Name": "title"}, shared=False)
    schema = {"Name": "title", "Link": {"type": "relation", "target": secret}}
    source = workspace.add_database("Tasks", schema).data_source
    source.add_page({"Link": [secret.data_source.add_page({"Name": "hidden"})]})
    bench.sync()
    assert comments(bench, "tasks")["link"] == (
        "Link (relation); its target is not shared with the connection, so Notion shows it as empty"
    )
    workspace.share(secret)
    bench.sync()
    assert comments(bench, "tasks")["link"] == "Link (relation)"


@pytest.mark.parametrize("change", ["described", "added", "renamed", "retyped"])
def test_comments_of_the_user_stay_through_changes_and_ours_follow_them(
    workspace: Workspace, bench: Bench, change: str
) -> None:
    schema = {"Name": "title", "Effort": "number", "Note": {"type": "rich_text", "description": "old"}}
    source = workspace.add_database("Tasks", schema).data_source
    source.add_page({"Name": "one", "Effort": 1})
    bench.sync()
    bench.execute("COMMENT ON COLUMN notion.tasks.effort IS 'in days, says Bob'")
    bench.execute("COMMENT ON COLUMN notion.tasks.id IS 'our key'")
    bench.execute("COMMENT ON TABLE notion.tasks IS 'what we do'")
    source.properties["Note"].description = "new"
    effort = "effort"
    if change == "added":
        source.add_property("Due", "date")
    elif change == "renamed":
        source.rename_property("Effort", "Days")
        effort = "days"
    elif change == "retyped":
        source.retype_property("Note", "number")
    bench.sync()
    bench.sync("FULL_TABLE")
    found = comments(bench, "tasks")
    assert found[effort] == "in days, says Bob"
    assert found["note"] == f"Note ({'number' if change == 'retyped' else 'rich_text'}); new"
    assert table_comment(bench, "tasks") == "what we do"
    keys = "SELECT comment FROM duckdb_columns() WHERE table_name = 'tasks' AND column_name = 'id'"
    assert bench.query(keys) == [("our key",)]
    if change == "added":
        assert found["due"] == "Due (date)"


def test_comment_that_the_user_takes_away_is_ours_again(workspace: Workspace, bench: Bench) -> None:
    source = workspace.add_database("Tasks", {"Name": "title", "Effort": "number"}).data_source
    bench.sync()
    bench.execute("COMMENT ON COLUMN notion.tasks.effort IS 'mine'")
    source.add_property("Due", "date")
    bench.sync()
    bench.execute("COMMENT ON COLUMN notion.tasks.effort IS NULL")
    source.properties["Effort"].description = "in days"
    bench.sync()
    assert comments(bench, "tasks")["effort"] == "Effort (number); in days"
