"""`notion-pipeline plan` against the sync after it: it says what is read, within a tenth of the requests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from notion_pipeline.project import Project
from notion_pipeline.sandbox.edits.bulk import add_rows, bulk_schema
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.sample import sample_workspace
from notion_pipeline_tests.conftest import TOKEN
from notion_pipeline_tests.support.commands import Commands

#: How far an estimate may be off.
TOLERANCE = 0.1
REFERENCES = 140


def sample() -> Workspace:
    return sample_workspace(token=TOKEN)


def many() -> Workspace:
    """50 databases of 40 rows; 300 take minutes more, and no more is learnt."""
    workspace = Workspace(token=TOKEN)
    for number in range(50):
        source = workspace.add_database(f"Bulk {number:03d}", bulk_schema()).data_source
        add_rows(source, 40, start="2026-01-01T00:00:00Z", minutes=400)
    return workspace


def referring() -> Workspace:
    """150 projects, most of them with 140 tasks each, and rollups over these."""
    workspace = Workspace(token=TOKEN)
    tasks = workspace.add_database("Tasks", {"Name": "title", "Points": "number"}).data_source
    related = [tasks.add_page({"Name": f"Task {number}", "Points": number % 7}) for number in range(REFERENCES)]
    schema: dict[str, Any] = {"Name": "title", "Tasks": {"type": "relation", "target": tasks}}
    for function in ("sum", "show_original"):
        schema[function] = {"type": "rollup", "relation": "Tasks", "property": "Points", "function": function}
    projects = workspace.add_database("Projects", schema).data_source
    for number in range(150):
        projects.add_page({"Name": f"Project {number}", "Tasks": related if number % 5 else related[:3]})
    return workspace


def few() -> Workspace:
    workspace = Workspace(token=TOKEN)
    for title, rows in (("Deals", 40), ("Events", 250), ("Notes", 0)):
        source = workspace.add_database(title, bulk_schema()).data_source
        add_rows(source, rows, start="2026-01-01T00:00:00Z", minutes=500)
    return workspace


@pytest.fixture
def workspace(request: pytest.FixtureRequest) -> Workspace:
    make: Callable[[], Workspace] = getattr(request, "param", few)
    return make()


@pytest.fixture
def commands(project: Project) -> Commands:
    commands = Commands(project)
    commands.configure("sources: [{name: notion, account: {type: token}, limits: {concurrent_requests: 1}}]")
    return commands


def compare(commands: Commands, workspace: Workspace, *arguments: str) -> dict[str, Any]:
    """Plans, syncs, and compares; an hour passes first, so that nothing falls in a lookback. The plan."""
    workspace.clock.advance(timedelta(hours=1))
    before = len(workspace.requests)
    (plan,) = commands.json("plan", "--json", *arguments)
    assert len(workspace.requests) == before, "a plan asks Notion for nothing"
    commands.ok("sync", *arguments)
    made = workspace.requests[before:]
    reads = [request for request in made if "/data_sources/" in request.path or "/pages/" in request.path]
    print(f"plan {' '.join(arguments)}: {plan['requests']} planned, {len(made)} made")
    print(f"  listing {plan['listing_requests']} planned, {len(made) - len(reads)} made")
    assert abs(plan["requests"] - len(made)) <= TOLERANCE * len(made), plan
    return plan


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize(
    "workspace",
    [pytest.param(sample, marks=pytest.mark.long), pytest.param(many, marks=pytest.mark.long), referring],
    indirect=True,
)
def test_plan_is_right_within_a_tenth(commands: Commands, workspace: Workspace) -> None:
    commands.configure("sources: [{name: notion, account: {type: token}}]")
    commands.ok("sync")
    full = compare(commands, workspace, "--full")
    assert Counter(read["read"] for read in full["data_sources"]).keys() == {"full"}
    assert not any(read["assumed"] for read in full["data_sources"])
    incremental = compare(commands, workspace)
    assert Counter(read["read"] for read in incremental["data_sources"]).keys() == {"incremental"}
    compare(commands, workspace)


def test_plan_is_told_in_words(commands: Commands, workspace: Workspace) -> None:
    unlisted = commands.ok("plan")
    assert [request.path for request in workspace.requests] == ["/v1/search"]
    # One page of search, and each database; three queries a database.
    assert "About 13 requests (4 for the listing, 9 for the reads, 0 for relations" in unlisted
    assert "The source was never listed, so Notion's search was asked for its databases, with 1 request;" in unlisted
    commands.ok("sync", "databases")
    assert len(workspace.requests) == 1 + 4
    first = commands.ok("plan")
    assert "it was not synced before" in first
    assert "notion: 3 to read in full, 0 since their bookmarks." in first
    # One page of search and two databases in rotation; three queries a database.
    assert "About 12 requests (3 for the listing, 9 for the reads, 0 for relations" in first
    assert "0:00:04 at 180 a minute, as Notion gives an account." in first
    assert "Assumed of 3, for want of an earlier read of that kind: at most 100 rows" in first
    commands.ok("sync")
    second = commands.ok("plan")
    assert "notion: 0 to read in full, 3 since their bookmarks." in second
    assert "About 6 requests" in second
    full = commands.ok("plan", "--full", "Events")
    assert "Notes" not in full
    assert "it was asked for" in full
    assert "About 10 requests (3 for the listing, 7 for the reads" in full


@pytest.mark.slow
@pytest.mark.long
def test_names_and_sources_are_those_of_sync(commands: Commands, workspace: Workspace) -> None:
    commands.configure(
        "sources:\n"
        "  - {name: notion, account: {type: token}, deselect: [Notes], limits: {requests_per_minute: 60}}\n"
        "  - {name: other, account: {type: token}, select: [Notes]}\n"
    )
    commands.ok("sync", "databases")
    (plan,) = commands.json("plan", "--json", "notes")
    assert (plan["source"], [read["title"] for read in plan["data_sources"]]) == ("other", ["Notes"])
    (plan,) = commands.json("plan", "--json", "--source", "notion")
    assert {read["title"] for read in plan["data_sources"]} == {"Deals", "Events"}
    assert (plan["requests_per_minute"], plan["requests"], plan["seconds"]) == (60, 9, 9.0)
    assert 'No selected database is called "Evens", nearest is "Events".' in commands.fails("plan", "Evens")


@pytest.mark.slow
@pytest.mark.long
def test_database_that_is_not_read_is_planned_so(commands: Commands, workspace: Workspace) -> None:
    commands.configure("sources: [{name: notion, account: {type: token}, streams: {Deals: {sync_type: FULL_TABLE}}}]")
    commands.ok("sync", "databases")
    workspace.add_database("Deals", {"Name": "title"})
    commands.ok("sync", "databases")
    (plan,) = commands.json("plan", "--json", "Deals")
    found = {read["read"]: read for read in plan["data_sources"]}
    assert found.keys() == {"full", "none"}
    assert found["none"]["requests"] == 0
    assert found["none"]["reason"].startswith('the settings under streams "Deals" of sources.yaml belong to')
    assert "1 not at all." in commands.ok("plan", "Deals")
