"""What a table must hold, worked out anew from the sandbox's ground truth and the contract's words.

Nothing of the pipeline is used here: a second reading of the same rules, so that a mistake in one of the two shows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timezone
from functools import lru_cache
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit
from zoneinfo import ZoneInfo

from notion_pipeline.sandbox.answers.render import Renderer
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.model.objects import DataSource

PAGE_FIELDS = ("url", "public_url", "in_trash", "is_archived")
PAGE_JSON = ("parent", "icon", "cover", "properties")
#: Of rollups over more than 25 references Notion gives no result for these (notion-api.md section 7).
NEVER_AGGREGATED = ("show_unique", "unique", "median", "count_per_group", "percent_per_group")
#: References a value shows at most.
SHOWN = 25
#: List kinds come an item a reference from the property endpoint.
FLAT_KINDS = ("title", "rich_text", "people", "relation")


class Queried(Protocol):
    """Whatever gives rows of the catalog, times in UTC."""

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]: ...


def differences(
    pipeline: Queried, ws: Workspace, source: DataSource, *, excluded: Iterable[str] = (), schema: str = "notion"
) -> list[str]:
    """Every cell of the data source's table that is not what Notion holds, in words.

    Args:
        excluded: Names of properties that the source leaves out.
        schema: The source's name.
    """
    table, columns = recorded(pipeline, source, schema)
    truth = {page["id"]: without(as_served(page, ws, source), excluded) for page in ws.rows(source)}
    kinds = {column["property_id"]: kinds_of(column, truth.values()) for column in columns}
    kept = rows_by_id(pipeline, table, schema)
    found = [f"{table}: {page_id} is missing" for page_id in truth.keys() - kept.keys()]
    found += [f"{table}: {page_id} should not be there" for page_id in kept.keys() - truth.keys()]
    for page_id in truth.keys() & kept.keys():
        found += [f"{table}.{line}" for line in row_differences(kept[page_id], truth[page_id], columns, kinds)]
    return found


def row_differences(
    row: dict[str, Any], page: dict[str, Any], columns: list[dict[str, Any]], kinds: dict[str, set[str]]
) -> list[str]:
    """Every cell of a row that is not what the page says, in words.

    Args:
        kinds: Of results that the table holds, by property id of each formula and rollup.
    """
    found = []
    for name, wanted in {**own_cells(page), **typed_cells(page, columns, kinds)}.items():
        got = json.loads(row[name]) if name in PAGE_JSON and row[name] is not None else row[name]
        if name == "properties":
            found += [f"{page['id']} {line}" for line in property_differences(page, got)]
        elif not same(got, wanted):
            found.append(f"{name} of {page['id']}: {got!r}, should be {wanted!r}")
    return found


def rows_by_id(pipeline: Queried, table: str, schema: str = "notion") -> dict[str, dict[str, Any]]:
    """The table's rows by page id, each by column."""
    names = [row[0] for row in pipeline.query(f'DESCRIBE "{schema}"."{table}"')]
    rows = [dict(zip(names, row, strict=True)) for row in rows_of(pipeline, table, schema)]
    return {row["id"]: row for row in rows}


def rows_of(pipeline: Queried, table: str, schema: str = "notion") -> list[tuple[Any, ...]]:
    return pipeline.query(f'SELECT * FROM "{schema}"."{table}"')


def recorded(pipeline: Queried, source: DataSource, schema: str = "notion") -> tuple[str, list[dict[str, Any]]]:
    """Table name and columns, as the catalog's own bookkeeping has them."""
    found = pipeline.query(
        "SELECT table_name, columns FROM _notion_pipeline.streams WHERE data_source_id = ? AND source = ?",
        [source.id, schema],
    )
    return found[0][0], json.loads(found[0][1])


def without(page: dict[str, Any], excluded: Iterable[str]) -> dict[str, Any]:
    names = set(excluded)
    return {**page, "properties": {name: value for name, value in page["properties"].items() if name not in names}}


