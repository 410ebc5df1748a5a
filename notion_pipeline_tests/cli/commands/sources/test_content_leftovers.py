"""What a source leaves of content when it is removed, and keeps when it is renamed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from notion_pipeline.cli.process import environment, working_in
from notion_pipeline.cli.runs.sync_jobs import project_instance
from notion_pipeline.project import Project
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline_tests.support.catalog import catalogs
from notion_pipeline_tests.support.commands import Commands

pytestmark = [pytest.mark.slow, pytest.mark.long]

CONTENT_TABLES = ("page_content", "page_chunks", "users", "pages", "comments", "files")
ASSETS = {"content", "page_content", "users", "pages", "comments", "files"}


def configured(name: str) -> str:
    ages = "refresh_every: never, comments_every: never"
    content = f"{{comments: true, chunks: true, files: {{download_to: kept}}, {ages}}}"
    return f"sources: [{{name: {name}, account: {{type: token}}, content: {content}}}]\n"


@pytest.fixture
def commands(project: Project, workspace: Workspace) -> Commands:
    """A source whose content was read, with chunks, users, pages, comments and files, and has flat views."""
    source = workspace.add_database("Tasks", {"Name": "title", "Plan": "files"}).data_source
    for name in ("one", "two"):
        plan = workspace.add_file(f"{name}.txt", name.encode()).entry
        page = source.add_page({"Name": name, "Plan": [plan]}, content=f"Words of {name}.")
        workspace.add_comment(page, "Well said.")
    workspace.add_page("Handbook", shared=True)
    workspace.clock.advance(timedelta(hours=1))
    found = Commands(project)
    found.configure(configured("old"))
    found.ok("sync", "--content")
    found.ok("views")
    return found


def query(project: Project, sql: str) -> list[tuple[Any, ...]]:
    with catalogs.reading(project.root) as connection:
        return connection.execute(sql).fetchall()


def relations(project: Project, source: str) -> set[str]:
    """Tables and views in the schemas of a source, without its name."""
    rows = query(
        project,
        "SELECT schema_name, table_name FROM duckdb_tables() UNION ALL "
        "SELECT schema_name, view_name FROM duckdb_views() WHERE NOT internal",
    )
    return {f"{schema}.{name}".removeprefix(source) for schema, name in rows if schema in (source, f"{source}_views")}


def bookkeeping(project: Project, source: str) -> dict[str, int]:
    """Rows about a source in each table of the bookkeeping that has any."""
    names = query(
        project,
        "SELECT table_name FROM duckdb_columns() WHERE schema_name = '_notion_pipeline' AND column_name = 'source'",
    )
    counts = {
        name: query(project, f"SELECT count(*) FROM _notion_pipeline.{name} WHERE source = '{source}'")[0][0]
        for (name,) in names
    }
    return {name: count for name, count in counts.items() if count}


def assets(project: Project, source: str) -> set[str]:
    """Those of which Dagster keeps a history."""
    with working_in(project.root), environment(project.environ), project_instance(project) as instance:
        return {key.path[-1] for key in instance.get_asset_keys() if key.path[0] == source}


def test_removed_source_leaves_nothing_of_content(commands: Commands, project: Project) -> None:
    assert {f".{name}" for name in CONTENT_TABLES} <= relations(project, "old")
    assert assets(project, "old") >= ASSETS
    books = {"page_reads", "comment_reads", "chunked_pages", "page_searches", "content_tables"}
    assert books <= bookkeeping(project, "old").keys()
    commands.configure("sources: [{name: other, account: {type: token}}]\n")
    told = commands.ok("remove-source", "old", "--yes")
    assert all(f"old.{name}" in told for name in CONTENT_TABLES)
    assert relations(project, "old") == set()
    assert bookkeeping(project, "old") == {}
    assert assets(project, "old") == set()


def test_renamed_source_keeps_content_and_reads_none_again(
    commands: Commands, project: Project, workspace: Workspace
) -> None:
    before = {name: query(project, f"FROM old.{name} ORDER BY ALL") for name in CONTENT_TABLES}
    assert all(before.values())
    kept, books = relations(project, "old"), bookkeeping(project, "old")
    commands.ok("rename-source", "old", "new", "--yes")
    assert (relations(project, "old"), relations(project, "new")) == (set(), kept)
    assert (bookkeeping(project, "old"), bookkeeping(project, "new")) == ({}, books)
    assert assets(project, "old") == set()
    asked = len(workspace.requests)
    commands.ok("sync", "--content")
    paths = [request.path for request in workspace.requests[asked:]]
    parts = ("/markdown", "/comments", "/users", "/files")
    assert not [path for path in paths if any(part in path for part in parts)]
    assert {name: query(project, f"FROM new.{name} ORDER BY ALL") for name in CONTENT_TABLES} == before
