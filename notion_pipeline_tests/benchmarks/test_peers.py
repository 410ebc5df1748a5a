"""The comparison with other programs: what it counts, and each peer that is installed, over the sandbox."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from benchmarks.peers.airbyte import Airbyte
from benchmarks.peers.comparison import PEERS, Line, run
from benchmarks.peers.dlt import Dlt
from benchmarks.peers.environments import with_packages
from benchmarks.peers.ingestr import CompiledIngestr, Ingestr
from benchmarks.peers.javascript import JavaScript
from benchmarks.peers.ours import NotionPipeline
from benchmarks.peers.peer import Command, Peer, UnavailableError, different_rows
from benchmarks.peers.process import measure
from benchmarks.server import Contents, Server

# One search, or two where each result costs a look; then the answers of 150 rows, or one a database.
REQUESTS = {
    "notion-pipeline": (8, 13),
    "JavaScript SDK": (3, 4),
    "dlt": (3, 4),
    "Airbyte source-notion": (2, 2),
    "ingestr": (3, None),
}


@pytest.mark.slow
@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: f"{peer.name} {peer.way}")
def test_peer_reads_all_rows_in_so_many_requests(peer: Peer) -> None:
    if not isinstance(peer, NotionPipeline) and not os.environ.get("BENCHMARK_PEERS"):
        pytest.skip("other programs are installed on demand, which takes minutes: set BENCHMARK_PEERS=1")
    found = run(quick=True, peers=(peer,))
    one, many = (f"{read}, {peer.name}, {peer.way}" for read in ("150 rows", "3 databases of 40 rows"))
    if not found.counts:
        pytest.skip(f"{peer.name}: {found.rows[0][2]}")
    expected = REQUESTS[peer.name]
    assert (found.counts[f"{one}, rows"], found.counts[f"{one}, requests"]) == (150, expected[0])
    if expected[1] is None:
        assert found.rows[1][2] == "not run: it takes one database a command"
    else:
        assert (found.counts[f"{many}, rows"], found.counts[f"{many}, requests"]) == (120, expected[1])


def test_line_shows_the_rows_that_a_peer_lost() -> None:
    line = Line(JavaScript("iteratePaginatedAPI"), "5.26.0", Contents(25_000), "", 10_000, 101, 90.0, {0.0: "3.0 s"})
    assert line.cells((0.0, 0.3)) == [
        "25,000 rows",
        "JavaScript SDK 5.26.0, iteratePaginatedAPI",
        "10,000",
        "15,000",
        "101",
        "3.0 s",
        "not run",
        "90.0 MB",
    ]


def test_line_of_a_stopped_reading_counts_no_row_as_lost() -> None:
    line = Line(NotionPipeline(), "0.1.0", Contents(40, 300), "", megabytes=390.0, times={0.0: "over 240 s"})
    assert line.cells((0.0,))[2:] == ["not known: stopped", "", "", "over 240 s", "390.0 MB"]


def test_line_without_figures_shows_the_reason() -> None:
    line = Line(Airbyte(), "", Contents(40, 300), "not installed")
    assert line.cells((0.0,)) == [
        "300 databases of 40 rows", "Airbyte source-notion, stream pages", "not installed", "", "", "", ""
    ]  # fmt: skip


def test_rows_are_counted_once_and_other_pages_are_not(tmp_path: Path) -> None:
    row = {"id": "a", "parent": {"type": "data_source_id"}}
    message = {"type": "RECORD", "record": {"data": {"id": "b", "parent": {"type": "database_id"}}}}
    page = {"id": "c", "parent": {"type": "workspace"}}
    lines = [row, row, message, page, {"type": "LOG", "log": {}}]
    file = tmp_path / "output"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    assert different_rows(file) == 2


def test_environment_that_is_not_there_is_not_made_unasked(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="not installed"):
        with_packages(tmp_path / "peer", "nothing", allowed=False)
    assert not (tmp_path / "peer").exists()


def test_measuring_counts_children_and_stops_what_takes_too_long(tmp_path: Path) -> None:
    with Server(Contents(rows=1)) as server:
        holding = "import time; held = b'x' * 200_000_000; time.sleep(1)"
        parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {holding!r}])"
        took = measure(Command([sys.executable, "-c", parent]), tmp_path, server, longest=60)
        assert took.seconds is not None
        assert took.megabytes > 190
        endless = Command([sys.executable, "-c", "import time; time.sleep(600)"])
        assert measure(endless, tmp_path, server, longest=0.5).seconds is None
        with pytest.raises(UnavailableError, match="ended with code 3"):
            measure(Command([sys.executable, "-c", "raise SystemExit(3)"]), tmp_path, server, longest=60)


def test_every_peer_has_a_name_and_a_way_of_its_own() -> None:
    kinds = {type(peer) for peer in PEERS}
    assert kinds == {NotionPipeline, JavaScript, Dlt, Airbyte, Ingestr, CompiledIngestr}
    assert len({(peer.name, peer.way) for peer in PEERS}) == len(PEERS)
