"""Any JSON in the place of a value or a page field: no sync fails for it, and nothing of it is lost."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from notion_pipeline.extraction.extract import LoadResult
from notion_pipeline.sandbox.control.faults import Fault
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.http.server import SandboxServer
from notion_pipeline.sandbox.model.objects import DataSource
from notion_pipeline_tests.support.sync.engine import TOKEN, Engine
from notion_pipeline_tests.support.sync.truth import differences, rows_by_id

OPTIONS = ["Red", "Green"]
SCHEMA: dict[str, Any] = {
    "Name": "title",
    "Text": "rich_text",
    "Number": "number",
    "Check": "checkbox",
    "Select": {"type": "select", "options": OPTIONS},
    "Status": {"type": "status", "options": OPTIONS},
    "Tags": {"type": "multi_select", "options": OPTIONS},
    "Date": "date",
    "Who": "people",
    "Files": "files",
    "Link": "url",
    "Mail": "email",
    "Phone": "phone_number",
    "Key": {"type": "unique_id", "prefix": "T"},
    "Made": "created_time",
    "By": "created_by",
    "Changed": "last_edited_time",
    "Editor": "last_edited_by",
    "Formula": {"type": "formula", "expression": "1", "compute": lambda page: 1, "result_type": "number"},
    "Related": {"type": "relation", "target": "self"},
    "Rolled": {"type": "rollup", "relation": "Related", "property": "Name", "function": "show_original"},
    "Place": "place",
    "Button": "button",
    "Proof": "verification",
}
#: Of the page, beside what tells rows apart and orders them.
FIELDS = (
    "created_time",
    "last_edited_time",
    "created_by",
    "last_edited_by",
    "url",
    "public_url",
    "in_trash",
    "is_archived",
    "parent",
    "icon",
    "cover",
)
#: Columns that take a value by its type alone.
PLAIN = {name: spec if isinstance(spec, str) else spec["type"] for name, spec in list(SCHEMA.items())[:13]}
ROWS = 6
FUZZ = settings(
    max_examples=10, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
    | st.sampled_from(["", "\x00", "0000-01-01", "2026-02-30", "2026-07-01T25:00:00Z", "9" * 400, "NaN", "{}", "null"])
)
#: What converters look for, so that the fuzz comes deep into them.
KEYS = st.sampled_from(
    [
        *("id", "type", "name", "start", "end", "time_zone", "number", "string", "boolean", "array", "url", "file"),
        *("plain_text", "prefix", "person", "email", "expiry_time", "title", "people", "relation", "date", "mention"),
    ]
) | st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
ANY_JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5), max_leaves=12
)
#: A whole property value: what it is meant to be, with the wrong thing inside; or anything at all.
CONTENT = ANY_JSON | st.dictionaries(st.sampled_from(["type", *SCHEMA]), ANY_JSON, max_size=4)


@contextmanager
def served() -> Iterator[tuple[Engine, DataSource]]:
    """A database of every property type."""
    workspace = Workspace(token=TOKEN)
    source = workspace.add_database("Fuzz", SCHEMA).data_source
    for number in range(ROWS):
        source.add_page({"Name": f"Row {number}"})
    with TemporaryDirectory() as folder, SandboxServer(workspace) as server:
        yield Engine(workspace, server.url, Path(folder)), source


def altered(engine: Engine, change: Callable[[dict[str, Any]], None]) -> tuple[dict[str, dict[str, Any]], LoadResult]:
    """Syncs in full while each row that Notion gives is changed so; the rows as they were given, and what landed."""
    given_rows: dict[str, dict[str, Any]] = {}

    def alter(body: dict[str, Any]) -> None:
        for page in body["results"]:
            change(page)
            given_rows[page["id"]] = json.loads(json.dumps(page))

    engine.workspace.clock.advance(timedelta(hours=1))
    engine.workspace.faults.add(Fault("alter", match="/query$", times=1000, callable=alter))
    outcome = engine.attempt("FULL_TABLE")
    engine.workspace.faults.clear()
    assert outcome.success, outcome.reasons
    return given_rows, outcome.landed["notion.fuzz"]


def kept_json(engine: Engine, column: str) -> dict[str, Any]:
    """A JSON column by page id."""
    rows = rows_by_id(engine, "fuzz")
    return {key: None if row[column] is None else json.loads(row[column]) for key, row in rows.items()}


def unsigned(value: Any) -> Any:
    """Without what Notion signs anew for every answer, whatever stands around it."""
    if isinstance(value, list):
        return [unsigned(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "expiry_time" in value:
        value = {**value, "url": bare(value.get("url"))} if "url" in value else dict(value)
        del value["expiry_time"]
    inner = value.get("file")
    if value.get("type") == "file" and isinstance(inner, dict) and "url" in inner:
        value = {**value, "file": {**inner, "url": bare(inner["url"])}}
    return {key: unsigned(item) for key, item in value.items()}


def bare(url: Any) -> Any:
    return url.partition("?")[0].partition("#")[0] if isinstance(url, str) else url


def lost_cells(engine: Engine, given_rows: dict[str, dict[str, Any]]) -> int:
    """Typed cells that are NULL where the value is of its property's type and not null."""
    rows = rows_by_id(engine, "fuzz")
    return sum(
        rows[page_id][name.lower()] is None
        for page_id, page in given_rows.items()
        for name, value in page["properties"].items()
        if name in PLAIN and isinstance(value, dict) and value.get(PLAIN[name]) is not None
        if value.get("type") == PLAIN[name] and value.get("id") is not None
    )


