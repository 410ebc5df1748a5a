"""Which window a worker takes: help where rows are, none where it would cost more than it brings."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone

import pytest

from notion_pipeline.extraction.windows.scheduler import OpenWindow, OpenWindows
from notion_pipeline.extraction.windows.window import MINUTE, Window
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline_tests.support.reader import Reader

DAY = datetime(2026, 6, 1, tzinfo=timezone.utc)
HORIZON = DAY + timedelta(days=100)


def minutes(first: int, last: int, rows: int = 100) -> list[datetime]:
    """When the rows of an answer were made, in its order; numbers of minutes since the first of June."""
    return [DAY + (first + (last - first) * row // max(1, rows - 1)) * MINUTE for row in range(rows)]


def one_window(wasted: float = 0.0) -> OpenWindows:
    return OpenWindows({"live": [Window()]}, wasted=wasted, horizon=HORIZON)


def taken(windows: OpenWindows, rows_read: int = 0) -> OpenWindow:
    window = windows.take(rows_read)
    assert window is not None
    return window


def test_nobody_helps_before_a_row_was_met() -> None:
    windows = OpenWindows({"live": [Window(), Window(DAY)]}, wasted=0.0, horizon=HORIZON)
    assert [taken(windows).window, taken(windows).window] == [Window(), Window(DAY)]
    assert windows.take(0) is None


def test_idle_worker_gets_the_newer_half_of_the_window_with_the_most_rows() -> None:
    windows = one_window()
    first = taken(windows)
    windows.advance(first, minutes(0, 1_000))
    second = taken(windows, 200)
    assert second.window == Window(first.window.end)
    assert first.window.end == DAY + (1_000 + (144_000 - 1_000) // 2) * MINUTE
    windows.advance(second, minutes(72_500, 72_510))  # ten rows a minute where the others are a hundredth of that
    third = taken(windows, 300)
    assert second.window.end == third.window.start


def test_few_rows_left_are_left_to_who_reads_them() -> None:
    windows = one_window()
    windows.advance(taken(windows), minutes(0, 70_000))
    assert windows.take(100) is None


def test_answers_that_brought_nothing_end_the_help() -> None:
    windows = one_window(wasted=5.0)
    windows.advance(taken(windows), minutes(0, 10))
    assert windows.take(100) is None


def test_worker_that_meets_a_row_beyond_its_window_has_read_it_all() -> None:
    windows = OpenWindows({"live": [Window(DAY, DAY + 10 * MINUTE)]}, wasted=0.0, horizon=HORIZON)
    windows.advance(taken(windows), minutes(0, 20))
    assert not windows
    assert 0.4 < windows.wasted < 0.6  # half of the answer was of another window


def test_what_is_left_is_kept_by_phase() -> None:
    windows = OpenWindows({"catch_up": [Window()], "archived_after": [Window(DAY)]}, wasted=0.0, horizon=HORIZON)
    assert windows.as_json() == {"catch_up": [Window().as_json()], "archived_after": [Window(DAY).as_json()]}
    windows.close_phase("archived_after")
    assert list(windows.as_json()) == ["catch_up"]


def even(rows: int) -> list[timedelta]:
    return [timedelta(days=700) * row / rows for row in range(rows)]


def two_bursts(rows: int) -> list[timedelta]:
    return [timedelta(days=700 * (row % 2), minutes=row // 10) for row in range(rows)]


def ten_bursts(rows: int) -> list[timedelta]:
    return [timedelta(days=70 * (row * 10 // rows), minutes=row % (rows // 10) // 5) for row in range(rows)]


def burst_then_steady(rows: int) -> list[timedelta]:
    return [timedelta(minutes=row / 20) if row < rows // 2 else timedelta(days=700) * row / rows for row in range(rows)]


def office_hours(rows: int) -> list[timedelta]:
    return [timedelta(days=row * 7 // rows * 100 // 7, minutes=540 + row * 61 % 480) for row in range(rows)]


def growing(rows: int) -> list[timedelta]:
    return [timedelta(days=700) * math.log(1 + 99 * row / rows) / math.log(100) for row in range(rows)]


def long_ago(rows: int) -> list[timedelta]:
    return [timedelta(minutes=row / 5) for row in range(rows)]


def one_minute(rows: int) -> list[timedelta]:
    return [timedelta(0)] * rows


@pytest.mark.slow
@pytest.mark.parametrize(
    "made", [even, two_bursts, ten_bursts, burst_then_steady, office_hours, growing, long_ago, one_minute]
)
@pytest.mark.parametrize("reader", [1, 8, 32], indirect=True, ids="by{}".format)
def test_full_read_of_5000_rows_stays_near_the_fewest_requests(
    workspace: Workspace, reader: Reader, made: Callable[[int], Sequence[timedelta]]
) -> None:
    """Wherever the rows lie in time, and although several read at once."""
    ages = made(5_000)
    source = workspace.add_database("Tasks", {"Name": "title"}).data_source
    for age in ages:
        source.add_page({}, created_at=datetime(2024, 6, 1, tzinfo=timezone.utc) + age)
    read = reader.read(source)
    assert read.pages.keys() == {page.id for page in source.pages}
    looks = 1  # at the schema after the read, which is not the reader's
    # What the end of a window wastes is 0.75 of a request on average: some shapes take one more than is aimed at.
    assert len(read.requests) + looks <= 1.06 * math.ceil(len(ages) / 100) + 8 + 1
