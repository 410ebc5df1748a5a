"""Splits a minute that holds more rows than one query gives, by filters that are disjoint and exhaustive.

Bulk imports make such minutes (notion-api.md section 3). Unique ids are tried first, since a range of ids holds no more
rows than numbers; then checkboxes, options, numbers, dates, and the user who created a row. A part that is still too
large is split again, by another property or by a narrower range of the same one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from itertools import pairwise
from typing import Any

from notion_pipeline.extraction.windows.window import Leaf, Window, iso
from notion_pipeline.notion.client import NotionClient
from notion_pipeline.notion.responses.parsing import objects_of
from notion_pipeline.rows.properties import Property, property_value
from notion_pipeline.rows.text.timestamps import as_datetime

#: A range that would need more parts than this is halved instead.
MOST_PARTS = 64
SECONDS_A_DAY = 86_400
_ORDER = ("unique_id", "checkbox", "select", "status", "number", "date")
_RANGED = {"unique_id", "number", "date"}


@dataclass(frozen=True)
class _Asking:
    """The query that was capped; what the extremes of a property are looked up with."""

    client: NotionClient
    data_source_id: str
    window: Window
    base: Sequence[Leaf]
    archived: bool
    ids_per_part: int

    async def rows(self, extra: Sequence[Leaf], **body: Any) -> list[dict[str, Any]]:
        window = replace(self.window, split=[*self.window.split, *extra])
        wanted: dict[str, Any] = {"filter": window.filter(self.base), **body}
        if self.archived:
            wanted["is_archived"] = True
        answer = await self.client.query(self.data_source_id, wanted)
        return objects_of(answer.body, f"data source {self.data_source_id}")


async def split_minute(
    client: NotionClient,
    data_source_id: str,
    properties: Sequence[Property],
    minute: Window,
    base: Sequence[Leaf],
    *,
    archived: bool,
    ids_per_part: int,
) -> list[Window]:
    """Windows that together hold what `minute` holds, each smaller; empty where nothing splits it.

    Args:
        minute: A window of one minute, or a part of one.
        ids_per_part: Unique ids in one part.
    """
    asking = _Asking(client, data_source_id, minute, base, archived, ids_per_part)
    used = {str(leaf.get("property")) for leaf in minute.split}
    for prop in sorted((p for p in properties if p.type in _ORDER), key=lambda p: _ORDER.index(p.type)):
        if prop.name in used and prop.type not in _RANGED:
            continue
        parts = await _parts(asking, prop)
        if len(parts) > 1:
            return [replace(minute, split=[*minute.split, *leaves]) for leaves in parts]
    if "created_by" not in {kind for leaf in minute.split for kind in leaf}:
        parts = await _by_creator(asking, properties)
        if len(parts) > 1:
            return [replace(minute, split=[*minute.split, *leaves]) for leaves in parts]
    return []


async def _parts(asking: _Asking, prop: Property) -> list[list[Leaf]]:
    if prop.type == "checkbox":
        return [[_leaf(prop, {"equals": True})], [_leaf(prop, {"equals": False})]]
    if prop.type in ("select", "status"):
        options = prop.config.get("options")
        names = [option["name"] for option in options or [] if isinstance(option, dict) and "name" in option]
        return _option_parts(prop, names)
    low, high = await _extreme(asking, prop, "ascending"), await _extreme(asking, prop, "descending")
    if low is None or high is None or not low < high:
        return []
    already_empty_apart = any(leaf.get("property") == prop.name for leaf in asking.window.split)
    empty = [] if already_empty_apart else [[_leaf(prop, {"is_empty": True})]]
    if prop.type == "unique_id":
        return empty + _id_ranges(prop, int(low), int(high), asking.ids_per_part)
    if prop.type == "number":
        middle = low + (high - low) / 2
        if not low < middle <= high:
            return []
        return [*empty, [_leaf(prop, {"less_than": middle})], [_leaf(prop, {"greater_than_or_equal_to": middle})]]
    middle = float(round((low + high) / 2))
    # At midnight where one lies between: no reading of a date without a time falls on both sides of it.
    midnight = middle - middle % SECONDS_A_DAY
    middle = midnight if low < midnight else middle
    if not low < middle <= high:
        return []
    pivot = iso(datetime.fromtimestamp(middle, timezone.utc))
    return [*empty, [_leaf(prop, {"before": pivot})], [_leaf(prop, {"on_or_after": pivot})]]


def _option_parts(prop: Property, names: Sequence[str]) -> list[list[Leaf]]:
    """One part an option, one of the empty, and one of what has an option that came after the schema was read."""
    named = [[_leaf(prop, {"equals": name})] for name in names]
    others = [_leaf(prop, {"does_not_equal": name}) for name in names]
    return [*named, [_leaf(prop, {"is_empty": True})], [_leaf(prop, {"is_not_empty": True}), *others]]


def _id_ranges(prop: Property, low: int, high: int, ids_per_part: int) -> list[list[Leaf]]:
    width = max(ids_per_part, -(-(high - low + 1) // MOST_PARTS))
    if high - low < width:
        width = (high - low + 2) // 2
    bounds = list(range(low + width, high + 1, width))
    first = [[_leaf(prop, {"less_than": bounds[0]})]]
    between = [
        [_leaf(prop, {"greater_than_or_equal_to": start}), _leaf(prop, {"less_than": end})]
        for start, end in pairwise(bounds)
    ]
    return [*first, *between, [_leaf(prop, {"greater_than_or_equal_to": bounds[-1]})]]


async def _extreme(asking: _Asking, prop: Property, direction: str) -> float | None:
    """The smallest or largest value in the minute, as a number; None where every value is empty."""
    rows = await asking.rows(
        [_leaf(prop, {"is_not_empty": True})],
        sorts=[{"property": prop.name, "direction": direction}],
        page_size=1,
    )
    if not rows:
        return None
    value = property_value(rows[0].get("properties"), prop)
    content = value.get(prop.type) if isinstance(value, dict) else None
    if prop.type == "date" and isinstance(content, dict):
        start = as_datetime(content.get("start"))
        return None if start is None else start.timestamp()
    if prop.type == "unique_id" and isinstance(content, dict):
        content = content.get("number")
    return float(content) if isinstance(content, (int, float)) and not isinstance(content, bool) else None


async def _by_creator(asking: _Asking, properties: Sequence[Property]) -> list[list[Leaf]]:
    """By who made the rows, as far as a property tells; whoever is not known makes the last part."""
    prop = next((p for p in properties if p.type == "created_by"), None)
    if prop is None:
        return []
    known: list[str] = []
    while len(known) < MOST_PARTS:
        rows = await asking.rows([_leaf(prop, {"does_not_contain": user}) for user in known], page_size=1)
        creator = (rows[0].get("created_by") or {}).get("id") if rows else None
        if creator is None or creator in known:
            break
        known.append(creator)
    if len(known) < 2:
        return []
    others = [_leaf(prop, {"does_not_contain": user}) for user in known]
    return [[_leaf(prop, {"contains": user})] for user in known] + [others]


def _leaf(prop: Property, condition: dict[str, Any]) -> Leaf:
    return {"property": prop.name, prop.type: condition}
