"""One question to Notion, over however many requests it takes: rate limiting, retries, error mapping.

Every request only reads, also the POST ones (search, query), so each may be repeated. A failure that may pass is tried
again, in at most 8 attempts. The rate limiter waits out a pause that Notion orders; that is not an attempt.
A client and its `with_stats()` copies share their connections.
"""

from __future__ import annotations

import asyncio
import copy
import json
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, TypeVar

import httpx
from tenacity import AsyncRetrying, RetryCallState

from notion_pipeline.errors import (
    RetryableNotionError,
    UnboundedAnswerError,
    error_context,
)
from notion_pipeline.notion.limits.rate_limiter import RateLimiter
from notion_pipeline.notion.page_size import Body, PageSize
from notion_pipeline.notion.request_stats import RequestStats
from notion_pipeline.notion.responses.bodies import LONGEST_ANSWER, BodyTooLongError
from notion_pipeline.notion.responses.failures import RateLimited, TransientFailure, unreachable
from notion_pipeline.notion.responses.parsing import Answer, parse_response
from notion_pipeline.notion.retries import ATTEMPTS, IF_IT_MAY_PASS, STOP, back_off, pause_seconds
from notion_pipeline.notion.transport import checked_base_url, http_client

# A body that comes in drops, each within the read timeout, ends here.
BODY_SECONDS = 300.0
# So many rows of the greatest size that Notion allows stay far below the longest answer that is read.
ROWS_OF_ANY_SIZE = 25

_CALL = "notion_pipeline.call"

E = TypeVar("E", bound="Exchange")


@dataclass(slots=True)
class _Call:
    """One question, over however many requests it takes."""

    method: str
    path: str
    subject: str
    stats: RequestStats
    body: Body | None = None
    params: dict[str, Any] | None = None
    is_list: bool = False
    sent: int = 0
    pauses_untold: int = 0


