"""Opens the catalog for one transaction, and always closes it.

Where that is a DuckDB file, one process writes it at a time, and meanwhile nobody else can even read it. So a
connection lives for one transaction, or for a few that follow each other at once. `duckdb_file` and `lake` open what
the catalog is kept in.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import duckdb
from tenacity import Retrying

from notion_pipeline.catalog.connection.attempts import attempts
from notion_pipeline.catalog.connection.duckdb_file import DuckDBFile
from notion_pipeline.catalog.connection.file_lock import LockHeldError
from notion_pipeline.catalog.connection.lake import lake
from notion_pipeline.catalog.connection.opening import OPENED, Opening, Storage, opening_of, set_session
from notion_pipeline.catalog.dialect import FILE
from notion_pipeline.config.fields.catalog_location import CatalogLocation
from notion_pipeline.errors import CatalogBusyError, CatalogConflictError, CatalogError, CatalogUnreachableError

WAIT_SECONDS = 600.0
MEMORY_LIMIT = FILE.memory_limit
_Result = TypeVar("_Result")


class Catalog:
    """The catalog by its location.

    Args:
        location: A DuckDB file, or a lake; made by the first commit.
        config: DuckDB settings for every connection.
        wait_seconds: How long to wait while another process holds the file, or other commits come first.
        log: Takes messages that say what is waited for.
    """

    def __init__(
        self,
        location: CatalogLocation,
        *,
        log: Callable[[str], None],
        config: Mapping[str, Any] | None = None,
        wait_seconds: float = WAIT_SECONDS,
    ) -> None:
        self.location = location
        self._wait_seconds, self._log = wait_seconds, log
        self._storage: Storage = (
            DuckDBFile(location, config=config or {}, wait_seconds=wait_seconds, log=log)
            if isinstance(location, Path)
            else lake(location, config=config or {}, wait_seconds=wait_seconds, log=log)
        )
        self._keeps_open = False
        self._kept: Opening | None = None

    @property
    def database(self) -> str:
        """The name that DuckDB gives to the catalog itself, in lower case; no schema may have it."""
        return self._storage.database

    @property
    def file(self) -> Path | None:
        """The DuckDB file itself, without links; None for a lake."""
        return self._storage.file if isinstance(self._storage, DuckDBFile) else None

    @property
    def commits_in_groups(self) -> bool:
        """Whether databases that are whole at about the same time are best committed together.

        In a lake a commit costs the same for many as for one; each adds files that later ones read, and each that makes
        tables has every writer read all tables again.
        """
        return self.file is None

    def version(self) -> Hashable | None:
        """Differs after every commit, whichever program made it; None where there is no catalog yet."""
        return self._storage.version()

    @contextmanager
    def kept_open(self) -> Iterator[None]:
        """While it lasts, the transactions of this object, one after the other, share one opening of the catalog.

        Opening and closing costs as much as a small commit, and grows with the number of tables. This thread may read
        meanwhile; others wait for a file, so use it for moments only.
        """
        self._keeps_open = True
        try:
            yield
        finally:
            self._keeps_open = False
            if self._kept is not None:
                self._let_go(self._kept)

    def _let_go(self, opening: Opening) -> None:
        if self._kept is opening:
            self._kept = None
        if OPENED.openings.get(self._storage.key) is opening:
            del OPENED.openings[self._storage.key]
        opening.close()

    def read(self, query: Callable[[duckdb.DuckDBPyConnection | None], _Result]) -> _Result:
        """What a query finds in one state of the catalog; its connection is None where there is no catalog yet.

        Args:
            query: Made again as a whole where the server of a lake went away meanwhile.

        Raises:
            CatalogError: As `reading`.
        """
        for attempt in self._attempts(CatalogUnreachableError):
            with attempt, self.reading() as connection:
                found = query(connection)
        return found

    @contextmanager
    def reading(self, *, in_one_state: bool = True) -> Iterator[duckdb.DuckDBPyConnection | None]:
        """A connection to read with; None where there is no catalog yet.

        Inside a transaction of this thread it shows what is committed.

        Args:
            in_one_state: A lake is seen as it is at the start, in one transaction, which any error may end. Otherwise
                each statement sees what others have committed by then, and asks the server for its state anew.

        Raises:
            CatalogBusyError: Another process wrote for longer than we wait.
            CatalogError: The catalog cannot be read, or is none.
        """
        if not self._storage.exists():
            yield None
            return
        has_begun = in_one_state and self._storage.is_shared
        for attempt in self._attempts(CatalogUnreachableError):
            with attempt:
                opening = self._open_to_read(has_begun=has_begun)
        if opening is None:
            yield None
            return
        try:
            with self._errors("read"):
                yield opening.connection
        finally:
            self._let_go(opening)

    def _open_to_read(self, *, has_begun: bool) -> Opening | None:
        with self._errors("read", LockHeldError, OSError):
            if (around := OPENED.openings.get(self._storage.key)) is not None:
                opening: Opening | None = opening_of(around.connection.cursor())
            else:
                opening = self._storage.open_to_read()
            if opening is None:
                return None
            try:
                if has_begun:
                    opening.connection.execute("BEGIN")
                self._prepare(opening.connection)
            except BaseException:
                opening.close()
                raise
            return opening if around is not None else self._opened(opening)

    @contextmanager
    def attached(self, other: duckdb.DuckDBPyConnection, alias: str) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection to read with in the DuckDB of another catalog; there the tables are `alias.schema.table`.

        Meanwhile nobody writes this catalog where it is in a file; a lake on a server is seen as it was at the start.

        Args:
            other: A connection of the other catalog, outside of a transaction.
            alias: No catalog that it has open.

        Raises:
            CatalogBusyError: Another process wrote for longer than we wait.
            CatalogError: The catalog cannot be read, or there is none.
        """
        with self._errors("read", LockHeldError, OSError):
            opening = self._storage.attach(other, alias)
        if opening is None:
            raise CatalogError(f"There is no catalog {self.location}.")
        try:
            set_session(opening.connection)
            yield opening.connection
        finally:
            opening.close()

    @contextmanager
    def writing(self, *, memory_limit: str | None = MEMORY_LIMIT) -> Iterator[duckdb.DuckDBPyConnection]:
        """One transaction: committed when the body ends, rolled back when it raises. See `commit`, which repeats it.

        Args:
            memory_limit: As DuckDB takes it, of a file; a lake takes more. None leaves DuckDB's own default. `config`
                wins.

        Raises:
            CatalogMemoryError: The limit is too small for these rows.
            CatalogBusyError: Another process held the file for longer than we wait.
            CatalogConflictError: Another commit to a lake came first; nothing changed.
            CatalogUnreachableError: The server of a lake went away; nothing changed, unless that was during COMMIT.
            CatalogError: The catalog cannot be written; its content did not change.
        """
        with self._transaction(memory_limit) as connection:
            yield connection

    @contextmanager
    def _transaction(self, memory_limit: str | None, mark: str = "") -> Iterator[duckdb.DuckDBPyConnection]:
        self._storage.check_place()
        opening = self._kept or self._open_to_write()
        connection = opening.connection
        is_committed = False
        try:
            with self._errors("written"):
                # A lake looks up its state for the first statement of each transaction.
                connection.execute("BEGIN")
                try:
                    self._prepare(connection)
                    # Rows need no order, and to keep one takes memory.
                    connection.execute("SET preserve_insertion_order = false")
                    self._storage.limit_memory(connection, memory_limit)
                    yield connection
                    if mark:
                        self._storage.mark(connection, mark)
                    connection.execute("COMMIT")
                    is_committed = True
                except BaseException:
                    _roll_back(connection)
                    raise
        finally:
            # After an error the next transaction opens the catalog again.
            if is_committed and self._keeps_open:
                self._kept = opening
            else:
                self._let_go(opening)

    def commit(
        self, change: Callable[[duckdb.DuckDBPyConnection], _Result], *, memory_limit: str | None = MEMORY_LIMIT
    ) -> _Result:
        """Makes a change in one transaction and returns what it returns; the way to write whatever may meet others.

        Args:
            change: Done again as a whole where another writer's commit came first, or the server of a lake went away,
                so it must not count or consume anything outside the connection.
            memory_limit: As for `writing`.

        Raises:
            CatalogError: As `writing`; CatalogConflictError where others came first for longer than we wait.
        """
        mark, was_lost = uuid.uuid4().hex, False
        for attempt in self._attempts(CatalogConflictError, CatalogUnreachableError):
            with attempt:
                if was_lost:  # perhaps nothing but the answer to the COMMIT
                    with self._errors("written"):
                        self._storage.take_back(mark)
                try:
                    with self._transaction(memory_limit, mark) as connection:
                        result = change(connection)
                except CatalogUnreachableError:
                    was_lost = True
                    raise
        return result

    def _attempts(self, *errors: type[CatalogError]) -> Retrying:
        return attempts(errors, self._wait_seconds, self._log)

    def _open_to_write(self) -> Opening:
        if self._storage.key in OPENED.openings:
            raise CatalogBusyError(
                f"The catalog {self.location} cannot be written: this thread has it open already.",
                hint="Write after the block that has it open.",
            )
        with self._errors("written", LockHeldError, OSError):
            return self._opened(self._storage.open_to_write())

    def _opened(self, opening: Opening) -> Opening:
        OPENED.openings[self._storage.key] = opening
        return opening

    def _prepare(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._storage.use(connection)
        set_session(connection)

    @contextmanager
    def _errors(self, done: str, *also: type[Exception]) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            if not isinstance(error, (duckdb.Error, *also)):
                raise
            raise self._storage.error(error, done) from error


def _roll_back(connection: duckdb.DuckDBPyConnection) -> None:
    try:
        connection.execute("ROLLBACK")
    except duckdb.Error:
        return  # A failed COMMIT or a full disk has already ended the transaction; the first error is raised.
