"""Lakes for the benchmarks, each with a state of its own in the same PostgreSQL."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import count
from pathlib import Path

import duckdb

from benchmarks import postgres
from benchmarks.server import TOKEN

#: The files of a lake: what the present version has, and all that is kept.
_FILES = "SELECT count(*), sum(file_size_bytes) FROM {table} WHERE {condition}"
_TABLES = ("ducklake_data_file", "ducklake_delete_file")


@dataclass(frozen=True)
class Files:
    """Parquet files, those of deleted rows among them."""

    number: int
    megabytes: float


@dataclass(frozen=True)
class Lake:
    """A lake with state beside it.

    Attributes:
        data_path: Where its files are.
        own: Variables for reaching the data path.
    """

    server: postgres.Postgres
    database: str
    data_path: str
    own: Mapping[str, str] = field(default_factory=dict)

    def variables(self, account: int = 1) -> dict[str, str]:
        """For a process that works for one of the accounts."""
        return {
            **self.own,
            "NOTION_PIPELINE_CATALOG": self.server.lake(self.database),
            "NOTION_PIPELINE_DATA_PATH": self.data_path,
            "NOTION_PIPELINE_STATE": self.server.address(f"{self.database}_state"),
            "NOTION_TOKEN": f"{TOKEN}_{account}",
        }

    def files(self) -> Files:
        """Those of its present version."""
        found = [
            self.server.ask(_FILES.format(table=table, condition="end_snapshot IS NULL"), self.database)[0]
            for table in _TABLES
        ]
        return Files(sum(number for number, _ in found), sum(size for _, size in found) / 2**20)

    def statements(self) -> int | None:
        """How many statements its clients have sent to PostgreSQL, for the lake and for the state."""
        found = [self.server.statements(database) for database in (self.database, f"{self.database}_state")]
        return None if None in found else sum(number or 0 for number in found)

    def megabytes(self) -> float:
        """What PostgreSQL holds of it."""
        return self.server.megabytes(self.database)


@dataclass(frozen=True)
class Lakehouse:
    """A PostgreSQL, and a folder for the files."""

    server: postgres.Postgres
    folder: Path
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def new_lake(self, data_path: str = "", variables: Mapping[str, str] | None = None) -> Lake:
        """An empty one.

        Args:
            data_path: Where its files are to be; a folder by default.
            variables: What a process needs to reach them.
        """
        name = f"lake{next(self._numbers)}"
        self.server.create_database(name)
        self.server.create_database(f"{name}_state")
        return Lake(self.server, name, data_path or str(self.folder / name), variables or {})


def missing() -> str | None:
    """What stands in the way of a lake; None where nothing does."""
    if reason := postgres.missing():
        return reason
    if all(find_spec(f"duckdb_extension_{name}") for name in ("ducklake", "postgres_scanner", "httpfs")):
        return None
    try:
        duckdb.connect().execute("INSTALL ducklake; INSTALL postgres; INSTALL httpfs")
    except duckdb.Error:
        return f"DuckDB {duckdb.__version__} cannot download its extensions (the extra `lakehouse` brings them)"
    return None


@contextmanager
def lakehouse() -> Iterator[Lakehouse]:
    """A PostgreSQL that ends with the context, with all that was put into it."""
    folder = Path(tempfile.mkdtemp(prefix="notion-pipeline-benchmark-lake-"))
    try:
        with postgres.postgres() as server:
            yield Lakehouse(server, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
