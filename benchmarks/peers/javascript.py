"""The official JavaScript SDK's helpers, which hand over rows; they are written to a file, a JSON object a line."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from shutil import which

from benchmarks.peers.environments import with_node_modules
from benchmarks.peers.peer import PROGRAMS, Command, different_rows
from benchmarks.server import Server

_PACKAGE = "@notionhq/client"


@dataclass(frozen=True)
class JavaScript:
    """One of the SDK's helpers.

    Attributes:
        way: `iteratePaginatedAPI`, or `iterateAllDataSourceRows`, which goes past the end of one query.
    """

    way: str
    name = "JavaScript SDK"

    def install(self, home: Path, *, allowed: bool) -> str:
        with_node_modules(home / "javascript", f"{_PACKAGE}@^5.26.0", allowed=allowed)
        package = home / "javascript" / "node_modules" / _PACKAGE / "package.json"
        return str(json.loads(package.read_text(encoding="utf-8"))["version"])

    def command(self, home: Path, folder: Path, server: Server) -> Command:
        package = home / "javascript" / "node_modules" / _PACKAGE
        return Command([which("node") or "node", str(PROGRAMS / "sdk.cjs"), str(package), self.way])

    def rows(self, folder: Path) -> int:
        return different_rows(folder / "output")
