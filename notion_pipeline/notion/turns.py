"""Whose turn it is where several runs share one account's limit: tables first, then content.

Runs that read tables share a lock file of the account for as long as they ask Notion. A run that reads content looks
between two pages whether anybody holds it. The operating system frees the lock of a process that dies.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from notion_pipeline.private_files import private_directory

POLL_SECONDS = 0.5
LOG_SECONDS = 60.0


class Turns:
    """The lock file of one account.

    Args:
        home: State folder of the project.
        account: What tells the account from others; see `LoadedProject.account`.
    """

    def __init__(self, home: Path, account: str) -> None:
        self._path = home / "turns" / f"{hashlib.sha256(account.encode()).hexdigest()[:16]}.lock"
        self._waiting_since: float | None = None
        self._tell_at = 0.0

    @contextmanager
    def for_tables(self) -> Iterator[None]:
        """Content waits while any block of this kind lasts, in any process.

        Raises:
            StagingError: The folder cannot be used.
        """
        descriptor = self._opened()
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            yield
        finally:
            os.close(descriptor)

    def tables_are_read(self) -> bool:
        """Whether a run asks Notion for tables now."""
        descriptor = self._opened()
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

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

    def _opened(self) -> int:
        private_directory(self._path.parent)
        return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
