"""The span of `created_time` that one query asks for.

`created_time` never changes, so a row never moves from one window to another; `last_edited_time` would move it. Rows
come sorted by it, and after each answer the window keeps the minute to go on from (notion-api.md section 3).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

Leaf = dict[str, Any]

MINUTE = timedelta(minutes=1)
OLDEST_FIRST = [{"timestamp": "created_time", "direction": "ascending"}]


def iso(moment: datetime) -> str:
    """The instant as filters take it, UTC."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def edited_since(moment: datetime) -> Leaf:
    """Rows of that minute and later: inclusive, since stamps are floored to the minute (notion-api.md section 2)."""
    return {"timestamp": "last_edited_time", "last_edited_time": {"on_or_after": iso(moment)}}


@dataclass
class Window:
    """A span of created_time still to be read: minutes, `start` inclusive, `end` exclusive, None unbounded.

    `split` holds further filters where one minute alone is more than a query gives.
    """

    start: datetime | None = None
    end: datetime | None = None
    split: list[Leaf] = field(default_factory=list)

    @property
    def is_one_minute(self) -> bool:
        """Whether it ends with the minute it starts in, so that reading it cannot move its bounds."""
        return self.start is not None and self.end is not None and self.end - self.start <= MINUTE

    def holds(self, minute: datetime) -> bool:
        return (self.start is None or minute >= self.start) and (self.end is None or minute < self.end)

    def is_passed(self, minute: datetime) -> bool:
        """Whether who came to `minute` has met all that the window holds."""
        return self.end is not None and minute >= self.end

    def advance(self, minute: datetime) -> None:
        """Moves the start to the last minute met; it stays in, as it may hold rows still unread."""
        self.start = minute if self.start is None else max(self.start, minute)

    @property
    def first_minute(self) -> Window | None:
        """The minute it starts with; None where it is unbounded."""
        return Window(self.start, self.start + MINUTE, self.split) if self.start is not None else None

    def skip_minute(self) -> bool:
        """Leaves out the minute it starts with; whether nothing is left then."""
        if self.start is not None:
            self.start += MINUTE
        return self.start is not None and self.end is not None and self.start >= self.end

    def filter(self, base: Sequence[Leaf]) -> dict[str, Any] | None:
        """One flat `and`, which leaves Notion's second level of nesting unused; None asks for everything."""
        leaves = [*base]
        if self.start is not None:
            leaves.append({"timestamp": "created_time", "created_time": {"on_or_after": iso(self.start)}})
        if self.end is not None:
            # `before` the next minute: an upper bound inside the minute could miss its later seconds.
            leaves.append({"timestamp": "created_time", "created_time": {"before": iso(self.end)}})
        leaves.extend(self.split)
        if not leaves:
            return None
        return leaves[0] if len(leaves) == 1 else {"and": leaves}

    def as_json(self) -> dict[str, Any]:
        return {
            "start": self.start.isoformat() if self.start else None,
            "end": self.end.isoformat() if self.end else None,
            "split": self.split,
        }

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> Window:
        start, end = raw["start"], raw["end"]
        return cls(
            datetime.fromisoformat(start) if start else None,
            datetime.fromisoformat(end) if end else None,
            raw["split"],
        )
