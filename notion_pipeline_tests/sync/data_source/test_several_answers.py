"""Reads of several answers, full and incremental: what they cost, and what would be wrong without each request."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from notion_pipeline.sandbox.control.faults import Fault
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.http.server import SandboxServer
from notion_pipeline.sandbox.model.objects import DataSource
from notion_pipeline_tests.support.sync.engine import TOKEN, Engine
from notion_pipeline_tests.support.sync.truth import differences
from notion_pipeline_tests.sync.data_source.test_one_answer import (
    BUMPED,
    QUERY,
    SILENT,
    at_query,
    kinds,
    later,
    synced,
    tasks_in,
)

pytestmark = [pytest.mark.slow, pytest.mark.long]

ROWS = 110
#: The queries of a full read of so many rows, in their order, by number.
BEFORE, FIRST, SECOND, EDITED, AFTER = 1, 2, 3, 4, 5
FULL = ["archived", "live", "live", "edited", "archived", "schema"]


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    workspace = Workspace(token=TOKEN)
    with SandboxServer(workspace) as server:
        # One after another: which of several requests under way is answered first is chance.
        yield Engine(workspace, server.url, tmp_path, settings={"limits": {"concurrent_requests": 1}})


@pytest.fixture
def source(engine: Engine) -> DataSource:
    """A data source of two answers, synced an hour ago; each `Effort` is its row's number."""
    source = tasks_in(engine, ROWS)
    for number, page in enumerate(source.pages):
        engine.workspace.edit_page(page, {"Effort": number}, edited_at=page.created_time)
    later(engine)
    synced(engine)
    later(engine)
    return source


def is_there(engine: Engine, page_id: str) -> bool:
    return engine.query("SELECT count(*) FROM notion.tasks WHERE id = ?", [page_id]) == [(1,)]


# What each query of a full read prevents


def test_archived_rows_before_hold_what_comes_back_behind_the_reader(engine: Engine, source: DataSource) -> None:
    """Its stamp does not move, so that neither what was edited nor the archived rows afterwards show it."""
    engine.workspace.switches.update(SILENT)
    page = source.pages[0]
    engine.workspace.archive(page)
    at_query(engine, SECOND, lambda: engine.workspace.unarchive(page))
    assert kinds(synced(engine, "FULL_TABLE")) == FULL
    assert is_there(engine, page.id)


def test_archived_rows_after_hold_what_is_archived_in_front_of_the_reader(engine: Engine, source: DataSource) -> None:
    engine.workspace.switches.update(SILENT)
    page = source.pages[-1]
    at_query(engine, SECOND, lambda: engine.workspace.archive(page))
    assert kinds(synced(engine, "FULL_TABLE")) == FULL
    assert is_there(engine, page.id)


def test_catch_up_holds_what_was_archived_for_a_moment(engine: Engine, source: DataSource) -> None:
    """No moment was without it, and no other query shows it."""
    engine.workspace.switches.update(BUMPED)
    page = source.pages[-1]
    at_query(engine, SECOND, lambda: engine.workspace.archive(page))
    at_query(engine, EDITED, lambda: engine.workspace.unarchive(page))
    assert kinds(synced(engine, "FULL_TABLE")) == FULL
    assert is_there(engine, page.id)


def test_catch_up_counts_once_what_moves_from_row_to_row(engine: Engine, source: DataSource) -> None:
    (total,) = engine.query("SELECT sum(effort) FROM notion.tasks")

    def move() -> None:
        engine.workspace.edit_page(source.pages[0], {"Effort": -1000})
        engine.workspace.edit_page(source.pages[-1], {"Effort": ROWS - 1 + 1000})

    at_query(engine, SECOND, move)
    assert kinds(synced(engine, "FULL_TABLE")) == FULL
    assert engine.query("SELECT sum(effort) FROM notion.tasks") == [total]


# What the rows themselves prove of the schema


def swap(source: DataSource) -> None:
    source.rename_property("Name", "between")
    source.rename_property("Effort", "Name")
    source.rename_property("between", "Effort")


def replace(source: DataSource) -> None:
    source.remove_property("Effort")
    source.add_property("Effort", "number")


SHOWN_BY_ROWS: dict[str, Callable[[DataSource], Any]] = {
    "added": lambda source: source.add_property("Note", "rich_text"),
    "removed": lambda source: source.remove_property("Effort"),
    "renamed": lambda source: source.rename_property("Effort", "Points"),
    "retyped": lambda source: source.retype_property("Effort", "rich_text"),
    "swapped": swap,
    "replaced": replace,
}


