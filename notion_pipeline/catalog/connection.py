"""Opens the DuckDB file late, with patience, and closes it surely.

One process writes a DuckDB file at a time, and while it does nobody else can even read it. So a connection lives for
one transaction, or for a few that are ready to follow each other; another process's hold is waited for, and the message
says who holds it.
"""

from __future__ import annotations

import re
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_delay, wait_exponential, wait_random

from notion_pipeline.errors import CatalogBusyError, CatalogError, CatalogMemoryError, ConfigError

#: New files can be opened by DuckDB 1.5, so that tools which embed it can read them.
STORAGE_VERSION = "v1.5.0"
WAIT_SECONDS = 600.0
#: How often a wait says that it waits still.
LOG_EVERY_SECONDS = 60.0
#: What a commit makes do with, whatever the size of a table: DuckDB fills what it is given, and its own default is
#: most of the machine's memory.
MEMORY_LIMIT = "64MB"
#: The settings of each file that this process keeps open for writing: who opens it with the same comes in beside.
_KEPT_OPEN: dict[Path, dict[str, Any]] = {}
#: A thread at a time opens or closes files. The system's locks on a file are the process's, and end when any thread
#: closes it: as DuckDB does that looks into a file which another thread is about to close. Another process could write
#: into the end of a commit then.
_AT_THE_DOOR = threading.Lock()
_MEMORY_WORDS = ("failed to pin block", "could not allocate block")
_HOLDER = re.compile(r"Conflicting lock is held in (?P<program>.+?) \(PID (?P<pid>\d+)\)")


