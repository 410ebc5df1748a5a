"""A full read whose live rows come in one answer: it needs no catch-up.

One answer shows all live rows as of one moment. A row that moves between live and archived shows in that answer, in the
archived rows before it, or in those after it. Values that had to be completed are of a later moment than their rows, so
such a read ends with a catch-up all the same.
"""

from __future__ import annotations

from notion_pipeline.extraction.read_progress import LIVE


class OneAnswer:
    """Watches the answers of one read.

    Args:
        possible: False where the read is incremental, or goes on where another process stopped.
    """

    def __init__(self, *, possible: bool) -> None:
        self._possible = possible
        self._live_answers = 0
        self._is_whole = self._is_completed = False

    @property
    def is_one(self) -> bool:
        """Whether all live rows came in one answer."""
        return self._possible and self._live_answers == 1 and self._is_whole

    @property
    def is_one_moment(self) -> bool:
        """Whether all values of all live rows did, and are as of one moment."""
        return self.is_one and not self._is_completed

    def note(self, phase: str, *, is_end: bool, is_completed: bool) -> None:
        """Takes in one answer.

        Args:
            is_end: Whether Notion said that it is the last of its query.
            is_completed: Whether values of its rows were completed by further requests.
        """
        if phase == LIVE:
            self._live_answers += 1
            self._is_whole = is_end
            self._is_completed |= is_completed
