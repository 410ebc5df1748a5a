"""Reads many databases at once and hands each over as soon as it is whole.

The reading runs on an event loop in a thread of its own; the caller lands one database while others are still read.
Databases fail one by one. The catalog is only looked into here, read-only and for a moment, after the database's lock
is taken: a bookmark read before could be moved by somebody else meanwhile.
"""

from __future__ import annotations

import asyncio
import queue
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from filelock import Timeout

from notion_pipeline.catalog import bookkeeping
from notion_pipeline.catalog.bookkeeping import StreamState
from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.client import NotionClient
from notion_pipeline.config import Source
from notion_pipeline.errors import (
    AuthorizationError,
    NotionError,
    NotionNotFoundError,
    NotionPipelineError,
    NotionRequestError,
    about,
)
from notion_pipeline.extract import DatabaseExtract, Extract
from notion_pipeline.extraction import ArchivedSupport, Extraction, ReadCounts, ReadPlan
from notion_pipeline.listing import plain_title
from notion_pipeline.locks import database_lock
from notion_pipeline.progress import Progress
from notion_pipeline.properties import Property, fingerprint, parse_properties, schema_snapshot
from notion_pipeline.read_plan import Decision, decide
from notion_pipeline.rows import RowSchema
from notion_pipeline.schema_changes import SchemaChange, schema_changes
from notion_pipeline.selection import stream_name
from notion_pipeline.staging import Stage, StageKey, open_stage, stage_directory

LOCK_POLL_SECONDS = 0.5
LOCK_LOG_SECONDS = 60.0
_CONVERTING_THREADS = 4


@dataclass(frozen=True)
class DataSourceTarget:
    """A data source to read; `raw` and `server_time` where the listing of the same run brought its schema."""

    id: str
    name: str
    raw: dict[str, Any] | None = None
    server_time: datetime | None = None


@dataclass(frozen=True)
class DatabaseTarget:
    """A database to read, by what the listing knows of it."""

    id: str
    title: str
    url: str
    data_sources: tuple[DataSourceTarget, ...]

    @property
    def label(self) -> str:
        return f'"{self.title or "Untitled"}" ({self.id})'


@dataclass(frozen=True)
class SyncOptions:
    """What one run reads, and under which settings.

    Attributes:
        forced: FULL_TABLE or INCREMENTAL instead of what sources.yaml says.
        skip: Data sources that an earlier attempt of this run committed.
        visible: Ids of all data sources that the last listing saw; a relation elsewhere is looked up.
    """

    source: Source
    account: str
    home: Path
    forced: str | None = None
    skip: frozenset[str] = frozenset()
    visible: frozenset[str] = frozenset()


@dataclass
class _Shared:
    """What the reads of one run tell each other."""

    archived: ArchivedSupport = field(default_factory=ArchivedSupport)
    refused: AuthorizationError | None = None
    visible: dict[str, bool] = field(default_factory=dict)


