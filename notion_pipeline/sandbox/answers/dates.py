"""Date conditions of filters as spans of time (notion-api.md section 4, filter grammar).

Comparisons are millisecond precise and times without a zone are UTC. A bound that is a date alone stands for its
whole day, which section 4 leaves open.
"""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from notion_pipeline.sandbox.model.clock import as_instant, floor_minute

BEGINNING = datetime.min.replace(tzinfo=timezone.utc)
END = datetime.max.replace(tzinfo=timezone.utc)
COMPARISONS = ("equals", "before", "after", "on_or_before", "on_or_after")
SPANS = ("past_week", "past_month", "past_year", "this_week", "next_week", "next_month", "next_year")
_DAY = re.compile(r"^\d{4}-\d{2}-\d{2}$")
_MILLISECOND, _MINUTE, _ONE_DAY = timedelta(milliseconds=1), timedelta(minutes=1), timedelta(days=1)


@dataclass(frozen=True)
class Span:
    """From `start`, inclusive, to `end`, exclusive."""

    start: datetime = BEGINNING
    end: datetime = END

    def holds(self, moment: datetime) -> bool:
        return self.start <= moment < self.end

    def of_floored(self) -> Span:
        """The span of instants whose minute-floored stamps lie in this one."""
        return Span(_ceiling(self.start), _ceiling(self.end))

    def meet(self, other: Span) -> Span:
        return Span(max(self.start, other.start), min(self.end, other.end))


def _ceiling(moment: datetime) -> datetime:
    floored = floor_minute(moment)
    return moment if moment in (floored, END) else floored + _MINUTE


ALWAYS = Span()


def comparison_span(operator: str, value: str, now: datetime) -> Span:
    """The span of `equals`, `before`, ... with an ISO string or a word such as `today`.

    Raises:
        ValueError: The value is neither.
    """
    start, width = _moment(value, now)
    following = END if start > END - width else start + width
    return {
        "equals": Span(start, following),
        "before": Span(end=start),
        "after": Span(following),
        "on_or_before": Span(end=following),
        "on_or_after": Span(start),
    }[operator]


def named_span(operator: str, now: datetime) -> Span:
    """The span of `past_week`, `this_week`, ... around now."""
    today = _midnight(now)
    if operator == "this_week":
        monday = today - timedelta(days=today.weekday())
        return Span(monday, monday + timedelta(days=7))
    past, _, unit = operator.partition("_")
    sign = -1 if past == "past" else 1
    other = {
        "week": today + timedelta(days=7 * sign),
        "month": _months(today, sign),
        "year": _months(today, 12 * sign),
    }[unit]
    return Span(min(today, other), max(today, other) + _ONE_DAY)


def _moment(value: str, now: datetime) -> tuple[datetime, timedelta]:
    today = _midnight(now)
    words = {
        "today": today,
        "tomorrow": today + _ONE_DAY,
        "yesterday": today - _ONE_DAY,
        "one_week_ago": today - timedelta(days=7),
        "one_week_from_now": today + timedelta(days=7),
        "one_month_ago": _months(today, -1),
        "one_month_from_now": _months(today, 1),
    }
    if value in words:
        return words[value], _ONE_DAY
    return as_instant(value), _ONE_DAY if _DAY.match(value) else _MILLISECOND


def _midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def _months(moment: datetime, count: int) -> datetime:
    years, month = divmod(moment.month - 1 + count, 12)
    last = calendar.monthrange(moment.year + years, month + 1)[1]
    return moment.replace(year=moment.year + years, month=month + 1, day=min(moment.day, last))


def start_instant(start: str, time_zone: str | None = None) -> datetime | None:
    """The instant a date value starts at; without offset it is local to its zone (section 6). None: no date."""
    try:
        moment = datetime.fromisoformat(start.replace("Z", "+00:00"))
        if moment.tzinfo is None and time_zone:
            moment = moment.replace(tzinfo=ZoneInfo(time_zone))
        return as_instant(moment)
    except (ValueError, OverflowError, ZoneInfoNotFoundError, AttributeError, TypeError):
        return None
