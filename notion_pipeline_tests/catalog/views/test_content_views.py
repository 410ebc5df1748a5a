"""Views of content: what they show beside the rows, how they are named, and that they come and go with the content."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import orjson
import pytest

from notion_pipeline.catalog.content.chunks import write_chunks
from notion_pipeline.catalog.content.page_content import write_content
from notion_pipeline.catalog.upkeep.leftovers import remove_source, rename_source
from notion_pipeline.catalog.views.flat_views import apply_changes, keep_views, view_changes
from notion_pipeline.config.content import Chunks
from notion_pipeline.content.chunks import cut_page
from notion_pipeline.content.pages import DuePage, PageContent, PageResult
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.http.server import SandboxServer
from notion_pipeline.sandbox.model.objects import DataSource
from notion_pipeline_tests.support.catalog import catalogs
from notion_pipeline_tests.support.sync.bench import Bench

NOW = datetime(2026, 7, 1, tzinfo=timezone.utc)
TICKETS = {
    "Ticket": "title",
    "Status": {"type": "select", "options": ["Open"]},
    "Tags": "multi_select",
    "Text": "number",
}


@pytest.fixture
def tickets(workspace: Workspace) -> DataSource:
    """Two tickets, and the people they name."""
    customers = workspace.add_database("Customers", {"Name": "title"}).data_source
    shop = customers.add_page({"Name": "Shop"})
    schema = {**TICKETS, "Customer": {"type": "relation", "target": customers}}
    source = workspace.add_database("Tickets", schema).data_source
    source.add_page({"Ticket": "Money", "Status": "Open", "Tags": ["a", "b"], "Text": 3, "Customer": [shop.id]})
    source.add_page({"Ticket": "Nothing"})
    return source


@pytest.fixture
def bench(workspace: Workspace, sandbox: SandboxServer, tmp_path: Path, tickets: DataSource) -> Bench:
    """Synced, with views."""
    bench = Bench(workspace, sandbox.url, tmp_path)
    bench.sync()
    assert set(make(bench)) == {"customers", "tickets"}
    return bench


def make(bench: Bench) -> dict[str, str]:
    with bench.catalog.writing() as connection:
        changes = view_changes(connection, "notion", "notion_views")
        apply_changes(connection, "notion_views", changes)
    return {change.view: change.action for change in changes}


def write(bench: Bench, source: DataSource, text: str, *, cut: bool = True) -> None:
    """Content of the first page of a data source, in chunks of 100 characters."""
    page = source.pages[0]
    due = DuePage(page.id, source.id, source.database.id, page.title, page.url, (source.name,), NOW)
    read = PageResult(due, PageContent(text, f"hash of {text}", truncated=False, unknown_block_ids=(), read_at=NOW))
    with bench.catalog.writing() as connection:
        write_content(connection, "notion", [read], NOW, deleted_rows="remove")
        if cut:
            cut = cut_page(page.id, text, f"hash of {text}", Chunks(max_characters=100))
            write_chunks(connection, "notion", [cut])


def rows(bench: Bench, query: str) -> list[dict[str, Any]]:
    with catalogs.reading(bench.folder) as connection:
        found = connection.execute(query)
        names = [column[0] for column in found.description or []]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def test_content_stands_beside_the_values_of_its_row(bench: Bench, tickets: DataSource) -> None:
    write(bench, tickets, f"# Refund\n{'please ' * 12}\n## When\n{'now ' * 20}")
    assert keep_views(bench.catalog, "notion") == ""
    (row,) = rows(bench, "SELECT * FROM notion_views.tickets_content")
    assert (row["ticket"], row["status"], row["tags"], row["customer"]) == ("Money", "Open", "a, b", "Shop")
    assert (row["path"], row["truncated"], row["markdown"][:8]) == (["Tickets"], False, "# Refund")
    found = rows(bench, "SELECT * FROM notion_views.tickets_chunks ORDER BY ordinal")
    assert [(row["ticket"], row["ordinal"], row["heading_path"]) for row in found] == [
        ("Money", 0, []),
        ("Money", 1, ["Refund"]),
    ]
    # A property has the name of a column of chunks, and keeps it.
    assert [(row["text"], row["text_"][:8]) for row in found] == [(3.0, "# Refund"), (3.0, "## When\n")]
    # An id that stands once a chunk is no key, and is not called `id`.
    assert {row["page_id"] for row in found} == {tickets.pages[0].id}
    assert "id" not in found[0]


def test_chunks_of_all_pages_have_the_plain_values_of_their_row(bench: Bench, tickets: DataSource) -> None:
    write(bench, tickets, "Refund, please.")
    make(bench)
    (row,) = rows(bench, "SELECT * FROM notion_views.page_chunks")
    assert (row["table_name"], row["title"], row["path"], row["text"]) == (
        *("tickets", "Money", ["Tickets"], "Refund, please."),
    )
    values = orjson.loads(row["properties"])
    assert values == {"ticket": "Money", "status": "Open", "tags": "a, b", "text": 3.0}


def test_views_of_content_come_and_go_with_it(bench: Bench, tickets: DataSource) -> None:
    write(bench, tickets, "Words.", cut=False)
    assert {name for name, action in make(bench).items() if action == "created"} == {"tickets_content"}
    write(bench, tickets, "Words.")
    assert {name for name, action in make(bench).items() if action == "created"} == {"tickets_chunks", "page_chunks"}
    assert set(make(bench).values()) == {"unchanged"}
    bench.execute("DELETE FROM notion.page_chunks")
    assert {name for name, action in make(bench).items() if action == "removed"} == {"tickets_chunks", "page_chunks"}
    bench.execute("DROP TABLE notion.page_content")
    assert {name for name, action in make(bench).items() if action == "removed"} == {"tickets_content"}


def test_no_view_loses_its_name_to_one_of_content(bench: Bench, workspace: Workspace, tickets: DataSource) -> None:
    bench.execute("CREATE VIEW notion_views.tickets_chunks AS SELECT 1 AS mine")
    write(bench, tickets, "Words.")
    make(bench)
    assert len(rows(bench, "FROM notion_views.tickets_chunks_")) == 1
    assert rows(bench, "FROM notion_views.tickets_chunks") == [{"mine": 1}]
    # A table that comes later has its flat view under its own name.
    workspace.add_database("Tickets content", {"Name": "title"}).data_source.add_page({"Name": "later"})
    bench.sync()
    make(bench)
    assert rows(bench, "FROM notion_views.tickets_content")[0]["name"] == "later"
    assert rows(bench, "FROM notion_views.tickets_content_")[0]["markdown"] == "Words."


def test_views_of_content_follow_their_table(bench: Bench, tickets: DataSource) -> None:
    write(bench, tickets, "Words.")
    make(bench)
    tickets.rename_property("Status", "State")
    tickets.retype_property("Text", "rich_text")
    bench.sync()
    assert keep_views(bench.catalog, "notion") == ""
    for view in ("tickets_content", "tickets_chunks"):
        (row,) = rows(bench, f"FROM notion_views.{view}")
        assert (row["state"], row["text"]) == ("Open", "3")


def test_content_goes_with_its_source(bench: Bench, tickets: DataSource) -> None:
    write(bench, tickets, "Words.")
    make(bench)
    with bench.catalog.writing() as connection:
        rename_source(connection, "notion", "company")
    assert [row["text"] for row in rows(bench, "FROM company.page_chunks")] == ["Words."]
    with bench.catalog.writing() as connection:
        assert {"page_chunks", "page_content"} <= set(remove_source(connection, "company").tables)
    assert not rows(bench, "SELECT 1 FROM duckdb_schemas() WHERE schema_name IN ('company', 'notion', 'notion_views')")
    assert not rows(bench, "FROM _notion_pipeline.chunked_pages")