def as_served(page: dict[str, Any], ws: Workspace, source: DataSource) -> dict[str, Any]:
    """The page as the API can give it in full: over many references rollups come an item a reference.

    Over few they and formulas are what the row shows, also where a value below them was cut: nothing in the row tells.
    """
    shown = Renderer(ws, ws.token)
    values = dict(page["properties"])
    relations = [len(value["relation"]) for value in values.values() if value["type"] == "relation"]
    for prop in source.properties.values():
        if prop.type == "formula" and max(relations, default=0) <= SHOWN:
            row = ws.page(page["id"])
            values[prop.name] = shown.property_value(prop, row, row.values)
        if prop.type != "rollup":
            continue
        related = value_of(page, prop.relation_id)
        references = len(related["relation"]) if related else 0
        value = values[prop.name]
        if references <= SHOWN:
            row = ws.page(page["id"])
            value = shown.property_value(prop, row, row.values)
        if prop.function in NEVER_AGGREGATED and references > SHOWN:
            value = {**value, "rollup": {"type": "unsupported", "unsupported": {}, "function": prop.function}}
        elif value["rollup"]["type"] == "array" and references >= SHOWN and prop.function == "show_original":
            value = raw_value(value)
        values[prop.name] = value
    return {**page, "properties": values}


def own_cells(page: dict[str, Any]) -> dict[str, Any]:
    return {
        "created_time": instant(page["created_time"]),
        "last_edited_time": instant(page["last_edited_time"]),
        "created_by": page["created_by"]["id"],
        "last_edited_by": page["last_edited_by"]["id"],
        **{name: page[name] for name in PAGE_FIELDS},
        **{name: unsigned(page[name]) for name in PAGE_JSON},
    }


def property_differences(page: dict[str, Any], got: dict[str, Any]) -> list[str]:
    wanted = unsigned(page["properties"])
    return [
        f"properties[{name!r}]: {got.get(name)!r}, should be {wanted.get(name)!r}"
        for name in wanted.keys() | got.keys()
        if got.get(name) != wanted.get(name)
    ]


def raw_value(value: dict[str, Any]) -> dict[str, Any]:
    """A rollup's array an item a reference, since that is how the property endpoint gives it."""
    rollup = value.get("rollup")
    if not isinstance(rollup, dict) or rollup.get("type") != "array":
        return value
    items: list[Any] = []
    for item in rollup["array"]:
        kind = item["type"]
        flat = kind in FLAT_KINDS and isinstance(item[kind], list)
        items += [{"type": kind, kind: [entry]} for entry in item[kind]] if flat else [item]
    return {**value, "rollup": {**rollup, "array": items}}


