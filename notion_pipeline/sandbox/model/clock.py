"""The sandbox's clock: it stands still unless moved, or follows real time at an offset.

The Date header of every answer is this clock plus its skew, so that tests can part the two clocks a client sees
(the server's and its own).
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

#: Where a workspace starts when the test does not care.
START = datetime(2026, 7, 1, 9, 0, tzinfo=timezone.utc)


class Clock:
    """A movable clock.

    Args:
        start: Aware moment at which the clock begins.
        runs: Whether it goes on with real time from there.
    """

    def __init__(self, start: datetime = START, *, runs: bool = False) -> None:
        self.runs = runs
        self.skew = timedelta(0)
        self._set_at = _real_now()
        self._base = as_instant(start)

    @classmethod
    def real(cls) -> Clock:
        """A clock that shows the machine's time."""
        return cls(_real_now(), runs=True)

    def now(self) -> datetime:
        return self._base + (_real_now() - self._set_at) if self.runs else self._base

    def set(self, moment: datetime) -> None:
        self._base, self._set_at = as_instant(moment), _real_now()

    def advance(self, span: timedelta) -> None:
        self._base += span

    def header_time(self) -> datetime:
        """What the Date header says: now, skewed."""
        return self.now() + self.skew


def _real_now() -> datetime:
    return datetime.now(timezone.utc)


def as_instant(value: datetime | str) -> datetime:
    """The value as an aware UTC datetime; without a zone it is taken as UTC (notion-api.md section 4)."""
    moment = datetime.fromisoformat(value.replace("Z", "+00:00")) if isinstance(value, str) else value
    return moment.replace(tzinfo=timezone.utc) if moment.tzinfo is None else moment.astimezone(timezone.utc)


def floor_minute(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)


def page_stamp(moment: datetime) -> str:
    """The form of pages, data sources and blocks: floored to the minute (notion-api.md section 2)."""
    return moment.strftime("%Y-%m-%dT%H:%M:00.000Z")


def container_stamp(moment: datetime) -> str:
    """The form of databases: milliseconds and an offset (notion-api.md section 2)."""
    return f"{moment.strftime('%Y-%m-%dT%H:%M:%S')}.{moment.microsecond // 1000:03d}+00:00"


def milli_stamp(moment: datetime) -> str:
    return f"{moment.strftime('%Y-%m-%dT%H:%M:%S')}.{moment.microsecond // 1000:03d}Z"
