"""dlt's REST API source, which loads into DuckDB."""

from __future__ import annotations

from pathlib import Path

import duckdb

from benchmarks.peers.environments import package_version, with_packages
from benchmarks.peers.peer import PROGRAMS, Command
from benchmarks.server import Server


class Dlt:
    """Data sources by search, rows of each by a query, as the source's documentation chains resources."""

    name, way = "dlt", "REST API source"

    def install(self, home: Path, *, allowed: bool) -> str:
        return package_version(with_packages(home / "dlt", "dlt[duckdb]>=1.20,<2", allowed=allowed), "dlt")

    def command(self, home: Path, folder: Path, server: Server) -> Command:
        return Command(
            [str(home / "dlt" / "bin" / "python"), str(PROGRAMS / "dlt_rest.py")],
            {"RUNTIME__DLTHUB_TELEMETRY": "false", "DLT_DATA_DIR": str(folder / "dlt")},
        )

    def rows(self, folder: Path) -> int:
        with duckdb.connect(str(folder / "loaded.duckdb"), read_only=True) as connection:
            return int(connection.execute('SELECT count(DISTINCT id) FROM notion_data."rows"').fetchall()[0][0])
