"""Scripted faults: which request goes wrong, and how; and the rate limit's window."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

KINDS = (
    "rate_limit",
    "overload",
    "status",
    "html_502",
    "timeout_503",
    "reset",
    "cut_body",
    "invalid_json",
    "error_200",
    "delay",
    "hang",
    "unauthorized",
    "call",
    "alter",
    "date",
    "answer",
    "rewrite",
)


class Fault:
    """One thing that goes wrong.

    Args:
        kind: One of KINDS.
        match: Regular expression searched in "METHOD /path"; None fits every API request, and no download of a file.
        at: The n-th matching request from now, 1-based; None begins with the next one.
        times: How many matching requests in a row it hits.
        larger_than: Fits only requests for more results than this, as a server that cannot give so many at once.
        **params: Of the kind: reason and retry_after (rate_limit), retry_after (overload), status, code, message,
            html (status; true, or the page), headers (with html), seconds (delay, hang; date: how far ahead of the
            clock its header is), header (date: its text instead, None for no header), callable (call, run before the
            request is served; alter, given the answer's body to change in place; rewrite, given the body's bytes and
            giving others; answer, given the request and giving status, headers and body, which may come in pieces),
            after (cut_body of a download: bytes until the cut; half of them unless said).
    """

    def __init__(
        self,
        kind: str,
        *,
        match: str | None = None,
        at: int | None = None,
        times: int = 1,
        larger_than: int | None = None,
        **params: Any,
    ) -> None:
        if kind not in KINDS:
            raise ValueError(f"no such fault: {kind}; there are {', '.join(KINDS)}")
        self.kind = kind
        self.match = re.compile(match) if match else None
        self.at = at or 1
        self.times = times
        self.larger_than = larger_than
        self.params = params
        self.seen = 0
        self.fired = 0

    def due(self, line: str, page_size: int = 0, *, answered: bool) -> bool:
        """Whether it hits the request; a request that has its fault already leaves this one for the next."""
        if self.match is not None and not self.match.search(line):
            return False
        if self.larger_than is not None and page_size <= self.larger_than:
            return False
        self.seen += 1
        if self.seen < self.at or self.fired >= self.times or (answered and self.answers):
            return False
        self.fired += 1
        return True

    @property
    def answers(self) -> bool:
        """Whether it takes the place of the answer; the others only come before it."""
        return self.kind not in ("delay", "call", "alter", "rewrite", "date")


@dataclass
class Faults:
    """The script."""

    planned: list[Fault] = field(default_factory=list)

    def add(self, fault: Fault) -> Fault:
        self.planned.append(fault)
        return fault

    def clear(self) -> None:
        self.planned.clear()

    def due(self, line: str, page_size: int = 0, *, named: bool = False) -> list[Fault]:
        """The faults that hit this request, at most one of which answers it. `named`: only those with a `match`."""
        hits: list[Fault] = []
        for fault in self.planned:
            if named and fault.match is None:
                continue
            if fault.due(line, page_size, answered=any(hit.answers for hit in hits)):
                hits.append(fault)
        self.planned = [fault for fault in self.planned if fault.fired < fault.times]
        return hits


@dataclass(frozen=True)
class RateLimit:
    """A fixed window on real time, per token (notion-api.md section 11)."""

    requests: int = 180
    window_seconds: float = 60
    reason: str = "public_api_request_rate_limit"


class RateWindows:
    """The open windows by token."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._open: dict[str, tuple[float, int]] = {}

    def refusal(self, limit: RateLimit, token: str) -> int | None:
        """Whole seconds to wait, or None when the request may pass."""
        now = self._now()
        began, spent = self._open.get(token, (now, 0))
        if now - began >= limit.window_seconds:
            began, spent = now, 0
        if spent >= limit.requests:
            return max(1, math.ceil(began + limit.window_seconds - now))
        self._open[token] = (began, spent + 1)
        return None
