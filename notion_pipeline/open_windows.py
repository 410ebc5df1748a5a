"""Which window each reader of a data source takes, and where a window is cut so that an idle reader can help.

A window is read from its oldest row on, from its newest row back, or from both ends until the readers meet. Where
both ends are taken the span between them is cut in the middle. Each reader more costs about half a request (two pages
overlap where readers meet) and a whole one where no rows are, so what is wasted is counted, and help ends where it
would come to more than 6 % of the pages.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from notion_pipeline.client import NOTION_PAGE_SIZE
from notion_pipeline.windows import MINUTE, Side, Window

#: Requests that may be wasted for the sake of speed: these, and this part of the pages.
FREE_WASTE, WASTE_PER_PAGE = 1.5, 0.06
#: What a reader at work is thought to waste in the end, and how far it is believed what the density of rows at a few
#: places promises: up to so many pages, or times the pages read. More waste than so much shows that it deceives; from
#: then on each reader is thought to waste a page, and only pages that came count.
WASTE_PER_READER, BELIEVED_PAGES, BELIEVED_TIMES = 0.6, 70.0, 2.0
DECEIVED_FROM = 1.0
#: Rows that a read must seem to hold for anybody to help, and a window before a second reader joins, and before it is
#: cut for a third.
WORTH_HELPING, WORTH_JOINING, WORTH_CUTTING = 400, 150, 500


@dataclass(eq=False)
class OpenWindow:
    """A window that is not read to its end yet.

    Attributes:
        readers: At most one from each side.
        rows_a_minute: As a reader from that side has met them so far.
        answered: Set, and replaced by a new one, with each answer.
    """

    phase: str
    window: Window
    readers: dict[Side, Reader] = field(default_factory=dict)
    rows_a_minute: dict[Side, float] = field(default_factory=dict)
    answered: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self) -> None:
        self.answered.set()
        self.answered = asyncio.Event()

    def rows_left(self, horizon: datetime) -> float:
        """How many rows it seems to hold, by the density at its ends; 0 before the first answer."""
        window = self.window
        if window.start is None or not self.rows_a_minute:
            return 0.0
        minutes = ((window.end or max(horizon, window.start + MINUTE)) - window.start) / MINUTE
        return minutes * sum(self.rows_a_minute.values()) / len(self.rows_a_minute)


@dataclass(eq=False)
class Reader:
    """Where one reader is at work: it may be moved to the other half of a window that is cut.

    Attributes:
        pages_coming: Pages asked for and not noted yet.
        rows, began: What it has met so far, and in which minute it began.
    """

    at: OpenWindow
    side: Side
    pages_coming: int = 0
    rows: int = 0
    began: datetime | None = None

    @property
    def edge(self) -> datetime | None:
        """How far it has come."""
        return self.at.window.edge(self.side)

    @property
    def other(self) -> Reader | None:
        """Who reads the same window from its other end."""
        return next((reader for reader in self.at.readers.values() if reader is not self), None)


class OpenWindows:
    """What is left of one step of a read, and who reads it.

    Args:
        windows: By phase; those that come first are taken first.
        wasted: Pages asked for in this step that brought nothing new, parts of pages included.
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

    def as_json(self) -> dict[str, list[dict[str, Any]]]:
        """The windows still to be read, by phase."""
        phases: dict[str, list[dict[str, Any]]] = {}
        for window in self._open:
            phases.setdefault(window.phase, []).append(window.window.as_json())
        return phases

    def take(self, rows_read: int) -> Reader | None:
        """Work for a reader: a window that nobody reads, else help where the most rows are left; None for none.

        Args:
            rows_read: By this read so far, of all phases.
        """
        for window in self._open:
            if not window.readers:
                return self._place(window, Side.OLDEST)
        return self._help(rows_read)

    def advance(self, reader: Reader, minutes: Sequence[datetime]) -> None:
        """Notes an answer: the minutes of its rows, in the order in which they came."""
        window, side = reader.at, reader.side
        reader.pages_coming -= 1
        self.wasted += 1 - sum(window.window.holds(minute) for minute in minutes) / NOTION_PAGE_SIZE
        if minutes:
            reader.rows += len(minutes)
            reader.began = reader.began or minutes[0]
            window.rows_a_minute[side] = reader.rows / (abs(minutes[-1] - reader.began) / MINUTE + 1)
            if window.window.is_passed(side, minutes[-1]):
                self.close(window)
            else:
                window.window.advance(side, minutes[-1])
        window.tell()

    def gave_up(self, reader: Reader) -> None:
        """What the reader has asked for is not going to be noted."""
        self.wasted += reader.pages_coming
        reader.pages_coming = 0

    def leave(self, reader: Reader) -> None:
        """The reader goes; its window stays open."""
        reader.at.readers.pop(reader.side, None)
        reader.at.tell()

    def close_phase(self, phase: str) -> None:
        """Nothing of this phase is to be read any more."""
        for window in [window for window in self._open if window.phase == phase]:
            self.close(window)

    def close(self, window: OpenWindow) -> None:
        """A window is read to its end."""
        if window in self._open:
            self._open.remove(window)
        window.tell()

    def set_aside(self, reader: Reader, parts: Sequence[Window]) -> None:
        """Parts take the place of the minute that a reader is at; it goes, and the rest of its window stays open."""
        window, side = reader.at, reader.side
        if not self.is_open(window):
            return
        at = self._open.index(window)
        self._open[at:at] = [OpenWindow(window.phase, part) for part in parts]
        if window.window.skip_minute(side):
            self.close(window)
        self.leave(reader)

    def is_alone(self, reader: Reader) -> bool:
        """Whether nobody else reads any of the windows."""
        return all(other is reader for window in self._open for other in window.readers.values())

    def is_passed(self, reader: Reader, minutes: Sequence[datetime]) -> bool:
        """Whether an answer that is not noted yet brought the last that its window holds."""
        return bool(minutes) and reader.at.window.is_passed(reader.side, minutes[-1])

    async def let_the_other_finish(self, reader: Reader) -> None:
        """Comes back when what the other reader has asked for is not likely to be all that is left."""
        while self._is_nearly_met(reader):
            await reader.at.answered.wait()

    def is_left_to_the_other(self, reader: Reader) -> bool:
        """Whether the readers have come to the same minute: one of them is enough for it."""
        return reader.other is not None and reader.at.window.is_one_minute

    def _is_nearly_met(self, reader: Reader) -> bool:
        other = reader.other
        if other is None or not other.pages_coming:
            return False
        return reader.at.rows_left(self._horizon) <= NOTION_PAGE_SIZE * other.pages_coming

    def _place(self, window: OpenWindow, side: Side) -> Reader:
        reader = window.readers[side] = Reader(window, side)
        return reader

    def _help(self, rows_read: int) -> Reader | None:
        # Where nobody has met a row yet there may be none.
        met = [window for window in self._open if any(reader.rows for reader in window.readers.values())]
        rows_left = {window: window.rows_left(self._horizon) for window in met}
        in_all = rows_read + sum(rows_left.values())
        if in_all < WORTH_HELPING or not self._may_help(rows_read, in_all):
            return None
        for window in sorted(met, key=lambda w: rows_left[w] / len(w.readers), reverse=True):
            reader = self._join(window, rows_left[window]) or self._cut(window, rows_left[window])
            if reader is not None:
                return reader
        return None

    def _may_help(self, rows_read: int, rows_in_all: float) -> bool:
        readers = sum(len(window.readers) for window in self._open)
        deceived = self.wasted > DECEIVED_FROM
        read, promised = rows_read / NOTION_PAGE_SIZE, rows_in_all / NOTION_PAGE_SIZE
        pages = min(promised, max(BELIEVED_PAGES, read if deceived else BELIEVED_TIMES * read))
        to_come = readers * (1.0 if deceived else WASTE_PER_READER) + 1
        return self.wasted + to_come <= FREE_WASTE + WASTE_PER_PAGE * pages

    def _join(self, window: OpenWindow, rows_left: float) -> Reader | None:
        """A reader at the end that nobody reads from."""
        free = [side for side in Side if side not in window.readers]
        if not free or window.window.split or window.window.is_one_minute or rows_left < WORTH_JOINING:
            return None
        return self._place(window, free[0])

    def _cut(self, window: OpenWindow, rows_left: float) -> Reader | None:
        """A reader in the middle of a span between two readers; the newer half is a new window."""
        start, end = window.window.start, window.window.end
        if start is None or end is None or rows_left < WORTH_CUTTING or end - start < 3 * MINUTE:
            return None
        middle = start + (end - start) // MINUTE // 2 * MINUTE
        newer = OpenWindow(window.phase, Window(middle, end))
        window.window.end = middle
        if (mover := window.readers.pop(Side.NEWEST, None)) is not None:
            mover.at = newer
            newer.readers[Side.NEWEST] = mover
        newer.rows_a_minute = dict(window.rows_a_minute)  # the best guess until its readers know better
        self._open.insert(self._open.index(window) + 1, newer)
        return self._place(newer, Side.OLDEST)