class Exchange:
    """Asks Notion for one source of sources.yaml. An async context manager; closes its connections at the end.

    Args:
        auth: Puts the credential on each request; may refresh it once on a 401.
        rate_limiter: Of the account; shared by all its clients in this process.
        base_url: Without `/v1`.
        source: Name of the source, for messages.
        log: Takes a line for each repeat.
        timeout: Seconds without a byte before an attempt is given up; Notion itself gives up after 60.
        body_seconds: The longest that a body may take, however steadily its bytes come.
        longest_answer: Bytes of a body, unpacked; a longer one is refused.
        transport: Instead of the network.
        stats: To count into; new ones where None.
        sleep: Waits between attempts.

    Raises:
        ConfigError: `base_url` is none.
    """

    def __init__(
        self,
        *,
        auth: httpx.Auth,
        rate_limiter: RateLimiter,
        base_url: str,
        source: str,
        log: Callable[[str], None],
        timeout: float = 70.0,
        body_seconds: float = BODY_SECONDS,
        longest_answer: int = LONGEST_ANSWER,
        transport: httpx.AsyncBaseTransport | None = None,
        stats: RequestStats | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.stats = stats or RequestStats()
        self._rate_limiter = rate_limiter
        self.source = source
        self._log = log
        self._sleep = sleep
        self._body_seconds = body_seconds
        self._page_sizes: defaultdict[str, PageSize] = defaultdict(PageSize)
        self._closes_connections = True
        self.base_url = checked_base_url(base_url)
        self._http = http_client(
            auth,
            self.base_url,
            connections=rate_limiter.concurrent_requests,
            timeout=timeout,
            longest_answer=longest_answer,
            transport=transport,
            before_request=_count,
        )

    async def __aenter__(self: E) -> E:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._closes_connections:
            await self._http.aclose()

    def with_stats(self: E) -> E:
        """The same client with stats of its own; connections, rate limiter and page sizes are shared."""
        twin = copy.copy(self)
        twin.stats = RequestStats(run=self.stats.run)
        twin._closes_connections = False
        return twin

    async def get(self, path: str, subject: str, params: dict[str, Any] | None = None) -> Answer:
        """The answer to a GET.

        Args:
            subject: What is asked for, in the words of a message (`data source 1f0c…`).
        """
        return await self._ask(_Call("GET", path, subject, self.stats, params=params), self._exchange)

    async def post_for_list(self, path: str, subject: str, body: Body) -> Answer:
        """A list that is asked for by POST.

        Where Notion or a gateway before it fails or runs out of time (5xx but 529, no answer), the next attempt asks
        for half as many results, and later questions of this path grow back to what their body asks for.
        """
        call = _Call("POST", path, subject, self.stats, body, is_list=True)
        return await self._ask(call, self._exchange_sized)

    async def _ask(self, call: _Call, attempt: Callable[[_Call], Awaitable[Answer]]) -> Answer:
        retrying = AsyncRetrying(
            sleep=self._sleep,
            stop=STOP,
            wait=back_off,
            retry=IF_IT_MAY_PASS,
            before_sleep=self._log_repeat,
            reraise=True,
        )
        with error_context(source=self.source):
            try:
                return await retrying(attempt, call)
            except TransientFailure as failure:
                raise RetryableNotionError(
                    f"{failure.message} (attempt {ATTEMPTS} of {ATTEMPTS}).",
                    hint=failure.hint or "Try again later: a read goes on where it stopped.",
                    status=failure.status,
                    code=failure.code,
                    request_id=failure.request_id,
                ) from None

    def _log_repeat(self, state: RetryCallState) -> None:
        failure = state.outcome.exception() if state.outcome else None
        seconds = state.next_action.sleep if state.next_action else 0.0
        what = failure.message if isinstance(failure, TransientFailure) else failure
        self._log(f"{what}. Attempt {state.attempt_number + 1} of {ATTEMPTS} follows in {seconds:.1f} s.")

    async def _exchange_sized(self, call: _Call) -> Answer:
        # One a path: what is too heavy in one data source says nothing of another.
        page_size = self._page_sizes[call.path]
        call.body, size = page_size.fit(call.body or {})
        try:
            answer = await self._exchange(call)
        except TransientFailure as failure:
            if failure.too_heavy:
                page_size.was_too_much(size)
            raise
        except UnboundedAnswerError as error:
            if size <= ROWS_OF_ANY_SIZE:
                raise
            page_size.was_too_much(size)
            raise TransientFailure(error.message.removesuffix("."), hint=error.hint) from None
        page_size.went_well(size)
        return answer

    async def _exchange(self, call: _Call) -> Answer:
        """One attempt; pauses that Notion orders on the way are waited out and are no attempts."""
        while True:
            async with self._rate_limiter.slot(call.stats):
                try:
                    # An auth that refreshes may be told to wait as well.
                    answer = parse_response(await self._send(call), call.subject, is_list=call.is_list)
                except RateLimited as refusal:
                    # Before the place is given back: whoever gets it next must find the pause.
                    seconds = pause_seconds(refusal, call.pauses_untold)
                    call.pauses_untold += refusal.seconds is None
                    self._rate_limiter.pause(seconds, f'{refusal.reason}, source "{self.source}"')
                    continue
            call.stats.told_time(answer.server_time)
            if answer.texts_replaced:
                call.stats.texts_replaced += answer.texts_replaced
                self._log(
                    f"Texts in an answer about {call.subject} that hold half of a surrogate pair, which is no "
                    f"character and is replaced by U+FFFD: {answer.texts_replaced}."
                )
            return answer

    async def _send(self, call: _Call) -> httpx.Response:
        content = None if call.body is None else json.dumps(call.body).encode()
        headers = {"Content-Type": "application/json"} if content is not None else None
        request = self._http.build_request(
            call.method,
            self.base_url + call.path,
            content=content,
            params=call.params,
            headers=headers,
            extensions={_CALL: call},
        )
        try:
            response = await self._http.send(request, stream=True)
            try:
                # Only the body has this bound: a credential being refreshed on the way must not be cut short.
                await asyncio.wait_for(response.aread(), self._body_seconds)
            finally:
                await response.aclose()
                # It knows its response, and only a search for garbage would free the two, with the body they hold.
                response.stream = httpx.ByteStream(b"")
        except BodyTooLongError as error:
            raise error.about(call.subject) from None
        except (httpx.RequestError, asyncio.TimeoutError) as error:
            raise unreachable(error, request, call.subject, self.base_url) from None
        return response


async def _count(request: httpx.Request) -> None:
    """Counts a request as it goes out, also the second one of an auth that refreshed its token."""
    call = request.extensions.get(_CALL)
    if isinstance(call, _Call):
        call.stats.sent(again=call.sent > 0)
        call.sent += 1
