"""Checks the crons of schedules: whether each is well formed, and whether its day ever comes.

Dagster's cron parser is a private copy of croniter. Importing it imports Dagster, which would slow every command down,
and its errors name neither the field nor what is allowed. A cron that passes here passes there; a test compares both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from notion_pipeline.messages import quoted


class _CronField(NamedTuple):
    name: str
    lowest: int
    highest: int
    names: Mapping[str, int]


_MONTHS = {"jan": 1, "feb": 2, "mar": 3, "apr": 4, "may": 5, "jun": 6} | {
    "jul": 7,
    "aug": 8,
    "sep": 9,
    "oct": 10,
    "nov": 11,
    "dec": 12,
}
_WEEKDAYS = {"sun": 0, "mon": 1, "tue": 2, "wed": 3, "thu": 4, "fri": 5, "sat": 6}
_CRON_FIELDS = (
    _CronField("minute", 0, 59, {}),
    _CronField("hour", 0, 23, {}),
    _CronField("day of month", 1, 31, {}),
    _CronField("month", 1, 12, _MONTHS),
    _CronField("day of week", 0, 7, _WEEKDAYS),
)
_DAY, _MONTH, _WEEKDAY = _CRON_FIELDS[2:]
_CRON_ALIASES = frozenset({"@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually"})
_CRON_PART = re.compile(
    r"(?P<low>\*|[0-9]{1,4}|[a-z]{1,9})(?:-(?P<high>[0-9]{1,4}|[a-z]{1,9}))?(?:/(?P<step>[0-9]{1,4}))?"
)
_NTH_WEEKDAY = re.compile(
    r"(?:[0-7]|sun|mon|tue|wed|thu|fri|sat)#[1-5]|l[0-7]"
)  # fri#2: second Friday; l5: last Friday
_LONGEST_MONTH = {2: 29, 4: 30, 6: 30, 9: 30, 11: 30}


def parse_crons(value: object) -> tuple[str, ...]:
    """The crons of a schedule: none, one, or a list of them.

    Raises:
        ValueError: One cannot run.
    """
    crons = (value,) if isinstance(value, str) else () if value is None else value
    if not isinstance(crons, (list, tuple)) or not all(isinstance(cron, str) for cron in crons):
        raise ValueError(f'found {quoted(value)}, allowed: a cron such as "0 6 * * *", or a list of crons')
    return tuple(check_cron(cron) for cron in crons)


def check_cron(cron: str) -> str:
    """The cron, if Dagster can run it and its day exists.

    Raises:
        ValueError: It is not valid; the message says which field is wrong, and what is allowed.
    """
    fields = cron.lower().split()
    if len(fields) == 1 and fields[0] in _CRON_ALIASES:
        return fields[0]
    if len(fields) != len(_CRON_FIELDS):
        raise ValueError(
            f"found {quoted(cron)}, {len(fields)} field{'' if len(fields) == 1 else 's'}; "
            "allowed: five, minute hour day month weekday"
        )
    try:
        values = {field.name: _field_values(text, field) for text, field in zip(fields, _CRON_FIELDS, strict=True)}
    except ValueError as reason:
        raise ValueError(f"found {quoted(cron)}, {reason}") from None
    if min(values[_DAY.name]) > max(_LONGEST_MONTH.get(month, 31) for month in values[_MONTH.name]):
        raise ValueError(f"found {quoted(cron)}, a day that no such month has")
    return " ".join(cron.split())


def _field_values(text: str, field: _CronField) -> set[int]:
    """The numbers that one field of a cron allows."""
    if text in ("*", "?") and (text == "*" or field in (_DAY, _WEEKDAY)):
        return set(range(field.lowest, field.highest + 1))
    parts = text.split(",")
    if field is _WEEKDAY and all(_NTH_WEEKDAY.fullmatch(part) for part in parts):
        return set(range(field.lowest, field.highest + 1))
    return set().union(*(_part_values(part, field) for part in parts))


def _part_values(text: str, field: _CronField) -> set[int]:
    if field is _DAY and text == "l":  # the last day of the month, whichever that is
        return {28}
    match = _CRON_PART.fullmatch(text)
    if not match or (match["low"] == "*" and match["high"]):
        raise ValueError(f"where {quoted(text)} is no {field.name}")
    step = int(match["step"] or 1)
    if step < 1:
        raise ValueError(f"where {quoted(text)} in {field.name} has a step of 0")
    low = field.lowest if match["low"] == "*" else _number(match["low"], field)
    if match["low"] == "*" or (match["step"] and not match["high"]):
        high = field.highest
    else:
        high = _number(match["high"], field) if match["high"] else low
    if low <= high and (low != high or not match["high"]):
        return set(range(low, high + 1, step))
    # Dagster's cron goes on past the end (22-2), and takes 5-5 as every value.
    return {*range(low, field.highest + 1), *range(field.lowest, high + 1)}


def _number(text: str, field: _CronField) -> int:
    number = int(text) if text.isdecimal() else field.names.get(text)
    if number is None or not field.lowest <= number <= field.highest:
        names = f" or {', '.join(field.names)}" if field.names else ""
        raise ValueError(f"where {quoted(text)} is no {field.name}; allowed: {field.lowest} to {field.highest}{names}")
    return number
