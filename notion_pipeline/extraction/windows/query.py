"""The pages of one query over a window, and how it ended. A cap or a broken cursor is not the end of the rows."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from typing import Any

from notion_pipeline.extraction.windows.window import OLDEST_FIRST, Leaf, Window
from notion_pipeline.notion.client import NotionClient
from notion_pipeline.notion.page_size import NOTION_PAGE_SIZE
from notion_pipeline.notion.pagination import Cursors, Listing
from notion_pipeline.notion.responses.parsing import objects_of
from notion_pipeline.rows.text.timestamps import as_datetime

#: Twice as many pages as a query has rows, a row a page: what it may come to where Notion is too slow for more.
MOST_PAGES = 20_000


class End(Enum):
    """How a query ended: with all it has, at as many rows as Notion gives without a word of more, or cut off there."""

    WHOLE = "whole"
    AT_THE_CAP = "at_the_cap"
    CAPPED = "capped"


@dataclass(frozen=True)
class QueryPage:
    """One page of rows.

    Attributes:
        minutes: When its rows were made, oldest first; rows that do not tell are left out.
        end: How the query ended with it; None where more follows.
    """

    results: list[dict[str, Any]]
    minutes: list[datetime]
    end: End | None


class WindowQuery:
    """One query; `answer` gives its pages in turn, `ask` sends for the next one before it is wanted."""

    def __init__(
        self,
        client: NotionClient,
        data_source_id: str,
        window: Window,
        base: Sequence[Leaf],
        *,
        archived: bool,
        most_rows: int,
    ) -> None:
        self.window = replace(window)  # as it is asked for; the read moves the other one
        self._client = client
        self._data_source_id = data_source_id
        self._most_rows = most_rows
        self._body: dict[str, Any] = {"sorts": OLDEST_FIRST, "page_size": NOTION_PAGE_SIZE}
        if (wanted := window.filter(base)) is not None:
            self._body["filter"] = wanted
        if archived:
            self._body["is_archived"] = True
        self._pending: asyncio.Future[dict[str, Any]] | None = None
        self._cursors = Cursors()
        self._next: Any = None
        self._has_begun = False
        self._rows = 0
        self._capped = False
        self._listing = Listing(f"data source {data_source_id}", most_pages=MOST_PAGES, source=client.source)

    def ask(self) -> asyncio.Future[dict[str, Any]]:
        """Sends for the next page, where that is not done yet.

        Raises:
            InvalidCursorError: The page before gave no cursor for it, or one that was used already.
        """
        if self._pending is None:
            body = self._body
            if self._has_begun:
                body = {**body, "start_cursor": self._cursors.following(self._next)}
            self._pending = asyncio.ensure_future(self._query(body))
        return self._pending

    async def answer(self) -> QueryPage:
        """The next page.

        Raises:
            InvalidCursorError: The query has to be asked again from where its window is now.
            NotionError: Notion refused, or failed for longer than is tried, or gives pages without end, or something
                that is no object.
        """
        raw = await self.ask()
        self._pending = None
        results = objects_of(raw, f"data source {self._data_source_id}")
        self._rows += len(results)
        status = raw.get("request_status")
        self._capped |= isinstance(status, dict) and status.get("type") == "incomplete"
        self._next, self._has_begun = raw.get("next_cursor"), True
        has_more = bool(raw.get("has_more"))
        self._listing.page((str(result.get("id")) for result in results), has_more=has_more)
        if has_more and self._rows >= self._most_rows:
            # More than Notion gives, so the rest is asked for as what was cut off is.
            has_more, self._capped = False, True
        return QueryPage(results, _minutes(results), None if has_more else self._end())

    @property
    def is_overfull_minute(self) -> bool:
        """Whether it asked for one minute and Notion said that it will not give all of it."""
        return self._capped and self.window.is_one_minute

    async def close(self) -> None:
        """Ends what is under way."""
        if self._pending is not None:
            self._pending.cancel()
            await asyncio.gather(self._pending, return_exceptions=True)

    def _end(self) -> End:
        if self._capped:
            return End.CAPPED
        return End.AT_THE_CAP if self._rows >= self._most_rows else End.WHOLE

    async def _query(self, body: dict[str, Any]) -> dict[str, Any]:
        return (await self._client.query(self._data_source_id, body)).body


def _minutes(results: Sequence[dict[str, Any]]) -> list[datetime]:
    """When the rows of an answer were made, oldest first; children of a wiki that are data sources count."""
    moments = (as_datetime(result.get("created_time")) for result in results)
    return sorted(moment.replace(second=0, microsecond=0) for moment in moments if moment is not None)
