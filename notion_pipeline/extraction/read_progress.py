"""What a read is to bring, and how far it is: its steps, the windows left, its catch-ups; kept in the manifest.

A full read asks for the archived rows, the live ones, and then what was edited since the read began and the archived
rows again: a row that moves between the two states while it is read shows in one of them, whether or not the move
changes its stamp. Where the live rows come in one answer, nothing is asked for again but the archived rows (see
`one_answer`). An incremental read asks once for what was edited.

A read that goes on where another process stopped has rows as they were then. So a resumed read, full or not, ends with
a catch-up of its own. It starts where the catch-up before it began, or where the read first began.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from notion_pipeline.extraction.windows.window import Leaf, Window, edited_since
from notion_pipeline.rows.batch import RowSchema

LIVE, ARCHIVED_BEFORE, CATCH_UP, ARCHIVED_AFTER = "live", "archived_before", "catch_up", "archived_after"
#: The phases of each step. The last two phases are one step: each row is then as of some moment after all live rows
#: were read, whichever of the two phases is first.
FULL_STEPS = ((ARCHIVED_BEFORE,), (LIVE,), (CATCH_UP, ARCHIVED_AFTER))
INCREMENTAL_STEPS = ((LIVE,),)
#: The last step of a resumed read, unless the step before it began in this process.
FULL_CATCH_UP, INCREMENTAL_CATCH_UP = FULL_STEPS[-1], (CATCH_UP,)
ARCHIVED = (ARCHIVED_BEFORE, ARCHIVED_AFTER)


@dataclass(frozen=True)
class ReadLimits:
    """How much a read takes at most.

    Attributes:
        rows_per_query: What one query gives (notion-api.md section 3). Notion says where it cuts a query; this finds it
            where Notion does not.
        ids_per_part: Unique ids in one part of a minute that is split. Below `rows_per_query`, so that a part of a
            gapless range is never cut.
        rows: Rows of one data source; four times as many as Notion lets a database have (section 5).
    """

    rows_per_query: int = 10_000
    ids_per_part: int = 9_000
    rows: int = 1_000_000


@dataclass(frozen=True)
class ReadSettings:
    """What is read of a data source.

    Attributes:
        full: Everything since the start date, archived rows too; else live pages edited since.
        edited_since: Aware UTC minute, inclusive; None is no bound.
        lookback: How far before its own beginning a full read's catch-up starts, as an incremental read does before
            its bookmark: the Date header and the stamps need not come from one clock.
        began: Server's time before the first query of this process; None takes the stage's bookmark for it.
    """

    data_source_id: str
    schema: RowSchema
    full: bool
    edited_since: datetime | None
    lookback: timedelta = timedelta(0)
    began: datetime | None = None
    limits: ReadLimits = ReadLimits()


@dataclass
class CatchUp:
    """The last catch-up that was begun.

    Attributes:
        attempt: Number of the attempt that began it.
        since: Server's minute from which on edits are read again.
        began: Server's minute when that attempt began: once the catch-up is whole, no staged row is older than that.
    """

    attempt: int
    since: datetime
    began: datetime

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> CatchUp:
        return cls(raw["attempt"], datetime.fromisoformat(raw["since"]), datetime.fromisoformat(raw["began"]))

    def as_json(self) -> dict[str, Any]:
        return {"attempt": self.attempt, "since": self.since.isoformat(), "began": self.began.isoformat()}


@dataclass
class ReadProgress:
    """Where the read is, and what came beside rows so far: windows overlap, so each may come more than once.

    Attributes:
        children: Ids of the children of a wiki.
        others: Ids of objects of any other type.
        step: Past the last of the plan's steps each is one more catch-up.
        windows: Of the step that an earlier run was in, by phase; None where the step begins.
        wasted: Requests of that step that brought nothing new.
        attempt: How many processes have worked on the read, this one included.
    """

    step: int = 0
    windows: dict[str, list[Window]] | None = None
    wasted: float = 0.0
    children: set[str] = field(default_factory=set)
    others: set[str] = field(default_factory=set)
    attempt: int = 1
    catch_up: CatchUp | None = None

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> ReadProgress:
        """The progress of the attempt after the one that wrote `raw`."""
        if not raw:
            return cls()
        windows = raw["windows"]
        if windows is not None:
            windows = {phase: [Window.from_json(window) for window in some] for phase, some in windows.items()}
        return cls(
            raw["step"],
            windows,
            raw["wasted"],
            set(raw["children"]),
            set(raw.get("others", ())),
            raw.get("attempt", 1) + 1,
            CatchUp.from_json(raw["catch_up"]) if raw.get("catch_up") else None,
        )

    def as_json(self, windows: dict[str, list[dict[str, Any]]] | None, wasted: float) -> dict[str, Any]:
        """For the manifest, with the windows of the present step as they are now."""
        return {
            "step": self.step,
            "windows": windows,
            "wasted": round(wasted, 2),
            "children": sorted(self.children),
            "others": sorted(self.others),
            "attempt": self.attempt,
            "catch_up": self.catch_up.as_json() if self.catch_up else None,
        }

    @property
    def is_behind(self) -> bool:
        """Whether some rows are still as an earlier attempt read them: no catch-up of this attempt was whole yet."""
        is_ours = self.catch_up is not None and self.catch_up.attempt == self.attempt
        return self.attempt > 1 and (self.windows is not None or not is_ours)

    def filter_of(self, phase: str, plan: ReadSettings, bookmark: datetime) -> list[Leaf]:
        """What the queries of a phase filter by, beside their window.

        Args:
            bookmark: Server's minute in which the read first began, also where it was resumed since.
        """
        bound = plan.edited_since
        if phase == CATCH_UP:
            since = (self.catch_up.since if self.catch_up is not None else bookmark) - plan.lookback
            bound = max(bound, since) if bound else since
        return [edited_since(bound)] if bound else []
