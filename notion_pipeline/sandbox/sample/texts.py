"""Texts of the sample's files: days counted from the story's end, rich text in pieces, people by their names."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.model.richtext import equation, mention_date, mention_page, mention_user, text
from notion_pipeline.sandbox.model.users import User

_NAMESPACE: Final = uuid.uuid5(uuid.NAMESPACE_DNS, "fernweh.example")
_DAY: Final = re.compile(r"\{today([+-]\d+)(?:\|([^}]*))?\}")


def row_id(key: str) -> str:
    """The dashed id of the row, database or page of this key, such as `task/12`."""
    return str(uuid.uuid5(_NAMESPACE, key))


@dataclass(frozen=True)
class Texts:
    """Resolves texts; `now` is the minute at which the story ends, `users` go by name."""

    workspace: Workspace
    now: datetime
    users: Mapping[str, User]

    def moment(self, written: str) -> datetime:
        """The minute that `-12 09:41` means: so many days before the story's end, at that time."""
        days, _, time = written.partition(" ")
        hour, minute = map(int, time.split(":"))
        return (self.now + timedelta(days=int(days))).replace(hour=hour, minute=minute)

    def rich(self, pieces: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
        return [self._piece(piece) for piece in pieces]

    def _piece(self, piece: Mapping[str, Any]) -> dict[str, Any]:
        """One item of rich text: its kind comes first, its style after it."""
        kind, *style = piece
        return self._pieces[kind](self.dated(piece[kind]), **{name: piece[name] for name in style})

    @property
    def _pieces(self) -> dict[str, Callable[..., dict[str, Any]]]:
        return {
            "text": text,
            "equation": equation,
            "mention_date": mention_date,
            "mention_user": lambda name: mention_user(self.users[name]),
            "mention_page": lambda key: mention_page(self.workspace.page(row_id(key))),
        }

    def dated(self, value: Any) -> Any:
        """The value with each `{today-3}` in it as that day, and each `user:NAME` as that person's id."""
        if isinstance(value, dict):
            return {key: self.dated(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.dated(inner) for inner in value]
        if not isinstance(value, str):
            return value
        if value.startswith("user:"):
            return self.users[value.removeprefix("user:")].id
        return _DAY.sub(lambda day: f"{self.now + timedelta(days=int(day[1])):{day[2] or '%Y-%m-%d'}}", value)
