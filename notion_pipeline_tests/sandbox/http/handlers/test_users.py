"""Users: who is listed, who is found by id, and what a connection's capabilities leave out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from notion_client import APIResponseError, Client
from notion_client.helpers import collect_paginated_api

from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline_tests.support.sandbox.public_sdk import LATEST

Connect = Callable[[str], Client]


@pytest.fixture
def connect(url: str) -> Iterator[Connect]:
    """The public SDK's client for another token of the workspace."""
    with ExitStack() as stack:
        yield lambda token: stack.enter_context(
            Client(auth=token, base_url=url, notion_version=LATEST, retry=False, log_level=60)
        )


def refusal(ask: Callable[[], Any]) -> tuple[int, str]:
    with pytest.raises(APIResponseError) as raised:
        ask()
    return raised.value.status, raised.value.code


def test_me_is_the_bot_with_its_workspace(notion: Client) -> None:
    me = notion.users.me()
    assert me["type"] == "bot"
    assert me["bot"]["workspace_name"] == "Acme"
    assert me["bot"]["owner"] == {"type": "workspace", "workspace": True}
    assert me["request_id"]


@pytest.mark.parametrize("short_pages", [False, True])
def test_list_has_members_and_bots_in_no_promised_order(ws: Workspace, notion: Client, short_pages: bool) -> None:
    ws.switches.short_pages = short_pages
    members = [ws.add_user(f"Person {number}", f"p{number}@example.com") for number in range(12)]
    guest = ws.add_user("Guest", "guest@example.com", guest=True)
    robot = ws.add_user("Robot", kind="bot")
    listed = [user["id"] for user in collect_paginated_api(notion.users.list, page_size=5)]
    assert sorted(listed) == sorted(ws.users.keys() - {guest.id})
    assert robot.id in listed
    assert [user_id for user_id in listed if user_id in {user.id for user in members}] != [user.id for user in members]


def test_guests_are_read_by_id(ws: Workspace, notion: Client) -> None:
    guest = ws.add_user("Guest", "guest@example.com", guest=True, avatar_url="https://example.com/g.png")
    read = notion.users.retrieve(guest.id)
    assert {key: read[key] for key in ("id", "type", "name", "avatar_url")} == {
        "id": guest.id, "type": "person", "name": "Guest", "avatar_url": "https://example.com/g.png",
    }  # fmt: skip
    assert read["person"]["email"] == "guest@example.com"
    assert refusal(lambda: notion.users.retrieve("00000000-0000-4000-a000-000000000000")) == (404, "object_not_found")


def test_guest_in_a_row_is_shown_in_full(ws: Workspace, notion: Client) -> None:
    guest = ws.add_user(None, guest=True)
    source = ws.add_database("Tasks", {"Name": "title", "Who": "people"}).data_source
    source.add_page({"Who": [guest]}, created_by=guest)
    (row,) = notion.data_sources.query(source.id)["results"]
    assert row["properties"]["Who"]["people"] == [
        {"object": "user", "id": guest.id, "name": None, "avatar_url": None, "type": "person", "person": {}}
    ]


def test_groups_stand_in_values_and_have_no_endpoint(ws: Workspace, notion: Client) -> None:
    crew, nameless = ws.add_group("Crew"), ws.add_group(None)
    source = ws.add_database("Tasks", {"Name": "title", "Who": "people"}).data_source
    page = source.add_page({"Who": [crew, ws.owner, nameless]})
    shown = notion.pages.retrieve(page.id)["properties"]["Who"]["people"]
    assert [(entry["object"], entry["name"]) for entry in shown] == [
        ("group", "Crew"),
        ("user", "Ada Owner"),
        ("group", None),
    ]
    assert refusal(lambda: notion.users.retrieve(str(crew["id"]))) == (404, "object_not_found")


def test_without_the_capability_no_user_is_given(ws: Workspace, connect: Connect) -> None:
    ws.add_token("ntn_blind", user_information="none")
    page = ws.add_database("Tasks", {"Name": "title", "Who": "people"}).data_source.add_page({"Who": [ws.owner]})
    blind = connect("ntn_blind")
    assert refusal(blind.users.list) == (403, "restricted_resource")
    assert refusal(lambda: blind.users.retrieve(ws.owner.id)) == (403, "restricted_resource")
    assert blind.users.me()["type"] == "bot"
    assert blind.pages.retrieve(page.id)["properties"]["Who"]["people"] == [{"object": "user", "id": ws.owner.id}]


def test_without_emails_there_are_names_alone(ws: Workspace, connect: Connect) -> None:
    ws.add_token("ntn_names", user_information="without_email")
    people = [user for user in connect("ntn_names").users.list()["results"] if user["type"] == "person"]
    assert [(user["name"], user["person"]) for user in people] == [("Ada Owner", {})]


def test_personal_token_is_its_person_and_lists_nobody(ws: Workspace, connect: Connect) -> None:
    boss = ws.add_user("Boss", "boss@example.com")
    unshared = ws.add_database("Secret", {"Name": "title"}, shared=False)
    before = len(ws.users)
    ws.add_personal_token("ntn_personal", boss)
    assert len(ws.users) == before
    personal = connect("ntn_personal")
    me = personal.users.me()
    assert (me["id"], me["type"], me["person"]["email"]) == (boss.id, "person", "boss@example.com")
    assert "bot" not in me
    assert refusal(personal.users.list) == (403, "restricted_resource")
    assert personal.users.retrieve(ws.owner.id)["name"] == "Ada Owner"
    assert personal.databases.retrieve(unshared.id)["id"] == unshared.id
