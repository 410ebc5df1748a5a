"""A catalog in a DuckLake: its tables as Parquet files, what it knows of itself in PostgreSQL or in a file.

On PostgreSQL many processes write at once, and readers never wait. A process attaches the lake once and gives each
transaction a connection of its own; where two commits change the same tables, the later one is refused as a whole. In
a file one process at a time has the lake, as with a DuckDB file, and under the same lock.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import duckdb

from notion_pipeline.catalog.connection.duckdb_errors import hint, is_busy, is_lost_race, is_out_of_memory, reason
from notion_pipeline.catalog.connection.duckdb_file import LockedOpener, file_version
from notion_pipeline.catalog.connection.lake_extensions import load_extensions
from notion_pipeline.catalog.connection.lake_secrets import set_secrets
from notion_pipeline.catalog.connection.opening import Opening, Storage, until_closed
from notion_pipeline.catalog.dialect import LAKE
from notion_pipeline.catalog.sql import quote, text
from notion_pipeline.config.fields.catalog_location import S3, Lake
from notion_pipeline.errors import CatalogConflictError, CatalogError, CatalogMemoryError

#: The lake in our own connections; no source can have this name.
ALIAS = "_lake"
#: DuckDB sizes the pieces of an upload by this, and reserves several: its default of 800 GB does not fit our limit.
_UPLOADER_SIZE = "50GB"
#: DuckLake keeps small inserts in the metadata by default; STRUCTs that hold a TIMESTAMPTZ cannot be read back from
#: there (duckdb/ducklake#1435).
_NO_INLINING = "DATA_INLINING_ROW_LIMIT 0"
#: For every program that writes the lake. Parquet's row groups are whole in memory: DuckDB's default of 122,880 rows of
#: Notion's fits no limit of ours.
_OPTIONS = {"data_inlining_row_limit": "0", "parquet_row_group_size_bytes": "8MB"}
_NOT_THERE = ("does not exist", "explicitly disabled")
_Connection = TypeVar("_Connection", duckdb.DuckDBPyConnection, "duckdb.DuckDBPyConnection | None")


class _Attached:
    """Lakes on a server that this process has attached, each in a DuckDB of its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._known: dict[Hashable, duckdb.DuckDBPyConnection] = {}

    def get(self, key: Hashable, attach: Callable[[], _Connection]) -> _Connection | duckdb.DuckDBPyConnection:
        """A connection of the DuckDB that has the lake; what `attach` gives, where that is None."""
        with self._lock:
            if self._pid != os.getpid():
                # Connections to a server must not be shared with the process that this one was forked from.
                self._pid, self._known = os.getpid(), {}
            if key not in self._known:
                attached = attach()
                if attached is None:
                    return attached
                self._known[key] = attached
            return self._known[key].cursor()

    def forget(self, key: Hashable) -> None:
        """The next transaction attaches anew; those at work keep what they have."""
        with self._lock:
            self._known.pop(key, None)


_ATTACHED = _Attached()


def lake(location: Lake, *, config: Mapping[str, Any], wait_seconds: float, log: Callable[[str], None]) -> Storage:
    """The lake at a location.

    Args:
        config: DuckDB settings for every connection.
        wait_seconds: How long to wait while another process holds the file of a lake that is in one.
        log: Takes messages that say who holds it.
    """
    if location.file is None:
        return _ServerLake(location, config)
    return _FileLake(location, location.file, config, wait_seconds=wait_seconds, log=log)


