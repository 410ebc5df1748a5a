"""How old an asset may be before Dagster calls it stale: what the source's schedules promise, and some time to work.

A schedule whose ticks come evenly gives a window: no longer than its longest gap. One that rests, as over a week-end,
would get a window of days by that, so a deadline after each tick takes its place where the cron can be moved that far.
"""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from itertools import islice, pairwise
from typing import Optional

import dagster as dg

from notion_pipeline.config.sources import Source
from notion_pipeline.defs.dagster_internals import schedule_execution_time_iterator

#: How long a sync may take after its tick, at most; of a schedule of every few minutes it is a part of the gap.
LONGEST_WORK = timedelta(hours=2)
SHORTEST_WORK = timedelta(minutes=10)
#: Enough to see weeks, months and the change to summer time; from a fixed day, so that definitions stay the same.
_TICKS = 400
_FROM = datetime(2024, 1, 1, tzinfo=timezone.utc)
_UNEVEN = 1.5
_HOURS = re.compile(r"\d+(-\d+)?(,\d+(-\d+)?)*")


def freshness_policy(source: Source) -> Optional[dg.FreshnessPolicy]:  # noqa: UP045
    """The policy of the source's assets; None where nothing says when they are synced."""
    crons = [*source.schedule, *source.full_sync_schedule]
    if not crons:
        return None
    gaps = _gaps(crons, source.timezone)
    longest, shortest = max(gaps), min(gaps)
    work = min(max(longest / 4, SHORTEST_WORK), LONGEST_WORK)
    if len(crons) == 1 and longest > shortest * _UNEVEN:
        hours = int(min(work, shortest) / timedelta(hours=1))
        if hours and (later := _moved(crons[0], hours)) is not None:
            return dg.FreshnessPolicy.cron(
                deadline_cron=later, lower_bound_delta=timedelta(hours=hours), timezone=source.timezone
            )
    return dg.FreshnessPolicy.time_window(fail_window=longest + work, warn_window=longest + work / 2)


def _gaps(crons: Sequence[str], zone: str) -> list[timedelta]:
    ticks = schedule_execution_time_iterator(_FROM.timestamp(), list(crons), zone, ascending=True)
    # Seconds, not wall clocks: the night of the change to winter time is an hour longer.
    times = [tick.timestamp() for tick in islice(ticks, _TICKS)]
    return [timedelta(seconds=b - a) for a, b in pairwise(times) if b > a]


def _moved(cron: str, hours: int) -> Optional[str]:  # noqa: UP045
    """The cron so many hours later, None where that would reach the next day or its hours are no numbers."""
    fields = cron.split()
    if len(fields) != 5 or not _HOURS.fullmatch(fields[1]):
        return None
    if max(map(int, re.findall(r"\d+", fields[1]))) + hours > 23:
        return None
    return " ".join([fields[0], re.sub(r"\d+", lambda hour: str(int(hour[0]) + hours), fields[1]), *fields[2:]])
