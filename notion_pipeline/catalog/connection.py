"""Opens the DuckDB file late, with patience, and closes it surely.

One process writes a DuckDB file at a time, and while it does nobody else can even read it. So a connection lives for
one transaction, or for a few that are ready to follow each other. Our own lock (`file_lock`) is held from before the
file is opened until after it is closed; DuckDB's lock keeps out the programs that do not know of ours. Both are waited
for, and the message says who holds them.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_delay, wait_exponential, wait_random

from notion_pipeline.catalog.file_lock import CatalogLock, LockHeldError
from notion_pipeline.errors import CatalogBusyError, CatalogError, CatalogMemoryError, ConfigError

#: New files can be opened by DuckDB 1.5, so that tools which embed it can read them.
STORAGE_VERSION = "v1.5.0"
WAIT_SECONDS = 600.0
#: How often a wait says that it waits still.
LOG_EVERY_SECONDS = 60.0
#: What a commit makes do with, whatever the size of a table: DuckDB fills what it is given, and its own default is
#: most of the machine's memory.
MEMORY_LIMIT = "64MB"
#: A thread at a time opens or closes files: DuckDB fails where one reader opens the file while the last one closes it.
_AT_THE_DOOR = threading.Lock()
_MEMORY_WORDS = ("failed to pin block", "could not allocate block")
_WAIT_AS_NEXT = wait_random(0.005, 0.02)
_WAIT_IN_LINE = wait_exponential(multiplier=0.02, max=0.25) + wait_random(0, 0.05)
_DISK_WORDS = ("No space left", "File too large", "Disk quota exceeded", "disk space")
_ACCESS_WORDS = ("Permission denied", "Read-only file system", "Operation not permitted")
_HOLDER = re.compile(r"Conflicting lock is held in (?P<program>.+?) \(PID (?P<pid>\d+)\)")


@dataclass
class _Opening:
    """The file as a thread has it open, and the lock under which it does."""

    connection: duckdb.DuckDBPyConnection
    lock: CatalogLock


class _OfThisThread(threading.local):
    """What a thread has open, by file: what it opens within that comes in beside, since it would wait for itself."""

    def __init__(self) -> None:
        self.openings: dict[Path, _Opening] = {}


_OPENED = _OfThisThread()


def check_file_name(path: Path, schemas: Iterable[str]) -> None:
    """Makes sure that no schema bears the name that DuckDB gives to the file: its name up to the first dot.

    Raises:
        ConfigError: One does. DuckDB could not tell `notion.tasks` of the schema from that of the file then, for us
            or for anybody who asks.
    """
    # DuckDB names it after the file, not after a link that leads there.
    name = Path(os.path.realpath(path)).name.split(".")[0].lower()
    if name in schemas:
        raise ConfigError(
            f'The catalog {path} has the name of source "{name}": DuckDB could not tell {name}.databases of the '
            "source from that of the file.",
            hint="Name the file otherwise, such as catalog.duckdb (NOTION_PIPELINE_CATALOG, or catalog: in "
            "sources.yaml).",
        )


class Catalog:
    """A DuckDB file by path.

    Args:
        path: The file; made by the first commit.
        config: DuckDB settings for every connection.
        wait_seconds: How long another process's hold on the file is waited for.
        log: Told who holds the file while it is waited for.
    """

    def __init__(
        self,
        path: Path,
        *,
        log: Callable[[str], None],
        config: Mapping[str, Any] | None = None,
        wait_seconds: float = WAIT_SECONDS,
    ) -> None:
        self.path = path
        self._config = {"storage_compatibility_version": STORAGE_VERSION, **(config or {})}
        self._wait_seconds = wait_seconds
        self._log = log
        self._keeps_open = False
        self._kept: _Opening | None = None

    @property
    def file(self) -> Path:
        """The file itself: a link to it, or a relative path, leads to the same lock and the same log of DuckDB's."""
        return Path(os.path.realpath(self.path))

    @contextmanager
    def kept_open(self) -> Iterator[None]:
        """Within it the transactions of this object, one after the other, share one opening of the file.

        To open and close it costs as much as a small commit, and the more the more tables it holds. This thread may
        read meanwhile; all others wait, so it is for moments.
        """
        self._keeps_open = True
        try:
            yield
        finally:
            self._keeps_open = False
            if self._kept is not None:
                self._let_go(self._kept)

    def _let_go(self, opening: _Opening) -> None:
        self._kept = None
        if _OPENED.openings.get(self.file) is opening:
            del _OPENED.openings[self.file]
        try:
            with _AT_THE_DOOR:
                opening.connection.close()
        finally:
            opening.lock.release()

    @contextmanager
    def reading(self) -> Iterator[duckdb.DuckDBPyConnection | None]:
        """A read-only connection; None where there is no catalog yet.

        Within a transaction of this thread it shows what is committed.

        Raises:
            CatalogBusyError: Another process wrote for longer than we wait.
            CatalogError: The file cannot be read, or is none of DuckDB's.
        """
        if not self.path.exists():
            yield None
            return
        if (around := _OPENED.openings.get(self.file)) is not None:
            opening, connection = None, around.connection.cursor()
        else:
            opening = self._open(is_writing=False)
            connection = opening.connection
        try:
            with self._errors("read"):
                _prepare(connection)
                yield connection
        finally:
            if opening is None:
                connection.close()
            else:
                self._let_go(opening)

    @contextmanager
    def writing(self, *, memory_limit: str | None = MEMORY_LIMIT) -> Iterator[duckdb.DuckDBPyConnection]:
        """One transaction: committed where the body ends, rolled back where it raises.

        Args:
            memory_limit: As DuckDB takes it; None leaves its own default. `config` wins.

        Raises:
            CatalogMemoryError: The limit is too small for these rows.
            CatalogBusyError: Another process held the file for longer than we wait.
            CatalogError: The file cannot be written; it holds what it held.
        """
        if not self.path.parent.is_dir():
            raise CatalogError(
                f"The catalog {self.path} cannot be written: its folder does not exist.",
                hint="Make the folder, or set NOTION_PIPELINE_CATALOG or catalog: in sources.yaml to another path.",
            )
        opening = self._kept or self._open(is_writing=True)
        connection = opening.connection
        is_committed = False
        try:
            with self._errors("written"):
                _prepare(connection)
                # Rows need no order, and keeping one would hold more of them in memory.
                connection.execute("SET preserve_insertion_order = false")
                if memory_limit is not None and "memory_limit" not in self._config:
                    connection.execute(f"SET memory_limit = '{memory_limit}'")
                    # Rows come through one reader; a second thread would only hold a second group of them.
                    connection.execute("SET threads = 1")
                connection.execute("BEGIN")
                try:
                    yield connection
                    connection.execute("COMMIT")
                    is_committed = True
                except BaseException:
                    _roll_back(connection)
                    raise
        finally:
            # After an error the next transaction starts with a file opened anew.
            if is_committed and self._keeps_open:
                self._kept = opening
            else:
                self._let_go(opening)

    def _open(self, *, is_writing: bool) -> _Opening:
        """Opens the file under our lock, as soon as nobody is in the way."""
        file = self.file
        if file in _OPENED.openings:
            raise CatalogBusyError(
                f"The catalog {self.path} cannot be written: this thread has it open already.",
                hint="Write after the block that has it open.",
            )
        lock = CatalogLock(file, exclusive=is_writing)

        def open_file() -> duckdb.DuckDBPyConnection:
            lock.take()
            try:
                with _AT_THE_DOOR:
                    return duckdb.connect(str(file), read_only=not is_writing, config=self._config)
            except BaseException:
                # Ours that read beside another program do not wait for us while we wait for it.
                lock.release()
                raise

        patience = Retrying(
            retry=retry_if_exception(_is_busy),
            stop=stop_after_delay(self._wait_seconds),
            wait=_pause,
            before_sleep=self._teller(),
            reraise=True,
        )
        try:
            with self._errors("written" if is_writing else "read", LockHeldError, OSError):
                opening = _Opening(patience(open_file), lock)
        except BaseException:
            lock.release()
            raise
        _OPENED.openings[file] = opening
        return opening

    def _teller(self) -> Callable[[RetryCallState], None]:
        """Says who holds the file: at once, and again each minute."""
        announced = 0.0

        def say_who(state: RetryCallState) -> None:
            nonlocal announced
            waited = state.seconds_since_start or 0.0
            error = state.outcome.exception() if state.outcome else None
            is_news = waited >= LOG_EVERY_SECONDS or not _is_brief(error)
            if is_news and (not announced or waited - announced >= LOG_EVERY_SECONDS):
                announced = waited or 0.001
                self._log(
                    f"The catalog {self.path} is held by {_holder(error)}; waiting for it ({waited:.0f} s so far)."
                )

        return say_who

    @contextmanager
    def _errors(self, done: str, *also: type[Exception]) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            if not isinstance(error, (duckdb.Error, *also)):
                raise
            if _is_busy(error):
                raise CatalogBusyError(
                    f"The catalog {self.path} was held by {_holder(error)} for {self._wait_seconds:.0f} s.",
                    hint="Close what holds it and sync again: what was read is kept, and the next run commits it.",
                ) from error
            kind = CatalogMemoryError if _is_out_of_memory(error) else CatalogError
            raise kind(f"The catalog {self.path} cannot be {done}: {reason(error)}", hint=_hint(error)) from error


