"""Which databases were edited lately, by one look at search: sorted by last_edited_time, it shows the newest first.

Stamps are floored to the minute (notion-api.md section 2), so a second edit within a stamp's minute changes nothing
here: a stamp counts once when it is seen, and its database once more when the minute is over. Search lags and has gaps
(section 8): a look goes back to some minutes before the last whole one, and the schedule stands behind it.

Sharing an old database edits nothing, so that it never comes to the top. A second request of each look turns one page
further through all data sources, round and round, and finds those that no listing had. Nothing here opens the catalog.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

import orjson

from notion_pipeline.client import NotionClient
from notion_pipeline.errors import InvalidCursorError
from notion_pipeline.instants import as_datetime
from notion_pipeline.notion_ids import normalise_id

#: How far back a look goes, for edits that search shows late.
LOOK_BACK = timedelta(minutes=15)
SEARCH_PAGE_SIZE = 100


@dataclass
class ChangesCursor:
    """What the looks so far have seen; JSON between ticks.

    Attributes:
        known: Stamp by object id, of what was seen within the look-back.
        again: The stamp's minute by database id, of databases that are due once more after it.
        pending: Databases that are due and not asked for yet.
        deeper: Search cursor to go on from where a look ran out of time.
        broken: Whether the last look ended in the middle, so that what is known is no floor to stop at.
        looked_at: Server's minute of the last look that was whole; edits before it were seen.
        round: Search cursor of the page of data sources that is turned to next.
        offered: Databases that no listing had and that were asked for; once is enough.
        failing_since: Epoch seconds since Notion has not answered.
        started: Whether a first look was made.
    """

    known: dict[str, str] = field(default_factory=dict)
    again: dict[str, str] = field(default_factory=dict)
    pending: list[str] = field(default_factory=list)
    deeper: str | None = None
    broken: bool = False
    looked_at: str | None = None
    round: str | None = None
    offered: list[str] = field(default_factory=list)
    failing_since: float | None = None
    started: bool = False

    def dump(self) -> str:
        return orjson.dumps(asdict(self), option=orjson.OPT_SORT_KEYS).decode()

    @classmethod
    def load(cls, text: str | None) -> ChangesCursor:
        """The cursor of the tick before; a new one where there is none or it is not ours."""
        try:
            return cls(**orjson.loads(text or "{}"))
        except (ValueError, TypeError):
            return cls()

    def due(self, database_id: str) -> None:
        if database_id not in self.pending:
            self.pending.append(database_id)


async def look(
    client: NotionClient,
    cursor: ChangesCursor,
    *,
    ignored: Collection[str],
    databases: Mapping[str, str],
    seconds: float,
) -> None:
    """Brings the cursor up to date: what is due stands in `pending` afterwards.

    Args:
        ignored: Databases that are not selected.
        databases: Database id by data source id, of the last listing.
        seconds: The look's budget; what does not fit is carried on by the next one.

    Raises:
        NotionError: Notion refused or could not be reached.
    """
    give_up_at = time.monotonic() + seconds
    looking = _Look(cursor, ignored, databases)
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
    if not sees_all and databases:
        await _turn_a_page(client, looking)
    looking.finish()
    cursor.started, cursor.broken = True, False


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
    looking.told_time(answer.server_time)
    looking.welcome(answer.body.get("results") or [])
    following = answer.body.get("next_cursor")
    cursor.round = following if answer.body.get("has_more") and isinstance(following, str) else None


async def _read(
    client: NotionClient, looking: _Look, position: str | None, give_up_at: float, *, stop_at_known: bool
) -> bool:
    """Whether everything that search finds stood on one page."""
    first = position is None
    while True:
        body: dict[str, Any] = {
            "sort": {"timestamp": "last_edited_time", "direction": "descending"},
            "page_size": SEARCH_PAGE_SIZE,
        }
        answer = await client.search({**body, "start_cursor": position} if position else body)
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
        if reached_horizon or not has_more or not isinstance(position, str) or (stop_at_known and not news):
            return False
        if time.monotonic() >= give_up_at:
            looking.cursor.deeper = position
            return False


class _Look:
    """The answers of one look against what was known."""

    def __init__(self, cursor: ChangesCursor, ignored: Collection[str], databases: Mapping[str, str]) -> None:
        self.cursor = cursor
        self.now: datetime | None = None
        self._ignored = set(ignored)
        self._databases = databases

    def told_time(self, moment: datetime | None) -> None:
        """An answer's clock: the earliest counts, since one that is ahead would have edits passed over."""
        if moment is not None:
            self.now = moment if self.now is None else min(self.now, moment)

    def take(self, results: list[Any]) -> tuple[int, bool]:
        """How many results are news, and whether they reach back as far as a look goes."""
        news = 0
        for raw in results:
            stamp = as_datetime(raw.get("last_edited_time")) if isinstance(raw, dict) else None
            if stamp is None:
                continue
            if stamp < self._horizon():
                return news, True
            if self.cursor.known.get(str(raw.get("id"))) == stamp.isoformat():
                continue
            self.cursor.known[str(raw.get("id"))] = stamp.isoformat()
            news += 1
            database_id = self._database_of(raw)
            if database_id is not None and database_id not in self._ignored:
                self._due(database_id, stamp)
        return news, False

    def _horizon(self) -> datetime:
        """How far back edits may not have been seen."""
        whole = as_datetime(self.cursor.looked_at) or self.now or datetime.now(timezone.utc)
        return min(whole, self.now or whole) - LOOK_BACK

    def welcome(self, results: list[Any]) -> None:
        """Makes due what the last listing did not have, once each: what stays unlisted cannot be seen after all."""
        listed = set(self._databases.values())
        self.cursor.offered = [database_id for database_id in self.cursor.offered if database_id not in listed]
        for raw in results if listed else ():
            is_data_source = isinstance(raw, dict) and raw.get("object") == "data_source" and not raw.get("in_trash")
            database_id = self._database_of(raw) if is_data_source else None
            if database_id is not None and database_id not in listed and database_id not in self.cursor.offered:
                self.cursor.offered.append(database_id)
                self.cursor.due(database_id)

    def _due(self, database_id: str, stamp: datetime) -> None:
        self.cursor.due(database_id)
        minute = _minute(stamp)
        if self.now is not None and minute >= _minute(self.now):
            self.cursor.again[database_id] = minute.isoformat()

    def _database_of(self, raw: dict[str, Any]) -> str | None:
        parent = raw.get("parent")
        if not isinstance(parent, dict):
            return None
        named = normalise_id(str(parent.get("database_id")))
        return named or self._databases.get(normalise_id(str(parent.get("data_source_id"))) or "")

    def finish(self) -> None:
        """Makes due what is due again, and forgets what lies behind the look-back."""
        if self.now is None:
            return
        minute = _minute(self.now)
        for database_id, seen in list(self.cursor.again.items()):
            if datetime.fromisoformat(seen) < minute:
                del self.cursor.again[database_id]
                self.cursor.due(database_id)
        if self.cursor.deeper is None:
            self.cursor.looked_at = minute.isoformat()
        horizon = self._horizon().isoformat()
        self.cursor.known = {key: stamp for key, stamp in self.cursor.known.items() if stamp >= horizon}


def _minute(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)
