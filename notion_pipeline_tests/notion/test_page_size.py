"""How many results a query asks for after one that was too heavy."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from notion_pipeline.notion.client import Answer
from notion_pipeline.notion.page_size import PageSize
from notion_pipeline_tests.support.scripted_client import (
    OVERLOADED_QUERY,
    SOURCE_ID,
    error,
    ok,
    play,
    query,
    reply,
    setting,
)


def test_query_that_is_too_heavy_asks_for_half() -> None:
    answer, here = play([OVERLOADED_QUERY, error(504, "gateway_timeout"), ok()], query)
    assert isinstance(answer, Answer)
    assert [request.body["page_size"] for request in here.server.requests] == [100, 50, 25]


def test_page_size_grows_back_over_later_queries_of_all_twins() -> None:
    async def scenario() -> list[int]:
        async with setting(OVERLOADED_QUERY, OVERLOADED_QUERY, ok()) as here:
            for _ in range(4):
                await here.client.query(SOURCE_ID, {})
                await here.client.with_stats().query(SOURCE_ID, {})
            return [request.body.get("page_size", 100) for request in here.server.requests]

    assert asyncio.run(scenario()) == [100, 50, 25, 25, 50, 50, 100, 100, 100, 100]


def test_page_size_never_falls_below_one_row() -> None:
    _, here = play([OVERLOADED_QUERY], query)
    assert [request.body["page_size"] for request in here.server.requests] == [100, 50, 25, 12, 6, 3, 1, 1]


@pytest.mark.parametrize("ask", [query, lambda client: client.search({})], ids=["query", "search"])
@pytest.mark.parametrize(
    "failure",
    [
        reply(b"<html>", 504),
        reply(b"<html>", 502),
        error(502, "bad_gateway"),
        error(500, "internal_server_error"),
        reply(b"<html>", 500),
        reply(b"<html>", 524),
    ],
    ids=["gateway's 504", "gateway's 502", "502", "500", "gateway's 500", "gateway's 524"],
)
def test_whatever_may_come_of_size_asks_for_half(failure: Any, ask: Any) -> None:
    _, here = play([failure, failure, ok()], ask)
    assert [request.body.get("page_size", 100) for request in here.server.requests] == [100, 50, 25]


def test_other_failures_leave_page_size_alone() -> None:
    cut = reply(b'{"object":"list","results":[{"object":')
    _, here = play([cut, reply(b"<html>"), reply(b"<html>", 404), reply(b"<html>", 529), ok()], query)
    assert [request.body["page_size"] for request in here.server.requests] == [100] * 5


def test_busy_notion_is_waited_for_with_pages_as_they_are() -> None:
    answers = [error(status, "rate_limited", retry_after="0.01") for status in (429, 529)]
    _, here = play([*answers, ok()], query)
    assert [request.body["page_size"] for request in here.server.requests] == [100] * 3


def test_size_that_fails_in_one_data_source_holds_up_no_other() -> None:
    async def scenario() -> list[int]:
        async with setting(OVERLOADED_QUERY, ok()) as here:
            await here.client.query(SOURCE_ID, {})
            await here.client.query(f"2{SOURCE_ID[1:]}", {})
            await here.client.search({})
            return [request.body.get("page_size", 100) for request in here.server.requests]

    assert asyncio.run(scenario()) == [100, 50, 100, 100]


def test_queries_that_fail_side_by_side_halve_once() -> None:
    size = PageSize()
    for _ in range(8):
        size.was_too_much(100)
    assert size.fit({}) == ({"page_size": 50}, 50)
    assert size.fit({"page_size": 10, "sorts": []}) == ({"page_size": 10, "sorts": []}, 10)
