"""A catalog in a DuckLake: its tables as Parquet files, what it knows of itself in PostgreSQL or in a file.

On PostgreSQL many processes write at once, and readers never wait. A process attaches the lake once and gives each
transaction a connection of its own; where two commits change the same tables, the later one is refused as a whole. In
a file one process at a time has the lake, as with a DuckDB file, and under the same lock.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import Any

import duckdb

from notion_pipeline.catalog.connection.duckdb_errors import (
    hint,
    is_busy,
    is_lost_connection,
    is_lost_race,
    is_out_of_memory,
    is_restarting,
    reason,
)
from notion_pipeline.catalog.connection.duckdb_file import LockedOpener, file_version
from notion_pipeline.catalog.connection.lake_attach import (
    ALIAS,
    AttachedLakes,
    attach,
    attach_to,
    make,
    set_options,
    undo_snapshot,
    using,
)
from notion_pipeline.catalog.connection.opening import Opening, Storage, opening_of, until_closed
from notion_pipeline.catalog.dialect import LAKE
from notion_pipeline.catalog.sql import quote, text
from notion_pipeline.config.fields.catalog_location import Lake
from notion_pipeline.errors import CatalogConflictError, CatalogError, CatalogMemoryError, CatalogUnreachableError

#: Of commits, in `ducklake_snapshots`.
_AUTHOR = "notion_pipeline"
_ATTACHED = AttachedLakes()


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

    def use(self, connection: duckdb.DuckDBPyConnection) -> None:
        using(connection)

    def mark(self, connection: duckdb.DuckDBPyConnection, mark: str) -> None:
        """A file answers."""

    def take_back(self, mark: str) -> None:
        """A file answers."""

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

    is_shared = True

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
        connection = _ATTACHED.to_read(self.key, self._location, self._config)
        return opening_of(connection) if connection is not None else None

    def open_to_write(self) -> Opening:
        return opening_of(_ATTACHED.to_write(self.key, self._location, self._config))

    def mark(self, connection: duckdb.DuckDBPyConnection, mark: str) -> None:
        connection.execute(f"CALL {quote(ALIAS)}.set_commit_message({text(_AUTHOR)}, '', extra_info => {text(mark)})")

    def take_back(self, mark: str) -> None:
        opening = self.open_to_read()
        if opening is None:
            return
        try:
            snapshots = f"ducklake_snapshots({text(ALIAS)})"
            found = opening.connection.execute(
                f"SELECT snapshot_id FROM {snapshots} WHERE commit_extra_info = ?", [mark]
            )
            for (snapshot,) in found.fetchall():
                undo_snapshot(opening.connection, int(snapshot))
        finally:
            opening.close()

    def attach(self, connection: duckdb.DuckDBPyConnection, alias: str) -> Opening | None:
        if not attach_to(connection, self._location, alias, "READ_ONLY"):
            return None
        # Others may write meanwhile: what is read is one state of it.
        (version,) = connection.execute(f"SELECT id FROM ducklake_current_snapshot({text(alias)})").fetchall()[0]
        connection.execute(f"DETACH {quote(alias)}")
        attach_to(connection, self._location, alias, "READ_ONLY", f"SNAPSHOT_VERSION {version}")
        return until_closed(opening_of(using(connection.cursor(), alias)), connection, alias)

    def error(self, error: Exception, done: str) -> CatalogError:
        if is_restarting(error):
            _ATTACHED.note_reached(self.key)
        if is_lost_connection(error) and _ATTACHED.was_reached(self.key):
            _ATTACHED.forget(self.key)
            return CatalogUnreachableError(
                f"The catalog {self._location} cannot be {done}: the connection to its server was lost. "
                f"{reason(error)}",
                hint="Sync again when the server is back: what was read is kept, and the next run commits what is not "
                "in the catalog.",
            )
        told = super().error(error, done)
        if not isinstance(told, CatalogConflictError):
            _ATTACHED.forget(self.key)  # the connection to the server may be what is broken
        return told


class _FileLake(_LakeStorage):
    """A lake in a file, which one process has at a time."""

    is_shared = False

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
        self._opener = LockedOpener(Path(os.path.realpath(file)), str(location), wait_seconds=wait_seconds, log=log)

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
            connection = attach(self._location, self._config, "READ_ONLY")
            if connection is None:
                raise _no_lake(self._file)
            return connection

        return self._opener.open(connect, is_writing=False)

    def open_to_write(self) -> Opening:
        return self._opener.open(self._connect_to_write, is_writing=True)

    def _connect_to_write(self) -> duckdb.DuckDBPyConnection:
        found = attach(self._location, self._config) if self._file.exists() else None
        connection = found or make(self._location, self._config)
        try:
            set_options(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def attach(self, connection: duckdb.DuckDBPyConnection, alias: str) -> Opening | None:
        if not self.exists():
            return None

        def connect() -> duckdb.DuckDBPyConnection:
            if not attach_to(connection, self._location, alias, "READ_ONLY"):
                raise _no_lake(self._file)
            return using(connection.cursor(), alias)

        return until_closed(self._opener.open(connect, is_writing=False), connection, alias)

    def error(self, error: Exception, done: str) -> CatalogError:
        if is_busy(error):
            return self._opener.error(error, done)
        return super().error(error, done)


def _no_lake(file: Path) -> CatalogError:
    return CatalogError(f"{file} holds no DuckLake.", hint="Name another file in catalog:.")
