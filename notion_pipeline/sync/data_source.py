"""One data source within a run: its schema, the decision how to read it, its stage, its extraction."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from notion_pipeline.catalog.state import StreamState
from notion_pipeline.config.sources import Source
from notion_pipeline.errors import (
    AuthorizationError,
    ConfigError,
    InvalidIdError,
    NotionError,
    NotionNotFoundError,
    NotionRequestError,
)
from notion_pipeline.extraction.extract import Extract
from notion_pipeline.extraction.manifest import StageKey
from notion_pipeline.extraction.progress import Progress
from notion_pipeline.extraction.reader import ArchivedSupport, Extraction, ReadCounts, ReadSettings
from notion_pipeline.extraction.staging import Stage, clear_stage, open_stage, stage_directory
from notion_pipeline.extraction.workers import SpareWorkers
from notion_pipeline.listing.exclusions import loose_exclusions
from notion_pipeline.listing.targets import DatabaseTarget, DataSourceTarget
from notion_pipeline.notion.client import NotionClient
from notion_pipeline.rows.batch import RowSchema
from notion_pipeline.rows.properties import (
    Exclusion,
    Property,
    PropertyId,
    exclusion_marks,
    fingerprint,
    fitting_properties,
    name_mark,
    parse_properties,
    schema_snapshot,
)
from notion_pipeline.rows.schema_changes import SchemaChange, schema_changes
from notion_pipeline.rows.timestamps import as_datetime
from notion_pipeline.sync.read_plan import ReadDecision, decide

_LONG_AGO = datetime(1970, 1, 1, tzinfo=timezone.utc)


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
        unclear: Why that could not be found out, by id.
    """

    options: SyncOptions
    progress: Progress
    log: Callable[[str], None]
    is_committed: Callable[[str], bool]
    archived: ArchivedSupport = field(default_factory=ArchivedSupport)
    spare_workers: SpareWorkers = field(default_factory=SpareWorkers)
    refused: AuthorizationError | None = None
    visible: dict[str, bool] = field(default_factory=dict)
    unclear: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Schema:
    """A data source's properties, and the server's clock when they were seen.

    Attributes:
        server_time: Not later than the answer that showed them: what a read that begins now is complete up to.
        present: Not earlier than that, as far as Notion told; None where no answer had a Date.
    """

    properties: tuple[Property, ...]
    server_time: datetime
    present: datetime | None

    def in_order(self, ids: Sequence[str]) -> _Schema:
        """The same with its properties in the order of a stage's columns; answers need not agree in it."""
        places = {property_id: place for place, property_id in enumerate(ids)}
        return replace(self, properties=tuple(sorted(self.properties, key=lambda prop: places[prop.id])))


