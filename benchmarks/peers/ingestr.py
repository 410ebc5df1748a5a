"""ingestr, which loads into DuckDB: the last of its versions in Python, and the compiled ones since."""

from __future__ import annotations

from pathlib import Path

import duckdb

from benchmarks.peers.environments import package_version, run_installed, with_packages
from benchmarks.peers.peer import PROGRAMS, Command, UnavailableError
from benchmarks.server import TOKEN, Server


class Ingestr:
    """0.14: `ingestr ingest`, which takes one database a command."""

    name, way = "ingestr", "ingest"

    def install(self, home: Path, *, allowed: bool) -> str:
        return package_version(with_packages(home / "ingestr", "ingestr==0.14.155", allowed=allowed), "ingestr")

    def command(self, home: Path, folder: Path, server: Server) -> Command:
        if len(server.database_ids) > 1:
            raise UnavailableError("not run: it takes one database a command")
        programs = home / "ingestr" / "bin"
        program = [str(programs / "python"), str(PROGRAMS / "redirected.py"), str(programs / "ingestr")]
        asked = {
            "--source-uri": f"notion://?api_key={TOKEN}",
            "--source-table": server.database_ids[0],
            "--dest-uri": f"duckdb:///{folder / 'loaded.duckdb'}",
            "--dest-table": "main.bulk",
            "--progress": "log",
        }
        options = [part for option in asked.items() for part in option]
        return Command(
            [*program, "ingest", "--yes", *options],
            {"INGESTR_DISABLE_TELEMETRY": "true", "DISABLE_TELEMETRY": "true", "RUNTIME__DLTHUB_TELEMETRY": "false"},
        )

    def rows(self, folder: Path) -> int:
        with duckdb.connect(str(folder / "loaded.duckdb"), read_only=True) as connection:
            return int(connection.execute("SELECT count(DISTINCT id) FROM main.bulk").fetchall()[0][0])


_COMPILED = "not run: its requests cannot be sent to the sandbox, since its program is compiled"


class CompiledIngestr:
    """1.x: a wheel that downloads a compiled program when it first runs."""

    name, way = "ingestr 1", "ingest"

    def install(self, home: Path, *, allowed: bool) -> str:
        python = with_packages(home / "ingestr-1", "ingestr>=1,<2", allowed=allowed)
        if not allowed:
            raise UnavailableError("not run: it would download its program")
        try:
            run_installed([str(python.with_name("ingestr")), "--help"], home)
        except UnavailableError as error:
            raise UnavailableError("not installed: its program is on GitHub, which was out of reach") from error
        raise UnavailableError(_COMPILED)

    def command(self, home: Path, folder: Path, server: Server) -> Command:
        raise UnavailableError(_COMPILED)

    def rows(self, folder: Path) -> int:
        raise UnavailableError(_COMPILED)
