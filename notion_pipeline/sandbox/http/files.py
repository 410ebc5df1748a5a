"""Downloads of hosted files as S3 gives them: no token, a signed URL, ranges (notion-api-additions.md section 6)."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request as HttpRequest
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from notion_pipeline.sandbox.answers.signed_urls import refusal
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.model.content.files import HostedFile

PREFIX = "/files/"
_RANGE = re.compile(r"bytes=(\d*)-(\d*)$")


def routes(ws: Workspace) -> list[Route]:
    return [Route(PREFIX + "{workspace_id}/{file_id}/{name}", _endpoint(ws), methods=["GET"])]


def _endpoint(ws: Workspace) -> Callable[[HttpRequest], Any]:
    async def endpoint(request: HttpRequest) -> Response:
        if "authorization" in request.headers:
            return _error(400, "InvalidArgument", "Only one auth mechanism allowed.")
        with ws.lock:
            file = ws.files_by_id.get(request.path_params["file_id"])
            if file is None or request.method != "GET" or request.path_params["workspace_id"] != ws.id:
                return _error(403, "AccessDenied", "Access Denied")
            refused = refusal(ws, file, dict(parse_qsl(request.url.query)))
        return _error(403, *refused) if refused else _download(request, file)

    return endpoint


def _download(request: HttpRequest, file: HostedFile) -> Response:
    headers = {
        "content-type": file.content_type,
        "etag": file.etag,
        "accept-ranges": "bytes",
        "last-modified": format_datetime(file.uploaded_at, usegmt=True),
    }
    if request.headers.get("if-none-match") == file.etag:
        return Response(status_code=304, headers=headers)
    wanted = _RANGE.match(request.headers.get("range", ""))
    if wanted is None or not any(wanted.groups()) or request.headers.get("if-range", file.etag) != file.etag:
        return StreamingResponse(_pieces(file, 0, file.size), 200, {**headers, "content-length": str(file.size)})
    start, end = _span(wanted[1], wanted[2], file.size)
    if start >= end:
        answer = _error(416, "InvalidRange", "The requested range is not satisfiable")
        answer.headers["content-range"] = f"bytes */{file.size}"
        return answer
    ranged = {"content-length": str(end - start), "content-range": f"bytes {start}-{end - 1}/{file.size}"}
    return StreamingResponse(_pieces(file, start, end), 206, headers | ranged)


def _span(first: str, last: str, size: int) -> tuple[int, int]:
    """Where a range begins and ends; `-500` asks for the last 500 bytes."""
    if not first:
        return max(0, size - int(last)), size
    return int(first), min(int(last) + 1, size) if last else size


async def _pieces(file: HostedFile, start: int, end: int) -> AsyncIterator[bytes]:
    for piece in file.read(start, end):
        yield piece


def _error(status: int, code: str, message: str) -> Response:
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return Response(body, status, media_type="application/xml")
