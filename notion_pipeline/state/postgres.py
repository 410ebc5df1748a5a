"""Shared state in PostgreSQL: rows for documents and budgets, advisory locks of the session for locks.

The server frees the locks of a process that dies, on whichever machine. Its clock is the one that counts. A pooler that
gives out sessions by transaction (PgBouncer's `transaction` mode) cannot stand in between.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable
from typing import Any

from notion_pipeline.state.address import PostgresAddress
from notion_pipeline.state.interface import Lock
from notion_pipeline.state.session import PATIENCE_SECONDS, Session, rows_of

#: The lock and its count in one statement: a connection that is lost in between has neither.
_TAKE = """
with got as materialized (select pg_try_advisory_lock(%(number)s) as ok)
insert into notion_pipeline_state.locks as kept (name, taken) select %(name)s, 1 from got where ok
on conflict (name) do update set taken = kept.taken + 1 returning taken
"""
#: The same where it was taken before and not forgotten; `taken` is how often, or null for any number.
_TAKE_KNOWN = """
with got as materialized (
    select pg_try_advisory_lock(%(number)s) as ok from notion_pipeline_state.locks where name = %(name)s)
update notion_pipeline_state.locks set taken = taken + 1 from got
where ok and name = %(name)s and taken = coalesce(%(taken)s, taken) returning taken
"""
_TAKE_SHARED = "select 1 where pg_try_advisory_lock_shared(%(number)s)"


class PostgresState:
    """Shared state in the schema notion_pipeline_state of a database, made on first use.

    Args:
        patience_seconds: How long a server that went away is waited for.
    """

    spans_machines = True

    def __init__(self, address: PostgresAddress, *, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._held: dict[str, list[_SessionLock]] = {}
        self._session = Session(address, self._take_again, patience_seconds=patience_seconds)

    def __repr__(self) -> str:
        return f"PostgresState({self.place!r})"

    @property
    def place(self) -> str:
        return self._session.label

    def close(self) -> None:
        """Ends the connection, and with it every lock. The next call connects again."""
        with self._session.mutex:
            self._session.close()
            self._lose_all()

    def now(self) -> float:
        return float(self._value("select extract(epoch from clock_timestamp())"))

    def read(self, key: str) -> bytes | None:
        found = self._value("select content from notion_pipeline_state.documents where key = %s", key)
        return None if found is None else bytes(found)

    def write(self, key: str, data: bytes) -> None:
        self._session.run(
            "insert into notion_pipeline_state.documents as kept (key, content, version, written_at) "
            "values (%s, %s, nextval('notion_pipeline_state.versions'), clock_timestamp()) "
            "on conflict (key) do update set content = excluded.content, version = excluded.version, "
            "written_at = excluded.written_at",
            (key, data),
        )

    def remove(self, key: str) -> None:
        self._session.run("delete from notion_pipeline_state.documents where key = %s", (key,))

    def version(self, key: str) -> Hashable | None:
        version: int | None = self._value("select version from notion_pipeline_state.documents where key = %s", key)
        return version

    def written_at(self, key: str) -> float | None:
        found = self._value(
            "select extract(epoch from written_at) from notion_pipeline_state.documents where key = %s", key
        )
        return None if found is None else float(found)

    def keys(self, folder: str) -> list[str]:
        found = self._session.run(
            'select key from notion_pipeline_state.documents where starts_with(key, %s) order by key collate "C"',
            (f"{folder}/",),
        )
        return [key for (key,) in found]

    def try_lock(self, name: str, *, shared: bool = False, known: bool = False) -> Lock | None:
        with self._session.mutex:
            # The server gives a session a lock as often as it asks: what this process holds is known here.
            self._session.check_process()
            if not self._is_free(name, shared=shared):
                return None
            lock = _SessionLock(self._session, name, shared=shared, given_back=self._drop)
            if not lock.take(known=known):
                return None
            self._held.setdefault(name, []).append(lock)
            return lock

    def is_locked(self, name: str) -> bool:
        number = _number(name)
        with self._session.mutex:
            self._session.check_process()
            if self._held.get(name):
                return True
            found = self._value(
                "select exists (select from pg_locks where locktype = 'advisory' and granted and objsubid = 1 "
                "and database = (select oid from pg_database where datname = current_database()) "
                "and classid::bigint = %s and objid::bigint = %s)",
                number >> 32 & 0xFFFFFFFF,
                number & 0xFFFFFFFF,
            )
            return bool(found)

    def lock_names(self, folder: str) -> list[str]:
        found = self._session.run(
            'select name from notion_pipeline_state.locks where starts_with(name, %s) order by name collate "C"',
            (f"{folder}/",),
        )
        return [name for (name,) in found]

    def forget_locks(self, folder: str) -> None:
        self._session.run("delete from notion_pipeline_state.locks where starts_with(name, %s)", (f"{folder}/",))

    def next_turn(self, account: str, interval: float) -> float:
        # No turn is an hour ahead, unless the server's clock was set back.
        seconds = self._value(
            "insert into notion_pipeline_state.budgets as kept (account, next_at) "
            "values (%s, clock_timestamp() + make_interval(secs => %s)) on conflict (account) do update "
            "set next_at = greatest(least(kept.next_at, clock_timestamp() + interval '1 hour'), clock_timestamp()) "
            "+ make_interval(secs => %s) "
            "returning extract(epoch from next_at - make_interval(secs => %s) - clock_timestamp())",
            account,
            *[interval] * 3,
        )
        return max(float(seconds), 0.0)

    def _value(self, statement: str, *values: object) -> Any:
        rows = self._session.run(statement, values)
        return rows[0][0] if rows else None

    def _is_free(self, name: str, *, shared: bool) -> bool:
        held = self._held.get(name)
        return not held or (shared and all(lock.shared for lock in held))

    def _take_again(self, connection: Any | None) -> None:
        """After a connection took a lost one's place: whoever waited for a lock may have had it meanwhile."""
        if connection is None:
            self._lose_all()
            return
        for lock in [lock for locks in self._held.values() for lock in locks]:
            if not lock.take_again(connection):
                self._drop(lock)

    def _lose_all(self) -> None:
        for lock in [lock for locks in self._held.values() for lock in locks]:
            self._drop(lock)

    def _drop(self, lock: _SessionLock) -> None:
        lock.holds = False
        locks = self._held.get(lock.name, [])
        if lock in locks:
            locks.remove(lock)
        if not locks:
            self._held.pop(lock.name, None)


