"""Our own lock beside a catalog file: exclusive to write, shared to read.

DuckDB locks its file too, with POSIX record locks. The system drops those as soon as any thread of the process closes
the file, even while another thread writes it, and then a second process may write at the same time. A lock by flock(2)
belongs to one opening of the lock file: it works between threads as well as processes, and the system frees it when its
process dies.

We use `fcntl.flock` because lock libraries do not fit: `filelock.FileLock` cannot be shared, and
`filelock.ReadWriteLock` is built on SQLite, which needs a writable folder for readers too and has record locks again.
"""

from __future__ import annotations

import fcntl
import os
import re
import sys
from pathlib import Path

_SIGNATURE = re.compile(r"(?P<pid>\d{1,10}) (?P<program>\S.{0,79})")
#: Room for the signatures of more readers than ever read together.
_MOST_BYTES = 65_536
#: File descriptors by which this process holds a lock or waits in line.
_DESCRIPTORS: set[int] = set()


class LockHeldError(Exception):
    """The lock is taken.

    Attributes:
        holder: Who holds it, as `program (PID n)`.
        is_brief: Whether the lock is usually free again in a moment: held by this process, or not yet signed.
        is_next: Whether we are the next to get it.
    """

    def __init__(self, holder: str, *, is_brief: bool, is_next: bool) -> None:
        super().__init__(holder)
        self.holder = holder
        self.is_brief = is_brief
        self.is_next = is_next


class CatalogLock:
    """The lock of one opening of a catalog file.

    Waiting processes stand in line by a second lock, `queue`, so that a stream of readers does not keep a writer out
    for ever, nor writers a reader.

    Args:
        catalog: The file itself, not a link to it.
        exclusive: True to write; False to share it with other readers.
    """

    def __init__(self, catalog: Path, *, exclusive: bool) -> None:
        self._path = catalog.with_name(f"{catalog.name}.lock")
        self._queue_path = catalog.with_name(f"{catalog.name}.lock.queue")
        self._exclusive = exclusive
        self._queue: int | None = None
        self._lock: int | None = None
        self._signature: tuple[int, int] | None = None

    def take(self) -> None:
        """Takes the lock now. If others hold it, keeps its place in line for the next attempt.

        A reader that may neither make nor open the lock file goes without it and relies on DuckDB's own lock.

        Raises:
            LockHeldError: Others hold it.
            OSError: A writer cannot make or open the lock file.
        """
        try:
            self._stand_in_line()
            self._lock = self._locked(self._path, fcntl.LOCK_EX if self._exclusive else fcntl.LOCK_SH)
        except BlockingIOError:
            raise self._held() from None
        except OSError:
            self.release()
            if self._exclusive:
                raise
            return
        self._sign(self._lock)
        self._leave_line()

    def release(self) -> None:
        """Frees the lock and the place in line, if there are any."""
        if self._lock is not None:
            self._unsign(self._lock)
            _free(self._lock)
            self._lock = None
        self._leave_line()

    def _stand_in_line(self) -> None:
        if self._queue is None:
            try:
                self._queue = self._locked(self._queue_path, fcntl.LOCK_EX)
            except BlockingIOError:
                raise
            except OSError:
                return  # a folder that we may not write to; it may hold the lock file itself

    def _leave_line(self) -> None:
        if self._queue is not None:
            _free(self._queue)
            self._queue = None

    def _locked(self, path: Path, how: int) -> int:
        descriptor = _opened(path)
        _DESCRIPTORS.add(descriptor)
        try:
            fcntl.flock(descriptor, how | fcntl.LOCK_NB)
        except BaseException:
            _free(descriptor)
            raise
        return descriptor

    def _sign(self, lock: int) -> None:
        """Adds our signature to those of the other holders; the place in line keeps others from signing now."""
        line = f"{os.getpid()} {_program()}\n".encode()
        try:
            others = b"" if self._exclusive else os.pread(lock, _MOST_BYTES, 0)
            if not others.strip():
                others = b""
                os.ftruncate(lock, 0)
            os.pwrite(lock, line, len(others))
            self._signature = (len(others), len(line))
        except OSError:
            self._signature = None  # not writable, or no disk space: the lock holds all the same

    def _unsign(self, lock: int) -> None:
        if self._signature is None or lock not in _DESCRIPTORS:
            return
        start, length = self._signature
        self._signature = None
        try:
            os.pwrite(lock, b" " * (length - 1) + b"\n", start)
        except OSError:
            return

    def _held(self) -> LockHeldError:
        try:
            found = self._path.read_bytes()[:_MOST_BYTES].decode("utf-8", "replace")
        except OSError:
            found = ""
        signed = [match for line in found.splitlines() if (match := _SIGNATURE.fullmatch(line.strip()))]
        holders = {int(match["pid"]): match["program"] for match in signed}
        # A killed reader leaves its signature. Processes of other containers look dead: named only if nobody is alive.
        holders = {pid: name for pid, name in holders.items() if _is_alive(pid)} or holders
        names = [f"{_printable(name)} (PID {pid})" for pid, name in holders.items()]
        is_next = self._queue is not None
        if set(holders) == {os.getpid()}:
            return LockHeldError("this process", is_brief=True, is_next=is_next)
        return LockHeldError(", ".join(names[-3:]) or "another process", is_brief=not names, is_next=is_next)


def _opened(path: Path) -> int:
    """A descriptor of the lock file, made if missing. If we may not write it, one to read, which can lock too."""
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
    except OSError as error:
        try:
            return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            raise error from None


def _free(descriptor: int) -> None:
    """Frees a lock explicitly: if the process was forked meanwhile, closing alone would not free it."""
    if descriptor not in _DESCRIPTORS:
        return  # it belongs to the process that this one was forked from
    try:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
    finally:
        _DESCRIPTORS.discard(descriptor)
        os.close(descriptor)


def _forget_after_fork() -> None:
    """Closes the parent's locks in a forked child, which would keep them after the parent's death."""
    for descriptor in _DESCRIPTORS:
        os.close(descriptor)
    _DESCRIPTORS.clear()


os.register_at_fork(after_in_child=_forget_after_fork)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True  # another user's
    return True


def _program() -> str:
    started = Path(sys.argv[0]) if sys.argv and sys.argv[0] else Path("-c")
    name = started.parent.name if started.name == "__main__.py" else started.name
    return _printable(Path(sys.executable).name if name.startswith("-") else name)[:80] or "python"


def _printable(name: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in name).strip()
