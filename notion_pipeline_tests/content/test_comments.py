"""`S.comments`, the whole way: which pages are due, what is read, and what becomes of comments that are gone."""

from __future__ import annotations

from typing import Any

import dagster as dg
import pytest

from notion_pipeline.sandbox.control.faults import Fault
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.model.objects import DataSource
from notion_pipeline.sandbox.model.richtext import mention_user, text
from notion_pipeline_tests.support.catalog import catalogs
from notion_pipeline_tests.support.whole_way import REFUSAL, SCHEMA, Pipeline, Run, later, synced

CONTENT = "sources:\n  - name: notion\n    account: {type: token}\n    content: {pages: false, users: false, %s}\n"
COMMENTS = "GET /v1/comments"
CHILDREN = "/children"


@pytest.fixture
def tasks(workspace: Workspace) -> DataSource:
    """Three pages whose edits are an hour old."""
    source = workspace.add_database("Tasks", SCHEMA).data_source
    for name in ("one", "two", "three"):
        source.add_page({"Name": name})
    later(workspace, hours=1)
    return source


@pytest.fixture
def words(pipeline: Pipeline, tasks: DataSource) -> Pipeline:
    pipeline.configure(CONTENT % "comments: true")
    synced(pipeline)
    return pipeline


def read(pipeline: Pipeline) -> Run:
    return synced(pipeline, "notion_content")


def texts(pipeline: Pipeline) -> list[str]:
    return [row[0] for row in pipeline.query("SELECT text FROM notion.comments ORDER BY created_time, text")]


def metadata(pipeline: Pipeline) -> dict[str, Any]:
    event = pipeline.instance.get_latest_materialization_event(dg.AssetKey(["notion", "comments"]))
    assert event is not None and event.asset_materialization is not None
    return {key: value.value for key, value in event.asset_materialization.metadata.items()}


def age(pipeline: Pipeline) -> None:
    """Makes the reads of all comments a day older."""
    with catalogs.changing(pipeline.project.root) as connection:
        connection.execute("UPDATE _notion_pipeline.comment_read_versions SET read_at = read_at - INTERVAL 1 DAY")


def test_comments_of_each_page_land_as_notion_gives_them(
    words: Pipeline, workspace: Workspace, tasks: DataSource
) -> None:
    ada = workspace.add_user("Ada")
    one = tasks.pages[0]
    first = workspace.add_comment(one, [text("Look, "), mention_user(ada)], by=ada)
    workspace.add_comment(one, "Done.", first.discussion_id, attachments=[("image", "shot.png")])
    workspace.add_comment(tasks.pages[1], "Elsewhere", display_name="Support desk")
    run = read(words)
    assert (run.asked(COMMENTS), run.asked(CHILDREN)) == (3, 0)
    assert "The comments of 3 pages are due: a request a page" in run.log
    names = "page_id, block_id, discussion_id, created_by, display_name, text"
    assert words.query(f"SELECT {names} FROM notion.comments WHERE id = ?", [first.id]) == [
        (one.id, None, first.discussion_id, ada.id, "Ada", "Look, @Ada")
    ]
    assert sorted(texts(words)) == ["Done.", "Elsewhere", "Look, @Ada"]
    ((attachments, created),) = words.query(
        "SELECT attachments->>'$[0].file.url', created_time FROM notion.comments WHERE attachments IS NOT NULL"
    )
    assert "shot.png" in attachments and "?" not in attachments
    assert created == workspace.clock.now().replace(second=0, microsecond=0)
    told = metadata(words)
    assert (told["pages_due"], told["pages_read"], told["comments_inserted"]) == (3, 3, 3)


def test_second_run_makes_no_request_and_old_comments_are_read_again(
    words: Pipeline, workspace: Workspace, tasks: DataSource
) -> None:
    workspace.add_comment(tasks.pages[0], "Stays", attachments=[("pdf", "a.pdf")])
    read(words)
    before = words.query("SELECT * FROM notion.comments")
    assert read(words).requests == []
    age(words)
    later(workspace, hours=2)
    assert read(words).asked(COMMENTS) == 3
    assert words.query("SELECT * FROM notion.comments") == before
    assert metadata(words)["comments_unchanged"] == 1


def test_page_that_was_edited_is_due_at_once(words: Pipeline, workspace: Workspace, tasks: DataSource) -> None:
    read(words)
    workspace.add_comment(tasks.pages[0], "New")
    workspace.edit_page(tasks.pages[0], {"Effort": 3})
    later(workspace, hours=1)
    synced(words)
    assert read(words).asked(COMMENTS) == 1
    assert texts(words) == ["New"]


