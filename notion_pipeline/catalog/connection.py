"""Opens the DuckDB file for one transaction, waits for it where it is locked, and always closes it.

One process writes a DuckDB file at a time, and meanwhile nobody else can even read it. So a connection lives for one
transaction, or for a few that follow each other at once. Our own lock (`file_lock`) is taken before the file is opened
and freed after it is closed; DuckDB's lock keeps out the programs that do not know ours. We wait for both, and the log
says who holds them.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import duckdb
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_delay, wait_exponential, wait_random

from notion_pipeline.catalog.duckdb_errors import hint, holder, is_brief, is_busy, is_out_of_memory, reason
from notion_pipeline.catalog.file_lock import CatalogLock, LockHeldError
from notion_pipeline.errors import CatalogBusyError, CatalogError, CatalogMemoryError, ConfigError

#: New files can be opened by DuckDB 1.5, so that tools which embed it can read them.
STORAGE_VERSION = "v1.5.0"
WAIT_SECONDS = 600.0
#: How often the log says that we are still waiting.
LOG_EVERY_SECONDS = 60.0
#: Enough for a commit, whatever the size of a table. DuckDB fills what it may use, and its own default is most of the
#: machine's memory.
MEMORY_LIMIT = "64MB"
#: One thread at a time opens or closes files: DuckDB fails when one reader opens the file while another closes it.
_Result = TypeVar("_Result")
_OPENING_OR_CLOSING = threading.Lock()
_WAIT_WHEN_NEXT = wait_random(0.005, 0.02)
_WAIT_IN_LINE = wait_exponential(multiplier=0.02, max=0.25) + wait_random(0, 0.05)


@dataclass
class _Opening:
    """An open file of one thread, with the lock that it holds."""

    connection: duckdb.DuckDBPyConnection
    lock: CatalogLock


class _OfThisThread(threading.local):
    """What a thread has open, by file. A second opening shares the first, since the thread would wait for itself."""

    def __init__(self) -> None:
        self.openings: dict[Path, _Opening] = {}


_OPENED = _OfThisThread()


def check_file_name(path: Path, schemas: Iterable[str]) -> None:
    """Makes sure that no schema has the name that DuckDB gives to the file: its name up to the first dot.

    Raises:
        ConfigError: One has. Then DuckDB could not tell the schema in `notion.tasks` from the file, in our queries or
            in anybody's.
    """
    # DuckDB takes the name of the file itself, not of a link to it.
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
        wait_seconds: How long to wait while another process holds the file.
        log: Takes messages that say who holds the file.
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
        """The file itself: links and relative paths to it share one lock, and one write-ahead log of DuckDB."""
        return Path(os.path.realpath(self.path))

    def version(self) -> tuple[tuple[int, int, int], ...] | None:
        """Differs after every commit, whichever program made it; None where there is no catalog yet."""
        try:
            found = [self.file.stat()]
        except OSError:
            return None
        with suppress(OSError):  # the write-ahead log is there only while somebody writes, or was killed
            found.append(Path(f"{self.file}.wal").stat())
        return tuple((entry.st_ino, entry.st_size, entry.st_mtime_ns) for entry in found)

    @contextmanager
    def kept_open(self) -> Iterator[None]:
        """While it lasts, the transactions of this object, one after the other, share one opening of the file.

        Opening and closing costs as much as a small commit, and grows with the number of tables. This thread may read
        meanwhile; all others wait, so use it for moments only.
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
            with _OPENING_OR_CLOSING:
                opening.connection.close()
        finally:
            opening.lock.release()

    @contextmanager
    def reading(self) -> Iterator[duckdb.DuckDBPyConnection | None]:
        """A read-only connection; None where there is no catalog yet.

        Inside a transaction of this thread it shows what is committed.

        Raises:
            CatalogBusyError: Another process wrote for longer than we wait.
            CatalogError: The file cannot be read, or is not a DuckDB file.
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
        """One transaction: committed when the body ends, rolled back when it raises.

        Args:
            memory_limit: As DuckDB takes it; None leaves its own default. `config` wins.

        Raises:
            CatalogMemoryError: The limit is too small for these rows.
            CatalogBusyError: Another process held the file for longer than we wait.
            CatalogError: The file cannot be written; its content did not change.
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
                # Rows need no order, and to keep one takes memory.
                connection.execute("SET preserve_insertion_order = false")
                if memory_limit is not None and "memory_limit" not in self._config:
                    connection.execute(f"SET memory_limit = '{memory_limit}'")
                    # Rows come from one reader; a second thread would only hold a second group of them.
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
            # After an error the next transaction opens the file again.
            if is_committed and self._keeps_open:
                self._kept = opening
            else:
                self._let_go(opening)

    def commit(
        self, change: Callable[[duckdb.DuckDBPyConnection], _Result], *, memory_limit: str | None = MEMORY_LIMIT
    ) -> _Result:
        """Makes a change in one transaction and returns what it returns; the way to write whatever may meet others.

        Args:
            change: Done again as a whole where another writer's commit came first, so it must not count or consume
                anything outside the connection.
            memory_limit: As for `writing`.

        Raises:
            CatalogError: As `writing`.
        """
        with self.writing(memory_limit=memory_limit) as connection:
            return change(connection)

    def _open(self, *, is_writing: bool) -> _Opening:
        """Opens the file under our lock, as soon as both locks are free."""
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
                with _OPENING_OR_CLOSING:
                    return duckdb.connect(str(file), read_only=not is_writing, config=self._config)
            except BaseException:
                # Our own readers shall not wait for us while we wait for another program.
                lock.release()
                raise

        retries = Retrying(
            retry=retry_if_exception(is_busy),
            stop=stop_after_delay(self._wait_seconds),
            wait=_pause,
            before_sleep=self._wait_log(),
            reraise=True,
        )
        try:
            with self._errors("written" if is_writing else "read", LockHeldError, OSError):
                opening = _Opening(retries(open_file), lock)
        except BaseException:
            lock.release()
            raise
        _OPENED.openings[file] = opening
        return opening

    def _wait_log(self) -> Callable[[RetryCallState], None]:
        """Logs who holds the file: at once, and then every minute."""
        announced = 0.0

        def say_who(state: RetryCallState) -> None:
            nonlocal announced
            waited = state.seconds_since_start or 0.0
            error = state.outcome.exception() if state.outcome else None
            is_news = waited >= LOG_EVERY_SECONDS or not is_brief(error)
            if is_news and (not announced or waited - announced >= LOG_EVERY_SECONDS):
                announced = waited or 0.001
                self._log(
                    f"The catalog {self.path} is held by {holder(error)}; waiting for it ({waited:.0f} s so far)."
                )

        return say_who

    @contextmanager
    def _errors(self, done: str, *also: type[Exception]) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            if not isinstance(error, (duckdb.Error, *also)):
                raise
            if is_busy(error):
                raise CatalogBusyError(
                    f"The catalog {self.path} was held by {holder(error)} for {self._wait_seconds:.0f} s.",
                    hint="Close what holds it and sync again: what was read is kept, and the next run commits it.",
                ) from error
            kind = CatalogMemoryError if is_out_of_memory(error) else CatalogError
            raise kind(f"The catalog {self.path} cannot be {done}: {reason(error)}", hint=hint(error)) from error


def _pause(state: RetryCallState) -> float:
    """Seconds to the next attempt: few for the next in line, so that commits follow each other closely."""
    error = state.outcome.exception() if state.outcome else None
    is_next = isinstance(error, LockHeldError) and error.is_next
    return (_WAIT_WHEN_NEXT if is_next else _WAIT_IN_LINE)(state)


def _roll_back(connection: duckdb.DuckDBPyConnection) -> None:
    try:
        connection.execute("ROLLBACK")
    except duckdb.Error:
        return  # A failed COMMIT or a full disk has already ended the transaction; the first error is raised.


def _prepare(connection: duckdb.DuckDBPyConnection) -> None:
    """Sets UTC, and no progress bar: DuckDB would draw it on the standard output of a console or a notebook."""
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET enable_progress_bar = false")
