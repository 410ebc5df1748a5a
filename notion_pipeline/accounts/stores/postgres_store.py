"""Accounts as rows in PostgreSQL, each sealed: the store of a project whose machines share their state there.

A machine that refreshes an account's tokens holds a lock of the server's, which is free again as soon as its holder is
gone. A new pair is committed before anyone uses it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from notion_pipeline.accounts.stores.encryption import KEY_VARIABLE, Sealer, WrongKeyError, is_sealed
from notion_pipeline.accounts.stores.postgres_sessions import PostgresDatabase, UnreachableError
from notion_pipeline.accounts.stores.stored_account import StoredAccount
from notion_pipeline.errors import ConfigError, StateError
from notion_pipeline.private_files import file_name
from notion_pipeline.redaction import Secret

SCHEMA = "notion_pipeline_state"
TABLE = f"{SCHEMA}.accounts"
#: How long a save waits for a server that is away, such as while it restarts: Notion gives a pair once.
SAVE_SECONDS = 30.0
_PAUSE_SECONDS = 0.5
_UPSERT = (
    f"INSERT INTO {TABLE} (bot_id, sealed, changed_at) VALUES (%s, %s, now()) "
    "ON CONFLICT (bot_id) DO UPDATE SET sealed = excluded.sealed, changed_at = excluded.changed_at"
)


class PostgresTokenStore:
    """A table of accounts, `notion_pipeline_state.accounts`, which the first save makes.

    Args:
        database: Where it is.
        keys: The first seals what is written, each opens. Without one nothing is written.
        dump, parse: An account to JSON and back.
    """

    def __init__(
        self,
        database: PostgresDatabase,
        keys: Sequence[Secret],
        *,
        dump: Callable[[StoredAccount], bytes],
        parse: Callable[[bytes], StoredAccount],
    ) -> None:
        self._database = database
        self._sealer = Sealer(keys)
        self._dump, self._parse = dump, parse
        # Sessions that asked for a lock in vain: whoever waits for one asks twenty times a second.
        self._waiting: list[tuple[int, Any]] = []

    def accounts(self) -> list[StoredAccount]:
        """All accounts, in the order in which they were connected.

        Raises:
            ConfigError: They are sealed with another key, or damaged.
            StateError: PostgreSQL cannot be asked.
        """
        found = [self._opened(*row) for row in self._rows(f"SELECT bot_id, sealed FROM {TABLE}")]
        return sorted(found, key=lambda account: account.connected_at)

    def load(self, bot_id: str) -> StoredAccount | None:
        """One account as it is committed now; raises as `accounts` does."""
        rows = self._rows(f"SELECT bot_id, sealed FROM {TABLE} WHERE bot_id = %s", file_name(bot_id))
        return self._opened(*rows[0]) if rows else None

    def reserve(self, bot_id: str) -> Callable[[], None]:
        """Tries whether the next `save` can be done, by one that is rolled back.

        Raises:
            ConfigError: There is no key.
            StateError: PostgreSQL cannot be reached, or refuses to be written to.
        """
        self._check_key()
        self._sealer.prepare()
        self._make_table()
        with self._database.transaction() as cursor:
            cursor.execute(_UPSERT, (file_name(bot_id), b""))
            cursor.connection.rollback()
        return lambda: None

    def save(self, account: StoredAccount) -> None:
        """Commits the account's row; waits a while for a server that is away.

        Raises:
            ConfigError: There is no key.
            StateError: It cannot be written.
        """
        self._check_key()
        row = (file_name(account.bot_id), self._sealer.seal(self._dump(account)))
        give_up_at = time.monotonic() + SAVE_SECONDS
        while True:
            try:
                self._make_table()
                with self._database.transaction() as cursor:
                    cursor.execute(_UPSERT, row)
            except UnreachableError:
                if time.monotonic() > give_up_at:
                    raise
                time.sleep(_PAUSE_SECONDS)
            else:
                return

    def forget(self, bot_id: str) -> None:
        """Deletes the account's row."""
        self._rows(f"DELETE FROM {TABLE} WHERE bot_id = %s RETURNING true", file_name(bot_id))

    def try_lock(self, bot_id: str) -> Callable[[], None] | None:
        """The account's lock, in a session of its own: it ends with whoever holds it, thread, process or machine.

        Raises:
            ConfigError: There is no key, so that nothing could be saved.
            StateError: PostgreSQL cannot be asked.
        """
        self._check_key()
        name, process = f"notion_pipeline account {file_name(bot_id)}", os.getpid()
        session = self._session()
        try:
            got = self._database.try_lock(session, name)
        except BaseException:
            session.close()
            raise
        if not got:
            self._waiting.append((process, session))
            return None

        def release() -> None:
            if process == os.getpid():  # a forked child has nothing to give back
                with suppress(StateError), self._database.errors():
                    session.rollback()
                session.close()

        return release

    def _session(self) -> Any:
        """One that waited before and still lives, or a new one."""
        with suppress(IndexError):
            process, session = self._waiting.pop()
            if process == os.getpid() and self._database.is_alive(session):
                return session
        return self._database.connect()

    def _rows(self, sql: str, *parameters: str | bytes) -> list[tuple[Any, ...]]:
        """What a statement gives; nothing where there is no table yet."""
        with self._database.transaction() as cursor:
            if not _exists(cursor):
                return []
            cursor.execute(sql, parameters)
            return list(cursor.fetchall())

    def _make_table(self) -> None:
        with self._database.transaction() as cursor:
            if _exists(cursor):
                return
            # Two that make the same at once would fail over PostgreSQL's own tables.
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (SCHEMA,))
            cursor.execute("SELECT to_regnamespace(%s) IS NULL", (SCHEMA,))
            if cursor.fetchone() == (True,):
                cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
            cursor.execute(
                f"CREATE TABLE IF NOT EXISTS {TABLE} "
                "(bot_id text PRIMARY KEY, sealed bytea NOT NULL, changed_at timestamptz NOT NULL)"
            )

    def _opened(self, name: str, sealed: Any) -> StoredAccount:
        content = bytes(sealed)
        try:
            # What is not sealed was not written here, and what was sealed for another row does not belong here.
            data, current = self._sealer.open(content) if is_sealed(content) else (b"", True)
            account = self._parse(data)
            if file_name(account.bot_id) != name:
                raise ValueError
        except WrongKeyError:
            said = "is another one" if self._sealer.keys else "is not set"
            raise ConfigError(
                f"The tokens of account {name} in {TABLE} are encrypted with {KEY_VARIABLE}, which {said}.",
                hint=f"Set the key they were written with, the same on every machine; after a change put the old one "
                f"behind the new one ({KEY_VARIABLE}=new,old). If it is lost, delete the row and connect again with "
                "`notion-pipeline connect`.",
            ) from None
        except (ValueError, KeyError, TypeError, AttributeError):
            raise ConfigError(
                f"The row of account {name} in {TABLE} holds no account: it was damaged.",
                hint="Delete the row, then connect the account again with `notion-pipeline connect`.",
            ) from None
        if not current:
            self._seal_anew(name, content, data)
        return account

    def _seal_anew(self, name: str, content: bytes, data: bytes) -> None:
        """After a change of the key, unless another process wrote the row meanwhile."""
        with suppress(StateError):  # the next reader tries again; what is there can be read
            self._rows(
                f"UPDATE {TABLE} SET sealed = %s, changed_at = now() WHERE bot_id = %s AND sealed = %s RETURNING true",
                *(self._sealer.seal(data), name, content),
            )

    def _check_key(self) -> None:
        if not self._sealer.keys:
            raise ConfigError(
                f"Tokens are kept in PostgreSQL only sealed, and {KEY_VARIABLE} is not set.",
                hint="Make a key, such as with `openssl rand -base64 32`, and give the same one to every machine as "
                f"{KEY_VARIABLE}, in its environment or its .env.",
            )


def _exists(cursor: Any) -> bool:
    cursor.execute("SELECT to_regclass(%s) IS NOT NULL", (TABLE,))
    return bool(cursor.fetchone()[0])