class _LakeStorage:
    """What lakes on a server and in a file have in common."""

    database = ALIAS

    def __init__(self, location: Lake, config: Mapping[str, Any]) -> None:
        self._location, self._config = location, dict(config)

    @property
    def key(self) -> Hashable:
        return str(self._location)

    def limit_memory(self, connection: duckdb.DuckDBPyConnection, limit: str | None) -> None:
        if "memory_limit" in self._config:
            return
        limit = None if limit is None else LAKE.memory_limit
        # The connections of a process may share one DuckDB, where a limit stays until another one is set.
        connection.execute("RESET memory_limit" if limit is None else f"SET memory_limit = '{limit}'")
        connection.execute("RESET threads" if limit is None else "SET threads = 1")

    def error(self, error: Exception, done: str) -> CatalogError:
        why = reason(error)
        if is_lost_race(error):
            return CatalogConflictError(
                f"The catalog {self._location} cannot be {done}: other commits came first. {why}",
                hint="Sync again: what was read is kept, and the next run commits it.",
            )
        if is_out_of_memory(error):
            return CatalogMemoryError(f"The catalog {self._location} cannot be {done}: {why}", hint=hint(error))
        return CatalogError(
            f"The catalog {self._location} cannot be {done}: {why}",
            hint="Its content did not change. Check catalog: and data_path: in sources.yaml and what they name "
            "(PostgreSQL and its PGPASSWORD, the bucket and AWS_…), then sync again.",
        )


class _ServerLake(_LakeStorage):
    """A lake that PostgreSQL keeps: each transaction is a connection of the DuckDB that has it attached."""

    def exists(self) -> bool:
        return True  # the server knows

    def version(self) -> Hashable | None:
        try:
            opening = self.open_to_read()
            if opening is None:
                return None
            try:
                return opening.connection.execute(f"FROM ducklake_current_snapshot({text(ALIAS)})").fetchone()
            finally:
                opening.close()
        except (duckdb.Error, CatalogError):
            return None  # whoever reads next is told why

    def check_place(self) -> None:
        """The server tells, when it is asked."""

    def open_to_read(self) -> Opening | None:
        connection = _ATTACHED.get(self.key, lambda: _attach(self._location, self._config))
        return _opening(connection) if connection is not None else None

    def open_to_write(self) -> Opening:
        connection = _ATTACHED.get(self.key, lambda: _attach_or_make(self._location, self._config))
        return _opening(connection)

    def attach(self, connection: duckdb.DuckDBPyConnection, alias: str) -> Opening | None:
        if not _attach_to(connection, self._location, alias, "READ_ONLY"):
            return None
        # Others may write meanwhile: what is read is one state of it.
        (version,) = connection.execute(f"SELECT id FROM ducklake_current_snapshot({text(alias)})").fetchall()[0]
        connection.execute(f"DETACH {quote(alias)}")
        _attach_to(connection, self._location, alias, "READ_ONLY", f"SNAPSHOT_VERSION {version}")
        return until_closed(_opening(connection.cursor(), alias), connection, alias)

    def error(self, error: Exception, done: str) -> CatalogError:
        told = super().error(error, done)
        if not isinstance(told, CatalogConflictError):
            _ATTACHED.forget(self.key)  # the connection to the server may be what is broken
        return told


class _FileLake(_LakeStorage):
    """A lake in a file, which one process has at a time."""

    def __init__(
        self,
        location: Lake,
        file: Path,
        config: Mapping[str, Any],
        *,
        wait_seconds: float,
        log: Callable[[str], None],
    ) -> None:
        super().__init__(location, config)
        self._file = file
        self._opener = LockedOpener(
            Path(os.path.realpath(file)), str(location), wait_seconds=wait_seconds, log=log, beside=_beside
        )

    def exists(self) -> bool:
        return self._file.exists()

    def version(self) -> Hashable | None:
        return file_version(self._file)

    def check_place(self) -> None:
        if not self._file.parent.is_dir():
            raise CatalogError(
                f"The catalog {self._location} cannot be written: the folder of its file does not exist.",
                hint="Make the folder, or set NOTION_PIPELINE_CATALOG or catalog: in sources.yaml to another path.",
            )

    def open_to_read(self) -> Opening | None:
        def connect() -> duckdb.DuckDBPyConnection:
            connection = _attach(self._location, self._config, "READ_ONLY")
            if connection is None:
                raise _no_lake(self._file)
            return _using(connection)

        return self._opener.open(connect, is_writing=False)

    def open_to_write(self) -> Opening:
        return self._opener.open(lambda: _using(_attach_or_make(self._location, self._config)), is_writing=True)

    def attach(self, connection: duckdb.DuckDBPyConnection, alias: str) -> Opening | None:
        if not self.exists():
            return None

        def connect() -> duckdb.DuckDBPyConnection:
            if not _attach_to(connection, self._location, alias, "READ_ONLY"):
                raise _no_lake(self._file)
            return _using(connection.cursor(), alias)

        return until_closed(self._opener.open(connect, is_writing=False), connection, alias)

    def error(self, error: Exception, done: str) -> CatalogError:
        if is_busy(error):
            return self._opener.error(error, done)
        return super().error(error, done)