class Sync:
    """The reading half of a sync of many databases."""

    def __init__(
        self,
        make_client: Callable[[], NotionClient],
        catalog: Catalog,
        options: SyncOptions,
        progress: Progress,
        log: Callable[[str], None],
    ) -> None:
        self._make_client = make_client
        self._catalog = catalog
        self._options = options
        self._progress = progress
        self._log = log
        self._shared = _Shared(visible=dict.fromkeys(options.visible, True))

    def extracts(self, targets: Sequence[DatabaseTarget]) -> Iterator[DatabaseExtract]:
        """Each database as it is whole, in the order in which they finish; those that failed say why.

        A caller that stops early stops the reads; what they staged stays.
        """
        self._progress.planned(len(targets))
        handed: queue.Queue[DatabaseExtract | BaseException | None] = queue.Queue()
        stop = threading.Event()
        thread = threading.Thread(target=self._run, args=(targets, handed, stop), name="notion-sync", daemon=True)
        thread.start()
        try:
            while (item := handed.get()) is not None:
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            stop.set()
            thread.join()
            while not handed.empty():
                left = handed.get_nowait()
                if isinstance(left, DatabaseExtract):
                    left.release()

    def _run(
        self,
        targets: Sequence[DatabaseTarget],
        handed: queue.Queue[DatabaseExtract | BaseException | None],
        stop: threading.Event,
    ) -> None:
        try:
            asyncio.run(self._read_all(targets, handed, stop))
        except BaseException as error:  # carried to the thread that waits, and raised there
            handed.put(error)
        finally:
            handed.put(None)

    async def _read_all(
        self,
        targets: Sequence[DatabaseTarget],
        handed: queue.Queue[DatabaseExtract | BaseException | None],
        stop: threading.Event,
    ) -> None:
        waiting = list(reversed(targets))
        readers_at_once = max(1, min(len(targets), self._options.source.limits.concurrent_requests))
        # A thread for each reader that waits for the catalog, and some for those that convert meanwhile.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(readers_at_once + _CONVERTING_THREADS))
        async with self._make_client() as client:

            async def reader() -> None:
                while waiting:
                    handed.put(await self._read_database(client, waiting.pop()))

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

    async def _read_database(self, client: NotionClient, target: DatabaseTarget) -> DatabaseExtract:
        """One database under its lock, which stays taken until the extract is landed."""
        extract = DatabaseExtract(target.id, target.title, target.url, stream_name(target.id))
        self._progress.started(target.id, target.title)
        try:
            await self._read_locked(client, target, extract)
        except asyncio.CancelledError:
            extract.release()
            raise
        except Exception as error:  # one database's failure is its own; it is reported with its reason
            self._note(error, target, extract)
        return extract

    def _note(self, error: Exception, target: DatabaseTarget, extract: DatabaseExtract) -> None:
        """Keeps why a database failed; a refused credential ends the requests of the others as well."""
        if isinstance(error, AuthorizationError):
            self._shared.refused = self._shared.refused or error
        if isinstance(error, NotionPipelineError):
            error.source = error.source or self._options.source.name
            error.database = error.database or target.label
        extract.failures.append(error)

    def _raise_if_refused(self) -> None:
        if (refused := self._shared.refused) is not None:
            raise AuthorizationError(refused.message, cure=refused.cure, status=refused.status)

    async def _read_locked(self, client: NotionClient, target: DatabaseTarget, extract: DatabaseExtract) -> None:
        self._raise_if_refused()
        extract.release = await self._lock(target)
        if not target.data_sources:
            target = await self._look_up(client, target)
            extract.title, extract.url = target.title, target.url
        states = await asyncio.to_thread(self._states)
        for data_source in target.data_sources:
            if data_source.id in self._options.skip:
                extract.already_committed = True
                self._log(f"{target.label}: committed by an earlier attempt of this run; not read again.")
                continue
            try:
                self._raise_if_refused()
                extract.extracts.extend(await self._read_data_source(client, target, data_source, states))
            except Exception as error:  # as above: the other data sources of the database are kept
                self._note(error, target, extract)

    async def _lock(self, target: DatabaseTarget) -> Callable[[], None]:
        """Waits for another sync of the same database to end."""
        lock = database_lock(self._options.home, self._options.source.name, target.id)
        waited = 0.0
        while True:
            try:
                lock.acquire(timeout=0)
            except Timeout:
                if waited % LOCK_LOG_SECONDS == 0:
                    self._log(f"{target.label} is being synced by another run; waiting for it ({waited:.0f} s so far).")
                await asyncio.sleep(LOCK_POLL_SECONDS)
                waited += LOCK_POLL_SECONDS
            else:
                return lock.release

    async def _look_up(self, client: NotionClient, target: DatabaseTarget) -> DatabaseTarget:
        """A database that no listing brought, asked for by its id."""
        with about(source=self._options.source.name, database=target.id):
            raw = (await client.database(target.id)).body
        return DatabaseTarget(
            target.id,
            plain_title(raw),
            str(raw.get("url") or ""),
            tuple(
                DataSourceTarget(str(member["id"]), str(member.get("name") or ""))
                for member in raw.get("data_sources") or []
            ),
        )

    def _states(self) -> dict[str, StreamState]:
        with self._catalog.reading() as connection:
            if connection is None or not bookkeeping.has_bookkeeping(connection):
                return {}
            return bookkeeping.stream_states(connection, self._options.source.name)

    def _is_committed(self, stage_id: str) -> bool:
        with self._catalog.reading() as connection:
            return bool(
                connection is not None
                and bookkeeping.has_bookkeeping(connection)
                and bookkeeping.is_committed(connection, stage_id)
            )

    async def _read_data_source(
        self,
        client: NotionClient,
        target: DatabaseTarget,
        data_source: DataSourceTarget,
        states: dict[str, StreamState],
    ) -> list[Extract]:
        """The extract of one data source; two where a read that a run before could not commit comes first."""
        read = _DataSourceRead(self, client.counting(), target, data_source)
        first = await read.run(states.get(data_source.id))
        if not first.stage.resumed_complete:
            return [first]
        self._log(f"{target.label}: a read that was finished before and not committed is landed now.")
        second = await read.run(_as_if_landed(first, states.get(data_source.id)), follow_up=True)
        return [first, second]


