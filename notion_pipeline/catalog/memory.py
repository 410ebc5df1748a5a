"""What a sync asks of Python and the C library so that it needs little memory, and little time to tidy it."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa

# An answer of 100 rows is some 10,000 containers, and none of them is part of a cycle.
_CONTAINERS_BEFORE_COLLECTION = 50_000


@contextmanager
def few_collections() -> Iterator[None]:
    """A while in which Python looks for garbage cycles seldom, and not among what was there before.

    Answers are trees of many small objects that live for a moment. At its usual pace Python would search them, and
    with them everything that Dagster has loaded, again and again, and find nothing: about as much work as parsing.
    """
    before = gc.get_threshold()
    if not gc.isenabled() or not 0 < before[0] < _CONTAINERS_BEFORE_COLLECTION or gc.get_freeze_count():
        yield  # somebody has seen to it already, and puts it back
        return
    gc.freeze()
    gc.set_threshold(_CONTAINERS_BEFORE_COLLECTION, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def give_back_memory() -> None:
    """Hands what was freed back to the system: the answers of a read, before their rows need room in DuckDB."""
    pa.default_memory_pool().release_unused()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has it
    if trim is not None:
        trim(0)
