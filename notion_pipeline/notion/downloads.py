"""Downloads of hosted files, in pieces: outside Notion's API and its limit, without its token."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import TypeVar

import httpx

from notion_pipeline.errors import DownloadError
from notion_pipeline.notion.transport import file_client

T = TypeVar("T")
#: Seconds without a byte.
_TIMEOUT = 60.0
#: Seconds before each repeat.
PAUSES = (1.0, 4.0)
_SERVER_ERRORS = range(500, 600)
_REPEATED = (408, 429)


@dataclass(frozen=True)
class Download:
    """A file whose first bytes are there.

    Attributes:
        length: Bytes of the whole; None where the server does not say.
        pieces: The bytes; ends early only by raising.
    """

    length: int | None
    mime: str | None
    pieces: AsyncIterator[bytes]


@dataclass
class DownloadUsage:
    """What the downloads of a run took: GETs, repeats included, and bytes."""

    requests: int = 0
    bytes: int = 0


class _PassingError(DownloadError):
    """Worth another try."""


class Downloads:
    """Fetches signed addresses. An async context manager.

    Args:
        base_url: Of Notion's API.
        connections: Downloads at a time.
        usage: Is counted into.
        sleep: Waits between attempts.
    """

    def __init__(
        self,
        base_url: str,
        *,
        connections: int,
        usage: DownloadUsage,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._http = file_client(base_url, connections=connections, timeout=_TIMEOUT)
        self._sleep = sleep
        self._usage = usage

    async def __aenter__(self) -> Downloads:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def fetch(self, url: str, use: Callable[[Download], Awaitable[T]]) -> T:
        """What `use` makes of the file; a few attempts where the connection or the server fails.

        Raises:
            DownloadError: The server refused it (`status`), or every attempt failed.
        """
        for pause in PAUSES:
            try:
                return await self._once(url, use)
            except _PassingError:
                await self._sleep(pause)
        return await self._once(url, use)

    async def _once(self, url: str, use: Callable[[Download], Awaitable[T]]) -> T:
        try:
            async with self._opened(url) as download:
                return await use(download)
        except httpx.HTTPError as error:
            # The error's own text may hold the address, and with it the signature.
            raise _PassingError(f"The download broke off ({type(error).__name__}).") from None
        except httpx.InvalidURL:
            raise DownloadError("Its address is no URL.") from None

    @asynccontextmanager
    async def _opened(self, url: str) -> AsyncIterator[Download]:
        self._usage.requests += 1
        async with self._http.stream("GET", url) as response:
            status = response.status_code
            if status != httpx.codes.OK:
                kind = _PassingError if status in _SERVER_ERRORS or status in _REPEATED else DownloadError
                raise kind(f"The file's host answered {status}.", status=status)
            length = response.headers.get("content-length", "")
            mime = response.headers.get("content-type", "").partition(";")[0].strip()
            yield Download(int(length) if length.isdecimal() else None, mime or None, self._pieces(response))

    async def _pieces(self, response: httpx.Response) -> AsyncIterator[bytes]:
        async for piece in response.aiter_raw():
            self._usage.bytes += len(piece)
            yield piece
