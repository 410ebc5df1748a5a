"""Reports how far a sync has come: to the log, or to the progress bars of the command line."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol


class Progress(Protocol):
    """Told from several threads; titles are for people, ids tell databases apart."""

    def planned(self, databases: int) -> None:
        """So many databases are going to be read."""

    def started(self, database_id: str, title: str) -> None:
        """The first request for a database is about to be made."""

    def staged(self, database_id: str, rows: int, requests: int) -> None:
        """So many more rows are staged, with so many requests made for the database in all."""

    def finished(self, database_id: str, rows: int, *, failed: bool) -> None:
        """A database is committed, with so many rows read, or it failed."""


class LogProgress:
    """A line every few seconds for each database whose read takes long."""

    def __init__(self, log: Callable[[str], None], *, every_seconds: float = 5.0) -> None:
        self._log = log
        self._every_seconds = every_seconds
        self._reads: dict[str, _Read] = {}
        self._lock = threading.Lock()

    def planned(self, databases: int) -> None:
        return None

    def started(self, database_id: str, title: str) -> None:
        with self._lock:
            self._reads[database_id] = _Read(title)

    def staged(self, database_id: str, rows: int, requests: int) -> None:
        with self._lock:
            read = self._reads.get(database_id)
            now = time.monotonic()
            if read is None:
                return
            read.rows += rows
            if now - read.told_at < self._every_seconds:
                return
            read.told_at = now
            rate = read.rows / max(now - read.began_at, 0.001)
            line = f'"{read.title}": {read.rows:,} rows so far, {requests:,} requests, {rate:,.0f} rows per second'
        self._log(line)

    def finished(self, database_id: str, rows: int, *, failed: bool) -> None:
        with self._lock:
            self._reads.pop(database_id, None)


class _Read:
    def __init__(self, title: str) -> None:
        self.title = title
        self.rows = 0
        self.began_at = self.told_at = time.monotonic()
