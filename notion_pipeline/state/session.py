"""One connection to PostgreSQL: made when it is first used, found out when it is lost, and made again.

A process that was forked closes its copy of the parent's socket and makes a connection of its own. Locks of the server
belong to the session; whoever holds some is asked to take them again after a loss.
"""

from __future__ import annotations

import logging
import os
import secrets
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from notion_pipeline.errors import ConfigError, StateError
from notion_pipeline.state.address import PostgresAddress

Values = Sequence[object] | Mapping[str, object]
_LOG = logging.getLogger("notion_pipeline")
PATIENCE_SECONDS = 60.0
_PAUSES = (0.1, 0.5, 1.0, 2.0)
#: So that a machine that is cut off is found out within a minute, at both ends. What the URL says wins.
_SETTINGS = {
    "connect_timeout": 10,
    "keepalives": 1,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
    "target_session_attrs": "read-write",
}
_SERVER_SETTINGS = (
    ("tcp_keepalives_idle", "30", 0),
    ("tcp_keepalives_interval", "10", 0),
    ("tcp_keepalives_count", "3", 0),
    ("idle_session_timeout", "0", 140_000),
)
#: Codes of errors that end a session: of the connection, and of a server that is shut down or starts up.
_LOST = ("08", "57P")
_SCHEMA = """
create schema if not exists notion_pipeline_state;
create sequence if not exists notion_pipeline_state.versions;
create table if not exists notion_pipeline_state.documents (
    key text primary key, content bytea not null, version bigint not null, written_at timestamptz not null);
create table if not exists notion_pipeline_state.locks (name text primary key, taken bigint not null);
create table if not exists notion_pipeline_state.budgets (account text primary key, next_at timestamptz not null);
"""
_open: weakref.WeakSet[Any] = weakref.WeakSet()
_LAST_TABLE = "notion_pipeline_state.budgets"
#: Of the lock under which one process makes the tables.
_SCHEMA_LOCK = 7_235_419_861


