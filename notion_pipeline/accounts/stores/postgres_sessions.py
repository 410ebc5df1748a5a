"""The transactions and locks that accounts in PostgreSQL need: each in a session of its own, with errors of ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from notion_pipeline.errors import StateError
from notion_pipeline.state.address import PostgresAddress
from notion_pipeline.state.session import connect, driver

#: The server notices a machine that vanished within a minute, and frees its locks.
_SERVER_KEEPALIVES = {"tcp_keepalives_idle": "30", "tcp_keepalives_interval": "10", "tcp_keepalives_count": "3"}
#: Limits on a transaction that does nothing for a while, in whichever version has them.
_IDLE_LIMITS = ["idle_in_transaction_session_timeout", "transaction_timeout"]


class UnreachableError(StateError):
    """No connection, or a lost one: what failed may be asked for again."""


class PostgresDatabase:
    """One database, each use in a session of its own.

    Raises:
        ConfigError: The driver is not installed.
    """

    def __init__(self, address: PostgresAddress) -> None:
        self._address = address
        self._driver = driver()

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        """A cursor in a transaction that is committed, and safe on the server's disk, when this comes back.

        Raises:
            UnreachableError: There is no connection, or it was lost.
            StateError: The server refused something.
        """
        connection = self.connect()
        try:
            with self.errors(), connection, connection.cursor() as cursor:
                # A server may answer before a commit is on its disk; what is kept here must not be lost with it.
                cursor.execute(
                    "SELECT set_config('synchronous_commit', 'on', true) "
                    "WHERE current_setting('synchronous_commit') = 'off'"
                )
                yield cursor
        finally:
            connection.close()

    def try_lock(self, connection: Any, name: str) -> bool:
        """Whether this session now holds the lock of that name, until it rolls back, is closed or dies.

        The lock is a transaction's, so that it also holds through a pooler that lends a session for a transaction.
        """
        with self.errors(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", (name,))
            if cursor.fetchone() != (True,):
                connection.rollback()
                return False
            cursor.execute("SELECT set_config(name, '0', true) FROM pg_settings WHERE name = ANY(%s)", (_IDLE_LIMITS,))
            for setting, value in _SERVER_KEEPALIVES.items():
                cursor.execute("SELECT set_config(%s, %s, true)", (setting, value))
            return True

    def is_alive(self, connection: Any) -> bool:
        """Whether a session that was idle can still be used; closes one that cannot."""
        try:
            with self.errors(), connection.cursor() as cursor:
                cursor.execute("SELECT 1")
        except StateError:
            connection.close()
            return False
        return True

    def connect(self) -> Any:
        """A session, to be closed."""
        with self.errors():
            connection = connect(self._address, "notion_pipeline accounts")
            connection.autocommit = False
            return connection

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Turns the driver's errors into ours."""
        try:
            yield
        except (self._driver.OperationalError, self._driver.InterfaceError) as error:
            raise UnreachableError(
                f"The state in {self._address.label}, which keeps connected accounts, cannot be used: {_line(error)}.",
                hint="See that PostgreSQL runs there and takes this user and password.",
            ) from None
        except self._driver.Error as error:
            raise StateError(
                f"The state in {self._address.label}, which keeps connected accounts, refused what was asked: "
                f"{_line(error)}.",
                hint="Its user must be allowed to create the schema notion_pipeline_state, or own it.",
            ) from None


def _line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__
