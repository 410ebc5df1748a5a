"""Reads many databases at once and hands each over as soon as it is whole.

Databases fail one by one. A database that another run is syncing is put off while there are others. The catalog is only
read here, for a moment, after the database's lock is taken: otherwise another run could still move the bookmark.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any

from notion_pipeline.catalog import state as bookkeeping
from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.catalog.sql import has_other_rows
from notion_pipeline.catalog.state import StreamState
from notion_pipeline.config.selection import stream_name
from notion_pipeline.errors import (
    AuthorizationError,
    ConfigError,
    NotionPipelineError,
    StateError,
    error_context,
    located,
)
from notion_pipeline.extraction.extract import DatabaseExtract, Extract
from notion_pipeline.extraction.windows.scheduler import SpareWorkers
from notion_pipeline.listing.database_answer import data_source_entries
from notion_pipeline.listing.exclusions import unmatched_exclusions, unresolved_exclusions
from notion_pipeline.listing.search import plain_title
from notion_pipeline.listing.targets import DatabaseTarget, DataSourceTarget
from notion_pipeline.notion.client import NotionClient
from notion_pipeline.notion.limits.run_usage import RunUsage
from notion_pipeline.notion.limits.turns import Turns
from notion_pipeline.state.interface import Lock
from notion_pipeline.sync.data_source.reader import DataSourceRead
from notion_pipeline.sync.follow_up import as_if_committed
from notion_pipeline.sync.known_states import KnownStates
from notion_pipeline.sync.locks import lock_database
from notion_pipeline.sync.reading import SECONDS_TOGETHER, Handed, Reading
from notion_pipeline.sync.run.context import RunContext, SyncOptions
from notion_pipeline.sync.run.progress import Progress

LOCK_POLL_SECONDS = 0.5
LOCK_LOG_SECONDS = 60.0
_CONVERTING_THREADS = 4
#: Of how many databases that wait for a reader the catalog is asked together with those that are read.
_STATES_AHEAD = 100
#: A commit to a lake of many tables takes about a second, however few databases it has.
_SECONDS_TOGETHER_IN_A_LAKE = 5.0


@dataclass
class _Wait:
    """For a database that another run syncs."""

    since: float
    tell_at: float = 0.0


class Sync:
    """The reading half of a sync of many databases.

    Attributes:
        usage: What the run's requests take of the account's limit.

    Args:
        warn: Told what does not stop a sync and yet is to be mended; `log` is by default.
    """

    def __init__(
        self,
        make_client: Callable[[], NotionClient],
        catalog: Catalog,
        options: SyncOptions,
        progress: Progress,
        log: Callable[[str], None],
        *,
        usage: RunUsage | None = None,
        warn: Callable[[str], None] | None = None,
    ) -> None:
        self._make_client = make_client
        self._catalog = catalog
        self._options = options
        self._progress = progress
        self._log = log
        self.usage = usage or RunUsage()
        self._held_elsewhere: dict[str, _Wait] = {}
        self._waiting: deque[DatabaseTarget] = deque()
        self._known = KnownStates(catalog, options.source.name, self._next_data_sources)
        self._asking_who = asyncio.Lock()
        self._context = RunContext(
            options,
            progress,
            log,
            self._is_committed,
            self._has_other_rows,
            copies=options.open_copies(warn or log),
            visible=dict.fromkeys(options.visible, True),
        )

    def start(self, targets: Sequence[DatabaseTarget]) -> Reading:
        """Starts to read the databases, in a thread of its own."""
        self._progress.planned(len(targets), self._options.expected)
        seconds = _SECONDS_TOGETHER_IN_A_LAKE if self._catalog.commits_in_groups else SECONDS_TOGETHER
        return Reading(lambda handed, stop: self._read_all(targets, handed, stop), seconds, at_end=self._context.close)

    async def _read_all(self, targets: Sequence[DatabaseTarget], handed: Handed, stop: threading.Event) -> None:
        waiting = self._waiting = deque(targets)
        most = self._options.source.limits.concurrent_requests
        readers_at_once = max(1, min(len(targets), most))
        # One more than there may be requests: while it keeps an answer the others are asking.
        spare = self._context.spare_workers = SpareWorkers(most + 1 - readers_at_once if most > 1 else 0)
        # A thread for each reader that waits for the catalog, and some for those that convert meanwhile.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(readers_at_once + _CONVERTING_THREADS))
        # Content waits meanwhile: what it would ask for takes from the same limit.
        with Turns(self._options.state, self._options.account).for_tables():
            await self._read_in_turn(waiting, readers_at_once, spare, handed, stop)

    async def _read_in_turn(
        self,
        waiting: deque[DatabaseTarget],
        readers_at_once: int,
        spare: SpareWorkers,
        handed: Handed,
        stop: threading.Event,
    ) -> None:
        async with self._make_client() as client:
            client.stats.run = self.usage

            async def reader() -> None:
                while waiting:
                    target = waiting.popleft()
                    if (extract := await self._read_database(client, target)) is not None:
                        handed.put(extract)
                        continue
                    waiting.append(target)
                    if all(other.id in self._held_elsewhere for other in waiting):
                        await asyncio.sleep(LOCK_POLL_SECONDS)
                spare.give()

            readers = [asyncio.ensure_future(reader()) for _ in range(readers_at_once)]
            stopped = asyncio.ensure_future(asyncio.to_thread(stop.wait))
            everything = asyncio.gather(*readers)
            either: set[asyncio.Future[Any]] = {everything, stopped}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            stop.set()  # frees the thread that waits for it
            for task in readers:
                task.cancel()
            await asyncio.gather(*readers, stopped, return_exceptions=True)
            if everything.done() and not everything.cancelled():
                everything.result()

    async def _read_database(self, client: NotionClient, target: DatabaseTarget) -> DatabaseExtract | None:
        """One database under its lock, which stays taken until the extract is loaded; None while another run has it."""
        extract = DatabaseExtract(target.id, target.title, target.url, stream_name(target.id))
        if target.id not in self._held_elsewhere:
            self._progress.started(target.id, target.title)
        if target.failure is not None:
            extract.failures.append(target.failure)
            return extract
        try:
            self._raise_if_refused()
            if (reason := self._options.held_back.get(target.id)) is not None:
                raise ConfigError(reason)
            if (lock := self._lock(target)) is None:
                return None
            extract.release = lock.release
            await self._read_locked(client, target, extract)
            if not await asyncio.to_thread(lock.is_held):
                extract.extracts.clear()
                raise StateError(
                    f"its lock in {self._options.state.place} was lost while it was read; another run may have synced "
                    "it meanwhile.",
                    hint="What was read is kept: sync again.",
                )
        except asyncio.CancelledError:
            extract.release()
            raise
        except Exception as error:  # one database's failure is its own; it is reported with its reason
            await self._note(client, error, target, extract)
        return extract

    async def _note(
        self, client: NotionClient, error: Exception, target: DatabaseTarget, extract: DatabaseExtract
    ) -> None:
        """Keeps why a database failed; a refused credential ends the requests of the others as well."""
        if isinstance(error, AuthorizationError):
            async with self._asking_who:  # one asks for all that were refused meanwhile
                if self._context.refused is None and not await client.accepts_credential():
                    self._context.refused = error
        if isinstance(error, NotionPipelineError):
            error = located(error, source=self._options.source.name, database=target.label)
        extract.failures.append(error)

    def _raise_if_refused(self) -> None:
        if (refused := self._context.refused) is not None:
            raise AuthorizationError(refused.message, hint=refused.hint, status=refused.status)

    async def _read_locked(self, client: NotionClient, target: DatabaseTarget, extract: DatabaseExtract) -> None:
        if not target.data_sources:
            target = await self._get_database(client, target)
            extract.title, extract.url = target.title, target.url
        await self._require_exclusions(client, target)
        states = await self._known.of(data_source.id for data_source in target.data_sources)
        for data_source in target.data_sources:
            if data_source.id in self._options.skip:
                extract.already_committed = True
                self._log(f"{target.label}: committed by an earlier attempt of this run; not read again.")
                continue
            try:
                self._raise_if_refused()
                extract.extracts.extend(await self._read_data_source(client, target, data_source, states))
            except Exception as error:  # as above: the other data sources of the database are kept
                await self._note(client, error, target, extract)

    async def _require_exclusions(self, client: NotionClient, target: DatabaseTarget) -> None:
        """Makes sure that every excluded name fits, or once fitted, a property of the database.

        Raises:
            ConfigError: One does not: what it is meant for would be loaded.
        """
        names = unresolved_exclusions(self._options.source, target.id, target.title)
        if not names:
            return
        schemas = [(await client.data_source(data_source.id)).body for data_source in target.data_sources]
        if lost := unmatched_exclusions(names, schemas):
            raise ConfigError(
                f"exclude_properties names {' and '.join(lost)}, and the database has no such property; it is not "
                "read, since what is meant would be loaded.",
                hint="Write the name as it is in Notion, or the property's id, or take it out of sources.yaml.",
            )

    def _lock(self, target: DatabaseTarget) -> Lock | None:
        """Takes the database for this run; None while another run syncs it."""
        lock = lock_database(self._options.state, self._options.source.name, target.id)
        if lock is not None:
            self._held_elsewhere.pop(target.id, None)
            return lock
        now = time.monotonic()
        waits = self._held_elsewhere.setdefault(target.id, _Wait(now))
        if now >= waits.tell_at:
            waits.tell_at = now + LOCK_LOG_SECONDS
            waited = now - waits.since
            self._log(f"{target.label} is being synced by another run; waiting for it ({waited:.0f} s so far).")
        return None

    async def _get_database(self, client: NotionClient, target: DatabaseTarget) -> DatabaseTarget:
        """A database that no listing brought, asked for by its id."""
        with error_context(source=self._options.source.name, database=target.label if target.title else target.id):
            raw = (await client.database(target.id)).body
            members = data_source_entries(raw, target.id)
        return DatabaseTarget(
            target.id,
            plain_title(raw),
            str(raw.get("url") or ""),
            tuple(DataSourceTarget(member_id, name) for member_id, name in members),
        )

    def _next_data_sources(self) -> list[str]:
        return [member.id for target in islice(self._waiting, _STATES_AHEAD) for member in target.data_sources]

    def _is_committed(self, stage_id: str) -> bool:
        return self._catalog.read(
            lambda connection: bool(
                connection is not None
                and bookkeeping.has_bookkeeping(connection)
                and bookkeeping.is_committed(connection, stage_id)
            )
        )

    def _has_other_rows(self, state: StreamState, ids: object) -> bool:
        with self._catalog.reading() as connection:
            return connection is not None and has_other_rows(connection, (state.source, state.table_name), ids)

    async def _read_data_source(
        self,
        client: NotionClient,
        target: DatabaseTarget,
        data_source: DataSourceTarget,
        states: dict[str, StreamState],
    ) -> list[Extract]:
        """The extract of one data source; two where a read that a run before could not commit comes first."""
        read = DataSourceRead(self._context, client.with_stats(), target, data_source)
        first = await read.run(states.get(data_source.id))
        if not first.stage.resumed_complete:
            return [first]
        self._log(f"{target.label}: a read that was finished before and not committed is loaded now.")
        second = await read.run(as_if_committed(first, states.get(data_source.id)), follow_up=True)
        return [first, second]
