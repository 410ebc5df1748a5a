"""What Notion refuses and in which words: a request that the sandbox let pass would fail in production only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.model.objects import DataSource
from notion_pipeline_tests.support.patience import PATIENCE
from notion_pipeline_tests.support.sandbox.public_sdk import HEADERS, TOKEN

NOWHERE = "00000000-0000-4000-a000-000000000000"


@pytest.fixture
def tasks(ws: Workspace) -> DataSource:
    source = ws.add_database("Tasks", {"Name": "title", "N": {"type": "number", "id": ";HF{"}}).data_source
    for number in range(3):
        source.add_page({"Name": str(number), "N": number})
    return source


@pytest.fixture
def http(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, headers=HEADERS, timeout=PATIENCE) as client:
        yield client


def refusal(answer: httpx.Response, status: int = 400, code: str = "validation_error") -> str:
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    return str(answer.json()["message"])


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/users?cursor=x"),
        ("GET", "/v1/users/me?page_size=1"),
        ("POST", "/v1/search?page_size=1"),
        ("GET", "/v1/databases/{database}?filter_properties=title"),
        ("POST", "/v1/data_sources/{source}/query?page_size=1"),
        ("GET", "/v1/data_sources/{source}/templates?type=x"),
        ("GET", "/v1/pages/{page}?start_cursor=x"),
        ("GET", "/v1/pages/{page}/properties/title?filter=x"),
        ("GET", "/v1/blocks/{page}/children?depth=2"),
        ("GET", "/v1/comments?block_id={page}&resolved=true"),
    ],
)
def test_query_parameter_that_is_not_known(http: httpx.Client, tasks: DataSource, method: str, path: str) -> None:
    filled = path.format(database=tasks.database.id, source=tasks.id, page=tasks.pages[0].id)
    message = refusal(http.request(method, filled, json={} if method == "POST" else None))
    name, value = filled.rpartition("?")[2].rpartition("&")[2].split("=")
    assert message == f'query failed validation: query.{name} should be not present, instead was `"{value}"`.'


@pytest.mark.parametrize("path", ["/v1/search", "/v1/data_sources/{source}/query"])
@pytest.mark.parametrize("body", [b"null", b"[]", b'"text"'])
def test_body_that_is_no_object(http: httpx.Client, tasks: DataSource, path: str, body: bytes) -> None:
    answer = http.post(path.format(source=tasks.id), content=body)
    assert refusal(answer) == f"body failed validation: body should be an object, instead was `{body.decode()}`."


@pytest.mark.parametrize("path", ["/v1/search", "/v1/data_sources/{source}/query"])
def test_filter_that_is_null(http: httpx.Client, tasks: DataSource, path: str) -> None:
    message = refusal(http.post(path.format(source=tasks.id), json={"filter": None}))
    assert message.startswith("body failed validation: body.filter should")


def test_filter_of_more_than_100_conditions(http: httpx.Client, tasks: DataSource) -> None:
    leaf = {"property": "N", "number": {"equals": 1}}
    query = f"/v1/data_sources/{tasks.id}/query"
    full = {"and": [leaf, {"or": [leaf] * 99}]}
    assert len(http.post(query, json={"filter": full}).json()["results"]) == 1
    assert "101" in refusal(http.post(query, json={"filter": {"and": [*full["and"], leaf]}}))


@pytest.mark.parametrize(
    ("body", "quote"),
    [
        ({"sorts": "x"}, 'body.sorts should be an array, instead was `"x"`.'),
        ({"page_size": None}, "body.page_size should be a number, instead was `null`."),
        ({"page_size": False}, "body.page_size should be a number, instead was `false`."),
        ({"filter": {"and": {"a": [1, "ü"]}}}, 'body.filter.and should be an array, instead was `{"a":[1,"ü"]}`.'),
        ({"odd": True}, "body.odd should be not present, instead was `true`."),
    ],
)
def test_values_are_quoted_as_json(http: httpx.Client, tasks: DataSource, body: Any, quote: str) -> None:
    message = refusal(http.post(f"/v1/data_sources/{tasks.id}/query", json=body))
    assert message == f"body failed validation: {quote}"


def test_missing_version(url: str) -> None:
    bare = {"Authorization": f"Bearer {TOKEN}"}
    answer = httpx.get(f"{url}/v1/users/me", headers=bare, timeout=PATIENCE)
    assert refusal(answer, code="missing_version") == (
        "Notion-Version header failed validation: Notion-Version header should be defined, instead was `undefined`."
    )
    answer = httpx.get(f"{url}/v1/users/me", headers=bare | {"Notion-Version": "2022-06-28"}, timeout=PATIENCE)
    assert refusal(answer, code="missing_version").endswith(', instead was `"2022-06-28"`.')


def test_id_of_another_kind(http: httpx.Client, tasks: DataSource) -> None:
    page, database = tasks.pages[0].id, tasks.database.id
    message = refusal(http.get(f"/v1/databases/{page}"))
    assert message.startswith(f"Provided ID {page} is a page, not a database.")
    message = refusal(http.get(f"/v1/pages/{database}"))
    assert message.startswith(f"Provided ID {database} is a database, not a page.")
    message = refusal(http.get(f"/v1/data_sources/{database}"), 404, "object_not_found")
    assert message.startswith(f"Could not find data_source with ID: {database}.")


def test_item_of_a_property_that_does_not_exist(ws: Workspace, http: httpx.Client, tasks: DataSource) -> None:
    path = f"/v1/pages/{tasks.pages[0].id}/properties/nope"
    assert "Could not find property" in refusal(http.get(path), 404, "object_not_found")
    ws.switches.missing_property = "validation_error"
    assert refusal(http.get(path)) == "nope is not a property that exists."


@pytest.mark.parametrize("name", ["N", ";HF{", "%3BHF%7B"])
def test_properties_are_named_by_name_or_id_encoded_or_not(http: httpx.Client, tasks: DataSource, name: str) -> None:
    body = {
        "filter": {"property": name, "number": {"greater_than": 0}},
        "sorts": [{"property": name, "direction": "descending"}],
    }
    answer = http.post(f"/v1/data_sources/{tasks.id}/query", params={"filter_properties": name}, json=body)
    assert [row["properties"]["N"]["number"] for row in answer.json()["results"]] == [2, 1]
