"""Sessions of a PostgreSQL that machines share: bounded waits, errors without secrets, nothing left to a fork."""

from __future__ import annotations

import os
import re
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import Any

from notion_pipeline.errors import ConfigError, StagingError
from notion_pipeline.redaction import keep_secret

#: What libpq is told where the address does not say otherwise: nothing hangs for the quarter of an hour that TCP would
#: try, and a machine that vanished is noticed within a minute. Seconds, but for the last one.
_LIMITS = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
#: The server notices as soon, and frees the locks of a machine that vanished.
_SERVER_KEEPALIVES = {"tcp_keepalives_idle": "30", "tcp_keepalives_interval": "10", "tcp_keepalives_count": "3"}
#: Limits on a transaction that does nothing for a while, in whichever version has them.
_IDLE_LIMITS = ("idle_in_transaction_session_timeout", "transaction_timeout")

_SCHEME = re.compile(r"postgres(?:ql)?(?:\+[a-z0-9]+)?://", re.IGNORECASE)
_open: weakref.WeakSet[Any] = weakref.WeakSet()


class UnreachableError(StagingError):
    """No connection, or a lost one: what failed may be asked for again."""


class PostgresDatabase:
    """One database, each use in a session of its own.

    Args:
        url: `postgresql://user:password@host:5432/database`, with whatever else libpq takes; a driver in the scheme, as
            SQLAlchemy has it, is passed over.
        variable: Where the address comes from, for messages; the address itself is never shown.
        password: Taken where the address has none.

    Raises:
        ConfigError: It is no address, or the driver is not installed.
    """

    def __init__(self, url: str, *, variable: str, password: str = "") -> None:
        try:
            self._driver: Any = import_module("psycopg2")
        except ImportError:
            raise ConfigError(
                f"{variable} names a PostgreSQL, and its driver is not installed.",
                hint="Install it with `pip install 'notion-pipeline[postgres]'`.",
            ) from None
        found = self._parsed(url)
        if found is None:
            raise ConfigError(
                f"{variable} is no address of a PostgreSQL.",
                hint="One is postgresql://user:password@host:5432/database, with %40 for an @ in the password, "
                "%3A for a colon and %2F for a slash.",
            )
        if password:
            found.setdefault("password", password)
        keep_secret(found.get("password", ""))
        self._parameters = {**_LIMITS, "application_name": "notion_pipeline", **found}

    def _parsed(self, url: str) -> dict[str, str] | None:
        """The parts of an address; None for what is none, or not whole."""
        try:
            found: dict[str, str] = self._driver.extensions.parse_dsn(_SCHEME.sub("postgresql://", url))
        except self._driver.Error:  # its text repeats parts of the address
            return None
        # Of a password that was written as it is, what follows its first @ or / ends up in these, which errors show.
        split = any("@" in found.get(part, "") for part in ("host", "dbname"))
        return found if not split and set(found.get("port", "")) <= set("0123456789,") else None

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        """A cursor in a transaction that is committed, and safe on the server's disk, when this comes back.

        Raises:
            UnreachableError: There is no connection, or it was lost.
            StagingError: The server refused something.
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
            cursor.execute(
                "SELECT set_config(name, '0', true) FROM pg_settings WHERE name = ANY(%s)", ([*_IDLE_LIMITS],)
            )
            for setting, value in _SERVER_KEEPALIVES.items():
                cursor.execute("SELECT set_config(%s, %s, true)", (setting, value))
            return True

    def is_alive(self, connection: Any) -> bool:
        """Whether a session that was idle can still be used; closes one that cannot."""
        try:
            with self.errors(), connection.cursor() as cursor:
                cursor.execute("SELECT 1")
        except StagingError:
            connection.close()
            return False
        return True

    def connect(self) -> Any:
        """A session, to be closed; a forked child lets go of it."""
        with self.errors():
            connection = self._driver.connect(**self._parameters)
            _open.add(connection)
            return connection

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Turns the driver's errors into ours."""
        try:
            yield
        except (self._driver.OperationalError, self._driver.InterfaceError) as error:
            raise UnreachableError(
                f"The PostgreSQL that keeps the state cannot be used: {_line(error)}.",
                hint="See whether it runs and lets this machine in, then try again.",
            ) from None
        except self._driver.errors.InsufficientPrivilege as error:
            raise StagingError(
                f"The PostgreSQL that keeps the state refuses a right: {_line(error)}.",
                hint="Let its user create the schema notion_pipeline_state, or make it the owner of that schema.",
            ) from None
        except self._driver.Error as error:
            raise StagingError(f"The PostgreSQL that keeps the state refused a command: {_line(error)}.") from None


def _line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__


def _leave_to_parent() -> None:
    """Closes a forked child's copies of the sockets: they would keep the parent's locks when the parent is killed."""
    for connection in _open:
        # Not connection.close(), which would end the parent's session.
        with suppress(Exception):
            os.close(connection.fileno())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_parent)
