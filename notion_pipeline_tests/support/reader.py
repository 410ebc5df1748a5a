"""Reads one data source of the sandbox into a stage, as a sync does, without a catalog or Dagster."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import orjson

from notion_pipeline.extraction.manifest import StageKey
from notion_pipeline.extraction.read_counts import ArchivedSupport, ReadCounts
from notion_pipeline.extraction.read_progress import ReadLimits, ReadSettings
from notion_pipeline.extraction.reader import Extraction
from notion_pipeline.extraction.staging import Stage, open_stage
from notion_pipeline.extraction.windows.scheduler import SpareWorkers
from notion_pipeline.notion.client import NotionClient
from notion_pipeline.rows.batch import RowSchema
from notion_pipeline.rows.properties import fingerprint, parse_properties
from notion_pipeline.sandbox.control.requests import Request
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.model.objects import DataSource


@dataclass
class Read:
    """What was staged: every row as read, in that order."""

    stage: Stage
    rows: list[dict[str, Any]]
    counts: ReadCounts
    requests: list[Request]

    @property
    def pages(self) -> dict[str, dict[str, Any]]:
        """The later version of each row."""
        kept: dict[str, dict[str, Any]] = {}
        for row in self.rows:
            if row["id"] not in kept or row["last_edited_time"] >= kept[row["id"]]["last_edited_time"]:
                kept[row["id"]] = row
        return kept

    @property
    def queries(self) -> list[Any]:
        return [request.body for request in self.requests if request.path.endswith("/query")]


@dataclass
class Reader:
    """Reads data sources of a workspace; the stage stays between reads, so that the next one goes on."""

    workspace: Workspace
    client: Callable[[], NotionClient]
    directory: Path
    lines: list[str]
    archived: ArchivedSupport = field(default_factory=ArchivedSupport)
    spare: int = 0
    limits: ReadLimits = field(default_factory=ReadLimits)

    def read(
        self,
        source: DataSource,
        *,
        full: bool = True,
        since: datetime | None = None,
        exclude: Sequence[str] = (),
        lookback: timedelta = timedelta(0),
    ) -> Read:
        before = len(self.workspace.requests)

        async def read() -> tuple[Stage, Extraction, RowSchema]:
            async with self.client() as client:
                answer = await client.data_source(source.id)
                schema = RowSchema(parse_properties(answer.body, exclude), exclude)
                stage = self.open(source, schema, full=full, since=since, bookmark=answer.server_time)
                extraction = Extraction(
                    client,
                    ReadSettings(
                        source.id,
                        schema,
                        full=full,
                        edited_since=since,
                        lookback=lookback,
                        began=answer.server_time,
                        limits=self.limits,
                    ),
                    stage,
                    self.archived,
                    SpareWorkers(self.spare),
                    log=self.lines.append,
                    on_rows=lambda _: None,
                )
                await extraction.read()
                extraction.finish()
                return stage, extraction, schema

        stage, extraction, schema = asyncio.run(read())
        return Read(stage, staged_rows(stage, schema), extraction.counts, self.workspace.requests[before:])

    def open(
        self,
        source: DataSource,
        schema: RowSchema,
        *,
        full: bool = True,
        since: datetime | None = None,
        bookmark: datetime | None = None,
        committed: Callable[[str], bool] = lambda _: False,
    ) -> Stage:
        key = StageKey(
            data_source_id=source.id,
            sync_type="FULL_TABLE" if full else "INCREMENTAL",
            edited_since=since.isoformat() if since else None,
            start_date=None,
            account="account",
            excluded=tuple(schema.exclude),
            fingerprint=fingerprint(schema.properties),
        )
        bookmark = (bookmark or datetime.now(timezone.utc)).replace(second=0, microsecond=0)
        return open_stage(self.directory, key, bookmark=bookmark, is_committed=committed, log=self.lines.append)


def staged_rows(stage: Stage, schema: RowSchema) -> list[dict[str, Any]]:
    """Every staged row, its `properties` parsed."""
    rows = [row for batch in stage.reader(schema.arrow) for row in batch.to_pylist()]
    return [{**row, "properties": orjson.loads(row["properties"])} for row in rows]
