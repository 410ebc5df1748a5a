"""How many requests a run has made, and how long those that are left take."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

#: For so long the pace of the account bounds the one that was observed: Notion lets a burst through at first.
_BURST_SECONDS = 60.0


@dataclass(frozen=True)
class ExpectedReads:
    """What the reads of a run are expected to cost.

    Attributes:
        requests: By database id.
        rows: By database id, of those alone that are read in full and were so before.
        seconds_a_request: At the pace that the account has.
    """

    requests: Mapping[str, float]
    rows: Mapping[str, int]
    seconds_a_request: float

    @property
    def seconds(self) -> float:
        """All of it."""
        return sum(self.requests.values()) * self.seconds_a_request


class RunPace:
    """Counts the requests of a run.

    Args:
        clock: Seconds that only grow.

    Attributes:
        requests: Made so far, of all databases.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began_at = clock()
        self._seconds_a_request = 0.0
        self._left: dict[str, float] | None = None
        self._last: defaultdict[str, int] = defaultdict(int)
        self.requests = 0

    def begin(self, expected: ExpectedReads | None) -> None:
        """The first request is about to be made."""
        self._began_at = self._clock()
        if expected is not None:
            self._left, self._seconds_a_request = dict(expected.requests), expected.seconds_a_request

    def made(self, database_id: str, requests: int) -> None:
        """So many requests were made for a database; the next data source of it counts from one again."""
        last = self._last[database_id]
        new = requests - last if requests >= last else requests
        self._last[database_id] = requests
        self.requests += new
        if self._left is not None and database_id in self._left:
            self._left[database_id] = max(self._left[database_id] - new, 0.0)

    def finished(self, database_id: str) -> None:
        """Nothing more is asked for a database, whatever was expected."""
        if self._left is not None:
            self._left.pop(database_id, None)

    @property
    def seconds_left(self) -> float | None:
        """The estimated time left; None where nothing is known of what is to come."""
        if self._left is None:
            return None
        elapsed = self._clock() - self._began_at
        observed = elapsed / self.requests if self.requests else 0.0
        is_told = self.requests > 0 and elapsed >= _BURST_SECONDS
        return sum(self._left.values()) * (observed if is_told else max(observed, self._seconds_a_request))
