"""The client against a real socket: what it asks, what it takes, what it tries again and what it says.

See `scripted_client` for the server.
"""

from __future__ import annotations

import asyncio
import gzip
import logging
import traceback
from collections.abc import AsyncIterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import pytest

from notion_pipeline.errors import (
    AuthorizationError,
    ConfigError,
    InvalidCursorError,
    NotionNotFoundError,
    NotionRequestError,
    NotPermittedError,
    RetryableNotionError,
)
from notion_pipeline.notion.client import NOTION_VERSION, Answer, BearerAuth, NotionClient
from notion_pipeline.notion.limits.rate_limiter import RateLimiter
from notion_pipeline.notion.limits.shared_limits import SharedLimits
from notion_pipeline.notion.request_stats import RequestStats
from notion_pipeline.notion.retries import ATTEMPTS
from notion_pipeline.state.folder import FolderState
from notion_pipeline_tests.support.patience import PATIENCE
from notion_pipeline_tests.support.ports import free_port
from notion_pipeline_tests.support.scripted_client import (
    HANG_UP,
    HTML,
    SOURCE_ID,
    TOKEN,
    Server,
    Setting,
    error,
    limited,
    me,
    ok,
    play,
    query,
    reply,
    setting,
)

# What is asked


@pytest.mark.parametrize(
    ("ask", "line"),
    [
        (lambda c: c.me(), "GET /v1/users/me"),
        (lambda c: c.search({"query": "x"}), "POST /v1/search"),
        (lambda c: c.database(SOURCE_ID), f"GET /v1/databases/{SOURCE_ID}"),
        (lambda c: c.data_source(SOURCE_ID), f"GET /v1/data_sources/{SOURCE_ID}"),
        (lambda c: c.query(SOURCE_ID, {}), f"POST /v1/data_sources/{SOURCE_ID}/query"),
        (lambda c: c.page(SOURCE_ID), f"GET /v1/pages/{SOURCE_ID}"),
        (lambda c: c.property_item(SOURCE_ID, "title"), f"GET /v1/pages/{SOURCE_ID}/properties/title?page_size=100"),
        (
            lambda c: c.property_item(SOURCE_ID, "a", "c/1 +", 5),
            f"GET /v1/pages/{SOURCE_ID}/properties/a?page_size=5&start_cursor=c%2F1%20%2B",
        ),
    ],
)
def test_each_method_asks_its_endpoint(ask: Any, line: str) -> None:
    answer, here = play([ok()], ask)
    assert isinstance(answer, Answer)
    request = here.server.requests[0]
    assert f"{request.method} {request.target}".replace("+%2B", "%20%2B") == line


def test_request_carries_version_token_and_compression() -> None:
    _, here = play([ok()], query)
    headers = here.server.requests[0].headers
    assert headers["notion-version"] == NOTION_VERSION == "2026-03-11"
    assert headers["authorization"] == f"Bearer {TOKEN}"
    assert headers["accept-encoding"] == "gzip"
    assert headers["content-type"] == "application/json"
    assert here.server.requests[0].body == {"page_size": 100}


@pytest.mark.parametrize("property_id", ["a%b", "%3A%", "a/b?", "#;{}", "|^~`", "ü é", "\\:@[", "title"])
def test_property_id_is_encoded_exactly_once(property_id: str) -> None:
    _, here = play([ok()], lambda c: c.property_item(SOURCE_ID, property_id))
    path = here.server.requests[0].target.partition("?")[0]
    segment = path.removeprefix(f"/v1/pages/{SOURCE_ID}/properties/")
    assert unquote(segment) == property_id
    assert not set("/?#;{}") & set(segment)


def test_base_url_may_have_a_path_and_a_last_slash() -> None:
    async def scenario() -> str:
        async with setting(ok()) as here:
            rate_limiter = RateLimiter(concurrent_requests=1, requests_per_minute=None, shared=None, log=print)
            url = f"{here.server.url}/notion/"
            async with NotionClient(
                auth=BearerAuth(TOKEN), rate_limiter=rate_limiter, base_url=url, source="s", log=print
            ) as client:
                await client.me()
            return here.server.requests[0].target

    assert asyncio.run(scenario()) == "/notion/v1/users/me"


