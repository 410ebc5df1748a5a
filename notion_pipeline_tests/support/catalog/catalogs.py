"""What the catalogs of tests are kept in: DuckDB files, or what `pytest --catalog` names.

`lake` is a DuckLake in a file; `postgres` is one on a PostgreSQL of the test session's own.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import duckdb
import pytest

from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.catalog.connection.lake import _ATTACHED
from notion_pipeline.config.fields.catalog_location import CatalogLocation, location_of
from notion_pipeline_tests.support.processes.postgres import postgres, query

KINDS = ("file", "lake", "postgres")
_FILE = "catalog.duckdb"
_LAKE, _LAKE_FILES = "catalog.ducklake", "catalog_files"


class _Session:
    """The kind of this test session's catalogs, and the server that keeps lakes."""

    def __init__(self) -> None:
        self.kind = "file"
        self.stack = ExitStack()
        self._port: int | None = None
        self._made: set[str] = set()

    def database(self, folder: Path) -> str:
        """The connection string of a database of this folder's own."""
        if self._port is None:
            self._port = self.stack.enter_context(postgres())
        name = self._name(folder)
        if name not in self._made:
            query(self._port, f"CREATE DATABASE {name}")
            self._made.add(name)
        return f"dbname={name} host=127.0.0.1 port={self._port} user=notion"

    @contextmanager
    def dropping(self) -> Iterator[None]:
        """Drops at the end what was made meanwhile: a server holds few hundred connections, and a database is 8 MB."""
        kept = set(self._made)
        yield
        for name in self._made - kept:
            self._drop(name)

    def drop(self, folder: Path) -> None:
        """Drops the database of a folder; `database` makes it again."""
        self._drop(self._name(folder))

    def _drop(self, name: str) -> None:
        assert self._port is not None
        query(self._port, f"DROP DATABASE {name} WITH (FORCE)")
        self._made.remove(name)

    @staticmethod
    def _name(folder: Path) -> str:
        return "lake_" + hashlib.sha256(str(folder).encode()).hexdigest()[:16]


session = _Session()


def only_in_a_file(reason: str) -> None:
    """Skips a test whose own means a lake does not have."""
    if session.kind != "file":
        pytest.skip(reason)


def place(folder: Path) -> tuple[str, str]:
    """The catalog of a project in this folder, as `catalog:` and `data_path:` of sources.yaml have it."""
    if session.kind == "file":
        return str(folder / _FILE), ""
    files = str(folder / _LAKE_FILES)
    if session.kind == "lake":
        return f"ducklake:{folder / _LAKE}", files
    return f"ducklake:postgres:{session.database(folder)}", files


def variables(folder: Path) -> dict[str, str]:
    """The same as a process in the folder is told it; empty for the file, which it has unless told otherwise."""
    if session.kind == "file":
        return {}
    catalog, data_path = place(folder)
    return {"NOTION_PIPELINE_CATALOG": catalog, "NOTION_PIPELINE_DATA_PATH": data_path}


def remove(folder: Path) -> None:
    """The catalog of a folder is lost, with all that is in it."""
    if session.kind == "file":
        (folder / _FILE).unlink()
        return
    shutil.rmtree(folder / _LAKE_FILES)
    if session.kind == "lake":
        (folder / _LAKE).unlink()
        return
    session.drop(folder)
    # As to a process that starts afterwards.
    _ATTACHED.forget(str(location(folder)))


def location(folder: Path) -> CatalogLocation:
    """The same as `Catalog` takes it."""
    return location_of(*place(folder), Path, dict(os.environ))


@contextmanager
def reading(folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """The catalog of a folder as somebody reads it who does not know of the pipeline's lock."""
    if session.kind == "file":
        with duckdb.connect(str(folder / _FILE), read_only=True) as connection:
            yield connection
        return
    with Catalog(location(folder), log=print, wait_seconds=5.0).reading() as connection:
        assert connection is not None, "there is no catalog"
        yield connection


@contextmanager
def changing(folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """The same for somebody who writes."""
    if session.kind == "file":
        with duckdb.connect(str(folder / _FILE)) as connection:
            yield connection
        return
    with Catalog(location(folder), log=print, wait_seconds=5.0).writing() as connection:
        yield connection