def check_file_name(path: Path, schemas: Iterable[str]) -> None:
    """Makes sure that no schema bears the name that DuckDB gives to the file: its name up to the first dot.

    Raises:
        ConfigError: One does. DuckDB could not tell `notion.tasks` of the schema from that of the file then, for us
            or for anybody who asks.
    """
    name = path.name.split(".")[0].lower()
    if name in schemas:
        raise ConfigError(
            f'The catalog {path} has the name of source "{name}": DuckDB could not tell {name}.databases of the '
            "source from that of the file.",
            cure="Name the file otherwise, such as catalog.duckdb (NOTION_PIPELINE_CATALOG, or catalog: in "
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
        self._kept: duckdb.DuckDBPyConnection | None = None

    @contextmanager
    def kept_open(self) -> Iterator[None]:
        """Within it the transactions of this object, one after the other, share one opening of the file.

        To open and close it costs as much as a small commit, and the more the more tables it holds. Other threads of
        this process may read meanwhile; other processes wait, so it is for moments.
        """
        self._keeps_open = True
        try:
            yield
        finally:
            self._keeps_open = False
            if self._kept is not None:
                self._let_go(self._kept)

    def _let_go(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._kept = None
        _KEPT_OPEN.pop(self.path, None)
        _close(connection)

    @contextmanager
    def reading(self) -> Iterator[duckdb.DuckDBPyConnection | None]:
        """A read-only connection; None where there is no catalog yet.

        Raises:
            CatalogBusyError: Another process wrote for longer than we wait.
            CatalogError: The file cannot be read, or is none of DuckDB's.
        """
        if not self.path.exists():
            yield None
            return
        connection = self._connect(self._reading_settings, "read")
        try:
            with self._errors("read"):
                connection.execute("SET TimeZone = 'UTC'")
                yield connection
        finally:
            _close(connection)

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
                cure="Make the folder, or set NOTION_PIPELINE_CATALOG or catalog: in sources.yaml to another path.",
            )
        connection = self._kept or self._open_for_writing()
        is_committed = False
        try:
            with self._errors("written"):
                connection.execute("SET TimeZone = 'UTC'")
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
            if not (is_committed and self._keeps_open):
                self._let_go(connection)

    def _reading_settings(self) -> dict[str, Any]:
        """Read-only; or as this process keeps the file open for writing, since DuckDB lets in nobody else then."""
        return _KEPT_OPEN.get(self.path) or {"read_only": True, "config": self._config}

    def _open_for_writing(self) -> duckdb.DuckDBPyConnection:
        # Two writers of one process would share DuckDB's instance and meet in a conflict at commit; where their
        # settings differ, DuckDB lets in one after the other, as it does with two processes.
        settings = {"config": {**self._config, "custom_user_agent": f"notion_pipeline/{uuid.uuid4()}"}}
        connection = self._connect(lambda: settings, "written")
        if self._keeps_open:
            self._kept = connection
            _KEPT_OPEN[self.path] = settings
        return connection

    def _connect(self, settings: Callable[[], dict[str, Any]], purpose: str) -> duckdb.DuckDBPyConnection:
        """Opens the file, at each attempt with the settings of that moment."""
        announced = 0.0

        def say_who(state: RetryCallState) -> None:
            nonlocal announced
            waited = state.seconds_since_start or 0.0
            error = state.outcome.exception() if state.outcome else None
            # This process committing another database takes a moment and is no news.
            is_news = waited >= LOG_EVERY_SECONDS or not _is_open_here(error)
            if is_news and (not announced or waited - announced >= LOG_EVERY_SECONDS):
                announced = waited or 0.001
                self._log(
                    f"The catalog {self.path} is held by {_holder(error)}; waiting for it ({waited:.0f} s so far)."
                )

        def open_file() -> duckdb.DuckDBPyConnection:
            with _AT_THE_DOOR:
                return duckdb.connect(str(self.path), **settings())

        patience = Retrying(
            retry=retry_if_exception(_is_busy),
            stop=stop_after_delay(self._wait_seconds),
            wait=wait_exponential(multiplier=0.02, max=1.0) + wait_random(0, 0.05),
            before_sleep=say_who,
            reraise=True,
        )
        with self._errors(purpose):
            return patience(open_file)

    @contextmanager
    def _errors(self, done: str) -> Iterator[None]:
        try:
            yield
        except duckdb.Error as error:
            if _is_busy(error):
                raise CatalogBusyError(
                    f"The catalog {self.path} was held by {_holder(error)} for {self._wait_seconds:.0f} s.",
                    cure="Close what holds it and sync again: what was read is kept, and the next run commits it.",
                ) from error
            kind = CatalogMemoryError if _is_out_of_memory(error) else CatalogError
            raise kind(
                f"The catalog {self.path} cannot be {done}: {_first_line(error)}",
                cure="It holds what it held before. Check its path, permissions and free disk space "
                "(NOTION_PIPELINE_CATALOG, or catalog: in sources.yaml), then sync again.",
            ) from error


def _close(connection: duckdb.DuckDBPyConnection) -> None:
    with _AT_THE_DOOR:
        connection.close()


def _roll_back(connection: duckdb.DuckDBPyConnection) -> None:
    try:
        connection.execute("ROLLBACK")
    except duckdb.Error:
        return  # A failed COMMIT or a full disk has ended the transaction already; the first error is the one to show.


def _is_busy(error: BaseException) -> bool:
    """Whether a file is open elsewhere: in another process, or in this one for the other purpose."""
    if isinstance(error, duckdb.IOException):
        return "Could not set lock on file" in str(error)
    return _is_open_here(error)


def _is_out_of_memory(error: duckdb.Error) -> bool:
    """Whether the memory limit was too small; where that shows at COMMIT, only the text tells."""
    return isinstance(error, duckdb.OutOfMemoryException) or any(words in str(error) for words in _MEMORY_WORDS)


def _is_open_here(error: BaseException | None) -> bool:
    """Whether another thread of this process has the file open, or is about to close it."""
    if isinstance(error, duckdb.ConnectionException):
        return "different configuration" in str(error)
    # The moment between two connections to one file, of which the class differs between DuckDB's versions.
    return isinstance(error, duckdb.Error) and "Unique file handle conflict" in str(error)


def _holder(error: BaseException | None) -> str:
    if (found := _HOLDER.search(str(error))) is not None:
        return f"{Path(found['program']).name} (PID {found['pid']})"
    return "this process" if _is_open_here(error) else "another process"


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0]