@pytest.mark.parametrize(
    "url",
    ["", "api.notion.com", "ftp://api.notion.com", "https://", "http://a..b", "http://h:port", "https://api.notion.com/v1",
     "https://me:hunter2@api.notion.com", "https://api.notion.com?x=1"],
)  # fmt: skip
def test_unusable_base_url_names_its_variable(url: str) -> None:
    rate_limiter = RateLimiter(concurrent_requests=1, requests_per_minute=None, shared=None, log=print)
    with pytest.raises(ConfigError, match="NOTION_API_URL") as caught:
        NotionClient(auth=BearerAuth(TOKEN), rate_limiter=rate_limiter, base_url=url, source="s", log=print)
    assert "hunter2" not in str(caught.value)


# What is answered


def test_answer_holds_body_and_server_time() -> None:
    answer, here = play([ok({"object": "user", "id": "u1"})], me)
    assert answer == Answer({"object": "user", "id": "u1"}, datetime(2026, 3, 3, 10, 15, 30, tzinfo=timezone.utc))
    assert here.client.stats == RequestStats(requests=1)


def test_compressed_and_chunked_answers_are_read() -> None:
    packed = gzip.compress(b'{"object":"user"}')
    chunks = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n11\r\n" + b'{"object":"user"}' + b"\r\n0\r\n\r\n"
    for sent in (reply(packed, content_encoding="gzip"), chunks):
        answer, _ = play([sent], me)
        assert answer == Answer({"object": "user"}, None)


def test_connections_are_kept_and_bounded() -> None:
    async def scenario() -> Server:
        async with setting(ok(), concurrent_requests=3, delay=0.005) as here:
            await asyncio.gather(*(query(here.client) for _ in range(12)))
            return here.server

    server = asyncio.run(scenario())
    assert (len(server.requests), server.most_in_flight, server.connections) == (12, 3, 3)


# What may pass is tried again


