"""The sandbox's reading endpoints, with the public SDK as referee and plain HTTP for what it would not send."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest
from notion_client import APIResponseError, Client
from notion_client.helpers import collect_paginated_api, is_full_data_source, is_full_page

from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.model.values import UNSUPPORTED, Raw
from notion_pipeline_tests.support.patience import PATIENCE
from notion_pipeline_tests.support.sandbox.public_sdk import LATEST, TOKEN

BEFORE = "2025-09-03"
NOWHERE = "00000000-0000-4000-a000-000000000000"


def http(url: str, version: str | None = LATEST, token: str = TOKEN, **headers: str) -> httpx.Client:
    given = {"Authorization": f"Bearer {token}", **headers} | ({"Notion-Version": version} if version else {})
    return httpx.Client(base_url=url, headers=given, timeout=PATIENCE)


def body_of(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status
    found: dict[str, Any] = answer.json()
    return found


def test_tokens_without_read_capability_get_403(ws: Workspace, url: str) -> None:
    database = ws.add_database("Tasks", {"Name": "title"})
    ws.add_token("ntn_writer", read_content=False)
    with http(url, token="ntn_writer") as client:
        assert body_of(client.get(f"/v1/databases/{database.id}"), 403)["code"] == "restricted_resource"


def test_database_container_has_millisecond_stamps_and_no_properties(ws: Workspace, notion: Client) -> None:
    moment = datetime(2026, 7, 4, 9, 8, 57, 778000, tzinfo=timezone.utc)
    database = ws.add_database("Tasks", {"Name": "title"}, created_at=moment)
    answer = notion.databases.retrieve(database.id.replace("-", ""))
    assert answer["id"] == database.id
    assert answer["created_time"] == "2026-07-04T09:08:57.778+00:00"
    assert answer["data_sources"] == [{"id": database.data_source.id, "name": "Tasks"}]
    assert "properties" not in answer
    assert "archived" not in answer


def test_data_source_has_schema_and_minute_floored_stamps(ws: Workspace, notion: Client) -> None:
    moment = datetime(2026, 7, 4, 9, 8, 57, 778000, tzinfo=timezone.utc)
    schema = {"Name": "title", "State": {"type": "status", "options": ["Todo", "Done"]}, "N": {"type": "number"}}
    source = ws.add_database("Tasks", schema, created_at=moment).data_source
    answer = notion.data_sources.retrieve(source.id)
    assert is_full_data_source(answer)
    assert answer["created_time"] == "2026-07-04T09:08:00.000Z"
    assert list(answer["properties"]) == ["Name", "State", "N"]
    assert answer["properties"]["Name"] == {
        "id": "title", "name": "Name", "description": None, "type": "title", "title": {},
    }  # fmt: skip
    state = answer["properties"]["State"]["status"]
    grouped = [option for group in state["groups"] for option in group["option_ids"]]
    assert sorted(grouped) == sorted(option["id"] for option in state["options"])


def test_version_before_2026_has_archived_beside_in_trash(ws: Workspace, url: str) -> None:
    database = ws.add_database("Tasks", {"Name": "title"})
    page = database.data_source.add_page({"Name": "x"})
    with http(url, BEFORE) as client:
        for path in (f"/v1/pages/{page.id}", f"/v1/databases/{database.id}"):
            answer = body_of(client.get(path), 200)
            assert answer["archived"] is answer["in_trash"] is False


def test_every_property_type_is_served_filled_and_empty(ws: Workspace, notion: Client) -> None:
    other = ws.add_database("Projects", {"Name": "title", "Cost": "number"}).data_source
    project = other.add_page({"Name": "P", "Cost": 4})
    schema: dict[str, Any] = {
        "Name": "title", "Text": "rich_text", "Number": "number", "Check": "checkbox", "Url": "url", "Mail": "email",
        "Phone": "phone_number", "Date": "date", "People": "people", "Files": "files", "Made": "created_time",
        "Maker": "created_by", "Changed": "last_edited_time", "Changer": "last_edited_by", "Button": "button",
        "Select": {"type": "select", "options": ["a"]}, "Many": {"type": "multi_select", "options": ["a", "b"]},
        "State": {"type": "status"}, "Rel": {"type": "relation", "target": other},
        "Sum": {"type": "rollup", "relation": "Rel", "property": "Cost", "function": "sum"},
        "All": {"type": "rollup", "relation": "Rel", "property": "Name", "function": "show_original"},
        "Calc": {"type": "formula", "expression": "prop(\"Number\") * 2", "compute": lambda page: page["Number"]},
        "Gone": {"type": "formula", "compute": lambda page: UNSUPPORTED},
        "Id": {"type": "unique_id", "prefix": "T"}, "Verified": "verification", "Place": "place",
    }  # fmt: skip
    source = ws.add_database("Everything", schema).data_source
    filled = source.add_page(
        {
            "Name": "x", "Text": "y", "Number": 1.5, "Check": True, "Url": "https://e.org", "Mail": "a@e.org",
            "Phone": "1", "Date": {"start": "2024-05-10", "end": "2024-05-11"}, "People": [ws.owner],
            "Files": [{"name": "f", "url": "https://e.org/f"}, {"name": "g", "hosted": "g.pdf"}],
            "Select": "a", "Many": ["a", "b"], "State": "Done", "Rel": [project],
            "Place": Raw({"lat": 1.0, "lon": 2.0, "name": None}),
        }
    )  # fmt: skip
    empty = source.add_page({})
    got, bare = (notion.pages.retrieve(page.id)["properties"] for page in (filled, empty))
    values = {name: value[value["type"]] for name, value in got.items()}
    nothing = {name: value[value["type"]] for name, value in bare.items()}
    assert values["Number"] == 1.5
    assert values["Select"]["name"] == "a"
    assert [option["name"] for option in values["Many"]] == ["a", "b"]
    assert values["Date"] == {"start": "2024-05-10", "end": "2024-05-11", "time_zone": None}
    assert values["People"][0]["person"]["email"] == "ada@example.com"
    assert [entry["type"] for entry in values["Files"]] == ["external", "file"]
    assert values["Sum"] == {"type": "number", "number": 4, "function": "sum"}
    assert values["All"]["array"][0]["title"][0]["plain_text"] == "P"
    assert values["Calc"] == {"type": "number", "number": 1.5}
    assert values["Gone"] == {"type": "unsupported", "unsupported": {}}
    assert values["Id"] == {"prefix": "T", "number": 1}
    assert values["Place"] == {"lat": 1.0, "lon": 2.0, "name": None}
    for name in ("Text", "Many", "People", "Files", "Rel"):
        assert nothing[name] == []
    for name in ("Number", "Url", "Mail", "Phone", "Date", "Select", "State", "Verified", "Place"):
        assert nothing[name] is None
    assert nothing["Check"] is False
    assert nothing["Button"] == {}


def test_hosted_files_are_signed_anew_at_each_read(ws: Workspace, notion: Client) -> None:
    source = ws.add_database("Docs", {"Name": "title", "Files": "files"}).data_source
    source.add_page({"Files": [{"name": "g", "hosted": "g.pdf"}]}, icon={"hosted": "icon.png"})
    files = []
    for _ in range(2):
        row = notion.data_sources.query(source.id)["results"][0]
        files.append((row["properties"]["Files"]["files"][0]["file"], row["icon"]["file"]))
    assert files[0][0]["url"] != files[1][0]["url"]
    assert files[0][1]["url"] != files[1][1]["url"]
    assert files[0][0]["expiry_time"] == "2026-07-01T10:00:00.000Z"


def test_relation_to_a_database_not_shared_reads_as_empty(ws: Workspace, notion: Client) -> None:
    secret = ws.add_database("Secret", {"Name": "title", "N": "number"}, shared=False)
    hidden = secret.data_source.add_page({"Name": "x", "N": 3})
    schema = {
        "Name": "title",
        "Rel": {"type": "relation", "target": secret},
        "Sum": {"type": "rollup", "relation": "Rel", "property": "N", "function": "sum"},
    }
    page = ws.add_database("Tasks", schema).data_source.add_page({"Rel": [hidden]})
    shown = notion.pages.retrieve(page.id)["properties"]
    assert shown["Rel"]["relation"] == []
    assert shown["Sum"]["rollup"]["number"] == 0
    ws.share(secret)
    shown = notion.pages.retrieve(page.id)["properties"]
    assert shown["Rel"]["relation"] == [{"id": hidden.id}]
    assert shown["Sum"]["rollup"]["number"] == 3


def test_property_ids_hold_reserved_characters_and_come_encoded(ws: Workspace, notion: Client) -> None:
    schema = {"Name": "title", "A": {"type": "number", "id": ";HF{"}, "B": {"type": "number", "id": "a%b/"}}
    source = ws.add_database("Tasks", schema).data_source
    page = source.add_page({"A": 1, "B": 2})
    shown = notion.pages.retrieve(page.id)["properties"]
    assert shown["A"]["id"] == "%3BHF%7B"
    assert shown["B"]["id"] == "a%25b%2F"
    for name, value in (("A", 1), ("B", 2)):
        assert notion.pages.properties.retrieve(page.id, shown[name]["id"])["number"] == value
    assert notion.data_sources.retrieve(source.id)["properties"]["A"]["id"] == "%3BHF%7B"
    ws.switches.raw_property_ids = True
    assert notion.data_sources.retrieve(source.id)["properties"]["A"]["id"] == ";HF{"


def test_generated_property_ids_are_the_same_in_every_run() -> None:
    def ids() -> list[str]:
        source = Workspace(seed=3).add_database("T", {f"P{n}": "number" for n in range(40)}).data_source
        return [prop.id for prop in source.properties.values()]

    assert ids() == ids()
    assert any(not character.isalnum() for prop_id in ids() for character in prop_id)


def test_pages_and_databases_are_blocks_too(ws: Workspace, notion: Client) -> None:
    database = ws.add_database("Tasks", {"Name": "title"})
    hidden = ws.add_database("Hidden", {"Name": "title"}, shared=False)
    page = database.data_source.add_page({"Name": "x"}, content="one\ntwo\nthree")
    children = notion.blocks.children.list(ws.home.id)["results"]
    assert [block["id"] for block in children] == [database.id]
    assert children[0]["child_database"] == {"title": "Tasks"}
    assert hidden.id not in {block["id"] for block in children}
    paragraphs = collect_paginated_api(notion.blocks.children.list, block_id=page.id, page_size=2)
    assert [block["paragraph"]["rich_text"][0]["plain_text"] for block in paragraphs] == ["one", "two", "three"]
    first = notion.blocks.children.list(page.id, page_size=2)
    assert first["next_cursor"] == paragraphs[2]["id"]
    assert notion.pages.retrieve_markdown(page.id)["markdown"] == "one\ntwo\nthree"
    assert notion.comments.list(block_id=page.id)["results"] == []


def test_templates_have_neither_object_nor_request_id(ws: Workspace, notion: Client) -> None:
    source = ws.add_database("Tasks", {"Name": "title"}).data_source
    source.templates.append({"id": NOWHERE, "name": "Bug", "is_default": False})
    answer = notion.data_sources.list_templates(source.id)
    assert answer == {
        "templates": [{"id": NOWHERE, "name": "Bug", "is_default": False}], "has_more": False, "next_cursor": None,
    }  # fmt: skip


def test_templates_come_in_pages_and_by_name(ws: Workspace, notion: Client, url: str) -> None:
    source = ws.add_database("Tasks", {"Name": "title"}).data_source
    templates = [{"id": ws.ids.uuid(), "name": name, "is_default": False} for name in ("Bug", "Big bug", "Idea")]
    source.templates += templates
    first = notion.data_sources.list_templates(source.id, page_size=2)
    assert (first["templates"], first["next_cursor"]) == (templates[:2], templates[2]["id"])
    rest = notion.data_sources.list_templates(source.id, start_cursor=first["next_cursor"])
    assert (rest["templates"], rest["has_more"]) == (templates[2:], False)
    with http(url) as client:
        named = body_of(client.get(f"/v1/data_sources/{source.id}/templates", params={"name": "bug"}), 200)
    assert named["templates"] == templates[:2]


def test_trashed_pages_are_found_by_id(ws: Workspace, notion: Client) -> None:
    page = ws.add_database("Tasks", {"Name": "title"}).data_source.add_page({"Name": "x"})
    ws.trash(page)
    answer = notion.pages.retrieve(page.id)
    assert is_full_page(answer)
    assert answer["in_trash"] is True
    ws.delete(page)
    with pytest.raises(APIResponseError, match="Could not find page"):
        notion.pages.retrieve(page.id)


def test_wrong_token_is_401_and_revoked_one_too(ws: Workspace, url: str) -> None:
    ws.add_token("ntn_other")
    ws.revoke_token("ntn_other")
    for token in ("nonsense", "ntn_other"):
        with http(url, token=token) as client:
            body = body_of(client.get("/v1/users/me"), 401)
        assert (body["code"], body["message"]) == ("unauthorized", "API token is invalid.")


@pytest.mark.parametrize("version", [None, "2022-06-28", "2026-01-01", "latest", ""])
def test_missing_or_unknown_version_is_400(url: str, version: str | None) -> None:
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=PATIENCE) as client:
        headers = {} if version is None else {"Notion-Version": version}
        body = body_of(client.get("/v1/users/me", headers=headers), 400)
    assert body["code"] == "missing_version"
    assert body["message"].startswith("Notion-Version header failed validation: ")


def test_beta_header_is_400(url: str) -> None:
    with http(url, **{"Notion-Beta": "x"}) as client:
        assert body_of(client.get("/v1/users/me"), 400)["code"] == "invalid_beta"


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/v1/nonsense"), ("DELETE", "/v1/search"), ("GET", "/v1/pages"), ("GET", "/v1")]
)
def test_unknown_paths_are_400_not_404(url: str, method: str, path: str) -> None:
    with http(url) as client:
        body = body_of(client.request(method, path), 400)
    assert (body["code"], body["message"]) == ("invalid_request_url", "Invalid request URL.")


def test_body_that_is_no_json_is_400(ws: Workspace, url: str) -> None:
    with http(url) as client:
        body = body_of(client.post("/v1/search", content=b"{nope"), 400)
    assert (body["code"], body["message"]) == ("invalid_json", "Error parsing JSON body.")


def test_absent_and_unshared_are_the_same_404(ws: Workspace, url: str) -> None:
    hidden = ws.add_database("Hidden", {"Name": "title"}, shared=False)
    page = hidden.data_source.add_page({"Name": "x"})
    with http(url) as client:
        for kind, path, found in (
            ("page", "pages", page.id), ("page", "pages", NOWHERE), ("database", "databases", hidden.id),
            ("data_source", "data_sources", hidden.data_source.id), ("data_source", "data_sources", hidden.id),
        ):  # fmt: skip
            body = body_of(client.get(f"/v1/{path}/{found}"), 404)
            assert body["code"] == "object_not_found"
            assert body["additional_data"] == {"integration_id": ws.integration_id}
            assert body["message"] == (
                f"Could not find {kind} with ID: {found}. Make sure the relevant pages and databases are shared with "
                f'your integration "{ws.integration_name}".'
            )
        assert body_of(client.get("/v1/pages/not-an-id"), 400)["code"] == "validation_error"


def test_answers_carry_request_ids_and_the_clocks_date(ws: Workspace, url: str) -> None:
    ws.clock.set(datetime(2027, 1, 2, 3, 4, 5, tzinfo=timezone.utc))
    ws.clock.skew = timedelta(minutes=-7)
    with http(url) as client:
        answer = client.get("/v1/users/me")
    assert answer.headers.get_list("date") == ["Sat, 02 Jan 2027 02:57:05 GMT"]
    assert parsedate_to_datetime(answer.headers["date"]) == ws.clock.header_time()
    assert answer.headers["x-notion-request-id"] == answer.json()["request_id"]


def test_running_clock_follows_real_time() -> None:
    ws = Workspace(clock_runs=True)
    before = datetime.now(timezone.utc)
    first = ws.clock.now()
    while (later := ws.clock.now()) == first:
        pass
    assert timedelta(0) < later - first <= datetime.now(timezone.utc) - before
