"""Reads one data source whole into its stage: steps, workers side by side, archived rows, catch-up.

A full read asks for the archived rows, the live ones, and then what was edited since the read began and the archived
rows again: a row that moves between the two states while it is read shows in one of them, whether or not the move
changes its stamp. An incremental read asks once for what was edited.

A read that goes on where another process left it brings rows as they were then. So a resumed one, full or not, ends
with a catch-up that it began itself, since the catch-up before, where that was begun, or since the read first began.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from notion_pipeline.errors import (
    IncompleteExtractError,
    InvalidCursorError,
    NotionError,
    NotionRequestError,
    RetryableNotionError,
    UnboundedAnswerError,
)
from notion_pipeline.extraction.manifest import StagedFile
from notion_pipeline.extraction.minute_split import split_minute
from notion_pipeline.extraction.references import complete_references
from notion_pipeline.extraction.scheduler import OpenWindow, OpenWindows
from notion_pipeline.extraction.staging import Stage
from notion_pipeline.extraction.window_query import NOTION_RESULT_CAP, End, QueryPage, WindowQuery
from notion_pipeline.extraction.windows import Leaf, Window, edited_since
from notion_pipeline.extraction.workers import SpareWorkers, WorkerPool
from notion_pipeline.notion.client import NotionClient
from notion_pipeline.notion.pagination import WHO_ANSWERS
from notion_pipeline.notion_ids import notion_id
from notion_pipeline.outside import shown_line
from notion_pipeline.rows.batch import RowSchema, to_batch
from notion_pipeline.rows.properties import Property

CURSOR_RESTARTS = 3
#: Of a data source, in all: four times as many as Notion lets a database have (notion-api.md section 5).
MOST_ROWS = 1_000_000

CHILDREN_OF_A_WIKI = ("data_source", "database")
ROW = "page"

LIVE, ARCHIVED_BEFORE, CATCH_UP, ARCHIVED_AFTER = "live", "archived_before", "catch_up", "archived_after"
#: Of the last two neither needs the other: each row is taken as of some moment after all live rows were read.
FULL_STEPS = ((ARCHIVED_BEFORE,), (LIVE,), (CATCH_UP, ARCHIVED_AFTER))
INCREMENTAL_STEPS = ((LIVE,),)
#: What a resumed read ends with, unless its last step began in this process.
FULL_CATCH_UP, INCREMENTAL_CATCH_UP = FULL_STEPS[-1], (CATCH_UP,)
ARCHIVED = (ARCHIVED_BEFORE, ARCHIVED_AFTER)


@dataclass
class ReadCounts:
    """What a read has cost and met so far; kept in the stage, so it covers all attempts.

    Attributes:
        other_objects: What the data source lists beside rows and the children of a wiki.
        values_refused: Values that Notion refused to give whole; their rows have the part that was shown.
        archived_refused: Why Notion does not give the archived rows, where it did not say that there are none.
    """

    api_requests: int = 0
    api_retries: int = 0
    seconds_rate_limited: float = 0.0
    child_data_sources: int = 0
    other_objects: int = 0
    vanished_rows: int = 0
    values_disagreeing: int = 0
    values_refused: int = 0
    archived_refused: str = ""


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


@dataclass
class ArchivedSupport:
    """Whether Notion takes `is_archived` from this account; one a run, so that it is asked and logged once."""

    supported: bool = True


@dataclass
class _CatchUp:
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
    def from_json(cls, raw: dict[str, Any]) -> _CatchUp:
        return cls(raw["attempt"], datetime.fromisoformat(raw["since"]), datetime.fromisoformat(raw["began"]))

    def as_json(self) -> dict[str, Any]:
        return {"attempt": self.attempt, "since": self.since.isoformat(), "began": self.began.isoformat()}


@dataclass
class _Progress:
    """Where the read stands, and what came beside rows so far: windows overlap, so each may come more than once.

    Attributes:
        children: Ids of the children of a wiki.
        others: Ids of objects of any other type.
        step: Past the last of the plan's steps each is one more catch-up.
        windows: Of the step that an earlier run was in, by phase; None where the step begins.
        attempt: How many processes have worked on the read, this one included.
    """

    step: int = 0
    windows: dict[str, list[Window]] | None = None
    wasted: float = 0.0
    children: set[str] = field(default_factory=set)
    others: set[str] = field(default_factory=set)
    attempt: int = 1
    catch_up: _CatchUp | None = None

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> _Progress:
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
            _CatchUp.from_json(raw["catch_up"]) if raw.get("catch_up") else None,
        )


class Extraction:
    """One read of one data source; `read` goes on where its stage stopped.

    Args:
        spare: Readers beyond the one that the read always has.
    """

    def __init__(
        self,
        client: NotionClient,
        plan: ReadSettings,
        stage: Stage,
        archived: ArchivedSupport,
        spare: SpareWorkers,
        *,
        log: Callable[[str], None],
        on_rows: Callable[[int], None],
    ) -> None:
        self._client = client
        self._plan = plan
        self._stage = stage
        self._archived = archived
        self._spare = spare
        self._log = log
        self._on_rows = on_rows
        self._progress = _Progress.from_json(stage.manifest.progress)
        self._windows: OpenWindows | None = None
        self._start_workers: Callable[[], None] = lambda: None
        self._saving = asyncio.Lock()
        self._changes = self._saved = 0
        self._archived_came = False
        self._told_refused: set[str] = set()
        self._told_types: set[str] = set()
        self.counts = ReadCounts(**stage.manifest.counts)
        self._counts_before = ReadCounts(**stage.manifest.counts)

    async def read(self) -> None:
        """Stages every row of the plan.

        Raises:
            InvalidIdError: A row's id is none.
            IncompleteExtractError: One minute holds more rows than a query gives and nothing splits it.
            NotionError: Notion refused, or failed for longer than is tried.
            StagingError: The rows could not be kept.
        """
        steps = FULL_STEPS if self._plan.full else INCREMENTAL_STEPS
        more = FULL_CATCH_UP if self._plan.full else INCREMENTAL_CATCH_UP
        while self._progress.step < len(steps) or self._is_behind():
            await self._read_step(steps[self._progress.step] if self._progress.step < len(steps) else more)
            self._progress = replace(self._progress, step=self._progress.step + 1, windows=None, wasted=0.0)
            self._windows = None
            await self._save()

    def finish(self) -> None:
        """Marks the stage as whole: it may be committed."""
        self._stage.keep(self._record(complete=True))

    def _is_behind(self) -> bool:
        """Whether rows of an earlier attempt stand as they were then: no catch-up of this one was whole yet."""
        last = self._progress.catch_up
        is_ours = last is not None and last.attempt == self._progress.attempt
        return self._progress.attempt > 1 and (self._progress.windows is not None or not is_ours)

    def _began(self) -> datetime:
        """Server's minute before the first query of this attempt, as far as its answers' clocks agree."""
        told = [self._plan.began or self._stage.bookmark, self._client.stats.earliest]
        return min(moment for moment in told if moment is not None).replace(second=0, microsecond=0)

    async def _read_step(self, phases: Sequence[str]) -> None:
        left = self._progress.windows
        if left is None:
            if CATCH_UP in phases:
                last = self._progress.catch_up
                since = last.began if last is not None else self._stage.bookmark
                self._progress.catch_up = _CatchUp(self._progress.attempt, since, self._began())
            asks_for_archived = self._archived.supported and not self.counts.archived_refused
            left = {phase: [Window()] for phase in phases if asks_for_archived or phase not in ARCHIVED}
        windows = self._windows = OpenWindows(left, wasted=self._progress.wasted, horizon=self._stage.bookmark)

        def find_work() -> Coroutine[None, None, None] | None:
            window = windows.take(self._stage.rows)
            return self._work(windows, window) if window is not None else None

        pool = WorkerPool(self._spare, find_work)
        self._start_workers = pool.start
        try:
            while windows:
                pool.start()
                await pool.next_end()
        finally:
            await pool.cancel()

    async def _work(self, windows: OpenWindows, window: OpenWindow) -> None:
        """Reads a window to its end; where Notion has no archived rows to give, its phase ends."""
        try:
            await self._read_window(windows, window)
        except NotionError as error:
            if not windows.is_open(window):
                return  # its end was met meanwhile: what was refused here is not needed
            if (
                window.phase not in ARCHIVED
                or not isinstance(error, NotionRequestError)
                or error.status not in (400, 403)
            ):
                raise
            if error.status == 400 and "is_archived" in error.message:
                self._note_no_archived_rows(error)
            elif self._archived_came:
                raise  # they were given a moment ago, so it is not that Notion does not give them
            else:
                self._note_archived_refused(error)
            windows.close_phase(window.phase)

    def _note_no_archived_rows(self, error: NotionError) -> None:
        if self._archived.supported:  # else another database of this run has said so
            self._log(
                f"This account's Notion has no archived rows to give ({error.message}); live rows alone are read."
            )
        self._archived.supported = False

    def _note_archived_refused(self, error: NotionError) -> None:
        """Of this data source alone: it tells neither that there are none nor anything of another data source."""
        if not self.counts.archived_refused:
            self._log(
                f"Notion does not give the archived rows ({error.message}); live rows alone are read. Rows that the "
                "table has as archived stay."
            )
        self.counts.archived_refused = error.message

    async def _read_window(self, windows: OpenWindows, window: OpenWindow) -> None:
        restarts = 0
        while windows.is_open(window):
            before = window.window.start
            try:
                end = await self._read_query(windows, window)
            except InvalidCursorError as error:
                restarts = 0 if window.window.start != before else restarts + 1
                if restarts > CURSOR_RESTARTS:
                    raise RetryableNotionError(
                        f"Notion's page cursors broke {restarts} times in a row: {error.message}",
                        hint="Sync again later; the read goes on where it was.",
                        status=error.status,
                        code=error.code,
                        request_id=error.request_id,
                    ) from error
                self._log(f"A page cursor was refused; the window is read again from {window.window.start}.")
                continue
            if end is End.WHOLE or (end is End.AT_THE_CAP and window.window.start == before):
                windows.close(window)
                await self._save()
                return
            if window.window.start == before:
                await self._split(windows, window)
                return

    async def _read_query(self, windows: OpenWindows, window: OpenWindow) -> End:
        """Reads one query, each page staged before the next is asked for, or the next but one; how it ended."""
        query = WindowQuery(
            self._client,
            self._plan.data_source_id,
            window.window,
            self._base_filter(window.phase),
            archived=window.phase in ARCHIVED,
        )
        try:
            while True:
                answer = await query.answer()
                self._archived_came |= window.phase in ARCHIVED
                if query.is_overfull_minute:
                    return End.CAPPED  # no further bound can be reached in it: it will be split, so the rest can wait
                ends_here = bool(answer.minutes) and window.window.is_passed(answer.minutes[-1])
                if answer.end is None and not ends_here and windows.is_alone(window):
                    query.ask()  # the next answer travels while this one is kept; else those of other workers do
                await self._keep(windows, window, answer)
                if answer.end is not None:
                    return answer.end
                if not windows.is_open(window):
                    return End.WHOLE
                self._start_workers()
        finally:
            await query.close()

    def _base_filter(self, phase: str) -> list[Leaf]:
        bound = self._plan.edited_since
        if phase == CATCH_UP:
            # The first goes back to the minute in which the read first began, also where it was resumed since.
            last = self._progress.catch_up
            since = (last.since if last is not None else self._stage.bookmark) - self._plan.lookback
            bound = max(bound, since) if bound else since
        return [edited_since(bound)] if bound else []

    async def _keep(self, windows: OpenWindows, window: OpenWindow, answer: QueryPage) -> None:
        """Completes, converts and stages one answer, and moves the window's start to its last row's minute."""
        for result in answer.results:
            notion_id(result.get("id"), "A row")
        pages = [result for result in answer.results if result["object"] == ROW]
        completed = await complete_references(self._client, pages, self._plan.schema.properties)
        kept = completed.pages
        if len(kept) < len(pages):
            # Where all of the data source is out of sight, its rows are not gone: the read ends here with that reason.
            await self._client.data_source(self._plan.data_source_id)
        file = await asyncio.to_thread(self._write, kept) if kept else None
        # Between here and the record nothing is awaited: a manifest never has a bound without the rows before it.
        if file is not None:
            self._stage.add(file)
        if self._stage.rows > MOST_ROWS:
            raise UnboundedAnswerError(
                f"Data source {self._plan.data_source_id} has given {self._stage.rows:,} rows, more than a database of "
                "Notion's can have, and does not end.",
                hint=WHO_ANSWERS,
                source=self._client.source,
            )
        self._note_others([result for result in answer.results if result["object"] != ROW])
        self.counts.vanished_rows += len(pages) - len(kept)
        self.counts.values_disagreeing += completed.disagreements
        self._note_refused(completed.refused)
        windows.advance(window, answer.minutes)
        await self._save()
        self._on_rows(len(kept))

    def _note_others(self, found: Sequence[dict[str, Any]]) -> None:
        """Counts what is listed among the rows and is none, and logs the first of each type."""
        for result in found:
            kind = str(result["object"])
            known = self._progress.children if kind in CHILDREN_OF_A_WIKI else self._progress.others
            known.add(result["id"])
            if kind not in self._told_types:
                self._told_types.add(kind)
                self._log(f'Among the rows are objects of the type "{shown_line(kind)}": they are counted, not loaded.')
        self.counts.child_data_sources = len(self._progress.children)
        self.counts.other_objects = len(self._progress.others)

    def _note_refused(self, refused: Sequence[tuple[Property, NotionRequestError]]) -> None:
        """Counts the values that Notion refused to give whole, and logs the first of each property."""
        self.counts.values_refused += len(refused)
        for prop, error in refused:
            if prop.id not in self._told_refused:
                self._told_refused.add(prop.id)
                self._log(
                    f'Notion does not give all of property "{prop.name}" in some rows ({error.message}); these rows '
                    "are loaded with the part of it that a query shows, and asked for again when they are read again."
                )

    def _write(self, pages: list[dict[str, Any]]) -> StagedFile:
        return self._stage.write(to_batch(pages, self._plan.schema))

    async def _save(self) -> None:
        """Comes back when a manifest with all changes so far is written; readers that wait together share one."""
        self._changes += 1
        wanted = self._changes
        async with self._saving:
            if self._saved < wanted:
                self._saved = self._changes
                record = self._record()
                await asyncio.to_thread(self._stage.keep, record)

    def _record(self, *, complete: bool = False) -> bytes:
        """The manifest as of now. No bookmark is later than what any answer's clock told after it."""
        if (told := self._client.stats.earliest) is not None:
            self._stage.not_after(told)
        last = self._progress.catch_up
        if last is not None and last.attempt == self._progress.attempt:
            last.began = min(last.began, self._began())
        return self._stage.record(self._progress_json(), self._current_counts(), complete=complete)

    def _progress_json(self) -> dict[str, Any]:
        return {
            "step": self._progress.step,
            "windows": self._windows.as_json() if self._windows is not None else None,
            "wasted": round(self._windows.wasted, 2) if self._windows is not None else 0.0,
            "children": sorted(self._progress.children),
            "others": sorted(self._progress.others),
            "attempt": self._progress.attempt,
            "catch_up": self._progress.catch_up.as_json() if self._progress.catch_up else None,
        }

    def _current_counts(self) -> dict[str, Any]:
        before, stats = self._counts_before, self._client.stats
        self.counts.api_requests = before.api_requests + stats.requests
        self.counts.api_retries = before.api_retries + stats.retries
        self.counts.seconds_rate_limited = before.seconds_rate_limited + stats.seconds_rate_limited
        return asdict(self.counts)

    async def _split(self, windows: OpenWindows, window: OpenWindow) -> None:
        """Puts parts in the place of a minute that is more than a query gives."""
        minute, phase = window.window.first_minute, window.phase
        if minute is None:
            raise RetryableNotionError(
                "Notion said that it will not give all rows of a query, and gave none that tells where to go on.",
                hint="Sync again later; the read goes on where it was.",
            )
        parts = await split_minute(
            self._client,
            self._plan.data_source_id,
            self._plan.schema.properties,
            minute,
            self._base_filter(phase),
            archived=phase in ARCHIVED,
        )
        if not parts:
            raise IncompleteExtractError(
                "read in part, table unchanged: more than 10,000 pages share created_time "
                f"{minute.start:%Y-%m-%d %H:%M} UTC, and nothing in this data source splits that minute further.",
                hint="Add a unique ID property to it in Notion, or move its start_date past that minute.",
            )
        self._log(f"More than {NOTION_RESULT_CAP} rows share the minute {minute.start}; reading it in {len(parts)}.")
        windows.split_first_minute(window, parts)
        await self._save()
