"""Notion's dates and times as UTC instants, in microseconds since 1970 as Arrow and DuckDB count them.

Both forms of notion-api.md sections 2 and 6 are read: with an offset, and local to a named time zone. What Python's
calendar cannot hold (year 0000, beyond 9999) is no instant, since the readers of the catalog could not show it either.
"""

from __future__ import annotations

import re
import zoneinfo
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import Any, NamedTuple

_ISO = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:[T ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]+))?)?(Z|z|[+-][0-9]{2}:?[0-9]{2})?)?"
)
#: As Notion writes the stamps of pages; the calendar reads it much faster than a pattern with ten groups.
_STAMP = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z")
# Naive: offsets are subtracted by hand, since the calendar ends where an aware time may lie.
_EPOCH = datetime(1970, 1, 1)
_MICROSECOND = timedelta(microseconds=1)
_FIRST = (datetime.min - _EPOCH) // _MICROSECOND
_LAST = (datetime.max - _EPOCH) // _MICROSECOND


class Moment(NamedTuple):
    """An instant, and whether the text named a time of day."""

    microseconds: int
    has_time: bool


# An answer's rows repeat few times; a larger memory would only grow with the size of a database.
@lru_cache(maxsize=2048)
def moment(text: str, time_zone: str | None = None) -> Moment | None:
    """The instant of an ISO text, or None where it is none.

    A date alone is 00:00 UTC. A time without offset is local to the zone, to UTC where none is given; of the two
    instants of an hour that comes twice it is the earlier.
    """
    if _STAMP.fullmatch(text):
        return _stamp(text)
    match = _ISO.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, offset = match.groups()
    try:
        local = datetime(
            int(year),
            int(month),
            int(day),
            int(hour or 0),
            int(minute or 0),
            int(second or 0),
            int((fraction or "0")[:6].ljust(6, "0")),
        )
    except ValueError:
        return None
    ahead = timedelta(0) if hour is None else _ahead_of_utc(local, offset, time_zone)
    if ahead is None:
        return None
    microseconds = (local - _EPOCH - ahead) // _MICROSECOND
    return Moment(microseconds, hour is not None) if _FIRST <= microseconds <= _LAST else None


def _stamp(text: str) -> Moment | None:
    try:
        return Moment((datetime.fromisoformat(text[:-1]) - _EPOCH) // _MICROSECOND, has_time=True)
    except ValueError:  # the 30th of February, the year 0
        return None


def instant(text: Any) -> int | None:
    """The microseconds of any JSON that is an ISO text, else None."""
    found = moment(text) if type(text) is str else None
    return None if found is None else found.microseconds


def as_datetime(text: Any) -> datetime | None:
    """The aware UTC time of any JSON that is an ISO text, else None."""
    found = instant(text)
    return None if found is None else (_EPOCH + found * _MICROSECOND).replace(tzinfo=timezone.utc)


def _ahead_of_utc(local: datetime, offset: str | None, time_zone: str | None) -> timedelta | None:
    """How far local time is ahead of UTC; None where the zone has no such name."""
    if offset is not None and offset not in {"Z", "z"}:
        span = timedelta(hours=int(offset[1:3]), minutes=int(offset[-2:]))
        return -span if offset[0] == "-" else span
    if offset is not None or time_zone is None:
        return timedelta(0)
    zone = _zone(time_zone)
    try:
        return None if zone is None else local.replace(tzinfo=zone).utcoffset()
    except OverflowError:  # a zone at the edge of the calendar
        return None


@lru_cache(maxsize=1024)
def _zone(name: str) -> zoneinfo.ZoneInfo | None:
    try:
        return zoneinfo.ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown; not a name at all; a folder of names
        return None