@pytest.mark.parametrize("deleted_rows", ["remove", "mark"])
def test_resolved_and_deleted_comments_go(
    pipeline: Pipeline, workspace: Workspace, tasks: DataSource, deleted_rows: str
) -> None:
    pipeline.configure(CONTENT % "comments: true" + f"    deleted_rows: {deleted_rows}\n")
    synced(pipeline)
    resolved = workspace.add_comment(tasks.pages[0], "resolved")
    deleted = workspace.add_comment(tasks.pages[0], "deleted")
    workspace.add_comment(tasks.pages[0], "open")
    of_gone_page = workspace.add_comment(tasks.pages[1], "of a page that goes")
    edited = workspace.add_comment(tasks.pages[2], "edited")
    read(pipeline)
    assert len(texts(pipeline)) == 5
    workspace.resolve_discussion(resolved.discussion_id)
    workspace.delete_comment(deleted)
    workspace.edit_comment(edited, "edited twice")
    workspace.trash(tasks.pages[1])
    later(workspace, hours=1)
    synced(pipeline, "notion_full_sync")
    live = "WHERE _deleted_at IS NULL" if deleted_rows == "mark" else ""
    shown = pipeline.query(f"SELECT text FROM notion.comments {live} ORDER BY text")
    assert shown == [("deleted",), ("edited",), ("open",), ("resolved",)]  # that of the page went with its row
    age(pipeline)
    read(pipeline)
    shown = pipeline.query(f"SELECT text FROM notion.comments {live} ORDER BY text")
    assert shown == [("edited twice",), ("open",)]
    assert metadata(pipeline)["comments_removed"] == 2
    if deleted_rows == "remove":
        return
    gone = pipeline.query("SELECT id FROM notion.comments WHERE _deleted_at IS NOT NULL")
    assert {row[0] for row in gone} == {resolved.id, deleted.id, of_gone_page.id}
    workspace.reopen_discussion(resolved.discussion_id)
    age(pipeline)
    read(pipeline)
    assert pipeline.query("SELECT _deleted_at FROM notion.comments WHERE id = ?", [resolved.id]) == [(None,)]


def test_long_threads_are_read_page_by_page(words: Pipeline, workspace: Workspace, tasks: DataSource) -> None:
    for number in range(230):
        workspace.add_comment(tasks.pages[0], f"{number}")
    assert read(words).asked(COMMENTS) == 5
    assert len(texts(words)) == 230


def test_connection_without_the_capability_is_a_note(words: Pipeline, workspace: Workspace, tasks: DataSource) -> None:
    workspace.add_comment(tasks.pages[0], "Stays")
    read(words)
    workspace.token.read_comments = False
    age(words)
    run = read(words)
    assert '"Read comments"' in run.log
    assert '"Read comments"' in metadata(words)["comments_not_permitted"]
    assert texts(words) == ["Stays"]


def test_page_that_fails_is_named_and_read_again_next_time(
    words: Pipeline, workspace: Workspace, tasks: DataSource
) -> None:
    for page in tasks.pages:
        workspace.add_comment(page, "x")
    workspace.faults.add(Fault("status", match=COMMENTS, at=2, **REFUSAL))
    run = words.sync("notion_content")
    assert not run.success
    assert "1 of 3 pages' comments could not be read; the others are committed." in run.log
    assert any(f'"{name}" (' in run.log for name in ("one", "two", "three"))
    assert len(texts(words)) == 2
    assert read(words).asked(COMMENTS) == 1
    assert len(texts(words)) == 3


def test_run_that_ends_in_the_middle_keeps_what_it_read(
    words: Pipeline, workspace: Workspace, tasks: DataSource
) -> None:
    for number in range(100):
        workspace.add_comment(tasks.add_page({"Name": f"more {number}"}), "x")
    later(workspace, hours=1)
    synced(words)

    def revoke() -> None:
        workspace.token.revoked = True

    workspace.faults.add(Fault("call", match=COMMENTS, at=60, callable=revoke))
    assert not words.sync("notion_content").success
    held = words.count("comments")
    assert 0 < held < 100
    workspace.token.revoked = False
    pages_read = words.value("SELECT count(*) FROM _notion_pipeline.comment_reads")
    assert read(words).asked(COMMENTS) == 103 - pages_read
    assert words.count("comments") == 100