def _pause(state: RetryCallState) -> float:
    """Seconds to the next attempt: few for the one who is next, so that commits follow each other closely."""
    error = state.outcome.exception() if state.outcome else None
    is_next = isinstance(error, LockHeldError) and error.is_next
    return (_WAIT_AS_NEXT if is_next else _WAIT_IN_LINE)(state)


def _roll_back(connection: duckdb.DuckDBPyConnection) -> None:
    try:
        connection.execute("ROLLBACK")
    except duckdb.Error:
        return  # A failed COMMIT or a full disk has ended the transaction already; the first error is the one to show.


def _prepare(connection: duckdb.DuckDBPyConnection) -> None:
    """UTC, and no progress bar, which DuckDB draws on the standard output of a console, a notebook or `python -c`."""
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET enable_progress_bar = false")


def _is_busy(error: BaseException) -> bool:
    """Whether somebody else has the file open: by our lock, or by DuckDB's where he knows of no other."""
    if isinstance(error, duckdb.IOException):
        return "Could not set lock on file" in str(error)
    return isinstance(error, LockHeldError) or _is_open_here(error)


def _is_brief(error: BaseException | None) -> bool:
    return error.is_brief if isinstance(error, LockHeldError) else _is_open_here(error)


def _is_out_of_memory(error: BaseException) -> bool:
    """Whether the memory limit was too small; where that shows at COMMIT, only the text tells."""
    return isinstance(error, duckdb.OutOfMemoryException) or any(words in str(error) for words in _MEMORY_WORDS)


