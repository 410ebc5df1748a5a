"""Instants: the forms of Notion, and none where the calendar ends."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notion_pipeline.rows.text.timestamps import Moment, as_datetime, instant, moment


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-07-04T09:09:00.000Z", datetime(2026, 7, 4, 9, 9, tzinfo=timezone.utc)),
        ("2026-07-04T09:09:45.607+00:00", datetime(2026, 7, 4, 9, 9, 45, 607000, tzinfo=timezone.utc)),
        ("2026-07-04T09:09:45.1234567+0530", datetime(2026, 7, 4, 3, 39, 45, 123456, tzinfo=timezone.utc)),
        ("2026-07-04T09:09:45-03:30", datetime(2026, 7, 4, 12, 39, 45, tzinfo=timezone.utc)),
        ("2026-07-04", datetime(2026, 7, 4, tzinfo=timezone.utc)),
        ("9999-12-31T23:59:59.999Z", datetime(9999, 12, 31, 23, 59, 59, 999000, tzinfo=timezone.utc)),
        ("2026-02-30T00:00:00.000Z", None),
        ("0000-01-01T00:00:00.000Z", None),
        ("2026-07-04T23:59:60.000Z", None),
        ("0001-01-01", datetime(1, 1, 1, tzinfo=timezone.utc)),
        ("9999-12-31T23:59:59.999999Z", datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=timezone.utc)),
    ],
)
def test_text_as_aware_time(text: str, expected: datetime | None) -> None:
    assert as_datetime(text) == expected


@pytest.mark.parametrize(
    "text", ["", "2026", "2026-7-4", "2026-07-04T09", "2026-W01-1", "0000-01-01", "x", None, 5, []]
)
def test_what_is_no_instant(text: object) -> None:
    assert instant(text) is None
    assert as_datetime(text) is None


OFFSETS = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.datetimes(timezones=OFFSETS))
def test_every_time_with_an_offset_of_minutes_is_read(when: datetime) -> None:
    try:
        expected = when.astimezone(timezone.utc)
    except OverflowError:
        expected = None
    assert as_datetime(when.isoformat()) == expected


@pytest.mark.parametrize(("zone", "hour"), [("Europe/Paris", 8), ("America/New_York", 14), (None, 10)])
def test_time_without_offset_is_local_to_its_zone(zone: str | None, hour: int) -> None:
    noon = moment("2024-07-01T10:00:00", zone)
    expected = instant(f"2024-07-01T{hour:02}:00:00Z")
    assert expected is not None
    assert noon == Moment(expected, has_time=True)