def _is_ahead(state: StreamState | None, present: datetime | None) -> bool:
    """Whether the bookmark is later than a server's time that came after it."""
    return state is not None and state.bookmark is not None and present is not None and state.bookmark > present


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
        schema = await self._first_schema(state)
        for is_last_try in (False, True):
            decision = self._decide(state, schema, sync_type)
            stage = await asyncio.to_thread(self._open_stage, decision, schema, follow_up=follow_up)
            schema = schema.in_order(stage.manifest.properties)
            if stage.resumed_complete and not follow_up:
                break  # landed as it is, and followed up; a follow-up that was whole before is caught up with instead
            later = await self._read(stage, schema, decision, state, is_last_try=is_last_try)
            if later is None:
                break
            if moved := _moved(schema, later):
                self._say(
                    "its schema changed during the read "
                    f"({'; '.join(change.describe() for change in moved)}); the read starts over."
                )
            await asyncio.to_thread(stage.remove)
            schema = later
        return await self._extract(stage, schema.properties, decision, sync_type, state)

    async def _first_schema(self, state: StreamState | None) -> _Schema:
        raw, server_time = self._data_source.raw, self._data_source.server_time
        if raw is None or server_time is None:
            schema = await self._look()
        else:
            schema = self._schema_of(raw, server_time, server_time)
        if _is_ahead(state, schema.present):
            # One clock is not believed against a bookmark; it may also be that another run moved it since the listing.
            again = await self._look()
            schema = replace(again, server_time=min(schema.server_time, again.server_time))
        return schema

    def _schema_of(self, raw: dict[str, Any], server_time: datetime, present: datetime | None) -> _Schema:
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
        return _Schema(parse_properties(raw, self._excluded), server_time, present)

    def _refuse_loose_exclusions(self, raw: dict[str, Any]) -> None:
        """What some key means to exclude must not land because nobody can tell which database the key means."""
        for problem in loose_exclusions(self._source, self._target.id, self._target.title, [raw]):
            raise ConfigError(
                problem,
                hint=f"Where it is meant, write its id {self._target.id} as the key. Where it is not, take the key "
                f'out, or give this database a key of its own: streams: {{"{self._target.id}": {{}}}}.',
            )

    async def _look(self) -> _Schema:
        answer = await self._client.data_source(self._data_source.id)
        if answer.body.get("in_trash"):
            # What a query on it would answer is not documented (notion-api.md section 4).
            raise NotionNotFoundError(
                f"data source {self._data_source.id} is in Notion's trash.",
                hint="Restore it in Notion, or materialize the listing: its partition goes then, its table stays.",
                status=404,
            )
        if answer.server_time is not None:
            return self._schema_of(answer.body, answer.server_time, answer.server_time)
        # The local clock is no answer: edits would be lost where it is ahead. The data source was edited in the past.
        known = (as_datetime(answer.body.get(stamp)) for stamp in ("last_edited_time", "created_time"))
        past = next((moment for moment in known if moment is not None), _LONG_AGO)
        self._say(f"Notion's answer does not tell its time; the next sync reads what was edited since {past}.")
        return self._schema_of(answer.body, past, None)

    async def _read(
        self, stage: Stage, schema: _Schema, decision: ReadDecision, state: StreamState | None, *, is_last_try: bool
    ) -> _Schema | None:
        """Fills the stage and marks it whole; or gives the schema to start over with.

        That is so where the schema changed meanwhile, and where the answers tell that the bookmark read from is of a
        time that is yet to come.
        """
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
            await self._refuse_newly_excluded(stage, schema)
            if _moved(schema, later):
                self._say("its schema changed again during the read; the next sync reads in full.")
        if not decision.full and _is_ahead(state, self._client.stats.earliest):
            later = await self._look()
            if _is_ahead(state, later.present):
                return replace(later, server_time=min(stage.bookmark, later.server_time))
        await asyncio.to_thread(extraction.finish)
        return None

    async def _refuse_newly_excluded(self, stage: Stage, schema: _Schema) -> None:
        """A property that took an excluded name during the read has its values in the stage, which must not be loaded.

        Raises:
            ConfigError: There is such a property; the next read leaves it out.
        """
        excluded = Exclusion(self._excluded)
        if any(excluded.covers(prop.name, prop.id) for prop in schema.properties):
            await asyncio.to_thread(stage.remove)
            raise ConfigError(
                "a property took the name of an excluded one while it was read; what was read is not loaded.",
                hint="Sync again: the property is left out then.",
            )

    async def _look_if_it_can_be_seen(self) -> _Schema | None:
        try:
            return await self._look()
        except NotionError:
            return None

    def _decide(self, state: StreamState | None, schema: _Schema, sync_type: str) -> ReadDecision:
        decision = decide(
            state,
            schema.properties,
            sync_type=sync_type,
            start_date=self._source.start_date,
            excluded=self._excluded,
            lookback_minutes=self._source.lookback_minutes,
            full_sync_every=self._source.full_sync_every,
            database_id=self._target.id,
            present=schema.present,
        )
        if decision.reason and sync_type != "FULL_TABLE":
            self._say(f"read in full, since {decision.reason}.")
        for change in decision.changes:
            self._say(f"{change.describe()}.")
        return decision

    def _open_stage(self, decision: ReadDecision, schema: _Schema, *, follow_up: bool) -> Stage:
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
            clear_stage(follow_up_directory)
        if stage.resumed and not stage.resumed_complete:
            self._say(f"goes on with {stage.rows:,} rows that an earlier run staged.")
        return stage

    def _extraction(self, stage: Stage, schema: _Schema, decision: ReadDecision) -> Extraction:
        def on_rows(rows: int) -> None:
            self._context.progress.staged(self._target.id, rows, self._client.stats.requests)

        return Extraction(
            self._client,
            ReadSettings(
                self._data_source.id,
                RowSchema(schema.properties, self._excluded),
                full=decision.full,
                edited_since=decision.edited_since,
                lookback=timedelta(minutes=self._source.lookback_minutes),
                began=schema.server_time,
            ),
            stage,
            self._context.archived,
            self._context.spare_workers,
            log=self._say,
            on_rows=on_rows,
        )

    async def _extract(
        self,
        stage: Stage,
        properties: tuple[Property, ...],
        decision: ReadDecision,
        sync_type: str,
        state: StreamState | None,
    ) -> Extract:
        # A whole full read that an earlier run could not commit is landed, whatever this run was asked for.
        is_left_over = not decision.full and stage.manifest.key["sync_type"] == "FULL_TABLE"
        hidden, unclear = await self._hidden_relations(properties, decision, state)
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
            full=decision.full or is_left_over,
            reason="an earlier run read it whole and could not commit it" if is_left_over else decision.reason,
            deleted_rows=self._source.deleted_rows,
            account=self._options.account,
            start_date=self._source.start_date,
            excluded=self._excluded,
            excluded_ids=dict(self._excluded_ids),
            snapshot=schema_snapshot(properties),
            fingerprint=fingerprint(properties),
            schema_changes=tuple(change.as_json() for change in decision.changes),
            hidden_relations=hidden,
            unclear_relations=unclear,
            table_name=state.table_name if state else "",
            counts=ReadCounts(**stage.manifest.counts),
        )

    async def _hidden_relations(
        self, properties: tuple[Property, ...], decision: ReadDecision, state: StreamState | None
    ) -> tuple[dict[str, str], dict[str, str]]:
        """Relations whose target the connection cannot see: Notion shows them as empty (notion-api.md section 6).

        Looked up with a full read only, so that a quiet sync costs no request for it. The rows are all there by now:
        a target that cannot be looked at is told, and no reason to lose them.

        Returns:
            With their targets, by property id; and those of which Notion would not say, with the reason.
        """
        visible = self._context.visible
        targets = {
            prop.id: target
            for prop in properties
            if prop.type == "relation"
            and isinstance(target := prop.config.get("data_source_id"), str)
            and target != self._data_source.id
        }
        if state is not None and not decision.full and not decision.changes:
            return (
                {key: target for key, target in state.hidden_relations.items() if not visible.get(target)},
                {key: why for key, why in state.unclear_relations.items() if not visible.get(targets.get(key, ""))},
            )
        hidden, unclear = {}, {}
        names = {prop.id: prop.name for prop in properties}
        for key, target in targets.items():
            await self._find_out(target)
            if target in self._context.unclear:
                unclear[key] = self._context.unclear[target]
                self._say(
                    f'the target of relation "{names[key]}" could not be looked at ({unclear[key]}); where it is not '
                    "shared with the connection, Notion shows the relation as empty."
                )
            elif not visible[target]:
                hidden[key] = target
                self._say(
                    f'relation "{names[key]}" points to a data source that is not shared with the '
                    "connection, so Notion shows it as empty."
                )
        return hidden, unclear

    async def _find_out(self, data_source_id: str) -> None:
        """Whether the connection sees a data source, or why that cannot be said; once a run."""
        visible, unclear = self._context.visible, self._context.unclear
        if data_source_id in visible or data_source_id in unclear:
            return
        try:
            await self._client.data_source(data_source_id)
        except (NotionNotFoundError, InvalidIdError):
            visible[data_source_id] = False
        except NotionError as error:
            unclear[data_source_id] = error.message
        else:
            visible[data_source_id] = True


def as_if_committed(extract: Extract, state: StreamState | None) -> StreamState:
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
        database_id=extract.database_id,
        bookmark=extract.stage.bookmark,
        snapshot=extract.snapshot,
        fingerprint=extract.fingerprint,
        start_date=extract.start_date,
        excluded=exclusion_marks(extract.excluded),
        hidden_relations=extract.hidden_relations,
        unclear_relations=extract.unclear_relations,
        archived_refused=extract.counts.archived_refused if extract.full else base.archived_refused,
        next_read_is_full=False,
        has_table=True,
        last_full_sync_at=datetime.now(timezone.utc) if extract.full else base.last_full_sync_at,
    )
