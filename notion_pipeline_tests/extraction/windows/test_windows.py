"""The part of a data source that one query asks for, and how it is kept between two runs."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from notion_pipeline.extraction.windows.window import Window, edited_since, iso

NOON = datetime(2026, 3, 4, 12, 0, tzinfo=timezone.utc)
CHECKED = {"property": "Done", "checkbox": {"equals": True}}


def test_unbounded_window_asks_without_a_filter() -> None:
    assert Window().filter([]) is None


def test_single_bound_needs_no_compound() -> None:
    bound = {"timestamp": "created_time", "created_time": {"on_or_after": "2026-03-04T12:00:00.000Z"}}
    assert Window(NOON).filter([]) == bound


def test_bounds_splits_and_the_base_are_one_flat_and() -> None:
    window = Window(NOON, NOON + timedelta(minutes=1), [CHECKED])
    found = window.filter([edited_since(NOON)])
    assert found == {
        "and": [
            {"timestamp": "last_edited_time", "last_edited_time": {"on_or_after": "2026-03-04T12:00:00.000Z"}},
            {"timestamp": "created_time", "created_time": {"on_or_after": "2026-03-04T12:00:00.000Z"}},
            {"timestamp": "created_time", "created_time": {"before": "2026-03-04T12:01:00.000Z"}},
            CHECKED,
        ]
    }


def test_window_comes_back_from_json_as_it_was() -> None:
    for window in (Window(), Window(NOON), Window(NOON, NOON + timedelta(minutes=1), [CHECKED])):
        assert Window.from_json(window.as_json()) == window


def test_only_a_window_of_its_starting_minute_is_one_minute() -> None:
    assert Window(NOON, NOON + timedelta(minutes=1)).is_one_minute
    assert not Window(NOON, NOON + timedelta(minutes=2)).is_one_minute
    assert not Window(NOON).is_one_minute
    assert not Window().is_one_minute


def test_instants_are_utc_in_filters() -> None:
    assert iso(NOON) == "2026-03-04T12:00:00.000Z"