@pytest.mark.parametrize("at", [FIRST, SECOND])
@pytest.mark.parametrize("change", SHOWN_BY_ROWS)
def test_schema_edit_that_rows_show_starts_the_read_over(
    engine: Engine, source: DataSource, change: str, at: int
) -> None:
    at_query(engine, at, lambda: SHOWN_BY_ROWS[change](source))
    outcome = synced(engine, "FULL_TABLE")
    assert kinds(outcome) == [*FULL, *FULL]
    assert sum("the read starts over" in line for line in outcome.log) == 1
    assert differences(engine, engine.workspace, source) == []


@pytest.mark.parametrize(
    ("change", "at"),
    [
        *zip([*SHOWN_BY_ROWS, "option"], [FIRST, SECOND, EDITED, AFTER] * 2, strict=False),
        *(("option", at) for at in (FIRST, SECOND, AFTER)),
    ],
)
def test_schema_edit_at_any_moment_is_in_the_table_after_the_next_sync(
    engine: Engine, source: DataSource, change: str, at: int
) -> None:
    """Rows are edited beside it, one of them without a stamp that any later sync asks for."""
    workspace = engine.workspace
    workspace.edit_page(source.pages[7], {"State": "Done"}, edited_at=source.pages[7].created_time)

    def edit() -> None:
        workspace.edit_page(source.pages[3], {"State": "Done"})
        workspace.edit_page(source.pages[-3], {"State": "Done"})
        if change == "option":
            source.rename_option("State", "Done", "Finished")
        else:
            SHOWN_BY_ROWS[change](source)

    at_query(engine, at, edit)
    synced(engine, "FULL_TABLE")
    later(engine)
    synced(engine)
    assert differences(engine, workspace, source) == []


@pytest.mark.parametrize("at", [FIRST, SECOND])
def test_data_source_in_the_trash_between_two_answers_removes_no_row(
    engine: Engine, source: DataSource, at: int
) -> None:
    """Nothing tells what a query on it answers (notion-api.md section 4): here it gives nothing more."""
    engine.workspace.archive(source.pages[2])
    synced(engine, "FULL_TABLE")
    later(engine)
    engine.workspace.switches.trashed_source_query = "rows"
    at_query(engine, at, lambda: engine.workspace.trash_database(source.database))

    def nothing_more(body: dict[str, Any]) -> None:
        body.update(results=[], has_more=False, next_cursor=None)

    engine.workspace.faults.add(Fault("alter", match=QUERY, at=at, times=100, callable=nothing_more))
    assert "in Notion's trash" in engine.attempt("FULL_TABLE").reasons
    assert engine.query("SELECT count(*) FROM notion.tasks") == [(ROWS,)]


@pytest.mark.parametrize("at", [FIRST, SECOND, EDITED])
def test_option_renamed_in_the_midst_of_a_read_starts_it_over(engine: Engine, source: DataSource, at: int) -> None:
    """No row shows it by its stamp, and those that were read before hold the former name."""
    at_query(engine, at, lambda: source.rename_option("State", "Done", "Finished"))
    assert kinds(synced(engine, "FULL_TABLE")) == [*FULL, *FULL]
    assert differences(engine, engine.workspace, source) == []


# Incremental reads


def test_incremental_read_costs_its_answers_and_the_schema(engine: Engine, source: DataSource) -> None:
    for page in source.pages[:20]:
        engine.workspace.edit_page(page, {"Effort": 1000})
    assert kinds(synced(engine)) == ["edited", "schema"]
    later(engine)
    for page in source.pages:
        engine.workspace.edit_page(page, {"Effort": 2000})
    assert kinds(synced(engine)) == ["edited", "edited", "schema"]
    assert differences(engine, engine.workspace, source) == []


@pytest.mark.parametrize("change", SHOWN_BY_ROWS)
def test_schema_edit_before_an_incremental_read_makes_it_a_full_one(
    engine: Engine, source: DataSource, change: str
) -> None:
    """The edit comes after the listing saw the schema; other rows than the edited ones change with it."""
    engine.workspace.edit_page(source.pages[5], {"Effort": 1000})
    at_query(engine, 1, lambda: SHOWN_BY_ROWS[change](source))
    assert kinds(synced(engine)) == ["edited", "schema", *FULL]
    assert differences(engine, engine.workspace, source) == []


def test_option_renamed_before_an_incremental_read_makes_it_a_full_one(engine: Engine, source: DataSource) -> None:
    workspace = engine.workspace
    workspace.edit_page(source.pages[7], {"State": "Done"}, edited_at=source.pages[7].created_time)
    synced(engine, "FULL_TABLE")
    later(engine)
    workspace.edit_page(source.pages[5], {"State": "Done"})
    at_query(engine, 1, lambda: source.rename_option("State", "Done", "Finished"))
    assert kinds(synced(engine)) == ["edited", "schema", *FULL]
    assert differences(engine, workspace, source) == []
