"""Rows that prove the schema they were read under, so that it need not be asked for again after them.

Each row carries the ids, names and types of its properties. Where every row of a read carries those that the read began
with, no row was read under other ones, and each can be converted. What rows do not carry (options, expressions) is
compared by the next sync, which reads in full where it changed.

A full read removes from its table what it did not meet. A data source that goes into the trash between two answers may
give no rows from then on (notion-api.md section 4 leaves that open). So it matters as well whether a query ended in an
answer without rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from notion_pipeline.extraction.read_progress import LIVE
from notion_pipeline.rows.batch import RowSchema
from notion_pipeline.rows.properties import Exclusion, decode_id


class SchemaProof:
    """Watches the answers of one read.

    Args:
        possible: False where the read goes on where another process stopped: that one's rows were not watched.

    Attributes:
        holds: Whether the properties of all rows are those of the schema.
        ends_empty: Whether a query of live rows ended in an answer without any.
    """

    def __init__(self, schema: RowSchema, *, possible: bool) -> None:
        self.holds = possible
        self.ends_empty = False
        self._properties = {prop.id: (prop.name, prop.type) for prop in schema.properties}
        self._exclusion = Exclusion(schema.exclude)
        self._carried: list[tuple[str, str, Any]] | None = None

    def note(self, phase: str, pages: Sequence[dict[str, Any]], *, is_end: bool) -> None:
        """Takes in one answer.

        Args:
            is_end: Whether Notion said that it is the last of its query.
        """
        self.ends_empty |= phase == LIVE and is_end and not pages
        if self.holds:
            self.holds = all(self._carries_schema(page.get("properties")) for page in pages)

    def _carries_schema(self, values: Any) -> bool:
        """Whether a row has exactly the properties of the schema; excluded ones do not count."""
        carried: list[tuple[str, str, Any]] = []
        for name, value in values.items() if isinstance(values, dict) else ():
            raw_id = value.get("id") if isinstance(value, dict) else None
            if not isinstance(raw_id, str):
                return False
            carried.append((name, raw_id, value.get("type")))
        if carried == self._carried:
            return True  # as nearly all rows do that follow the first
        found = {
            decode_id(raw_id): (name, kind)
            for name, raw_id, kind in carried
            if not (self._exclusion and self._exclusion.covers(name, raw_id))
        }
        if found != self._properties:
            return False
        self._carried = carried
        return True
