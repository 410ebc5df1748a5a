"""Data source queries: the matching rows in order, page by page, up to the cap (notion-api.md sections 3 and 4)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2s
from typing import Any

import orjson

from notion_pipeline.sandbox.answers.filters import ALL, TIMESTAMPS, Compiled, FilterCompiler, Row, instant
from notion_pipeline.sandbox.answers.plain import plain_value
from notion_pipeline.sandbox.answers.render import Renderer
from notion_pipeline.sandbox.model.errors import invalid, invalid_body, quoted
from notion_pipeline.sandbox.model.objects import DataSource, Page, Property
from notion_pipeline.sandbox.model.state.query_sessions import Session
from notion_pipeline.sandbox.model.state.store import Store

BODY_KEYS = ("filter", "sorts", "start_cursor", "page_size", "result_type", "is_archived", "in_trash", "archived")
MAX_PAGE_SIZE = 100


@dataclass(frozen=True)
class QueryPage:
    """One page of a query's answer."""

    rows: list[Row]
    next_cursor: str | None
    capped: bool


class Query:
    """One request to a data source's query endpoint, checked."""

    def __init__(self, ws: Store, source: DataSource, renderer: Renderer, body: dict[str, Any]) -> None:
        self._ws, self._source, self._renderer = ws, source, renderer
        self._archived = archived_wanted(ws, body)
        self._result_type = checked_result_type(body)
        self._sorts = checked_sorts(source, body.get("sorts"))
        self._compiled = FilterCompiler(ws, source, renderer).compile(body.get("filter", ALL))
        self._cursor = body.get("start_cursor")
        self._size = page_size(body)
        spec = {key: body.get(key) for key in ("filter", "sorts", "result_type")} | {"is_archived": self._archived}
        canonical = orjson.dumps(spec, option=orjson.OPT_SORT_KEYS)
        self._fingerprint = ("query", source.id, canonical, renderer.token.value)
        self._salt = ""

    def page(self) -> QueryPage:
        session, offset = self._session()
        self._salt = session.salt
        if session.rows is None:
            return self._live_page(session, offset)
        return self._snapshot_page(session, session.rows, offset)

    def _session(self) -> tuple[Session, int]:
        ws, now = self._ws, self._ws.clock.now()
        if self._cursor is not None:
            lifetime = ws.switches.cursor_lifetime_seconds
            return ws.sessions.resume(self._cursor, self._fingerprint, now, lifetime)
        session = ws.sessions.begin(self._fingerprint, now)
        self._salt = session.salt
        if not ws.switches.live_cursors:
            rows = self._matching(limit=ws.result_cap + 1)
            session.capped = self._over_cap(len(rows))
            session.rows = rows[: ws.result_cap]
        return session, 0

    def _over_cap(self, count: int) -> bool:
        """Whether a query of that many rows is capped; at exactly the cap a switch decides (section 3)."""
        cap = self._ws.result_cap
        return count >= cap if self._ws.switches.cap_marks_exact_fit else count > cap

    def _snapshot_page(self, session: Session, rows: list[Row], offset: int) -> QueryPage:
        """The next rows as they are now; those that left in the meantime are skipped."""
        size = self._served_size(session, offset)
        end = min(offset + size, len(rows))
        served = [row for row in rows[offset:end] if self._state_fits(row)]
        return QueryPage(served, session.cursor(end) if end < len(rows) else None, session.capped)

    def _live_page(self, session: Session, offset: int) -> QueryPage:
        """The rows after the last one seen, as the data is now."""
        key = self._sort_key()
        rows = sorted(self._matching(limit=None, ordered=False), key=key)
        start = bisect_right(rows, session.last_keys[offset], key=key) if offset else 0
        left = min(len(rows) - start, self._ws.result_cap - offset)
        served = rows[start : start + min(self._served_size(session, offset), left)]
        end = offset + len(served)
        if served:
            session.last_keys[end] = key(served[-1])
        more = len(served) < left
        return QueryPage(served, session.cursor(end) if more else None, self._over_cap(offset + len(rows) - start))

    def _served_size(self, session: Session, offset: int) -> int:
        return served_size(self._ws, session.salt, offset, self._size)

    def _state_fits(self, row: Row) -> bool:
        """Live, or archived instead; what is in the trash is in neither (section 4)."""
        if row.in_trash or row.gone or row.is_archived != self._archived:
            return False
        wanted = self._result_type
        return wanted is None or (wanted == "page") == isinstance(row, Page)

    def _matching(self, limit: int | None, *, ordered: bool = True) -> list[Row]:
        ws, source, compiled = self._ws, self._source, self._compiled
        natural = self._sorts == [(None, "created_time", False)] and not ws.switches.unstable_ties
        stop = limit if natural or not ordered else None
        rows = self._scan(source, compiled, stop)
        if natural or not ordered:
            return rows
        rows = self._ordered(rows)
        return rows if limit is None else rows[:limit]

    def _scan(self, source: DataSource, compiled: Compiled, limit: int | None) -> list[Row]:
        low = source.first_created_from(compiled.created.start)
        high = source.first_created_from(compiled.created.end)
        found: list[Row] = []
        for index in range(low, high):
            row = source.order[index]
            if self._state_fits(row) and compiled.fits(row):
                found.append(row)
                if limit is not None and len(found) >= limit:
                    break
        return found

    def _ordered(self, rows: list[Row]) -> list[Row]:
        if self._ws.switches.unstable_ties:
            return sorted(rows, key=self._sort_key())
        if not self._sorts:
            # Undefined without sorts (section 4): by id, so that nobody can lean on it.
            return sorted(rows, key=lambda row: row.id)
        for prop, name, descending in reversed(self._sorts):
            rows = _sorted_by(rows, self._getter(prop, name), descending=descending)
        return rows

    def _getter(self, prop: Property | None, name: str) -> Callable[[Row], Any]:
        fine = self._ws.switches.fine_instants
        if prop is None or prop.type in TIMESTAMPS:
            stamp = name if prop is None else prop.type
            return lambda row: instant(row, stamp, fine=fine)
        order = {option.name: number for number, option in enumerate(prop.options)}
        kind = "option" if order else ""
        renderer = self._renderer

        def value(row: Row) -> Any:
            return comparable(plain_value(renderer, row, prop), order, kind) if isinstance(row, Page) else None

        return value

    def _sort_key(self) -> Callable[[Row], tuple[Any, ...]]:
        """A total order, so that a place in it can be found again; ties as the switch says."""
        getters = [(self._getter(prop, name), descending) for prop, name, descending in self._sorts]
        unstable, salt = self._ws.switches.unstable_ties, self._salt

        def key(row: Row) -> tuple[Any, ...]:
            parts = [_Place(getter(row), descending) for getter, descending in getters]
            tie = (_scatter(salt, row.seq), row.seq) if unstable else (0, row.seq)
            return (*parts, *(tie if getters or unstable else (row.id,)))

        return key


