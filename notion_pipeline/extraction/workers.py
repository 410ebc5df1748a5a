"""The workers of one read as tasks: one of its own, and spare ones of the run while there is work for them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass


@dataclass
class SpareWorkers:
    """Workers that no database of the run needs now: a large one reads several windows with them."""

    free: int = 0

    def take(self) -> bool:
        """Whether there was one; `give` brings it back."""
        if self.free <= 0:
            return False
        self.free -= 1
        return True

    def give(self) -> None:
        self.free += 1


class WorkerPool:
    """Runs pieces of work side by side.

    Args:
        find_work: Gives the next piece, or None where there is none now.
    """

    def __init__(self, spare: SpareWorkers, find_work: Callable[[], Coroutine[None, None, None] | None]) -> None:
        self._spare = spare
        self._find_work = find_work
        self._own: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._ended: asyncio.Queue[asyncio.Task[None]] = asyncio.Queue()

    def start(self) -> None:
        """Gives work to every worker that is free."""
        if self._own is None or self._own.done():
            if (work := self._find_work()) is None:
                return
            self._own = self._run(work)
        while self._spare.take():
            if (work := self._find_work()) is None:
                self._spare.give()
                return
            self._run(work).add_done_callback(lambda _: self._spare.give())

    async def next_end(self) -> None:
        """Comes back when a piece of work is done; raises what it raised."""
        task = await self._ended.get()
        self._tasks.discard(task)
        task.result()

    async def cancel(self) -> None:
        """Ends what is still under way; comes back when all of it has ended."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _run(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended.put_nowait)
        return task
