"""Opaque cursors, each bound to the query it came from (notion-api.md section 3)."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from notion_pipeline.sandbox.model.errors import bad_cursor

_KEPT = 2_000


@dataclass
class Session:
    """One query, from its first page on.

    Attributes:
        fingerprint: Of everything that makes it this query: a cursor used with another one is refused.
        rows: What the query found when it began; None where each page queries again.
        last_keys: By offset, the sort key after which the page at that offset goes on.
    """

    id: str
    fingerprint: Any
    opened_at: datetime
    rows: list[Any] | None = None
    capped: bool = False
    last_keys: dict[int, Any] = field(default_factory=dict)

    @property
    def salt(self) -> str:
        return self.id

    def cursor(self, offset: int) -> str:
        check = hashlib.blake2s(f"{self.id}:{offset}".encode(), digest_size=6).hexdigest()
        return base64.urlsafe_b64encode(f"{self.id}:{offset}:{check}".encode()).decode().rstrip("=")


class Sessions:
    """The queries under way."""

    def __init__(self) -> None:
        self._open: OrderedDict[str, Session] = OrderedDict()
        self._count = 0

    def begin(self, fingerprint: Any, now: datetime) -> Session:
        self._count += 1
        session = Session(hashlib.blake2s(str(self._count).encode(), digest_size=8).hexdigest(), fingerprint, now)
        self._open[session.id] = session
        while len(self._open) > _KEPT:
            self._open.popitem(last=False)
        return session

    def resume(
        self, cursor: object, fingerprint: Any, now: datetime, lifetime_seconds: float | None
    ) -> tuple[Session, int]:
        """The query a cursor belongs to, and the offset it stands for.

        Raises:
            NotionError: 400 for a cursor that is made up, of another query, or too old.
        """
        session_id, offset = _decoded(cursor)
        session = self._open.get(session_id)
        if session is None or session.fingerprint != fingerprint or session.cursor(offset) != cursor:
            raise bad_cursor(cursor)
        if lifetime_seconds is not None and (now - session.opened_at).total_seconds() > lifetime_seconds:
            raise bad_cursor(cursor)
        return session, offset

    @staticmethod
    def offset(cursor: object) -> int:
        """How many results the pages before the cursor had."""
        return _decoded(cursor)[1]


def _decoded(cursor: object) -> tuple[str, int]:
    try:
        text = str(cursor)
        session_id, offset, _ = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode().split(":")
        return session_id, int(offset)
    except (ValueError, binascii.Error, UnicodeDecodeError):
        raise bad_cursor(cursor) from None
