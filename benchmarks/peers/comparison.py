"""All peers in turn on the same rows, and their table."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

from benchmarks.peers.airbyte import Airbyte
from benchmarks.peers.dlt import Dlt
from benchmarks.peers.ingestr import CompiledIngestr, Ingestr
from benchmarks.peers.javascript import JavaScript
from benchmarks.peers.ours import NotionPipeline
from benchmarks.peers.peer import Peer, UnavailableError
from benchmarks.peers.process import measure
from benchmarks.server import Contents, Server
from benchmarks.tables import Findings, shown
from benchmarks.wall_time import LATENCY

PEERS: tuple[Peer, ...] = (
    NotionPipeline(),
    JavaScript("iterateAllDataSourceRows"),
    JavaScript("iteratePaginatedAPI"),
    Dlt(),
    Airbyte(),
    Ingestr(),
    CompiledIngestr(),
)
#: Where the peers' environments stay, so that they are made once.
HOME = Path(tempfile.gettempdir()) / "notion-pipeline-peers"
#: A reading is stopped then; what it would have obtained is not known, so nothing counts as lost.
_LONGEST = 1_200.0
_FULL = (Contents(25_000), Contents(40, 300), Contents(10_000))
_QUICK = (Contents(150), Contents(40, 3))


@dataclass
class Line:
    """What one peer did with one workspace.

    Attributes:
        reason: Why there are no figures; empty if there are, or if its turn has not come.
        rows: Of a reading that ended by itself; None while there is none, as `requests`.
        times: By latency.
    """

    peer: Peer
    version: str
    contents: Contents
    reason: str
    rows: int | None = None
    requests: int | None = None
    megabytes: float = 0.0
    times: dict[float, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.peer.name} {self.version}".strip() + f", {self.peer.way}"

    @property
    def all_rows(self) -> int:
        return self.contents.rows * self.contents.databases

    @property
    def read(self) -> str:
        if self.contents.databases == 1:
            return f"{self.contents.rows:,} rows"
        return f"{self.contents.databases} databases of {self.contents.rows} rows"

    def cells(self, latencies: Sequence[float]) -> list[str]:
        if self.reason or not self.times:
            return [self.read, self.name, self.reason or "not run", *([""] * (3 + len(latencies)))]
        found = ["not known: stopped", "", ""]
        if self.rows is not None and self.requests is not None:
            found = [f"{self.rows:,}", f"{self.all_rows - self.rows:,}", f"{self.requests:,}"]
        times = [self.times.get(latency, "not run") for latency in latencies]
        return [self.read, self.name, *found, *times, shown(self.megabytes, "MB")]


def run(*, quick: bool, peers: Sequence[Peer] = PEERS) -> Findings:
    """Rows, requests, time and memory of each; quick only of those that are installed already.

    Ctrl-C ends it with the table of what has been measured.
    """
    latencies = (0.0, 0.02) if quick else (0.0, LATENCY)
    versions = [(peer, *_version(peer, allowed=not quick)) for peer in peers]
    load = os.getloadavg()[0]
    lines: list[Line] = []
    with ExitStack() as stack:
        servers = [(contents, stack.enter_context(Server(contents))) for contents in (_QUICK if quick else _FULL)]
        turns = [(Line(*peer[:2], contents, peer[2]), server) for contents, server in servers for peer in versions]
        lines = [line for line, _ in turns]
        with suppress(KeyboardInterrupt):
            for latency, (line, server) in product(latencies, turns):
                if not line.reason:
                    _read(line, server, latency)
    delays = [f"{latency * 1000:.0f} ms" for latency in latencies]
    return Findings(
        title="Beside other programs",
        command="python -m benchmarks peers",
        meaning=_meaning(load, os.getloadavg()[0]),
        columns=("read", "by", "rows obtained", "rows lost", "requests", *delays, "peak memory"),
        rows=[line.cells(latencies) for line in lines],
        counts={
            f"{line.read}, {line.peer.name}, {line.peer.way}, {what}": count
            for line in lines
            for what, count in (("rows", line.rows), ("requests", line.requests))
            if count is not None
        },
    )


def _version(peer: Peer, *, allowed: bool) -> tuple[str, str]:
    """Its version, and why there is none."""
    try:
        return peer.install(HOME, allowed=allowed), ""
    except UnavailableError as error:
        return "", str(error)


def _read(line: Line, server: Server, latency: float) -> None:
    with tempfile.TemporaryDirectory(prefix="notion-pipeline-benchmark-") as name:
        folder = Path(name)
        server.set_latency(latency)
        server.forget_requests()
        try:
            took = measure(line.peer.command(HOME, folder, server), folder, server, _LONGEST)
        except UnavailableError as error:
            line.reason = str(error)
        else:
            line.times[latency] = shown(took.seconds, "s") if took.seconds else f"over {_LONGEST:.0f} s"
            line.megabytes = max(line.megabytes, took.megabytes)
            if took.seconds:
                line.rows, line.requests = line.peer.rows(folder), server.requests().all
        sys.stderr.write(f"{latency} s: {line.cells((latency,))}\n")


def _meaning(*loads: float) -> str:
    return (
        "Each reads all rows that there are, into an empty place, as a process of its own in an environment of its "
        "own, one after the other; the time is that of the whole process. notion-pipeline, dlt and ingestr load into "
        "DuckDB; the JavaScript SDK's helpers and Airbyte's source write JSON to a file, where a user's program or a "
        "destination would still have to load it. Rows lost are those that are in Notion and not in the result: one "
        "query gives 10,000 rows and no more. Airbyte lists pages by search, which Notion does not promise to be "
        "complete, as the sandbox's is. notion-pipeline's requests include those that look for archived rows, for "
        "edits meanwhile and for the schema, which no other makes; it makes 8 at once, the others one after the other. "
        "dlt is told to keep nested lists as JSON, which costs it least; all other settings are the defaults. The "
        "requests shown are those of the last reading that ended. Airbyte's source and ingestr have Notion's address "
        "built in; their requests are sent to the sandbox on the way out. Peers that speak the version of 2022 get "
        "the answers of 2025-09-03. Peak memory is the resident set of the process and of those it starts, the "
        "larger of both readings. Where the machine did other work as well, all times are longer than they need be, "
        f"those of processor work most: its load average was {loads[0]:.1f} at the start and {loads[1]:.1f} at the end."
    )
