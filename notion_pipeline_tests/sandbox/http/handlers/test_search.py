"""The sandbox's search and what each token sees (notion-api.md section 8)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from notion_client import APIResponseError, Client
from notion_client.helpers import collect_paginated_api, is_full_page_or_data_source

from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.model.objects import Database

SOURCES = {"property": "object", "value": "data_source"}
PAGES = {"property": "object", "value": "page"}


@pytest.fixture
def databases(ws: Workspace) -> list[Database]:
    made = []
    for number in range(5):
        ws.clock.advance(timedelta(minutes=1))
        made.append(ws.add_database(f"Base {number}", {"Name": "title"}))
        made[-1].data_source.add_page({"Name": f"Row of {number}"})
    return made


def found(notion: Client, **body: Any) -> list[str]:
    return [entry["id"] for entry in collect_paginated_api(notion.search, **body)]


def ids(databases: list[Database]) -> list[str]:
    return [database.data_source.id for database in databases]


def test_data_sources_come_in_full_latest_edit_first(databases: list[Database], notion: Client) -> None:
    assert found(notion, filter=SOURCES, page_size=2) == ids(databases)[::-1]
    ascending = {"timestamp": "last_edited_time", "direction": "ascending"}
    assert found(notion, filter=SOURCES, sort=ascending) == ids(databases)
    answer = notion.search(filter=SOURCES)
    assert answer["type"] == "page_or_data_source"
    assert all(is_full_page_or_data_source(entry) and "request_id" not in entry for entry in answer["results"])
    assert "Name" in answer["results"][0]["properties"]


def test_without_filter_pages_come_too(ws: Workspace, databases: list[Database], notion: Client) -> None:
    assert len(found(notion)) == 2 * len(databases) + 1
    assert ws.home.id in found(notion, filter=PAGES)


def test_titles_are_matched_of_sources_the_databases(ws: Workspace, databases: list[Database], notion: Client) -> None:
    second = databases[3].add_data_source("Elsewhere", {"Name": "title"})
    assert set(found(notion, query="base 3", filter=SOURCES)) == {databases[3].data_source.id, second.id}
    assert found(notion, query="Elsewhere") == []
    assert found(notion, query="row of 2") == [databases[2].data_source.pages[0].id]
    assert found(notion, query=databases[3].id) == []


def test_unknown_filters_and_foreign_cursors_are_400(databases: list[Database], notion: Client) -> None:
    for filter_ in ({"property": "object", "value": "database"}, {"value": "page"}, {"nope": 1}):
        with pytest.raises(APIResponseError):
            notion.search(filter=filter_)
    cursor = notion.search(filter=SOURCES, page_size=2)["next_cursor"]
    with pytest.raises(APIResponseError, match="The start_cursor provided is invalid"):
        notion.search(filter=PAGES, page_size=2, start_cursor=cursor)


def test_index_lags_behind_edits_and_sharing(ws: Workspace, databases: list[Database], notion: Client) -> None:
    ws.switches.search_lag_seconds = 90
    assert found(notion, filter=SOURCES) == ids(databases)[2::-1]
    ws.clock.advance(timedelta(minutes=5))
    assert len(found(notion, filter=SOURCES)) == 5
    ws.share(databases[0])
    assert len(found(notion, filter=SOURCES)) == 4


def test_index_has_gaps(ws: Workspace, databases: list[Database], notion: Client) -> None:
    ws.switches.search_gaps = {databases[1].id, databases[2].data_source.id}
    assert set(found(notion, filter=SOURCES)) == set(ids(databases)) - {ids(databases)[1], ids(databases)[2]}
    assert notion.databases.retrieve(databases[1].id)["id"] == databases[1].id


def test_trashed_sources_are_listed_as_the_switch_says(
    ws: Workspace, databases: list[Database], notion: Client
) -> None:
    ws.trash_database(databases[0])
    trashed = databases[0].data_source.id
    listed = {entry["id"]: entry["in_trash"] for entry in notion.search(filter=SOURCES)["results"]}
    assert listed[trashed] is True
    assert found(notion, filter={**SOURCES, "in_trash": True}) == [trashed]
    assert trashed not in found(notion, filter={**SOURCES, "in_trash": False})
    assert databases[0].data_source.pages[0].id in found(notion, filter={"in_trash": True})
    ws.switches.search_lists_trashed = False
    assert trashed not in found(notion, filter=SOURCES)


def test_trashed_pages_are_found_in_the_trash_alone(ws: Workspace, databases: list[Database], notion: Client) -> None:
    page = databases[0].data_source.pages[0]
    ws.trash(page)
    assert page.id not in found(notion, filter=PAGES)
    assert found(notion, filter={**PAGES, "in_trash": True}) == [page.id]


def test_each_token_sees_what_it_was_granted(ws: Workspace, databases: list[Database], url: str) -> None:
    hidden = ws.add_database("Hidden", {"Name": "title"}, shared=False)
    ws.add_token("ntn_two", [databases[0], hidden])
    with Client(auth="ntn_two", base_url=url, notion_version="2026-03-11", retry=False, log_level=60) as other:
        assert set(found(other, filter=SOURCES)) == {databases[0].data_source.id, hidden.data_source.id}
        assert found(other, filter=PAGES) == [databases[0].data_source.pages[0].id]
        with pytest.raises(APIResponseError, match="Could not find database"):
            other.databases.retrieve(databases[1].id)
        ws.share(databases[1], "ntn_two")
        assert other.databases.retrieve(databases[1].id)["id"] == databases[1].id
        ws.unshare(hidden, "ntn_two")
        with pytest.raises(APIResponseError, match="Could not find data_source"):
            other.data_sources.retrieve(hidden.data_source.id)


def test_deleted_database_is_nowhere(ws: Workspace, databases: list[Database], notion: Client) -> None:
    ws.delete_database(databases[0])
    assert databases[0].data_source.id not in found(notion, filter=SOURCES)
    with pytest.raises(APIResponseError, match="Could not find page"):
        notion.pages.retrieve(databases[0].data_source.pages[0].id)


def test_oauth_bot_names_its_owner(ws: Workspace, url: str) -> None:
    ws.add_token("ntn_oauth", owner=ws.owner)
    with Client(auth="ntn_oauth", base_url=url, notion_version="2026-03-11", log_level=60) as other:
        owner = other.users.me()["bot"]["owner"]
    assert (owner["type"], owner["user"]["id"]) == ("user", ws.owner.id)