def _no_lake(file: Path) -> CatalogError:
    return CatalogError(f"{file} holds no DuckLake.", hint="Name another file in catalog:.")


def _attach(location: Lake, config: Mapping[str, Any], *options: str) -> duckdb.DuckDBPyConnection | None:
    """A DuckDB that has the lake attached; None where there is none."""
    connection = duckdb.connect(":memory:", config=dict(config))
    try:
        if _attach_to(connection, location, ALIAS, *options):
            return connection
    except BaseException:
        connection.close()
        raise
    connection.close()
    return None


def _attach_to(connection: duckdb.DuckDBPyConnection, location: Lake, alias: str, *options: str) -> bool:
    """Attaches the lake to a DuckDB; False where there is none."""
    _prepare(connection, location)
    try:
        connection.execute(_attach_sql(location, alias, "CREATE_IF_NOT_EXISTS false", *options))
    except duckdb.InvalidInputException as error:
        if not all(words in str(error) for words in _NOT_THERE):
            raise
        return False
    return True


def _attach_or_make(location: Lake, config: Mapping[str, Any]) -> duckdb.DuckDBPyConnection:
    if (file := location.file) is None or file.exists():
        found = _attach(location, config)
        if found is not None:
            return found
    connection = duckdb.connect(":memory:", config=dict(config))
    try:
        _prepare(connection, location)
        connection.execute(_attach_sql(location, ALIAS))
        _set_options(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: duckdb.DuckDBPyConnection, location: Lake) -> None:
    load_extensions(connection, location)
    set_secrets(connection, location)
    if location.data_path.lower().startswith(S3):
        # Of the session alone by default, which the connections of transactions would not have.
        connection.execute(f"SET GLOBAL s3_uploader_max_filesize = {text(_UPLOADER_SIZE)}")


def _attach_sql(location: Lake, alias: str, *options: str) -> str:
    data_path = [f"DATA_PATH {text(location.data_path)}"] if location.data_path else []
    return f"ATTACH {text(str(location))} AS {quote(alias)} ({', '.join([_NO_INLINING, *data_path, *options])})"


def _opening(connection: duckdb.DuckDBPyConnection, alias: str = ALIAS) -> Opening:
    return Opening(_using(connection, alias), lambda: _using(connection.cursor(), alias), connection.close)


def _set_options(connection: duckdb.DuckDBPyConnection) -> None:
    """Sets _OPTIONS in the lake; DuckDB crashes on it where there is a view."""
    views = connection.execute("SELECT 1 FROM duckdb_views() WHERE database_name = ? AND NOT internal", [ALIAS])
    for name, value in _OPTIONS.items() if views.fetchone() is None else ():
        connection.execute(f"CALL {quote(ALIAS)}.set_option({text(name)}, {text(value)})")


def _using(connection: duckdb.DuckDBPyConnection, alias: str = ALIAS) -> duckdb.DuckDBPyConnection:
    connection.execute(f"USE {quote(alias)}")
    return connection


def _beside(connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    return _using(connection.cursor())
