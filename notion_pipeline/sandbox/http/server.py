"""The HTTP server: the routes of notion-api.md on loopback, by starlette and uvicorn.

Beside Notion's own paths there are control endpoints for other processes, under /sandbox/ (see control_routes.py).
"""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any
from urllib.parse import parse_qsl

import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from notion_pipeline.sandbox.answers.render import VERSIONS
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.http import control_routes, files, oauth_routes
from notion_pipeline.sandbox.http.gate import Gate
from notion_pipeline.sandbox.http.handlers import blocks, comments, items, reading, search, users, writes
from notion_pipeline.sandbox.http.handlers.calls import Call, Spliced
from notion_pipeline.sandbox.http.parameters import check_parameters
from notion_pipeline.sandbox.model.errors import (
    NotionError,
    invalid_body,
    invalid_url,
    quoted,
    rate_limited,
    unauthorized,
)
from notion_pipeline.sandbox.model.state.tokens import Token

_LOG = logging.getLogger(__name__)
Handler = Callable[[Call], Any]
JSON = "application/json; charset=utf-8"
_API: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/v1/users/me", users.me),
    ("GET", "/v1/users/{user_id}", users.user),
    ("GET", "/v1/users", users.users),
    ("POST", "/v1/search", search.search),
    ("GET", "/v1/databases/{database_id}", reading.database),
    ("GET", "/v1/data_sources/{data_source_id}", reading.data_source),
    ("POST", "/v1/data_sources/{data_source_id}/query", reading.query_data_source),
    ("GET", "/v1/data_sources/{data_source_id}/templates", reading.templates),
    ("GET", "/v1/pages/{page_id}", reading.page),
    ("GET", "/v1/pages/{page_id}/markdown", blocks.markdown),
    ("GET", "/v1/pages/{page_id}/properties/{property_id}", items.property_item),
    ("POST", "/v1/pages", writes.create_page),
    ("PATCH", "/v1/pages/{page_id}", writes.update_page),
    ("PATCH", "/v1/data_sources/{data_source_id}", writes.update_data_source),
    ("PATCH", "/v1/databases/{database_id}", writes.update_database),
    ("GET", "/v1/blocks/{block_id}", blocks.block),
    ("GET", "/v1/blocks/{block_id}/children", blocks.block_children),
    ("GET", "/v1/comments", comments.comments),
    ("GET", "/v1/comments/{comment_id}", comments.comment),
)


def application(ws: Workspace, closing: asyncio.Event) -> Gate:
    """The ASGI application serving a workspace."""
    routes = [Route(path, _endpoint(ws, path, handler), methods=[method]) for method, path, handler in _API]
    routes += control_routes.routes(ws) + oauth_routes.routes(ws) + files.routes(ws)

    async def unknown(request: HttpRequest, _: Exception) -> Response:
        return _error(ws, invalid_url())

    app = Starlette(routes=routes, exception_handlers={404: unknown, 405: unknown})
    app.router.redirect_slashes = False
    return Gate(app, ws, closing)


def _endpoint(ws: Workspace, path: str, handler: Handler) -> Callable[[HttpRequest], Any]:
    async def endpoint(request: HttpRequest) -> Response:
        body = await request.body()
        # Between edits, never during one.
        with ws.lock:
            try:
                return _answer(ws, handler(_call(ws, path, request, body)))
            except NotionError as error:
                return _error(ws, error)
            except Exception:
                # Such as a formula of the test's own that raises: said here, and the server goes on.
                _LOG.exception("%s %s failed", request.method, request.url.path)
                return _error(ws, NotionError(500, "internal_server_error", "Unexpected error occurred."))

    return endpoint


def _call(ws: Workspace, path: str, request: HttpRequest, body: bytes) -> Call:
    token = _authorized(ws, request.headers.get("authorization", ""))
    version = _version(request.headers.get("notion-version"))
    if "notion-beta" in request.headers:
        raise NotionError(400, "invalid_beta", "Notion-Beta header failed validation: unknown value.")
    _within_rate(ws, token)
    try:
        parsed = orjson.loads(body) if body else None
    except orjson.JSONDecodeError:
        raise NotionError(400, "invalid_json", "Error parsing JSON body.") from None
    if body and parsed is None:
        raise invalid_body("body should be an object, instead was `null`.")
    query = parse_qsl(request.url.query, keep_blank_values=True)
    check_parameters(path, query)
    return Call(ws, token, version, dict(request.path_params), query, parsed)


