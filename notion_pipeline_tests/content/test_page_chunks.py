"""S.page_chunks, the whole way: made with the content, again only where it changed, and gone with it."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.catalog.content.chunks import write_chunks
from notion_pipeline.config.content import Chunks
from notion_pipeline.content.chunks import CutPage, cut_page
from notion_pipeline.defs.content import chunks
from notion_pipeline.sandbox.control.faults import Fault
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.model.objects import DataSource, Page
from notion_pipeline_tests.support.catalog import catalogs
from notion_pipeline_tests.support.whole_way import REFUSAL, SCHEMA, Pipeline, later, synced

CHUNKS = "SELECT ordinal, heading_path, text FROM notion.page_chunks k JOIN notion.tasks t ON t.id = k.page_id"


def configure(pipeline: Pipeline, chunks: str = "true", more: str = "") -> None:
    """Sources.yaml with these chunks; every sync is full, so that rows that are gone are found gone."""
    pipeline.configure(
        "sources:\n  - name: notion\n    account: {type: token}\n"
        f"    content: {{pages: false, users: false, chunks: {chunks}}}\n"
        f"    streams: {{Tasks: {{sync_type: FULL_TABLE{more}}}}}\n"
    )


def read(pipeline: Pipeline) -> int:
    """Syncs and reads content; how many requests the content took."""
    synced(pipeline)
    return len(synced(pipeline, "notion_content").requests)


def chunks_of(pipeline: Pipeline, name: str) -> list[tuple[Any, ...]]:
    return pipeline.query(f"{CHUNKS} WHERE t.name = ? ORDER BY ordinal", [name])


@pytest.fixture
def tasks(pipeline: Pipeline, workspace: Workspace) -> DataSource:
    """Three pages of 150 characters under two headings, one without a word; read with chunks of 100."""
    source = workspace.add_database("Tasks", SCHEMA).data_source
    for name in ("First", "Second", "Third"):
        source.add_page({"Name": name}, content=f"# {name}\n{'a' * 70}\n## Below\n{name * 12}")
    source.add_page({"Name": "Empty"})
    later(workspace, hours=1)
    configure(pipeline, "{max_characters: 100}")
    assert read(pipeline) == 4
    return source


def rewrite(workspace: Workspace, page: Page, text: str) -> None:
    """Other words on a page, and its stamp."""
    workspace.set_content(page, text)
    workspace.edit_page(page, {"Effort": 2})


def change_catalog(pipeline: Pipeline, sql: str) -> None:
    with catalogs.changing(pipeline.project.root) as connection:
        connection.execute(sql)


def by_hand(pipeline: Pipeline) -> set[str]:
    """Pages whose chunks were not made again since they were changed by hand."""
    return {name for name in ("First", "Second", "Third") if chunks_of(pipeline, name)[0][2] == "by hand"}


def test_pages_are_cut_as_they_are_read(pipeline: Pipeline, tasks: DataSource) -> None:
    assert chunks_of(pipeline, "First") == [
        (0, [], f"# First\n{'a' * 70}"),
        (1, ["First"], f"## Below\n{'First' * 12}"),
    ]
    assert pipeline.count("page_chunks") == 6
    assert pipeline.value("SELECT count(DISTINCT content_hash) FROM notion.page_chunks") == 6


def test_only_pages_that_changed_are_cut_again(pipeline: Pipeline, workspace: Workspace, tasks: DataSource) -> None:
    later(workspace, hours=1)
    change_catalog(pipeline, "UPDATE notion.page_chunks SET text = 'by hand'")
    assert read(pipeline) == 0
    assert by_hand(pipeline) == {"First", "Second", "Third"}
    # An edit of the row alone is read, and leaves the content as it was.
    workspace.edit_page(tasks.pages[0], {"Effort": 1})
    rewrite(workspace, tasks.pages[1], "Other words.")
    later(workspace, hours=1)
    assert read(pipeline) == 2
    assert by_hand(pipeline) == {"First", "Third"}
    assert chunks_of(pipeline, "Second") == [(0, [], "Other words.")]


def test_other_settings_cut_all_pages_again_without_a_request(
    pipeline: Pipeline, workspace: Workspace, tasks: DataSource
) -> None:
    configure(pipeline, "true")
    assert read(pipeline) == 0
    assert chunks_of(pipeline, "First") == [(0, [], f"# First\n{'a' * 70}\n## Below\n{'First' * 12}")]
    configure(pipeline, "true", ", content: {chunks: {max_characters: 100}}")
    assert read(pipeline) == 0
    assert len(chunks_of(pipeline, "First")) == 2


def test_content_from_before_is_cut_when_chunks_are_switched_on(pipeline: Pipeline, tasks: DataSource) -> None:
    configure(pipeline, "false")
    assert read(pipeline) == 0
    assert pipeline.count("page_chunks") == 0
    configure(pipeline, "{max_characters: 100}")
    run = (synced(pipeline), synced(pipeline, "notion_content"))[1]
    assert run.requests == []
    assert pipeline.count("page_chunks") == 6


@pytest.mark.parametrize("deleted_rows", ["remove", "mark"])
def test_chunks_go_with_their_page(
    pipeline: Pipeline, workspace: Workspace, tasks: DataSource, deleted_rows: str
) -> None:
    text = (pipeline.project.root / "sources.yaml").read_text(encoding="utf-8")
    pipeline.configure(text.replace("    content:", f"    deleted_rows: {deleted_rows}\n    content:"))
    page = tasks.pages[0]
    workspace.trash(page)
    later(workspace, hours=1)
    read(pipeline)
    assert pipeline.count("page_chunks") == 4
    assert pipeline.count("page_content") == (3 if deleted_rows == "remove" else 4)
    workspace.restore(page)
    later(workspace, hours=1)
    read(pipeline)
    assert len(chunks_of(pipeline, "First")) == 2


def test_a_page_that_fails_keeps_its_chunks(pipeline: Pipeline, workspace: Workspace, tasks: DataSource) -> None:
    for page in tasks.pages:
        rewrite(workspace, page, "Other words.")
    later(workspace, hours=1)
    synced(pipeline)
    workspace.faults.add(Fault("status", match=f"GET .*{tasks.pages[0].id}/markdown", times=99, **REFUSAL))
    assert not pipeline.sync("notion_content").success
    assert len(chunks_of(pipeline, "First")) == 2
    assert chunks_of(pipeline, "Second") == [(0, [], "Other words.")]


def test_a_table_that_was_dropped_is_filled_again(pipeline: Pipeline, tasks: DataSource) -> None:
    change_catalog(pipeline, "DROP TABLE notion.page_chunks")
    assert read(pipeline) == 0
    assert pipeline.count("page_chunks") == 6


def test_pages_are_cut_while_others_may_write(
    pipeline: Pipeline, workspace: Workspace, tasks: DataSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = Catalog(catalogs.location(pipeline.project.root), log=lambda _: None, wait_seconds=1)
    written: list[str] = []

    def write(page_id: str) -> None:
        with catalog.writing() as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS main.others (page_id VARCHAR)")
            connection.execute("INSERT INTO main.others VALUES (?)", [page_id])
        written.append(page_id)

    def cut(page_id: str, *others: Any) -> CutPage:
        thread = threading.Thread(target=write, args=[page_id])
        thread.start()
        thread.join()
        return cut_page(page_id, *others)

    monkeypatch.setattr(chunks, "cut_page", cut)
    rewrite(workspace, tasks.pages[1], "Other words.")
    later(workspace, hours=1)
    assert read(pipeline) == 1
    assert written == [tasks.pages[1].id]
    assert chunks_of(pipeline, "Second") == [(0, [], "Other words.")]
    # Those of pages that were read before, too.
    configure(pipeline, "true")
    assert read(pipeline) == 0
    assert sorted(written[1:]) == sorted(page.id for page in tasks.pages)


def test_chunks_of_content_that_changed_meanwhile_are_not_written(pipeline: Pipeline, tasks: DataSource) -> None:
    page_id, held = tasks.pages[0].id, chunks_of(pipeline, "First")
    stale = cut_page(page_id, "Words from before.", "another hash", Chunks())
    catalog = Catalog(catalogs.location(pipeline.project.root), log=lambda _: None)
    assert catalog.commit(lambda connection: write_chunks(connection, "notion", [stale])) == 0
    assert chunks_of(pipeline, "First") == held
