"""Text from outside that nothing can store: replaced where answers are parsed, counted, and no reason to fail."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import dagster as dg
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from notion_pipeline.catalog.sql import quote
from notion_pipeline.errors import NotionRequestError
from notion_pipeline.notion.responses.parsing import parse_json, parse_storable
from notion_pipeline.rows.text.storable import TEXTS_REPLACED, storable
from notion_pipeline.sandbox.control.faults import Fault
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline_tests.support.whole_way import Pipeline

#: What the sandbox holds in its texts, and what goes over the wire instead.
MARK = "HALF"
SPELLINGS = {"escaped": b"\\ud83d", "low half": b"\\udc00", "raw": b"\xed\xa0\xbd", "twice": b"\\ud83d\\ud83d"}
FOR_EVER = 10**9
TABLES = dg.AssetKey(["notion", "database"])


def spelt(workspace: Workspace, spelling: str) -> None:
    workspace.faults.add(
        Fault("rewrite", times=FOR_EVER, callable=lambda body: body.replace(MARK.encode(), SPELLINGS[spelling]))
    )


def half(spelling: str) -> str:
    """What stands in the catalog for it."""
    return "\ufffd" * {"twice": 2}.get(spelling, 1)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_half_a_surrogate_pair_stops_nothing_wherever_it_is(
    workspace: Workspace, pipeline: Pipeline, spelling: str
) -> None:
    workspace.name = f"Acme {MARK}"
    schema = {
        f"Name {MARK}": "title",
        f"State {MARK}": {"type": "select", "options": [f"Open {MARK}", "Done"]},
        "Notes": "rich_text",
        "Labels": {"type": "multi_select", "options": ["a", f"b {MARK}"]},
    }
    odd = workspace.add_database(f"Tasks {MARK}", schema)
    odd.data_source.add_page(
        {f"Name {MARK}": f"one {MARK}", f"State {MARK}": f"Open {MARK}", "Notes": "plain", "Labels": [f"b {MARK}"]}
    )
    odd.data_source.add_page({f"Name {MARK}": "two", "Notes": f"{MARK}"})
    fine = workspace.add_database("Fine", {"Name": "title"})
    fine.data_source.add_page({"Name": "one"})
    spelt(workspace, spelling)
    run = pipeline.sync()
    assert run.success, run.log
    mark = half(spelling)
    assert pipeline.query("SELECT name, state, notes, labels FROM notion.tasks ORDER BY created_time, name") == [
        (f"one {mark}", f"Open {mark}", "plain", [f"b {mark}"]),
        ("two", None, mark, []),
    ]
    assert pipeline.query("SELECT name FROM notion.fine") == [("one",)]
    assert (f"Tasks {mark}",) in pipeline.query("SELECT title FROM notion.databases")
    assert pipeline.query("SELECT properties->>'$.\"Name " + mark + "\".title[0].plain_text' FROM notion.tasks") != []
    assert "U+FFFD" in run.log
    counted = {
        event.partition: event.metadata["values_not_converted"].value
        for record in pipeline.instance.fetch_materializations(TABLES, limit=10).records
        if (event := record.asset_materialization) is not None and event.partition and "stream" in event.metadata
    }
    assert counted["fine"] == 0
    assert isinstance(found := counted["tasks"], int)
    assert found >= 4
    # Once more, and nothing changes: what is stored is the same in every answer.
    again = pipeline.sync(tags={"notion_pipeline/sync_type": "FULL_TABLE"})
    assert again.success, again.log
    last = pipeline.last_sync()
    assert (last["rows_updated"], last["rows_inserted"]) == (0, 0)


def test_nul_lands_as_it_is(workspace: Workspace, pipeline: Pipeline) -> None:
    database = workspace.add_database("Ta\0sks", {"Na\0me": "title"})
    database.data_source.add_page({"Na\0me": "o\0ne"})
    run = pipeline.sync()
    assert run.success, run.log
    (table,) = (
        name for name in pipeline.value("SELECT list(table_name) FROM duckdb_tables()") if name.startswith("ta")
    )
    title = next(
        column
        for column in pipeline.value("SELECT list(column_name) FROM duckdb_columns() WHERE table_name = ?", [table])
        if column.startswith("na")
    )
    ((name,),) = pipeline.query(f"SELECT {quote(title)} FROM {quote('notion', table)}")
    assert name == "o\0ne"
    assert pipeline.query("SELECT title FROM notion.databases") == [("Ta\0sks",)]


def test_an_error_that_quotes_half_a_character_is_told(workspace: Workspace, notion: Any) -> None:
    answer = b'{"object":"error","status":400,"code":"validation_error","message":"No \\ud83d."}'
    workspace.faults.add(Fault("answer", callable=lambda _: (400, {"content-type": "application/json"}, answer)))

    async def run() -> None:
        async with notion() as client:
            await client.me()

    with pytest.raises(NotionRequestError) as caught:
        asyncio.run(run())
    str(caught.value).encode()


def test_what_is_replaced_is_counted_result_by_result() -> None:
    body, count = parse_storable(
        b'{"object":"list","next":"\\ud800","results":[{"a":"x"},{"\\udfffk":["\\ud83d",{"b":"\\ud83d"}]},"\\ud83d"]}'
    )
    assert count == 5
    assert body["results"] == [{"a": "x"}, {"\ufffdk": ["\ufffd", {"b": "\ufffd"}], TEXTS_REPLACED: 3}, "\ufffd"]
    assert body["next"] == "\ufffd"


def test_keys_that_become_equal_stay_apart_in_the_same_way() -> None:
    entries = [("\ud800", 1), ("\ud801", 2), ("\ufffd", 3), ("z", 4)]
    one, _ = storable(dict(entries))
    other, _ = storable(dict(entries[::-1]))
    assert one == other
    assert sorted(one.values()) == [1, 2, 3, 4]


ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()), max_size=8)  # type: ignore[arg-type]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53), 2**53) | ANY_TEXT,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
        max_leaves=20,
    )
)
def test_everything_that_was_parsed_can_be_written(value: Any) -> None:
    spelling = json.dumps(value).encode()
    found, count = parse_storable(spelling)
    written = orjson.dumps(found)
    assert (count == 0) == (parse_json(spelling) == orjson.loads(written))


def test_deep_nesting_is_no_recursion() -> None:
    deep: Any = "\ud800"
    for _ in range(50_000):
        deep = [deep]
    found, count = storable(deep)
    assert count == 1
    while isinstance(found, list):
        found = found[0]
    assert found == "\ufffd"
