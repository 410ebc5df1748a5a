"""Ways an answer leaves: dated, changed, cut in the middle, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from email.utils import format_datetime

from starlette.types import Message, Send

from notion_pipeline.sandbox.control.faults import Fault
from notion_pipeline.sandbox.control.requests import Request
from notion_pipeline.sandbox.edits.workspace import Workspace

_SAMPLE = b'{"object":"list","results":[],"next_cursor":null,"has_more":false}'


def altered(send: Send, changes: Sequence[Callable[[bytes], bytes]]) -> Send:
    """Sends an answer once its body went through the changes."""
    start: Message = {}

    async def changed(message: Message) -> None:
        nonlocal start
        if message["type"] == "http.response.start":
            start = message
            return
        content = message["body"]
        for change in changes:
            content = change(content)
        headers = [(name, value) for name, value in start["headers"] if name != b"content-length"]
        await send({**start, "headers": [*headers, (b"content-length", str(len(content)).encode())]})
        await send({**message, "body": content})

    return changed


class Answering:
    """Sends the answer and notes its status."""

    def __init__(self, send: Send, request: Request, ws: Workspace) -> None:
        self._send, self._request, self._ws = send, request, ws
        self.date: Fault | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._request.status = message["status"]
            message = with_date(message, self._ws, self.date)
        await self._send(message)

    async def answer(self, status: int, content_type: str, body: bytes, headers: dict[str, str]) -> None:
        await self.send(start_of(status, content_type, len(body), headers))
        await self.send({"type": "http.response.body", "body": body})

    async def answer_by(self, script: Callable[[Request], tuple[int, dict[str, str], bytes | Iterable[bytes]]]) -> None:
        """An answer of the test's own making."""
        status, headers, body = script(self._request)
        encoded = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        await self.send({"type": "http.response.start", "status": status, "headers": encoded})
        for piece in [body] if isinstance(body, bytes) else body:
            await self.send({"type": "http.response.body", "body": piece, "more_body": True})
        await self.send({"type": "http.response.body", "body": b""})

    async def cut(self) -> None:
        """Half of what the headers promise, then the end of the connection."""
        body = _SAMPLE
        await self.send(start_of(200, "application/json", len(body), {}))
        await self.send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
        await self.disconnect(abort=False)

    async def drop(self) -> None:
        await self.disconnect(abort=True)

    async def disconnect(self, *, abort: bool) -> None:
        # ASGI knows no way to hang up; uvicorn's sender holds the connection.
        transport = self._send.__self__.transport  # type: ignore[attr-defined]
        transport.abort() if abort else transport.close()
        # Noticed by uvicorn in the loop's next rounds; an answer sent before that would be logged as an error.
        for _ in range(3):
            await asyncio.sleep(0)


class Cutting:
    """Sends an answer up to so many bytes, half of it unless said, then hangs up."""

    def __init__(self, answering: Answering, after: int | None) -> None:
        self._answering, self._left = answering, after
        self._over = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            length = int(dict(message["headers"]).get(b"content-length", b"0"))
            self._left = length // 2 if self._left is None else self._left
            await self._answering.send(message)
            return
        if self._over:
            return
        piece = message.get("body", b"")[: self._left]
        self._left = (self._left or 0) - len(piece)
        await self._answering.send({"type": "http.response.body", "body": piece, "more_body": True})
        if self._left <= 0:
            self._over = True
            await self._answering.disconnect(abort=False)


def start_of(status: int, content_type: str, length: int, headers: dict[str, str]) -> Message:
    pairs = {"content-type": content_type, "content-length": str(length)} | headers
    encoded = [(name.lower().encode(), value.encode()) for name, value in pairs.items()]
    return {"type": "http.response.start", "status": status, "headers": encoded}


def with_date(message: Message, ws: Workspace, fault: Fault | None = None) -> Message:
    params = fault.params if fault is not None else {}
    moment = ws.clock.header_time() + timedelta(seconds=params.get("seconds", 0))
    date = params.get("header", format_datetime(moment, usegmt=True))
    if date is None:
        return message
    return {**message, "headers": [*message["headers"], (b"date", date.encode("latin-1"))]}
