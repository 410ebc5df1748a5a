"""Which databases were edited lately, by one look at search: sorted by last_edited_time, it shows the newest first.

Stamps are floored to the minute (notion-api.md section 2), so that a second edit within a stamp's minute changes
nothing here: what was edited in a minute is committed only by a sync that began after it. Search lags and has gaps
(section 8): a look goes back to some minutes before the last whole one, every few minutes one goes back all the way,
and the schedule stands behind it.

Sharing an old database edits nothing, so that it never comes to the top. A second request of each look turns one page
further through all data sources, round and round, and finds those that no listing had. Nothing here opens the catalog.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from datetime import datetime, timedelta, timezone
from typing import Any

from notion_pipeline.errors import AuthorizationError, InvalidCursorError, NotionError
from notion_pipeline.listing.cache import LastListing
from notion_pipeline.listing.changes_cursor import NEVER, ChangesCursor, Pending, minutes, object_digest
from notion_pipeline.notion.client import NotionClient
from notion_pipeline.notion_ids import normalise_id
from notion_pipeline.rows.timestamps import as_datetime

#: How far back a look goes, for edits that search shows late.
LOOK_BACK = timedelta(minutes=15)
#: How often one goes back all the way, through pages on which nothing is new: what is late may stand below them.
SWEEP_MINUTES = 5
SEARCH_PAGE_SIZE = 100


async def look(
    client: NotionClient,
    cursor: ChangesCursor,
    *,
    ignored: Collection[str],
    listing: LastListing | None,
    seconds: float,
) -> tuple[datetime, str]:
    """Brings the cursor up to date: what was edited stands in `pending` afterwards.

    A page of search that is refused ends the look there; what the pages before it showed counts, and the next look
    reads its whole span again.

    Args:
        ignored: Databases that are not selected.
        listing: The last one.
        seconds: The look's budget; what does not fit is carried on by the next one.

    Returns:
        The server's time, and what went wrong on the way; empty where nothing did.

    Raises:
        NotionError: Notion refused the first page or could not be reached.
    """
    give_up_at = time.monotonic() + seconds
    looking = _Look(cursor, ignored, listing)
    has_no_gap = cursor.started and not cursor.broken
    cursor.broken = True  # until this look ends as it should
    sees_all = await _read(client, looking, None, give_up_at, stop_at_known=has_no_gap)
    if cursor.deeper is not None and time.monotonic() < give_up_at:
        position, cursor.deeper = cursor.deeper, None
        try:
            await _read(client, looking, position, give_up_at, stop_at_known=False)
        except InvalidCursorError:
            # Search cursors need not live that long: this look reads its span from the top.
            await _read(client, looking, None, give_up_at, stop_at_known=False)
        except AuthorizationError:
            raise
        except NotionError as error:
            looking.gap = error
    if not sees_all and listing is not None:
        await _turn_a_page(client, looking)
    looking.finish()
    cursor.started, cursor.broken = True, looking.gap is not None
    return looking.now or datetime.now(timezone.utc), looking.problem or str(looking.gap or "")


async def _turn_a_page(client: NotionClient, looking: _Look) -> None:
    """One page further through all data sources, in an order in which an edit moves none behind us."""
    cursor = looking.cursor
    body: dict[str, Any] = {
        "filter": {"property": "object", "value": "data_source"},
        "sort": {"timestamp": "last_edited_time", "direction": "ascending"},
        "page_size": SEARCH_PAGE_SIZE,
    }
    position, cursor.round = cursor.round, None
    try:
        answer = await client.search({**body, "start_cursor": position} if position else body)
    except InvalidCursorError:
        return  # the next look begins a new round
    except AuthorizationError:
        raise
    except NotionError as error:
        looking.problem = str(error)  # as above; this page is only for what no edit brings to the top
        return
    looking.told_time(answer.server_time)
    looking.welcome(answer.body.get("results") or [])
    following = answer.body.get("next_cursor")
    cursor.round = following if answer.body.get("has_more") and isinstance(following, str) else None


async def _read(
    client: NotionClient, looking: _Look, position: str | None, give_up_at: float, *, stop_at_known: bool
) -> bool:
    """Whether everything that search finds stood on one page."""
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
            looking.gap = error
            return False
        is_answered = True
        looking.told_time(answer.server_time)
        looking.now = looking.now or datetime.now(timezone.utc)
        results = answer.body.get("results") or []
        news, reached_horizon = looking.take(results)
        position = answer.body.get("next_cursor")
        has_more = bool(answer.body.get("has_more"))
        if first and not has_more:
            looking.welcome(results)
            return True
        first = False
        if reached_horizon or not has_more or not isinstance(position, str):
            return False
        if stop_at_known and not news and not looking.is_sweep:
            return False
        if time.monotonic() >= give_up_at:
            looking.cursor.deeper = position
            return False


class _Look:
    """The answers of one look against what was seen before it.

    Attributes:
        gap: Why it did not come to its end.
        problem: Why the round through all data sources did not get further.
    """

    def __init__(self, cursor: ChangesCursor, ignored: Collection[str], listing: LastListing | None) -> None:
        self.cursor = cursor
        self.now: datetime | None = None
        self.gap: NotionError | None = None
        self.problem = ""
        self._ignored = set(ignored)
        self._listing = listing
        self._before = dict(cursor.seen)
        last = as_datetime(cursor.looked_at)
        self._last_minute = minutes(last) if last is not None else 0

    @property
    def is_sweep(self) -> bool:
        return self.now is None or minutes(self.now) - self.cursor.swept_at >= SWEEP_MINUTES

    def told_time(self, moment: datetime | None) -> None:
        """An answer's clock: the earliest counts, since one that is ahead would have edits passed over."""
        if moment is not None:
            self.now = moment if self.now is None else min(self.now, moment)

    def take(self, results: list[Any]) -> tuple[int, bool]:
        """How many results may be news, and whether they reach back as far as a look goes."""
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
            # In the minute of the last look another page may have been edited after it.
            news += stamp > self._before.get(digest, -1) or stamp >= self._last_minute
            is_newer = stamp > self.cursor.seen.get(digest, -1)
            self.cursor.seen[digest] = max(stamp, self.cursor.seen.get(digest, stamp))
            if is_newer and database_id is not None and database_id not in self._ignored:
                self.cursor.note(database_id, stamp)
        return news, False

    def _horizon(self) -> datetime:
        """How far back edits may not have been seen."""
        whole = as_datetime(self.cursor.looked_at) or self.now or datetime.now(timezone.utc)
        return min(whole, self.now or whole) - LOOK_BACK

    def welcome(self, results: list[Any]) -> None:
        """Makes due what the last listing did not have, once each: what stays unlisted cannot be seen after all."""
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
        """Moves the span that later looks go back to."""
        if self.now is None:
            return
        if self.cursor.deeper is None and self.gap is None:
            if self.is_sweep:
                self.cursor.swept_at = minutes(self.now)
            self.cursor.looked_at = self.now.replace(second=0, microsecond=0).isoformat()
        self.cursor.forget_before(self._horizon())
