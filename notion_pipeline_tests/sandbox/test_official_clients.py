"""The official JavaScript client reads from the sandbox what the Python one does, and what the sandbox holds.

One client alone would leave a misreading unnoticed that it shares with the sandbox.
"""

from __future__ import annotations

from typing import Any

import pytest

from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.http.server import SandboxServer
from notion_pipeline.sandbox.sample import sample_workspace
from notion_pipeline_tests.support.sandbox.full_workspace import full_workspace
from notion_pipeline_tests.support.sandbox.official_clients import lasting, read_by_javascript, read_by_python

#: Types whose items hold one entry each of the value's list.
_LISTED = ("title", "rich_text", "people", "relation")


def check_against_truth(ws: Workspace, found: dict[str, Any]) -> None:
    """Everything read equals what the workspace holds, no value cut."""
    assert found["users"].keys() == {user.id for user in ws.users.values() if not user.guest}
    seen = {source.id: source for source in ws.data_sources.values() if ws.token.sees(source.database)}
    assert found["sources"].keys() == seen.keys()
    for source_id, source in found["sources"].items():
        rows = {page["id"]: page for page in lasting(ws.rows(source_id)) if not page["is_archived"]}
        assert {row["id"] for row in source["rows"]} == rows.keys()
        assert len(source["rows"]) == len(rows)
        for row in source["rows"]:
            assert row["properties"].keys() == rows[row["id"]]["properties"].keys()
            for name, item in found["items"].get(row["id"], {}).items():
                assert_whole(item, lasting(rows[row["id"]]["properties"][name]))
            if row["id"] in found["comments"]:
                told = [comment["id"] for comment in found["comments"][row["id"]]]
                assert told == [comment.id for comment in open_comments(ws, row["id"])]


def open_comments(ws: Workspace, page_id: str) -> list[Any]:
    there = [comment for comment in ws.comments.values() if comment.parent_id == page_id]
    return [comment for comment in there if comment.discussion_id not in ws.resolved_discussions]


def assert_whole(item: dict[str, Any], value: dict[str, Any]) -> None:
    """The items of a value are all of it."""
    type_ = value["type"]
    if type_ == "rollup":
        aggregate = item["last"]["rollup"]
        assert aggregate["function"] == value["rollup"]["function"]
        if aggregate["type"] not in ("unsupported", "array"):
            assert aggregate == value["rollup"]
    elif type_ in _LISTED:
        entries = value[type_]
        if type_ == "people":
            entries = [entry for entry in entries if entry["object"] == "user"]
        assert [entry[type_] for entry in item["results"]] == entries
    else:
        assert item == {type_: value[type_]}


@pytest.mark.slow
@pytest.mark.parametrize("short_pages", [False, True])
def test_both_clients_read_all_that_there_is(short_pages: bool) -> None:
    ws = full_workspace()
    ws.switches.short_pages = short_pages
    with SandboxServer(ws) as server:
        by_javascript = lasting(read_by_javascript(server.url, ws.token.value, 3))
        by_python = lasting(read_by_python(server.url, ws.token.value, 3))
    assert by_javascript == by_python
    check_against_truth(ws, by_javascript)


@pytest.mark.slow
def test_javascript_client_reads_the_sample_workspace() -> None:
    ws = sample_workspace()
    with SandboxServer(ws) as server:
        found = lasting(read_by_javascript(server.url, ws.token.value, 2))
    check_against_truth(ws, found)
