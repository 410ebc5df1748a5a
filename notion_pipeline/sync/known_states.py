"""What the catalog knows of data sources, read for many databases in one opening of the file."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import duckdb

from notion_pipeline.catalog import state as bookkeeping
from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.catalog.state import StreamState


class KnownStates:
    """States of the data sources of a source, each as it is after its database's lock was taken.

    To open the file costs more than to read it, and holds up the commits. So one opening serves all databases that
    wait for it and those that come next, as long as nobody commits meanwhile.

    Args:
        ahead: Gives the data sources of the databases that come next.
    """

    def __init__(self, catalog: Catalog, source: str, ahead: Callable[[], Iterable[str]]) -> None:
        self._catalog = catalog
        self._source = source
        self._ahead = ahead
        self._version: Any = None
        self._covered: frozenset[str] = frozenset()
        self._states: dict[str, StreamState] = {}
        self._wanted: set[str] = set()
        self._next: asyncio.Future[dict[str, StreamState]] | None = None
        self._opening = asyncio.Lock()

    async def of(self, data_sources: Iterable[str]) -> dict[str, StreamState]:
        """By data source id, at least those of the given ones that the catalog knows."""
        wanted = set(data_sources)
        if self._version is not None and wanted <= self._covered and self._version == self._catalog.version():
            return self._states
        self._wanted |= wanted
        if self._next is None:
            self._next = asyncio.ensure_future(self._read_wanted())
        return await asyncio.shield(self._next)

    async def _read_wanted(self) -> dict[str, StreamState]:
        async with self._opening:
            # A database that asks from here on took its lock later, so it needs a later answer.
            wanted, self._wanted, self._next = frozenset(self._wanted.union(self._ahead())), set(), None
            version = self._catalog.version()
            states = await asyncio.to_thread(self._read, wanted)
            self._version, self._covered, self._states = version, wanted, states
            return states

    def _read(self, wanted: frozenset[str]) -> dict[str, StreamState]:
        def states(connection: duckdb.DuckDBPyConnection | None) -> dict[str, StreamState]:
            if connection is None or not bookkeeping.has_bookkeeping(connection):
                return {}
            return bookkeeping.stream_states(connection, self._source, only=wanted)

        return self._catalog.read(states)
