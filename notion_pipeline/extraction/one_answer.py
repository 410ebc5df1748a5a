"""A full read whose live rows come in one answer: it needs no catch-up, and no second GET of the schema.

One answer shows all live rows as of one moment. A row that moves between live and archived shows in that answer, in the
archived rows before it, or in those after it. Values that had to be completed are of a later moment than their rows, so
such a read ends with a catch-up all the same.

Each row carries the ids, names and types of its properties. Where all rows carry those that the read began with, no
property was added, removed, renamed or retyped before the last answer with rows. What rows do not carry (options,
expressions) is compared by the next sync, which reads in full where it changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from notion_pipeline.extraction.read_progress import LIVE
from notion_pipeline.rows.batch import RowSchema
from notion_pipeline.rows.properties import Exclusion, decode_id


class OneAnswer:
    """Watches the answers of one read.

    Args:
        possible: False where the read is incremental, or goes on where another process stopped.
    """

    def __init__(self, schema: RowSchema, *, possible: bool) -> None:
        self._possible = possible
        self._properties = {prop.id: (prop.name, prop.type) for prop in schema.properties}
        self._exclusion = Exclusion(schema.exclude)
        self._live_answers = 0
        self._is_whole = self._is_completed = False
        self._carry_schema = True

    @property
    def is_all(self) -> bool:
        """Whether all live rows came in one answer."""
        return self._possible and self._live_answers == 1 and self._is_whole

    @property
    def is_one_moment(self) -> bool:
        """Whether all live rows are as of one moment."""
        return self.is_all and not self._is_completed

    @property
    def shows_schema(self) -> bool:
        """Whether the rows prove that the properties stayed as they were."""
        return self.is_all and self._carry_schema

    def note(self, phase: str, pages: Sequence[dict[str, Any]], *, is_end: bool, is_completed: bool) -> None:
        """Takes in one answer.

        Args:
            is_end: Whether Notion said that it is the last of its query.
            is_completed: Whether values of its rows were completed by further requests.
        """
        if phase == LIVE:
            self._live_answers += 1
            self._is_whole = is_end
            self._is_completed |= is_completed
        if self._possible and self._carry_schema and self._live_answers <= 1:
            self._carry_schema = all(self._carries_schema(page.get("properties")) for page in pages)

    def _carries_schema(self, values: Any) -> bool:
        """Whether a row has exactly the properties of the schema; excluded ones do not count."""
        found: dict[str, tuple[str, Any]] = {}
        for name, value in values.items() if isinstance(values, dict) else ():
            raw_id = value.get("id") if isinstance(value, dict) else None
            if not isinstance(raw_id, str):
                return False
            if not (self._exclusion and self._exclusion.covers(name, raw_id)):
                found[decode_id(raw_id)] = (name, value.get("type"))
        return found == self._properties
