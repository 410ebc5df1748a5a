"""notion-pipeline itself: `notion-pipeline sync` into DuckDB."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path

import duckdb

from benchmarks.peers.peer import Command
from benchmarks.project import environment, write_project
from benchmarks.server import Server


class NotionPipeline:
    """The command, with 8 requests at once and no budget."""

    name, way = "notion-pipeline", "sync"

    def install(self, home: Path, *, allowed: bool) -> str:
        return version("notion-pipeline")

    def command(self, home: Path, folder: Path, server: Server) -> Command:
        write_project(folder)
        path = environment(folder, server)["PYTHONPATH"]
        return Command([sys.executable, "-m", "notion_pipeline.cli", "sync"], {"PYTHONPATH": path})

    def rows(self, folder: Path) -> int:
        with duckdb.connect(str(folder / "catalog.duckdb"), read_only=True) as connection:
            tables = connection.execute(
                "SELECT table_name FROM information_schema.tables WHERE table_schema = 'notion' "
                "AND regexp_matches(table_name, '^bulk(_[0-9]+)?$')"
            ).fetchall()
            counts = [
                connection.execute(f"SELECT count(*) FROM notion.{table}").fetchall()[0][0] for (table,) in tables
            ]
        return sum(counts)
