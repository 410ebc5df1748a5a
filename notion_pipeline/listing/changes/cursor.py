"""The sensor's cursor: what its polls remember between ticks, small whatever is edited.

Dagster writes the cursor with every tick. So it holds the newest stamp of each database and none of any page, times as
whole minutes, and ids packed: some 25 bytes for a database that is due, and some 8 for one that was only seen.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import orjson

from notion_pipeline.rows.text.timestamps import as_datetime

#: `stamp` of a database that was never committed: any commit settles it.
NEVER = 0
#: `asks` of a database that no listing has: no run is asked for until it is edited again.
UNSEEN = -1
#: Names that cursors of earlier versions have.
_FORMER_NAMES = {"looked_at": "polled_at"}
_DIGEST_BYTES = 6


def minutes(moment: datetime) -> int:
    """Whole minutes since the epoch."""
    return int(moment.timestamp() // 60)


@dataclass
class Pending:
    """A database that is not committed as far as it was edited.

    Attributes:
        stamp: Server's minute of the newest edit seen, or NEVER.
        asks: How often a run was asked for without success, or UNSEEN.
        asked_at: When a run was last asked for, in epoch seconds by the local clock.
        asked_at_server: The same by the server's clock.
        succeeded: Whether a sync that began after that was committed. Computed anew in each tick.
    """

    stamp: int
    asks: int = 0
    asked_at: float = 0
    asked_at_server: float = 0
    succeeded: bool = field(default=False, compare=False)


@dataclass
class ChangesCursor:
    """What the polls so far have seen; JSON between ticks.

    Attributes:
        seen: Newest stamp of each database within the lookback, by `object_digest`; of all pages elsewhere as one.
        pending: What is not committed yet, by database id.
        everything: A sync of all databases, which is asked for until there is a listing.
        begun_at: Server's minute from which on each selected database is to be committed, whether edited or not.
        settings: Digest of the settings in sources.yaml that say how to read.
        deeper: Search cursor where a poll ran out of time; the next one goes on there.
        broken: Whether the last poll ended in the middle, so that a page without news does not end the next one.
        polled_at: Server's minute of the last complete poll; edits before it were seen.
        swept_at: Server's minute of the last poll that read its whole span.
        round: Search cursor of the next page of all data sources.
        offered: Databases that no listing had and that were asked for; once is enough.
        failing_since: Since when Notion does not answer, in epoch seconds.
        started: Whether a first poll was made.
    """

    seen: dict[bytes, int] = field(default_factory=dict)
    pending: dict[str, Pending] = field(default_factory=dict)
    everything: Pending = field(default_factory=lambda: Pending(NEVER))
    begun_at: int = 0
    settings: str | None = None
    deeper: str | None = None
    broken: bool = False
    polled_at: str | None = None
    swept_at: int = 0
    round: str | None = None
    offered: list[str] = field(default_factory=list)
    failing_since: float | None = None
    started: bool = False

    def note(self, database_id: str, stamp: int) -> None:
        """Notes an edit. A newer one than those before is due at once, unless the runs asked for before failed.

        A database that keeps failing is not asked for more often because somebody works on it.
        """
        entry = self.pending.setdefault(database_id, Pending(stamp))
        if stamp > entry.stamp:
            entry.stamp = stamp
            if entry.succeeded or entry.asks == UNSEEN:
                entry.asks, entry.succeeded = 0, False

    def dump(self) -> str:
        """The cursor as JSON; the ids of equal entries are packed into one text."""
        pending: dict[tuple[int, int, float, float], list[str]] = {}
        for database_id, entry in self.pending.items():
            pending.setdefault((entry.stamp, entry.asks, entry.asked_at, entry.asked_at_server), []).append(database_id)
        # A database that is pending was seen up to its stamp.
        known = {object_digest(key): entry.stamp for key, entry in self.pending.items()}
        seen: dict[int, list[bytes]] = {}
        for digest, stamp in self.seen.items():
            if known.get(digest) != stamp:
                seen.setdefault(stamp, []).append(digest)
        content = {
            **{name: value for name, value in vars(self).items() if name not in ("seen", "pending", "everything")},
            "seen": {str(stamp): _text(b"".join(sorted(digests))) for stamp, digests in seen.items()},
            "pending": [[*key, _packed(ids)] for key, ids in pending.items()],
            "everything": [self.everything.asks, self.everything.asked_at, self.everything.asked_at_server],
            "offered": _packed(self.offered),
        }
        return orjson.dumps(content, option=orjson.OPT_SORT_KEYS).decode()

    @classmethod
    def load(cls, text: str | None) -> ChangesCursor:
        """The cursor of the last tick, also of an earlier version; a new one where none can be read."""
        try:
            content = {_FORMER_NAMES.get(name, name): value for name, value in orjson.loads(text or "{}").items()}
            if "known" in content:
                return cls._of_pages(content)
            asks, asked_at, asked_at_server = content.pop("everything", (0, 0, 0))
            pending = {
                database_id: Pending(*key) for *key, ids in content.pop("pending", ()) for database_id in _unpacked(ids)
            }
            seen = {digest: int(stamp) for stamp, row in content.pop("seen", {}).items() for digest in _digests(row)}
            for database_id, entry in pending.items():
                seen.setdefault(object_digest(database_id), entry.stamp)
            return cls(
                **{**content, "offered": _unpacked(content.pop("offered", ""))},
                seen=seen,
                pending=pending,
                everything=Pending(NEVER, asks, asked_at, asked_at_server),
            )
        except (ValueError, TypeError, AttributeError):
            return cls()

    @classmethod
    def _of_pages(cls, content: Mapping[str, Any]) -> ChangesCursor:
        """A cursor of the version that held a stamp for each page: what is due in it, and how far it has polled."""
        kept = ("deeper", "broken", "polled_at", "round", "offered", "failing_since", "started")
        cursor = cls(**{name: content[name] for name in kept if name in content})
        stamps = [moment for text in content["known"].values() if (moment := as_datetime(text)) is not None]
        newest = max([*stamps, as_datetime(cursor.polled_at) or datetime.now(timezone.utc)])
        for database_id in content.get("pending", ()):
            cursor.note(str(UUID(database_id)), minutes(newest))
        for database_id, text in content.get("again", {}).items():
            cursor.note(str(UUID(database_id)), minutes(datetime.fromisoformat(text)))
        return cursor

    def forget_before(self, horizon: datetime) -> None:
        """Drops what was seen of edits that no poll goes back to."""
        earliest = minutes(horizon - timedelta(seconds=59))
        self.seen = {digest: stamp for digest, stamp in self.seen.items() if stamp >= earliest}


def object_digest(database_id: str) -> bytes:
    """Key of a database in `seen`; that of the empty id stands for all that is in no database."""
    return hashlib.blake2b(database_id.encode(), digest_size=_DIGEST_BYTES).digest()


def _packed(ids: Iterable[str]) -> str:
    return _text(b"".join(UUID(database_id).bytes for database_id in ids))


def _unpacked(text: str) -> list[str]:
    content = base64.urlsafe_b64decode(text)
    return [str(UUID(bytes=content[place : place + 16])) for place in range(0, len(content), 16)]


def _digests(text: str) -> list[bytes]:
    content = base64.urlsafe_b64decode(text)
    return [content[place : place + _DIGEST_BYTES] for place in range(0, len(content), _DIGEST_BYTES)]


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode()
