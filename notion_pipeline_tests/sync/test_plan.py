"""What the next sync will do, by what the catalog and the last listing know, against what it then does."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from notion_pipeline.catalog.listing.known_databases import accessible_databases
from notion_pipeline.listing.cache import last_schemas
from notion_pipeline.listing.targets import DatabaseTarget, DataSourceTarget
from notion_pipeline.sandbox.control.faults import Fault
from notion_pipeline.sandbox.edits.bulk import add_rows
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.http.server import SandboxServer
from notion_pipeline.sandbox.model.objects import DataSource
from notion_pipeline.sync.estimate import UNEDITED, UNREAD, seconds_for
from notion_pipeline.sync.plan import PlannedRead, Planner, SeenSchemas, expected_reads
from notion_pipeline_tests.support.sync.engine import BEFORE_COMMIT, TOKEN, Engine, Outcome

QUERY = r"POST .*/query$"
REFUSAL = {"status": 400, "code": "invalid_request", "message": "Not now."}
SCHEMA: dict[str, Any] = {"Name": "title", "Effort": "number"}


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    workspace = Workspace(token=TOKEN)
    with SandboxServer(workspace) as server:
        yield Engine(workspace, server.url, tmp_path, settings={"limits": {"concurrent_requests": 1}})


def tasks_in(engine: Engine, rows: int, **schema: Any) -> DataSource:
    source = engine.workspace.add_database("Tasks", {**SCHEMA, **schema}).data_source
    add_rows(source, rows, start="2026-01-01T00:00:00Z", minutes=rows)
    engine.workspace.clock.advance(timedelta(hours=1))
    return source


def synced(engine: Engine, sync_type: str | None = None) -> Outcome:
    outcome = engine.attempt(sync_type)
    assert outcome.success, outcome.reasons
    engine.workspace.clock.advance(timedelta(hours=1))
    return outcome


def planned(engine: Engine, forced: str | None = None, now: datetime | None = None) -> PlannedRead:
    """What is planned for the one data source of a workspace."""
    schemas = last_schemas(engine.state, "notion")
    with engine.catalog.reading() as connection:
        known = accessible_databases(connection, "notion")
        planner = Planner.of_catalog(connection, engine.source, forced=forced, staging=engine.home / "staging", now=now)
    targets = [
        DatabaseTarget(
            found.id, found.title, found.url, tuple(DataSourceTarget(*entry) for entry in found.data_sources)
        )
        for found in known.values()
    ]
    (read,) = planner.reads(targets, seen=SeenSchemas(*schemas) if schemas is not None else None)
    return read


def reads(outcome: Outcome) -> int:
    return sum("/data_sources/" in request.path or "/pages/" in request.path for request in outcome.requests)


def listed(engine: Engine) -> None:
    """A run of the listing alone."""
    engine.extracts(engine.list()[0], None).stop()


def test_read_without_history_says_what_is_assumed(engine: Engine) -> None:
    tasks_in(engine, 40)
    engine.list()
    first = planned(engine)
    assert (first.read, first.reason, first.table) == ("full", "it was not synced before", "tasks")
    assert (first.estimate.requests, first.estimate.assumed) == (3, UNREAD)
    assert reads(synced(engine)) == 3
    second = planned(engine)
    assert (second.read, second.reason, second.estimate.requests) == ("incremental", "", 1)
    assert second.estimate.assumed == UNEDITED
    assert reads(synced(engine)) == 1
    assert planned(engine).estimate.assumed == "", "it has been read since its bookmark"


def test_rows_that_came_since_are_read_as_well(engine: Engine) -> None:
    source = tasks_in(engine, 240)
    assert reads(synced(engine)) == 7
    for number in range(80):
        source.add_page({"Name": f"Late {number}"})
    engine.workspace.clock.advance(timedelta(hours=1))
    assert reads(synced(engine)) == 2
    plan = planned(engine, "FULL_TABLE")
    assert (plan.estimate.rows, plan.estimate.requests, plan.reason) == (320, 8, "it was asked for")
    assert reads(synced(engine, "FULL_TABLE")) == 8


def test_edits_of_late_are_the_measure_of_the_next(engine: Engine) -> None:
    source = tasks_in(engine, 40)
    synced(engine)
    for _ in range(3):
        engine.workspace.edit_page(source.pages[1], {"Effort": 1})
        engine.workspace.clock.advance(timedelta(hours=1))
        assert reads(synced(engine)) == 2
    assert planned(engine).estimate.requests == 2


def test_settings_are_reasons(engine: Engine) -> None:
    tasks_in(engine, 40)
    engine.settings["start_date"] = "2026-01-01"
    synced(engine)
    engine.settings["start_date"] = "2025-01-01"
    assert planned(engine).reason == "its start date moved back"
    engine.settings["sync_type"] = "FULL_TABLE"
    assert planned(engine).reason == "sync_type: FULL_TABLE in sources.yaml"
    assert planned(engine, "INCREMENTAL").reason == "its start date moved back"
    engine.settings = {"start_date": "2026-01-01", "streams": {"Tasks": {"exclude_properties": ["Effort"]}}}
    assert planned(engine).reason == "other properties are excluded than before"
    engine.settings = {"start_date": "2026-01-01"}
    assert planned(engine).read == "incremental"
    engine.execute("DROP TABLE notion.tasks")
    assert planned(engine).reason == "its table notion.tasks is gone"


def test_changed_schema_is_planned_once_a_listing_has_seen_it(engine: Engine) -> None:
    source = tasks_in(engine, 40)
    synced(engine)
    engine.workspace.rename_property(source, "Effort", "Hours")
    assert planned(engine).read == "incremental"
    listed(engine)
    plan = planned(engine)
    assert plan.read == "full"
    assert plan.reason.startswith("its schema changed (")
    outcome = synced(engine)
    assert (plan.estimate.requests, reads(outcome)) == (3, 3)
    assert planned(engine).read == "incremental", "the catalog is newer than that listing"


def test_full_sync_every_is_told_beforehand(engine: Engine) -> None:
    length = {"type": "formula", "expression": 'prop("Name").length()', "compute": lambda page: len(str(page["Name"]))}
    tasks_in(engine, 40, Length=length)
    synced(engine)
    plan = planned(engine)
    assert plan.read == "incremental"
    assert plan.full_read_due is not None
    assert timedelta(days=6) < plan.full_read_due - datetime.now(timezone.utc) < timedelta(days=7)
    later = planned(engine, now=plan.full_read_due + timedelta(seconds=1))
    assert later.reason == "its computed columns were not refreshed for longer than full_sync_every"
    engine.settings["full_sync_every"] = "never"
    assert planned(engine).full_read_due is None


@pytest.mark.parametrize("at", [4, 9])
def test_rest_of_a_read_is_planned(engine: Engine, at: int) -> None:
    tasks_in(engine, 1_000)
    synced(engine)
    engine.workspace.faults.add(Fault("status", match=QUERY, at=at, **REFUSAL))
    assert not engine.attempt("FULL_TABLE").success
    engine.workspace.clock.advance(timedelta(hours=1))
    plan = planned(engine, "FULL_TABLE")
    assert plan.reason == f"it was asked for; an earlier run read {100 * (at - 2):,} rows of it"
    made = reads(synced(engine, "FULL_TABLE"))
    assert abs(plan.estimate.requests - made) <= max(0.1 * made, 2)


def test_whole_read_that_was_not_committed_costs_what_was_edited_since(engine: Engine) -> None:
    tasks_in(engine, 1_000)
    assert engine.attempt(dies=BEFORE_COMMIT).success
    engine.workspace.clock.advance(timedelta(hours=1))
    plan = planned(engine)
    assert plan.reason.endswith("; an earlier run read all of it, and could not commit it")
    assert (plan.estimate.requests, reads(synced(engine))) == (1, 1)


def test_time_is_that_of_the_accounts_pace(engine: Engine) -> None:
    limits = engine.source.limits
    assert seconds_for(180, limits) == 60
    engine.settings["limits"] = {"requests_per_minute": 90}
    assert seconds_for(180, engine.source.limits) == 120
    engine.settings["limits"] = {"requests_per_minute": 3000, "concurrent_requests": 1}
    assert seconds_for(100, engine.source.limits) == pytest.approx(30), "one at a time, however many a minute may be"


def test_run_is_told_what_its_reads_cost(engine: Engine) -> None:
    tasks_in(engine, 240)
    synced(engine)
    read = planned(engine, "FULL_TABLE")
    expected = expected_reads([read], engine.source.limits)
    assert expected.requests == {read.database.id: 7}
    assert expected.rows == {read.database.id: 240}
    assert expected_reads([read], engine.source.limits, skip=[read.data_source.id]).requests == {}
