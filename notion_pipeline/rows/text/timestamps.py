"""Reads ISO dates and times, and gives Notion's as UTC instants: microseconds since 1970, as Arrow and DuckDB count.

Both forms of notion-api.md sections 2 and 6 are read: with an offset, and local to a named time zone. A time that
Python's calendar cannot hold (year 0000, beyond 9999) is no instant, since readers of the catalog could not show it.
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
#: How Notion writes the stamps of pages; Python reads them much faster than a pattern with ten groups does.
_STAMP = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z")
# Naive: offsets are subtracted by hand, since an aware time may lie beyond the end of the calendar.
_EPOCH = datetime(1970, 1, 1)
_MICROSECOND = timedelta(microseconds=1)
_FIRST = (datetime.min - _EPOCH) // _MICROSECOND
_LAST = (datetime.max - _EPOCH) // _MICROSECOND


class IsoTime(NamedTuple):
    """A date or time as an ISO text spells it.

    Attributes:
        local: Without its offset; 00:00 of a date alone.
        offset: How far it is ahead of UTC; None where the text does not say.
    """

    local: datetime
    offset: timedelta | None
    has_time: bool


class Moment(NamedTuple):
    """An instant, and whether the text named a time of day."""

    microseconds: int
    has_time: bool


def read_iso(text: str) -> IsoTime | None:
    """What an ISO text spells, or None where it is not one."""
    match = _ISO.fullmatch(text)
    if match is None:
        return None
    *parts, fraction, offset = match.groups()
    year, month, day, hour, minute, second = (int(part or 0) for part in parts)
    try:
        local = datetime(year, month, day, hour, minute, second, int((fraction or "0")[:6].ljust(6, "0")))
    except ValueError:
        return None
    return IsoTime(local, None if offset is None else _offset(offset), has_time=parts[3] is not None)


def _offset(text: str) -> timedelta:
    if text in {"Z", "z"}:
        return timedelta(0)
    span = timedelta(hours=int(text[1:3]), minutes=int(text[-2:]))
    return -span if text[0] == "-" else span


# An answer's rows repeat few times; a larger cache would only grow with the size of a database.
@lru_cache(maxsize=2048)
def moment(text: str, time_zone: str | None = None) -> Moment | None:
    """The instant of an ISO text, or None where it is not one.

    A date alone is 00:00 UTC. A time without offset is local to the zone, or UTC if none is given; where clocks go back
    and an hour comes twice, it is the earlier one.
    """
    if _STAMP.fullmatch(text):
        return _stamp(text)
    found = read_iso(text)
    if found is None:
        return None
    ahead = found.offset
    if ahead is None:
        ahead = _ahead_of_utc(found.local, time_zone) if found.has_time and time_zone is not None else timedelta(0)
    if ahead is None:
        return None
    microseconds = (found.local - _EPOCH - ahead) // _MICROSECOND
    return Moment(microseconds, found.has_time) if _FIRST <= microseconds <= _LAST else None


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


def _ahead_of_utc(local: datetime, time_zone: str) -> timedelta | None:
    """How far local time is ahead of UTC; None where there is no such zone."""
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