class _Place:
    """A sort value; empty ones come last in both directions (section 4)."""

    __slots__ = ("descending", "value")

    def __init__(self, value: Any, descending: bool) -> None:
        self.value, self.descending = value, descending

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Place) and self.value == other.value

    def __hash__(self) -> int:
        return hash(self.value)

    def __lt__(self, other: _Place) -> bool:
        if self.value is None or other.value is None:
            return self.value is not None
        return bool(other.value < self.value if self.descending else self.value < other.value)


def _sorted_by(rows: list[Row], getter: Callable[[Row], Any], *, descending: bool) -> list[Row]:
    decorated = [(getter(row), row) for row in rows]
    filled = [pair for pair in decorated if pair[0] is not None]
    filled.sort(key=lambda pair: pair[0], reverse=descending)
    return [row for _, row in filled] + [row for value, row in decorated if value is None]


def _scatter(salt: str, number: int) -> int:
    return int.from_bytes(blake2s(f"{salt}:{number}".encode(), digest_size=4).digest(), "big")


def comparable(value: Any, order: dict[str, int], kind: str = "") -> Any:
    """A value to sort by; None where it is empty. Options sort by their place, lists by their first entry."""
    if isinstance(value, list):
        value = value[0] if value else None
    if value is None or value == "":
        return None
    if kind == "option":
        return (0, float(order.get(value, len(order))), "")
    if isinstance(value, (bool, int, float)):
        return (0, float(value), "")
    return (1, 0.0, value.casefold() if isinstance(value, str) else str(value))


