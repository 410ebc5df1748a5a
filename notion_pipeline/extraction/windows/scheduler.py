"""The workers of one read, which window each takes, and when a window is cut so that one more worker can help.

Every window is read from its oldest row on. An idle worker gets the newer half, by time, of the window that seems to
hold the most rows. Each window may waste up to one request at its end (rows of the next window, or none at all), so
windows are cut only while all of those together stay within what a read may waste.

A read always has one worker of its own. It borrows more from the run while there is work for them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from notion_pipeline.extraction.windows.window import MINUTE, Window
from notion_pipeline.notion.page_size import NOTION_PAGE_SIZE

#: Requests that a read may waste for the sake of speed: as many as it has read pages, up to so many, and this part of
#: all of them.
FREE_WASTE, WASTE_PER_PAGE = 2.4, 0.06
#: What the end of a window wastes, on average and a little more.
WASTE_PER_WINDOW = 0.75
#: Rows that a window must seem to hold to be worth a second worker.
WORTH_CUTTING = 300


@dataclass(eq=False)
class OpenWindow:
    """A window that is not read to its end yet.

    Attributes:
        is_taken: Whether a worker reads it.
        rows_a_minute: As its worker has met them so far; of a new half, as its other half has. 0 before the first.
    """

    phase: str
    window: Window
    is_taken: bool = False
    rows_a_minute: float = 0.0
    _rows: int = 0
    _first: datetime | None = None

    def note(self, minutes: Sequence[datetime]) -> None:
        """Takes the minutes of an answer's rows, oldest first, into the density."""
        self._rows += len(minutes)
        self._first = self._first or minutes[0]
        self.rows_a_minute = self._rows / ((minutes[-1] - self._first) / MINUTE + 1)

    def rows_left(self, horizon: datetime) -> float:
        """How many rows it seems to hold; 0 where that is not known."""
        if self.window.start is None:
            return 0.0
        end = self.window.end or max(horizon, self.window.start + MINUTE)
        return (end - self.window.start) / MINUTE * self.rows_a_minute


class OpenWindows:
    """What is left of one step of a read, and which of it is being read.

    Args:
        windows: By phase; those that come first are taken first.
        wasted: Requests of this step that brought nothing new, parts of requests included.
        horizon: About the latest created_time there can be.
    """

    def __init__(self, windows: Mapping[str, Iterable[Window]], *, wasted: float, horizon: datetime) -> None:
        self._open = [OpenWindow(phase, window) for phase, some in windows.items() for window in some]
        self.wasted = wasted
        self._horizon = horizon

    def __bool__(self) -> bool:
        return bool(self._open)

    def is_open(self, window: OpenWindow) -> bool:
        return window in self._open

    def is_alone(self, window: OpenWindow) -> bool:
        """Whether no other window is being read."""
        return all(other is window or not other.is_taken for other in self._open)

    def as_json(self) -> dict[str, list[dict[str, Any]]]:
        """The windows still to be read, by phase."""
        phases: dict[str, list[dict[str, Any]]] = {}
        for window in self._open:
            phases.setdefault(window.phase, []).append(window.window.as_json())
        return phases

    def take(self, rows_read: int) -> OpenWindow | None:
        """A window for an idle worker: one that nobody reads, else half of a large one; None for none.

        Args:
            rows_read: By this read so far, of all phases.
        """
        window = next((window for window in self._open if not window.is_taken), None) or self._cut(rows_read)
        if window is not None:
            window.is_taken = True
        return window

    def advance(self, window: OpenWindow, minutes: Sequence[datetime]) -> None:
        """Notes an answer: the minutes of its rows, oldest first."""
        self.wasted += 1 - sum(window.window.holds(minute) for minute in minutes) / NOTION_PAGE_SIZE
        if not minutes:
            return
        window.note(minutes)
        if window.window.is_passed(minutes[-1]):
            self.close(window)
        else:
            window.window.advance(minutes[-1])

    def close_phase(self, phase: str) -> None:
        """Nothing of this phase is to be read any more."""
        self._open = [window for window in self._open if window.phase != phase]

    def close(self, window: OpenWindow) -> None:
        """A window is read to its end."""
        if window in self._open:
            self._open.remove(window)

    def split_first_minute(self, window: OpenWindow, parts: Sequence[Window]) -> None:
        """Parts take the place of the minute that a window begins with; the rest of it stays open, and nobody's."""
        if window not in self._open:
            return
        at = self._open.index(window)
        self._open[at:at] = [OpenWindow(window.phase, part) for part in parts]
        window.is_taken = False
        if window.window.skip_minute():
            self.close(window)

    def _cut(self, rows_read: int) -> OpenWindow | None:
        """The newer half of the window with the most rows left, as a window of its own; None where it is not worth it.

        Windows being read and the new one may each waste a request in the end.
        """
        pages = rows_read / NOTION_PAGE_SIZE
        allowed = min(FREE_WASTE, pages) + WASTE_PER_PAGE * pages
        to_come = WASTE_PER_WINDOW * (sum(window.is_taken for window in self._open) + 1)
        if not self._open or self.wasted + to_come > allowed:
            return None
        largest = max(self._open, key=lambda window: window.rows_left(self._horizon))
        older = largest.window
        if older.start is None or older.split or largest.rows_left(self._horizon) < WORTH_CUTTING:
            return None
        minutes = ((older.end or self._horizon) - older.start) // MINUTE
        if minutes < 2:
            return None
        middle = older.start + minutes // 2 * MINUTE
        newer = OpenWindow(largest.phase, Window(middle, older.end), rows_a_minute=largest.rows_a_minute)
        older.end = middle
        self._open.insert(self._open.index(largest) + 1, newer)
        return newer


@dataclass
class SpareWorkers:
    """Workers that no database of the run needs now: a large one reads several windows with them."""

    free: int = 0

    def take(self) -> bool:
        """Whether there was one; `give` brings it back."""
        if self.free <= 0:
            return False
        self.free -= 1
        return True

    def give(self) -> None:
        self.free += 1


class WorkerPool:
    """Runs pieces of work side by side.

    Args:
        find_work: Gives the next piece, or None where there is none now.
    """

    def __init__(self, spare: SpareWorkers, find_work: Callable[[], Coroutine[None, None, None] | None]) -> None:
        self._spare = spare
        self._find_work = find_work
        self._own: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._ended: asyncio.Queue[asyncio.Task[None]] = asyncio.Queue()

    def start(self) -> None:
        """Gives work to every worker that is free."""
        if self._own is None or self._own.done():
            if (work := self._find_work()) is None:
                return
            self._own = self._run(work)
        while self._spare.take():
            if (work := self._find_work()) is None:
                self._spare.give()
                return
            self._run(work).add_done_callback(lambda _: self._spare.give())

    async def next_end(self) -> None:
        """Comes back when a piece of work is done; raises what it raised."""
        task = await self._ended.get()
        self._tasks.discard(task)
        task.result()

    async def cancel(self) -> None:
        """Ends what is still under way; comes back when all of it has ended."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _run(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended.put_nowait)
        return task
