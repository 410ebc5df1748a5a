"""The people, bots and groups of a workspace."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class User:
    """A member, a guest or a bot.

    Attributes:
        name: None where the user never gave one.
        kind: "person" or "bot".
        guest: Readable by id and shown in values, but never listed (notion-api.md section 9).
    """

    id: str
    name: str | None
    email: str | None
    kind: str
    avatar_url: str | None = None
    guest: bool = False


def group_value(group_id: str, name: str | None) -> dict[str, str | None]:
    """A group as a people value holds it; no endpoint lists groups."""
    return {"object": "group", "id": group_id, "name": name}
