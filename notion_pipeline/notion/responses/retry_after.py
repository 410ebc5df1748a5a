"""Reads from a response what time it is at Notion, and how long it asks to wait."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any

_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
_UNREADABLE_TIME = (ValueError, TypeError, IndexError, OverflowError)


def read_time(header: str | None) -> datetime | None:
    """The moment in an HTTP date, aware UTC; None where there is none."""
    try:
        moment = parsedate_to_datetime(header or "")
        return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).astimezone(timezone.utc)
    except _UNREADABLE_TIME:
        return None


def wait_asked_for(headers: Mapping[str, str], body: Mapping[str, Any] | None = None) -> float | None:
    """Seconds to wait by Retry-After, else by the body's `additional_data.retry_after` (notion-api.md section 11).

    A date counts from the answer's own Date, since only Notion's clock is behind both. None where nothing readable
    and above zero is said: an answer that says "at once", again and again, must not make a busy loop.
    """
    served_at = read_time(headers.get("date"))
    for said in (headers.get("retry-after"), additional_data(body or {}).get("retry_after")):
        seconds = _seconds(said, served_at)
        if seconds is not None and seconds > 0:
            return seconds
    return None


def additional_data(body: Mapping[str, Any]) -> Mapping[str, Any]:
    found = body.get("additional_data")
    return found if isinstance(found, dict) else {}


def _seconds(said: object, served_at: datetime | None) -> float | None:
    text = str(said).strip() if isinstance(said, (str, int, float)) else ""
    if _NUMBER.fullmatch(text):
        seconds = float(text)
        return seconds if math.isfinite(seconds) else None
    until = read_time(text) if text else None
    if until is None:
        return None
    return until.timestamp() - (served_at.timestamp() if served_at else time.time())
