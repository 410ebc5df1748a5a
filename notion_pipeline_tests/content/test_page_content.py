"""Page content, the whole way: what is due, what is read, what the catalog holds then."""

from __future__ import annotations

from datetime import timedelta

import dagster as dg
import pytest

from notion_pipeline.sandbox.control.faults import Fault
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.model.objects import DataSource, Page
from notion_pipeline_tests.content.conftest import NAMES, sources
from notion_pipeline_tests.support.whole_way import REFUSAL, SCHEMA, Pipeline, Run

MARKDOWN = "/markdown"
JOB = "notion_content"


def page(tasks: DataSource, name: str) -> Page:
    return next(found for found in tasks.pages if found.title == name)


def contents(pipeline: Pipeline) -> dict[str, str]:
    return dict(pipeline.query("SELECT title, markdown FROM notion.page_content"))


def read_again(pipeline: Pipeline) -> Run:
    """A sync of the rows, then one of the content."""
    assert pipeline.sync().success
    return pipeline.sync(JOB)


def test_each_page_lands_once(words: Pipeline) -> None:
    run = words.sync(JOB)
    assert run.success, run.log
    assert run.asked(MARKDOWN) == len(run.requests) == 3
    rows = words.query("SELECT title, markdown, path, truncated, unknown_block_ids FROM notion.page_content ORDER BY 1")
    assert rows == [(name, f"# {name}\nWhat {name} says.", ["Tasks"], False, []) for name in NAMES]


def test_second_run_asks_for_nothing(words: Pipeline) -> None:
    words.sync(JOB)
    before = words.query("FROM notion.page_content ORDER BY page_id")
    assert words.sync(JOB).requests == []
    assert words.query("FROM notion.page_content ORDER BY page_id") == before


def test_edited_page_is_read_again_and_no_other(words: Pipeline, workspace: Workspace, tasks: DataSource) -> None:
    words.sync(JOB)
    untouched = words.query("FROM notion.page_content WHERE title <> 'Second' ORDER BY page_id")
    workspace.set_content(page(tasks, "Second"), "Other words.")
    workspace.edit_page(page(tasks, "Second"), {"Effort": 2})
    workspace.clock.advance(timedelta(hours=1))
    assert read_again(words).asked(MARKDOWN) == 1
    assert contents(words)["Second"] == "Other words."
    assert words.query("FROM notion.page_content WHERE title <> 'Second' ORDER BY page_id") == untouched


def test_edit_within_the_minute_of_a_read_is_found(words: Pipeline, workspace: Workspace, tasks: DataSource) -> None:
    """Two edits of one minute bear the same stamp."""
    second = page(tasks, "Second")
    workspace.add_block(second, "paragraph", "Early.")
    read_again(words)
    workspace.add_block(second, "paragraph", "Late.")
    workspace.clock.advance(timedelta(minutes=1))
    assert read_again(words).asked(MARKDOWN) == 1
    assert contents(words)["Second"].endswith("Early.\nLate.")
    assert words.sync(JOB).requests == []


def test_edit_without_a_stamp_is_found_by_age(words: Pipeline, workspace: Workspace, tasks: DataSource) -> None:
    words.sync(JOB)
    workspace.add_block(page(tasks, "First"), "paragraph", "Unstamped.", stamps_page=False)
    assert words.sync(JOB).requests == []
    words.configure(sources("{refresh_every: 1m, pages: false, users: false}"))
    assert words.sync(JOB).requests == []
    with_age = "UPDATE _notion_pipeline.page_read_versions SET read_at = read_at - INTERVAL 2 MINUTE"
    words.change(with_age)
    assert words.sync(JOB).asked(MARKDOWN) == 3
    assert contents(words)["First"].endswith("Unstamped.")
    assert words.count("page_content") == 3


def test_parts_that_notion_cuts_are_put_in_their_place(
    words: Pipeline, workspace: Workspace, tasks: DataSource
) -> None:
    long = page(tasks, "First")
    for number in range(6):
        toggle = workspace.add_block(long, "toggle", f"Part {number}", children=["a", "b"])
        inner = workspace.add_block(toggle, "bulleted_list_item", "deeper", children=["c"])
        workspace.add_block(inner, "bulleted_list_item", "deepest", children=["d", "e"])
    workspace.clock.advance(timedelta(hours=1))
    read_again(words)
    whole = contents(words)["First"]
    workspace.markdown_limit = 5
    words.configure(sources("{refresh_every: 1m, pages: false, users: false}"))
    words.change("UPDATE _notion_pipeline.page_read_versions SET read_at = read_at - INTERVAL 2 MINUTE")
    run = words.sync(JOB)
    assert run.success, run.log
    assert run.asked(MARKDOWN) > 3
    assert contents(words)["First"] == whole
    assert words.value("SELECT bool_or(truncated) FROM notion.page_content") is False


def test_part_that_is_not_shared_stays_a_tag_and_is_named(
    words: Pipeline, workspace: Workspace, tasks: DataSource
) -> None:
    hidden = workspace.add_page("Secret plans", parent=page(tasks, "First"))
    workspace.unshare_page(hidden)
    workspace.clock.advance(timedelta(hours=1))
    assert read_again(words).success
    text, truncated, unknown = words.query(
        "SELECT markdown, truncated, unknown_block_ids FROM notion.page_content WHERE title = 'First'"
    )[0]
    assert "<unknown" in text
    assert "Secret" not in text
    assert (truncated, unknown) == (False, [hidden.id])


