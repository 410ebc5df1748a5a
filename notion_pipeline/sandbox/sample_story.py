"""What every chapter of the sample workspace draws on: seeded dice, seeded ids, moments in the company's two years.

Each chapter rolls dice of its own, so that a line added to one of them leaves the others as they were.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from random import Random
from typing import Any, Final

from .objects import DataSource, Page, User
from .workspace import Workspace

_NAMESPACE: Final = uuid.uuid5(uuid.NAMESPACE_DNS, "fernweh.example")
_DAYS_TOLD: Final = 720


def seeded_id(*key: object) -> str:
    """The same dashed uuid for the same key, always."""
    return str(uuid.uuid5(_NAMESPACE, "/".join(map(str, key))))


def dice(*key: object) -> Random:
    """A generator that rolls the same numbers for the same key, always."""
    return Random("/".join(map(str, key)))  # noqa: S311 - a repeatable sequence is the point


def one_in(rng: Random, n: int) -> bool:
    """True for one draw of n, on average."""
    return rng.randrange(n) == 0


@dataclass(frozen=True, slots=True)
class Story:
    """The workspace while it is being written, the moment it ends at, and those who write in it."""

    workspace: Workspace
    now: datetime
    staff: tuple[User, ...]
    bots: tuple[User, ...]

    def founded(self, days: int) -> datetime:
        """The moment of a database's making, so many days ago; finer than a minute, as Notion's are."""
        return self.now - timedelta(days=days, seconds=days % 60, milliseconds=days * 7 % 1000)

    def born(self, rng: Random, *, oldest: int = _DAYS_TOLD, newest: int = 2) -> datetime:
        """A whole minute of some day between so many days ago and so many days ago, in working hours."""
        day = self.now - timedelta(days=rng.randint(newest, oldest))
        return day.replace(hour=rng.randint(6, 18), minute=rng.randrange(60), second=0, microsecond=0)

    def births(self, rng: Random, count: int, *, oldest: int = _DAYS_TOLD) -> list[datetime]:
        """So many moments, oldest first: numbered rows are numbered in the order of their making."""
        return sorted(self.born(rng, oldest=oldest) for _ in range(count))

    def edited(self, rng: Random, born: datetime) -> datetime:
        """A whole minute from the birth of a row on, mostly soon after it, never in the last day of the story."""
        minutes = int((self.now - born) / timedelta(minutes=1)) - 24 * 60
        return born + timedelta(minutes=min(int(rng.expovariate(1 / 20_000)), max(minutes, 0)))

    def day(self, rng: Random, *, oldest: int = _DAYS_TOLD, newest: int = -120) -> date:
        """A date; negative numbers of days lie ahead."""
        return (self.now - timedelta(days=rng.randint(newest, oldest))).date()

    def people(self, rng: Random, most: int, *, least: int = 0) -> list[User]:
        """Some of the staff, nobody twice."""
        return rng.sample(self.staff, rng.randint(least, most))

    def add(
        self,
        source: DataSource,
        key: str,
        values: Mapping[str, Any],
        *,
        rng: Random,
        born: datetime | None = None,
        edited: datetime | None = None,
        **options: Any,
    ) -> Page:
        """One more row, with an id that its key alone decides; now and then somebody else edited it last."""
        born = born or self.born(rng)
        edited = edited or self.edited(rng, born)
        author = options.setdefault("created_by", rng.choice(self.staff))
        page = source.add_page(values, id=seeded_id(key), created_at=born, edited_at=edited, **options)
        editor = author if edited == born or one_in(rng, 2) else rng.choice(self.staff)
        self.workspace.edit_page(page, edited_at=edited, edited_by=editor)
        return page
