"""Turns what people type for a schedule (`06:30`, `mon 06:30`, a cron) into the keys of sources.yaml."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from notion_pipeline.config.fields.values import check_time_zone
from notion_pipeline.messages import quoted

WEEKDAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)", re.ASCII)
_SHORTEST_DAY = 3


def parse_time(text: str) -> tuple[int, int]:
    """Hour and minute of a time of day such as 06:30.

    Raises:
        ValueError: It is none.
    """
    match = _TIME.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"found {quoted(text)}, allowed: a time of day such as 06:30")
    return int(match[1]), int(match[2])


def parse_times(text: str) -> list[tuple[int, int]]:
    """The times of day in a list such as `06:00, 12:30`.

    Raises:
        ValueError: One is none, or there is none.
    """
    return [parse_time(part) for part in re.split(r"[,;\s]+", text.strip())]


def daily(times: Sequence[tuple[int, int]]) -> list[str]:
    """Crons for every day at these times: one for all times of one minute of the hour."""
    hours: dict[int, set[int]] = {}
    for hour, minute in times:
        hours.setdefault(minute, set()).add(hour)
    return [f"{minute} {','.join(map(str, sorted(found)))} * * *" for minute, found in sorted(hours.items())]


def weekly(text: str) -> str:
    """The cron of a day and a time such as `mon 06:30`.

    Raises:
        ValueError: It is none.
    """
    day, _, time = text.strip().lower().partition(" ")
    found = [number for number, name in enumerate(WEEKDAYS) if len(day) >= _SHORTEST_DAY and name.startswith(day)]
    if not found:
        raise ValueError(f"found {quoted(text)}, allowed: a day and a time such as mon 06:30")
    hour, minute = parse_time(time)
    return f"{minute} {hour} * * {found[0]}"


def local_time_zone() -> str:
    """The time zone of this machine, UTC where it has no name."""
    candidates = [os.environ.get("TZ", "").lstrip(":")]
    try:
        candidates.append(str(Path("/etc/localtime").resolve()).partition("/zoneinfo/")[2])
        candidates.append(Path("/etc/timezone").read_text(encoding="utf-8").strip())
    except OSError:
        pass
    for name in filter(None, candidates):
        try:
            return {"Etc/UTC": "UTC"}.get(name) or check_time_zone(name)
        except ValueError:
            continue
    return "UTC"
