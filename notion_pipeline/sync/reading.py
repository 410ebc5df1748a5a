"""Runs the reads of many databases in a thread of their own, and hands them in groups to the thread that commits."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Coroutine, Generator, Iterator
from types import TracebackType
from typing import Any

from notion_pipeline.extraction.extract import DatabaseExtract

#: Databases as they come, an error that ends the sync, and None at the end.
Handed = queue.Queue["DatabaseExtract | BaseException | None"]
#: The catalog is closed to others for about a second while a group is committed, so a group is few databases, and
#: small ones.
_MOST_TOGETHER = 50
_MOST_ROWS_TOGETHER = 5_000
#: How long the first of a group waits for others: each group opens the file once, which costs more than a commit.
SECONDS_TOGETHER = 1.0


class Reading:
    """Databases that are being read; iterate over it to get them in the order in which they finish.

    Each group holds databases that were whole at about the same time; those that failed say why. The locks of a group
    are released when the next one is asked for. Use it in a `with` block: who leaves the block early stops the reads,
    and what they staged stays.

    Args:
        read: Reads and hands over, until it is told to stop; runs on an event loop of its own.
        seconds_together: How long the first of a group waits for others.
        at_end: Called when nothing is read any more, and what was taken is loaded.
    """

    def __init__(
        self,
        read: Callable[[Handed, threading.Event], Coroutine[Any, Any, None]],
        seconds_together: float = SECONDS_TOGETHER,
        *,
        at_end: Callable[[], None] | None = None,
    ) -> None:
        self._read, self._seconds_together = read, seconds_together
        self._at_end = at_end
        self._handed: Handed = queue.Queue()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="notion-sync", daemon=True)
        self._thread.start()

    def __enter__(self) -> Reading:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def __iter__(self) -> Iterator[list[DatabaseExtract]]:
        try:
            yield from _together(self._handed, most_seconds=self._seconds_together)
        finally:
            self.stop()

    def stop(self) -> None:
        """Stops the reads that are not finished, and releases the databases that nobody took."""
        self._stopped.set()
        self._thread.join()
        while not self._handed.empty():
            left = self._handed.get_nowait()
            if isinstance(left, DatabaseExtract):
                left.release()
        self._handed.put(None)  # who goes on asking is told that this was all
        if self._at_end is not None:
            self._at_end()

    def _run(self) -> None:
        try:
            asyncio.run(self._read(self._handed, self._stopped))
        except BaseException as error:  # carried to the thread that waits, and raised there
            self._handed.put(error)
        finally:
            self._handed.put(None)


def _together(
    handed: Handed, *, most_rows: int = _MOST_ROWS_TOGETHER, most_seconds: float = SECONDS_TOGETHER
) -> Generator[list[DatabaseExtract], None, None]:
    """What was handed over, in groups."""
    item = handed.get()
    while isinstance(item, DatabaseExtract):
        group, rows, is_full, until = [], 0, False, time.monotonic() + most_seconds
        while isinstance(item, DatabaseExtract) and not is_full:
            group.append(item)
            rows += sum(extract.stage.rows for extract in item.extracts)
            is_full = len(group) >= _MOST_TOGETHER or rows >= most_rows
            if not is_full:
                try:
                    item = handed.get(timeout=max(0.0, until - time.monotonic()))
                except queue.Empty:
                    is_full = True
        try:
            yield group
        finally:
            for database in group:
                database.release()
        if is_full:
            item = handed.get()
    if item is not None:
        raise item
