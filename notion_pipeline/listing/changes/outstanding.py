"""Decides which databases the catalog lacks, and when the sensor asks for a run to load them.

A database stays pending until a sync that began after the minute of its newest edit is committed: that a run was asked
for is no proof. After a failure a run is asked for again: at once when the first one has ended, then after two minutes,
four, eight, and so on, up to an hour.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from notion_pipeline.config.sources import Source
from notion_pipeline.listing.cache import LastListing, SeenDatabase
from notion_pipeline.listing.changes.cursor import NEVER, UNSEEN, ChangesCursor, Pending, minutes, object_digest

FIRST_DELAY_SECONDS = 60
LONGEST_DELAY_SECONDS = 3600
#: Settings in sources.yaml that say how a database is read: a change makes every database due.
_SETTINGS = ("account", "start_date", "streams", "table_prefix")


@dataclass(frozen=True)
class Moment:
    """The time of a tick.

    Attributes:
        local: Epoch seconds.
        server: By Notion's clock.
        last_run_ended_at: Epoch seconds, local, of the newest finished run of the job; None where there is none.
    """

    local: float
    server: datetime
    last_run_ended_at: float | None


class Outstanding:
    """The databases of a source in one tick of the sensor.

    Args:
        committed: Bookmark by data source id.
    """

    def __init__(
        self, source: Source, cursor: ChangesCursor, listing: LastListing | None, committed: Mapping[str, datetime]
    ) -> None:
        self._source = source = listing.bound(source) if listing is not None else source
        self.cursor = cursor
        self.listing = listing
        self._committed = committed
        databases = listing.databases if listing is not None else {}
        self._selected = {key: found for key, found in databases.items() if source.selects(key, found.title)}
        self.ignored = databases.keys() - self._selected.keys()
        for database_id, entry in cursor.pending.items():
            bookmark = self._bookmark(database_id)
            entry.succeeded = entry.asks > 0 and bookmark is not None and bookmark >= int(entry.asked_at_server // 60)

    def update(self, now: datetime, *, is_first: bool) -> None:
        """Adds what is lacking though no poll saw an edit, and drops what is committed."""
        cursor = self.cursor
        read_by = repr([getattr(self._source, name) for name in _SETTINGS])
        settings = hashlib.sha256(read_by.encode()).hexdigest()[:16]
        if is_first or (cursor.settings is not None and cursor.settings != settings):
            cursor.begun_at = minutes(now)
        cursor.settings = settings
        if self.listing is not None:
            cursor.everything = Pending(NEVER)
        for database_id, found in self._selected.items():
            bookmark = self._bookmark(database_id)
            if found.data_sources and bookmark is None:
                cursor.pending.setdefault(database_id, Pending(NEVER))
            elif bookmark is not None and bookmark < cursor.begun_at:
                cursor.note(database_id, cursor.begun_at - 1)
            elif not found.selected:
                # Its edits were ignored while it was not selected.
                cursor.pending.setdefault(database_id, Pending(minutes(now) - 1))
        for database_id in self._named_since():
            cursor.pending.setdefault(database_id, Pending(NEVER))
        for database_id, entry in list(cursor.pending.items()):
            if self._is_unseen(database_id, entry):
                entry.asks = UNSEEN
            if self._is_settled(database_id, entry):
                del cursor.pending[database_id]

    def due(self, moment: Moment, *, edited_only: bool = False) -> list[str]:
        """The pending databases for which a run is asked for now.

        Args:
            edited_only: Leaves out those that were never committed, since a run reads everything already.
        """
        return [
            key
            for key, entry in self.cursor.pending.items()
            if self._is_due(entry, moment) and not (edited_only and entry.stamp == NEVER)
        ]

    def everything_is_due(self, moment: Moment) -> bool:
        """Whether there is no listing yet, and it is time to ask for a sync of all databases."""
        return self.listing is None and self._waited(self.cursor.everything, moment)

    def asked(self, databases: list[str], moment: Moment, *, everything: bool) -> None:
        """Notes that a run was asked for."""
        pending = self.cursor.pending
        entries = list(pending.values()) if everything else [pending[database_id] for database_id in databases]
        for entry in [*entries, self.cursor.everything] if everything else entries:
            entry.asks = 1 if entry.succeeded else max(entry.asks, 0) + 1
            entry.asked_at, entry.asked_at_server = moment.local, moment.server.timestamp()
            entry.succeeded = False

    def _bookmark(self, database_id: str) -> int | None:
        """Server's minute up to which all data sources of a database are committed; None where one never was."""
        found = self.listing.databases.get(database_id) if self.listing is not None else None
        moments = [self._committed.get(member) for member in found.data_sources] if found is not None else []
        known = [minutes(moment) for moment in moments if moment is not None]
        return min(known) if known and len(known) == len(moments) else None

    def _named_since(self) -> list[str]:
        """Databases that sources.yaml names by id, and did not name at the last listing."""
        if self.listing is None:
            return []
        return [
            database_id
            for database_id in self._source.named_ids()
            if database_id not in self.listing.databases
            and self.listing.database_of(database_id) is None
            and database_id not in self.listing.named
            and self._source.selects(database_id, "")
        ]

    def _is_unseen(self, database_id: str, entry: Pending) -> bool:
        """Whether a listing made since it was asked for does not see it: of some databases only pages are shared."""
        listing = self.listing
        return (
            entry.asks > 0
            and listing is not None
            and database_id not in listing.databases
            and listing.made_at >= entry.asked_at
        )

    def _is_settled(self, database_id: str, entry: Pending) -> bool:
        if database_id in self.ignored or ((found := self._seen(database_id)) is not None and not found.data_sources):
            return True
        if entry.asks == UNSEEN and (entry.stamp == NEVER or object_digest(database_id) not in self.cursor.seen):
            # No poll goes back to its edits any more, so none takes them for new.
            return True
        bookmark = self._bookmark(database_id)
        return bookmark is not None and bookmark > entry.stamp

    def _seen(self, database_id: str) -> SeenDatabase | None:
        return self.listing.databases.get(database_id) if self.listing is not None else None

    def _is_due(self, entry: Pending, moment: Moment) -> bool:
        if entry.asks == UNSEEN:
            return False
        if entry.succeeded:
            # It began within the minute of the stamp and may have missed the end of it: there is one more after it.
            return minutes(moment.server) > entry.stamp
        return self._waited(entry, moment)

    @staticmethod
    def _waited(entry: Pending, moment: Moment) -> bool:
        """Whether the back-off of a database is over."""
        if entry.asks <= 0:
            return True
        ended = moment.last_run_ended_at
        has_run = ended is not None and ended >= entry.asked_at
        if entry.asks == 1 and has_run:
            return True
        ran = ended - entry.asked_at if has_run and ended is not None else 0.0
        # The clock that went further counts: one that is set back must not delay an edit.
        waited = max(moment.local - entry.asked_at, moment.server.timestamp() - entry.asked_at_server) - ran
        return waited >= min(FIRST_DELAY_SECONDS * 2.0 ** min(entry.asks - 1, 30), LONGEST_DELAY_SECONDS)
