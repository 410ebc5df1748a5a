"""What the requests of one run take of their account's limit: how many in a minute, and how long they waited."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

_MINUTE = 60.0


@dataclass(slots=True)
class Waiting:
    """Seconds in which at least one request waited; waits may overlap."""

    seconds: float = 0.0
    _waiting: int = field(default=0, repr=False)
    _since: float = field(default=0.0, repr=False)

    def begins(self, now: float) -> None:
        """A request waits from `now` on."""
        if not self._waiting:
            self._since = now
        self._waiting += 1

    def ends(self, now: float) -> None:
        """A request goes on at `now`."""
        self._waiting -= 1
        if not self._waiting:
            self.seconds += now - self._since


@dataclass(slots=True)
class RunUsage:
    """What all requests of one run take; its client and all copies of it count into it.

    Attributes:
        requests: Every HTTP request sent, repeats included.
        most_in_a_minute: The most that were let through within 60 seconds.
        pauses: For pauses that Notion ordered.
        turns: For the pace that `requests_per_minute` sets.
    """

    requests: int = 0
    most_in_a_minute: int = 0
    pauses: Waiting = field(default_factory=Waiting)
    turns: Waiting = field(default_factory=Waiting)
    _last_minute: deque[float] = field(default_factory=deque, repr=False)

    def let_through(self, now: float) -> None:
        """A request goes to Notion at `now`."""
        self._last_minute.append(now)
        while self._last_minute[0] <= now - _MINUTE:
            self._last_minute.popleft()
        self.most_in_a_minute = max(self.most_in_a_minute, len(self._last_minute))
