"""Many rows quickly: a database of 30 properties whose rows are computed when they are read.

A row made here costs a few hundred bytes until it is edited; its values follow from its number and the seed alone.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from notion_pipeline.sandbox.model.clock import as_instant
from notion_pipeline.sandbox.model.objects import Page
from notion_pipeline.sandbox.model.values import has_options

if TYPE_CHECKING:
    from notion_pipeline.sandbox.model.objects import DataSource

_WORDS = ("amber", "birch", "cedar", "dune", "ember", "fjord", "grove", "heath", "islet", "jetty", "knoll", "ledge")
_STATES = ("Backlog", "In progress", "Review", "Done")
_KINDS = ("Bug", "Feature", "Chore", "Question")
_TAGS = ("red", "green", "blue", "large", "small", "urgent")
_DAY_ONE = datetime(2020, 1, 1)


def bulk_schema() -> dict[str, Any]:
    """Thirty properties of the types that rows are mostly made of."""
    schema: dict[str, Any] = {
        "Name": "title",
        "State": {"type": "status", "options": _STATES},
        "Kind": {"type": "select", "options": _KINDS},
        "Tags": {"type": "multi_select", "options": _TAGS},
        "Done": "checkbox",
        "Reviewed": "checkbox",
        "Due": "date",
        "Span": "date",
        "Owner": "people",
        "Docs": "files",
        "Link": "url",
        "Mail": "email",
        "Phone": "phone_number",
        "Key": {"type": "unique_id", "prefix": "ROW"},
        "Created": "created_time",
        "Edited": "last_edited_time",
        "Author": "created_by",
        "Editor": "last_edited_by",
    }
    schema |= {f"Note {number}": "rich_text" for number in range(1, 6)}
    schema |= {f"Amount {number}": "number" for number in range(1, 6)}
    return schema | {"Stage": {"type": "select", "options": _STATES}, "Area": {"type": "select", "options": _WORDS}}


def add_rows(
    ds: DataSource, count: int, *, start: datetime | str, minutes: float, seed: int = 0, content: str = ""
) -> list[Page]:
    """That many rows, created evenly over so many minutes from `start` on.

    Works on any schema: properties that are not in `bulk_schema()` get values by their type, computed ones and
    relations none. `content` is the text on each page, with `{number}` for the row's number.
    """
    ws, began = ds.workspace, as_instant(start)
    step = timedelta(minutes=minutes) / max(count, 1)
    with ws.changing():
        first = len(ds.order)
        numbers = [prop for prop in ds.properties.values() if prop.type == "unique_id"]
        base = {prop.id: prop.next_number for prop in numbers}
        make = _maker(ds, seed, base)
        rows = [_row(ds, make, began + step * index, index) for index in range(count)]
        for prop in numbers:
            prop.next_number += count
        for number, row in enumerate(rows):
            ws.pages[row.id] = row
            row.content = content.replace("{number}", str(number))
        if first and rows and ds.order[-1].created_time > rows[0].created_time:
            for row in rows:
                ds.insert_row(row)
        else:
            ds.order.extend(rows)
    return rows


class BulkRow(Page):
    """A row that knows its number."""

    __slots__ = ("number",)

    number: int


def _row(ds: DataSource, make: Callable[[Page], dict[str, Any]], created: datetime, number: int) -> Page:
    ws = ds.workspace
    row = BulkRow(
        ws.ids.uuid(),
        ds,
        seq=ws.next_seq(),
        created_time=created,
        last_edited_time=created,
        created_by=ws.owner.id,
        make=make,
    )
    row.number = number
    return row


def _maker(ds: DataSource, seed: int, base: dict[str, int]) -> Callable[[Page], dict[str, Any]]:
    """What computes the values of this batch's rows."""
    makers: dict[str, Callable[[int], Any]] = {}
    for place, prop in enumerate(ds.properties.values()):
        if prop.type == "unique_id":
            first = base[prop.id]
            makers[prop.id] = lambda number, first=first: first + number  # type: ignore[misc]
        elif has_options(prop.type) and prop.options:
            makers[prop.id] = _option_maker([option.id for option in prop.options], prop.type, seed + place)
        elif prop.type in _MAKERS:
            makers[prop.id] = _by_type(prop.type, seed + place, ds)
    pairs = tuple(makers.items())

    def make(page: Page) -> dict[str, Any]:
        number = page.number if isinstance(page, BulkRow) else 0
        return {prop_id: maker(number) for prop_id, maker in pairs}

    return make


def _option_maker(ids: list[str], type_: str, salt: int) -> Callable[[int], Any]:
    count = len(ids)
    if type_ == "multi_select":
        return lambda number: [ids[(number * 7 + salt + step) % count] for step in range(number % 3)]
    return lambda number: ids[(number * 31 + salt) % count]


def _by_type(type_: str, salt: int, ds: DataSource) -> Callable[[int], Any]:
    if type_ == "people":
        owner = ds.workspace.owner.id
        return lambda number: [owner] if number % 4 else []
    maker = _MAKERS[type_]
    return lambda number: maker(number, salt)


def _words(number: int, salt: int) -> str:
    mixed = number * 2654435761 + salt * 40503
    return f"{_WORDS[mixed % 12]} {_WORDS[mixed // 12 % 12]} {_WORDS[mixed // 144 % 12]} {number}"


def _date(number: int, salt: int) -> dict[str, Any] | None:
    if number % 5 == 4:
        return None
    day = _DAY_ONE + timedelta(days=(number * 13 + salt) % 2500)
    start = day.strftime("%Y-%m-%d")
    if number % 3 == 0:
        start += f"T{number % 24:02d}:30:00.000+02:00"
    end = (day + timedelta(days=2)).strftime("%Y-%m-%d") if number % 7 == 1 else None
    return {"start": start, "end": None if "T" in start else end, "time_zone": None}


def _files(number: int, salt: int) -> list[dict[str, str]]:
    if number % 6:
        return []
    return [{"name": f"plan-{number}.pdf", "url": f"https://files.example.com/{salt}/plan-{number}.pdf"}]


_MAKERS: dict[str, Callable[[int, int], Any]] = {
    "title": _words,
    "rich_text": lambda number, salt: _words(number, salt) if (number + salt) % 5 else "",
    "number": lambda number, salt: None if (number + salt) % 11 == 0 else (number * 37 + salt) % 10_000 / 4,
    "checkbox": lambda number, salt: (number + salt) % 2 == 0,
    "date": _date,
    "people": lambda number, salt: [],
    "files": _files,
    "url": lambda number, salt: f"https://example.com/{salt}/{number}" if number % 3 else None,
    "email": lambda number, salt: f"row{number}@example.com" if number % 4 else None,
    "phone_number": lambda number, salt: f"+49 30 {number:07d}" if number % 5 else None,
}
