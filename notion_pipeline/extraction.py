"""Reads one data source whole into its stage: steps, readers side by side, archived rows, catch-up.

A full read asks for the archived rows, the live ones, and then what was edited since the read began and the archived
rows again: a row that moves between the two states while it is read shows in one of them, whether or not the move
changes its stamp. An incremental read asks once for what was edited.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from notion_pipeline.client import NotionClient
from notion_pipeline.crew import Crew, SpareReaders
from notion_pipeline.endless import WHO_ANSWERS
from notion_pipeline.errors import (
    IncompleteExtractError,
    InvalidCursorError,
    NotionError,
    NotionRequestError,
    RetryableNotionError,
    UnboundedAnswerError,
)
from notion_pipeline.open_windows import OpenWindows, Reader
from notion_pipeline.references import complete_references
from notion_pipeline.rows import RowSchema, to_batch
from notion_pipeline.splitting import split_minute
from notion_pipeline.staging import Stage, StagedFile
from notion_pipeline.window_query import NOTION_RESULT_CAP, Answer, End, WindowQuery
from notion_pipeline.windows import Leaf, Window, edited_since

CURSOR_RESTARTS = 3
#: Of a data source, in all: four times as many as Notion lets a database have (notion-api.md section 5).
MOST_ROWS = 1_000_000

CHILDREN_OF_A_WIKI = ("data_source", "database")

LIVE, ARCHIVED_BEFORE, CATCH_UP, ARCHIVED_AFTER = "live", "archived_before", "catch_up", "archived_after"
#: Of the last two neither needs the other: each row is taken as of some moment after all live rows were read.
FULL_STEPS = ((ARCHIVED_BEFORE,), (LIVE,), (CATCH_UP, ARCHIVED_AFTER))
INCREMENTAL_STEPS = ((LIVE,),)
ARCHIVED = (ARCHIVED_BEFORE, ARCHIVED_AFTER)


@dataclass
class ReadCounts:
    """What a read has cost and met so far; kept in the stage, so it covers all attempts."""

    api_requests: int = 0
    api_retries: int = 0
    seconds_rate_limited: float = 0.0
    child_data_sources: int = 0
    vanished_rows: int = 0


@dataclass(frozen=True)
class ReadPlan:
    """What is read of a data source.

    Attributes:
        full: Everything since the start date, archived rows too; else live pages edited since.
        edited_since: Aware UTC minute, inclusive; None is no bound.
        lookback: How far before its own beginning a full read's catch-up starts, as an incremental read does before
            its bookmark: the Date header and the stamps need not come from one clock.
    """

    data_source_id: str
    schema: RowSchema
    full: bool
    edited_since: datetime | None
    lookback: timedelta = timedelta(0)


@dataclass
class ArchivedSupport:
    """Whether Notion takes `is_archived` from this account; one a run, so that it is asked and logged once."""

    supported: bool = True


@dataclass
class _Progress:
    """Where the read stands, and the children of a wiki met so far: windows overlap, so they come more than once.

    Attributes:
        windows: Of the step that an earlier run was in, by phase; None where the step begins.
    """

    step: int = 0
    windows: dict[str, list[Window]] | None = None
    wasted: float = 0.0
    children: set[str] = field(default_factory=set)

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> _Progress:
        if not raw:
            return cls()
        windows = raw["windows"]
        if windows is not None:
            windows = {phase: [Window.from_json(window) for window in some] for phase, some in windows.items()}
        return cls(raw["step"], windows, raw["wasted"], set(raw["children"]))


class Extraction:
    """One read of one data source; `read` goes on where its stage stopped.

    Args:
        spare: Readers beyond the one that the read always has.
    """

    def __init__(
        self,
        client: NotionClient,
        plan: ReadPlan,
        stage: Stage,
        archived: ArchivedSupport,
        spare: SpareReaders,
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
        self._staff: Callable[[], None] = lambda: None
        self._saving = asyncio.Lock()
        self._changes = self._saved = 0
        self.counts = ReadCounts(**stage.manifest.counts)
        self._counts_before = ReadCounts(**stage.manifest.counts)

    async def read(self) -> None:
        """Stages every row of the plan.

        Raises:
            IncompleteExtractError: One minute holds more rows than a query gives and nothing splits it.
            NotionError: Notion refused, or failed for longer than is tried.
            StagingError: The rows could not be kept.
        """
        steps = FULL_STEPS if self._plan.full else INCREMENTAL_STEPS
        while self._progress.step < len(steps):
            await self._read_step(steps[self._progress.step])
            self._progress = replace(self._progress, step=self._progress.step + 1, windows=None, wasted=0.0)
            self._windows = None
            await self._save()

    def finish(self) -> None:
        """Marks the stage as whole: it may be committed."""
        self._stage.keep(self._stage.record(self._progress_json(), self._current_counts(), complete=True))

    async def _read_step(self, phases: Sequence[str]) -> None:
        left = self._progress.windows
        if left is None:
            left = {phase: [Window()] for phase in phases if self._archived.supported or phase not in ARCHIVED}
        windows = self._windows = OpenWindows(left, wasted=self._progress.wasted, horizon=self._stage.bookmark)

        def find_work() -> Coroutine[None, None, None] | None:
            reader = windows.take(self._stage.rows)
            return self._work(windows, reader) if reader is not None else None

        crew = Crew(self._spare, find_work)
        self._staff = crew.staff
        try:
            while windows:
                crew.staff()
                await crew.next_end()
        finally:
            await crew.dismiss()

    async def _work(self, windows: OpenWindows, reader: Reader) -> None:
        """Reads a window from one side until it is read, or somebody else will read what is left of it."""
        try:
            await self._read_window(windows, reader)
        except NotionError as error:
            if not windows.is_open(reader.at):
                return  # another reader has met all of the window meanwhile: what was refused here is not needed
            phase = reader.at.phase
            if not (phase in ARCHIVED and _refuses_archived(error)):
                raise
            if self._archived.supported:  # else another database of this run has said so
                self._log(
                    f"This account's Notion has no archived rows to give ({error.message}); live rows alone are read."
                )
            self._archived.supported = False
            windows.close_phase(phase)

    async def _read_window(self, windows: OpenWindows, reader: Reader) -> None:
        restarts = 0
        while windows.is_open(reader.at):
            before = reader.edge
            try:
                end = await self._read_query(windows, reader)
            except InvalidCursorError as error:
                restarts = 0 if reader.edge != before else restarts + 1
                if restarts > CURSOR_RESTARTS:
                    raise RetryableNotionError(
                        f"Notion's page cursors broke {restarts} times in a row: {error.message}",
                        cure="Sync again later; the read goes on where it was.",
                        status=error.status,
                        code=error.code,
                        request_id=error.request_id,
                    ) from error
                self._log(f"A page cursor was refused; the window is read again from {reader.edge}.")
                continue
            if end is None:
                windows.leave(reader)
                return
            if end is End.WHOLE or (end is End.AT_THE_CAP and reader.edge == before):
                windows.close(reader.at)
                await self._save()
                return
            if reader.edge == before:
                await self._split(windows, reader)
                return

    async def _read_query(self, windows: OpenWindows, reader: Reader) -> End | None:
        """Reads one query, each page staged before the next is asked for, or the next but one; how it ended.

        None where another reader reads what is left of the window.
        """
        query = WindowQuery(
            self._client,
            self._plan.data_source_id,
            reader.at.window,
            reader.side,
            self._base_filter(reader.at.phase),
            archived=reader.at.phase in ARCHIVED,
        )
        try:
            while True:
                reader.pages_coming = 1
                answer = await query.answer()
                if query.is_overfull_minute:
                    return End.CAPPED  # no further bound can be reached in it: it will be split, so the rest can wait
                if answer.end is None and windows.is_alone(reader) and not windows.is_passed(reader, answer.minutes):
                    # The next answer travels while this one is kept. Where there are other readers, theirs do.
                    query.ask()
                    reader.pages_coming = 2
                await self._keep(windows, reader, answer)
                self._staff()
                if not reader.pages_coming and answer.end is None:
                    await windows.let_the_other_finish(reader)
                if not windows.is_open(reader.at):
                    return End.WHOLE
                if answer.end is not None:
                    return answer.end
                if windows.is_left_to_the_other(reader):
                    return None
        finally:
            windows.gave_up(reader)
            await query.close()

    def _base_filter(self, phase: str) -> list[Leaf]:
        bound = self._plan.edited_since
        if phase == CATCH_UP:
            # The minute in which the read first began, also where it was resumed: edits since then are read again.
            began = self._stage.bookmark - self._plan.lookback
            bound = max(bound, began) if bound else began
        return [edited_since(bound)] if bound else []

    async def _keep(self, windows: OpenWindows, reader: Reader, answer: Answer) -> None:
        """Completes, converts and stages one answer, and moves the window's bound to its last row's minute."""
        children = [result for result in answer.results if result.get("object") in CHILDREN_OF_A_WIKI]
        pages = [result for result in answer.results if result.get("object") not in CHILDREN_OF_A_WIKI]
        kept = await complete_references(self._client, pages, self._plan.schema.properties)
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
                cure=WHO_ANSWERS,
                source=self._client.source,
            )
        self._progress.children.update(str(child.get("id")) for child in children)
        self.counts.child_data_sources = len(self._progress.children)
        self.counts.vanished_rows += len(pages) - len(kept)
        windows.advance(reader, answer.minutes)
        await self._save()
        self._on_rows(len(kept))

    def _write(self, pages: list[dict[str, Any]]) -> StagedFile:
        return self._stage.write(to_batch(pages, self._plan.schema))

    async def _save(self) -> None:
        """Comes back when a manifest with all changes so far is written; readers that wait together share one."""
        self._changes += 1
        wanted = self._changes
        async with self._saving:
            if self._saved < wanted:
                self._saved = self._changes
                record = self._stage.record(self._progress_json(), self._current_counts())
                await asyncio.to_thread(self._stage.keep, record)

    def _progress_json(self) -> dict[str, Any]:
        return {
            "step": self._progress.step,
            "windows": self._windows.as_json() if self._windows is not None else None,
            "wasted": round(self._windows.wasted, 2) if self._windows is not None else 0.0,
            "children": sorted(self._progress.children),
        }

    def _current_counts(self) -> dict[str, Any]:
        before, stats = self._counts_before, self._client.stats
        self.counts.api_requests = before.api_requests + stats.requests
        self.counts.api_retries = before.api_retries + stats.retries
        self.counts.seconds_rate_limited = before.seconds_rate_limited + stats.seconds_rate_limited
        return asdict(self.counts)

    async def _split(self, windows: OpenWindows, reader: Reader) -> None:
        """Puts parts in the place of a minute that is more than a query gives."""
        minute, phase = reader.at.window.minute_at(reader.side), reader.at.phase
        if minute is None:
            raise RetryableNotionError(
                "Notion said that it will not give all rows of a query, and gave none that tells where to go on.",
                cure="Sync again later; the read goes on where it was.",
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
                cure="Add a unique ID property to it in Notion, or move its start_date past that minute.",
            )
        self._log(f"More than {NOTION_RESULT_CAP} rows share the minute {minute.start}; reading it in {len(parts)}.")
        windows.set_aside(reader, parts)
        await self._save()


def _refuses_archived(error: NotionError) -> bool:
    return isinstance(error, NotionRequestError) and error.status == 400 and "is_archived" in error.message
