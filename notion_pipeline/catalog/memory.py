"""Keeps a sync small and quick: fewer garbage collections, and freed memory given back to the system."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa

# An answer of 100 rows has some 10,000 containers, and none of them is part of a cycle.
_CONTAINERS_BEFORE_COLLECTION = 50_000


@contextmanager
def few_collections() -> Iterator[None]:
    """Raises the threshold of Python's garbage collector, and leaves existing objects out of its search.

    Answers are trees of many small objects that live for a moment. By default Python would search them, and everything
    that Dagster has loaded, again and again and find nothing, which takes about as long as parsing.
    """
    before = gc.get_threshold()
    if not gc.isenabled() or not 0 < before[0] < _CONTAINERS_BEFORE_COLLECTION or gc.get_freeze_count():
        yield  # already set by an outer caller, who resets it
        return
    gc.freeze()
    gc.set_threshold(_CONTAINERS_BEFORE_COLLECTION, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def give_back_memory() -> None:
    """Gives freed memory back to the system: that of a read's answers, before DuckDB needs room for their rows."""
    pa.default_memory_pool().release_unused()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has it
    if trim is not None:
        trim(0)
