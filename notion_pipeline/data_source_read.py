"""One data source within a run: its schema, the decision how to read it, its stage, its extraction."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from notion_pipeline.catalog.bookkeeping import StreamState
from notion_pipeline.client import NotionClient
from notion_pipeline.config import Source
from notion_pipeline.crew import SpareReaders
from notion_pipeline.errors import AuthorizationError, ConfigError, NotionError, NotionNotFoundError, NotionRequestError
from notion_pipeline.extract import Extract
from notion_pipeline.extraction import ArchivedSupport, Extraction, ReadCounts, ReadPlan
from notion_pipeline.progress import Progress
from notion_pipeline.properties import (
    Property,
    PropertyId,
    exclusion_marks,
    fingerprint,
    fitting_properties,
    name_mark,
    parse_properties,
    schema_snapshot,
)
from notion_pipeline.read_plan import Decision, decide
from notion_pipeline.resolution import loose_exclusions
from notion_pipeline.rows import RowSchema
from notion_pipeline.schema_changes import SchemaChange, schema_changes
from notion_pipeline.staging import Stage, StageKey, open_stage, stage_directory
from notion_pipeline.targets import DatabaseTarget, DataSourceTarget


@dataclass(frozen=True)
class SyncOptions:
    """What one run reads, and under which settings.

    Attributes:
        forced: FULL_TABLE or INCREMENTAL instead of what sources.yaml says.
        skip: Data sources that an earlier attempt of this run committed.
        visible: Ids of all data sources that the last listing saw; a relation elsewhere is looked up.
        held_back: Why a database must not be read, by its id.
    """

    source: Source
    account: str
    home: Path
    forced: str | None = None
    skip: frozenset[str] = frozenset()
    visible: frozenset[str] = frozenset()
    held_back: Mapping[str, str] = field(default_factory=dict)


@dataclass
class RunContext:
    """What the reads of one run have in common and tell each other.

    Attributes:
        is_committed: Whether the catalog's history holds a stage id.
        refused: Why Notion took the account's credential no more; no further request is made then.
        visible: Whether the connection sees a data source, by id, as far as it was found out.
    """

    options: SyncOptions
    progress: Progress
    log: Callable[[str], None]
    is_committed: Callable[[str], bool]
    archived: ArchivedSupport = field(default_factory=ArchivedSupport)
    spare_readers: SpareReaders = field(default_factory=SpareReaders)
    refused: AuthorizationError | None = None
    visible: dict[str, bool] = field(default_factory=dict)


@dataclass(frozen=True)
class _Schema:
    """A data source's properties, and the server's clock on the answer that showed them or on one before it."""

    properties: tuple[Property, ...]
    server_time: datetime

    def in_order(self, ids: Sequence[str]) -> _Schema:
        """The same with its properties in the order of a stage's columns; answers need not agree in it."""
        places = {property_id: place for place, property_id in enumerate(ids)}
        return replace(self, properties=tuple(sorted(self.properties, key=lambda prop: places[prop.id])))


def _moved(before: _Schema, after: _Schema) -> list[SchemaChange]:
    """The changes because of which rows read under the one schema do not fit the other."""
    changes = schema_changes(schema_snapshot(before.properties), schema_snapshot(after.properties))
    return [change for change in changes if change.forces_full_read]


