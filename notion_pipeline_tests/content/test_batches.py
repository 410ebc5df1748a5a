"""Items that are read while others are committed: all come once and in order, and few are held at a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Awaitable, Callable

import pytest

from notion_pipeline.content.batches import MOST_WEIGHT, Batches

HandOver = Callable[[int], Awaitable[None]]


class Reader:
    """Reads numbers, and knows how far it came."""

    def __init__(self, number: int, *, error: Exception | None = None) -> None:
        self.number = number
        self.read = 0
        self.ended = threading.Event()
        self.error = error

    async def __call__(self, hand_over: HandOver) -> None:
        try:
            for item in range(self.number):
                self.read += 1
                await hand_over(item)
            if self.error is not None:
                raise self.error
        finally:
            self.ended.set()


@pytest.mark.parametrize("size", [1, 2, 10, 200])
def test_every_item_comes_once_and_in_order(size: int) -> None:
    with Batches(Reader(95), size=size) as batches:
        found = list(batches)
    assert [item for batch in found for item in batch] == list(range(95))
    assert all(0 < len(batch) <= size for batch in found)


def test_a_kill_at_any_moment_loses_no_more_than_a_batch() -> None:
    """Held are the items that are being committed, and those that were read since: `size` together."""
    reader, size, done = Reader(100), 10, 0
    with Batches(reader, size=size) as batches:
        for batch in batches:
            for _ in range(20):
                time.sleep(0.001)  # lets the reader come as far as it may
                # One more, which waits to be handed over, is under way.
                assert reader.read - done <= size + 1
            done += len(batch)
    assert done == 100


def test_reads_go_on_while_a_batch_is_committed() -> None:
    reader = Reader(10)
    with Batches(reader, size=10) as batches:
        given = iter(batches)
        first = next(given)
        # All fit beside those that are being committed: the reader ends, though no batch is asked for.
        assert reader.ended.wait(60)
        assert [item for batch in given for item in batch] == list(range(len(first), 10))


def test_large_items_are_held_by_their_weight() -> None:
    reader, done = Reader(12), 0
    with Batches(reader, weight=lambda _: MOST_WEIGHT // 2) as batches:
        for batch in batches:
            for _ in range(20):
                time.sleep(0.001)
                assert reader.read - done <= 3
            done += len(batch)
    assert done == 12


def test_the_error_that_ends_the_reads_comes_after_what_was_read() -> None:
    found: list[int] = []
    with (
        Batches(Reader(5, error=ValueError("over")), size=4) as batches,
        pytest.raises(ValueError, match="over"),
    ):
        for batch in batches:
            found += batch
    assert found == list(range(5))


def test_leaving_the_block_ends_the_reads() -> None:
    reader = Reader(1_000_000)
    with Batches(reader, size=10) as batches:
        next(iter(batches))
    assert reader.ended.is_set()
    assert reader.read <= 21
