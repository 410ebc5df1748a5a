"""Which window each reader of a data source takes, and where a window is cut so that an idle reader can help.

A window is read from its oldest row on, from its newest row back, or from both ends until the readers meet. Where
both ends are taken the span between them is cut in the middle. Each of these costs about one request more (two pages
overlap where readers meet), so there are never more of them than 6 % of the pages that the rows are thought to fill.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from notion_pipeline.windows import MINUTE, Side, Span, Window

ROWS_A_PAGE = 100
#: Further requests for the sake of speed: so many at most, and this part of the pages.
FREE_HELP = 2
HELP_PER_PAGE = 0.06
#: What the density of rows at a few places promises is believed up to so many pages, or times the pages read.
BELIEVED_PAGES, BELIEVED_TIMES = 50, 4
#: Rows that a window must seem to hold before a second reader joins, and before it is cut for a third.
WORTH_JOINING, WORTH_CUTTING = 300, 400
#: Rows that are read before a reader joins from an end that is not known: where its rows begin is a guess.
BEFORE_UNKNOWN_END = 200


@dataclass(eq=False)
class OpenWindow:
    """A window that is not read to its end yet.

    Attributes:
        readers: At most one from each side.
        rows_a_minute: As the last answer from that side had them.
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

    def rows_in(self, window: Window, horizon: datetime) -> float:
        """How many rows this part of it seems to hold, by the density at its ends; 0 before the first answer."""
        if window.start is None or not self.rows_a_minute:
            return 0.0
        minutes = ((window.end or max(horizon, window.start + MINUTE)) - window.start) / MINUTE
        return minutes * sum(self.rows_a_minute.values()) / len(self.rows_a_minute)


@dataclass(eq=False)
class Reader:
    """Where one reader is at work: it may be moved to the other half of a window that is cut."""

    at: OpenWindow
    side: Side
    asking: bool = False

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
        help_given: How often a reader was given to a window that had one already, in this read.
        horizon: About the latest created_time there can be.
    """

    def __init__(self, windows: Mapping[str, Iterable[Window]], *, help_given: int, horizon: datetime) -> None:
        self._open = [OpenWindow(phase, window) for phase, some in windows.items() for window in some]
        self.help_given = help_given
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

    def advance(self, reader: Reader, answer: Span, rows: int) -> None:
        """Notes an answer: the minutes it reached over, in the order they came, and how many rows it held."""
        window, (first, last) = reader.at, answer
        window.rows_a_minute[reader.side] = rows / (abs(last - first) / MINUTE + 1)
        if window.window.is_passed(reader.side, last):
            self.close(window)
        else:
            window.window.advance(reader.side, last)
        window.tell()

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

    def wants_no_more(self, reader: Reader, answer: Span | None) -> bool:
        """Whether, after an answer that is not noted yet, the rest of the window is read or about to be."""
        if answer is None:
            return False
        if reader.at.window.is_passed(reader.side, answer[1]):
            return True
        after = replace(reader.at.window)
        after.advance(reader.side, answer[1])
        return self._is_nearly_met(reader, after)

    async def let_the_other_finish(self, reader: Reader) -> None:
        """Comes back when what the other reader has asked for is not likely to be all that is left."""
        while self._is_nearly_met(reader, reader.at.window):
            await reader.at.answered.wait()

    def is_left_to_the_other(self, reader: Reader) -> bool:
        """Whether the readers have come to the same minute: one of them is enough for it."""
        return reader.other is not None and reader.at.window.is_one_minute

    def _is_nearly_met(self, reader: Reader, window: Window) -> bool:
        other = reader.other
        return other is not None and other.asking and reader.at.rows_in(window, self._horizon) <= ROWS_A_PAGE

    def _place(self, window: OpenWindow, side: Side) -> Reader:
        reader = window.readers[side] = Reader(window, side)
        return reader

    def _help(self, rows_read: int) -> Reader | None:
        rows_left = {window: window.rows_in(window.window, self._horizon) for window in self._open}
        if not self._may_help(rows_read, sum(rows_left.values())):
            return None
        for window in sorted(self._open, key=lambda w: rows_left[w] / max(1, len(w.readers)), reverse=True):
            reader = self._join(window, rows_left[window], rows_read) or self._cut(window, rows_left[window])
            if reader is not None:
                self.help_given += 1
                return reader
        return None

    def _may_help(self, rows_read: int, rows_left: float) -> bool:
        pages = (rows_read + rows_left) / ROWS_A_PAGE
        believed = max(BELIEVED_PAGES, BELIEVED_TIMES * rows_read / ROWS_A_PAGE)
        return self.help_given + 1 <= FREE_HELP + HELP_PER_PAGE * min(pages, believed)

    def _join(self, window: OpenWindow, rows_left: float, rows_read: int) -> Reader | None:
        """A reader at the end that nobody reads from."""
        free = [side for side in Side if side not in window.readers]
        if not free or window.window.split or window.window.is_one_minute or rows_left < WORTH_JOINING:
            return None
        if window.window.edge(free[0]) is None and rows_read < BEFORE_UNKNOWN_END:
            return None
        return self._place(window, free[0])

    def _cut(self, window: OpenWindow, rows_left: float) -> Reader | None:
        """A reader in the middle of a span whose two ends are known to hold rows; the newer half is a new window."""
        start, end = window.window.start, window.window.end
        known = len(window.rows_a_minute) == len(Side)
        if not known or start is None or end is None or rows_left < WORTH_CUTTING or end - start < 3 * MINUTE:
            return None
        middle = start + (end - start) // MINUTE // 2 * MINUTE
        newer = OpenWindow(window.phase, Window(middle, end))
        window.window.end = middle
        if (mover := window.readers.pop(Side.NEWEST, None)) is not None:
            mover.at = newer
            newer.readers[Side.NEWEST] = mover
        newer.rows_a_minute[Side.NEWEST] = window.rows_a_minute.pop(Side.NEWEST)
        self._open.insert(self._open.index(window) + 1, newer)
        return self._place(newer, Side.OLDEST)
