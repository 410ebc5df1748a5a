"""Shows the progress of a sync on standard error: bars on a terminal, plain lines elsewhere.

`Tally` holds the numbers, which any thread may change; a `Display` shows them.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TaskID, TextColumn
from rich.text import Text

from notion_pipeline.cli.terminal import title_of
from notion_pipeline.sync.run.pace import ExpectedReads, RunPace
from notion_pipeline.sync.run.progress import LogProgress, time_left

LINE_EVERY_SECONDS = 10.0
QUIET_SECONDS = 5.0


@dataclass
class Reading:
    """A database that is being read.

    Attributes:
        expected_rows: The rows that its table has, where all are read again; None where that is not known.
    """

    title: str
    expected_rows: int | None = None
    rows: int = 0
    requests: int = 0


class Tally:
    """The numbers of one run.

    Args:
        clock: Seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._rows_expected: Mapping[str, int] = {}
        self._pace = RunPace(clock)
        self._clock = clock
        self._lock = threading.Lock()
        self._began_at = clock()
        self._earlier_rows = 0
        self.reading: dict[str, Reading] = {}
        self.databases: int | None = None
        self.done = 0
        self.failed = 0

    def planned(self, databases: int, expected: ExpectedReads | None = None) -> None:
        with self._lock:
            self.databases = (self.databases or 0) + databases
            self._began_at = self._clock()
            self._rows_expected = expected.rows if expected is not None else {}
            self._pace.begin(expected)

    def started(self, database_id: str, title: str) -> Reading:
        with self._lock:
            reading = self.reading[database_id] = Reading(title, self._rows_expected.get(database_id))
            return reading

    def staged(self, database_id: str, rows: int, requests: int) -> Reading | None:
        with self._lock:
            reading = self.reading.get(database_id)
            if reading is not None:
                reading.rows += rows
                reading.requests = requests
                self._pace.made(database_id, requests)
            return reading

    def finished(self, database_id: str, rows: int, *, failed: bool) -> Reading:
        """The reading as it ended; `rows` without those that came twice."""
        with self._lock:
            reading = self.reading.pop(database_id, None) or Reading("")
            self._earlier_rows += rows
            self._pace.finished(database_id)
            self.done += 1
            self.failed += failed
            return reading

    @property
    def rows(self) -> int:
        return self._earlier_rows + sum(reading.rows for reading in list(self.reading.values()))

    @property
    def requests(self) -> int:
        return self._pace.requests

    @property
    def rows_per_second(self) -> float:
        return self.rows / max(self._clock() - self._began_at, 0.001)

    @property
    def seconds_left(self) -> float | None:
        """The estimated time left; None where nothing is known of what is to come."""
        with self._lock:
            return self._pace.seconds_left


class Display(Protocol):
    """A `Progress` (extraction/progress.py) that is shown from entering to leaving it."""

    tally: Tally

    def __enter__(self) -> Display: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def say(self, level: int, message: str) -> None:
        """Shows a line of the run's log: a warning, a line about a wait, or any line when verbose."""

    def planned(self, databases: int, expected: ExpectedReads | None = None) -> None: ...

    def started(self, database_id: str, title: str) -> None: ...

    def staged(self, database_id: str, rows: int, requests: int) -> None: ...

    def finished(self, database_id: str, rows: int, *, failed: bool) -> None: ...


def display_on(console: Console, tally: Tally, *, source: str, verbose: bool) -> Display:
    """Bars on a terminal, lines elsewhere."""
    kind = Bars if console.is_terminal else Lines
    return kind(console, tally, source, LogFilter(logging.DEBUG if verbose else logging.WARNING))


