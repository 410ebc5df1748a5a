"""More rows than a query gives, more in one minute than a window can take, more references than a row shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from notion_pipeline.sandbox.edits.bulk import add_rows
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.http.server import SandboxServer
from notion_pipeline.sandbox.model.objects import DataSource
from notion_pipeline_tests.support.sync.engine import TOKEN, Engine, Outcome
from notion_pipeline_tests.support.sync.truth import differences

pytestmark = [pytest.mark.slow, pytest.mark.long]


START = "2026-03-01T00:00:00Z"


@contextmanager
def imported(folder: Path, schema: dict[str, Any], rows: int, *, minutes: float) -> Iterator[tuple[Engine, DataSource]]:
    """A data source with that many rows, made evenly over so many minutes."""
    workspace = Workspace(token=TOKEN)
    source = workspace.add_database("Import", schema).data_source
    add_rows(source, rows, start=START, minutes=minutes)
    with SandboxServer(workspace) as server:
        yield Engine(workspace, server.url, folder), source


def synced(engine: Engine) -> Outcome:
    outcome = engine.attempt()
    assert outcome.success, outcome.reasons
    return outcome


def arrived(engine: Engine) -> tuple[int, set[str]]:
    """How many rows the table has, and their ids."""
    ids = [row[0] for row in engine.query("SELECT id FROM notion.import")]
    return len(ids), set(ids)


def test_25000_rows_arrive_as_25000_distinct_ids(tmp_path: Path) -> None:
    with imported(tmp_path, {"Name": "title", "Effort": "number"}, 25_000, minutes=5_000) as (engine, source):
        outcome = synced(engine)
        assert arrived(engine) == (25_000, {page.id for page in source.pages})
        assert engine.query("SELECT count(*), count(DISTINCT name) FROM notion.import") == [(25_000, 25_000)]
        # The bound of a full read, and the listing's search and database.
        assert len(outcome.requests) <= 1.06 * 250 + 8 + 2


def overfull(folder: Path, schema: dict[str, Any]) -> None:
    """12,000 rows of one minute, and 600 in the ten around it."""
    with imported(folder, schema, 12_000, minutes=1) as (engine, source):
        add_rows(source, 600, start="2026-02-28T23:55:00Z", minutes=11, seed=1)
        synced(engine)
        assert arrived(engine) == (12_600, {page.id for page in source.pages})
        assert any("share the minute 2026-03-01 00:00" in line for line in engine.lines)


def test_12000_rows_of_one_minute_arrive_whole_by_their_unique_ids(tmp_path: Path) -> None:
    overfull(tmp_path, {"Name": "title", "Key": {"type": "unique_id", "prefix": "ROW"}})


def test_12000_rows_of_one_minute_arrive_whole_by_select_and_checkbox(tmp_path: Path) -> None:
    """11,000 of them are not done: that part is cut once more."""
    kinds: dict[str, Callable[[int], Any]] = {
        "Done": lambda number: number % 12 == 0,
        "Kind": lambda number: ("Bug", "Feature")[number // 12 % 2] if number % 12 else None,
    }
    schema = {"Name": "title", "Kind": {"type": "select", "options": ["Bug", "Feature"]}, "Done": "checkbox"}
    with imported(tmp_path, schema, 0, minutes=1) as (engine, source):
        for number in range(12_000):
            values = {name: value for name, make in kinds.items() if (value := make(number)) is not None}
            source.add_page({"Name": f"Row {number}", **values}, created_at=START)
        synced(engine)
        assert arrived(engine) == (12_000, {page.id for page in source.pages})
        assert engine.query("SELECT count(*) FROM notion.import WHERE done AND kind IS NULL") == [(1_000,)]


def test_140_relations_arrive_in_notions_order(tmp_path: Path) -> None:
    workspace = Workspace(token=TOKEN)
    tasks = workspace.add_database("Tasks", {"Name": "title"}).data_source
    pages = [tasks.add_page({"Name": f"Task {number}"}) for number in range(140)]
    ordered = [page.id for page in (*pages[1::2], *reversed(pages[::2]))]
    links = workspace.add_database("Links", {"Name": "title", "Tasks": {"type": "relation", "target": tasks}})
    links.data_source.add_page({"Name": "All", "Tasks": ordered})
    workspace.clock.advance(timedelta(hours=1))
    with SandboxServer(workspace) as server:
        engine = Engine(workspace, server.url, tmp_path)
        outcome = synced(engine)
        assert engine.query("SELECT tasks FROM notion.links") == [(ordered,)]
        assert differences(engine, workspace, links.data_source) == []
        # 100 references a request.
        assert sum("/properties/" in request.path for request in outcome.requests) == 2