class _SessionLock:
    """An advisory lock of the session.

    Attributes:
        holds: Whether it was never lost.
    """

    def __init__(
        self, session: Session, name: str, *, shared: bool, given_back: Callable[[_SessionLock], None]
    ) -> None:
        self.name = name
        self.shared = shared
        self.holds = False
        self._session = session
        self._number = _number(name)
        self._taken: int | None = None
        self._given_back = given_back

    def take(self, *, known: bool) -> bool:
        statement = _TAKE_SHARED if self.shared else _TAKE_KNOWN if known else _TAKE
        rows = self._session.run(statement, self._values())
        if not rows and known:
            self._unlock()  # the server may have given it before it saw that the name is forgotten
        self.holds, self._taken = bool(rows), rows[0][0] if rows else None
        return self.holds

    def take_again(self, connection: Any) -> bool:
        """Takes it in a new session, where nobody has had it since."""
        rows = rows_of(connection, _TAKE_SHARED if self.shared else _TAKE_KNOWN, self._values())
        if rows and not self.shared:
            self._taken = rows[0][0]
        return bool(rows)

    def release(self, *, forget: bool = False) -> None:
        with self._session.mutex:
            if not self.holds:
                return
            if forget:
                self._session.run_if_connected(
                    "delete from notion_pipeline_state.locks where name = %(name)s", self._values()
                )
            self._unlock()
            self._given_back(self)

    def is_held(self) -> bool:
        with self._session.mutex:
            if self.holds:
                self._session.run("select 1")  # finds out
            return self.holds

    def _unlock(self) -> None:
        kind = "_shared" if self.shared else ""
        self._session.run_if_connected(f"select pg_advisory_unlock{kind}(%(number)s)", self._values())

    def _values(self) -> dict[str, object]:
        return {"number": self._number, "name": self.name, "taken": self._taken}


def _number(name: str) -> int:
    """What the server knows a lock by: 64 bits, with a sign."""
    digest = hashlib.sha256(f"notion_pipeline_state {name}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
