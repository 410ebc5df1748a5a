"""Who reads which window: helpers where rows are, none where they would cost more than they bring."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone

import pytest

from notion_pipeline.open_windows import OpenWindows
from notion_pipeline.sandbox.workspace import Workspace
from notion_pipeline.windows import MINUTE, Side, Window
from notion_pipeline_tests.reader import Reader

DAY = datetime(2026, 6, 1, tzinfo=timezone.utc)
HORIZON = DAY + timedelta(days=100)


def minutes(first: int, last: int, rows: int = 100) -> list[datetime]:
    """When the rows of an answer were made, in its order; numbers of minutes since the first of June."""
    return [DAY + (first + (last - first) * row // max(1, rows - 1)) * MINUTE for row in range(rows)]


def one_window() -> OpenWindows:
    return OpenWindows({"live": [Window()]}, wasted=0.0, horizon=HORIZON)


def test_window_that_nobody_reads_is_read_from_its_oldest_row() -> None:
    windows = OpenWindows({"live": [Window(), Window(DAY)]}, wasted=0.0, horizon=HORIZON)
    readers = [windows.take(0), windows.take(0)]
    assert [reader.side for reader in readers if reader] == [Side.OLDEST, Side.OLDEST]
    assert windows.take(0) is None  # nobody has met a row, so nobody needs help


def test_second_reader_comes_from_the_other_end_and_the_next_from_the_middle() -> None:
    windows = one_window()
    oldest = windows.take(0)
    assert oldest is not None
    windows.advance(oldest, minutes(0, 100))
    newest = windows.take(100)
    assert newest is not None
    assert newest.side is Side.NEWEST
    windows.advance(newest, minutes(20_100, 20_000))
    middle = windows.take(200)
    assert middle is not None
    assert middle.side is Side.OLDEST
    assert middle.at.window.start == DAY + 10_050 * MINUTE
    assert newest.at is middle.at
    assert oldest.at.window.end == middle.at.window.start


def test_few_rows_left_are_left_to_who_reads_them() -> None:
    windows = one_window()
    oldest = windows.take(0)
    assert oldest is not None
    windows.advance(oldest, minutes(0, 70_000))
    assert windows.take(100) is None


def test_answers_that_brought_nothing_end_the_help() -> None:
    windows = OpenWindows({"live": [Window()]}, wasted=5.0, horizon=HORIZON)
    oldest = windows.take(0)
    assert oldest is not None
    windows.advance(oldest, minutes(0, 10))
    assert windows.take(100) is None


def test_reader_that_meets_a_row_beyond_the_window_has_read_it_all() -> None:
    windows = OpenWindows({"live": [Window(DAY, DAY + 10 * MINUTE)]}, wasted=0.0, horizon=HORIZON)
    reader = windows.take(0)
    assert reader is not None
    windows.advance(reader, minutes(0, 20))
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


def growing(rows: int) -> list[timedelta]:
    return [timedelta(days=700) * math.log(1 + 99 * row / rows) / math.log(100) for row in range(rows)]


def long_ago(rows: int) -> list[timedelta]:
    return [timedelta(minutes=row / 5) for row in range(rows)]


def one_minute(rows: int) -> list[timedelta]:
    return [timedelta(0)] * rows


@pytest.mark.parametrize("made", [even, two_bursts, growing, long_ago, one_minute])
@pytest.mark.parametrize("reader", [1, 8], indirect=True, ids="by{}".format)
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
    assert len(read.requests) + looks <= 1.06 * math.ceil(len(ages) / 100) + 8
