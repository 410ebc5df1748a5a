"""Changes to the sandbox through the public SDK."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from notion_client import APIResponseError, Client

from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.model.objects import DataSource


@pytest.fixture
def tasks(ws: Workspace) -> DataSource:
    schema: dict[str, Any] = {
        "Name": "title", "Note": "rich_text", "Points": "number", "Done": "checkbox", "Due": "date", "Who": "people",
        "State": {"type": "status", "options": ["Todo", "Done"]}, "Kind": {"type": "select", "options": ["Bug"]},
        "Tags": {"type": "multi_select", "options": ["a"]}, "Docs": "files", "Link": "url",
        "Rel": {"type": "relation", "target": "self"}, "Id": {"type": "unique_id"},
    }  # fmt: skip
    return ws.add_database("Tasks", schema).data_source


def rich(content: str) -> list[dict[str, Any]]:
    return [{"text": {"content": content}}]


def test_created_page_has_all_its_values(ws: Workspace, tasks: DataSource, notion: Client) -> None:
    other = tasks.add_page({"Name": "other"})
    ws.clock.advance(timedelta(minutes=3))
    made = notion.pages.create(
        parent={"type": "data_source_id", "data_source_id": tasks.id},
        icon={"type": "emoji", "emoji": "🍏"},
        properties={
            "Name": {"title": rich("New")}, "Note": {"rich_text": rich("text")}, "Points": {"number": 2.5},
            "Done": {"checkbox": True}, "Due": {"date": {"start": "2026-01-01"}},
            "Who": {"people": [{"id": ws.owner.id}]},
            "State": {"status": {"name": "Done"}}, "Kind": {"select": {"name": "Fresh"}},
            "Tags": {"multi_select": [{"name": "a"}, {"name": "b"}]}, "Link": {"url": "https://e.org"},
            "Docs": {"files": [{"name": "f", "external": {"url": "https://e.org/f"}}]},
            "Rel": {"relation": [{"id": other.id.replace("-", "")}]},
        },
    )  # fmt: skip
    assert made["created_time"] == "2026-07-01T09:03:00.000Z"
    assert made["created_by"]["id"] == ws.token.bot.id
    (row,) = notion.data_sources.query(tasks.id, filter={"property": "Points", "number": {"equals": 2.5}})["results"]
    values = {name: value[value["type"]] for name, value in row["properties"].items()}
    assert values["Name"][0]["plain_text"] == "New"
    assert values["Kind"]["name"] == "Fresh"
    assert [option["name"] for option in values["Tags"]] == ["a", "b"]
    assert values["Due"] == {"start": "2026-01-01", "end": None, "time_zone": None}
    assert values["Rel"] == [{"id": other.id}]
    assert values["Who"][0]["id"] == ws.owner.id
    assert values["Docs"][0]["external"]["url"] == "https://e.org/f"
    assert values["Id"] == {"prefix": None, "number": 2}
    assert "Fresh" in [
        o["name"] for o in notion.data_sources.retrieve(tasks.id)["properties"]["Kind"]["select"]["options"]
    ]


def test_edit_bumps_the_stamp_and_names_the_editor(ws: Workspace, tasks: DataSource, notion: Client) -> None:
    page = tasks.add_page({"Name": "a", "Points": 1})
    ws.clock.advance(timedelta(minutes=1, seconds=30))
    edited = notion.pages.update(page.id, properties={"Points": {"number": None}})
    assert edited["last_edited_time"] == "2026-07-01T09:01:00.000Z"
    assert edited["last_edited_by"]["id"] == ws.token.bot.id
    assert edited["properties"]["Points"]["number"] is None
    assert edited["created_time"] == "2026-07-01T09:00:00.000Z"


@pytest.mark.parametrize("bumps", [True, False])
def test_trash_and_archive_bump_as_the_switches_say(
    ws: Workspace, tasks: DataSource, notion: Client, bumps: bool
) -> None:
    ws.switches.trash_bumps = ws.switches.archive_bumps = bumps
    expected = "2026-07-01T09:05:00.000Z" if bumps else "2026-07-01T09:00:00.000Z"
    first, second = tasks.add_page({"Name": "a"}), tasks.add_page({"Name": "b"})
    ws.clock.advance(timedelta(minutes=5))
    trashed = notion.pages.update(first.id, in_trash=True)
    assert (trashed["in_trash"], trashed["last_edited_time"]) == (True, expected)
    archived = notion.request(f"pages/{second.id}", "PATCH", body={"is_archived": True})
    assert (archived["is_archived"], archived["last_edited_time"]) == (True, expected)
    assert notion.data_sources.query(tasks.id)["results"] == []
    notion.pages.update(first.id, in_trash=False)
    notion.request(f"pages/{second.id}", "PATCH", body={"is_archived": False})
    assert len(notion.data_sources.query(tasks.id)["results"]) == 2


@pytest.mark.parametrize(
    "properties",
    [
        {"Nope": {"number": 1}}, {"Points": {"rich_text": []}}, {"Points": {"number": "1"}}, {"Points": 1},
        {"Id": {"unique_id": {"number": 1}}}, {"Done": {"checkbox": "yes"}}, {"Due": {"date": {}}},
        {"Name": {"title": rich("x" * 2001)}}, {"Name": {"title": 3}}, {"Rel": {"relation": [{}]}}, [],
    ],
)  # fmt: skip
def test_malformed_values_are_400(tasks: DataSource, notion: Client, properties: Any) -> None:
    page = tasks.add_page({"Name": "a"})
    if not properties:
        properties = ["x"]
    with pytest.raises(APIResponseError) as caught:
        notion.pages.update(page.id, properties=properties)
    assert (caught.value.status, caught.value.code) == (400, "validation_error")


def test_parents_must_exist_and_be_shared(ws: Workspace, tasks: DataSource, notion: Client) -> None:
    hidden = ws.add_database("Hidden", {"Name": "title"}, shared=False)
    for parent in ({"data_source_id": hidden.data_source.id}, {"database_id": hidden.id}):
        with pytest.raises(APIResponseError, match="Could not find"):
            notion.pages.create(parent=parent, properties={})
    with pytest.raises(APIResponseError, match="parent"):
        notion.pages.create(parent={}, properties={})
    made = notion.pages.create(parent={"database_id": tasks.database.id}, properties={})
    assert made["parent"]["data_source_id"] == tasks.id


def test_schema_changes_keep_property_ids_and_row_stamps(ws: Workspace, tasks: DataSource, notion: Client) -> None:
    page = tasks.add_page({"Points": 3, "Kind": "Bug", "Note": "gone"})
    before = notion.data_sources.retrieve(tasks.id)["properties"]
    ws.clock.advance(timedelta(minutes=10))
    options = [*before["Tags"]["multi_select"]["options"], {"name": "new"}]
    answer = notion.data_sources.update(
        tasks.id,
        properties={
            "Points": {"name": "Score"}, "Kind": {"rich_text": {}},
            "Note": None, "Extra": {"number": {"format": "euro"}}, "Tags": {"multi_select": {"options": options}},
            "Link to": {"relation": {"data_source_id": tasks.id, "dual_property": {"synced_property_name": "Back"}}},
        },
    )  # fmt: skip
    after = answer["properties"]
    assert after["Score"]["id"] == before["Points"]["id"]
    assert (after["Kind"]["type"], after["Kind"]["id"]) == ("rich_text", before["Kind"]["id"])
    assert "Note" not in after
    assert after["Extra"]["number"] == {"format": "euro"}
    assert [option["name"] for option in after["Tags"]["multi_select"]["options"]] == ["a", "new"]
    assert after["Link to"]["relation"]["dual_property"]["synced_property_name"] == "Back"
    assert after["Back"]["relation"]["dual_property"]["synced_property_name"] == "Link to"
    assert answer["last_edited_time"] == "2026-07-01T09:10:00.000Z"
    row = notion.pages.retrieve(page.id)
    assert row["last_edited_time"] == "2026-07-01T09:00:00.000Z"
    assert row["properties"]["Score"]["number"] == 3
    assert row["properties"]["Kind"]["rich_text"][0]["plain_text"] == "Bug"


def test_option_rename_and_removal_show_in_rows(tasks: DataSource, notion: Client) -> None:
    page = tasks.add_page({"Kind": "Bug", "Tags": ["a"]})
    kind = notion.data_sources.retrieve(tasks.id)["properties"]["Kind"]["select"]["options"]
    notion.data_sources.update(
        tasks.id,
        properties={
            "Kind": {"select": {"options": [{"id": kind[0]["id"], "name": "Defect"}]}},
            "Tags": {"multi_select": {"options": []}},
        },
    )
    row = notion.pages.retrieve(page.id)["properties"]
    assert row["Kind"]["select"] == {"id": kind[0]["id"], "name": "Defect", "color": kind[0]["color"]}
    assert row["Tags"]["multi_select"] == []


def test_rollup_can_be_added(tasks: DataSource, notion: Client) -> None:
    config = {"relation_property_name": "Rel", "rollup_property_name": "Points", "function": "sum"}
    after = notion.data_sources.update(tasks.id, properties={"Sum": {"rollup": config}})["properties"]
    assert after["Sum"]["rollup"]["function"] == "sum"
    with pytest.raises(APIResponseError, match="not a change that can be made"):
        notion.data_sources.update(tasks.id, properties={"Bad": {"rollup": config | {"function": "nope"}}})
    with pytest.raises(APIResponseError, match="title property cannot be removed"):
        notion.data_sources.update(tasks.id, properties={"Name": None})


def test_database_is_renamed_and_trashed(ws: Workspace, tasks: DataSource, notion: Client) -> None:
    ws.clock.advance(timedelta(minutes=2))
    renamed = notion.databases.update(tasks.database.id, title=rich("Chores"))
    assert renamed["title"][0]["plain_text"] == "Chores"
    assert renamed["last_edited_time"] == "2026-07-01T09:02:00.000+00:00"
    assert notion.data_sources.retrieve(tasks.id)["title"][0]["plain_text"] == "Chores"
    ws.clock.advance(timedelta(minutes=2))
    assert (
        notion.databases.update(tasks.database.id, icon={"type": "emoji", "emoji": "🍏"})["last_edited_time"]
        == renamed["last_edited_time"]
    )
    assert notion.databases.update(tasks.database.id, in_trash=True)["in_trash"] is True
    source = notion.data_sources.retrieve(tasks.id)
    assert (source["in_trash"], source["last_edited_time"]) == (True, "2026-07-01T09:04:00.000Z")


def test_data_source_is_retitled_and_trashed_apart(tasks: DataSource, notion: Client) -> None:
    notion.data_sources.update(tasks.id, title=rich("Rows"))
    database = notion.databases.retrieve(tasks.database.id)
    assert database["title"][0]["plain_text"] == "Tasks"
    assert database["data_sources"][0]["name"] == "Rows"
    assert notion.data_sources.update(tasks.id, in_trash=True)["in_trash"] is True
    assert notion.databases.retrieve(tasks.database.id)["in_trash"] is False
