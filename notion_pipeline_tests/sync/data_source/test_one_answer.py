"""What a full read costs, to the request: three queries where the live rows fit one answer, and still nothing lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from notion_pipeline.sandbox.control.faults import Fault
from notion_pipeline.sandbox.edits.bulk import add_rows
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.http.server import SandboxServer
from notion_pipeline.sandbox.model.objects import DataSource, Page
from notion_pipeline_tests.support.sync.engine import TOKEN, Engine, Outcome
from notion_pipeline_tests.support.sync.truth import differences

pytestmark = pytest.mark.slow


QUERY = r"POST .*/query$"
SCHEMA: dict[str, Any] = {
    "Name": "title",
    "Effort": "number",
    "State": {"type": "select", "options": ["Open", "Done"]},
    "Length": {
        "type": "formula",
        "expression": 'prop("Name").length()',
        "compute": lambda page: len(str(page["Name"])),
    },
}
BUMPED = {"archive_bumps": True, "trash_bumps": True}
SILENT = {"archive_bumps": False, "trash_bumps": False}


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    workspace = Workspace(token=TOKEN)
    with SandboxServer(workspace) as server:
        # One after another: which of several requests under way is answered first is chance.
        yield Engine(workspace, server.url, tmp_path, settings={"limits": {"concurrent_requests": 1}})


def tasks_in(engine: Engine, rows: int, title: str = "Tasks") -> DataSource:
    """A data source whose rows are older than any lookback."""
    source = engine.workspace.add_database(title, SCHEMA).data_source
    if rows:
        add_rows(source, rows, start="2026-01-01T00:00:00Z", minutes=rows)
    later(engine)
    return source


def later(engine: Engine) -> None:
    engine.workspace.clock.advance(timedelta(hours=1))


def synced(engine: Engine, sync_type: str | None = None) -> Outcome:
    outcome = engine.attempt(sync_type)
    assert outcome.success, outcome.reasons
    return outcome


def kinds(outcome: Outcome) -> list[str]:
    """The requests for data sources in their order: `archived`, `live`, `edited` (since), `schema`, `item`."""
    found = []
    for request in outcome.requests:
        if request.path.endswith("/query"):
            stamps = str(request.body.get("filter"))
            edited = "last_edited_time" in stamps
            found.append("archived" if request.body.get("is_archived") else "edited" if edited else "live")
        elif "/data_sources/" in request.path:
            found.append("schema")
        elif "/properties/" in request.path:
            found.append("item")
    return found


def at_query(engine: Engine, at: int, change: Callable[[], Any]) -> None:
    """Makes a change just before the n-th query is answered."""
    engine.workspace.faults.add(Fault("call", match=QUERY, at=at, callable=change))


# Counts


@pytest.mark.parametrize("rows", [0, 1, 40, 100])
def test_live_rows_of_one_answer_cost_three_requests(engine: Engine, rows: int) -> None:
    source = tasks_in(engine, rows)
    assert kinds(synced(engine)) == ["archived", "live", "archived"]
    assert differences(engine, engine.workspace, source) == []
    later(engine)
    assert kinds(synced(engine, "FULL_TABLE")) == ["archived", "live", "archived"]
    later(engine)
    assert kinds(synced(engine)) == ["edited"]


def test_archived_rows_do_not_count(engine: Engine) -> None:
    source = tasks_in(engine, 250)
    for page in source.pages[:150]:
        engine.workspace.archive(page)
    later(engine)
    assert kinds(synced(engine)) == [*["archived"] * 2, "live", *["archived"] * 2]
    assert differences(engine, engine.workspace, source) == []


@pytest.mark.parametrize(("rows", "answers"), [(101, 2), (250, 3)])
def test_more_answers_are_caught_up_with_and_their_schema_is_asked_for_again(
    engine: Engine, rows: int, answers: int
) -> None:
    source = tasks_in(engine, rows)
    assert kinds(synced(engine)) == ["archived", *["live"] * answers, "edited", "archived", "schema"]
    assert differences(engine, engine.workspace, source) == []


def test_account_without_archived_rows_pays_one_query(engine: Engine) -> None:
    engine.workspace.switches.is_archived_served = False
    for number in range(3):
        tasks_in(engine, 5, f"Tasks {number}")
    # That there are none is asked once a run.
    assert kinds(synced(engine)) == ["archived", "live", "live", "live"]
    later(engine)
    assert kinds(synced(engine, "FULL_TABLE")) == ["archived", "live", "live", "live"]


def test_many_small_databases_cost_one_search_a_hundred_and_four_requests_each(engine: Engine) -> None:
    """300 databases of 40 rows are 1,203 requests at first and 905 in full; here are 30."""
    for number in range(30):
        tasks_in(engine, 4, f"Tasks {number}")
    first = Counter(request.path.split("/")[2] for request in synced(engine).requests)
    assert first == {"search": 1, "databases": 30, "data_sources": 90}
    later(engine)
    full = Counter(request.path.split("/")[2] for request in synced(engine, "FULL_TABLE").requests)
    assert full == {"search": 1, "databases": 2, "data_sources": 90}


def test_values_that_had_to_be_completed_are_caught_up_with(engine: Engine) -> None:
    """They are of a later moment than their rows, so an edit in between has to be read again."""
    workspace = engine.workspace
    people = [workspace.add_user(f"Person {number}") for number in range(30)]
    source = workspace.add_database("Teams", {"Name": "title", "Who": "people", "Effort": "number"}).data_source
    row = source.add_page({"Who": people, "Effort": 1})
    later(engine)
    edit = {"Effort": 2, "Who": []}
    workspace.faults.add(Fault("call", match="GET .*/properties/", callable=lambda: workspace.edit_page(row, edit)))
    assert kinds(synced(engine)) == ["archived", "live", "item", "edited", "archived"]
    assert differences(engine, workspace, source) == []


def test_read_that_is_resumed_is_caught_up_with(engine: Engine) -> None:
    source = tasks_in(engine, 5)
    refusal = {"status": 400, "code": "invalid_request", "message": "Not now."}
    engine.workspace.faults.add(Fault("status", match=QUERY, at=3, **refusal))
    assert not engine.attempt().success
    later(engine)
    engine.workspace.edit_page(source.pages[0], {"Effort": 1000})
    engine.workspace.archive(source.pages[1])
    later(engine)
    assert kinds(synced(engine)) == ["edited", "archived", "schema"]
    assert differences(engine, engine.workspace, source) == []


def test_data_source_that_seems_emptied_is_asked_for_before_its_rows_are_removed(engine: Engine) -> None:
    """Nothing tells what a query on a data source in the trash answers (notion-api.md section 4)."""
    source = tasks_in(engine, 5)
    synced(engine)
    later(engine)
    engine.workspace.switches.trashed_source_query = "rows"

    at_query(engine, 1, lambda: engine.workspace.trash_database(source.database))
    empty = Fault("alter", match=QUERY, times=100, callable=lambda body: body.update(results=[]))
    engine.workspace.faults.add(empty)
    outcome = engine.attempt("FULL_TABLE")
    assert "in Notion's trash" in outcome.reasons
    assert engine.query("SELECT count(*) FROM notion.tasks") == [(5,)]


def test_data_source_that_was_emptied_costs_one_request_more_once(engine: Engine) -> None:
    source = tasks_in(engine, 5)
    synced(engine)
    for page in source.pages:
        engine.workspace.delete(page)
    for more in (["schema"], []):
        later(engine)
        assert kinds(synced(engine, "FULL_TABLE")) == ["archived", "live", "archived", *more]
        assert engine.query("SELECT count(*) FROM notion.tasks") == [(0,)]


# Rows that move


@pytest.mark.parametrize("switches", [BUMPED, SILENT], ids=["bumped", "silent"])
@pytest.mark.parametrize("at", [1, 2, 3])
def test_row_that_moves_during_the_read_is_there_once(engine: Engine, switches: dict[str, Any], at: int) -> None:
    """Whether or not the move changes its stamp, and whichever query it comes before."""
    workspace = engine.workspace
    workspace.switches.update(switches)
    source = tasks_in(engine, 8)
    for page in source.pages[:3]:
        workspace.archive(page)
    later(engine)
    kept: list[Page] = source.pages[:8]

    def move() -> None:
        workspace.clock.advance(timedelta(seconds=20))
        workspace.unarchive(kept[0])
        workspace.archive(kept[4])

    at_query(engine, at, move)
    assert kinds(synced(engine)) == ["archived", "live", "archived"]
    assert sorted(engine.query("SELECT id FROM notion.tasks")) == sorted((page.id,) for page in kept)


@pytest.mark.parametrize("at", [1, 2, 3])
def test_edit_during_the_read_comes_with_the_next_sync(engine: Engine, at: int) -> None:
    source = tasks_in(engine, 8)

    def edit() -> None:
        engine.workspace.edit_page(source.pages[2], {"Effort": 1000})
        source.add_page({"Name": "New"})
        engine.workspace.trash(source.pages[3])

    at_query(engine, at, edit)
    synced(engine)
    assert engine.query("SELECT count(*) FROM notion.tasks WHERE effort = 1000") == [(1 if at < 3 else 0,)]
    later(engine)
    assert kinds(synced(engine)) == ["edited", "schema"]
    assert engine.query("SELECT count(*) FROM notion.tasks WHERE effort = 1000") == [(1,)]
    later(engine)
    synced(engine, "FULL_TABLE")
    assert differences(engine, engine.workspace, source) == []


# Schema


@pytest.mark.parametrize("at", [1, 2])
@pytest.mark.parametrize("change", ["added", "removed", "renamed", "retyped", "swapped"])
def test_property_that_changes_before_the_rows_starts_the_read_over(engine: Engine, change: str, at: int) -> None:
    source = tasks_in(engine, 5)

    def swap() -> None:
        source.rename_property("Name", "between")
        source.rename_property("Effort", "Name")
        source.rename_property("between", "Effort")

    changes: dict[str, Callable[[], Any]] = {
        "added": lambda: source.add_property("Note", "rich_text"),
        "removed": lambda: source.remove_property("Effort"),
        "renamed": lambda: source.rename_property("Effort", "Points"),
        "retyped": lambda: source.retype_property("Effort", "rich_text"),
        "swapped": swap,
    }
    at_query(engine, at, changes[change])
    outcome = synced(engine)
    once = ["archived", "live", "archived"]
    assert kinds(outcome) == [*once, "schema", *once]
    assert sum("the read starts over" in line for line in outcome.log) == 1
    assert differences(engine, engine.workspace, source) == []


@pytest.mark.parametrize("at", [1, 2, 3])
def test_change_that_rows_do_not_show_makes_the_next_read_full(engine: Engine, at: int) -> None:
    source = tasks_in(engine, 5)
    engine.workspace.edit_page(source.pages[0], {"State": "Done"})
    later(engine)
    at_query(engine, at, lambda: source.rename_option("State", "Done", "Finished"))
    assert kinds(synced(engine)) == ["archived", "live", "archived"]
    later(engine)
    outcome = synced(engine)
    assert kinds(outcome) == ["archived", "live", "archived"]
    assert any('option "Done" of "State" was renamed to "Finished"' in line for line in outcome.log)
    assert differences(engine, engine.workspace, source) == []


def test_rows_that_never_carry_the_schema_cost_one_request_more(engine: Engine) -> None:
    """Where Notion left a property out of its rows, the schema is asked for, and the rows are good."""
    source = tasks_in(engine, 5)

    def leave_out(body: dict[str, Any]) -> None:
        for row in body["results"]:
            del row["properties"]["Effort"]

    engine.workspace.faults.add(Fault("alter", match=QUERY, times=100, callable=leave_out))
    outcome = synced(engine)
    assert kinds(outcome) == ["archived", "live", "archived", "schema"]
    assert engine.query("SELECT count(*), count(effort) FROM notion.tasks") == [(len(source.pages), 0)]


def test_excluded_property_is_no_difference(engine: Engine) -> None:
    engine.settings["streams"] = {"Tasks": {"exclude_properties": ["Effort"]}}
    source = tasks_in(engine, 5)
    assert kinds(synced(engine)) == ["archived", "live", "archived"]
    assert differences(engine, engine.workspace, source, excluded=["Effort"]) == []
