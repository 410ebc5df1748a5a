"""Reads one data source whole into its stage: windows, page cursors, archived rows, catch-up, cut-off references.

A full read asks for the archived rows, the live ones, what was edited since the read began, and the archived rows
again: a row that moves between the two states while it is read shows in one of them, whether or not the move changes
its stamp. An incremental read asks once for what was edited.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta, timezone
from enum import Enum
from typing import Any

from notion_pipeline.client import NotionClient
from notion_pipeline.errors import IncompleteExtractError, InvalidCursorError, NotionRequestError, RetryableNotionError
from notion_pipeline.references import complete_references
from notion_pipeline.rows import RowSchema, to_batch
from notion_pipeline.splitting import split_minute
from notion_pipeline.staging import Stage
from notion_pipeline.together import all_or_first_error
from notion_pipeline.windows import SORT_OLDEST_FIRST, Leaf, Window, edited_since

NOTION_PAGE_SIZE = 100
#: What one query gives at most (notion-api.md section 3); Notion says so, and this catches it where it does not.
NOTION_RESULT_CAP = 10_000
CURSOR_RESTARTS = 3

CHILDREN_OF_A_WIKI = ("data_source", "database")

LIVE, ARCHIVED_BEFORE, CATCH_UP, ARCHIVED_AFTER = "live", "archived_before", "catch_up", "archived_after"
FULL_PHASES = (ARCHIVED_BEFORE, LIVE, CATCH_UP, ARCHIVED_AFTER)
INCREMENTAL_PHASES = (LIVE,)


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
    """Where the read stands, and the children of a wiki met so far: windows overlap, so they come more than once."""

    phase: int = 0
    windows: list[Window] = field(default_factory=lambda: [Window()])
    children: set[str] = field(default_factory=set)

    def as_json(self) -> dict[str, Any]:
        return {
            "phase": self.phase,
            "windows": [window.as_json() for window in self.windows],
            "children": sorted(self.children),
        }

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> _Progress:
        if not raw:
            return cls()
        return cls(raw["phase"], [Window.from_json(window) for window in raw["windows"]], set(raw.get("children", ())))


class _End(Enum):
    """How a query ended: with all it has, at as many rows as Notion gives without a word of more, or cut off there."""

    WHOLE = "whole"
    AT_THE_CAP = "at_the_cap"
    CAPPED = "capped"


class Extraction:
    """One read of one data source; `read` goes on where its stage stopped."""

    def __init__(
        self,
        client: NotionClient,
        plan: ReadPlan,
        stage: Stage,
        archived: ArchivedSupport,
        *,
        log: Callable[[str], None],
        on_rows: Callable[[int], None],
    ) -> None:
        self._client = client
        self._plan = plan
        self._stage = stage
        self._archived = archived
        self._log = log
        self._on_rows = on_rows
        self._progress = _Progress.from_json(stage.manifest.progress)
        self.counts = ReadCounts(**stage.manifest.counts)
        self._counts_before = ReadCounts(**stage.manifest.counts)

    async def read(self) -> None:
        """Stages every row of the plan.

        Raises:
            IncompleteExtractError: One minute holds more rows than a query gives and nothing splits it.
            NotionError: Notion refused, or failed for longer than is tried.
            StagingError: The rows could not be kept.
        """
        phases = FULL_PHASES if self._plan.full else INCREMENTAL_PHASES
        while self._progress.phase < len(phases):
            await self._read_phase(phases[self._progress.phase])
            self._progress.phase += 1
            self._progress.windows = [Window()]
            self._save()

    async def _read_phase(self, phase: str) -> None:
        archived = phase in (ARCHIVED_BEFORE, ARCHIVED_AFTER)
        if archived and not self._archived.supported:
            return
        base = self._base_filter(phase)
        try:
            while self._progress.windows:
                followers = await self._read_window(self._progress.windows[0], base, archived=archived)
                self._progress.windows[:1] = followers
                self._save()
        except NotionRequestError as error:
            if not (archived and error.status == 400 and "is_archived" in error.message):
                raise
            if self._archived.supported:  # else another database of this run has said so
                self._log(
                    f"This account's Notion has no archived rows to give ({error.message}); live rows alone are read."
                )
            self._archived.supported = False

    def _base_filter(self, phase: str) -> list[Leaf]:
        bound = self._plan.edited_since
        if phase == CATCH_UP:
            # The minute in which the read first began, also where it was resumed: edits since then are read again.
            began = self._stage.bookmark - self._plan.lookback
            bound = max(bound, began) if bound else began
        return [edited_since(bound)] if bound else []

    async def _read_window(self, window: Window, base: Sequence[Leaf], *, archived: bool) -> list[Window]:
        """Reads one window to its end, moving its start along; the windows that must follow it."""
        restarts = 0
        while True:
            before = window.start
            try:
                ended = await self._read_query(window, base, archived=archived)
            except InvalidCursorError as error:
                restarts = 0 if window.start != before else restarts + 1
                if restarts > CURSOR_RESTARTS:
                    raise RetryableNotionError(
                        f"Notion's page cursors broke {restarts} times in a row: {error.message}",
                        cure="Sync again later; the read goes on where it was.",
                        status=error.status,
                        code=error.code,
                        request_id=error.request_id,
                    ) from error
                self._log(f"A page cursor was refused; the window from {window.start} is read again.")
                continue
            if ended is _End.WHOLE or (ended is _End.AT_THE_CAP and window.start == before):
                return []
            if window.start != before:
                return [window]
            return await self._split(window, base, archived=archived)

    async def _read_query(self, window: Window, base: Sequence[Leaf], *, archived: bool) -> _End:
        """Pages of one query, each staged before the next but one is asked for; how it ended."""
        body: dict[str, Any] = {"sorts": SORT_OLDEST_FIRST, "page_size": NOTION_PAGE_SIZE}
        if (wanted := window.filter(base)) is not None:
            body["filter"] = wanted
        if archived:
            body["is_archived"] = True
        pending = asyncio.ensure_future(self._query(body))
        seen: set[str] = set()
        capped, total = False, 0
        try:
            while True:
                answer = await pending
                results = [result for result in answer.get("results") or [] if isinstance(result, dict)]
                total += len(results)
                status = answer.get("request_status")
                capped |= isinstance(status, dict) and status.get("type") == "incomplete"
                more = bool(answer.get("has_more"))
                if capped and window.is_one_minute:
                    return _End.CAPPED  # no later start can be reached in it: it will be split, so the rest can wait
                if more:
                    # The next answer travels while this one is converted and kept.
                    cursor = _next_cursor(answer, seen)
                    pending = asyncio.ensure_future(self._query({**body, "start_cursor": cursor}))
                await self._keep(results, window)
                if not more:
                    return _End.CAPPED if capped else _End.AT_THE_CAP if total >= NOTION_RESULT_CAP else _End.WHOLE
        finally:
            pending.cancel()
            await asyncio.gather(pending, return_exceptions=True)

    async def _query(self, body: dict[str, Any]) -> dict[str, Any]:
        return (await self._client.query(self._plan.data_source_id, body)).body

    async def _keep(self, results: list[dict[str, Any]], window: Window) -> None:
        """Completes, converts and stages one answer, and moves the window's start to its last row's minute."""
        pages = [result for result in results if result.get("object") not in CHILDREN_OF_A_WIKI]
        self._progress.children.update(
            str(result.get("id")) for result in results if result.get("object") in CHILDREN_OF_A_WIKI
        )
        self.counts.child_data_sources = len(self._progress.children)
        whole = await all_or_first_error(
            complete_references(self._client, page, self._plan.schema.properties) for page in pages
        )
        kept = [page for page, is_there in zip(pages, whole, strict=True) if is_there]
        if len(kept) < len(pages):
            # Where all of the data source is out of sight, its rows are not gone: the read ends here with that reason.
            await self._client.data_source(self._plan.data_source_id)
        self.counts.vanished_rows += len(pages) - len(kept)
        if (reached := _last_created(results)) is not None and (window.start is None or reached > window.start):
            window.start = reached
        await asyncio.to_thread(self._stage_pages, kept)
        self._on_rows(len(kept))

    def _stage_pages(self, pages: list[dict[str, Any]]) -> None:
        batches = [to_batch(pages, self._plan.schema)] if pages else []
        self._stage.append(batches, self._progress.as_json(), self._current_counts())

    def _save(self) -> None:
        self._stage.save(self._progress.as_json(), self._current_counts())

    def finish(self) -> None:
        """Marks the stage as whole: it may be committed."""
        self._stage.save(self._progress.as_json(), self._current_counts(), complete=True)

    def _current_counts(self) -> dict[str, Any]:
        before, stats = self._counts_before, self._client.stats
        self.counts.api_requests = before.api_requests + stats.requests
        self.counts.api_retries = before.api_retries + stats.retries
        self.counts.seconds_rate_limited = before.seconds_rate_limited + stats.seconds_rate_limited
        return asdict(self.counts)

    async def _split(self, window: Window, base: Sequence[Leaf], *, archived: bool) -> list[Window]:
        parts = await split_minute(
            self._client, self._plan.data_source_id, self._plan.schema.properties, window, base, archived=archived
        )
        if parts:
            self._log(
                f"More than {NOTION_RESULT_CAP} rows share the minute {window.start}; reading it in {len(parts)}."
            )
            return parts
        raise IncompleteExtractError(
            "read in part, table unchanged: more than 10,000 pages share created_time "
            f"{window.start:%Y-%m-%d %H:%M} UTC, and nothing in this data source splits that minute further.",
            cure="Add a unique ID property to it in Notion, or move its start_date past that minute.",
        )


def _next_cursor(answer: dict[str, Any], seen: set[str]) -> str:
    """The cursor of the next page; a missing or repeated one is no end, but a listing to start again."""
    cursor = answer.get("next_cursor")
    if not isinstance(cursor, str) or not cursor or cursor in seen:
        what = "repeats" if cursor in seen else "is missing"
        raise InvalidCursorError(f"The next page's cursor {what}.", status=200)
    seen.add(cursor)
    return cursor


def _last_created(results: Sequence[dict[str, Any]]) -> datetime | None:
    """The latest created_time of an answer, floored to the minute; children that are data sources count."""
    moments = []
    for result in results:
        try:
            moment = datetime.fromisoformat(str(result.get("created_time")).replace("Z", "+00:00"))
        except ValueError:
            continue
        if moment.tzinfo is not None:
            moments.append(moment.astimezone(timezone.utc).replace(second=0, microsecond=0))
    return max(moments, default=None)
