"""A minute with more rows than a query gives: cut by every kind of property that can, or refused with the reason."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from notion_pipeline.errors import IncompleteExtractError
from notion_pipeline.extraction.read_progress import ReadLimits
from notion_pipeline.sandbox.control.faults import Fault
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.model.objects import DataSource
from notion_pipeline_tests.support.reader import Reader

MINUTE = datetime(2026, 3, 4, 10, 15, tzinfo=timezone.utc)
ROWS = 230
QUERY = r"POST .*/query$"
OPTIONS = ("Red", "Green", "Blue")


def overfull(workspace: Workspace, kind: Any, value: Callable[[int], Any], rows: int = ROWS) -> DataSource:
    """A data source with rows before, in and after a minute that holds more of them than a query gives."""
    workspace.result_cap = 100
    schema = {"Name": "title", **({"Splits": kind} if kind else {})}
    source = workspace.add_database("Import", schema).data_source
    for number in range(rows):
        values = {"Name": f"Row {number}"} | ({"Splits": value(number)} if kind and value(number) is not None else {})
        source.add_page(values, created_at=MINUTE + timedelta(milliseconds=number))
    for number in range(130):
        source.add_page({"Name": f"Later {number}"}, created_at=MINUTE + timedelta(minutes=1 + number))
        source.add_page({"Name": f"Earlier {number}"}, created_at=MINUTE - timedelta(minutes=1 + number))
    return source


def ids(source: DataSource) -> set[str]:
    return {page.id for page in source.pages}


def day(number: int) -> str | None:
    return None if number % 5 == 0 else (datetime(2024, 1, 1) + timedelta(days=number)).date().isoformat()


def moment(number: int) -> str | None:
    return None if number % 7 == 0 else f"2026-03-04T10:{number % 60:02d}:{number // 60:02d}.000+05:30"


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ({"type": "unique_id", "prefix": "ROW"}, lambda n: None),
        ("checkbox", lambda n: n % 2 == 0),
        ({"type": "select", "options": OPTIONS}, lambda n: (*OPTIONS, None)[n % 4]),
        ({"type": "status", "options": OPTIONS}, lambda n: OPTIONS[n % 3]),
        ("number", lambda n: None if n % 9 == 0 else n / 8 - 5),
        ("number", lambda n: None if n % 5 == 0 else 1e15 if n == 44 else n),
        ("date", day),
        ("date", moment),
    ],
    ids=["unique_id", "checkbox", "select", "status", "number", "skewed number", "date", "date with a time"],
)
def test_overfull_minute_is_read_whole(
    workspace: Workspace, reader: Reader, kind: Any, value: Callable[[int], Any]
) -> None:
    """Ties in another order for every query, cursors on current data: the parts must hold all the same."""
    workspace.switches.update({"unstable_ties": True, "live_cursors": True, "fine_instants": True})
    rows = 170 if kind == "checkbox" else ROWS
    source = overfull(workspace, kind, value, rows)
    assert reader.read(source).pages.keys() == ids(source)
    assert any("share the minute 2026-03-04 10:15" in line for line in reader.lines)


def test_ids_of_an_overfull_minute_are_cut_into_as_many_ranges_as_it_takes(
    workspace: Workspace, reader: Reader
) -> None:
    reader.limits = ReadLimits(ids_per_part=40)
    source = overfull(workspace, {"type": "unique_id"}, lambda n: None)
    assert reader.read(source).pages.keys() == ids(source)
    # Six ranges and what has no id.
    assert any("reading it in 7" in line for line in reader.lines)


def test_overfull_minute_is_split_by_who_made_the_rows(workspace: Workspace, reader: Reader) -> None:
    people = [workspace.add_user(f"Person {number}") for number in range(5)]
    workspace.result_cap = 100
    source = workspace.add_database("Import", {"Name": "title", "By": "created_by"}).data_source
    for number in range(ROWS):
        source.add_page({}, created_at=MINUTE, created_by=people[number % 5])
    assert reader.read(source).pages.keys() == ids(source)


def test_several_properties_split_where_one_is_not_enough(workspace: Workspace, reader: Reader) -> None:
    workspace.result_cap = 40
    schema = {"Name": "title", "A": "checkbox", "B": "checkbox", "C": {"type": "select", "options": OPTIONS}}
    source = workspace.add_database("Import", schema).data_source
    for number in range(ROWS):
        values = {"A": number % 2 == 0, "B": number // 2 % 2 == 0, "C": OPTIONS[number % 3]}
        source.add_page(values, created_at=MINUTE)
    assert reader.read(source).pages.keys() == ids(source)


def test_overfull_minute_of_archived_rows_is_split_too(workspace: Workspace, reader: Reader) -> None:
    source = overfull(workspace, {"type": "unique_id"}, lambda n: None)
    for page in source.pages:
        workspace.archive(page)
    read = reader.read(source)
    assert read.pages.keys() == ids(source)
    assert all(row["is_archived"] for row in read.rows)


def test_option_that_came_after_the_schema_was_read_is_in_a_part(workspace: Workspace, reader: Reader) -> None:
    """An added option starts no read over, so the parts must cover rows that have it."""
    source = overfull(workspace, {"type": "select", "options": OPTIONS}, lambda n: OPTIONS[n % 3])

    def add() -> None:
        for page in source.pages[130 + 150 : 130 + 170]:  # beyond what the capped query gave before the split
            workspace.edit_page(page, {"Splits": "Violet"}, edited_at=MINUTE)

    workspace.faults.add(Fault("call", match=QUERY, callable=add))
    assert reader.read(source).pages.keys() == ids(source)


def test_minute_that_nothing_splits_fails_with_the_reason(workspace: Workspace, reader: Reader) -> None:
    source = overfull(workspace, None, lambda n: None)
    with pytest.raises(IncompleteExtractError) as raised:
        reader.read(source)
    assert "2026-03-04 10:15 UTC" in str(raised.value)
    assert "unique ID" in raised.value.hint


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("checkbox", lambda n: True),
        ({"type": "select", "options": OPTIONS}, lambda n: "Red"),
        ("number", lambda n: 7),
        ("number", lambda n: None),
        ("date", lambda n: "2026-01-01"),
        ("created_by", lambda n: None),
    ],
    ids=["checkbox", "select", "number", "empty", "date", "created_by"],
)
def test_values_all_alike_split_nothing(
    workspace: Workspace, reader: Reader, kind: Any, value: Callable[[int], Any]
) -> None:
    source = overfull(workspace, kind, value)
    with pytest.raises(IncompleteExtractError, match="10:15 UTC"):
        reader.read(source)


def test_overfull_part_costs_one_request(workspace: Workspace, reader: Reader) -> None:
    """Every page of a capped query says so: a part that will be split is not read to its end first."""
    workspace.result_cap = 300
    source = workspace.add_database("Import", {"Name": "title", "Key": {"type": "unique_id"}}).data_source
    for _ in range(2000):
        source.add_page({}, created_at=MINUTE)
    read = reader.read(source)
    assert read.pages.keys() == ids(source)
    # Read to its end each time, every part that is split would cost two requests more.
    assert len(read.requests) <= 58


def test_killed_read_of_an_overfull_minute_goes_on_with_the_part_it_was_in(
    workspace: Workspace, reader: Reader
) -> None:
    source = overfull(workspace, {"type": "unique_id"}, lambda n: None)
    undisturbed = len(Reader(workspace, reader.client, reader.directory.with_name("whole"), []).read(source).requests)
    for at in (8, 11, 14):
        workspace.requests.clear()
        workspace.faults.add(Fault("status", match=QUERY, at=at, status=400, code="invalid_request", message="No."))
        with pytest.raises(Exception, match=r"No\."):
            reader.read(source)
        read = reader.read(source)
        assert read.pages.keys() == ids(source)
        assert len(workspace.requests) <= undisturbed + 4
        read.stage.remove()