@dataclass(frozen=True)
class _Schema:
    """A data source's properties, and the server's clock on the answer that showed them or on one before it."""

    properties: tuple[Property, ...]
    server_time: datetime


def _moved(before: _Schema, after: _Schema) -> list[SchemaChange]:
    """The changes because of which rows read under the one schema do not fit the other."""
    changes = schema_changes(schema_snapshot(before.properties), schema_snapshot(after.properties))
    return [change for change in changes if change.forces_full_read]


class _DataSourceRead:
    """One data source within a run: its schema, the decision how to read it, its stage, its extraction."""

    def __init__(self, sync: Sync, client: NotionClient, target: DatabaseTarget, data_source: DataSourceTarget) -> None:
        self._sync = sync
        self._client = client
        self._target = target
        self._data_source = data_source
        self._options = sync._options
        self._source = sync._options.source
        settings = self._source.settings_for(target.id, target.title)
        self._excluded = tuple(sorted(settings.exclude_properties))
        self._sync_type = self._options.forced or str((settings.sync_type or self._source.sync_type).value)

    async def run(self, state: StreamState | None, *, follow_up: bool = False) -> Extract:
        """The data source, read whole; from the beginning once more where its schema changes meanwhile."""
        sync_type = "INCREMENTAL" if follow_up else self._sync_type
        schema = await self._first_schema()
        for is_last_try in (False, True):
            decision = self._decide(state, schema.properties, sync_type)
            stage = await asyncio.to_thread(self._open_stage, decision, schema, follow_up=follow_up)
            if stage.resumed_complete:
                break
            later = await self._read(stage, schema, decision, is_last_try=is_last_try)
            if later is None:
                break
            self._sync._log(
                f"{self._target.label}: its schema changed during the read "
                f"({'; '.join(change.describe() for change in _moved(schema, later))}); the read starts over."
            )
            await asyncio.to_thread(stage.remove)
            schema = later
        return await self._extract(stage, schema.properties, decision, sync_type, state)

    async def _first_schema(self) -> _Schema:
        raw, server_time = self._data_source.raw, self._data_source.server_time
        if raw is None or server_time is None:
            return await self._look()
        return _Schema(parse_properties(raw, self._excluded), server_time)

    async def _look(self) -> _Schema:
        answer = await self._client.data_source(self._data_source.id)
        return _Schema(parse_properties(answer.body, self._excluded), answer.server_time or datetime.now(timezone.utc))

    async def _read(self, stage: Stage, schema: _Schema, decision: Decision, *, is_last_try: bool) -> _Schema | None:
        """Fills the stage and marks it whole; or gives the schema to start over with, where it changed meanwhile."""
        rows_before = stage.rows
        extraction = self._extraction(stage, schema, decision)
        try:
            await extraction.read()
        except NotionRequestError as error:
            # A filter on a property that was renamed meanwhile is refused, and so is the item of one that was removed.
            if not is_last_try and (later := await self._look_if_it_can_be_seen()) and _moved(schema, later):
                return later
            raise error from None
        if decision.full or stage.rows > rows_before:
            later = await self._look()
            if _moved(schema, later) and not is_last_try:
                return later
            if _moved(schema, later):
                self._sync._log(
                    f"{self._target.label}: its schema changed again during the read; the next sync reads in full."
                )
        await asyncio.to_thread(extraction.finish)
        return None

    async def _look_if_it_can_be_seen(self) -> _Schema | None:
        try:
            return await self._look()
        except NotionError:
            return None

    def _decide(self, state: StreamState | None, properties: tuple[Property, ...], sync_type: str) -> Decision:
        decision = decide(
            state,
            properties,
            sync_type=sync_type,
            start_date=self._source.start_date,
            excluded=self._excluded,
            lookback_minutes=self._source.lookback_minutes,
            full_sync_every=self._source.full_sync_every,
        )
        if decision.reason and sync_type != "FULL_TABLE":
            self._sync._log(f"{self._target.label}: read in full, since {decision.reason}.")
        for change in decision.changes:
            self._sync._log(f"{self._target.label}: {change.describe()}.")
        return decision

    def _open_stage(self, decision: Decision, schema: _Schema, *, follow_up: bool) -> Stage:
        directory = stage_directory(self._options.home, self._source.name, self._target.id, self._data_source.id)
        follow_up_directory = directory.with_name(f"{directory.name}.next")
        key = StageKey(
            data_source_id=self._data_source.id,
            sync_type="FULL_TABLE" if decision.full else "INCREMENTAL",
            edited_since=decision.edited_since.isoformat() if decision.edited_since else None,
            start_date=self._source.start_date.isoformat() if self._source.start_date else None,
            account=self._options.account,
            excluded=self._excluded,
            fingerprint=fingerprint(schema.properties),
        )
        stage = open_stage(
            follow_up_directory if follow_up else directory,
            key,
            bookmark=schema.server_time.replace(second=0, microsecond=0),
            is_committed=self._sync._is_committed,
            log=self._sync._log,
        )
        if not follow_up and not stage.resumed_complete:
            shutil.rmtree(follow_up_directory, ignore_errors=True)
        if stage.resumed and not stage.resumed_complete:
            self._sync._log(f"{self._target.label}: goes on with {stage.rows:,} rows that an earlier run staged.")
        return stage

    def _extraction(self, stage: Stage, schema: _Schema, decision: Decision) -> Extraction:
        def on_rows(rows: int) -> None:
            self._sync._progress.staged(self._target.id, rows, self._client.stats.requests)

        return Extraction(
            self._client,
            ReadPlan(
                self._data_source.id,
                RowSchema(schema.properties, self._excluded),
                full=decision.full,
                edited_since=decision.edited_since,
                lookback=timedelta(minutes=self._source.lookback_minutes),
            ),
            stage,
            self._sync._shared.archived,
            log=lambda line: self._sync._log(f"{self._target.label}: {line}"),
            on_rows=on_rows,
        )

    async def _extract(
        self,
        stage: Stage,
        properties: tuple[Property, ...],
        decision: Decision,
        sync_type: str,
        state: StreamState | None,
    ) -> Extract:
        return Extract(
            source=self._source.name,
            database_id=self._target.id,
            data_source_id=self._data_source.id,
            data_source_name=self._data_source.name,
            title=self._target.title,
            url=self._target.url,
            stage=stage,
            schema=RowSchema(properties, self._excluded),
            sync_type=sync_type,
            # A whole full read that an earlier run could not commit is landed, whatever this run was asked for.
            full=decision.full or stage.manifest.key["sync_type"] == "FULL_TABLE",
            deleted_rows=self._source.deleted_rows,
            account=self._options.account,
            start_date=self._source.start_date,
            excluded=self._excluded,
            snapshot=schema_snapshot(properties),
            fingerprint=fingerprint(properties),
            schema_changes=tuple(change.as_json() for change in decision.changes),
            hidden_relations=await self._hidden_relations(properties),
            table_name=state.table_name if state else "",
            counts=ReadCounts(**stage.manifest.counts),
        )

    async def _hidden_relations(self, properties: tuple[Property, ...]) -> dict[str, str]:
        """Relations whose target the connection cannot see: Notion shows them as empty (notion-api.md section 6)."""
        visible = self._sync._shared.visible
        hidden = {}
        for prop in properties:
            target = prop.config.get("data_source_id") if prop.type == "relation" else None
            if not isinstance(target, str) or target == self._data_source.id:
                continue
            if target not in visible:
                try:
                    await self._client.data_source(target)
                except NotionNotFoundError:
                    visible[target] = False
                else:
                    visible[target] = True
            if not visible[target]:
                hidden[prop.id] = target
                self._sync._log(
                    f'{self._target.label}: relation "{prop.name}" points to a data source that is not shared with the '
                    "connection, so Notion shows it as empty."
                )
        return hidden


def _as_if_landed(extract: Extract, state: StreamState | None) -> StreamState:
    """The state that the catalog will have once the extract is landed."""
    base = state or StreamState(
        source=extract.source,
        database_id=extract.database_id,
        data_source_id=extract.data_source_id,
        table_name=extract.table_name,
        sync_type=extract.sync_type,
        bookmark=None,
        fingerprint=None,
        columns=(),
        last_sync_at=None,
        last_full_sync_at=None,
        account=None,
        start_date=None,
        excluded=(),
        snapshot=None,
        next_read_is_full=False,
        has_table=True,
    )
    return replace(
        base,
        bookmark=extract.stage.bookmark,
        snapshot=extract.snapshot,
        fingerprint=extract.fingerprint,
        start_date=extract.start_date,
        excluded=extract.excluded,
        next_read_is_full=False,
        has_table=True,
        last_full_sync_at=datetime.now(timezone.utc) if extract.full else base.last_full_sync_at,
    )
