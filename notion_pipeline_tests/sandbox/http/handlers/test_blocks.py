"""The sandbox's block endpoints: every type, nested, what is deleted or not shared, and what an edit stamps."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest
from notion_client import APIResponseError, Client
from notion_client.helpers import collect_paginated_api, is_full_block

from notion_pipeline.sandbox.edits.bulk import add_rows, bulk_schema
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.model.content.blocks import DEFAULTS, MEDIA_TYPES, Block
from notion_pipeline.sandbox.model.objects import Page
from notion_pipeline_tests.support.patience import PATIENCE
from notion_pipeline_tests.support.sandbox.public_sdk import HEADERS, TOKEN

#: What a block of the type is made with, beside its text.
GIVEN: dict[str, dict[str, Any]] = {
    "table_row": {"cells": ["a", "b"]},
    **{name: {"url": "https://e.org/x"} for name in (*MEDIA_TYPES, "embed", "bookmark", "link_preview")},
}
WITHOUT_TEXT = ("divider", "breadcrumb", "table_of_contents", "tab", "column_list", "column", "table", "table_row",
                "synced_block", "link_to_page", "link_preview", "unsupported")  # fmt: skip


@pytest.fixture
def page(ws: Workspace) -> Page:
    return ws.add_page("Handbook")


def children(notion: Client, an_id: str) -> list[dict[str, Any]]:
    return list(collect_paginated_api(notion.blocks.children.list, block_id=an_id))


def shape(notion: Client, an_id: str) -> list[Any]:
    """Types, each with those of its children."""
    return [
        (block["type"], shape(notion, block["id"])) if block["has_children"] else block["type"]
        for block in children(notion, an_id)
    ]


@pytest.mark.parametrize("type_", sorted(DEFAULTS))
def test_every_type_is_served_by_id_and_as_a_child(ws: Workspace, notion: Client, page: Page, type_: str) -> None:
    given = {"page": page} if type_ == "link_to_page" else GIVEN.get(type_, {})
    block = ws.add_block(page, type_, None if type_ in WITHOUT_TEXT else "words", **given)
    answer: dict[str, Any] = notion.blocks.retrieve(block.id)
    assert is_full_block(answer)
    del answer["request_id"]
    assert children(notion, page.id) == [answer]
    assert answer["type"] == type_
    assert answer["parent"] == {"type": "page_id", "page_id": page.id}
    assert (answer["has_children"], answer["in_trash"]) == (False, False)
    assert "archived" not in answer
    if type_ not in WITHOUT_TEXT:
        assert "words" in str(answer[type_])


def test_children_are_listed_a_level_at_a_time(ws: Workspace, notion: Client, page: Page) -> None:
    left = {"type": "column", "children": ["l", {"type": "to_do", "text": "t", "children": ["deep"]}]}
    columns = ws.add_block(page, "column_list", children=[left, {"type": "column", "width_ratio": 0.3}])
    ws.add_block(page, "table", rows=[["1", "2"], ["3", "4"]], has_row_header=True)
    ws.add_block(page, "tab", children=[{"type": "paragraph", "text": "Label", "children": ["below"]}])
    assert shape(notion, page.id) == [
        ("column_list", [("column", ["paragraph", ("to_do", ["paragraph"])]), "column"]),
        ("table", ["table_row", "table_row"]),
        ("tab", [("paragraph", ["paragraph"])]),
    ]
    right = children(notion, columns.id)[1]
    assert right["column"] == {"width_ratio": 0.3}
    assert right["parent"] == {"type": "block_id", "block_id": columns.id}
    table = children(notion, page.id)[1]["table"]
    assert table == {"table_width": 2, "has_column_header": False, "has_row_header": True}


def test_children_come_in_pages_of_100_at_most(ws: Workspace, notion: Client, page: Page) -> None:
    toggle = ws.add_block(page, "toggle", children=[str(number) for number in range(250)])
    first: dict[str, Any] = notion.blocks.children.list(toggle.id)
    assert (len(first["results"]), first["has_more"]) == (100, True)
    assert first["next_cursor"] == toggle.children[100].id
    words = [block["paragraph"]["rich_text"][0]["plain_text"] for block in children(notion, toggle.id)]
    assert words == [str(number) for number in range(250)]
    with pytest.raises(APIResponseError, match="page_size should be ≤ `100`"):
        notion.blocks.children.list(toggle.id, page_size=101)
    with pytest.raises(APIResponseError, match="start_cursor provided is invalid"):
        notion.blocks.children.list(toggle.id, start_cursor=page.id)


def test_pages_of_children_may_be_short(ws: Workspace, notion: Client, page: Page) -> None:
    toggle = ws.add_block(page, "toggle", children=[str(number) for number in range(120)])
    ws.switches.short_pages = True
    first: dict[str, Any] = notion.blocks.children.list(toggle.id)
    assert (0 < len(first["results"]) < 100, first["has_more"]) == (True, True)
    assert [block["id"] for block in children(notion, toggle.id)] == [block.id for block in toggle.children]


def test_text_of_a_page_becomes_nested_blocks_with_ids_of_their_own(ws: Workspace, notion: Client) -> None:
    source = ws.add_database("Tasks", {"Name": "title"}).data_source
    row = source.add_page({"Name": "x"}, content="## Plan\n- one\n  - two\n\n```js\na\n\nb\n```")
    assert shape(notion, row.id) == ["heading_2", ("bulleted_list_item", ["bulleted_list_item"]), "code"]
    listed = children(notion, row.id)
    inner = children(notion, listed[1]["id"])[0]
    again: dict[str, Any] = notion.blocks.retrieve(inner["id"])
    assert {key: again[key] for key in inner} == inner
    assert inner["parent"] == {"type": "block_id", "block_id": listed[1]["id"]}
    assert listed[2]["code"]["rich_text"][0]["plain_text"] == "a\n\nb"
    assert not ws.blocks
    ws.add_block(row, "paragraph", "new")
    assert [block["id"] for block in children(notion, row.id)][:3] == [block["id"] for block in listed]
    ws.edit_page(row, content="other")
    assert shape(notion, row.id) == ["paragraph"]
    with pytest.raises(APIResponseError, match="Could not find block"):
        notion.blocks.retrieve(inner["id"])


def test_blocks_of_text_can_be_edited(ws: Workspace, notion: Client) -> None:
    row = ws.add_database("Tasks", {"Name": "title"}).data_source.add_page({"Name": "x"}, content="one\n- [ ] two")
    paragraph, to_do = ws.blocks_of(row)
    assert isinstance(paragraph, Block)
    assert isinstance(to_do, Block)
    ws.edit_block(to_do, checked=True)
    ws.add_block(to_do, "paragraph", "inside")
    ws.delete_block(paragraph)
    assert shape(notion, row.id) == [("to_do", ["paragraph"])]
    assert children(notion, row.id)[0]["to_do"]["checked"] is True


def test_deleted_blocks_are_found_by_id_alone(ws: Workspace, notion: Client, page: Page) -> None:
    toggle = ws.add_block(page, "toggle", "t", children=["in"])
    inner = toggle.children[0]
    ws.delete_block(toggle)
    assert children(notion, page.id) == []
    for an_id in (toggle.id, inner.id):
        answer: dict[str, Any] = notion.blocks.retrieve(an_id)
        assert answer["in_trash"] is True
    ws.restore_block(toggle)
    assert shape(notion, page.id) == [("toggle", ["paragraph"])]
    ws.delete_block(toggle, for_good=True)
    for an_id in (toggle.id, inner.id):
        with pytest.raises(APIResponseError, match=f"Could not find block with ID: {an_id}"):
            notion.blocks.retrieve(an_id)


def test_moved_blocks_keep_their_id(ws: Workspace, notion: Client, page: Page) -> None:
    block = ws.add_block(page, "paragraph", "x")
    toggle = ws.add_block(page, "toggle", "t")
    last = ws.add_block(page, "paragraph", "last")
    ws.move_block(block, toggle)
    ws.move_block(last, page, after=toggle)
    assert shape(notion, page.id) == [("toggle", ["paragraph"]), "paragraph"]
    assert children(notion, toggle.id)[0]["id"] == block.id
    other = ws.add_page("Other")
    ws.move_block(toggle, other)
    assert [entry["id"] for entry in children(notion, other.id)] == [toggle.id]


def test_pages_show_their_own_content_only(ws: Workspace, notion: Client, page: Page) -> None:
    inner = ws.add_page("Inner", parent=ws.add_block(page, "toggle", "t"))
    empty = ws.add_page("Empty", parent=page)
    hidden = ws.add_page("Hidden", parent=page, shared=False)
    ws.add_block(inner, "paragraph", "words")
    assert shape(notion, page.id) == [("toggle", [("child_page", ["paragraph"])]), "child_page"]
    listed = children(notion, page.id)
    assert [block["id"] for block in listed][1] == empty.id
    assert listed[1]["child_page"] == {"title": "Empty"}
    assert hidden.id not in str(listed)
    ws.add_page("Secret", parent=empty, shared=False)
    assert children(notion, page.id)[1]["has_children"] is False
    with pytest.raises(APIResponseError, match="Could not find block"):
        notion.blocks.children.list(hidden.id)


def test_a_copy_of_a_synced_block_shows_the_originals_children(ws: Workspace, notion: Client, page: Page) -> None:
    original = ws.add_block(page, "synced_block", children=["words"])
    other = ws.add_page("Other")
    copy = ws.add_block(other, "synced_block", synced_from=original)
    answer = children(notion, other.id)[0]
    assert answer["synced_block"] == {"synced_from": {"type": "block_id", "block_id": original.id}}
    assert answer["has_children"] is True
    assert children(notion, page.id)[0]["synced_block"] == {"synced_from": None}
    assert children(notion, copy.id) == children(notion, original.id) != []
    ws.switches.synced_copy_children = "not_found"
    with pytest.raises(APIResponseError, match="Could not find block"):
        notion.blocks.children.list(copy.id)
    ws.switches.synced_copy_children = "original"
    ws.unshare_page(page)
    assert children(notion, copy.id) == []
    assert children(notion, other.id)[0]["has_children"] is True


def test_parts_of_meeting_notes_are_read_by_their_ids(ws: Workspace, url: str, notion: Client, page: Page) -> None:
    ws.add_block(page, "meeting_notes", "Weekly", summary="short", notes="mine", transcript="all")
    notes = children(notion, page.id)[0]["meeting_notes"]
    assert notes["title"][0]["plain_text"] == "Weekly"
    texts = [
        children(notion, part)[0]["paragraph"]["rich_text"][0]["plain_text"] for part in notes["children"].values()
    ]
    assert dict(zip(notes["children"], texts, strict=True)) == {
        "summary_block_id": "short", "notes_block_id": "mine", "transcript_block_id": "all",
    }  # fmt: skip
    headers = {**HEADERS, "Notion-Version": "2025-09-03"}
    with httpx.Client(base_url=url, headers=headers, timeout=PATIENCE) as client:
        old = client.get(f"/v1/blocks/{page.id}/children").json()["results"][0]
    assert (old["type"], old["transcription"], old["archived"]) == ("transcription", notes, False)


def test_an_edit_stamps_block_and_page_and_one_by_the_api_the_block_alone(
    ws: Workspace, notion: Client, page: Page
) -> None:
    block = ws.add_block(page, "paragraph", "one")
    ben = ws.add_user("Ben")

    def stamps() -> tuple[str, str]:
        found: dict[str, Any] = notion.blocks.retrieve(block.id)
        shown: dict[str, Any] = notion.pages.retrieve(page.id)
        return found["last_edited_time"], shown["last_edited_time"]

    ws.clock.advance(timedelta(minutes=5, seconds=30))
    ws.edit_block(block, "two", by=ben)
    assert stamps() == ("2026-07-01T09:05:00.000Z", "2026-07-01T09:05:00.000Z")
    shown: dict[str, Any] = notion.pages.retrieve(page.id)
    assert shown["last_edited_by"]["id"] == ben.id
    ws.clock.advance(timedelta(minutes=5))
    ws.edit_block(block, "three", stamps_page=False)
    assert stamps() == ("2026-07-01T09:10:00.000Z", "2026-07-01T09:05:00.000Z")


def test_blocks_of_what_is_not_shared_are_404_and_403_without_the_capability(
    ws: Workspace, url: str, notion: Client
) -> None:
    secret = ws.add_database("Secret", {"Name": "title"}, shared=False).data_source.add_page({"Name": "x"})
    block = ws.add_block(secret, "toggle", "t", children=["in"])
    for an_id in (secret.id, block.id, block.children[0].id, "00000000-0000-4000-a000-000000000000"):
        with pytest.raises(APIResponseError) as error:
            notion.blocks.children.list(an_id)
        assert (error.value.status, error.value.code) == (404, "object_not_found")
    ws.add_token("ntn_writer", read_content=False)
    headers = HEADERS | {"Authorization": "Bearer ntn_writer"}
    with httpx.Client(base_url=url, headers=headers, timeout=PATIENCE) as client:
        for path in (f"blocks/{block.id}", f"blocks/{block.id}/children", f"pages/{secret.id}/markdown"):
            assert client.get(f"/v1/{path}").json()["code"] == "restricted_resource"


def test_a_granted_connection_sees_the_blocks_of_its_databases_alone(ws: Workspace, url: str) -> None:
    mine, others = (ws.add_database(name, {"Name": "title"}) for name in ("Mine", "Others"))
    blocks = [ws.add_block(entry.data_source.add_page({}), "paragraph", "x") for entry in (mine, others)]
    ws.add_token("ntn_granted", [mine])
    with Client(auth="ntn_granted", base_url=url, retry=False, log_level=60) as client:
        assert client.blocks.retrieve(blocks[0].id)
        with pytest.raises(APIResponseError, match="Could not find block"):
            client.blocks.retrieve(blocks[1].id)
    assert TOKEN != "ntn_granted"


def test_content_of_many_rows_costs_no_blocks(ws: Workspace, notion: Client) -> None:
    source = ws.add_database("Bulk", bulk_schema()).data_source
    rows = add_rows(source, 2_000, start="2024-01-01", minutes=2_000, content="# {number}\nThe text of row {number}")
    assert [block["type"] for block in children(notion, rows[7].id)] == ["heading_1", "paragraph"]
    answer: dict[str, Any] = notion.pages.retrieve_markdown(rows[7].id)
    assert answer["markdown"] == "# 7\nThe text of row 7"
    assert not ws.blocks


def test_blocks_of_a_long_text_are_found_by_their_ids(ws: Workspace, notion: Client) -> None:
    source = ws.add_database("Logs", {"Name": "title"}).data_source
    for lines in (1_000, 1_001):
        row = source.add_page({}, content="\n".join(f"1. line {number}" for number in range(lines)))
        ws.markdown_limit = lines - 1
        answer: dict[str, Any] = notion.pages.retrieve_markdown(row.id)
        (last,) = answer["unknown_block_ids"]
        assert notion.pages.retrieve_markdown(last)["markdown"] == f"{lines}. line {lines - 1}"
    assert len(ws.blocks) == 1_001
