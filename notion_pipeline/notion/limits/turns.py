"""Whose turn it is where several runs share one account's limit: tables first, then content.

Runs that read tables share a lock of the account for as long as they ask Notion. A run that reads content looks
between two pages whether anybody holds it. The lock ends with the process that holds it.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from notion_pipeline.state.interface import State, wait_for_lock

POLL_SECONDS = 0.5
LOG_SECONDS = 60.0


class Turns:
    """The lock of one account.

    Args:
        state: What the processes of the project share.
        account: What tells the account from others; see `LoadedProject.account`.
    """

    def __init__(self, state: State, account: str) -> None:
        self._state = state
        self._lock = f"turns/{hashlib.sha256(account.encode()).hexdigest()[:16]}.lock"
        self._waiting_since: float | None = None
        self._tell_at = 0.0

    @contextmanager
    def for_tables(self) -> Iterator[None]:
        """Content waits while any block of this kind lasts, in any process.

        Raises:
            StagingError: The state cannot be used.
        """
        lock = wait_for_lock(self._state, self._lock, shared=True)
        try:
            yield
        finally:
            lock.release()

    def tables_are_read(self) -> bool:
        """Whether a run asks Notion for tables now."""
        return self._state.is_locked(self._lock)

    async def wait_for_tables(self, log: Callable[[str], None]) -> None:
        """Returns when no run asks for tables. Many tasks of one event loop may wait.

        Args:
            log: Takes a line when the first of them begins to wait, and one for each further minute.
        """
        while self.tables_are_read():
            now = time.monotonic()
            if self._waiting_since is None:
                self._waiting_since = self._tell_at = now
            if now >= self._tell_at:
                self._tell_at = now + LOG_SECONDS
                waited = now - self._waiting_since
                log(f"Tables of this account are being read; content waits for them ({waited:.0f} s so far).")
            await asyncio.sleep(POLL_SECONDS)
        self._waiting_since = None