def page_size(body: dict[str, Any], where: str = "body") -> int:
    """The page size asked for, 100 at most (section 3)."""
    size = body.get("page_size", MAX_PAGE_SIZE)
    if isinstance(size, bool) or not isinstance(size, int):
        raise invalid(f"{where} failed validation: {where}.page_size should be a number, instead was `{quoted(size)}`.")
    if size > MAX_PAGE_SIZE:
        raise invalid(f"{where} failed validation: {where}.page_size should be ≤ `100`, instead was `{size}`.")
    if size < 1:
        raise invalid(f"{where} failed validation: {where}.page_size should be ≥ `1`, instead was `{size}`.")
    return size


def served_size(ws: Store, salt: str, offset: int, size: int) -> int:
    """The page size asked for, now and then less where the switch says so (section 3)."""
    if not ws.switches.short_pages or size == 1:
        return size
    return 1 + _scatter(salt, offset) % size


def archived_wanted(ws: Store, body: dict[str, Any]) -> bool:
    """`is_archived`, and what becomes of `in_trash` and `archived`: section 4 contradicts itself, hence switches."""
    refused = [] if ws.switches.is_archived_served else ["is_archived"]
    refused += ["in_trash", "archived"] if ws.switches.trash_parameters == "refuse" else []
    for key in refused:
        if key in body:
            raise invalid_body(f"body.{key} should be not present, instead was `{quoted(body[key])}`.")
    wanted = body.get("is_archived", False)
    if not isinstance(wanted, bool):
        raise invalid_body(f"body.is_archived should be a boolean, instead was `{quoted(wanted)}`.")
    return wanted


def checked_result_type(body: dict[str, Any]) -> str | None:
    wanted = body.get("result_type")
    if wanted not in (None, "page", "data_source"):
        raise invalid_body(f"body.result_type should be `page` or `data_source`, instead was `{quoted(wanted)}`.")
    return wanted


def checked_sorts(source: DataSource, sorts: Any) -> list[tuple[Property | None, str, bool]]:
    """Sorts as (property or None, timestamp, descending)."""
    if sorts is None:
        return []
    if not isinstance(sorts, list):
        raise invalid_body(f"body.sorts should be an array, instead was `{quoted(sorts)}`.")
    return [_checked_sort(source, sort, f"body.sorts[{number}]") for number, sort in enumerate(sorts)]


def _checked_sort(source: DataSource, sort: Any, path: str) -> tuple[Property | None, str, bool]:
    if not isinstance(sort, dict) or sort.get("direction") not in ("ascending", "descending"):
        raise invalid_body(f"{path}.direction should be `ascending` or `descending`.")
    descending = sort["direction"] == "descending"
    keys = set(sort) - {"direction"}
    if keys == {"timestamp"} and sort["timestamp"] in TIMESTAMPS:
        return None, sort["timestamp"], descending
    if keys != {"property"}:
        raise invalid_body(f"{path} should have either `property` or `timestamp`.")
    prop = source.find_property(sort["property"])
    if prop is None:
        raise invalid(f"Could not find sort property with name or id: {sort['property']}")
    return prop, "", descending
