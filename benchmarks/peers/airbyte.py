"""Airbyte's source-notion, which writes Airbyte messages to standard output; they are kept in a file."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.peers.environments import package_version, with_packages
from benchmarks.peers.peer import PROGRAMS, Command, different_rows
from benchmarks.server import TOKEN, Server

_PACKAGE = "airbyte-source-notion"


class Airbyte:
    """Its stream `pages`, which lists pages by search and knows no databases; a full refresh."""

    name, way = "Airbyte source-notion", "stream pages"

    def install(self, home: Path, *, allowed: bool) -> str:
        return package_version(with_packages(home / "airbyte", f"{_PACKAGE}==3.2.0", allowed=allowed), _PACKAGE)

    def command(self, home: Path, folder: Path, server: Server) -> Command:
        config = {
            "credentials": {"auth_type": "token", "token": TOKEN},
            # Its default leaves out what was last edited over two years ago.
            "start_date": "2000-01-01T00:00:00.000Z",
        }
        stream = {"name": "pages", "json_schema": {}, "supported_sync_modes": ["full_refresh", "incremental"]}
        chosen = {"stream": stream, "sync_mode": "full_refresh", "destination_sync_mode": "overwrite"}
        (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
        (folder / "catalog.json").write_text(json.dumps({"streams": [chosen]}), encoding="utf-8")
        programs = home / "airbyte" / "bin"
        program = [str(programs / "python"), str(PROGRAMS / "redirected.py"), str(programs / "source-notion")]
        return Command([*program, "read", "--config", "config.json", "--catalog", "catalog.json"])

    def rows(self, folder: Path) -> int:
        return different_rows(folder / "output")