def _is_open_here(error: BaseException | None) -> bool:
    """Whether somebody in this process has opened the file past us, or a reader of ours is just closing it."""
    if isinstance(error, duckdb.ConnectionException):
        return "different configuration" in str(error)
    # The moment between two connections to one file, of which the class differs between DuckDB's versions.
    return isinstance(error, duckdb.Error) and "Unique file handle conflict" in str(error)


def _holder(error: BaseException | None) -> str:
    if isinstance(error, LockHeldError):
        return error.holder
    if (found := _HOLDER.search(str(error))) is not None:
        return f"{Path(found['program']).name} (PID {found['pid']})"
    return "this process" if _is_open_here(error) else "another process"


def reason(error: BaseException) -> str:
    """What DuckDB or the system says, in full and in one line."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    lines = [line.strip() for line in str(error).splitlines()]
    return " ".join(line for line in lines if line.strip("^")) or type(error).__name__


def _hint(error: BaseException) -> str:
    """What to do about it; only what it says itself is spoken of."""
    said = reason(error)
    held = "It holds what it held before."
    if any(words in said for words in _DISK_WORDS):
        return f"{held} Free some disk space, then sync again."
    if any(words in said for words in _ACCESS_WORDS):
        return f"{held} Give this user the right to write the file and its folder, then sync again."
    if isinstance(error, (duckdb.IOException, OSError)):
        return f"{held} Check its path (NOTION_PIPELINE_CATALOG, or catalog: in sources.yaml), then sync again."
    if isinstance(error, duckdb.DependencyException):
        return f"{held} Drop what depends on it, then sync again."
    return f"{held} Mend what DuckDB names, then sync again."