@FUZZ
@given(st.data())
def fuzz_values(engine: Engine, data: st.DataObject) -> None:
    contents = data.draw(st.lists(CONTENT, min_size=ROWS, max_size=ROWS))
    whole = data.draw(st.lists(st.booleans(), min_size=ROWS, max_size=ROWS))
    order: dict[str, int] = {}

    def change(page: dict[str, Any]) -> None:
        place = order.setdefault(page["id"], len(order))
        for number, (name, value) in enumerate(page["properties"].items()):
            content = contents[(place + number) % ROWS]
            page["properties"][name] = content if whole[place] else {**value, value["type"]: content}

    given_rows, landed = altered(engine, change)
    kept = kept_json(engine, "properties")
    assert kept.keys() == given_rows.keys()
    for page_id, page in given_rows.items():
        assert kept[page_id] == unsigned(page["properties"])
    assert landed.values_not_converted >= lost_cells(engine, given_rows)


@pytest.mark.slow
@pytest.mark.long
def test_any_json_in_the_place_of_a_value_is_kept() -> None:
    with served() as (engine, source):
        fuzz_values(engine)
        assert engine.attempt("FULL_TABLE").success
        assert differences(engine, engine.workspace, source) == []


@FUZZ
@given(st.data())
def fuzz_fields(engine: Engine, data: st.DataObject) -> None:
    fields = data.draw(st.dictionaries(st.sampled_from(FIELDS) | KEYS.filter(lambda key: key != "id"), ANY_JSON))

    given_rows, _ = altered(engine, lambda page: page.update(fields))
    for column in ("parent", "icon", "cover"):
        kept = kept_json(engine, column)
        assert kept.keys() == given_rows.keys()
        assert all(kept[page_id] == unsigned(page[column]) for page_id, page in given_rows.items())


@pytest.mark.slow
@pytest.mark.long
def test_any_json_in_the_place_of_a_page_field_is_kept() -> None:
    with served() as (engine, source):
        fuzz_fields(engine)
        assert engine.attempt("FULL_TABLE").success
        assert differences(engine, engine.workspace, source) == []


#: As sent, and as kept: whole numbers of more than 64 bits are doubles to Notion itself.
BEYOND = {
    "a number beyond a double": (b"1e400", "1e400"),
    "an integer beyond 64 bits": (b"123456789012345678901234567890", "1.2345678901234568e+29"),
    "half of a surrogate pair": (b'"\\ud83d"', "\ufffd"),
    "deep nesting": (b"[" * 400 + b"]" * 400, "[" * 400 + "]" * 400),
    "a long text": (b'"' + b"x" * 200_000 + b'"', "x" * 200_000),
}


@pytest.mark.parametrize(("sent", "kept"), BEYOND.values(), ids=BEYOND)
def test_what_json_allows_and_few_readers_take_is_kept(sent: bytes, kept: str) -> None:
    """In every value of every row."""

    def change(body: dict[str, Any]) -> None:
        for page in body["results"]:
            for value in page["properties"].values():
                value[value["type"]] = orjson.Fragment(sent)

    with served() as (engine, _):
        engine.workspace.faults.add(Fault("alter", match="/query$", times=1000, callable=change))
        outcome = engine.attempt()
        assert outcome.success, outcome.reasons
        counts = [row.count(kept) for (row,) in engine.query("SELECT properties FROM notion.fuzz")]
        assert counts == [len(SCHEMA)] * ROWS
