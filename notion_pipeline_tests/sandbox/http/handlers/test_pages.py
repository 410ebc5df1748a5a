"""The sandbox's pages of their own: where they stand, who sees them, what search finds."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from notion_client import APIResponseError, Client
from notion_client.helpers import collect_paginated_api

from notion_pipeline.sandbox.edits.workspace import Workspace


def found(notion: Client, **body: Any) -> set[str]:
    return {entry["id"] for entry in collect_paginated_api(notion.search, **body)}


def parent(notion: Client, page_id: str) -> dict[str, Any]:
    page: dict[str, Any] = notion.pages.retrieve(page_id)
    return dict(page["parent"])


PAGES = {"property": "object", "value": "page"}


def test_a_page_of_its_own_has_a_title_and_nothing_else(ws: Workspace, notion: Client) -> None:
    page = ws.add_page("Handbook", icon="📘")
    answer: dict[str, Any] = notion.pages.retrieve(page.id)
    assert list(answer["properties"]) == ["title"]
    assert answer["properties"]["title"]["id"] == "title"
    assert answer["properties"]["title"]["title"][0]["plain_text"] == "Handbook"
    assert answer["parent"] == {"type": "workspace", "workspace": True}
    item: dict[str, Any] = notion.pages.properties.retrieve(page.id, "title")
    assert item["results"][0]["title"]["plain_text"] == "Handbook"


def test_pages_stand_in_pages_rows_and_blocks(ws: Workspace, notion: Client) -> None:
    row = ws.add_database("Tasks", {"Name": "title"}).data_source.add_page({"Name": "x"})
    page = ws.add_page("In a row", parent=row)
    column = ws.add_block(page, "column_list", children=[{"type": "column"}]).children[0]
    inner = ws.add_page("In a column", parent=ws.block(column.id))
    assert parent(notion, page.id) == {"type": "page_id", "page_id": row.id}
    assert parent(notion, inner.id) == {"type": "block_id", "block_id": column.id}
    database = ws.add_database("Inline", {"Name": "title"}, parent=ws.block(column.id))
    answer: dict[str, Any] = notion.databases.retrieve(database.id)
    assert answer["parent"] == {"type": "block_id", "block_id": column.id}


def test_search_finds_them_beside_rows(ws: Workspace, notion: Client) -> None:
    row = ws.add_database("Tasks", {"Name": "title"}).data_source.add_page({"Name": "x"})
    page = ws.add_page("Handbook")
    inner = ws.add_page("Holidays", parent=page)
    ws.add_page("Hidden", parent=page, shared=False)
    everything = {ws.home.id, row.id, page.id, inner.id}
    assert found(notion, filter=PAGES) == everything
    assert found(notion) == everything | {row.data_source.id if row.data_source else ""}
    assert found(notion, query="holi") == {inner.id}
    assert found(notion, filter={"property": "object", "value": "data_source"}).isdisjoint(everything)


def test_pages_in_the_trash_take_those_in_them_along(ws: Workspace, notion: Client) -> None:
    page = ws.add_page("Handbook")
    inner = ws.add_page("Inner", parent=ws.add_block(page, "toggle", "t"))
    ws.trash(page)
    assert found(notion, filter=PAGES) == {ws.home.id}
    assert found(notion, filter={**PAGES, "in_trash": True}) == {page.id, inner.id}
    for an_id in (page.id, inner.id):
        answer: dict[str, Any] = notion.pages.retrieve(an_id)
        assert answer["in_trash"] is True
    ws.restore(page)
    assert found(notion, filter=PAGES) == {ws.home.id, page.id, inner.id}
    ws.delete(page)
    for an_id in (page.id, inner.id):
        with pytest.raises(APIResponseError, match="Could not find page"):
            notion.pages.retrieve(an_id)


def test_pages_go_with_what_they_stand_in_unless_shared_apart(ws: Workspace, notion: Client) -> None:
    page = ws.add_page("Handbook")
    inner = ws.add_page("Inner", parent=page)
    apart = ws.add_page("Apart", parent=page, shared=True)
    ws.unshare_page(page)
    assert found(notion, filter=PAGES) == {ws.home.id, apart.id}
    with pytest.raises(APIResponseError, match="Could not find page"):
        notion.pages.retrieve(inner.id)
    ws.share_page(page)
    assert found(notion, filter=PAGES) == {ws.home.id, page.id, inner.id, apart.id}


def test_connections_with_grants_see_the_pages_granted(ws: Workspace, url: str) -> None:
    page = ws.add_page("Handbook")
    inner = ws.add_page("Inner", parent=page)
    ws.add_token("ntn_granted", [])
    with Client(auth="ntn_granted", base_url=url, retry=False, log_level=60) as client:
        assert found(client) == set()
        ws.share_page(page, "ntn_granted")
        assert found(client) == {page.id, inner.id}
        ws.unshare_page(page, "ntn_granted")
        assert found(client) == set()


def test_moved_pages_keep_id_and_content(ws: Workspace, notion: Client) -> None:
    source = ws.add_database("Tasks", {"Name": "title", "N": "number", "Only here": "number"}).data_source
    other = ws.add_database("Archive", {"Title": "title", "N": "number"}).data_source
    page, row = ws.add_page("Handbook", content="words"), source.add_page({"Name": "x", "N": 3, "Only here": 4})
    inner = ws.add_page("Inner", parent=page)
    ws.clock.advance(timedelta(minutes=3))
    ws.move_page(inner, row)
    assert parent(notion, inner.id) == {"type": "page_id", "page_id": row.id}
    ws.move_page(inner, None)
    assert parent(notion, inner.id) == {"type": "workspace", "workspace": True}
    ws.move_page(row, other)
    answer: dict[str, Any] = notion.pages.retrieve(row.id)
    assert answer["parent"]["data_source_id"] == other.id
    assert answer["properties"]["Title"]["title"][0]["plain_text"] == "x"
    assert answer["properties"]["N"]["number"] == 3
    assert answer["last_edited_time"] == "2026-07-01T09:03:00.000Z"
    assert [entry["id"] for entry in notion.data_sources.query(source.id)["results"]] == []
    ws.move_page(page, other)
    assert {entry["id"] for entry in notion.data_sources.query(other.id)["results"]} == {row.id, page.id}
    assert notion.pages.retrieve_markdown(page.id)["markdown"] == "words"
    ws.move_page(page, ws.home)
    shown: dict[str, Any] = notion.pages.retrieve(page.id)
    assert shown["properties"]["title"]["title"][0]["plain_text"] == "Handbook"


def test_a_page_that_comes_or_goes_stamps_the_one_it_stands_in(ws: Workspace, notion: Client) -> None:
    row = ws.add_database("Tasks", {"Name": "title"}).data_source.add_page({"Name": "x"})
    other = ws.add_page("Other")
    inner = ws.add_page("Inner", parent=ws.add_block(row, "toggle", "t"), stamps_page=False)

    def stamp(page_id: str) -> str:
        answer: dict[str, Any] = notion.pages.retrieve(page_id)
        return str(answer["last_edited_time"])[11:16]

    for minute, change in enumerate(
        (
            lambda: ws.add_page("New", parent=row.id),
            lambda: ws.trash(inner),
            lambda: ws.restore(inner),
            lambda: ws.move_page(inner, other),
            lambda: ws.move_page(inner, row),
            lambda: ws.delete(inner),
        ),
        1,
    ):
        ws.clock.advance(timedelta(minutes=1))
        change()
        assert stamp(row.id) == f"09:0{minute}"
    assert stamp(other.id) == "09:05"
