"""Runs before every API request: the log, scripted faults, latency. Sets the Date header of every answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from notion_pipeline.sandbox.control.faults import Fault
from notion_pipeline.sandbox.control.requests import Request
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.http import files
from notion_pipeline.sandbox.http.sending import Answering, Cutting, altered, with_date
from notion_pipeline.sandbox.model.errors import NotionError, datastore_timeout, overloaded, rate_limited, unauthorized

API_PREFIX = "/v1"
_HTML_502 = b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body><center><h1>502 Bad Gateway</h1></center>\r\n</body>\r\n</html>\r\n"  # noqa: E501


class Gate:
    """ASGI: around the routes."""

    def __init__(self, app: ASGIApp, ws: Workspace, closing: asyncio.Event) -> None:
        self._app, self._ws, self._closing = app, ws, closing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        # Routed by the path as sent: a property id may hold an encoded slash (section 7).
        raw_path = scope["raw_path"].split(b"?")[0].decode("ascii", "replace")
        scope = {**scope, "path": raw_path}
        if raw_path.startswith(files.PREFIX):
            await self._download(scope, receive, send, raw_path)
            return
        if not raw_path.startswith(API_PREFIX + "/") and raw_path != API_PREFIX:
            await self._app(scope, receive, self._dated(send))
            return
        body = await _whole_body(receive)
        request = self._received(scope, raw_path, body)
        self._ws.requests.append(request)
        await self._serve(scope, receive, Answering(send, request, self._ws), body, request)

    def _dated(self, send: Send) -> Send:
        async def dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = with_date(message, self._ws)
            await send(message)

        return dated

    async def _download(self, scope: Scope, receive: Receive, send: Send, path: str) -> None:
        """No API request: neither counted nor delayed, and no fault hits it that does not name its path."""
        request = self._received(scope, path, b"")
        self._ws.downloads.append(request)
        answering = Answering(send, request, self._ws)
        with self._ws.lock:
            faults = self._ws.faults.due(f"{request.method} {path}", named=True)
        for fault in faults:
            if fault.kind == "cut_body":
                await self._app(scope, receive, Cutting(answering, fault.params.get("after")).send)
                return
            if await self._fault(fault, answering, receive):
                return
        await self._app(scope, receive, answering.send)

    def _received(self, scope: Scope, path: str, body: bytes) -> Request:
        headers = dict(scope["headers"])
        token = headers.get(b"authorization", b"").decode("latin-1").removeprefix("Bearer ")
        version = headers[b"notion-version"].decode("latin-1") if b"notion-version" in headers else None
        query = scope["query_string"].decode("latin-1")
        return Request(scope["method"], path, query, _parsed(body), version, self._ws.clock.now(), token=token or None)

    async def _serve(self, scope: Scope, receive: Receive, answering: Answering, body: bytes, request: Request) -> None:
        if self._ws.latency:
            await asyncio.sleep(self._ws.latency)
        with self._ws.lock:
            faults = self._ws.faults.due(f"{request.method} {request.path}", _page_size(request.body))
        answering.date = next((fault for fault in faults if fault.kind == "date"), None)
        for fault in faults:
            if await self._fault(fault, answering, receive):
                return
        changes = [_rewriting(fault) for fault in faults if fault.kind in ("alter", "rewrite")]
        await self._app(scope, _replayed(body), altered(answering.send, changes) if changes else answering.send)

    async def _fault(self, fault: Fault, answering: Answering, receive: Receive) -> bool:
        """Whether the fault took the place of the answer."""
        params = fault.params
        if fault.kind in ("alter", "rewrite", "date"):
            return False
        if fault.kind == "call":
            await run_in_threadpool(params["callable"])
            return False
        if fault.kind == "delay":
            await self._wait(params.get("seconds", 1.0), receive)
            return False
        if fault.kind == "hang":
            await self._wait(params.get("seconds", 3600.0), receive)
            await answering.drop()
        elif fault.kind == "reset":
            await answering.drop()
        elif fault.kind == "cut_body":
            await answering.cut()
        elif fault.kind == "answer":
            await answering.answer_by(params["callable"])
        else:
            await answering.answer(*scripted_answer(fault))
        return True

    async def _wait(self, seconds: float, receive: Receive) -> None:
        """Until the time is over, the client is gone, or the server stops."""
        waits = [asyncio.ensure_future(self._closing.wait()), asyncio.ensure_future(receive())]
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)


def _rewriting(fault: Fault) -> Callable[[bytes], bytes]:
    """What changes an answer's bytes, or its JSON."""
    change: Callable[[Any], Any] = fault.params["callable"]

    def altered(content: bytes) -> bytes:
        body = orjson.loads(content)
        change(body)
        return orjson.dumps(body)

    return altered if fault.kind == "alter" else change


def scripted_answer(fault: Fault) -> tuple[int, str, bytes, dict[str, str]]:
    """Status, content type, body and headers of an answering fault."""
    params = fault.params
    if fault.kind == "html_502":
        return 502, "text/html", _HTML_502, {"cf-ray": "8f00000000000000-CDG"}
    if fault.kind == "invalid_json":
        return 200, "application/json", b'{"object":"list","results":[{"object":', {}
    if fault.kind == "status" and params.get("html"):
        page = params["html"].encode() if isinstance(params["html"], str) else _HTML_502
        return params.get("status", 500), "text/html", page, dict(params.get("headers") or {})
    error = _scripted_error(fault)
    status = 200 if fault.kind == "error_200" else error.status
    body = orjson.dumps(error.body("00000000-0000-4000-a000-000000000000"))
    return status, "application/json; charset=utf-8", body, error.headers


def _scripted_error(fault: Fault) -> NotionError:
    params = fault.params
    if fault.kind == "rate_limit":
        return rate_limited(params.get("reason", "public_api_request_rate_limit"), params.get("retry_after", 1))
    if fault.kind == "overload":
        return overloaded(params.get("retry_after", 1))
    if fault.kind == "timeout_503":
        return datastore_timeout()
    if fault.kind == "unauthorized":
        return unauthorized()
    status = params.get("status", 500)
    return NotionError(
        status,
        params.get("code", "internal_server_error"),
        params.get("message", "Unexpected error occurred."),
        params.get("additional_data"),
        params.get("headers"),
    )


def _page_size(body: Any) -> int:
    """How many results a request by POST asks for; 100 where it does not say (section 3)."""
    size = body.get("page_size", 100) if isinstance(body, dict) else 100
    return size if isinstance(size, int) else 100


async def _whole_body(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


def _replayed(body: bytes) -> Receive:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body) if body else None
    except ValueError:
        return body.decode("utf-8", "replace")