class LogFilter:
    """Which lines of the log are shown: warnings, and any that comes after a while without rows or lines.

    A run that reads shows its numbers; while these do not change, the log says what the run waits for.
    """

    def __init__(self, threshold: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._threshold = threshold
        self._clock = clock
        self._last_sign_at = clock()

    def moved(self) -> None:
        """Notes that rows came, so the run is not waiting."""
        self._last_sign_at = self._clock()

    def wants(self, level: int) -> bool:
        now = self._clock()
        wanted = level >= self._threshold or (level >= logging.INFO and now - self._last_sign_at >= QUIET_SECONDS)
        if wanted:
            self._last_sign_at = now
        return wanted


class Lines:
    """A line when a database is done, and every few seconds for one whose read takes long."""

    def __init__(self, console: Console, tally: Tally, source: str, log_filter: LogFilter) -> None:
        self.tally = tally
        self._console = console
        self._source = source
        self._log_filter = log_filter
        self._long = LogProgress(self._print, every_seconds=LINE_EVERY_SECONDS, counts=False)

    def __enter__(self) -> Lines:
        self._print(f"{self._source}: listing the databases")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def say(self, level: int, message: str) -> None:
        if self._log_filter.wants(level):
            self._print(f"{logging.getLevelName(level).lower()}: {message}")

    def planned(self, databases: int, expected: ExpectedReads | None = None) -> None:
        self.tally.planned(databases, expected)
        line = f"{self._source}: {databases} {'database' if databases == 1 else 'databases'} to sync"
        if expected is not None:
            line += f", with about {sum(expected.requests.values()):,.0f} requests; {time_left(expected.seconds)}"
        self._print(line)

    def started(self, database_id: str, title: str) -> None:
        self.tally.started(database_id, title)
        self._long.started(database_id, title_of(title))

    def staged(self, database_id: str, rows: int, requests: int) -> None:
        self.tally.staged(database_id, rows, requests)
        self._log_filter.moved()
        self._long.staged(database_id, rows, requests)

    def finished(self, database_id: str, rows: int, *, failed: bool) -> None:
        reading = self.tally.finished(database_id, rows, failed=failed)
        self._long.finished(database_id, rows, failed=failed)
        result = "FAILED" if failed else f"{rows:,} rows read"
        self._print(f"[{self.tally.done}/{self.tally.databases}] {title_of(reading.title)}: {result}")

    def _print(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


class Bars:
    """A bar for the run and one for each database that is being read."""

    def __init__(self, console: Console, tally: Tally, source: str, log_filter: LogFilter) -> None:
        self.tally = tally
        self._console = console
        self._log_filter = log_filter
        self._bars = Progress(
            SpinnerColumn(finished_text=" "),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=12),
            _Numbers(tally),
            console=console,
            transient=True,
            expand=False,
        )
        self._whole = self._bars.add_task(f"{source}: listing", total=None)
        self._source = source
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Bars:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def say(self, level: int, message: str) -> None:
        if self._log_filter.wants(level):
            style = "yellow" if level >= logging.WARNING else "dim"
            self._console.print(Text(message, style=style), soft_wrap=True)

    def planned(self, databases: int, expected: ExpectedReads | None = None) -> None:
        self.tally.planned(databases, expected)
        self._bars.update(self._whole, description=self._source, total=self.tally.databases)

    def started(self, database_id: str, title: str) -> None:
        reading = self.tally.started(database_id, title)
        self._tasks[database_id] = self._bars.add_task(
            title_of(title), total=reading.expected_rows or None, reading=reading
        )

    def staged(self, database_id: str, rows: int, requests: int) -> None:
        reading = self.tally.staged(database_id, rows, requests)
        self._log_filter.moved()
        if reading is not None and database_id in self._tasks:
            self._bars.update(self._tasks[database_id], completed=reading.rows)

    def finished(self, database_id: str, rows: int, *, failed: bool) -> None:
        reading = self.tally.finished(database_id, rows, failed=failed)
        self._bars.update(self._whole, completed=self.tally.done)
        if (task := self._tasks.pop(database_id, None)) is not None:
            self._bars.remove_task(task)
        if failed:
            self._console.print(Text(f"{title_of(reading.title)} failed", style="red"))


class _Numbers(ProgressColumn):
    """The run's databases done, rows, requests, rows per second and time left; or a database's rows and requests."""

    def __init__(self, tally: Tally) -> None:
        super().__init__()
        self._tally = tally

    def render(self, task: Task) -> Text:
        reading = task.fields.get("reading")
        if reading is not None:
            return Text(f"{reading.rows:,} rows, {reading.requests:,} requests", style="dim")
        if self._tally.databases is None:
            return Text("")
        return Text(summary(self._tally))


def summary(tally: Tally) -> str:
    """The numbers of a run on one line."""
    parts = [
        f"{tally.done}/{tally.databases} databases",
        f"{tally.rows:,} rows",
        f"{tally.requests:,} requests",
        f"{tally.rows_per_second:,.0f} rows/s",
    ]
    if (left := tally.seconds_left) is not None:
        parts.append(time_left(left))
    return ", ".join(parts)
