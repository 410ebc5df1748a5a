"""Reads the body of an answer up to a bound, so that no server can fill our memory.

Notion's answers are far below the bounds: a page of a query is 100 rows with at most 2.5 MB of values each
(notion-api.md section 5), a page of search 100 schemas of at most 1.5 MB, and most answers are under one megabyte.
httpx would unpack everything that a piece of gzip holds, and gzip inside gzip. So gzip is unpacked here, piece by
piece, and any other encoding is refused.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import httpx

from notion_pipeline.errors import UnboundedAnswerError

#: Bytes of an answer of the API, unpacked.
LONGEST_ANSWER = 256 * 2**20
#: Bytes of an answer that holds tokens, and how long it may take to come; a few kilobytes, and a minute at most.
LONGEST_TOKEN_ANSWER = 2**20
TOKEN_ANSWER_SECONDS = 60.0
_PIECE = 2**20
_GZIP = 16 + zlib.MAX_WBITS


class BodyTooLongError(Exception):
    """A body longer than any of Notion's: somebody else's, or a reason to ask for less."""

    def __init__(self, most: int) -> None:
        super().__init__(f"more than {most} bytes")
        self.most = most

    def about(self, subject: str) -> UnboundedAnswerError:
        """The error to tell of it."""
        return UnboundedAnswerError(
            f"The answer about {subject} is longer than {self.most // 2**20} MiB, which none of Notion's is; the rest "
            "of it was not read.",
            hint="Check NOTION_API_URL and the proxy of the environment: is it Notion that answers?",
        )


def bound_answers(most: int) -> Callable[[httpx.Response], Awaitable[None]]:
    """An event hook of an asynchronous client: a body is unpacked as it is read, up to so many bytes."""

    async def bound_answer(response: httpx.Response) -> None:
        pieces = _Pieces(response, most)
        assert isinstance(response.stream, httpx.AsyncByteStream)  # noqa: S101 - of an asynchronous client
        response.stream = _AsyncBody(response.stream, pieces)

    return bound_answer


def bound_token_answer(response: httpx.Response) -> None:
    """The same for a client without an event loop, up to LONGEST_TOKEN_ANSWER bytes in TOKEN_ANSWER_SECONDS."""
    pieces = _Pieces(response, LONGEST_TOKEN_ANSWER)
    assert isinstance(response.stream, httpx.SyncByteStream)  # noqa: S101 - of a client without an event loop
    response.stream = _Body(response.stream, pieces, give_up_at=time.monotonic() + TOKEN_ANSWER_SECONDS)


class _Pieces:
    """Unpacks a body piece by piece, and counts."""

    def __init__(self, response: httpx.Response, most: int) -> None:
        self._most = most
        self._left = most
        self._request = response.request
        coding = response.headers.pop("content-encoding", "identity").strip().lower()
        self._known = coding in ("", "identity", "gzip", "x-gzip")
        self._gzip = zlib.decompressobj(_GZIP) if coding.endswith("gzip") else None

    def of(self, raw: bytes) -> Iterator[bytes]:
        """What a piece of the body holds, in small pieces.

        Raises:
            BodyTooLongError: It goes beyond the bound.
            httpx.DecodingError: It is packed in another way than was asked for, or damaged.
        """
        if not self._known:
            raise httpx.DecodingError("the answer is packed in a way that was not asked for", request=self._request)
        if self._gzip is None:
            yield self._counted(raw)
            return
        is_full = True
        while is_full and not self._gzip.eof:
            try:
                piece = self._gzip.decompress(raw, _PIECE)
            except zlib.error as error:
                raise httpx.DecodingError(str(error), request=self._request) from None
            raw, is_full = self._gzip.unconsumed_tail, len(piece) == _PIECE
            yield self._counted(piece)

    def end(self) -> None:
        """Makes sure that the body was whole.

        Raises:
            httpx.DecodingError: It was cut.
        """
        if self._gzip is not None and not self._gzip.eof and self._left < self._most:
            raise httpx.DecodingError("the answer was cut", request=self._request)

    def _counted(self, piece: bytes) -> bytes:
        self._left -= len(piece)
        if self._left < 0:
            raise BodyTooLongError(self._most)
        return piece


class _AsyncBody(httpx.AsyncByteStream):
    def __init__(self, body: httpx.AsyncByteStream, pieces: _Pieces) -> None:
        self._body, self._pieces = body, pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for raw in self._body:
            for piece in self._pieces.of(raw):
                yield piece
        self._pieces.end()

    async def aclose(self) -> None:
        await self._body.aclose()


class _Body(httpx.SyncByteStream):
    def __init__(self, body: httpx.SyncByteStream, pieces: _Pieces, *, give_up_at: float) -> None:
        self._body, self._pieces, self._give_up_at = body, pieces, give_up_at

    def __iter__(self) -> Iterator[bytes]:
        for raw in self._body:
            yield from self._pieces.of(raw)
            if time.monotonic() > self._give_up_at:
                raise httpx.ReadTimeout("the answer comes too slowly")
        self._pieces.end()

    def close(self) -> None:
        self._body.close()
