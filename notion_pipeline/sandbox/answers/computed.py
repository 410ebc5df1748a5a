"""Formulas and rollups, computed when they are read (notion-api.md sections 2, 6 and 7)."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from datetime import date
from typing import Any, Protocol, cast

from notion_pipeline.sandbox.answers.plain import Values, plain_json
from notion_pipeline.sandbox.model.clock import as_instant
from notion_pipeline.sandbox.model.objects import Page, Property
from notion_pipeline.sandbox.model.richtext import plain_text
from notion_pipeline.sandbox.model.state.store import Store
from notion_pipeline.sandbox.model.values import UNSUPPORTED, date_object

Value = tuple[str, Any]  # a property type and the value under its key

REFERENCES = 25
#: Chains longer than this are given up, as the server does (section 6, unsupported).
_DEPTH = 6


class Inputs(Values, Protocol):
    """What formulas and rollups are computed from; a `Renderer` gives it."""

    ws: Store
    truncate: bool

    def related(self, prop: Property, page: Page) -> list[str]:
        """Ids that a relation shows."""


def formula(renderer: Inputs, prop: Property, page: Page) -> dict[str, Any]:
    """The result as its type says; None is an empty result of the declared type.

    Pages and rows show it over the first 25 pages of each relation, property items over all (section 7).
    """
    inputs = cast(Page, _FirstReferences(renderer, page)) if _is_cut(renderer, page) else page
    result = prop.compute(inputs) if prop.compute else None
    if result is UNSUPPORTED:
        return {"type": "unsupported", "unsupported": {}}
    if result is None:
        return {"type": prop.result_type, prop.result_type: None}
    if isinstance(result, bool):
        return {"type": "boolean", "boolean": result}
    if isinstance(result, (int, float)):
        return {"type": "number", "number": result}
    if isinstance(result, (date, dict)):
        return {"type": "date", "date": date_object(result)}
    text = ", ".join(map(str, result)) if isinstance(result, (list, tuple)) else str(result)
    return {"type": "string", "string": text}


def _is_cut(renderer: Inputs, page: Page) -> bool:
    if not renderer.truncate or page.data_source is None:
        return False
    relations = (prop for prop in page.data_source.properties.values() if prop.type == "relation")
    return any(len(renderer.related(prop, page)) > REFERENCES for prop in relations)


class _FirstReferences:
    """A page as a formula in it sees it while a relation of it is cut."""

    def __init__(self, renderer: Inputs, page: Page) -> None:
        self._renderer, self._page = renderer, page

    def __getattr__(self, name: str) -> Any:
        return getattr(self._page, name)

    def __getitem__(self, name: str) -> Any:
        prop = self._page.data_source.properties[name] if self._page.data_source else None
        if prop is None or prop.type not in ("relation", "rollup", "formula"):
            return self._page[name]
        if prop.type == "relation":
            return self._renderer.related(prop, self._page)[:REFERENCES]
        if prop.type == "formula":
            return plain_json("formula", formula(self._renderer, prop, self._page))
        return plain_json("rollup", _over_the_first(self._renderer, prop, self._page))


def _over_the_first(renderer: Inputs, prop: Property, page: Page) -> dict[str, Any]:
    through = page.data_source.property_by_id(prop.relation_id) if page.data_source else None
    if through is None:
        return {"type": "unsupported", "unsupported": {}, "function": prop.function}
    related = renderer.related(through, page)[:REFERENCES]
    return aggregate(prop.function, rolled_values(renderer, prop, through, related))


def rollup(renderer: Inputs, prop: Property, page: Page, depth: int = 0) -> dict[str, Any]:
    """A rollup as a page shows it; over more than 25 references as the switch says."""
    through = page.data_source.property_by_id(prop.relation_id) if page.data_source else None
    if through is None or depth > _DEPTH:
        return {"type": "unsupported", "unsupported": {}, "function": prop.function}
    related = renderer.related(through, page)
    if renderer.truncate and len(related) > REFERENCES:
        answer = renderer.ws.switches.rollup_over_25
        if answer in ("incomplete", "unsupported"):
            return {"type": answer, answer: {}, "function": prop.function}
        related = related[:REFERENCES] if answer == "first_25" else related
    return aggregate(prop.function, rolled_values(renderer, prop, through, related, depth))


def rolled_values(
    renderer: Inputs, prop: Property, through: Property, related: list[str], depth: int = 0
) -> list[Value]:
    """The values of the related pages in the property that the rollup names; deleted pages give none."""
    seen = through.target.property_by_id(prop.rolled_id) if through.target else None
    if seen is None:
        return []
    pages = (renderer.ws.pages.get(page_id) for page_id in related)
    return [_rolled(renderer, seen, page, depth) for page in pages if page is not None]


def _rolled(renderer: Inputs, seen: Property, page: Page, depth: int) -> Value:
    if seen.type != "rollup":
        return seen.type, renderer.value(seen, page)
    inner = rollup(renderer, seen, page, depth + 1)
    return inner["type"], inner[inner["type"]]


def aggregate(function: str, values: list[Value]) -> dict[str, Any]:
    """The rollup object of these values."""
    if function in ("show_original", "show_unique"):
        shown = [{"type": type_, type_: value} for type_, value in values]
        if function == "show_unique":
            shown = [entry for number, entry in enumerate(shown) if entry not in shown[:number]]
        return {"type": "array", "array": shown, "function": function}
    if function in _DATES:
        return {"type": "date", "date": _DATES[function](_dates(values)), "function": function}
    return {"type": "number", "number": _NUMBERS[function](values), "function": function}


def parts(type_: str, value: Any) -> list[Any]:
    """The single entries of a value: of a list each, of text the text; nothing for an empty one."""
    if type_ in ("title", "rich_text"):
        return [plain_text(value)] if value else []
    if type_ in ("formula", "rollup"):
        inner = value[value["type"]]
        return [] if inner is None or inner == {} else inner if isinstance(inner, list) else [inner]
    if isinstance(value, list):
        return value
    return [] if value is None or value == {} else [value]


def _entries(values: list[Value]) -> list[Any]:
    return [part for value in values for part in parts(*value)]


def _filled(values: list[Value]) -> int:
    return sum(bool(parts(*value)) and value != ("checkbox", False) for value in values)


def _numbers(values: list[Value]) -> list[float]:
    return [part for part in _entries(values) if isinstance(part, (int, float)) and not isinstance(part, bool)]


def _share(part: int, values: list[Value]) -> float | None:
    return part / len(values) if values else None


def _unique(values: list[Value]) -> int:
    seen: list[Any] = []
    for entry in _entries(values):
        if entry not in seen:
            seen.append(entry)
    return len(seen)


def _checked(values: list[Value]) -> int:
    return sum(part is True for part in _entries(values))


def _dates(values: list[Value]) -> list[dict[str, Any]]:
    dates = [
        part if isinstance(part, dict) else date_object(part)
        for part in _entries(values)
        if isinstance(part, str) or (isinstance(part, dict) and part.get("start"))
    ]
    return sorted((entry for entry in dates if entry), key=lambda entry: as_instant(entry["start"]))


def _one_date(text: str) -> dict[str, Any]:
    return {"start": text, "end": None, "time_zone": None}


def _latest(dates: list[dict[str, Any]]) -> str:
    ends = [entry["end"] or entry["start"] for entry in dates]
    return str(max(ends, key=as_instant))


_DATES: dict[str, Callable[[list[dict[str, Any]]], dict[str, Any] | None]] = {
    "earliest_date": lambda dates: _one_date(dates[0]["start"]) if dates else None,
    "latest_date": lambda dates: _one_date(_latest(dates)) if dates else None,
    "date_range": lambda dates: _one_date(dates[0]["start"]) | {"end": _latest(dates)} if dates else None,
}
_NUMBERS: dict[str, Callable[[list[Value]], float | None]] = {
    "count": len,
    "count_values": lambda values: len(_entries(values)),
    "empty": lambda values: len(values) - _filled(values),
    "not_empty": _filled,
    "unique": _unique,
    "percent_empty": lambda values: _share(len(values) - _filled(values), values),
    "percent_not_empty": lambda values: _share(_filled(values), values),
    "sum": lambda values: sum(_numbers(values)),
    "average": lambda values: statistics.fmean(numbers) if (numbers := _numbers(values)) else None,
    "median": lambda values: statistics.median(numbers) if (numbers := _numbers(values)) else None,
    "min": lambda values: min(_numbers(values), default=None),
    "max": lambda values: max(_numbers(values), default=None),
    "range": lambda values: max(numbers) - min(numbers) if (numbers := _numbers(values)) else None,
    "checked": _checked,
    "unchecked": lambda values: len(_entries(values)) - _checked(values),
    "percent_checked": lambda values: _share(_checked(values), values),
    "percent_unchecked": lambda values: _share(len(values) - _checked(values), values),
    "count_per_group": _filled,
    "percent_per_group": lambda values: _share(_filled(values), values),
}
