"""How far a sync is, in numbers: counted from any thread, shown by display.py."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass
class Reading:
    """A database that is being read.

    Attributes:
        expected_rows: What its table holds already, where everything is read anew; None where nobody knows.
    """

    title: str
    expected_rows: int | None = None
    rows: int = 0
    requests: int = 0


class Tally:
    """The numbers of one run.

    Args:
        expected: Rows by database id that are going to be read, where that is known beforehand.
        clock: Seconds that only grow.
    """

    def __init__(self, expected: Mapping[str, int] | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._expected = dict(expected or {})
        self._clock = clock
        self._lock = threading.Lock()
        self._began_at = clock()
        self._earlier_requests = 0
        self._earlier_rows = 0
        self.reading: dict[str, Reading] = {}
        self.databases: int | None = None
        self.done = 0
        self.failed = 0

    def planned(self, databases: int) -> None:
        with self._lock:
            self.databases = (self.databases or 0) + databases
            self._began_at = self._clock()

    def started(self, database_id: str, title: str) -> Reading:
        with self._lock:
            reading = self.reading[database_id] = Reading(title, self._expected.get(database_id))
            return reading

    def staged(self, database_id: str, rows: int, requests: int) -> Reading | None:
        with self._lock:
            reading = self.reading.get(database_id)
            if reading is not None:
                reading.rows += rows
                if requests < reading.requests:  # the next data source of the database counts from one again
                    self._earlier_requests += reading.requests
                reading.requests = requests
            return reading

    def finished(self, database_id: str, rows: int, *, failed: bool) -> Reading:
        """The reading as it ended; `rows` without those that came twice."""
        with self._lock:
            reading = self.reading.pop(database_id, None) or Reading("")
            self._earlier_rows += rows
            self._earlier_requests += reading.requests
            self.done += 1
            self.failed += failed
            return reading

    @property
    def rows(self) -> int:
        return self._earlier_rows + sum(reading.rows for reading in list(self.reading.values()))

    @property
    def requests(self) -> int:
        return self._earlier_requests + sum(reading.requests for reading in list(self.reading.values()))

    @property
    def rows_per_second(self) -> float:
        return self.rows / max(self._clock() - self._began_at, 0.001)

    @property
    def seconds_left(self) -> float | None:
        """None where nobody knows how much there is to read: Notion tells no row counts beforehand."""
        if self.databases is None or len(self._expected) < self.databases or not self.rows:
            return None
        return max(sum(self._expected.values()) - self.rows, 0) / self.rows_per_second
