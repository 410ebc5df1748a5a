"""The decision how a data source is read: in full or since its bookmark, and why."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from notion_pipeline.catalog.state import StreamState
from notion_pipeline.rows.properties import Property, exclusion_marks, schema_snapshot
from notion_pipeline.sync.data_source.read_plan import ReadDecision, decide

NOW = datetime(2026, 7, 1, 12, 0, tzinfo=timezone.utc)
BOOKMARK = datetime(2024, 3, 4, 10, 15, tzinfo=timezone.utc)
START = datetime(2024, 1, 1, tzinfo=timezone.utc)
TITLE = Property("title", "Name", "title")
STATE = Property("st", "State", "select", {"options": [{"id": "o1", "name": "Open"}]})
TOTAL = Property("to", "Total", "formula", {"expression": "1 + 1"})
LINKS = Property("li", "Links", "relation", {"data_source_id": "other"})
SUM = Property("su", "Sum", "rollup", {"function": "sum", "relation_property_id": "li", "rollup_property_id": "x"})

STREAM = StreamState(
    source="notion",
    database_id="db",
    data_source_id="ds",
    table_name="tasks",
    sync_type="INCREMENTAL",
    bookmark=BOOKMARK,
    fingerprint="f",
    columns=(),
    last_sync_at=NOW - timedelta(hours=1),
    last_full_sync_at=NOW - timedelta(days=3),
    account="account",
    start_date=None,
    excluded=(),
    snapshot=schema_snapshot([TITLE, STATE]),
    hidden_relations={},
    next_read_is_full=False,
    has_table=True,
)


def decided(
    state: StreamState | None = STREAM, properties: tuple[Property, ...] = (TITLE, STATE), **given: Any
) -> ReadDecision:
    options: dict[str, Any] = {
        "sync_type": "INCREMENTAL",
        "start_date": None,
        "excluded": (),
        "lookback_minutes": 5,
        "full_sync_every": timedelta(days=7),
        "now": NOW,
        **given,
    }
    return decide(state, properties, **options)


def test_known_stream_is_read_since_its_bookmark_and_the_lookback() -> None:
    assert decided() == ReadDecision(full=False, reason="", edited_since=BOOKMARK - timedelta(minutes=5), changes=())


def test_no_lookback_starts_in_the_bookmarks_own_minute() -> None:
    assert decided(lookback_minutes=0).edited_since == BOOKMARK


def test_full_table_reads_everything_without_a_reason() -> None:
    assert decided(sync_type="FULL_TABLE") == ReadDecision(full=True, reason="", edited_since=None, changes=())


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (None, "not synced before"),
        (replace(STREAM, bookmark=None), "not synced before"),
        (replace(STREAM, has_table=False), "notion.tasks is gone"),
        (replace(STREAM, next_read_is_full=True), "out of sight"),
    ],
)
def test_stream_without_a_base_is_read_in_full(state: StreamState | None, reason: str) -> None:
    decision = decided(state)
    assert decision.full
    assert reason in decision.reason
    assert decision.edited_since is None


@pytest.mark.parametrize(
    ("before", "now", "full"),
    [
        (None, None, False),
        (None, START, False),
        (START, START, False),
        (START, START + timedelta(days=1), False),
        (START, START - timedelta(minutes=1), True),
        (START, None, True),
    ],
)
def test_start_date_moved_back_or_away_forces_a_full_read(
    before: datetime | None, now: datetime | None, full: bool
) -> None:
    assert decided(replace(STREAM, start_date=before), start_date=now).full is full


def test_start_date_bounds_both_modes() -> None:
    assert decided(start_date=START, sync_type="FULL_TABLE").edited_since == START
    assert decided(start_date=START).edited_since == BOOKMARK - timedelta(minutes=5)
    later = BOOKMARK + timedelta(days=30)
    assert decided(start_date=later).edited_since == later


def test_other_exclusions_force_a_full_read() -> None:
    assert decided(properties=(TITLE,), excluded=("State",)).full
    assert not decided(
        replace(STREAM, excluded=exclusion_marks(["State"]), snapshot=schema_snapshot([TITLE])),
        properties=(TITLE,),
        excluded=("State",),
    ).full


@pytest.mark.parametrize("entry", ["State", "st"])
def test_property_that_is_excluded_now_is_named_as_no_change(entry: str) -> None:
    """It is removed by sources.yaml, not in Notion, and must be nowhere: not in the history of changes either."""
    assert decided(properties=(TITLE,), excluded=(entry,)).changes == ()


@pytest.mark.parametrize(
    "properties",
    [
        (TITLE,),
        (TITLE, STATE, TOTAL),
        (TITLE, replace(STATE, name="Status")),
        (TITLE, replace(STATE, type="status")),
        (TITLE, replace(STATE, config={"options": [{"id": "o1", "name": "Opened"}]})),
        (TITLE, replace(STATE, config={"options": []})),
    ],
    ids=["removed", "added", "renamed", "retyped", "option renamed", "option removed"],
)
def test_changed_schema_forces_a_full_read_that_says_so(properties: tuple[Property, ...]) -> None:
    decision = decided(properties=properties)
    assert decision.full
    assert decision.reason.startswith("its schema changed (")
    assert len(decision.changes) == 1


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (TOTAL, replace(TOTAL, config={"expression": "2 + 2"})),
        (SUM, replace(SUM, config={**SUM.config, "function": "max"})),
        (SUM, replace(SUM, config={**SUM.config, "rollup_property_id": "y"})),
        (LINKS, replace(LINKS, config={"data_source_id": "another"})),
    ],
    ids=["formula", "rollup function", "rollup property", "relation target"],
)
def test_changed_computation_forces_a_full_read(before: Property, after: Property) -> None:
    state = replace(STREAM, snapshot=schema_snapshot([TITLE, before]))
    assert decided(state, properties=(TITLE, after)).full


def test_added_option_colour_and_order_force_nothing() -> None:
    options = [{"id": "o2", "name": "Done"}, {"id": "o1", "name": "Open", "color": "red"}]
    decision = decided(properties=(replace(STATE, config={"options": options}), TITLE))
    assert not decision.full
    assert [change.kind for change in decision.changes] == ["option_added"]


@pytest.mark.parametrize("computed", [TOTAL, LINKS, SUM], ids=["formula", "relation", "rollup"])
def test_computed_values_are_refreshed_by_a_full_read_in_time(computed: Property) -> None:
    properties = (TITLE, computed)
    state = replace(STREAM, snapshot=schema_snapshot(properties))
    assert not decided(state, properties).full
    old = replace(state, last_full_sync_at=NOW - timedelta(days=7, seconds=1))
    assert "full_sync_every" in decided(old, properties).reason
    assert decided(replace(state, last_full_sync_at=None), properties).full
    assert not decided(old, properties, full_sync_every=None).full


def test_plain_properties_need_no_refreshing() -> None:
    assert not decided(replace(STREAM, last_full_sync_at=NOW - timedelta(days=400))).full
