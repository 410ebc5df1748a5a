"""What the requests of a client are counted as."""

from __future__ import annotations

import asyncio
from collections.abc import Generator

import httpx

from notion_pipeline.notion.client import Answer
from notion_pipeline.notion.request_stats import RequestStats
from notion_pipeline_tests.support.scripted_client import (
    HTML,
    Setting,
    error,
    me,
    ok,
    play,
    query,
    setting,
)


def test_twin_counts_its_own_requests_over_shared_connections() -> None:
    async def scenario() -> Setting:
        async with setting(ok(), HTML, ok()) as here:
            async with here.client.with_stats() as twin:
                await me(here.client)
                await query(twin)
                assert twin.stats == RequestStats(requests=2, retries=1)
            await me(here.client)  # the twin left the connections open
            return here

    here = asyncio.run(scenario())
    assert here.client.stats == RequestStats(requests=2)
    assert here.server.connections == 1


def test_stats_given_are_counted_into() -> None:
    stats = RequestStats(requests=5)
    play([ok()], me, stats=stats)
    assert stats.requests == 6


class RefreshingAuth(httpx.Auth):
    """As an OAuth account's: a 401 brings a new token, once."""

    requires_response_body = True

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = "Bearer old"
        response = yield request
        if response.status_code == 401:
            request.headers["Authorization"] = "Bearer new"
            yield request


def test_request_repeated_by_auth_is_counted() -> None:
    answer, here = play([error(401, "unauthorized"), ok()], query, auth=RefreshingAuth())
    assert isinstance(answer, Answer)
    assert [request.headers["authorization"] for request in here.server.requests] == ["Bearer old", "Bearer new"]
    assert here.client.stats == RequestStats(requests=2, retries=1)
