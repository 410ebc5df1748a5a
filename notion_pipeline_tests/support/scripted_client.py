"""A small server that plays a script, well-formed answers and broken ones, and a client on it.

Waiting between attempts is replaced and noted; pauses run on a clock that only sleeping moves.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx

from notion_pipeline.notion.client import Answer, BearerAuth, NotionClient
from notion_pipeline.notion.limits.rate_limiter import RateLimiter
from notion_pipeline.notion.limits.shared_limits import SharedLimits
from notion_pipeline.notion.request_stats import RequestStats

TOKEN = "thisIsTheToken.123+/="
DATE = "Tue, 03 Mar 2026 10:15:30 GMT"
HANG_UP = b""
#: An id as Notion gives them: others are asked for nothing.
SOURCE_ID = "1f0c2d3e-4a5b-6c7d-8e9f-0a1b2c3d4e5f"
T = TypeVar("T")


@dataclass
class Request:
    method: str
    target: str
    headers: dict[str, str]
    content: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.content)


@dataclass
class Server:
    """Answers each request with the next reply of the script, then with the last one for ever."""

    script: list[bytes]
    requests: list[Request] = field(default_factory=list)
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    connections: int = 0
    in_flight: int = 0
    most_in_flight: int = 0
    delay: float = 0.0
    url: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while (request := await _read(reader)) is not None:
                self.requests.append(request)
                self.reached.set()
                self.in_flight += 1
                self.most_in_flight = max(self.most_in_flight, self.in_flight)
                await asyncio.sleep(self.delay)
                self.in_flight -= 1
                data = self.script[min(len(self.requests), len(self.script)) - 1]
                writer.write(data)
                await writer.drain()
                if data == HANG_UP or b"\r\nconnection: close\r\n" in data.lower():
                    return
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


async def _read(reader: asyncio.StreamReader) -> Request | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    first, *lines = head.strip().split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return Request(method, target, headers, await reader.readexactly(int(headers.get("content-length", 0))))


def reply(content: bytes, status: int = 200, **headers: str) -> bytes:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"{name}: {value}" for name, value in ({"content-length": str(len(content))} | given).items()]
    return "\r\n".join([f"HTTP/1.1 {status} X", *lines, "", ""]).encode() + content


def ok(body: Any = None, **headers: str) -> bytes:
    content = json.dumps(body or {"object": "list", "results": [], "next_cursor": None, "has_more": False}).encode()
    return reply(content, 200, **({"date": DATE, "content_type": "application/json"} | headers))


def error(
    status: int, code: str, message: str = "Sorry.", *, http: int = 0, additional: Any = None, retry_after: str = ""
) -> bytes:
    body = {"object": "error", "status": status, "code": code, "message": message, "request_id": "8d2e"}
    if additional is not None:
        body["additional_data"] = additional
    headers = {"retry_after": retry_after} if retry_after else {}
    return reply(json.dumps(body).encode(), http or status, content_type="application/json", **headers)


def limited(reason: str = "public_api_request_rate_limit", status: int = 429, retry_after: str = "") -> bytes:
    code = "rate_limited" if status == 429 else "service_overload"
    return error(status, code, "Slow down.", additional={"rate_limit_reason": reason}, retry_after=retry_after)


HTML = reply(b"<html>Bad gateway</html>", 502, content_type="text/html")
OVERLOADED_QUERY = error(503, "service_unavailable", "Backend datastore timeouts.")


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        until = self.now + seconds
        await asyncio.sleep(0)
        self.now = max(self.now, until)


@dataclass
class Setting:
    """A server with its script, a client on it, and what they noted."""

    server: Server
    client: NotionClient
    clock: Clock
    waits: list[float]
    lines: list[str]


@asynccontextmanager
async def setting(
    *script: bytes,
    auth: httpx.Auth | None = None,
    concurrent_requests: int = 4,
    delay: float = 0.0,
    shared: SharedLimits | None = None,
    stats: RequestStats | None = None,
    **client: Any,
) -> AsyncIterator[Setting]:
    server, clock = Server(list(script), delay=delay), Clock()
    waits: list[float] = []
    lines: list[str] = []

    async def wait(seconds: float) -> None:
        waits.append(seconds)

    rate_limiter = RateLimiter(
        concurrent_requests=concurrent_requests,
        requests_per_minute=None,
        shared=shared,
        log=lines.append,
        clock=clock,
        sleep=clock.sleep,
    )
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    try:
        async with NotionClient(
            auth=auth or BearerAuth(TOKEN),
            rate_limiter=rate_limiter,
            base_url=server.url,
            source="sales",
            log=lines.append,
            stats=stats,
            sleep=wait,
            **client,
        ) as asking:
            yield Setting(server, asking, clock, waits, lines)
    finally:
        listening.close()
        await asyncio.sleep(0)  # so that the server sees the connections end


def play(
    script: list[bytes], ask: Callable[[NotionClient], Awaitable[T]], **options: Any
) -> tuple[T | Exception, Setting]:
    """What `ask` gave or raised, and the setting it happened in."""

    async def scenario() -> tuple[T | Exception, Setting]:
        async with setting(*script, **options) as here:
            try:
                return await ask(here.client), here
            except Exception as error:
                return error, here

    return asyncio.run(scenario())


def me(client: NotionClient) -> Awaitable[Answer]:
    return client.me()


def query(client: NotionClient) -> Awaitable[Answer]:
    return client.query(SOURCE_ID, {"page_size": 100})
