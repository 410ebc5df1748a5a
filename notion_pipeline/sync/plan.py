"""What the next sync of a source will do and cost: the decisions that its reads will take, and their estimates.

In: what the catalog and the last listing know. No request is made, so edits and changes of schemas that no listing has
seen yet are not in it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import duckdb

from notion_pipeline.catalog import state as bookkeeping
from notion_pipeline.catalog.state import ReadCosts, StreamState
from notion_pipeline.config.sources import Limits, Source
from notion_pipeline.errors import ConfigError, InvalidIdError
from notion_pipeline.extraction.manifest import Manifest
from notion_pipeline.extraction.staging import left_over
from notion_pipeline.listing.targets import DatabaseTarget, DataSourceTarget
from notion_pipeline.rows.properties import Exclusion, Property, fingerprint, snapshot_properties
from notion_pipeline.sync.data_source.hidden_relations import relation_targets
from notion_pipeline.sync.data_source.read_plan import decide_for, full_read_due, sync_type_of
from notion_pipeline.sync.data_source.schema_reader import SchemaParser
from notion_pipeline.sync.estimate import Estimate, estimated, resumed, seconds_for
from notion_pipeline.sync.run.pace import ExpectedReads


@dataclass(frozen=True)
class SeenSchemas:
    """The schemas of the last listing: the data sources' objects by id, without excluded properties.

    Attributes:
        at: Local time of that listing.
    """

    at: datetime
    raw: Mapping[str, dict[str, Any]]


@dataclass(frozen=True)
class PlannedRead:
    """What the next sync does with one data source.

    Attributes:
        table: Without its schema; empty where it has none yet.
        read: `full`, `incremental`, or `none` where it will not be read.
        reason: Why it is read in full, or not at all, and what an earlier run left of it.
        full_read_due: When `full_sync_every` asks for the next full read; None where it does not.
        targets: Data sources in relations that the connection does not see, and that are therefore asked for.
    """

    database: DatabaseTarget
    data_source: DataSourceTarget
    table: str
    read: str
    reason: str
    estimate: Estimate
    full_read_due: datetime | None = None
    targets: frozenset[str] = frozenset()


@dataclass(frozen=True)
class SyncPlan:
    """What the next sync of a source does.

    Attributes:
        listing_requests: Of the listing that comes first.
    """

    reads: tuple[PlannedRead, ...]
    listing_requests: int

    @property
    def relation_requests(self) -> int:
        """For the targets of relations that the connection does not see; each is asked for once a run."""
        return len(frozenset().union(*(read.targets for read in self.reads)))

    @property
    def read_requests(self) -> float:
        return sum(read.estimate.requests for read in self.reads)

    @property
    def requests(self) -> float:
        """All of them."""
        return self.listing_requests + self.read_requests + self.relation_requests


class Planner:
    """Plans the reads of one source.

    Args:
        source: That knows what its names mean.
        forced: FULL_TABLE or INCREMENTAL instead of what sources.yaml says.
        states, costs: What the catalog knows of the data sources, by their ids.
        visible: Ids of all data sources that the last listing saw.
        staging: Where died syncs left reads to go on with; None where that is no matter.
        now: Local time.
    """

    def __init__(
        self,
        source: Source,
        *,
        forced: str | None,
        states: Mapping[str, StreamState],
        costs: Mapping[str, ReadCosts],
        visible: Collection[str] = (),
        staging: Path | None = None,
        now: datetime | None = None,
    ) -> None:
        self._source = source
        self._forced = forced
        self._states = states
        self._costs = costs
        self._visible = frozenset(visible)
        self._staging = staging
        self._now = now or datetime.now(timezone.utc)

    @classmethod
    def of_catalog(
        cls, connection: duckdb.DuckDBPyConnection | None, source: Source, *, forced: str | None, **known: Any
    ) -> Planner:
        """One that knows what the catalog does; `known` are the other arguments."""
        has_state = connection is not None and bookkeeping.has_bookkeeping(connection)
        return cls(
            source,
            forced=forced,
            states=bookkeeping.stream_states(connection, source.name) if connection is not None and has_state else {},
            costs=bookkeeping.read_costs(connection, source.name),
            **known,
        )

    def reads(
        self,
        targets: Iterable[DatabaseTarget],
        *,
        held_back: Mapping[str, str] | None = None,
        seen: SeenSchemas | None = None,
    ) -> tuple[PlannedRead, ...]:
        """What is read of these databases.

        Args:
            held_back: Why a database must not be read, by its id.
            seen: For data sources that come without their schema.
        """
        found: list[PlannedRead] = []
        for target in targets:
            why_not = (held_back or {}).get(target.id) or (target.failure.message if target.failure else "")
            # One that no listing has told of yet is taken for one with one data source.
            for member in target.data_sources or (DataSourceTarget("", ""),):
                found.append(self._held(target, member, why_not) if why_not else self._read(target, member, seen))
        return tuple(found)

    def _held(self, target: DatabaseTarget, member: DataSourceTarget, why: str) -> PlannedRead:
        return PlannedRead(target, member, self._table(member.id), "none", why, Estimate(0.0))

    def _read(self, target: DatabaseTarget, member: DataSourceTarget, seen: SeenSchemas | None) -> PlannedRead:
        state = self._states.get(member.id)
        parser = SchemaParser(self._source, target.id, target.title)
        try:
            properties = self._properties(state, member, parser, seen)
        except ConfigError as error:
            return self._held(target, member, error.message)
        sync_type = sync_type_of(self._source, target.id, target.title, self._forced)
        decision = decide_for(
            self._source,
            target.id,
            state,
            properties,
            sync_type=sync_type,
            excluded=parser.excluded,
            present=None,
            now=self._now,
        )
        asks_for_targets = decision.full or bool(decision.changes)
        related = set(relation_targets(properties, member.id).values()) - {""} if asks_for_targets else set()
        estimate = estimated(self._costs.get(member.id), full=decision.full)
        reason = decision.reason or (self._asked_for() if decision.full else "")
        if (left := self._left_over(target, member, properties, full=decision.full)) is not None:
            estimate = resumed(estimate, left)
            rows = sum(file[1] for file in left.files)
            whole = "all of it, and could not commit it" if left.complete else f"{rows:,} rows of it"
            reason = f"{reason}; an earlier run read {whole}".removeprefix("; ")
        return PlannedRead(
            target,
            member,
            self._table(member.id),
            "full" if decision.full else "incremental",
            reason,
            estimate,
            full_read_due(state, properties, self._source.full_sync_every),
            frozenset(related - self._visible),
        )

    def _left_over(
        self, target: DatabaseTarget, member: DataSourceTarget, properties: Sequence[Property], *, full: bool
    ) -> Manifest | None:
        """The read of an earlier run that this one goes on with."""
        if self._staging is None or not member.id:
            return None
        try:
            left = left_over(self._staging, self._source.name, target.id, member.id, self._now)
        except InvalidIdError:
            return None  # its read says so
        if left is None or left.key.get("fingerprint") != fingerprint(properties):
            return None
        sync_type = left.key.get("sync_type")
        return (
            left
            if sync_type == ("FULL_TABLE" if full else "INCREMENTAL") or (left.complete and sync_type == "FULL_TABLE")
            else None
        )

    def _properties(
        self, state: StreamState | None, member: DataSourceTarget, parser: SchemaParser, seen: SeenSchemas | None
    ) -> Sequence[Property]:
        """The properties as of the last listing or the last sync, whichever is later."""
        synced_at = state.last_sync_at if state is not None else None
        raw = member.raw
        if raw is None and seen is not None and (synced_at is None or synced_at < seen.at):
            raw = seen.raw.get(member.id)
        if raw is not None:
            return parser.parse(raw)
        exclusion = Exclusion(parser.excluded)
        known = snapshot_properties(state.snapshot) if state is not None and state.snapshot is not None else ()
        return [prop for prop in known if not exclusion.covers(prop.name, prop.id)]

    def _asked_for(self) -> str:
        return "it was asked for" if self._forced else "sync_type: FULL_TABLE in sources.yaml"

    def _table(self, key: str) -> str:
        return self._states[key].table_name if key in self._states else ""


def expected_reads(reads: Iterable[PlannedRead], limits: Limits, *, skip: Collection[str] = ()) -> ExpectedReads:
    """What a run is told of the cost of its reads.

    Args:
        skip: Data sources that it does not read after all.
    """
    requests: dict[str, float] = {}
    rows: dict[str, int] = {}
    for read in reads:
        key, estimate = read.database.id, read.estimate
        if read.data_source.id not in skip:
            requests[key] = requests.get(key, 0.0) + estimate.requests
            if estimate.rows is not None:
                rows[key] = rows.get(key, 0) + estimate.rows
    return ExpectedReads(requests, rows, seconds_for(1, limits))