class Session:
    """Runs statements one at a time, each a transaction; any thread may call.

    Args:
        restore: Called with the connection that takes a lost one's place; and with None in a process that was forked,
            which has nothing that its parent's session held.
        patience_seconds: How long a server that went away is waited for.
    """

    def __init__(
        self,
        address: PostgresAddress,
        restore: Callable[[Any | None], None],
        *,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._address = address
        self._restore = restore
        self._patience_seconds = patience_seconds
        self.mutex = threading.RLock()
        self._connection: Any | None = None
        self._process = os.getpid()
        self._backend: tuple[int, str] | None = None

    def run(self, statement: str, values: Values = ()) -> list[tuple[Any, ...]]:
        """The rows of a statement; run again on a new connection where the one before was lost.

        Raises:
            StateError: The server cannot be reached, or refuses.
        """
        error_class = driver().Error
        with self.mutex:
            give_up_at, attempt = time.monotonic() + self._patience_seconds, 0
            while True:
                is_first = self._backend is None
                try:
                    return rows_of(self._connected(), statement, values)
                except error_class as error:
                    code = getattr(error, "pgcode", None)
                    if code and not code.startswith(_LOST):
                        raise self._refused(error) from None
                    self._connection = None
                    if is_first or time.monotonic() >= give_up_at:
                        raise self._unreachable(error) from None
                    if attempt == 0:
                        _LOG.warning("The connection to the state in %s was lost; connecting again.", self.label)
                time.sleep(_PAUSES[min(attempt, len(_PAUSES) - 1)])
                attempt += 1

    def run_if_connected(self, statement: str, values: Values = ()) -> None:
        """Runs a statement that only matters as long as the connection lives."""
        with self.mutex:
            if self._connection is None or self._process != os.getpid():
                return
            with suppress(driver().Error):
                rows_of(self._connection, statement, values)

    @property
    def label(self) -> str:
        return self._address.label

    def close(self) -> None:
        """Ends the connection, and with it the locks. A later statement makes another one."""
        with self.mutex:
            if self._connection is not None and self._process == os.getpid():
                self._connection.close()
            self._connection = self._backend = None

    def check_process(self) -> None:
        """Finds out whether this process was forked from the one that connected."""
        if self._process != os.getpid():
            self._connection = self._backend = None
            self._process = os.getpid()
            self._restore(None)

    def _connected(self) -> Any:
        self.check_process()
        if self._connection is not None and not self._connection.closed:
            return self._connection
        before = self._backend
        name = f"notion_pipeline {secrets.token_hex(6)}"
        connection = connect(self._address, name)
        _set_up(connection)
        self._connection = connection
        self._backend = (connection.info.backend_pid, name)
        if before is not None:
            _end_backend(connection, *before)
            self._restore(connection)
        return connection

    def _refused(self, error: Exception) -> StateError:
        return StateError(
            f"The state in {self.label} refused what was asked: {_first_line(error)}.",
            hint="Its user must be allowed to create the schema notion_pipeline_state, or to use it once it is there.",
        )

    def _unreachable(self, error: Exception) -> StateError:
        return StateError(
            f"The state in {self.label} cannot be reached: {_first_line(error)}.",
            hint="See that PostgreSQL runs there and takes this user and password. `state:` in sources.yaml, or "
            "NOTION_PIPELINE_STATE, says where it is.",
        )


def driver() -> Any:
    """The module psycopg2.

    Raises:
        ConfigError: It is not installed.
    """
    try:
        import psycopg2  # noqa: PLC0415 - only where installed
    except ImportError:
        raise ConfigError(
            "State in PostgreSQL needs the driver psycopg2, which is not installed.",
            hint="Install the extra: `pip install 'notion-pipeline[postgres]'`.",
        ) from None
    return psycopg2


def connect(address: PostgresAddress, name: str) -> Any:
    """A connection that commits each statement, known to the server by `name`; a forked child lets go of it.

    Raises:
        ConfigError: The address is none, or the driver is not installed.
        Exception: The driver's own errors.
    """
    given = _parsed(address)
    settings: dict[str, object] = {**_SETTINGS, "application_name": name}
    if address.password:
        settings["password"] = address.password
    if address.passfile:
        settings["passfile"] = address.passfile
    connection = driver().connect(**{**settings, **given})
    _open.add(connection)
    connection.set_session(isolation_level="READ COMMITTED", readonly=False, autocommit=True)
    return connection


def _parsed(address: PostgresAddress) -> dict[str, str]:
    """The parts of an address, which is never repeated: the driver's errors quote what they cannot read."""
    try:
        given: dict[str, str] = driver().extensions.parse_dsn(address.url)
    except driver().Error:
        given = {"port": "none"}
    # Of a password that was written as it is, what follows its first @ or / is taken for these.
    is_split = any("@" in given.get(part, "") for part in ("host", "dbname"))
    if is_split or not set(given.get("port", "")) <= set("0123456789,"):
        raise ConfigError(
            f"{address.label} is no address of a PostgreSQL.",
            hint="One is postgresql://user:password@host:5432/database, with %40 for an @ in the password, %3A for a "
            "colon and %2F for a slash.",
        )
    return given


def _set_up(connection: Any) -> None:
    for name, value, since in _SERVER_SETTINGS:
        if connection.server_version >= since:
            rows_of(connection, "select set_config(%s, %s, false)", (name, value))
    if rows_of(connection, "select to_regclass(%s) is null", (_LAST_TABLE,)) == [(True,)]:
        # One statement without autocommit is one transaction: two processes that begin at once make the tables once.
        rows_of(connection, f"begin; select pg_advisory_xact_lock({_SCHEMA_LOCK}); {_SCHEMA} commit")


def _end_backend(connection: Any, backend: int, name: str) -> None:
    """Ends the session of a connection that is lost: the server may not know yet, and keep its locks."""
    ours = "from pg_stat_activity where pid = %s and application_name = %s"
    rows_of(connection, f"select pg_terminate_backend(pid) {ours}", (backend, name))
    for _ in range(50):
        if not rows_of(connection, f"select 1 {ours}", (backend, name)):
            return
        time.sleep(0.1)


def rows_of(connection: Any, statement: str, values: Values = ()) -> list[tuple[Any, ...]]:
    """The rows of a statement, if it has any."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall()) if cursor.description else []


def _first_line(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0].rstrip(".")


def _leave_to_parent() -> None:
    """Closes a forked child's copies of the sockets: they would keep the parent's locks when the parent is killed."""
    for connection in _open:
        # Not connection.close(), which would end the parent's session.
        with suppress(Exception):
            os.close(connection.fileno())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_parent)