def test_address_of_a_hosted_file_has_no_signature(words: Pipeline, workspace: Workspace, tasks: DataSource) -> None:
    workspace.add_block(page(tasks, "First"), "image", hosted="chart.png")
    workspace.clock.advance(timedelta(hours=1))
    read_again(words)
    before = words.query("FROM notion.page_content ORDER BY page_id")
    assert "chart.png" in contents(words)["First"]
    assert "X-Amz" not in contents(words)["First"]
    words.configure(sources("{refresh_every: 1m, pages: false, users: false}"))
    words.change("UPDATE _notion_pipeline.page_read_versions SET read_at = read_at - INTERVAL 2 MINUTE")
    assert words.sync(JOB).asked(MARKDOWN) == 3
    assert words.query("FROM notion.page_content ORDER BY page_id") == before


def test_failing_page_is_named_and_read_by_the_next_run(
    words: Pipeline, workspace: Workspace, tasks: DataSource
) -> None:
    bad = page(tasks, "Second")
    workspace.faults.add(Fault("status", match=f"{bad.id}/markdown", **REFUSAL))
    run = words.sync(JOB)
    assert not run.success
    assert f'"Second" ({bad.id})' in run.log
    assert "1 of 3 pages could not be read; the others are committed." in run.log
    assert set(contents(words)) == {"First", "Third"}
    again = words.sync(JOB)
    assert again.success
    assert again.asked(MARKDOWN) == 1
    assert set(contents(words)) == set(NAMES)


def test_connection_that_may_not_read_content_is_told_so(words: Pipeline, workspace: Workspace) -> None:
    refusal = {"status": 403, "code": "restricted_resource", "message": "Insufficient permissions."}
    workspace.faults.add(Fault("status", match=MARKDOWN, times=100, **refusal))
    run = words.sync(JOB)
    assert not run.success
    assert 'capability "Read content"' in run.log


@pytest.mark.parametrize("deleted_rows", ["remove", "mark"])
def test_words_go_with_their_row(words: Pipeline, workspace: Workspace, tasks: DataSource, deleted_rows: str) -> None:
    words.configure(sources(more=f"    deleted_rows: {deleted_rows}\n    sync_type: FULL_TABLE\n"))
    words.sync(JOB)
    gone = page(tasks, "Third")
    workspace.trash(gone)
    assert words.sync().success
    if deleted_rows == "remove":
        assert set(contents(words)) == {"First", "Second"}
    else:
        marked = "SELECT title FROM notion.page_content WHERE _deleted_at IS NOT NULL"
        assert words.query(marked) == [("Third",)]
    workspace.restore(gone)
    workspace.clock.advance(timedelta(hours=1))
    assert read_again(words).asked(MARKDOWN) == 1
    assert set(contents(words)) == set(NAMES)
    if deleted_rows == "mark":
        assert words.value("SELECT count(_deleted_at) FROM notion.page_content") == 0


def test_only_chosen_databases_are_read(words: Pipeline, workspace: Workspace) -> None:
    for title in ("Notes", "Minutes"):
        workspace.add_database(title, SCHEMA).data_source.add_page({"Name": title}, content="Said.")
    workspace.clock.advance(timedelta(hours=1))
    words.configure(
        sources("{select: [N*], pages: false, users: false}", "    streams:\n      Minutes: {content: true}\n")
    )
    run = read_again(words)
    assert run.success, run.log
    assert set(contents(words)) == {"Notes", "Minutes"}


def test_rows_alone_ask_for_no_content(pipeline: Pipeline, tasks: DataSource) -> None:
    pipeline.configure("sources:\n  - name: notion\n    account: {type: token}\n")
    assert pipeline.sync().asked(MARKDOWN) == 0
    names = {key.path[-1] for key in pipeline.definitions().resolve_all_asset_keys()}
    assert names.isdisjoint({"content", "page_content", "users", "pages", "comments", "files"})


def test_partition_is_read_alone_and_tells_its_figures(words: Pipeline, workspace: Workspace) -> None:
    workspace.add_database("Notes", SCHEMA).data_source.add_page({"Name": "Note"}, content="Noted.")
    workspace.clock.advance(timedelta(hours=1))
    assert words.sync().success
    run = words.sync(partition="notes", asset="page_content")
    assert run.success, run.log
    assert set(contents(words)) == {"Note"}
    [record] = words.instance.fetch_materializations(dg.AssetKey(["notion", "page_content"]), limit=10).records
    assert record.partition_key == "notes"
    metadata = record.asset_materialization.metadata
    assert (metadata["pages_due"].value, metadata["pages_inserted"].value) == (1, 1)


def test_whole_run_materializes_each_partition(words: Pipeline) -> None:
    words.sync(JOB)
    key = dg.AssetKey(["notion", "page_content"])
    assert words.instance.get_materialized_partitions(key) == {"tasks"}
    whole = words.instance.get_latest_materialization_event(dg.AssetKey(["notion", "content"]))
    assert whole.asset_materialization.metadata["pages_read"].value == 3
    assert whole.asset_materialization.metadata["requests_made"].value == 3
