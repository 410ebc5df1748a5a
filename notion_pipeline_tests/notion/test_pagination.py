"""Answers and listings that do not end: refused with a message, long before memory or disk is gone."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import json
import uuid
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from notion_pipeline.accounts.oauth_client import OAuthClient
from notion_pipeline.errors import NotionPipelineError, RetryableNotionError, UnboundedAnswerError
from notion_pipeline.extraction.read_progress import ReadLimits
from notion_pipeline.listing.databases import list_databases
from notion_pipeline.notion.pagination import MOST_BARREN_PAGES
from notion_pipeline.redaction import Secret
from notion_pipeline.sandbox.control.faults import Fault
from notion_pipeline.sandbox.control.requests import Request
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.model.objects import Database
from notion_pipeline_tests.support.reader import Reader
from notion_pipeline_tests.support.scripted_client import me, ok, play, query, reply
from notion_pipeline_tests.support.whole_way import Pipeline

several_readers = pytest.mark.parametrize("reader", [1, 8], indirect=True, ids="by{}".format)
FOR_EVER = 10**9
QUERY = r"POST .*/query$"
JSON = {"content-type": "application/json"}
Script = Callable[[Request], tuple[int, dict[str, str], Any]]


def scripted(workspace: Workspace, match: str, script: Script, *, times: int = FOR_EVER) -> None:
    workspace.faults.add(Fault("answer", match=match, times=times, callable=script))


def page(results: list[Any], cursor: str | None) -> tuple[int, dict[str, str], bytes]:
    body = {"object": "list", "results": results, "has_more": cursor is not None, "next_cursor": cursor}
    return 200, JSON, json.dumps(body).encode()


def row(number: int, *, minute: int = 0) -> dict[str, Any]:
    stamp = f"2026-06-{1 + minute // 1440 % 28:02}T{minute // 60 % 24:02}:{minute % 60:02}:00.000Z"
    return {
        "object": "page",
        "id": str(uuid.UUID(int=number)),
        "created_time": stamp,
        "last_edited_time": stamp,
        "properties": {},
    }


def refusal(reader: Reader, tasks: Database) -> NotionPipelineError:
    with pytest.raises(NotionPipelineError) as caught:
        reader.read(tasks.data_source)
    return caught.value


@pytest.fixture
def tasks(workspace: Workspace) -> Database:
    return workspace.add_database("Tasks", {"Name": "title"})


def asked(workspace: Workspace) -> int:
    return sum(request.path.endswith("/query") for request in workspace.requests)


# Listings


@pytest.mark.parametrize("kind", ["empty", "the same rows", "no rows"])
@several_readers
def test_a_query_that_goes_on_without_news_ends(
    workspace: Workspace, reader: Reader, tasks: Database, kind: str
) -> None:
    other: Any = {"object": "data_source", "id": "1846d424-c17c-4279-a3c6-612f48268673"}
    results: list[Any] = {"empty": [], "the same rows": [row(1), row(2)], "no rows": [other]}[kind]
    cursors = itertools.count()
    scripted(workspace, QUERY, lambda _: page(results, f"cursor {next(cursors)}"))
    error = refusal(reader, tasks)
    assert type(error) is UnboundedAnswerError
    assert "does not end" in str(error)
    assert "NOTION_API_URL" in error.hint
    assert error.source == "notion"
    assert asked(workspace) <= 2 * (MOST_BARREN_PAGES + 2)


@several_readers
def test_a_query_with_more_rows_than_notion_gives_is_asked_for_in_parts(
    workspace: Workspace, reader: Reader, tasks: Database
) -> None:
    """Rows without end, all of one minute: what Notion calls too many for a minute, after two whole queries at most."""
    numbers = itertools.count(1)
    scripted(workspace, QUERY, lambda _: page([row(next(numbers)) for _ in range(100)], f"cursor {next(numbers)}"))
    error = refusal(reader, tasks)
    assert "more than 10,000 pages share created_time" in str(error)
    assert asked(workspace) <= 8 * (ReadLimits().rows_per_query // 100 + 1)


def test_rows_without_end_over_all_minutes_end(workspace: Workspace, reader: Reader, tasks: Database) -> None:
    """By one reader, whose queries the script follows."""
    reader.limits = ReadLimits(rows=25_000)
    numbers = itertools.count(1)

    def script(_: Request) -> tuple[int, dict[str, str], bytes]:
        rows = [row(number, minute=number // 100) for number in itertools.islice(numbers, 100)]
        return page(rows, f"cursor {next(numbers)}")

    scripted(workspace, QUERY, script)
    error = refusal(reader, tasks)
    assert type(error) is UnboundedAnswerError
    assert "more than a database of Notion's can have" in str(error)
    assert asked(workspace) < 1_000


@pytest.mark.slow
@pytest.mark.long
def test_short_and_empty_pages_are_no_end(workspace: Workspace, reader: Reader, tasks: Database) -> None:
    """Notion may send fewer rows than asked for, and none (section 3). One reader, whose queries the script follows."""
    rows = [row(number, minute=number) for number in range(1, 40)]
    calls = itertools.count()

    def script(request: Request) -> tuple[int, dict[str, str], bytes]:
        if request.body.get("is_archived"):
            return page([], None)
        number, few = divmod(next(calls), MOST_BARREN_PAGES // 2)
        if number >= len(rows):
            return page([], None)
        return page([rows[number]] if few == 0 else [], f"cursor {number} {few}")

    scripted(workspace, QUERY, script)
    assert reader.read(tasks.data_source).pages.keys() == {found["id"] for found in rows}


@several_readers
def test_a_search_that_goes_on_without_news_ends(workspace: Workspace, notion: Any, reader: Reader) -> None:
    workspace.add_database("Tasks", {"Name": "title"})
    cursors = itertools.count()
    scripted(workspace, "POST /v1/search", lambda _: page([], f"cursor {next(cursors)}"))

    async def run() -> None:
        async with notion() as client:
            await list_databases(client, named=(), known={}, log=lambda _: None)

    with pytest.raises(UnboundedAnswerError, match="databases that search finds does not end"):
        asyncio.run(run())
    assert len(workspace.requests) == MOST_BARREN_PAGES


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("empty", [True, False])
@several_readers
def test_items_without_end_end(workspace: Workspace, reader: Reader, empty: bool) -> None:
    other = workspace.add_database("Other", {"Name": "title"})
    database = workspace.add_database(
        "Tasks", {"Name": "title", "Links": {"type": "relation", "data_source_id": other.data_source.id}}
    )
    targets = [other.data_source.add_page({"Name": f"{number}"}).id for number in range(30)]
    database.data_source.add_page({"Name": "one", "Links": targets})
    cursors = itertools.count()
    item = {"object": "property_item", "type": "relation", "id": "x", "relation": {"id": targets[0]}}
    scripted(workspace, "GET .*/properties/", lambda _: page([] if empty else [item], f"cursor {next(cursors)}"))
    with pytest.raises(UnboundedAnswerError, match='property "Links" of page'):
        reader.read(database.data_source)


@several_readers
def test_other_databases_land_beside_one_without_end(workspace: Workspace, pipeline: Pipeline, reader: Reader) -> None:
    endless = workspace.add_database("Endless", {"Name": "title"}).data_source
    workspace.add_database("Fine", {"Name": "title"}).data_source.add_page({"Name": "one"})
    cursors = itertools.count()
    scripted(workspace, rf"POST .*{endless.id}/query$", lambda _: page([], f"cursor {next(cursors)}"))
    run = pipeline.sync()
    assert not run.success
    assert "does not end" in run.log
    assert '"Endless"' in run.log
    assert pipeline.query("SELECT name FROM notion.fine") == [("one",)]


# Bodies


def zeros(mebibytes: int) -> Iterator[bytes]:
    yield b'{"object": "user", "id": "'
    yield from itertools.repeat(b"0" * 2**20, mebibytes)
    yield b'"}'


def bomb(mebibytes: int) -> bytes:
    packing = zlib.compressobj(9, wbits=16 + zlib.MAX_WBITS)
    return b"".join(packing.compress(piece) for piece in zeros(mebibytes)) + packing.flush()


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("packed", [False, True])
@several_readers
def test_a_body_of_700_mebibytes_is_not_read_to_its_end(
    workspace: Workspace, notion: Any, reader: Reader, packed: bool
) -> None:
    content = bomb(700) if packed else b""
    headers = JSON | ({"content-encoding": "gzip"} if packed else {})
    scripted(workspace, "/v1/users/me", lambda _: (200, headers, content if packed else zeros(700)))

    async def run() -> None:
        async with notion() as client:
            await client.me()

    with pytest.raises(UnboundedAnswerError, match="longer than 256 MiB") as caught:
        asyncio.run(run())
    assert "the connection's own user" in str(caught.value)
    assert caught.value.source == "notion"
    assert len(workspace.requests) == 1


@pytest.mark.usefixtures("reader")
@several_readers
def test_a_refusal_is_bounded_as_well() -> None:
    error, here = play([reply(b"x" * 2**21, 401)], me, longest_answer=2**20)
    assert isinstance(error, UnboundedAnswerError)
    assert len(here.server.requests) == 1


@pytest.mark.usefixtures("reader")
@several_readers
def test_a_query_whose_answer_is_too_long_asks_for_fewer_rows() -> None:
    long = ok({"object": "list", "results": ["x" * 2**21], "has_more": False})
    found, here = play([long, long, ok()], query, longest_answer=2**20)
    assert not isinstance(found, Exception), found
    assert [request.body["page_size"] for request in here.server.requests] == [100, 50, 25]
    error, here = play([long], query, longest_answer=2**20)
    assert isinstance(error, UnboundedAnswerError)
    assert [request.body["page_size"] for request in here.server.requests] == [100, 50, 25]


@pytest.mark.usefixtures("reader")
@several_readers
def test_bodies_arrive_as_they_were_packed() -> None:
    long = json.dumps({"object": "user", "name": "x" * 3 * 2**20}).encode()
    for content, headers in ((long, {}), (gzip.compress(long), {"content_encoding": "gzip"})):
        answer, _ = play([reply(content, **headers)], me)
        assert not isinstance(answer, Exception), answer
        assert len(answer.body["name"]) == 3 * 2**20
    for content in (gzip.compress(long)[:-20], b"no gzip"):
        error, here = play([reply(content, content_encoding="gzip")], me)
        assert isinstance(error, RetryableNotionError)
        assert len(here.server.requests) == 8
    twice = gzip.compress(gzip.compress(long))
    error, _ = play([reply(twice, content_encoding="gzip, gzip")], me)
    assert isinstance(error, RetryableNotionError)


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.usefixtures("reader")
@several_readers
def test_an_answer_with_tokens_is_bounded(workspace: Workspace, sandbox: Any) -> None:
    client = OAuthClient("sandbox-client-id", Secret("sandbox-client-secret"), "http://localhost:1/", sandbox.url)
    scripted(workspace, "/v1/oauth/token", lambda _: (200, JSON, zeros(700)))
    with pytest.raises(UnboundedAnswerError, match="longer than 1 MiB"):
        client.exchange("code")
    assert isinstance(httpx.get(f"{sandbox.url}/sandbox/requests").json()["count"], int)
