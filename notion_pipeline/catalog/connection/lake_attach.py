"""Attaches a lake to a DuckDB, makes it where it is missing, and keeps it attached for the life of the process."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import duckdb

from notion_pipeline.catalog.connection.lake_extensions import load_extensions
from notion_pipeline.catalog.connection.lake_secrets import set_secrets
from notion_pipeline.catalog.sql import quote, text
from notion_pipeline.config.fields.catalog_location import S3, Lake

#: The lake in our own connections; no source can have this name.
ALIAS = "_lake"
#: DuckDB sizes the pieces of an upload by this, and reserves several: its default of 800 GB does not fit our limit.
_UPLOADER_SIZE = "50GB"
#: DuckLake keeps small inserts in the metadata by default; STRUCTs that hold a TIMESTAMPTZ cannot be read back from
#: there (duckdb/ducklake#1435).
_NO_INLINING = "DATA_INLINING_ROW_LIMIT 0"
#: For every program that writes the lake. Parquet's row groups are whole in memory: DuckDB's default of 122,880 rows of
#: Notion's fits no limit of ours. DuckDB 1.5.5 crashes where a limit of inlining above 0 is set beside a view.
_OPTIONS = {"data_inlining_row_limit": "0", "parquet_row_group_size_bytes": "8MB"}
#: For PostgreSQL. What is valid from one version to another has these two columns in all of DuckLake's tables.
_UNDO = """
DO $undo$
DECLARE versioned text;
BEGIN
    FOR versioned IN
        SELECT quote_ident(table_name) FROM information_schema.columns
        WHERE table_schema = 'public' AND column_name = 'end_snapshot' AND table_name LIKE 'ducklake\\_%'
    LOOP
        EXECUTE 'DELETE FROM public.' || versioned || ' WHERE begin_snapshot = {snapshot}';
        EXECUTE 'UPDATE public.' || versioned || ' SET end_snapshot = NULL WHERE end_snapshot = {snapshot}';
    END LOOP;
    UPDATE public.ducklake_snapshot_changes SET changes_made = '', commit_extra_info = NULL
    WHERE snapshot_id = {snapshot};
END
$undo$
"""
_NOT_THERE = ("does not exist", "explicitly disabled")


@dataclass
class _Kept:
    connection: duckdb.DuckDBPyConnection
    has_options: bool = False


class AttachedLakes:
    """Lakes on a server that this process has attached, each in a DuckDB of its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._kept: dict[Hashable, _Kept] = {}
        self._known: set[Hashable] = set()

    def to_read(self, key: Hashable, location: Lake, config: Mapping[str, Any]) -> duckdb.DuckDBPyConnection | None:
        """A connection of the DuckDB that has the lake; None where there is no lake."""
        with self._lock:
            kept = self._get(key, lambda: attach(location, config))
            return kept.connection.cursor() if kept is not None else None

    def to_write(self, key: Hashable, location: Lake, config: Mapping[str, Any]) -> duckdb.DuckDBPyConnection:
        """The same with a lake that is made where there is none, and has its options."""
        with self._lock:
            kept = self._get(key, lambda: attach(location, config))
            if kept is None:
                kept = self._kept[key] = _Kept(make(location, config))
                self._known.add(key)
            if not kept.has_options:
                set_options(kept.connection)
                kept.has_options = True
            return kept.connection.cursor()

    def _get(self, key: Hashable, attach_it: Callable[[], duckdb.DuckDBPyConnection | None]) -> _Kept | None:
        if self._pid != os.getpid():
            # Connections to a server must not be shared with the process that this one was forked from.
            self._pid, self._kept = os.getpid(), {}
        if key not in self._kept and (attached := attach_it()) is not None:
            self._kept[key] = _Kept(attached)
            self._known.add(key)
        return self._kept.get(key)

    def forget(self, key: Hashable) -> None:
        """The next transaction attaches anew; those at work keep what they have."""
        with self._lock:
            self._kept.pop(key, None)

    def note_reached(self, key: Hashable) -> None:
        """The lake's server was there, if not the lake."""
        self._known.add(key)

    def was_reached(self, key: Hashable) -> bool:
        """Whether this process ever had the lake, or an answer of its server."""
        return key in self._known


def attach(location: Lake, config: Mapping[str, Any], *options: str) -> duckdb.DuckDBPyConnection | None:
    """A DuckDB that has the lake attached; None where there is none."""
    connection = duckdb.connect(":memory:", config=dict(config))
    try:
        if attach_to(connection, location, ALIAS, *options):
            return connection
    except BaseException:
        connection.close()
        raise
    connection.close()
    return None


def attach_to(connection: duckdb.DuckDBPyConnection, location: Lake, alias: str, *options: str) -> bool:
    """Attaches the lake to a DuckDB; False where there is none."""
    _prepare(connection, location)
    try:
        connection.execute(_attach_sql(location, alias, "CREATE_IF_NOT_EXISTS false", *options))
    except duckdb.InvalidInputException as error:
        if not all(words in str(error) for words in _NOT_THERE):
            raise
        return False
    return True


def make(location: Lake, config: Mapping[str, Any]) -> duckdb.DuckDBPyConnection:
    """A DuckDB that has the lake attached, which it has made unless somebody else did meanwhile."""
    connection = duckdb.connect(":memory:", config=dict(config))
    try:
        _prepare(connection, location)
        connection.execute(_attach_sql(location, ALIAS))
    except BaseException:
        connection.close()
        raise
    return connection


def set_options(connection: duckdb.DuckDBPyConnection) -> None:
    """Sets those of _OPTIONS that the lake lacks: whoever made it may have been killed before it came to that."""
    rows = connection.execute(f"SELECT option_name FROM ducklake_options({text(ALIAS)}) WHERE scope = 'GLOBAL'")
    for name in sorted(_OPTIONS.keys() - {row[0] for row in rows.fetchall()}):
        connection.execute(f"CALL {quote(ALIAS)}.set_option({text(name)}, {text(_OPTIONS[name])})")


def undo_snapshot(connection: duckdb.DuckDBPyConnection, snapshot: int) -> None:
    """Takes what a commit brought and ended out of a lake's metadata in PostgreSQL; its version stays, without changes.

    DuckLake deletes the files of a commit that it takes for failed, also where only the answer was lost: the lake would
    name files that are gone.
    """
    connection.execute("CALL postgres_execute(?, ?)", [f"__ducklake_metadata_{ALIAS}", _UNDO.format(snapshot=snapshot)])


def using(connection: duckdb.DuckDBPyConnection, alias: str = ALIAS) -> duckdb.DuckDBPyConnection:
    """The connection, in which names without a database are those of the lake."""
    connection.execute(f"USE {quote(alias)}")
    return connection


def _prepare(connection: duckdb.DuckDBPyConnection, location: Lake) -> None:
    load_extensions(connection, location)
    # DuckLake's statistics of a column are wrong after a transaction that inserts NULL alone, then values; the planner
    # takes comparisons for decided by them, and joins lose rows.
    connection.execute("SET GLOBAL disabled_optimizers = 'statistics_propagation'")
    set_secrets(connection, location)
    if location.data_path.lower().startswith(S3):
        # Of the session alone by default, which the connections of transactions would not have.
        connection.execute(f"SET GLOBAL s3_uploader_max_filesize = {text(_UPLOADER_SIZE)}")


def _attach_sql(location: Lake, alias: str, *options: str) -> str:
    data_path = [f"DATA_PATH {text(location.data_path)}"] if location.data_path else []
    return f"ATTACH {text(str(location))} AS {quote(alias)} ({', '.join([_NO_INLINING, *data_path, *options])})"
