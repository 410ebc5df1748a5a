"""What a sync shows while it runs: bars on a terminal, plain lines elsewhere. Everything goes to standard error."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import TracebackType
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TaskID, TextColumn
from rich.table import Table
from rich.text import Text

from notion_pipeline.cli.tally import Tally
from notion_pipeline.cli.terminal import ShownConsole
from notion_pipeline.extraction.progress import LogProgress
from notion_pipeline.outside import shown_line

LINE_EVERY_SECONDS = 10.0
QUIET_SECONDS = 5.0
_LONGEST_TITLE = 32
_FILE_WIDTH = 140
_UNBOUNDED = 10_000


class Display(Protocol):
    """A `Progress` (progress.py) that is shown from entering to leaving it."""

    tally: Tally

    def __enter__(self) -> Display: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def say(self, level: int, message: str) -> None:
        """A line of the run's log: warnings are shown, what tells of a wait, and all of it when verbose."""

    def planned(self, databases: int) -> None: ...

    def started(self, database_id: str, title: str) -> None: ...

    def staged(self, database_id: str, rows: int, requests: int) -> None: ...

    def finished(self, database_id: str, rows: int, *, failed: bool) -> None: ...


def display_on(console: Console, tally: Tally, *, source: str, verbose: bool) -> Display:
    """Bars where somebody sees them move, lines otherwise."""
    kind = Bars if console.is_terminal else Lines
    return kind(console, tally, source, LogFilter(logging.DEBUG if verbose else logging.WARNING))


def output(file_width: int = _FILE_WIDTH) -> Console:
    """Standard output; in a file or a pipe lines are as long as they need to be."""
    console = ShownConsole()
    return console if console.is_terminal else ShownConsole(width=file_width)


def print_records(console: Console, headings: Sequence[str], rows: Sequence[Record]) -> None:
    """Rows as a table where it fits the console, else a block each: titles and ids are to be read and copied whole."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading, no_wrap=True, justify="right" if heading == "rows" else "left")
    for row in rows:
        table.add_row(*(Text("\n".join(cell), style=row.styles.get(at, "")) for at, cell in enumerate(row.cells)))
    if console.measure(table, options=console.options.update(width=_UNBOUNDED)).maximum <= console.width:
        console.print(table)
        return
    width = max(map(len, headings))
    for row in rows:
        # Rich breaks no line here; a narrow terminal does as it likes with those that are longer than it is wide.
        console.print(Text(", ".join(row.cells[row.head]), style="bold"), soft_wrap=True)
        for at, cell in enumerate(row.cells):
            if at != row.head and any(cell):
                line = Text(f"  {headings[at]:<{width}}  ", style="dim")
                console.print(line.append(", ".join(cell), style=row.styles.get(at, "")), soft_wrap=True)


def title_of(text: str, longest: int = _LONGEST_TITLE) -> str:
    """A title on one line of bounded length, as people gave it, as far as it can be shown."""
    line = shown_line(text) or "Untitled"
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def moment(when: datetime | None) -> str:
    """A moment in the machine's own time, to the minute."""
    return when.astimezone().strftime("%Y-%m-%d %H:%M") if when else "never"


@dataclass(frozen=True)
class Record:
    """A row of what a command lists.

    Attributes:
        cells: Each as its lines.
        head: Which of them names the row.
        styles: By place.
    """

    cells: Sequence[Sequence[str]]
    head: int = 0
    styles: Mapping[int, str] = field(default_factory=dict)


class LogFilter:
    """Which lines of the log are worth a look: warnings, and any that comes when nothing was heard for a while.

    A run at work shows its numbers; where these stand still, the log says what is waited for.
    """

    def __init__(self, threshold: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._threshold = threshold
        self._clock = clock
        self._heard_at = clock()

    def moved(self) -> None:
        """Rows came: nothing is waited for."""
        self._heard_at = self._clock()

    def wants(self, level: int) -> bool:
        now = self._clock()
        wanted = level >= self._threshold or (level >= logging.INFO and now - self._heard_at >= QUIET_SECONDS)
        if wanted:
            self._heard_at = now
        return wanted


class Lines:
    """A line when a database is done, and every few seconds for one whose read takes long."""

    def __init__(self, console: Console, tally: Tally, source: str, log_filter: LogFilter) -> None:
        self.tally = tally
        self._console = console
        self._source = source
        self._hearing = log_filter
        self._long = LogProgress(self._print, every_seconds=LINE_EVERY_SECONDS)

    def __enter__(self) -> Lines:
        self._print(f"{self._source}: listing the databases")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def say(self, level: int, message: str) -> None:
        if self._hearing.wants(level):
            self._print(f"{logging.getLevelName(level).lower()}: {message}")

    def planned(self, databases: int) -> None:
        self.tally.planned(databases)
        self._print(f"{self._source}: {databases} {'database' if databases == 1 else 'databases'} to sync")

    def started(self, database_id: str, title: str) -> None:
        self.tally.started(database_id, title)
        self._long.started(database_id, title_of(title))

    def staged(self, database_id: str, rows: int, requests: int) -> None:
        self.tally.staged(database_id, rows, requests)
        self._hearing.moved()
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
        self._hearing = log_filter
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
        if self._hearing.wants(level):
            style = "yellow" if level >= logging.WARNING else "dim"
            self._console.print(Text(message, style=style), soft_wrap=True)

    def planned(self, databases: int) -> None:
        self.tally.planned(databases)
        self._bars.update(self._whole, description=self._source, total=self.tally.databases)

    def started(self, database_id: str, title: str) -> None:
        reading = self.tally.started(database_id, title)
        self._tasks[database_id] = self._bars.add_task(
            title_of(title), total=reading.expected_rows or None, reading=reading
        )

    def staged(self, database_id: str, rows: int, requests: int) -> None:
        reading = self.tally.staged(database_id, rows, requests)
        self._hearing.moved()
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
    """Of the run: databases done, rows, requests, rows per second, time left; of a database: rows and requests."""

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
        parts.append(f"{timedelta(seconds=round(left))} left")
    return ", ".join(parts)
