"""Shared state as files in a folder: for the processes of one machine, with nothing to install.

A document is a file that is replaced by rename; a lock is a lock of the operating system on a file, which frees it when
its holder dies. Folders are closed to other users, and so is every file.
"""

from __future__ import annotations

import fcntl
import os
import struct
import time
from collections.abc import Callable, Hashable
from contextlib import suppress
from pathlib import Path

from notion_pipeline.private_files import private_directory, write_private
from notion_pipeline.state.interface import LOCK_ENDING, Lock

#: A file that a lock names may be taken away and made anew while we open it.
_TRIES = 100
#: The moment of the next turn, and that of its reservation.
_TURN = struct.Struct("<dd")
_LONGEST_WAIT_SECONDS = 3600.0


class FolderState:
    """Shared state in a folder, NOTION_PIPELINE_HOME.

    Args:
        now: Epoch seconds.
    """

    spans_machines = False

    def __init__(self, home: Path, *, now: Callable[[], float] = time.time) -> None:
        self._home = home
        self._now = now

    def __repr__(self) -> str:
        return f"FolderState({str(self._home)!r})"

    @property
    def place(self) -> str:
        return str(self._home)

    def now(self) -> float:
        return self._now()

    def read(self, key: str) -> bytes | None:
        try:
            return (self._home / key).read_bytes()
        except OSError:
            return None

    def write(self, key: str, data: bytes) -> None:
        """As `State`.

        Raises:
            StagingError: The folder cannot be used.
            OSError: The file cannot be written.
        """
        path = self._home / key
        private_directory(path.parent)
        write_private(path, data)

    def remove(self, key: str) -> None:
        (self._home / key).unlink(missing_ok=True)

    def version(self, key: str) -> Hashable | None:
        found = self._stat(key)
        return (found.st_mtime_ns, found.st_size, found.st_ino) if found else None

    def written_at(self, key: str) -> float | None:
        found = self._stat(key)
        return found.st_mtime if found else None

    def keys(self, folder: str) -> list[str]:
        return [key for key in self._files(folder) if not key.endswith(LOCK_ENDING)]

    def try_lock(self, name: str, *, shared: bool = False, known: bool = False) -> Lock | None:
        path = self._home / name
        if not known:
            private_directory(path.parent)
        for _ in range(_TRIES):
            try:
                descriptor = _opened(path, make=not known)
            except FileNotFoundError:
                return None
            try:
                fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                return None
            if os.fstat(descriptor).st_nlink:
                return _FileLock(path, descriptor)
            os.close(descriptor)  # its holder took it away in this moment
        return None

    def is_locked(self, name: str) -> bool:
        try:
            descriptor = _opened(self._home / name, make=False)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def lock_names(self, folder: str) -> list[str]:
        return [key for key in self._files(folder) if key.endswith(LOCK_ENDING)]

    def forget_locks(self, folder: str) -> None:
        for name in self.lock_names(folder):
            self.remove(name)
        with suppress(OSError):
            (self._home / folder).rmdir()

    def next_turn(self, account: str, interval: float) -> float:
        path = private_directory(self._home / "budgets") / account
        descriptor = _opened(path, make=True)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)  # for as long as another process writes sixteen bytes
            found = os.pread(descriptor, _TURN.size, 0)
            now = self._now()
            turn: float = now
            if len(found) == _TURN.size:
                reserved, reserved_at = _TURN.unpack(found)
                # Not where the clock was set back since, or the file is damaged.
                if reserved_at <= now and reserved - reserved_at <= _LONGEST_WAIT_SECONDS:
                    turn = max(reserved, now)
            os.pwrite(descriptor, _TURN.pack(turn + interval, now), 0)
        finally:
            os.close(descriptor)
        return turn - now

    def _stat(self, key: str) -> os.stat_result | None:
        try:
            return (self._home / key).stat()
        except OSError:
            return None

    def _files(self, folder: str) -> list[str]:
        top = self._home / folder
        # Hidden files are documents on their way.
        found = (path for path in top.rglob("*") if path.is_file() and not path.name.startswith("."))
        return sorted(path.relative_to(self._home).as_posix() for path in found)


class _FileLock:
    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor: int | None = descriptor

    def release(self, *, forget: bool = False) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None:
            return
        try:
            if forget:
                with suppress(OSError):
                    self._path.unlink()
        finally:
            # By name: a process that was forked meanwhile has the file open, too.
            fcntl.flock(descriptor, fcntl.LOCK_UN)
            os.close(descriptor)

    def is_held(self) -> bool:
        return self._descriptor is not None


def _opened(path: Path, *, make: bool) -> int:
    return os.open(path, os.O_RDWR | (os.O_CREAT if make else 0) | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
