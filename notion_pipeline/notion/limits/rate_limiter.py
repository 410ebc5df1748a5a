"""How fast one account is asked: requests side by side, their spacing, and the pauses that Notion orders.

A pause holds for every request of the account, in every process, and so does the spacing: processes tell each other
through the state that they share. Within a process the monotonic clock counts, so that a corrected wall clock moves
nothing. The state holds epoch seconds and the length of the pause; no pause is longer than that, however the clock is
set. One rate limiter serves one account in one process, on one event loop at a time.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Protocol

from notion_pipeline.errors import StagingError, StateError
from notion_pipeline.notion.limits.shared_limits import LONGEST_PAUSE_SECONDS, SharedLimits

SECONDS_BETWEEN_PAUSE_LINES = 60.0


def account_key(token: str) -> str:
    """The name under which processes with this token share their pauses; the token cannot be told from it."""
    return hashlib.sha256(token.encode()).hexdigest()[:16]


class RequestWatch(Protocol):
    """What wants to know when its requests go, and how long they wait; waits of one watch may overlap."""

    def pause_begins(self, now: float) -> None: ...

    def pause_ends(self, now: float) -> None: ...

    def turn_begins(self, now: float) -> None: ...

    def turn_ends(self, now: float) -> None: ...

    def let_through(self, now: float) -> None: ...


class RateLimiter:
    """Lets requests of one account through, no more and no faster than allowed, and none during a pause.

    Args:
        concurrent_requests: Requests in flight at once.
        requests_per_minute: Evenly spaced, without bursts; None sends as fast as Notion allows.
        shared: Shares pauses and spacing with other processes; None keeps them in this one.
        log: Takes a line when a pause begins, and one for each further minute.
        clock: Monotonic seconds. Where it is replaced, `sleep` must move it.
    """

    def __init__(
        self,
        *,
        concurrent_requests: int,
        requests_per_minute: int | None,
        shared: SharedLimits | None,
        log: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.concurrent_requests = concurrent_requests
        self._interval = 60.0 / requests_per_minute if requests_per_minute else 0.0
        self._shared = shared
        self._log = log
        self._clock = clock
        self._sleep = sleep
        self._next_at = -math.inf
        self._paused_until = -math.inf
        self._reason = ""
        self._line_at = -math.inf
        self._sharing_failed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._slots = asyncio.Semaphore(concurrent_requests)

    @asynccontextmanager
    async def slot(self, watch: RequestWatch | None = None) -> AsyncIterator[None]:
        """The right to send one request now; waits for pauses, a free place and the request's turn.

        Args:
            watch: Is told what holds this request up, and when it may go.
        """
        await self._wait_out(watch)
        async with self._places():
            await self._wait_turn(watch)
            if watch is not None:
                watch.let_through(self._clock())
            yield

    def pause(self, seconds: float, reason: str) -> None:
        """Holds every request of the account for `seconds` from now; a longer pause is kept."""
        seconds = min(max(seconds, 0.0), LONGEST_PAUSE_SECONDS)
        self._adopt(seconds, reason)
        self._share(seconds, reason)
        self._tell()

    def _places(self) -> asyncio.Semaphore:
        # A semaphore belongs to the loop it was first waited on; a run in another loop gets a fresh one.
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop, self._slots = loop, asyncio.Semaphore(self.concurrent_requests)
        return self._slots

    async def _wait_turn(self, watch: RequestWatch | None) -> None:
        # A turn that a pause overtook is given up for a later one: else all of them would go at its end at once.
        while True:
            await self._wait_out(watch)
            await self._take_turn(watch)
            if self._pause_left() <= 0:
                return

    async def _take_turn(self, watch: RequestWatch | None) -> None:
        if not self._interval:
            return
        turn = self._reserve_turn()
        if turn <= self._clock():
            return
        if watch is not None:
            watch.turn_begins(self._clock())
        try:
            while (left := turn - self._clock()) > 0:
                await self._sleep(left)
        finally:
            if watch is not None:
                watch.turn_ends(self._clock())

    def _reserve_turn(self) -> float:
        """The moment of the next request by our clock."""
        if self._shared is not None:
            try:
                return self._clock() + self._shared.next_turn(self._interval)
            except StateError:
                raise
            except (OSError, StagingError) as error:
                self._tell_unshared(error)
        turn = max(self._clock(), self._next_at)
        self._next_at = turn + self._interval
        return turn

    async def _wait_out(self, watch: RequestWatch | None) -> None:
        if self._pause_left() <= 0:
            return
        if watch is not None:
            watch.pause_begins(self._clock())
        try:
            while (left := self._pause_left()) > 0:
                self._tell()
                await self._sleep(max(min(left, self._line_at - self._clock()), 0.0))
        finally:
            if watch is not None:
                watch.pause_ends(self._clock())

    def _pause_left(self) -> float:
        if self._shared is not None and (news := self._shared.news()) is not None:
            self._adopt(*news)
        return self._paused_until - self._clock()

    def _adopt(self, seconds: float, reason: str) -> None:
        now = self._clock()
        if now + seconds <= max(self._paused_until, now):
            return
        if self._paused_until <= now:
            self._line_at = now  # a new pause is told at once, a longer one with its next minute
        self._paused_until, self._reason = now + seconds, reason

    def _share(self, seconds: float, reason: str) -> None:
        if self._shared is None:
            return
        try:
            self._shared.extend(seconds, reason)
        except (OSError, StagingError) as error:
            self._tell_unshared(error)

    def _tell_unshared(self, error: Exception) -> None:
        if not self._sharing_failed:
            self._log(f"Pauses that Notion orders cannot be shared with other processes: {error}")
        self._sharing_failed = True

    def _tell(self) -> None:
        now = self._clock()
        left = self._paused_until - now
        if left > 0 and now >= self._line_at:
            self._line_at = now + SECONDS_BETWEEN_PAUSE_LINES
            self._log(
                f"Notion asked this account to wait ({self._reason}): no request for {math.ceil(left)} s from now."
            )
