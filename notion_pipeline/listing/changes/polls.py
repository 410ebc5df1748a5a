"""Polls search for databases that were edited lately; it is sorted by last_edited_time, newest first.

Notion floors last_edited_time to the minute (notion-api.md section 2), so a second edit within a minute is not seen
here: what was edited in a minute counts as committed only by a sync that began after it. Search lags and has gaps
(section 8): a poll goes back to some minutes before the last complete one, every few minutes one goes back through all
of that span, and the schedule finds what is left.

Sharing an old database does not edit it, so it never comes to the top. Each poll therefore asks for one more page of
all data sources, in turn, and finds those that no listing has. Nothing here opens the catalog.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from datetime import datetime, timedelta, timezone
from typing import Any

from notion_pipeline.errors import AuthorizationError, InvalidCursorError, NotionError
from notion_pipeline.listing.cache import LastListing
from notion_pipeline.listing.changes.cursor import NEVER, ChangesCursor, Pending, minutes, object_digest
from notion_pipeline.notion.client import NotionClient
from notion_pipeline.notion_ids import normalise_id
from notion_pipeline.rows.text.timestamps import as_datetime

#: How far before the last complete poll a poll goes back, for edits that search shows late.
LOOKBACK = timedelta(minutes=15)
#: How often a poll goes back all the way, through pages on which nothing is new: a late edit may come after them.
SWEEP_MINUTES = 5
SEARCH_PAGE_SIZE = 100


async def poll_changes(
    client: NotionClient,
    cursor: ChangesCursor,
    *,
    ignored: Collection[str],
    listing: LastListing | None,
    seconds: float,
) -> tuple[datetime, str]:
    """Brings the cursor up to date: afterwards `pending` holds what was edited.

    A page of search that is refused ends the poll. The edits on the pages before it count, and the next poll reads its
    whole span again.

    Args:
        ignored: Databases that are not selected.
        listing: The last one.
        seconds: How long the poll may take; the next one goes on where it stopped.

    Returns:
        The server's time, and what failed on the way; empty where nothing did.

    Raises:
        NotionError: Notion refused the first page or could not be reached.
    """
    give_up_at = time.monotonic() + seconds
    poll = _Poll(cursor, ignored, listing)
    has_no_gap = cursor.started and not cursor.broken
    cursor.broken = True  # until this poll ends as it should
    sees_all = await _read_edits(client, poll, None, give_up_at, stop_at_known=has_no_gap)
    if cursor.deeper is not None and time.monotonic() < give_up_at:
        position, cursor.deeper = cursor.deeper, None
        try:
            await _read_edits(client, poll, position, give_up_at, stop_at_known=False)
        except InvalidCursorError:
            # Search cursors need not live that long: this poll reads its span from the top.
            await _read_edits(client, poll, None, give_up_at, stop_at_known=False)
        except AuthorizationError:
            raise
        except NotionError as error:
            poll.gap = error
    if not sees_all and listing is not None:
        await _read_next_data_sources(client, poll)
    poll.finish()
    cursor.started, cursor.broken = True, poll.gap is not None
    return poll.now or datetime.now(timezone.utc), poll.problem or str(poll.gap or "")


async def _read_next_data_sources(client: NotionClient, poll: _Poll) -> None:
    """Reads the next page of all data sources, in an order in which no edit moves one to a page that was read."""
    cursor = poll.cursor
    body: dict[str, Any] = {
        "filter": {"property": "object", "value": "data_source"},
        "sort": {"timestamp": "last_edited_time", "direction": "ascending"},
        "page_size": SEARCH_PAGE_SIZE,
    }
    position, cursor.round = cursor.round, None
    try:
        answer = await client.search({**body, "start_cursor": position} if position else body)
    except InvalidCursorError:
        return  # the next poll begins a new round
    except AuthorizationError:
        raise
    except NotionError as error:
        poll.problem = str(error)  # this page is only for what no edit brings to the top
        return
    poll.note_time(answer.server_time)
    poll.record_new_databases(answer.body.get("results") or [])
    following = answer.body.get("next_cursor")
    cursor.round = following if answer.body.get("has_more") and isinstance(following, str) else None


async def _read_edits(
    client: NotionClient, poll: _Poll, position: str | None, give_up_at: float, *, stop_at_known: bool
) -> bool:
    """Reads edits from a search cursor on, or from the top; True where one page held all that search finds."""
    first = position is None
    is_answered = False
    while True:
        body: dict[str, Any] = {
            "sort": {"timestamp": "last_edited_time", "direction": "descending"},
            "page_size": SEARCH_PAGE_SIZE,
        }
        try:
            answer = await client.search({**body, "start_cursor": position} if position else body)
        except AuthorizationError:
            raise
        except NotionError as error:
            if not is_answered:
                raise
            poll.gap = error
            return False
        is_answered = True
        poll.note_time(answer.server_time)
        poll.now = poll.now or datetime.now(timezone.utc)
        results = answer.body.get("results") or []
        news, reached_horizon = poll.record_edits(results)
        position = answer.body.get("next_cursor")
        has_more = bool(answer.body.get("has_more"))
        if first and not has_more:
            poll.record_new_databases(results)
            return True
        first = False
        if reached_horizon or not has_more or not isinstance(position, str):
            return False
        if stop_at_known and not news and not poll.is_sweep:
            return False
        if time.monotonic() >= give_up_at:
            poll.cursor.deeper = position
            return False


class _Poll:
    """Compares the answers of one poll with what was seen before it.

    Attributes:
        gap: Why it ended before the end of its span.
        problem: Why the next page of all data sources could not be read.
    """

    def __init__(self, cursor: ChangesCursor, ignored: Collection[str], listing: LastListing | None) -> None:
        self.cursor = cursor
        self.now: datetime | None = None
        self.gap: NotionError | None = None
        self.problem = ""
        self._ignored = set(ignored)
        self._listing = listing
        self._before = dict(cursor.seen)
        last = as_datetime(cursor.polled_at)
        self._last_minute = minutes(last) if last is not None else 0

    @property
    def is_sweep(self) -> bool:
        return self.now is None or minutes(self.now) - self.cursor.swept_at >= SWEEP_MINUTES

    def note_time(self, moment: datetime | None) -> None:
        """Notes an answer's time. The earliest counts: by a clock that is ahead, edits would be passed over."""
        if moment is not None:
            self.now = moment if self.now is None else min(self.now, moment)

    def record_edits(self, results: list[Any]) -> tuple[int, bool]:
        """Notes edits; returns how many results may be new, and whether they reach back to the end of the span."""
        news = 0
        for raw in results:
            edited = as_datetime(raw.get("last_edited_time")) if isinstance(raw, dict) else None
            if edited is None:
                continue
            if edited < self._horizon():
                return news, True
            stamp = minutes(edited)
            database_id = self._database_of(raw)
            digest = object_digest(database_id or "")
            # In the minute of the last poll another page may have been edited after it.
            news += stamp > self._before.get(digest, -1) or stamp >= self._last_minute
            is_newer = stamp > self.cursor.seen.get(digest, -1)
            self.cursor.seen[digest] = max(stamp, self.cursor.seen.get(digest, stamp))
            if is_newer and database_id is not None and database_id not in self._ignored:
                self.cursor.note(database_id, stamp)
        return news, False

    def _horizon(self) -> datetime:
        """The end of the span: all edits before it were seen."""
        whole = as_datetime(self.cursor.polled_at) or self.now or datetime.now(timezone.utc)
        return min(whole, self.now or whole) - LOOKBACK

    def record_new_databases(self, results: list[Any]) -> None:
        """Makes databases due that the last listing lacks, each once: one that stays unlisted cannot be listed."""
        if self._listing is None or not self._listing.databases:
            return
        listed = self._listing.databases
        self.cursor.offered = [database_id for database_id in self.cursor.offered if database_id not in listed]
        for raw in results:
            is_data_source = isinstance(raw, dict) and raw.get("object") == "data_source" and not raw.get("in_trash")
            database_id = self._database_of(raw) if is_data_source else None
            if database_id is not None and database_id not in listed and database_id not in self.cursor.offered:
                self.cursor.offered.append(database_id)
                self.cursor.pending.setdefault(database_id, Pending(NEVER))

    def _database_of(self, raw: dict[str, Any]) -> str | None:
        parent = raw.get("parent")
        if not isinstance(parent, dict):
            return None
        named = normalise_id(str(parent.get("database_id")))
        if named is not None or self._listing is None:
            return named
        return self._listing.database_of(normalise_id(str(parent.get("data_source_id"))) or "")

    def finish(self) -> None:
        """Moves the span that later polls read."""
        if self.now is None:
            return
        if self.cursor.deeper is None and self.gap is None:
            if self.is_sweep:
                self.cursor.swept_at = minutes(self.now)
            self.cursor.polled_at = self.now.replace(second=0, microsecond=0).isoformat()
        self.cursor.forget_before(self._horizon())
