"""The bookmark is a server's minute that no answer contradicts, whatever its Date headers say or leave out."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from notion_pipeline.sandbox.control.faults import Fault
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline_tests.support.catalog import catalogs
from notion_pipeline_tests.support.sync.truth import differences
from notion_pipeline_tests.support.whole_way import QUERY, REFUSAL, Pipeline, Run, later, synced, tasks_in

pytestmark = [pytest.mark.slow, pytest.mark.long]


DAY = 24 * 3600.0
SEARCH, LOOK = "POST /v1/search", "GET /v1/data_sources"
DISBELIEVED = "is later than Notion's clock"


def bookmark(pipeline: Pipeline) -> datetime:
    found: datetime = pipeline.value("SELECT bookmark FROM _notion_pipeline.streams")
    return found.astimezone(timezone.utc)


def last_read(pipeline: Pipeline) -> Any:
    return pipeline.last_sync()["rows_read"]


def nothing_is_lost(workspace: Workspace, pipeline: Pipeline) -> Run:
    """An hour later a row is edited, another hour later it is synced; two days later the same."""
    (source,) = workspace.data_sources.values()
    for pause in (1, 48):
        later(workspace, hours=pause)
        workspace.edit_page(source.pages[0], {"Effort": 1000 + pause})
        later(workspace, hours=pause)
        run = synced(pipeline)
        assert differences(pipeline, workspace, source) == []
    return run


@pytest.mark.parametrize("match", [SEARCH, "POST /v1/search|GET /v1", QUERY])
@pytest.mark.parametrize("seconds", [DAY, 90.0, 3650 * DAY])
def test_answer_that_is_ahead_moves_no_bookmark(
    workspace: Workspace, pipeline: Pipeline, match: str, seconds: float
) -> None:
    tasks_in(workspace)
    workspace.faults.add(Fault("date", match=match, seconds=seconds))
    synced(pipeline)
    assert bookmark(pipeline) <= workspace.clock.now()
    nothing_is_lost(workspace, pipeline)
    assert last_read(pipeline) == 1


@pytest.mark.parametrize("at", [1, 2], ids=["whole", "resumed"])
def test_answer_that_is_ahead_moves_no_bookmark_of_an_incremental_read(
    workspace: Workspace, pipeline: Pipeline, at: int
) -> None:
    source = tasks_in(workspace, 250)
    synced(pipeline)
    later(workspace, hours=1)
    for page in source.pages:
        workspace.edit_page(page, {"Effort": 7})
    workspace.faults.add(Fault("date", match=SEARCH, seconds=DAY))
    if at > 1:
        workspace.faults.add(Fault("status", match=QUERY, at=at, **REFUSAL))
        assert not pipeline.sync().success
        later(workspace, hours=1)
    synced(pipeline)
    assert bookmark(pipeline) <= workspace.clock.now()
    nothing_is_lost(workspace, pipeline)


def set_bookmark(pipeline: Pipeline, moment: datetime) -> None:
    """As a version that believed every Date left it."""
    with catalogs.changing(pipeline.project.root) as connection:
        connection.execute("UPDATE _notion_pipeline.bookmark_versions SET bookmark = ?", [moment])


@pytest.mark.parametrize("ahead", [timedelta(days=1), timedelta(minutes=1), timedelta(days=4000)])
def test_bookmark_that_is_ahead_is_not_believed(workspace: Workspace, pipeline: Pipeline, ahead: timedelta) -> None:
    source = tasks_in(workspace)
    synced(pipeline)
    later(workspace, hours=1)
    workspace.edit_page(source.pages[0], {"Effort": 1000})
    workspace.trash(source.pages[1])
    later(workspace, hours=1)
    set_bookmark(pipeline, workspace.clock.now() + ahead)
    run = synced(pipeline)
    assert DISBELIEVED in run.log
    assert "read in full" in run.log
    assert run.asked(LOOK) == 1, "to ask a second clock"
    assert differences(pipeline, workspace, source) == []
    assert bookmark(pipeline) == workspace.clock.now()
    assert DISBELIEVED not in nothing_is_lost(workspace, pipeline).log


def test_bookmark_that_is_ahead_is_not_believed_where_the_listings_clock_is_ahead_as_well(
    workspace: Workspace, pipeline: Pipeline
) -> None:
    """The answers of the read itself tell."""
    source = tasks_in(workspace)
    synced(pipeline)
    later(workspace, hours=1)
    workspace.edit_page(source.pages[0], {"Effort": 1000})
    later(workspace, hours=1)
    set_bookmark(pipeline, workspace.clock.now() + timedelta(hours=20))
    workspace.faults.add(Fault("date", match=SEARCH, times=2, seconds=DAY))
    workspace.faults.add(Fault("date", match="GET /v1/databases", times=2, seconds=DAY))
    run = synced(pipeline)
    assert DISBELIEVED in run.log
    assert differences(pipeline, workspace, source) == []
    assert bookmark(pipeline) == workspace.clock.now()


def test_bookmark_of_this_minute_is_believed(workspace: Workspace, pipeline: Pipeline) -> None:
    tasks_in(workspace)
    synced(pipeline)
    run = synced(pipeline)
    assert DISBELIEVED not in run.log
    assert run.asked(LOOK) == 0
    assert pipeline.last_sync()["sync_type"] == "INCREMENTAL"


@pytest.mark.parametrize("match", [SEARCH, QUERY])
def test_one_answer_that_is_behind_costs_a_look_and_no_full_read(
    workspace: Workspace, pipeline: Pipeline, match: str
) -> None:
    source = tasks_in(workspace)
    synced(pipeline)
    later(workspace, hours=1)
    workspace.edit_page(source.pages[0], {"Effort": 1000})
    later(workspace, hours=1)
    workspace.faults.add(Fault("date", match=match, seconds=-DAY))
    run = synced(pipeline)
    assert DISBELIEVED not in run.log
    assert bookmark(pipeline) == workspace.clock.now() - timedelta(days=1)
    assert differences(pipeline, workspace, source) == []
    nothing_is_lost(workspace, pipeline)


HEADERS = [None, "", "yesterday", "Wed, 99 Jul 2026 09:00:00 GMT", "0", "\xe9", "Thu, 01 Jan 1970 00:00:00 GMT"]


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize("match", [SEARCH, None])
def test_answers_that_do_not_tell_the_time_lose_nothing(
    workspace: Workspace, pipeline: Pipeline, match: str | None, header: str | None
) -> None:
    """One answer, or every answer there is."""
    (source,) = (tasks_in(workspace),)
    workspace.faults.add(Fault("date", match=match, times=1 if match else 10_000, header=header))
    synced(pipeline)
    assert bookmark(pipeline) <= workspace.clock.now()
    assert differences(pipeline, workspace, source) == []
    nothing_is_lost(workspace, pipeline)


def test_date_of_the_year_9999_is_outvoted(workspace: Workspace, pipeline: Pipeline) -> None:
    tasks_in(workspace)
    workspace.faults.add(Fault("date", match=SEARCH, header="Fri, 31 Dec 9999 23:59:59 GMT"))
    synced(pipeline)
    assert bookmark(pipeline) == workspace.clock.now()
    nothing_is_lost(workspace, pipeline)
