"""Reports how far a sync has come: to the log, or to the progress bars of the command line."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Protocol

from notion_pipeline.sync.run.pace import ExpectedReads, RunPace


class Progress(Protocol):
    """Told from several threads; titles are for people, ids tell databases apart."""

    def planned(self, databases: int, expected: ExpectedReads | None = None) -> None:
        """So many databases are going to be read, at about this cost where that is known."""

    def started(self, database_id: str, title: str) -> None:
        """The first request for a database is about to be made."""

    def staged(self, database_id: str, rows: int, requests: int) -> None:
        """So many more rows are staged, with so many requests made for the database in all."""

    def finished(self, database_id: str, rows: int, *, failed: bool) -> None:
        """A database is committed, with so many rows read, or it failed."""


class LogProgress:
    """Every few seconds a line for each database whose read takes long, and one for the run where it has several.

    Args:
        counts: Whether the run's line is wanted: `70/300 databases, 9,000 rows, 412 requests`, and the
            time left.
    """

    def __init__(self, log: Callable[[str], None], *, every_seconds: float = 5.0, counts: bool = True) -> None:
        self._log = log
        self._every_seconds = every_seconds
        self._counts = counts
        self._reads: dict[str, _Read] = {}
        self._lock = threading.Lock()
        self._planned = self._finished = self._rows = 0
        self._pace = RunPace()
        self._told_at = time.monotonic()

    def planned(self, databases: int, expected: ExpectedReads | None = None) -> None:
        with self._lock:
            self._planned, self._told_at = databases, time.monotonic()
            self._pace.begin(expected)

    def started(self, database_id: str, title: str) -> None:
        with self._lock:
            self._reads[database_id] = _Read(title)

    def staged(self, database_id: str, rows: int, requests: int) -> None:
        with self._lock:
            read = self._reads.get(database_id)
            now = time.monotonic()
            self._rows += rows
            self._pace.made(database_id, requests)
            if read is None:
                return
            read.rows += rows
            lines = [] if now - read.told_at < self._every_seconds else [read.line(now, requests)]
            lines += self._run_line(now)
        for line in lines:
            self._log(line)

    def finished(self, database_id: str, rows: int, *, failed: bool) -> None:
        with self._lock:
            self._reads.pop(database_id, None)
            self._finished += 1
            self._pace.finished(database_id)
            lines = self._run_line(time.monotonic())
        for line in lines:
            self._log(line)

    def _run_line(self, now: float) -> list[str]:
        if not self._counts or self._planned < 2 or now - self._told_at < self._every_seconds:
            return []
        self._told_at = now
        left = self._pace.seconds_left
        after = f"; {time_left(left)}" if left is not None else ""
        return [
            f"{self._finished:,}/{self._planned:,} databases, {self._rows:,} rows, {self._pace.requests:,} requests so "
            f"far{after}"
        ]


def time_left(seconds: float) -> str:
    """The time left, in words."""
    return f"about {timedelta(seconds=round(seconds))} left"


class _Read:
    def __init__(self, title: str) -> None:
        self.title = title
        self.rows = 0
        self.began_at = self.told_at = time.monotonic()

    def line(self, now: float, requests: int) -> str:
        self.told_at = now
        rate = self.rows / max(now - self.began_at, 0.001)
        return f'"{self.title}": {self.rows:,} rows so far, {requests:,} requests, {rate:,.0f} rows per second'
