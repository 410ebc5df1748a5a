"""Days in flat views: right in every session time zone, whatever form Notion gave a date in."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest

from notion_pipeline.catalog.views.flat_views import apply_changes, view_changes
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.http.server import SandboxServer
from notion_pipeline.sandbox.model.values import Raw
from notion_pipeline_tests.support.catalog import catalogs
from notion_pipeline_tests.support.sync.bench import Bench

ZONES = ("UTC", "America/Los_Angeles", "Pacific/Kiritimati", "Asia/Kolkata", "Pacific/Pago_Pago")
SCHEMA = "notion_views"

#: Notion's date, and the days that it begins and ends on.
DATES: dict[str, tuple[Any, str | None, str | None]] = {
    "a day": ({"start": "2026-03-01", "end": None, "time_zone": None}, "2026-03-01", None),
    "days": ({"start": "2026-02-28", "end": "2026-03-01", "time_zone": None}, "2026-02-28", "2026-03-01"),
    "a time with an offset": (
        {"start": "2026-03-01T23:30:00.000-08:00", "end": None, "time_zone": None},
        "2026-03-02",
        None,
    ),
    "times in a zone": (
        {"start": "2026-03-01T00:30:00.000", "end": "2026-03-01T23:30:00.000", "time_zone": "Asia/Tokyo"},
        "2026-03-01",
        "2026-03-01",
    ),
    "an offset and a zone": (
        {"start": "2026-03-02T07:30:00.000+00:00", "end": None, "time_zone": "America/Los_Angeles"},
        "2026-03-01",
        None,
    ),
    "a zone that nobody knows": (
        {"start": "2026-03-02T07:30:00.000+00:00", "end": None, "time_zone": "Mars/Olympus"},
        "2026-03-02",
        None,
    ),
    "nothing": (None, None, None),
}


@pytest.fixture
def bench(workspace: Workspace, sandbox: SandboxServer, tmp_path: Path) -> Bench:
    return Bench(workspace, sandbox.url, tmp_path)


def make_views(bench: Bench) -> None:
    with bench.catalog.writing() as connection:
        apply_changes(connection, SCHEMA, view_changes(connection, "notion", SCHEMA))


def ask(bench: Bench, zone: str, sql: str) -> list[tuple[Any, ...]]:
    with catalogs.reading(bench.folder) as connection:
        connection.execute(f"SET TimeZone = '{zone}'")
        return connection.execute(sql).fetchall()


def day(text: str | None) -> datetime.date | None:
    return None if text is None else datetime.date.fromisoformat(text)


@pytest.mark.parametrize("zone", ZONES)
def test_days_are_right_in_every_session_time_zone(workspace: Workspace, bench: Bench, zone: str) -> None:
    formula = {"type": "formula", "expression": "?", "compute": page_date, "result_type": "date"}
    schema = {"Name": "title", "Due": "date", "Computed": formula, "Checked": "verification"}
    source = workspace.add_database("Tasks", schema).data_source
    for name, (given, _, _) in DATES.items():
        checked = Raw({"state": "verified", "date": given, "verified_by": None})
        source.add_page({"Name": name, "Due": Raw(given), "Checked": checked})
    bench.sync()
    make_views(bench)
    for columns in ("due", "computed", "checked"):
        found = ask(bench, zone, f"SELECT name, {columns}_date, {columns}_end_date FROM {SCHEMA}.tasks")
        assert {row[0]: row[1:] for row in found} == {
            name: (day(start), day(end)) for name, (_, start, end) in DATES.items()
        }
    same = ask(bench, zone, f"SELECT name FROM {SCHEMA}.tasks WHERE due_start IS DISTINCT FROM checked_start")
    assert same == []


def page_date(page: Any) -> Any:
    return DATES[page["Name"]][0]


def test_days_get_out_of_the_way_of_columns(workspace: Workspace, bench: Bench) -> None:
    schema = {"Name": "title", "Due": "date", "Due date": "rich_text", "Due end": "date"}
    source = workspace.add_database("Tasks", schema).data_source
    dates = {"Due": {"start": "2026-03-01", "end": "2026-03-04"}, "Due end": {"start": "2026-05-05"}}
    source.add_page({"Name": "x", "Due date": "a text", **dates})
    bench.sync()
    make_views(bench)
    due, end = (source.properties[name].id.encode().hex() for name in ("Due", "Due end"))
    columns = f'due_date, "due_date_{due}", due_end_date, "due_end_date_{end}"'
    ((text, *days),) = ask(bench, "America/Los_Angeles", f"SELECT {columns} FROM {SCHEMA}.tasks")
    assert text == "a text"
    assert days == [day("2026-03-01"), day("2026-03-04"), day("2026-05-05")]