def test_comments_on_blocks_are_read_where_they_are_asked_for(
    words: Pipeline, workspace: Workspace, tasks: DataSource
) -> None:
    page = tasks.pages[0]
    inner = {"type": "toggle", "text": "b", "children": [{"type": "to_do", "text": "deep"}]}
    toggle = workspace.add_block(page, "toggle", "a", children=[inner])
    (inner_block,) = toggle.children
    (deep,) = inner_block.children
    sub_page = workspace.add_page("Sub-page", parent=page)
    sub_block = workspace.add_block(sub_page, "paragraph", "not entered")
    workspace.add_comment(page, "on the page")
    workspace.add_comment(toggle.id, "on the toggle")
    workspace.add_comment(deep.id, "deep down")
    workspace.add_comment(sub_page, "of another page")
    workspace.add_comment(sub_block.id, "of another page's block")
    later(workspace, hours=1)
    synced(words)
    assert read(words).asked(CHILDREN) == 0
    assert texts(words) == ["on the page"]
    # Now that blocks are asked for, every page is due again.
    words.configure(CONTENT % "comments: inline")
    run = read(words)
    assert "Of 3 pages those on blocks are read too" in run.log
    # What lies in three pages and in two toggles; comments of three pages and three blocks.
    assert (run.asked(CHILDREN), run.asked(COMMENTS)) == (3 + 2, 3 + 3)
    rows = words.query("SELECT text, page_id, block_id FROM notion.comments ORDER BY text")
    assert rows == [
        ("deep down", page.id, deep.id),
        ("on the page", page.id, None),
        ("on the toggle", page.id, toggle.id),
    ]
    assert read(words).requests == []
    # Back to the page alone: what hangs on blocks is not looked at, so it stays.
    words.configure(CONTENT % "comments: page")
    age(words)
    assert read(words).asked(CHILDREN) == 0
    assert len(texts(words)) == 3


def test_copies_of_synced_blocks_are_left_to_the_page_of_the_original(
    words: Pipeline, workspace: Workspace, tasks: DataSource
) -> None:
    original = workspace.add_block(tasks.pages[0], "synced_block", children=["shared"])
    workspace.add_block(tasks.pages[1], "synced_block", synced_from=original)
    (line,) = original.children
    workspace.add_comment(line.id, "once")
    later(workspace, hours=1)
    synced(words)
    words.configure(CONTENT % "comments: inline")
    read(words)
    assert words.query("SELECT text, page_id FROM notion.comments") == [("once", tasks.pages[0].id)]


def test_streams_choose_their_own_comments(pipeline: Pipeline, workspace: Workspace, tasks: DataSource) -> None:
    others = workspace.add_database("Notes", SCHEMA).data_source
    note = others.add_page({"Name": "note"})
    workspace.add_comment(note, "chosen")
    workspace.add_comment(tasks.pages[0], "not chosen")
    later(workspace, hours=1)
    pipeline.configure(CONTENT % "comments: false" + "    streams: {Notes: {content: {comments: page}}}\n")
    synced(pipeline)
    assert read(pipeline).asked(COMMENTS) == 1
    assert texts(pipeline) == ["chosen"]


def test_no_comments_are_read_unless_they_are_asked_for(pipeline: Pipeline, tasks: DataSource) -> None:
    pipeline.configure(CONTENT % "files: false")
    synced(pipeline)
    assert read(pipeline).asked(COMMENTS) == 0


@pytest.mark.parametrize("deleted_rows", ["remove", "mark"])
def test_pages_in_no_database_have_their_comments_too(
    pipeline: Pipeline, workspace: Workspace, tasks: DataSource, deleted_rows: str
) -> None:
    handbook = workspace.add_page("Handbook", shared=True, content="Read this.")
    workspace.add_comment(handbook, "On the page")
    workspace.add_comment(tasks.pages[0], "On a row")
    later(workspace, hours=1)
    content = (CONTENT % "comments: true").replace("pages: false", "pages: true")
    pipeline.configure(content + f"    deleted_rows: {deleted_rows}\n")
    synced(pipeline)
    pages = len(workspace.pages)
    assert read(pipeline).asked(COMMENTS) == pages
    assert texts(pipeline) == ["On a row", "On the page"]
    assert metadata(pipeline)["pages_due"] == pages
    assert read(pipeline).asked(COMMENTS) == 0
    workspace.trash(handbook)
    later(workspace, hours=1)
    read(pipeline)
    there = "SELECT text FROM notion.comments" + (" WHERE _deleted_at IS NULL" if deleted_rows == "mark" else "")
    assert pipeline.query(there) == [("On a row",)]
    assert pipeline.count("comments") == (2 if deleted_rows == "mark" else 1)


def test_pages_in_no_database_are_left_alone_where_their_content_is(
    words: Pipeline, workspace: Workspace, tasks: DataSource
) -> None:
    workspace.add_comment(workspace.add_page("Handbook", shared=True), "On the page")
    assert read(words).asked(COMMENTS) == len(tasks.pages)
