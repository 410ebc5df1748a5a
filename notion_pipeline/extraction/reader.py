"""Reads one data source whole into its stage: the steps one after another, the windows of a step side by side."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime
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
from notion_pipeline.extraction.one_answer import OneAnswer
from notion_pipeline.extraction.read_counts import ArchivedSupport, ReadCounts, ReadNotes
from notion_pipeline.extraction.read_progress import (
    ARCHIVED,
    ARCHIVED_AFTER,
    CATCH_UP,
    FULL_CATCH_UP,
    FULL_STEPS,
    INCREMENTAL_CATCH_UP,
    INCREMENTAL_STEPS,
    CatchUp,
    ReadProgress,
    ReadSettings,
)
from notion_pipeline.extraction.references.property_items import References
from notion_pipeline.extraction.schema_proof import SchemaProof
from notion_pipeline.extraction.staging import Stage
from notion_pipeline.extraction.windows.minute_split import split_minute
from notion_pipeline.extraction.windows.query import End, QueryPage, WindowQuery
from notion_pipeline.extraction.windows.scheduler import OpenWindow, OpenWindows, SpareWorkers, WorkerPool
from notion_pipeline.extraction.windows.window import Window
from notion_pipeline.notion.client import NotionClient
from notion_pipeline.notion.pagination import WHO_ANSWERS
from notion_pipeline.notion_ids import notion_id
from notion_pipeline.rows.batch import to_batch

CURSOR_RESTARTS = 3
ROW = "page"


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
        self._spare = spare
        self._log = log
        self._on_rows = on_rows
        self._progress = ReadProgress.from_json(stage.manifest.progress)
        self._references = References(client, plan.schema.properties, lambda: on_rows(0))
        is_first = self._progress.attempt == 1
        self.one_answer = OneAnswer(possible=plan.full and is_first)
        self.schema_proof = SchemaProof(plan.schema, possible=is_first)
        self._notes = ReadNotes(stage.manifest.counts, self._progress, archived, log)
        self._windows: OpenWindows | None = None
        self._start_workers: Callable[[], None] = lambda: None
        self._saving = asyncio.Lock()
        self._changes = self._saved = 0
        self._archived_came = False

    @property
    def counts(self) -> ReadCounts:
        return self._notes.counts

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
        while self._progress.step < len(steps) or self._progress.is_behind:
            phases = steps[self._progress.step] if self._progress.step < len(steps) else more
            if CATCH_UP in phases and self.one_answer.is_one_moment:
                phases = (ARCHIVED_AFTER,)
            await self._read_step(phases)
            self._progress.step, self._progress.windows, self._progress.wasted = self._progress.step + 1, None, 0.0
            self._windows = None
            await self._save()

    def finish(self) -> None:
        """Marks the stage as whole: it may be committed."""
        self._stage.keep(self._record(complete=True))

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
                self._progress.catch_up = CatchUp(self._progress.attempt, since, self._began())
            left = {phase: [Window()] for phase in phases if self._notes.archived_rows_exist or phase not in ARCHIVED}
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
                self._notes.no_archived_rows(error)
            elif self._archived_came:
                raise  # they were given a moment ago, so it is not that Notion does not give them
            else:
                self._notes.archived_rows_refused(error)
            windows.close_phase(window.phase)

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
            self._progress.filter_of(window.phase, self._plan, self._stage.bookmark),
            archived=window.phase in ARCHIVED,
            most_rows=self._plan.limits.rows_per_query,
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

    async def _keep(self, windows: OpenWindows, window: OpenWindow, answer: QueryPage) -> None:
        """Completes, converts and stages one answer, and moves the window's start to its last row's minute."""
        for result in answer.results:
            notion_id(result.get("id"), "A row")
        pages = [result for result in answer.results if result["object"] == ROW]
        completed = await self._references.complete(pages)
        kept = completed.pages
        if completed.vanished:
            # Where all of the data source is out of sight, its rows are not gone: the read ends here with that reason.
            await self._client.data_source(self._plan.data_source_id)
        file = await asyncio.to_thread(self._write, kept) if kept else None
        # Between here and the record nothing is awaited: a manifest never has a bound without the rows before it.
        if file is not None:
            self._stage.add(file)
            self._references.staged(completed)
        if self._stage.rows > self._plan.limits.rows:
            raise UnboundedAnswerError(
                f"Data source {self._plan.data_source_id} has given {self._stage.rows:,} rows, more than a database of "
                "Notion's can have, and does not end.",
                hint=WHO_ANSWERS,
                source=self._client.source,
            )
        self._notes.other_objects([result for result in answer.results if result["object"] != ROW])
        self.counts.vanished_rows += completed.vanished
        self.counts.values_disagreeing += completed.disagreements
        self._notes.values_refused(completed.refused)
        self.one_answer.note(window.phase, is_end=answer.end is End.WHOLE, is_completed=completed.asked)
        self.schema_proof.note(window.phase, pages, is_end=answer.end is End.WHOLE)
        windows.advance(window, answer.minutes)
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
                record = self._record()
                await asyncio.to_thread(self._stage.keep, record)

    def _record(self, *, complete: bool = False) -> bytes:
        """The manifest as of now. No bookmark is later than what any answer's clock told after it."""
        if (told := self._client.stats.earliest) is not None:
            self._stage.not_after(told)
        last = self._progress.catch_up
        if last is not None and last.attempt == self._progress.attempt:
            last.began = min(last.began, self._began())
        left = self._windows.as_json() if self._windows is not None else None
        wasted = self._windows.wasted if self._windows is not None else 0.0
        return self._stage.record(
            self._progress.as_json(left, wasted), self._notes.as_json(self._client.stats), complete=complete
        )

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
            self._progress.filter_of(phase, self._plan, self._stage.bookmark),
            archived=phase in ARCHIVED,
            ids_per_part=self._plan.limits.ids_per_part,
        )
        if not parts:
            raise IncompleteExtractError(
                "read in part, table unchanged: more than 10,000 pages share created_time "
                f"{minute.start:%Y-%m-%d %H:%M} UTC, and nothing in this data source splits that minute further.",
                hint="Add a unique ID property to it in Notion, or move its start_date past that minute.",
            )
        most = self._plan.limits.rows_per_query
        self._log(f"More than {most} rows share the minute {minute.start}; reading it in {len(parts)}.")
        windows.split_first_minute(window, parts)
        await self._save()
