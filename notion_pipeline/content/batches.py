"""Reads in a thread of their own, handed in batches to the thread that commits them, so that neither waits long."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import Generic, TypeVar

T = TypeVar("T")

#: What a kill loses at most: items that are being committed, and those that were read since. Half of them are handed
#: over at a time, so that reads need not wait for a commit.
BATCH_SIZE = 200
BATCH_SECONDS = 5.0
#: Bytes that are held, where items are large.
MOST_WEIGHT = 8 * 1024 * 1024


class Batches(Generic[T]):
    """What a coroutine reads, in batches. Use it in a `with` block: leaving the block ends the reads.

    Args:
        read: Hands over each item by awaiting what it is given; runs on an event loop of its own. It waits there while
            `size` items are held, which bounds memory and what a kill loses.
        weight: Bytes of an item, or about.
        size: Items that are held: those of the batch that was given last, until the next one is asked for, and those
            that were read since.
        seconds: How long items wait until there is half of `size`.
    """

    def __init__(
        self,
        read: Callable[[Callable[[T], Awaitable[None]]], Awaitable[None]],
        *,
        weight: Callable[[T], int] = lambda _: 1,
        size: int = BATCH_SIZE,
        seconds: float = BATCH_SECONDS,
    ) -> None:
        self._read = read
        self._size = size
        self._seconds = seconds
        self._items: list[T] = []
        self._changed = threading.Condition()
        self._is_over = False
        self._error: BaseException | None = None
        self._is_left = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._has_room = asyncio.Event()
        self._weight = weight
        self._waiting_weight = 0
        self._given = 0
        self._given_weight = 0
        self._task: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._run, name="notion-content", daemon=True)

    def __enter__(self) -> Batches[T]:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._is_left = True
            task = self._task
        if task is not None:
            self._in_loop(task.cancel)
        self._thread.join()

    def __iter__(self) -> Iterator[list[T]]:
        """The batches; each is done with when the next one is asked for.

        Raises:
            Exception: The one that ended the reads, after all that came before it was handed over.
        """
        while batch := self._next():
            yield batch
        if self._error is not None:
            raise self._error

    def _next(self) -> list[T]:
        with self._changed:
            self._given = self._given_weight = 0
        self._in_loop(self._has_room.set)
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._is_over)
            self._changed.wait_for(
                lambda: 2 * len(self._items) >= self._size or 2 * self._waiting_weight >= MOST_WEIGHT or self._is_over,
                timeout=self._seconds,
            )
            batch, self._items = self._items, []
            self._given, self._given_weight = len(batch), self._waiting_weight
            self._waiting_weight = 0
        return batch

    def _in_loop(self, act: Callable[[], object]) -> None:
        # A loop that has ended meanwhile is closed, and needs to be told nothing.
        with suppress(RuntimeError):
            if self._loop is not None:
                self._loop.call_soon_threadsafe(act)

    async def _hand_over(self, item: T) -> None:
        while True:
            with self._changed:
                held, weight = self._given + len(self._items), self._given_weight + self._waiting_weight
                if held < self._size and weight < MOST_WEIGHT:
                    self._items.append(item)
                    self._waiting_weight += self._weight(item)
                    self._changed.notify_all()
                    return
                self._has_room.clear()
            await self._has_room.wait()

    def _run(self) -> None:
        try:
            asyncio.run(self._whole())
        except asyncio.CancelledError:
            pass
        except BaseException as error:  # carried to the thread that iterates, and raised there
            self._error = error
        finally:
            with self._changed:
                self._is_over = True
                self._changed.notify_all()

    async def _whole(self) -> None:
        with self._changed:
            if self._is_left:
                return
            self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        await self._read(self._hand_over)


async def side_by_side(items: AsyncIterator[T], workers: int, work: Callable[[T], Awaitable[None]]) -> None:
    """Works on items, so many at a time; where one raises, the others are cancelled and its error is raised."""

    async def worker() -> None:
        while True:
            try:
                async with taking:
                    item = await anext(items)
            except StopAsyncIteration:
                return
            await work(item)

    taking = asyncio.Lock()
    tasks = [asyncio.ensure_future(worker()) for _ in range(workers)]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
