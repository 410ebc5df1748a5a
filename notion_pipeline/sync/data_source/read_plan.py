"""Decides how a data source is read: in full or since its bookmark, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from notion_pipeline.catalog.state import StreamState
from notion_pipeline.config.sources import Source
from notion_pipeline.rows.properties import Exclusion, Property, exclusion_marks, has_computed, schema_snapshot
from notion_pipeline.rows.schema_changes import SchemaChange, schema_changes


@dataclass(frozen=True)
class ReadDecision:
    """How a data source is read.

    Attributes:
        full: Everything, archived rows too; else what was edited since.
        reason: Why a stream is read in full that was not asked to be; empty otherwise.
        edited_since: Aware UTC minute, inclusive; None is no bound.
        changes: Of the schema since the sync before.
    """

    full: bool
    reason: str
    edited_since: datetime | None
    changes: tuple[SchemaChange, ...]


def decide(
    state: StreamState | None,
    properties: Sequence[Property],
    *,
    sync_type: str,
    start_date: datetime | None,
    excluded: Sequence[str],
    lookback_minutes: int,
    full_sync_every: timedelta | None,
    database_id: str | None = None,
    present: datetime | None = None,
    now: datetime | None = None,
) -> ReadDecision:
    """How to read, by what the catalog knows of the stream.

    Args:
        state: None where the stream was never synced.
        excluded: Sorted names or ids of the properties left out.
        database_id: Database that the data source belongs to now; None where it did not move.
        present: Server's time; None where Notion did not tell it.
        now: Local time, for the age of the last full read.
    """
    snapshot: dict[str, Any] = schema_snapshot(properties)
    before = _without_excluded(state.snapshot, excluded) if state and state.snapshot is not None else None
    changes = tuple(schema_changes(before, snapshot)) if before is not None else ()
    moved = state is not None and database_id is not None and state.database_id != database_id
    reason = _reason(
        state,
        properties,
        changes,
        moved=moved,
        start_date=start_date,
        excluded=excluded,
        full_sync_every=full_sync_every,
        present=present,
        now=now,
    )
    if sync_type == "FULL_TABLE":
        return ReadDecision(full=True, reason="", edited_since=start_date, changes=changes)
    if reason or state is None or state.bookmark is None:
        return ReadDecision(full=True, reason=reason, edited_since=start_date, changes=changes)
    since = state.bookmark - timedelta(minutes=lookback_minutes)
    return ReadDecision(
        full=False, reason="", edited_since=max(since, start_date) if start_date else since, changes=changes
    )


def sync_type_of(source: Source, database_id: str, title: str, forced: str | None) -> str:
    """What a read of a database is asked for: FULL_TABLE or INCREMENTAL; `forced` wins over sources.yaml."""
    return forced or source.sync_type_for(database_id, title).value


def decide_for(
    source: Source,
    database_id: str,
    state: StreamState | None,
    properties: Sequence[Property],
    *,
    sync_type: str,
    excluded: Sequence[str],
    present: datetime | None,
    now: datetime | None = None,
) -> ReadDecision:
    """How to read a data source of a database, under the settings of its source. The rest is as for `decide`."""
    return decide(
        state,
        properties,
        sync_type=sync_type,
        start_date=source.start_date,
        excluded=excluded,
        lookback_minutes=source.lookback_minutes,
        full_sync_every=source.full_sync_every,
        database_id=database_id,
        present=present,
        now=now,
    )


def full_read_due(
    state: StreamState | None, properties: Sequence[Property], full_sync_every: timedelta | None
) -> datetime | None:
    """When `full_sync_every` asks for the next full read; None where it never does, or no full read was made yet."""
    if full_sync_every is None or state is None or state.last_full_sync_at is None or not has_computed(properties):
        return None
    return state.last_full_sync_at + full_sync_every


def _without_excluded(snapshot: dict[str, Any], excluded: Sequence[str]) -> dict[str, Any]:
    """A property that was excluded since is not removed in Notion, and is named nowhere."""
    exclusion = Exclusion(excluded)
    return {key: entry for key, entry in snapshot.items() if not exclusion.covers(str(entry["name"]), key)}


def _reason(
    state: StreamState | None,
    properties: Sequence[Property],
    changes: Sequence[SchemaChange],
    *,
    moved: bool,
    start_date: datetime | None,
    excluded: Sequence[str],
    full_sync_every: timedelta | None,
    present: datetime | None,
    now: datetime | None,
) -> str:
    if state is None or state.bookmark is None:
        return "it was not synced before"
    if not state.has_table:
        return f"its table {state.source}.{state.table_name} is gone"
    if moved:
        return "it moved to another database"
    if state.next_read_is_full:
        return "it was out of sight for a while, or moved to another database"
    if present is not None and state.bookmark > present:
        # Set by a clock that was ahead: what was edited between the sync that set it and now lies before it.
        return f"its bookmark, {_minute(state.bookmark)}, is later than Notion's clock, {_minute(present)}"
    if state.start_date is not None and (start_date is None or start_date < state.start_date):
        return "its start date moved back"
    if exclusion_marks(excluded) != state.excluded:
        return "other properties are excluded than before"
    if forcing := [change.describe() for change in changes if change.forces_full_read]:
        return f"its schema changed ({'; '.join(forcing)})"
    if full_sync_every is not None and has_computed(properties):
        due = full_read_due(state, properties, full_sync_every)
        if due is None or (now or datetime.now(timezone.utc)) > due:
            return "its computed columns were not refreshed for longer than full_sync_every"
    return ""


def _minute(moment: datetime) -> str:
    return f"{moment.astimezone(timezone.utc):%Y-%m-%d %H:%M} UTC"
