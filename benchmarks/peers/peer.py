"""What every peer is to the comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import orjson

from benchmarks.server import Server

#: Beside the peers' programs, which run with other interpreters than this one.
PROGRAMS = Path(__file__).parent / "programs"


class UnavailableError(Exception):
    """The peer cannot be installed, or cannot read from the sandbox; the text is the reason that the table shows."""


@dataclass(frozen=True)
class Command:
    """What reads everything that the server holds.

    Attributes:
        variables: Environment variables beside those that every peer is given.
    """

    arguments: Sequence[str]
    variables: Mapping[str, str] = field(default_factory=dict)


class Peer(Protocol):
    """A program that reads Notion."""

    @property
    def name(self) -> str:
        """The program."""
        ...

    @property
    def way(self) -> str:
        """Which of its ways to read."""
        ...

    def install(self, home: Path, *, allowed: bool) -> str:
        """Makes the peer's environment in the folder, or finds it there, and returns the version.

        Args:
            home: The folder of all peers' environments.
            allowed: Whether packages may be installed; otherwise only what is there is used.

        Raises:
            UnavailableError: It is not there and cannot be installed.
        """
        ...

    def command(self, home: Path, folder: Path, server: Server) -> Command:
        """What to run in the empty folder.

        Raises:
            UnavailableError: It cannot read what the server holds.
        """
        ...

    def rows(self, folder: Path) -> int:
        """How many different rows it left in the folder."""
        ...


def different_rows(file: Path) -> int:
    """How many different rows a file has: a page of Notion a line, or an Airbyte message with one.

    A page that lies in no database is no row.
    """
    ids = set()
    with file.open("rb") as lines:
        for line in lines:
            found = orjson.loads(line)
            if found.get("type") == "RECORD":
                found = found["record"]["data"]
            if found.get("parent", {}).get("type") in ("data_source_id", "database_id"):
                ids.add(found["id"])
    return len(ids)
