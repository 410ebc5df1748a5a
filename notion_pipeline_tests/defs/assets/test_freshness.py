"""How old an asset may be, by what its source's schedules promise."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from itertools import pairwise
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.freshness import CronFreshnessPolicy, TimeWindowFreshnessPolicy
from dagster._utils.schedules import schedule_execution_time_iterator

from notion_pipeline.config.sources import parse_sources
from notion_pipeline.defs.assets.freshness import freshness_policy


def policy(**settings: Any) -> dg.FreshnessPolicy | None:
    entry = {"name": "notion", "account": {"type": "token"}, **settings}
    return freshness_policy(parse_sources({"sources": [entry]}).sources[0])


def window(fail: float, warn: float) -> dg.FreshnessPolicy:
    return dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=fail), warn_window=timedelta(hours=warn))


@pytest.mark.parametrize("settings", [{}, {"watch": {"every_seconds": 60}}])
def test_no_promise_without_a_schedule(settings: dict[str, Any]) -> None:
    assert policy(**settings) is None


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"schedule": "0 6 * * *"}, window(26, 25)),
        ({"schedule": "*/20 * * * *"}, window(30 / 60, 25 / 60)),
        ({"schedule": ["0 6 * * *", "0 18 * * *"]}, window(14, 13)),
        ({"schedule": "0 6 * * *", "full_sync_schedule": "0 18 * * *"}, window(14, 13)),
        # The night of the change to winter time is an hour longer.
        ({"schedule": "0 6 * * *", "timezone": "Europe/Paris"}, window(27, 26)),
        ({"full_sync_schedule": "0 3 * * 0"}, window(7 * 24 + 2, 7 * 24 + 1)),
    ],
)
def test_even_schedule_gives_a_window(settings: dict[str, Any], expected: dg.FreshnessPolicy) -> None:
    assert policy(**settings) == expected


@pytest.mark.parametrize(
    ("cron", "deadline", "hours"),
    [
        ("0 6 * * 1-5", "0 8 * * 1-5", 2),
        ("30 9-17 * * mon-fri", "30 10-18 * * mon-fri", 1),
        ("0 5,6 * * *", "0 6,7 * * *", 1),
    ],
)
def test_schedule_that_rests_gives_a_deadline_after_each_tick(cron: str, deadline: str, hours: int) -> None:
    assert policy(schedule=cron, timezone="Europe/Paris") == dg.FreshnessPolicy.cron(
        deadline_cron=deadline, lower_bound_delta=timedelta(hours=hours), timezone="Europe/Paris"
    )


@pytest.mark.parametrize("cron", ["30 23 * * 1-5", "0 */5 * * 1-5"])
def test_schedule_that_cannot_be_moved_gives_a_window_of_its_longest_rest(cron: str) -> None:
    """A deadline would fall on the next day, or the hours are no numbers."""
    found = policy(schedule=cron)
    assert isinstance(found, TimeWindowFreshnessPolicy)
    assert found.fail_window.to_timedelta() > timedelta(days=2)


@pytest.mark.parametrize(
    "cron", ["0 6 * * *", "0 6 * * 1-5", "*/5 * * * *", "0 3 1 * *", "30 23 * * 1-5", "0 9-17 * * 1-5"]
)
def test_syncs_that_come_at_every_tick_are_never_late(cron: str) -> None:
    """Each sync lands five minutes after its tick; just before the next one lands, all is well."""
    found = policy(schedule=cron)
    start = datetime(2026, 3, 1, tzinfo=timezone.utc).timestamp()
    ticks = schedule_execution_time_iterator(start, cron, "UTC")
    times = [next(ticks).timestamp() + 300 for _ in range(60)]
    for landed, next_loaded in pairwise(times):
        moment = next_loaded - 1
        if isinstance(found, TimeWindowFreshnessPolicy):
            assert moment - landed < found.fail_window.to_timedelta().total_seconds()
        else:
            assert isinstance(found, CronFreshnessPolicy)
            deadlines = schedule_execution_time_iterator(moment, found.deadline_cron, "UTC", ascending=False)
            assert landed >= next(deadlines).timestamp() - found.lower_bound_delta.total_seconds()
