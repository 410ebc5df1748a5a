"""One data source within a run: the decision how to read it, its stage, its extraction."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

from notion_pipeline.catalog.state import StreamState
from notion_pipeline.errors import ConfigError, NotionRequestError
from notion_pipeline.extraction.extract import Extract
from notion_pipeline.extraction.manifest import StageKey
from notion_pipeline.extraction.read_counts import ReadCounts
from notion_pipeline.extraction.read_progress import ReadSettings
from notion_pipeline.extraction.reader import Extraction
from notion_pipeline.extraction.staging import Stage, clear_stage, open_stage, stage_directory
from notion_pipeline.listing.targets import DatabaseTarget, DataSourceTarget
from notion_pipeline.notion.client import NotionClient
from notion_pipeline.rows.batch import RowSchema
from notion_pipeline.rows.properties import Property, exclusion_marks, fingerprint, schema_snapshot
from notion_pipeline.sync.data_source.begun_elsewhere import note_read
from notion_pipeline.sync.data_source.hidden_relations import RelationTargets
from notion_pipeline.sync.data_source.read_plan import ReadDecision, decide_for, sync_type_of
from notion_pipeline.sync.data_source.schema_reader import ReadSchema, SchemaReader, is_ahead, rereading_changes
from notion_pipeline.sync.run.context import RunContext


class DataSourceRead:
    """Reads one data source, in full or since its bookmark, into an extract."""

    def __init__(
        self, context: RunContext, client: NotionClient, target: DatabaseTarget, data_source: DataSourceTarget
    ) -> None:
        self._context = context
        self._client = client
        self._target = target
        self._data_source = data_source
        self._options = context.options
        self._source = context.options.source
        self._schemas = SchemaReader(client, self._source, target, data_source, self._say)
        self._sync_type = sync_type_of(self._source, target.id, target.title, self._options.forced)

    def _say(self, line: str) -> None:
        self._context.log(f"{self._target.label}: {line}")

    async def run(self, state: StreamState | None, *, follow_up: bool = False) -> Extract:
        """The data source, read whole; from the beginning once more where its schema changes meanwhile."""
        sync_type = "INCREMENTAL" if follow_up else self._sync_type
        schema = await self._schemas.first(state)
        for is_last_try in (False, True):
            decision = self._decide(state, schema, sync_type)
            stage = await asyncio.to_thread(self._open_stage, decision, schema, follow_up=follow_up)
            schema = schema.in_order(stage.manifest.properties)
            if stage.resumed_complete and not follow_up:
                break  # loaded as it is, then followed up; a follow-up that was whole before gets a catch-up instead
            later = await self._read(stage, schema, decision, state, is_last_try=is_last_try)
            if later is None:
                break
            if moved := rereading_changes(schema, later):
                self._say(
                    "its schema changed during the read "
                    f"({'; '.join(change.describe() for change in moved)}); the read starts over."
                )
            await asyncio.to_thread(stage.remove)
            schema = later
        return await self._extract(stage, schema.properties, decision, sync_type, state)

    async def _read(
        self, stage: Stage, schema: ReadSchema, decision: ReadDecision, state: StreamState | None, *, is_last_try: bool
    ) -> ReadSchema | None:
        """Fills the stage and marks it whole; or gives the schema to start over with.

        It starts over where the schema changed meanwhile, and where the answers tell that the bookmark it reads from
        lies in the future.
        """
        rows_before = stage.rows
        extraction = self._extraction(stage, schema, decision)
        try:
            await extraction.read()
        except NotionRequestError as error:
            # A filter on a property that was renamed meanwhile is refused, and so is the item of one that was removed.
            if not is_last_try and (later := await self._schemas.get_if_visible()) and rereading_changes(schema, later):
                return later
            raise error from None
        if decision.full:
            needs_schema = not _shows_schema(extraction) or (
                extraction.schema_proof.ends_empty and await self._removes_rows(stage, schema, state)
            )
        else:
            needs_schema = stage.rows > rows_before
        if needs_schema:
            later = await self._schemas.get()
            if rereading_changes(schema, later) and not is_last_try:
                return later
            if self._schemas.shows_excluded(schema):
                await asyncio.to_thread(stage.remove)
                raise ConfigError(
                    "a property took the name of an excluded one while it was read; what was read is not loaded.",
                    hint="Sync again: the property is left out then.",
                )
            if rereading_changes(schema, later):
                self._say("its schema changed again during the read; the next sync reads in full.")
        if not decision.full and is_ahead(state, self._client.stats.earliest):
            later = await self._schemas.get()
            if is_ahead(state, later.present):
                return replace(later, server_time=min(stage.bookmark, later.server_time))
        await asyncio.to_thread(extraction.finish)
        return None

    async def _removes_rows(self, stage: Stage, schema: ReadSchema, state: StreamState | None) -> bool:
        """Whether the table has rows that the read did not meet: the data source may be in the trash by now."""
        if state is None or not state.has_table:
            return False
        ids = stage.reader(RowSchema(schema.properties, self._schemas.excluded).arrow, ["id"])
        return await asyncio.to_thread(self._context.has_other_rows, state, ids)

    def _decide(self, state: StreamState | None, schema: ReadSchema, sync_type: str) -> ReadDecision:
        decision = decide_for(
            self._source,
            self._target.id,
            state,
            schema.properties,
            sync_type=sync_type,
            excluded=self._schemas.excluded,
            present=schema.present,
        )
        if decision.reason and sync_type != "FULL_TABLE":
            self._say(f"read in full, since {decision.reason}.")
        for change in decision.changes:
            self._say(f"{change.describe()}.")
        return decision

    def _open_stage(self, decision: ReadDecision, schema: ReadSchema, *, follow_up: bool) -> Stage:
        directory = stage_directory(self._options.staging, self._source.name, self._target.id, self._data_source.id)
        follow_up_directory = directory.with_name(f"{directory.name}.next")
        key = StageKey(
            data_source_id=self._data_source.id,
            sync_type="FULL_TABLE" if decision.full else "INCREMENTAL",
            edited_since=decision.edited_since.isoformat() if decision.edited_since else None,
            start_date=self._source.start_date.isoformat() if self._source.start_date else None,
            account=self._options.account,
            excluded=exclusion_marks(self._schemas.excluded),
            fingerprint=fingerprint(schema.properties),
        )
        stage = open_stage(
            follow_up_directory if follow_up else directory,
            key,
            bookmark=schema.server_time.replace(second=0, microsecond=0),
            properties=[prop.id for prop in schema.properties],
            is_committed=self._context.is_committed,
            log=self._context.log,
            copies=self._context.copies,
        )
        if not follow_up:
            note_read(
                self._options.state,
                self._options.staging,
                self._source.name,
                self._data_source.id,
                stage,
                bucket=self._options.bucket,
                is_committed=self._context.is_committed,
                say=self._say,
            )
        if not follow_up and not stage.resumed_complete:
            clear_stage(follow_up_directory)
        if stage.resumed and not stage.resumed_complete:
            self._say(f"goes on with {stage.rows:,} rows that an earlier run staged.")
        return stage

    def _extraction(self, stage: Stage, schema: ReadSchema, decision: ReadDecision) -> Extraction:
        def on_rows(rows: int) -> None:
            self._context.progress.staged(self._target.id, rows, self._client.stats.requests)

        return Extraction(
            self._client,
            ReadSettings(
                self._data_source.id,
                RowSchema(schema.properties, self._schemas.excluded),
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
        # A whole full read that an earlier run could not commit is loaded, whatever this run was asked for.
        is_left_over = not decision.full and stage.manifest.key["sync_type"] == "FULL_TABLE"
        targets = RelationTargets(self._context, self._client, self._data_source.id, properties)
        if state is not None and not decision.full and not decision.changes:
            hidden, unclear = targets.known(state)
        else:
            hidden, unclear = await targets.find_out(self._say)
        return Extract(
            source=self._source.name,
            database_id=self._target.id,
            data_source_id=self._data_source.id,
            data_source_name=self._data_source.name,
            title=self._target.title,
            url=self._target.url,
            stage=stage,
            schema=RowSchema(properties, self._schemas.excluded),
            sync_type=sync_type,
            full=decision.full or is_left_over,
            reason="an earlier run read it whole and could not commit it" if is_left_over else decision.reason,
            deleted_rows=self._source.deleted_rows,
            account=self._options.account,
            start_date=self._source.start_date,
            excluded=self._schemas.excluded,
            excluded_ids=dict(self._schemas.excluded_ids),
            snapshot=schema_snapshot(properties),
            fingerprint=fingerprint(properties),
            schema_changes=tuple(change.as_json() for change in decision.changes),
            hidden_relations=hidden,
            unclear_relations=unclear,
            table_name=state.table_name if state else "",
            counts=ReadCounts(**stage.manifest.counts),
        )


def _shows_schema(extraction: Extraction) -> bool:
    """Whether the rows of a full read prove that the schema stayed as it was, so that it need not be asked for again.

    Rows carry no options and no expressions. Those of one answer hold the values of one moment; those of several may
    hold values from before and after such an edit.
    """
    return extraction.one_answer.is_one and extraction.schema_proof.holds and not extraction.counts.values_refused