class DataSourceRead:
    """One data source within a run: its schema, the decision how to read it, its stage, its extraction."""

    def __init__(
        self, context: RunContext, client: NotionClient, target: DatabaseTarget, data_source: DataSourceTarget
    ) -> None:
        self._context = context
        self._client = client
        self._target = target
        self._data_source = data_source
        self._options = context.options
        self._source = context.options.source
        settings = self._source.settings_for(target.id, target.title)
        self._excluded = tuple(sorted(settings.exclude_properties))
        #: Ids of the excluded properties that this read has seen, by the mark of their names.
        self._excluded_ids: dict[str, frozenset[str]] = {}
        self._sync_type = self._options.forced or str((settings.sync_type or self._source.sync_type).value)

    def _say(self, line: str) -> None:
        self._context.log(f"{self._target.label}: {line}")

    async def run(self, state: StreamState | None, *, follow_up: bool = False) -> Extract:
        """The data source, read whole; from the beginning once more where its schema changes meanwhile."""
        sync_type = "INCREMENTAL" if follow_up else self._sync_type
        schema = await self._first_schema()
        for is_last_try in (False, True):
            decision = self._decide(state, schema.properties, sync_type)
            stage = await asyncio.to_thread(self._open_stage, decision, schema, follow_up=follow_up)
            schema = schema.in_order(stage.manifest.properties)
            if stage.resumed_complete:
                break
            later = await self._read(stage, schema, decision, is_last_try=is_last_try)
            if later is None:
                break
            self._say(
                "its schema changed during the read "
                f"({'; '.join(change.describe() for change in _moved(schema, later))}); the read starts over."
            )
            await asyncio.to_thread(stage.remove)
            schema = later
        return await self._extract(stage, schema.properties, decision, sync_type, state)

    async def _first_schema(self) -> _Schema:
        raw, server_time = self._data_source.raw, self._data_source.server_time
        if raw is None or server_time is None:
            return await self._look()
        return self._schema_of(raw, server_time)

    def _schema_of(self, raw: dict[str, Any], server_time: datetime) -> _Schema:
        """The schema without what is excluded, of which the ids are noted: they stay excluded through renames.

        Raises:
            ConfigError: A property is excluded by a key of `streams` that may be meant for this database.
        """
        for name in self._excluded:
            if type(name) is str and (fitting := fitting_properties(name, [raw])):
                mark = name_mark(name)
                self._excluded_ids[mark] = self._excluded_ids.get(mark, frozenset()) | fitting.keys()
        found = {PropertyId(key) for ids in self._excluded_ids.values() for key in ids}
        self._excluded = tuple(sorted([*self._excluded, *(found - {*self._excluded})]))
        self._refuse_loose_exclusions(raw)
        return _Schema(parse_properties(raw, self._excluded), server_time)

    def _refuse_loose_exclusions(self, raw: dict[str, Any]) -> None:
        """What some key means to exclude must not land because nobody can tell which database the key means."""
        for problem in loose_exclusions(self._source, self._target.id, self._target.title, [raw]):
            raise ConfigError(
                problem,
                cure=f"Where it is meant, write its id {self._target.id} as the key. Where it is not, take the key "
                f'out, or give this database a key of its own: streams: {{"{self._target.id}": {{}}}}.',
            )

    async def _look(self) -> _Schema:
        answer = await self._client.data_source(self._data_source.id)
        if answer.body.get("in_trash"):
            # What a query on it would answer is not documented (notion-api.md section 4).
            raise NotionNotFoundError(
                f"data source {self._data_source.id} is in Notion's trash.",
                cure="Restore it in Notion, or materialize the listing: its partition goes then, its table stays.",
                status=404,
            )
        return self._schema_of(answer.body, answer.server_time or datetime.now(timezone.utc))

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
                self._say("its schema changed again during the read; the next sync reads in full.")
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
            self._say(f"read in full, since {decision.reason}.")
        for change in decision.changes:
            self._say(f"{change.describe()}.")
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
            excluded=exclusion_marks(self._excluded),
            fingerprint=fingerprint(schema.properties),
        )
        stage = open_stage(
            follow_up_directory if follow_up else directory,
            key,
            bookmark=schema.server_time.replace(second=0, microsecond=0),
            properties=[prop.id for prop in schema.properties],
            is_committed=self._context.is_committed,
            log=self._context.log,
        )
        if not follow_up and not stage.resumed_complete:
            shutil.rmtree(follow_up_directory, ignore_errors=True)
        if stage.resumed and not stage.resumed_complete:
            self._say(f"goes on with {stage.rows:,} rows that an earlier run staged.")
        return stage

    def _extraction(self, stage: Stage, schema: _Schema, decision: Decision) -> Extraction:
        def on_rows(rows: int) -> None:
            self._context.progress.staged(self._target.id, rows, self._client.stats.requests)

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
            self._context.archived,
            self._context.spare_readers,
            log=self._say,
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
            excluded_ids=dict(self._excluded_ids),
            snapshot=schema_snapshot(properties),
            fingerprint=fingerprint(properties),
            schema_changes=tuple(change.as_json() for change in decision.changes),
            hidden_relations=await self._hidden_relations(properties, decision, state),
            table_name=state.table_name if state else "",
            counts=ReadCounts(**stage.manifest.counts),
        )

    async def _hidden_relations(
        self, properties: tuple[Property, ...], decision: Decision, state: StreamState | None
    ) -> dict[str, str]:
        """Relations whose target the connection cannot see: Notion shows them as empty (notion-api.md section 6).

        Looked up with a full read only, so that a quiet sync costs no request for it.
        """
        visible = self._context.visible
        if state is not None and not decision.full and not decision.changes:
            return {key: target for key, target in state.hidden_relations.items() if not visible.get(target)}
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
                self._say(
                    f'relation "{prop.name}" points to a data source that is not shared with the '
                    "connection, so Notion shows it as empty."
                )
        return hidden


def as_if_landed(extract: Extract, state: StreamState | None) -> StreamState:
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
        hidden_relations={},
        next_read_is_full=False,
        has_table=True,
    )
    return replace(
        base,
        bookmark=extract.stage.bookmark,
        snapshot=extract.snapshot,
        fingerprint=extract.fingerprint,
        start_date=extract.start_date,
        excluded=exclusion_marks(extract.excluded),
        hidden_relations=extract.hidden_relations,
        next_read_is_full=False,
        has_table=True,
        last_full_sync_at=datetime.now(timezone.utc) if extract.full else base.last_full_sync_at,
    )
