"""A catalog in a DuckDB file: opened under our lock, and waited for where it is locked.

One process writes a DuckDB file at a time, and meanwhile nobody else can even read it. Our own lock (`file_lock`) is
taken before the file is opened and freed after it is closed; DuckDB's lock keeps out the programs that do not know
ours. We wait for both, and the log says who holds them.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Hashable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import duckdb
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_delay, wait_exponential, wait_random

from notion_pipeline.catalog.connection.duckdb_errors import hint, holder, is_brief, is_busy, is_out_of_memory, reason
from notion_pipeline.catalog.connection.file_lock import CatalogLock, LockHeldError
from notion_pipeline.catalog.connection.opening import Opening, until_closed
from notion_pipeline.catalog.sql import quote, text
from notion_pipeline.config.fields.catalog_location import CatalogLocation
from notion_pipeline.errors import CatalogBusyError, CatalogError, CatalogMemoryError, ConfigError

#: New files can be opened by DuckDB 1.5, so that tools which embed it can read them.
STORAGE_VERSION = "v1.5.0"
#: How often the log says that we are still waiting.
LOG_EVERY_SECONDS = 60.0
#: One thread at a time opens or closes files: DuckDB fails when one reader opens the file while another closes it.
_OPENING_OR_CLOSING = threading.Lock()
_WAIT_WHEN_NEXT = wait_random(0.005, 0.02)
_WAIT_IN_LINE = wait_exponential(multiplier=0.02, max=0.25) + wait_random(0, 0.05)


def check_catalog_name(location: CatalogLocation, schemas: Iterable[str]) -> None:
    """Makes sure that no schema has the name that DuckDB gives to the file: its name up to the first dot.

    Raises:
        ConfigError: One has. Then DuckDB could not tell the schema in `notion.tasks` from the file, in our queries or
            in anybody's.
    """
    # A lake is called as whoever attaches it says.
    if isinstance(location, Path) and (name := _database(location)) in schemas:
        raise ConfigError(
            f'The catalog {location} has the name of source "{name}": DuckDB could not tell {name}.databases of the '
            "source from that of the file.",
            hint="Name the file otherwise, such as catalog.duckdb (NOTION_PIPELINE_CATALOG, or catalog: in "
            "sources.yaml).",
        )


def _database(path: Path) -> str:
    # DuckDB takes the name of the file itself, not of a link to it.
    return Path(os.path.realpath(path)).name.split(".")[0].lower()


class LockedOpener:
    """Opens a file under our lock, as soon as that and DuckDB's own are free.

    Args:
        file: What is locked: the file itself, without links.
        name: The catalog, for messages.
    """

    def __init__(self, file: Path, name: str, *, wait_seconds: float, log: Callable[[str], None]) -> None:
        self._file, self._name = file, name
        self._wait_seconds, self._log = wait_seconds, log

    def open(self, connect: Callable[[], duckdb.DuckDBPyConnection], *, is_writing: bool) -> Opening:
        """Calls `connect` once nobody is in the way of it.

        Raises:
            LockHeldError, OSError, duckdb.Error: The last attempt's.
        """
        lock = CatalogLock(self._file, exclusive=is_writing)

        def open_file() -> duckdb.DuckDBPyConnection:
            lock.take()
            try:
                with _OPENING_OR_CLOSING:
                    return connect()
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
            connection = retries(open_file)
        except BaseException:
            lock.release()
            raise

        def close() -> None:
            try:
                with _OPENING_OR_CLOSING:
                    connection.close()
            finally:
                lock.release()

        return Opening(connection, close)

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
                    f"The catalog {self._name} is held by {holder(error)}; waiting for it ({waited:.0f} s so far)."
                )

        return say_who

    def error(self, error: Exception, done: str) -> CatalogError:
        """The error that a caller gets for one of DuckDB, of our lock, or of the system."""
        if is_busy(error):
            return CatalogBusyError(
                f"The catalog {self._name} was held by {holder(error)} for {self._wait_seconds:.0f} s.",
                hint="Close what holds it and sync again: what was read is kept, and the next run commits it.",
            )
        kind = CatalogMemoryError if is_out_of_memory(error) else CatalogError
        return kind(f"The catalog {self._name} cannot be {done}: {reason(error)}", hint=hint(error))


class DuckDBFile:
    """A DuckDB file by path.

    Args:
        path: The file; made by the first commit.
        config: DuckDB settings for every connection.
        wait_seconds: How long to wait while another process holds the file.
        log: Takes messages that say who holds the file.
    """

    is_shared = False

    def __init__(
        self, path: Path, *, config: Mapping[str, Any], wait_seconds: float, log: Callable[[str], None]
    ) -> None:
        self.path = path
        self._config = {"storage_compatibility_version": STORAGE_VERSION, **config}
        self._limits_memory = "memory_limit" not in config
        self._wait_seconds, self._log = wait_seconds, log

    @property
    def file(self) -> Path:
        """The file itself: links and relative paths to it share one lock, and one write-ahead log of DuckDB."""
        return Path(os.path.realpath(self.path))

    @property
    def key(self) -> Hashable:
        return self.file

    @property
    def database(self) -> str:
        return _database(self.path)

    def exists(self) -> bool:
        return self.path.exists()

    def version(self) -> Hashable | None:
        return file_version(self.file)

    def check_place(self) -> None:
        if not self.path.parent.is_dir():
            raise CatalogError(
                f"The catalog {self.path} cannot be written: its folder does not exist.",
                hint="Make the folder, or set NOTION_PIPELINE_CATALOG or catalog: in sources.yaml to another path.",
            )

    def open_to_read(self) -> Opening:
        return self._opener().open(lambda: self._connect(read_only=True), is_writing=False)

    def open_to_write(self) -> Opening:
        return self._opener().open(lambda: self._connect(read_only=False), is_writing=True)

    def use(self, connection: duckdb.DuckDBPyConnection) -> None:
        """DuckDB does, for the file that it opened."""

    def mark(self, connection: duckdb.DuckDBPyConnection, mark: str) -> None:
        """A file answers."""

    def take_back(self, mark: str) -> None:
        """A file answers."""

    def attach(self, connection: duckdb.DuckDBPyConnection, alias: str) -> Opening | None:
        if not self.exists():
            return None

        def connect() -> duckdb.DuckDBPyConnection:
            connection.execute(f"ATTACH {text(str(self.file))} AS {quote(alias)} (READ_ONLY)")
            return connection.cursor().execute(f"USE {quote(alias)}")

        return until_closed(self._opener().open(connect, is_writing=False), connection, alias)

    def _connect(self, *, read_only: bool) -> duckdb.DuckDBPyConnection:
        return duckdb.connect(str(self.file), read_only=read_only, config=self._config)

    def _opener(self) -> LockedOpener:
        return LockedOpener(self.file, str(self.path), wait_seconds=self._wait_seconds, log=self._log)

    def limit_memory(self, connection: duckdb.DuckDBPyConnection, limit: str | None) -> None:
        if limit is not None and self._limits_memory:
            connection.execute(f"SET memory_limit = '{limit}'")
            # Rows come from one reader; a second thread would only hold a second group of them.
            connection.execute("SET threads = 1")

    def error(self, error: Exception, done: str) -> CatalogError:
        return self._opener().error(error, done)


def file_version(file: Path) -> Hashable | None:
    """What tells a database file's states apart; None where there is no such file."""
    try:
        found = [file.stat()]
    except OSError:
        return None
    with suppress(OSError):  # the write-ahead log is there only while somebody writes, or was killed
        found.append(Path(f"{file}.wal").stat())
    return tuple((entry.st_ino, entry.st_size, entry.st_mtime_ns) for entry in found)


def _pause(state: RetryCallState) -> float:
    """Seconds to the next attempt: few for the next in line, so that commits follow each other closely."""
    error = state.outcome.exception() if state.outcome else None
    is_next = isinstance(error, LockHeldError) and error.is_next
    return (_WAIT_WHEN_NEXT if is_next else _WAIT_IN_LINE)(state)