BROKEN: dict[str, bytes] = {
    "html": HTML,
    "html under 200": reply(b"<html>Welcome to our hotel</html>"),
    "html under 403": reply(b"<html>Attention required</html>", 403),
    "html under 404": reply(b"<html>Not found</html>", 404),
    "json of a proxy under 404": reply(b'{"message":"no Route matched"}', 404),
    "json of a proxy under 401": reply(b'{"error":"login first"}', 401),
    "json of a proxy under 200": reply(b'{"status":"maintenance"}'),
    "redirect": reply(b"", 302, location="https://example.org/login"),
    "empty": reply(b""),
    "no content": reply(b"", 204),
    "list": reply(b"[]"),
    "null": reply(b"null"),
    "not a number": reply(b'{"object":"list","results":[NaN]}'),
    "too deep": reply(b'{"object":"list","results":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    "not utf-8": reply(b'{"object":"list","results":["\xff"]}'),
    "results missing": reply(b'{"object":"list"}'),
    "cut by length": reply(b'{"object":"list","results":[]}', content_length="500", connection="close"),
    "cut without length": b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n" + b'{"object":"list","results":[',
    "cut chunk": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n40\r\n{",
    "cut gzip": reply(gzip.compress(b'{"object":"list","results":[]}' * 9)[:-30], content_encoding="gzip"),
    "no gzip": reply(b"plain", content_encoding="gzip"),
    "no http": b"SSH-2.0-OpenSSH\r\nconnection: close\r\n\r\n",
    "hung up": HANG_UP,
    "500": error(500, "internal_server_error"),
    "502": error(502, "bad_gateway"),
    "503": error(503, "database_connection_unavailable"),
    "504": error(504, "gateway_timeout"),
    "409": error(409, "conflict_error"),
    "error 500 under 200": error(500, "internal_server_error", http=200),
    "error without status under 200": reply(b'{"object":"error"}'),
    "429 of a proxy": reply(b"<html>Too many requests</html>", 429),
}  # fmt: skip


@pytest.mark.parametrize("kind", BROKEN)
def test_failure_that_may_pass_is_tried_again(kind: str) -> None:
    answer, here = play([BROKEN[kind], ok()], query)
    assert isinstance(answer, Answer), answer
    assert here.client.stats == RequestStats(requests=2, retries=1)
    assert len(here.server.requests) == 2
    assert "Attempt 2 of 8" in here.lines[0]


@pytest.mark.parametrize("kind", ["html", "html under 404", "hung up", "500", "redirect", "cut by length"])
def test_eighth_failure_is_the_last(kind: str) -> None:
    error, here = play([BROKEN[kind]], query)
    assert type(error) is RetryableNotionError
    assert error.source == "sales"
    assert "attempt 8 of 8" in str(error)
    assert f"data source {SOURCE_ID}" in str(error)
    assert len(here.server.requests) == ATTEMPTS == 8
    assert here.client.stats == RequestStats(requests=8, retries=7)


def test_last_failure_carries_notions_facts() -> None:
    caught, _ = play([error(502, "bad_gateway", "Try later.")], query)
    assert isinstance(caught, RetryableNotionError)
    assert (caught.status, caught.code, caught.request_id) == (502, "bad_gateway", "8d2e")


def test_request_id_falls_back_to_header() -> None:
    caught, _ = play([reply(b"<html>", 502, x_notion_request_id="77aa")], query)
    assert isinstance(caught, RetryableNotionError)
    assert (caught.status, caught.code, caught.request_id) == (502, None, "77aa")


def test_back_off_doubles_with_chance_and_ends_within_a_minute() -> None:
    _, here = play([HTML], query)
    wholes = [0.5, 1, 2, 4, 8, 16, 20]
    assert len(here.waits) == 7
    assert all(whole / 2 <= wait <= whole for wait, whole in zip(here.waits, wholes, strict=True))
    assert sum(wholes) < 60


def test_failing_answer_may_ask_for_more_patience_but_not_for_ever() -> None:
    slow = reply(b"<html>", 503, retry_after="45")
    absurd = reply(b"<html>", 503, retry_after="86400")
    _, here = play([slow, absurd, ok()], query)
    assert here.waits == [45, 60]


def test_silence_is_a_failure() -> None:
    """Connecting has its own bound, so that it is the answer alone that does not come in time."""

    async def ask(client: NotionClient) -> object:
        client._http.timeout = httpx.Timeout(PATIENCE, read=0.01)
        return await client.me()

    caught, here = play([ok()], ask, delay=PATIENCE)
    assert type(caught) is RetryableNotionError
    assert "ReadTimeout" in str(caught)
    assert here.client.stats.requests == 8


def test_cancelled_request_ends_at_once_and_gives_its_place_back() -> None:
    async def scenario() -> Setting:
        async with setting(ok(), concurrent_requests=1, delay=30) as here:
            asked = asyncio.ensure_future(query(here.client))
            await here.server.reached.wait()
            asked.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asked
            here.server.delay = 0
            await query(here.client)
            return here

    here = asyncio.run(scenario())
    assert here.client.stats.requests == 2
    assert here.waits == []


def test_body_that_only_drips_ends() -> None:
    """Each byte comes within the read timeout, the whole never does."""

    class Drip(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            while True:
                await asyncio.sleep(0.001)
                yield b" "

    async def nap(_: float) -> None: ...

    async def scenario() -> None:
        rate_limiter = RateLimiter(concurrent_requests=1, requests_per_minute=None, shared=None, log=print)
        async with NotionClient(
            auth=BearerAuth(TOKEN), rate_limiter=rate_limiter, base_url="http://localhost", source="s", log=print,
            sleep=nap, body_seconds=0.02,
            transport=httpx.MockTransport(lambda request: httpx.Response(200, stream=Drip())),
        ) as client:  # fmt: skip
            await client.me()

    with pytest.raises(RetryableNotionError, match="TimeoutError"):
        asyncio.run(scenario())


def test_absent_server_is_named_with_its_address() -> None:
    async def scenario() -> tuple[Exception, Setting]:
        async with setting(ok()) as here:
            here.client.base_url = f"http://127.0.0.1:{free_port()}"
            with pytest.raises(RetryableNotionError) as caught:
                await here.client.me()
            return caught.value, here

    caught, here = asyncio.run(scenario())
    assert f"Notion could not be reached at {here.client.base_url}" in str(caught)
    assert "NOTION_API_URL" in str(caught)


# What will not pass is not


@pytest.mark.parametrize(
    ("sent", "kind", "words"),
    [
        (error(401, "unauthorized", "API token is invalid."), AuthorizationError, "NOTION_TOKEN"),
        (error(401, "unauthorized", http=200), AuthorizationError, "NOTION_TOKEN"),
        (error(403, "restricted_resource"), NotPermittedError, '"Read content"'),
        (error(404, "object_not_found"), NotionNotFoundError, "Share the database with the connection, or"),
        (reply(b'{"object":"error","code":"object_not_found"}'), NotionNotFoundError, "404 object_not_found"),
        (error(400, "validation_error"), NotionRequestError, "400 validation_error"),
        (error(400, "invalid_request_url"), NotionRequestError, "NOTION_API_URL"),
        (error(400, "validation_error", "The start_cursor provided is invalid: c1"), InvalidCursorError, "page cursor"),
        (error(400, "invalid_json", "The start_cursor provided is invalid: c1"), NotionRequestError, "invalid_json"),
        (limited("public_api_request_blocked", retry_after="1"), NotionRequestError, "blocked"),
    ],
)  # fmt: skip
def test_refusal_is_not_repeated(sent: bytes, kind: type[NotionRequestError], words: str) -> None:
    caught, here = play([sent], query)
    assert type(caught) is kind
    assert words in str(caught)
    assert 'ource "sales"' in str(caught)
    assert f"data source {SOURCE_ID}" in str(caught)
    assert here.client.stats == RequestStats(requests=1)
    assert caught.status in {400, 401, 403, 404, 429}
    assert here.waits == []


def test_other_complaint_about_cursor_is_no_bad_cursor() -> None:
    caught, _ = play([error(400, "validation_error", "body.start_cursor should be a string")], query)
    assert type(caught) is NotionRequestError


# Pauses


@pytest.mark.parametrize("status", [429, 529])
def test_pause_is_obeyed_and_is_no_attempt(status: int) -> None:
    """More refusals than attempts, among them one of an hour."""
    script: list[bytes] = [limited(status=status, retry_after="30")] * 10 + [limited(retry_after="3600"), ok()]
    answer, here = play(script, query)
    assert isinstance(answer, Answer)
    assert here.waits == []
    assert here.clock.now == 3900
    assert here.client.stats == RequestStats(requests=12, retries=11, seconds_rate_limited=3900)


def test_pauses_leave_attempts_for_failures() -> None:
    answer, here = play([HTML, limited(retry_after="5")] * 7 + [ok()], query)
    assert isinstance(answer, Answer)
    assert len(here.waits) == 7
    assert here.clock.now == 35


def test_pause_without_length_grows_to_a_minute() -> None:
    answer, here = play([limited()] * 9 + [ok()], query)
    assert isinstance(answer, Answer)
    assert here.clock.now == 1 + 2 + 4 + 8 + 16 + 32 + 60 + 60 + 60


def test_pause_holds_all_requests_of_the_account() -> None:
    """One is refused; what has not been sent yet waits with it."""

    async def scenario() -> Setting:
        async with setting(limited(retry_after="20"), ok(), concurrent_requests=1) as here:
            await asyncio.gather(query(here.client), query(here.client.with_stats()), me(here.client))
            return here

    here = asyncio.run(scenario())
    assert len(here.server.requests) == 4
    assert here.clock.now == 20
    assert sum("asked this account to wait" in line for line in here.lines) == 1


def test_pause_holds_other_clients_that_share_the_file(tmp_path: Path) -> None:
    now = [1_772_532_000.0]

    async def scenario() -> tuple[Setting, Setting]:
        files = [SharedLimits(FolderState(tmp_path, now=lambda: now[0]), "abc") for _ in range(2)]
        async with setting(limited(retry_after="20"), ok(), shared=files[0]) as first:
            await query(first.client)
        async with setting(ok(), shared=files[1]) as second:
            await query(second.client)
        return first, second

    first, second = asyncio.run(scenario())
    assert (first.clock.now, second.clock.now) == (20, 20)
    assert second.client.stats == RequestStats(requests=1, seconds_rate_limited=20)


# Secrets


def test_token_shows_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    # A server that echoes it in a header is logged by the HTTP library at debug level: not ours to say.
    caplog.set_level(logging.INFO, "httpcore")
    echo = f"Token {TOKEN} of Bearer {TOKEN} and refresh nrt_abcdefghij is invalid"
    for sent in (
        error(401, TOKEN, echo),
        error(502, "bad_gateway", echo),
        reply(TOKEN.encode(), 500, content_type=TOKEN),
    ):
        caught, here = play([sent], query)
        assert isinstance(caught, Exception)
        told = "".join([*traceback.format_exception(caught), *here.lines, repr(caught.__dict__), repr(here.client)])
        assert TOKEN not in told
        assert "nrt_abc" not in told
    assert TOKEN not in caplog.text
    assert TOKEN not in repr(BearerAuth(TOKEN))


@pytest.mark.parametrize("token", ["", "  ", "two words", "line\nbreak", "ntn_ü", "ntn_\x00"])
def test_token_that_is_none_is_refused_without_being_shown(token: str) -> None:
    caught, here = play([ok()], me, auth=BearerAuth(token))
    assert type(caught) is AuthorizationError
    assert caught.source == "sales"
    assert here.server.requests == []
    assert not token.strip() or token.strip() not in str(caught)


def test_white_space_around_token_is_left_out() -> None:
    _, here = play([ok()], me, auth=BearerAuth(f" {TOKEN}\n"))
    assert here.server.requests[0].headers["authorization"] == f"Bearer {TOKEN}"
