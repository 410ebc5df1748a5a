"""Notion for the benchmarks: the sandbox in a process of its own, so that what it costs is not counted.

Rows are rendered before the first request: an answer costs the server a millisecond or two then.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import TracebackType
from typing import IO, Any, cast

TOKEN = "ntn_sandbox_token"  # noqa: S105 - the sandbox's own
#: Rows lie over so many minutes at least, as imported ones do not and grown ones do.
FEWEST_MINUTES = 5_000
_NOW = datetime(2026, 7, 1, 9, 0, tzinfo=timezone.utc)
_SPAN = timedelta(days=900)
_SMALL_SCHEMA = {"Name": "title", "State": {"type": "select", "options": ("Open", "Done")}, "Effort": "number"}


@dataclass(frozen=True)
class Contents:
    """What a workspace holds: `databases` databases of `rows` rows, 30 properties each.

    Attributes:
        words: Bytes of text on each page, or about; rows with text have three properties.
    """

    rows: int
    databases: int = 1
    words: int = 0


@dataclass(frozen=True)
class Requests:
    """What came in.

    Attributes:
        listing: For what there is: searches, and databases asked for by id.
        reading: For what is in it: schemas, rows, and items of long values.
        seconds: From the first request for rows, or for content, to the answer of the last.
    """

    listing: int
    reading: int
    seconds: float

    @property
    def all(self) -> int:
        return self.listing + self.reading


class Server:
    """A workspace that is served for as long as the context lasts.

    Attributes:
        url: Its base URL.
        database_ids: In the order in which they were made.
    """

    def __init__(self, contents: Contents) -> None:
        sizes = (contents.rows, contents.databases, contents.words)
        command = [sys.executable, "-m", "benchmarks.server", *map(str, sizes)]
        self._process = subprocess.Popen(  # noqa: S603
            command, cwd=Path(__file__).parents[1], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._orders, self._answers = cast(IO[str], self._process.stdin), cast(IO[str], self._process.stdout)
        hello = self._answer()
        self.url: str = hello["url"]
        self.database_ids: list[str] = hello["database_ids"]

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()  # the end of its orders ends it

    def set_latency(self, seconds: float) -> None:
        """From now on every answer comes so much later."""
        self._order("latency", seconds)

    def forget_requests(self) -> None:
        """Counts from nothing again, and lets an hour pass, so that nothing falls into the next sync's lookback."""
        self._order("forget", None)

    def requests(self) -> Requests:
        """API requests since they were last forgotten."""
        return Requests(**self._order("requests", None))

    def edit_rows(self, count: int) -> None:
        """Edits so many rows of the first database, evenly spread over it."""
        self._order("edit", count)

    def _order(self, name: str, value: Any) -> Any:
        self._orders.write(json.dumps([name, value]) + "\n")
        self._orders.flush()
        return self._answer()

    def _answer(self) -> Any:
        line = self._answers.readline()
        if not line:
            raise SystemExit("The sandbox server ended; what it said stands above.")
        return json.loads(line)


def _text(size: int) -> str:
    """Markdown of about so many bytes, which names the page's number."""
    lines = [
        "# Page {number}",
        *["What there is to say about number {number}, in a line of some length."] * (size // 70),
    ]
    return "\n".join(lines) if size else ""


def main() -> None:
    """Serves until standard input ends; a JSON line in is an order, a JSON line out its answer."""
    from benchmarks.any_account import AnyAccount  # noqa: PLC0415
    from benchmarks.old_version import OldVersion  # noqa: PLC0415
    from notion_pipeline.sandbox.answers.render import Renderer  # noqa: PLC0415
    from notion_pipeline.sandbox.edits.bulk import add_rows, bulk_schema  # noqa: PLC0415 - not in the measuring process
    from notion_pipeline.sandbox.edits.workspace import Workspace  # noqa: PLC0415
    from notion_pipeline.sandbox.http.handlers.reading import RowCache  # noqa: PLC0415
    from notion_pipeline.sandbox.http.server import SandboxServer  # noqa: PLC0415

    parser = argparse.ArgumentParser()
    parser.add_argument("rows", type=int)
    parser.add_argument("databases", type=int)
    parser.add_argument("words", type=int)
    given = parser.parse_args()
    ws = Workspace(token=TOKEN, now=_NOW, clock_runs=True)
    ws.cached_rows = given.rows * given.databases + 1
    began = _NOW - timedelta(days=30) - _SPAN
    titles = ["Bulk"] if given.databases == 1 else [f"Bulk {number:03d}" for number in range(1, given.databases + 1)]
    schema = _SMALL_SCHEMA if given.words else bulk_schema()
    sources = [ws.add_database(title, schema, created_at=began).data_source for title in titles]
    for source in sources:
        add_rows(source, given.rows, start=began, minutes=_SPAN.total_seconds() / 60, content=_text(given.words))

    def render(_: Any = None) -> None:
        for source in sources:
            cache = RowCache(Renderer(ws, ws.token), source, None)
            for row in source.order:
                cache.row(row)

    def set_latency(seconds: float) -> None:
        ws.latency = seconds

    def forget(_: Any) -> None:
        ws.requests.clear()
        ws.clock.advance(timedelta(hours=1))

    def edit(count: int) -> None:
        rows = sources[0].pages
        for row in rows[:: len(rows) // count][:count]:
            ws.edit_page(row, {"Amount 1": 4711.5})
        render()

    def count(_: Any) -> dict[str, Any]:
        reading = [request for request in ws.requests if "/data_sources/" in request.path or "/pages/" in request.path]
        queries = [request.at for request in reading if request.path.endswith(("/query", "/markdown"))]
        seconds = (max(queries) - min(queries)).total_seconds() + ws.latency if queries else 0.0
        return {"listing": len(ws.requests) - len(reading), "reading": len(reading), "seconds": seconds}

    orders: dict[str, Callable[[Any], Any]] = {
        "latency": set_latency,
        "forget": forget,
        "requests": count,
        "edit": edit,
    }
    render()
    data_sources = {source.database.id: source.id for source in sources}
    with SandboxServer(ws, around=lambda app: AnyAccount(OldVersion(app, data_sources), TOKEN)) as server:
        print(json.dumps({"url": server.url, "database_ids": list(ws.databases)}), flush=True)
        for line in sys.stdin:
            name, value = json.loads(line)
            print(json.dumps(orders[name](value)), flush=True)


if __name__ == "__main__":
    main()