def unsigned(value: Any) -> Any:
    """Without the signed query of hosted files and when it expires."""
    if isinstance(value, list):
        return [unsigned(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "expiry_time" in value:
        return {"url": bare_url(value["url"])}
    return {key: unsigned(item) for key, item in value.items()}


def bare_url(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}{parts.path}"


def same(got: Any, wanted: Any) -> bool:
    if isinstance(wanted, float) and isinstance(got, float):
        return got == wanted
    if isinstance(wanted, bool) or isinstance(got, bool):
        return got is wanted
    return bool(got == wanted)


# Typed columns


decoded = lru_cache(maxsize=None)(unquote)


def value_of(page: dict[str, Any], property_id: str) -> dict[str, Any] | None:
    return next((value for value in page["properties"].values() if decoded(value["id"]) == property_id), None)


def typed_cells(page: dict[str, Any], columns: list[dict[str, Any]], kinds: dict[str, set[str]]) -> dict[str, Any]:
    cells = {}
    for column in columns:
        value = value_of(page, column["property_id"])
        if value is None:
            continue
        kind = column["property_type"]
        content = value[kind]
        if kind in ("formula", "rollup"):
            cells[column["column"]] = computed_cell(content, kinds[column["property_id"]])
        elif kind in CONVERTERS:
            cells[column["column"]] = None if content is None else CONVERTERS[kind](content)
        else:
            cells[column["column"]] = None if content is None else AsJson(content)
    return cells


class AsJson:
    """Equal to a text that is this value as JSON."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and json.loads(other) == self.value

    def __hash__(self) -> int:
        return 0

    def __repr__(self) -> str:
        return json.dumps(self.value, ensure_ascii=False)


def kinds_of(column: dict[str, Any], pages: Iterable[dict[str, Any]]) -> set[str]:
    """Which kinds of results a formula or rollup has over the table."""
    if column["property_type"] not in ("formula", "rollup"):
        return set()
    kinds = set()
    for page in pages:
        value = value_of(page, column["property_id"])
        result = value[column["property_type"]] if value else None
        if result and is_result(result):
            kinds.add(result["type"])
    return kinds


def is_result(result: dict[str, Any]) -> bool:
    """Whether Notion computed it, and it is not empty."""
    kind = result["type"]
    return kind not in ("unsupported", "incomplete") and result[kind] is not None


def computed_cell(result: dict[str, Any], kinds: set[str]) -> Any:
    if not is_result(result):
        return None
    kind = result["type"]
    value = result[kind]
    if len(kinds) == 1:
        plain = {"number": float, "date": date, "array": lambda items: AsJson(plain_items(items))}
        return plain[kind](value) if kind in plain else value
    if kind == "array":
        return AsJson(plain_items(value))
    if kind == "date":
        return value["start"]
    return value if kind == "string" else AsJson(value)


def plain_items(items: list[dict[str, Any]]) -> list[Any]:
    found: list[Any] = []
    for item in items:
        kind = item["type"]
        value = item[kind]
        if kind in ("title", "rich_text"):
            found.append(text(value))
        elif kind in ("people", "relation"):
            found += [entry["id"] for entry in value]
        elif kind == "multi_select":
            found += [entry["name"] for entry in value]
        elif kind == "files":
            found += [file(entry)["url"] for entry in value]
        elif kind in ("select", "status"):
            found.append(value["name"] if value else None)
        elif kind == "date":
            found.append(value["start"] if value else None)
        elif kind in ("formula", "rollup"):
            found += plain_items([value])
        elif kind == "array":
            found += plain_items(value)
        elif kind in ("created_by", "last_edited_by"):
            found.append(value["id"])
        elif kind == "unique_id":
            found.append(unique_id(value))
        elif kind in ("unsupported", "incomplete"):
            found.append(None)
        else:
            found.append(value)
    return found


def text(items: list[dict[str, Any]]) -> str:
    return "".join(item["plain_text"] for item in items)


def instant(iso: str, zone: str | None = None) -> datetime | None:
    """The instant of an ISO text; the earlier one where a local time is ambiguous; None where no calendar has it."""
    try:
        moment = datetime.fromisoformat(iso.replace("Z", "+00:00"))
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=ZoneInfo(zone) if zone else timezone.utc, fold=0)
    return moment.astimezone(timezone.utc)


def date(value: dict[str, Any]) -> dict[str, Any] | None:
    start, end, zone = value["start"], value["end"], value["time_zone"]
    begins, ends = instant(start, zone if "T" in start else None), None
    if begins is None:
        return None
    if end is not None:
        ends = instant(end, zone if "T" in end else None)
    return {"start": begins, "end": ends, "is_datetime": "T" in start, "time_zone": zone}


def person(value: dict[str, Any]) -> dict[str, Any]:
    return {"id": value["id"], "name": value.get("name"), "email": (value.get("person") or {}).get("email")}


def file(value: dict[str, Any]) -> dict[str, Any]:
    kind = value["type"]
    url = value[kind]["url"]
    return {"name": value["name"], "type": kind, "url": bare_url(url) if kind == "file" else url}


def unique_id(value: dict[str, Any]) -> str | None:
    if value["number"] is None:
        return None
    return f"{value['prefix']}-{value['number']}" if value["prefix"] else str(value["number"])


def number(value: Any) -> float:
    return float(value)


CONVERTERS: dict[str, Callable[[Any], Any]] = {
    "title": text,
    "rich_text": text,
    "url": str,
    "email": str,
    "phone_number": str,
    "select": lambda value: value["name"],
    "status": lambda value: value["name"],
    "number": number,
    "checkbox": bool,
    "multi_select": lambda value: [entry["name"] for entry in value],
    "date": date,
    "people": lambda value: [person(entry) for entry in value],
    "files": lambda value: [file(entry) for entry in value],
    "relation": lambda value: [entry["id"] for entry in value],
    "created_time": instant,
    "last_edited_time": instant,
    "created_by": lambda value: value["id"],
    "last_edited_by": lambda value: value["id"],
    "unique_id": unique_id,
}
