"""What a catalog is kept in, as `Catalog` sees it: something that can be opened for a transaction, and closed again."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Protocol

import duckdb

from notion_pipeline.catalog.sql import quote
from notion_pipeline.errors import CatalogError


def database_of(connection: duckdb.DuckDBPyConnection) -> str:
    """The name that DuckDB gives to the catalog that a connection uses."""
    return str(connection.execute("SELECT current_database()").fetchall()[0][0])


def beside(connection: duckdb.DuckDBPyConnection, database: str) -> duckdb.DuckDBPyConnection:
    """Another connection that uses a catalog of the same DuckDB, and sees what is committed; closed by the caller."""
    made = connection.cursor()
    if database_of(made) != database:  # as a lake, which is attached
        made.execute(f"USE {quote(database)}")
    return made


@dataclass
class Opening:
    """An open catalog of one thread.

    Attributes:
        connection: Its cursors see what is committed; `Storage.use` comes before names of tables.
        close: Closes the connection, and frees what was held for it.
    """

    connection: duckdb.DuckDBPyConnection
    close: Callable[[], None]


def opening_of(connection: duckdb.DuckDBPyConnection) -> Opening:
    """The opening of a connection, which rolls back what is not committed."""

    def close() -> None:
        # DuckDB ends the process where a transaction in a lake whose server went away is still open at the end.
        with suppress(duckdb.Error):
            connection.execute("ROLLBACK")
        connection.close()

    return Opening(connection, close)


def until_closed(opening: Opening, attached_to: duckdb.DuckDBPyConnection, alias: str) -> Opening:
    """The opening of what was attached to another DuckDB; closing it detaches that as well."""

    def close() -> None:
        opening.close()
        with suppress(duckdb.Error):  # that DuckDB may be what failed
            attached_to.execute(f"DETACH DATABASE IF EXISTS {quote(alias)}")

    return replace(opening, close=close)


class Storage(Protocol):
    """A DuckDB file, or a lake."""

    @property
    def key(self) -> Hashable:
        """What tells it from others, for what a thread has open."""

    @property
    def database(self) -> str:
        """The name that DuckDB gives to it, in lower case."""

    @property
    def is_shared(self) -> bool:
        """Whether others may commit while it is open."""

    def exists(self) -> bool:
        """Whether anything was committed to it, without opening it; True where that cannot be told."""

    def version(self) -> Hashable | None:
        """Differs after every commit, whoever made it; None where there is none or it cannot be told."""

    def check_place(self) -> None:
        """Raises CatalogError where it could not be made."""

    def open_to_read(self) -> Opening | None:
        """Opens it, as soon as nobody is in the way; None where it does not exist."""

    def open_to_write(self) -> Opening:
        """Opens it, as soon as nobody is in the way; makes what does not exist."""

    def use(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Makes names that name no database those of the catalog, for a connection of an opening."""

    def mark(self, connection: duckdb.DuckDBPyConnection, mark: str) -> None:
        """Writes into the transaction what tells it from others, where the answer to its COMMIT may be lost."""

    def take_back(self, mark: str) -> None:
        """Undoes the transaction with this mark, if it was committed: if its answer was lost, its files are gone."""

    def attach(self, connection: duckdb.DuckDBPyConnection, alias: str) -> Opening | None:
        """Attaches it to the DuckDB of another catalog, to read it there, as soon as nobody is in the way.

        There its tables are `alias.schema.table`; the connection of the opening has them without the alias. None where
        it does not exist.
        """

    def limit_memory(self, connection: duckdb.DuckDBPyConnection, limit: str | None) -> None:
        """Bounds the memory of a transaction; None leaves DuckDB's own default."""

    def error(self, error: Exception, done: str) -> CatalogError:
        """The error that a caller gets for one of DuckDB, and on opening for one of a lock or of the system.

        Args:
            done: `read` or `written`.
        """


class _OfThisThread(threading.local):
    """What a thread has open. A second opening shares the first, since the thread would wait for itself."""

    def __init__(self) -> None:
        self.openings: dict[Hashable, Opening] = {}


OPENED = _OfThisThread()


def set_session(connection: duckdb.DuckDBPyConnection) -> None:
    """Sets UTC, and no progress bar: DuckDB would draw it on the standard output of a console or a notebook."""
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET enable_progress_bar = false")