def _authorized(ws: Workspace, header: str) -> Token:
    scheme, _, value = header.partition(" ")
    token = ws.oauth.bearer(value) if scheme == "Bearer" else None
    if token is None or token.revoked:
        raise unauthorized()
    return token


def _version(given: str | None) -> str:
    """The version asked for; there is no "latest" (section 1)."""
    if given not in VERSIONS:
        known = "defined" if given is None else " or ".join(f"`{quoted(version)}`" for version in VERSIONS)
        was = "undefined" if given is None else quoted(given)
        problem = f"Notion-Version header should be {known}, instead was `{was}`."
        raise NotionError(400, "missing_version", f"Notion-Version header failed validation: {problem}")
    return given


def _within_rate(ws: Workspace, token: Token) -> None:
    if ws.rate_limit is None:
        return
    wait = ws.rate_windows.refusal(ws.rate_limit, token.value)
    if wait is not None:
        raise rate_limited(ws.rate_limit.reason, wait)


def _answer(ws: Workspace, result: Any) -> Response:
    request_id = ws.request_id()
    if isinstance(result, Spliced):
        content = result.head + b',"request_id":"' + request_id.encode() + b'"}'
    elif "templates" in result and "object" not in result:
        content = orjson.dumps(result)  # the one answer without a request id (section 1)
    else:
        content = orjson.dumps(result | {"request_id": request_id})
    return Response(content, headers={"content-type": JSON, "x-notion-request-id": request_id})


def _error(ws: Workspace, error: NotionError) -> Response:
    request_id = ws.request_id()
    headers = {"content-type": JSON, "x-notion-request-id": request_id} | error.headers
    return Response(orjson.dumps(error.body(request_id)), error.status, headers)


class _Server(uvicorn.Server):
    """Stops at once, where uvicorn takes up to 0.2 s: tests start many servers."""

    def __init__(self, config: uvicorn.Config, closing: asyncio.Event) -> None:
        super().__init__(config)
        self._closing = closing

    async def main_loop(self) -> None:
        await self._closing.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let go of every connection; answers under way have two seconds."""
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        for _ in range(400):
            if not self.server_state.connections and not self.server_state.tasks:
                break
            await asyncio.sleep(0.005)
        for task in self.server_state.tasks:
            task.cancel()


class SandboxServer:
    """Serves a workspace on loopback from a thread, as long as the context lasts.

    Args:
        port: 0 takes a free one.
        around: What wraps the application, if anything.
    """

    def __init__(self, ws: Workspace, port: int = 0, *, around: Callable[[ASGIApp], ASGIApp] | None = None) -> None:
        self.ws = ws
        self._around = around
        self._socket = _loopback_socket(port)
        self.port: int = self._socket.getsockname()[1]
        self.url = ws.files_origin = f"http://127.0.0.1:{self.port}"
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="notion-sandbox", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing: asyncio.Event | None = None

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop, self._closing = asyncio.get_running_loop(), asyncio.Event()
        app: ASGIApp = application(self.ws, self._closing)
        server = _Server(_settings(self._around(app) if self._around else app), self._closing)
        serving = asyncio.ensure_future(server.serve(sockets=[self._socket]))
        while not server.started and not serving.done():  # noqa: ASYNC110 - uvicorn has a flag, no event
            await asyncio.sleep(0.001)
        self._ready.set()
        await serving

    def __enter__(self) -> SandboxServer:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def wait(self) -> None:
        """Until the server stops."""
        while self._thread.is_alive():
            self._thread.join(0.5)

    def stop(self) -> None:
        """Stop serving; hanging answers are let go."""
        if self._loop is not None and self._closing is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._closing.set)
        self._thread.join()
        self._socket.close()


def _loopback_socket(port: int) -> socket.socket:
    # Named a TCP socket in full, for asyncio switches Nagle's delay off only then: 40 ms per answer otherwise.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(("127.0.0.1", port))
    except OSError:
        listening.close()
        raise
    return listening


def _settings(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        log_level="error",
        access_log=False,
        lifespan="off",
        ws="none",
        # The clock's, not the machine's.
        date_header=False,
        server_header=False,
        timeout_keep_alive=75,
    )


def serve(ws: Workspace, port: int, *, announce: Callable[[str], None]) -> None:
    """Serve until interrupted, for the command line; `announce` gets the address once it answers."""
    with SandboxServer(ws, port) as server:
        try:
            announce(server.url)
            server.wait()
        except KeyboardInterrupt:
            return
