"""Finds the users in the values of rows.

Notion changes no row when a person is renamed, so the name in a row is as old as its last edit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from notion_pipeline.rows.properties import USER_TYPES
from notion_pipeline.rows.values import ODD, object_id

USERS_TYPE = pa.list_(pa.struct([(name, pa.string()) for name in ("id", "object", "type", "name", "email")]))


class UsersSeen:
    """The users of one batch of rows, each form of a user once."""

    def __init__(self, rows: int) -> None:
        self.by_row: list[list[tuple[Any, ...]] | None] = [None] * rows
        self._seen: set[tuple[Any, ...]] = set()

    def collect(self, property_type: str, found: Sequence[Any]) -> None:
        """Collects the users in the contents of one property, given for each row."""
        if property_type not in _USERS_IN:
            return
        users_in = _USERS_IN[property_type]
        for row, value in enumerate(found):
            if type(value) is not dict and type(value) is not list:
                continue
            for user in users_in(value):
                shown = user_parts(user)
                if shown is not None and shown not in self._seen:
                    self._seen.add(shown)
                    self.by_row[row] = [*(self.by_row[row] or ()), shown]


def user_parts(value: Any) -> tuple[Any, ...] | None:
    """Id, object, type, name and email of a user, the latter NULL where they are missing; None if it is none."""
    found = object_id(value)
    if found is ODD:
        return None
    person = value.get("person")
    email = person.get("email") if type(person) is dict else None
    rest = (value.get("object"), value.get("type"), value.get("name"), email)
    return (found, *(part if type(part) is str and part else None for part in rest))


def _themselves(value: Any) -> Iterator[Any]:
    yield from value if type(value) is list else ()


def _one(value: Any) -> Iterator[Any]:
    yield value


def _verifier(value: Any) -> Iterator[Any]:
    yield value.get("verified_by") if type(value) is dict else None


def _rolled_up(value: Any) -> Iterator[Any]:
    items = value.get("array") if type(value) is dict else None
    for item in items if type(items) is list else ():
        kind = item.get("type") if type(item) is dict else None
        if kind == "people":
            yield from _themselves(item.get("people"))
        elif kind in USER_TYPES:
            yield item.get(kind)


_USERS_IN = {"people": _themselves, **dict.fromkeys(USER_TYPES, _one), "verification": _verifier, "rollup": _rolled_up}
