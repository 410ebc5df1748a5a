"""What a listing costs: a request for each 100 data sources, and one for each database that may have changed."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from notion_pipeline.listing.databases import ASKED_IN_TURN
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.http.server import SandboxServer
from notion_pipeline.sandbox.model.objects import Database
from notion_pipeline_tests.support.sync.bench import Bench

SCHEMA = {"Name": "title"}


@pytest.fixture
def bench(workspace: Workspace, sandbox: SandboxServer, tmp_path: Path) -> Bench:
    return Bench(workspace, sandbox.url, tmp_path)


@pytest.fixture
def made(workspace: Workspace) -> list[Database]:
    return [workspace.add_database(f"Database {number:02d}", SCHEMA) for number in range(12)]


def listed(bench: Bench) -> list[str]:
    """Paths asked for by one listing, an hour after the last."""
    bench.workspace.clock.advance(timedelta(hours=1))
    bench.workspace.requests.clear()
    bench.list()
    return [request.path for request in bench.workspace.requests]


def titles(bench: Bench) -> dict[str, str]:
    return dict(bench.query("SELECT id, title FROM notion.databases"))


def test_first_listing_asks_for_every_database(bench: Bench, made: list[Database]) -> None:
    assert len(listed(bench)) == 1 + len(made)


def test_next_listing_asks_for_two_in_turn(bench: Bench, made: list[Database]) -> None:
    listed(bench)
    asked = [path for _ in range(6) for path in listed(bench)]
    assert asked.count("/v1/search") == 6
    containers = [path for path in asked if path.startswith("/v1/databases/")]
    assert len(containers) == 6 * ASKED_IN_TURN
    assert set(containers) == {f"/v1/databases/{database.id}" for database in made}


def test_more_than_100_data_sources_cost_a_page_more(bench: Bench, workspace: Workspace) -> None:
    for number in range(101):
        workspace.add_database(f"Database {number}", SCHEMA)
    listed(bench)
    assert len(listed(bench)) == 2 + ASKED_IN_TURN


def test_data_source_that_changed_has_its_database_asked_for(bench: Bench, made: list[Database]) -> None:
    listed(bench)
    changed = made[7]
    changed.data_source.name = "Renamed"
    assert f"/v1/databases/{changed.id}" in listed(bench)


def test_new_data_source_and_new_database_are_asked_for(bench: Bench, made: list[Database]) -> None:
    listed(bench)
    made[8].add_data_source("Second", SCHEMA)
    new = bench.workspace.add_database("New", SCHEMA)
    paths = listed(bench)
    assert {f"/v1/databases/{made[8].id}", f"/v1/databases/{new.id}"} <= set(paths)
    assert len(paths) <= 1 + 2 + ASKED_IN_TURN
    found = bench.query("SELECT len(data_sources) FROM notion.databases WHERE id = ?", [made[8].id])
    assert found == [(2,)]


def test_database_that_search_misses_is_asked_for_and_stays(bench: Bench, made: list[Database]) -> None:
    listed(bench)
    bench.workspace.switches.search_gaps = {made[9].id}
    assert f"/v1/databases/{made[9].id}" in listed(bench)
    assert made[9].id in titles(bench)


def test_database_renamed_by_itself_is_seen_when_its_turn_comes(bench: Bench, made: list[Database]) -> None:
    """Its data source keeps its own title, and search shows nothing else."""
    listed(bench)
    made[11].title = "Renamed"
    for _ in range(len(made) // ASKED_IN_TURN):
        listed(bench)
    assert titles(bench)[made[11].id] == "Renamed"


def test_database_that_was_not_asked_for_is_listed_as_it_was(bench: Bench, made: list[Database]) -> None:
    """With its schema as of now, and with what sources.yaml says now."""
    listed(bench)
    columns = "* EXCLUDE (last_seen_at)"
    before = bench.query(f"SELECT {columns} FROM notion.databases ORDER BY id")
    usual = before[0][-1]
    bench.settings["sync_type"] = "FULL_TABLE" if usual == "INCREMENTAL" else "INCREMENTAL"
    listed(bench)
    assert bench.query("SELECT count(*) FROM notion.databases WHERE sync_type <> ?", [usual]) == [(len(made),)]
    del bench.settings["sync_type"]
    listed(bench)
    assert bench.query(f"SELECT {columns} FROM notion.databases ORDER BY id") == before


def test_schema_of_a_database_that_was_not_asked_for_is_the_one_of_now(bench: Bench, made: list[Database]) -> None:
    listed(bench)
    for database in made:
        database.data_source.add_property("Effort", "number")
    listed(bench)
    found = bench.query("SELECT count(*) FROM notion.databases WHERE properties::VARCHAR LIKE '%Effort%'")
    assert found == [(len(made),)]
