"""The whole way through: sources.yaml, Dagster, the sandbox over HTTP, and a DuckDB query at the end."""

from __future__ import annotations

import textwrap
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from notion_pipeline.listing.databases import ASKED_IN_TURN
from notion_pipeline.sandbox.control.faults import Fault
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.model.objects import DataSource
from notion_pipeline.state.folder import FolderState
from notion_pipeline.sync.locks import lock_database
from notion_pipeline_tests.conftest import TOKEN
from notion_pipeline_tests.support.catalog import catalogs
from notion_pipeline_tests.support.sync.truth import differences
from notion_pipeline_tests.support.whole_way import QUERY, REFUSAL, SCHEMA, Pipeline, later, synced, tasks_in

SOURCE = """
sources:
  - name: notion
    account: {type: token, token: {env: NOTION_TOKEN}}
"""


def configured(pipeline: Pipeline, *lines: str) -> None:
    """A sources.yaml with these keys of the one source."""
    pipeline.configure(SOURCE + textwrap.indent("\n".join(lines), "    ") + "\n")


def table(pipeline: Pipeline, columns: str = "name, effort") -> list[tuple[Any, ...]]:
    return pipeline.query(f"SELECT {columns} FROM notion.tasks ORDER BY created_time, name")


# What lands


def test_sync_fills_a_table(workspace: Workspace, pipeline: Pipeline) -> None:
    tasks_in(workspace, 3)
    synced(pipeline)
    assert table(pipeline) == [("Row 0", 0.0), ("Row 1", 1.0), ("Row 2", 2.0)]


@pytest.mark.slow
def test_empty_database_gives_an_empty_table(workspace: Workspace, pipeline: Pipeline) -> None:
    tasks_in(workspace, 0)
    synced(pipeline)
    assert table(pipeline) == []
    synced(pipeline)


@pytest.mark.slow
def test_archived_rows_are_in_the_table_and_say_so(workspace: Workspace, pipeline: Pipeline) -> None:
    tasks = tasks_in(workspace)
    workspace.archive(tasks.pages[1])
    workspace.trash(tasks.pages[2])
    synced(pipeline)
    assert table(pipeline, "name, is_archived, in_trash") == [
        ("Row 0", False, False),
        ("Row 1", True, False),
        ("Row 3", False, False),
        ("Row 4", False, False),
    ]


def test_every_data_source_of_a_database_has_its_table(workspace: Workspace, pipeline: Pipeline) -> None:
    tasks = tasks_in(workspace)
    second = tasks.database.add_data_source("Old ones", SCHEMA)
    second.add_page({"Name": "Ancient"})
    synced(pipeline)
    assert pipeline.query("SELECT name FROM notion.tasks__old_ones") == [("Ancient",)]
    assert differences(pipeline, workspace, tasks) + differences(pipeline, workspace, second) == []


# Second syncs


def test_quiet_second_sync_costs_a_request_and_changes_nothing(workspace: Workspace, pipeline: Pipeline) -> None:
    for title in ("Tasks", "Notes", "Plans"):
        tasks_in(workspace, 120, title)
    synced(pipeline)
    before = table(pipeline, "*")
    later(workspace, minutes=30)
    run = synced(pipeline)
    assert len(run.queries) == 3
    assert run.asked("/v1/data_sources/") == 3
    assert run.asked("GET /v1/databases/") == ASKED_IN_TURN
    assert len(run.requests) == 1 + ASKED_IN_TURN + 3  # the search, two databases in turn, and one a database
    assert table(pipeline, "*") == before
    sync = pipeline.last_sync()
    assert [sync[name] for name in ("rows_read", "rows_inserted", "rows_updated", "rows_removed")] == [0] * 4
    assert sync["sync_type"] == "INCREMENTAL"
    assert sync["api_requests"] == 1


@pytest.mark.slow
def test_rows_of_the_lookback_are_compared_by_content(workspace: Workspace, pipeline: Pipeline) -> None:
    tasks = tasks_in(workspace)
    workspace.edit_page(tasks.pages[0], {"Effort": 10})
    synced(pipeline)
    before = table(pipeline, "name, _synced_at")
    synced(pipeline)
    assert table(pipeline, "name, _synced_at") == before
    sync = pipeline.last_sync()
    assert (sync["rows_read"], sync["rows_unchanged"], sync["rows_updated"]) == (1, 1, 0)


def test_edited_created_and_restored_rows_are_merged(workspace: Workspace, pipeline: Pipeline) -> None:
    tasks = tasks_in(workspace)
    workspace.trash(tasks.pages[3])
    later(workspace, hours=1)
    synced(pipeline)
    later(workspace, hours=1)
    workspace.edit_page(tasks.pages[0], {"Effort": 100})
    tasks.add_page({"Name": "Row 9", "Effort": 9})
    workspace.restore(tasks.pages[3])
    synced(pipeline)
    sync = pipeline.last_sync()
    assert (sync["rows_inserted"], sync["rows_updated"], sync["rows_removed"]) == (2, 1, 0)
    assert differences(pipeline, workspace, tasks) == []


def test_gone_rows_stay_until_a_full_sync_makes_the_table_exact(workspace: Workspace, pipeline: Pipeline) -> None:
    tasks = tasks_in(workspace)
    synced(pipeline)
    later(workspace, hours=1)
    workspace.trash(tasks.pages[0])
    workspace.delete(tasks.pages[1])
    workspace.archive(tasks.pages[2])
    synced(pipeline)
    assert pipeline.count("tasks") == 5
    synced(pipeline, "notion_full_sync")
    assert pipeline.last_sync()["rows_removed"] == 2
    assert differences(pipeline, workspace, tasks) == []


def test_second_edit_within_a_minute_is_not_lost(workspace: Workspace, pipeline: Pipeline) -> None:
    """The stamp stays the same, so only content tells."""
    tasks = tasks_in(workspace)
    workspace.edit_page(tasks.pages[0], {"Effort": 10})
    synced(pipeline)
    later(workspace, seconds=10)
    workspace.edit_page(tasks.pages[0], {"Effort": 11})
    synced(pipeline)
    assert table(pipeline)[0] == ("Row 0", 11.0)


@pytest.mark.slow
def test_edit_in_the_bookmarks_own_minute_is_read(workspace: Workspace, pipeline: Pipeline) -> None:
    """Made after the read and within the minute that the read began in; also where nothing is looked back for."""
    workspace.switches.fine_instants = True
    configured(pipeline, "lookback_minutes: 0")
    tasks = tasks_in(workspace)
    later(workspace, seconds=30)
    synced(pipeline)
    later(workspace, seconds=20)
    workspace.edit_page(tasks.pages[0], {"Effort": 10})
    later(workspace, hours=1)
    synced(pipeline)
    assert table(pipeline)[0] == ("Row 0", 10.0)


@pytest.mark.slow
def test_row_edited_while_others_are_read_is_there_after_the_next_sync(
    workspace: Workspace, pipeline: Pipeline
) -> None:
    """The bookmark is where the read began, not the newest stamp it saw."""
    tasks = tasks_in(workspace, 250)
    synced(pipeline)
    later(workspace, hours=1)
    for page in tasks.pages[:150]:
        workspace.edit_page(page, {"Effort": 1000})
    later(workspace, minutes=20)

    def meanwhile() -> None:
        workspace.edit_page(tasks.pages[249], {"Effort": -1})
        later(workspace, minutes=30)
        workspace.edit_page(tasks.pages[149], {"Effort": -2})

    workspace.faults.add(Fault("call", match=QUERY, at=2, callable=meanwhile))
    synced(pipeline)
    later(workspace, hours=1)
    synced(pipeline)
    assert differences(pipeline, workspace, tasks) == []


# Clocks


@pytest.mark.slow
@pytest.mark.parametrize("skew", [-7, 4])
def test_bookmark_is_the_servers_minute_and_ages_are_ours(workspace: Workspace, pipeline: Pipeline, skew: int) -> None:
    workspace.clock.skew = timedelta(minutes=skew)
    tasks_in(workspace)
    later(workspace, seconds=42)
    began = datetime.now(timezone.utc)
    workspace.faults.add(Fault("call", match=QUERY, callable=lambda: later(workspace, minutes=17)))
    synced(pipeline)
    sync = pipeline.last_sync()
    assert sync["bookmark_after"] == datetime(2026, 7, 1, 10, 0, tzinfo=timezone.utc) + timedelta(minutes=skew)
    assert sync["bookmark_before"] is None
    assert began <= sync["started_at"] <= sync["finished_at"] <= datetime.now(timezone.utc)
    (marks,) = pipeline.query("SELECT bookmark, last_sync_at, last_full_sync_at FROM _notion_pipeline.streams")
    assert marks == (sync["bookmark_after"], sync["finished_at"], sync["finished_at"])
    assert pipeline.value("SELECT min(_synced_at) FROM notion.tasks") >= began


@pytest.mark.slow
def test_edits_are_found_with_a_server_whose_header_is_minutes_ahead(workspace: Workspace, pipeline: Pipeline) -> None:
    workspace.clock.skew = timedelta(minutes=4)
    tasks = tasks_in(workspace)
    synced(pipeline)
    later(workspace, seconds=30)
    workspace.edit_page(tasks.pages[0], {"Effort": 10})
    later(workspace, minutes=20)
    synced(pipeline)
    assert table(pipeline)[0] == ("Row 0", 10.0)


# start_date


def aged(workspace: Workspace) -> DataSource:
    """Rows last edited in 2023, 2024 and 2025."""
    source = workspace.add_database("Tasks", SCHEMA).data_source
    for year in (2023, 2024, 2025):
        source.add_page(
            {"Name": f"Of {year}"}, created_at=f"2022-01-01T00:{year % 60:02d}:00Z", edited_at=f"{year}-06-01"
        )
    archived = source.add_page({"Name": "Old archived"}, created_at="2022-01-02T00:00:00Z")
    workspace.archive(archived)
    archived.last_edited_time = datetime(2023, 6, 1, tzinfo=timezone.utc)
    return source


def names(pipeline: Pipeline) -> list[str]:
    return [row[0] for row in pipeline.query("SELECT name FROM notion.tasks ORDER BY name")]


@pytest.mark.parametrize("sync_type", ["INCREMENTAL", "FULL_TABLE"])
def test_pages_last_edited_before_the_start_date_are_not_extracted(
    workspace: Workspace, pipeline: Pipeline, sync_type: str
) -> None:
    configured(pipeline, "start_date: 2024-01-01", f"sync_type: {sync_type}")
    aged(workspace)
    synced(pipeline)
    assert names(pipeline) == ["Of 2024", "Of 2025"]


@pytest.mark.slow
@pytest.mark.parametrize("then", ["start_date: 2022-01-01", "description: no start date"])
def test_start_date_moved_back_or_away_is_read_in_full(workspace: Workspace, pipeline: Pipeline, then: str) -> None:
    configured(pipeline, "start_date: 2025-01-01")
    aged(workspace)
    synced(pipeline)
    assert names(pipeline) == ["Of 2025"]
    configured(pipeline, then)
    run = synced(pipeline)
    assert "its start date moved back" in run.log
    assert names(pipeline) == ["Of 2023", "Of 2024", "Of 2025", "Old archived"]


@pytest.mark.slow
def test_start_date_moved_later_drops_rows_in_a_full_sync_alone(workspace: Workspace, pipeline: Pipeline) -> None:
    aged(workspace)
    synced(pipeline)
    configured(pipeline, "start_date: 2025-01-01")
    synced(pipeline)
    assert len(names(pipeline)) == 4
    synced(pipeline, "notion_full_sync")
    assert names(pipeline) == ["Of 2025"]


# Computed columns


def test_computed_columns_are_refreshed_when_their_full_read_is_old(workspace: Workspace, pipeline: Pipeline) -> None:
    doubled = {"type": "formula", "expression": "2 * Effort", "compute": lambda page: factor[0] * page["Effort"]}
    factor = [2]
    source = workspace.add_database("Tasks", {**SCHEMA, "More": {**doubled, "result_type": "number"}}).data_source
    source.add_page({"Name": "Row 0", "Effort": 3})
    later(workspace, hours=1)
    synced(pipeline)
    assert table(pipeline, "more") == [(6.0,)]
    factor[0] = 5
    later(workspace, days=30)
    synced(pipeline)
    assert table(pipeline, "more") == [(6.0,)]  # the server's clock says nothing about our ages
    with catalogs.changing(pipeline.project.root) as connection:
        connection.execute(
            "UPDATE _notion_pipeline.bookmark_versions SET last_full_sync_at = last_full_sync_at - INTERVAL 8 DAY"
        )
    later(workspace, seconds=1)
    run = synced(pipeline)
    assert "full_sync_every" in run.log
    assert table(pipeline, "more") == [(15.0,)]


# Exclusion


def test_excluded_property_is_nowhere(workspace: Workspace, pipeline: Pipeline) -> None:
    configured(pipeline, "streams:", '  "People": {exclude_properties: [Salary]}')
    source = workspace.add_database(
        "People", {"Name": "title", "Salary": "number", "Grade": {"type": "select", "options": ["Top"]}}
    ).data_source
    source.add_page({"Name": "Ada", "Salary": 98765.4321, "Grade": "Top"})
    workspace.faults.add(Fault("status", match=QUERY, at=3, **REFUSAL))
    assert not pipeline.sync().success
    staged = list(pipeline.project.home.rglob("*.arrow"))
    assert staged
    for file in pipeline.project.home.rglob("*"):
        held = file.read_bytes() if file.is_file() else b""
        assert b"98765" not in held
        assert b"Salary" not in held
    synced(pipeline)
    assert pipeline.query("SELECT column_name FROM duckdb_columns() WHERE lower(column_name) LIKE '%salary%'") == []
    everything = str(pipeline.query("SELECT * FROM notion.people") + pipeline.query("SELECT * FROM notion.databases"))
    everything += str(pipeline.query("SELECT * FROM _notion_pipeline.reads"))
    assert "Salary" not in everything
    assert "98765" not in everything
    assert differences(pipeline, workspace, source, excluded=["Salary"]) == []


@pytest.mark.slow
def test_property_excluded_later_disappears_without_a_word(workspace: Workspace, pipeline: Pipeline) -> None:
    tasks = tasks_in(workspace)
    synced(pipeline)
    configured(pipeline, "streams:", '  "Tasks": {exclude_properties: [Effort]}')
    run = synced(pipeline)
    assert "other properties are excluded" in run.log
    assert pipeline.last_sync()["schema_changes"] == "[]"
    assert "Effort" not in str(pipeline.query("SELECT * FROM notion.tasks"))
    assert differences(pipeline, workspace, tasks, excluded=["Effort"]) == []


# What fails, and what does not


def test_one_failing_database_leaves_the_others_committed(workspace: Workspace, pipeline: Pipeline) -> None:
    sources = {title: tasks_in(workspace, 3, title) for title in ("Tasks", "Notes", "Plans")}
    workspace.faults.add(Fault("status", match=f"POST .*{sources['Notes'].id}/query", times=9, **REFUSAL))
    run = pipeline.sync()
    assert not run.success
    assert "1 of 3 databases of source notion failed" in run.log
    assert '"Notes"' in run.log
    assert "Not now." in run.log
    assert pipeline.count("tasks") == pipeline.count("plans") == 3
    workspace.faults.clear()
    synced(pipeline)
    assert differences(pipeline, workspace, sources["Notes"]) == []


def test_failed_read_leaves_table_and_bookmark_as_they_were(workspace: Workspace, pipeline: Pipeline) -> None:
    workspace.result_cap = 100
    tasks = workspace.add_database("Tasks", {"Name": "title"}).data_source
    tasks.add_page({"Name": "First"})
    later(workspace, hours=1)
    synced(pipeline)
    state = "SELECT bookmark, last_sync_at, columns FROM _notion_pipeline.streams"
    before = (pipeline.query("SELECT * FROM notion.tasks"), pipeline.query(state))
    for number in range(150):
        tasks.add_page({"Name": f"Row {number}"})
    later(workspace, hours=1)
    run = pipeline.sync("notion_full_sync")
    assert not run.success
    assert "created_time 2026-07-01 10:00 UTC" in run.log
    assert (pipeline.query("SELECT * FROM notion.tasks"), pipeline.query(state)) == before


@pytest.mark.slow
def test_refused_token_ends_the_requests_of_all_databases(workspace: Workspace, pipeline: Pipeline) -> None:
    configured(pipeline, "limits: {concurrent_requests: 8}")
    for number in range(30):
        tasks_in(workspace, 2, f"Database {number}")
    workspace.faults.add(Fault("call", match=QUERY, callable=lambda: workspace.revoke_token(TOKEN)))
    run = pipeline.sync()
    assert not run.success
    assert sum(request.status == 401 for request in run.requests) <= 9  # those in flight
    assert "30 of 30 databases" in run.log


@pytest.mark.slow
def test_everything_unshared_at_once_changes_nothing(workspace: Workspace, pipeline: Pipeline) -> None:
    tasks = tasks_in(workspace)
    other = tasks_in(workspace, 2, "Other")
    synced(pipeline)
    before = pipeline.query("SELECT id, selected, accessible, last_seen_at FROM notion.databases ORDER BY id")
    keys = set(pipeline.instance.get_dynamic_partitions("notion_databases"))
    workspace.unshare(tasks.database)
    workspace.unshare(other.database)
    run = pipeline.sync()
    assert not run.success
    assert "None of the 2 known databases" in run.log
    assert pipeline.query("SELECT id, selected, accessible, last_seen_at FROM notion.databases ORDER BY id") == before
    assert set(pipeline.instance.get_dynamic_partitions("notion_databases")) == keys
    assert pipeline.count("tasks") == 5


def test_database_that_returns_is_read_in_full(workspace: Workspace, pipeline: Pipeline) -> None:
    tasks = tasks_in(workspace)
    tasks_in(workspace, 2, "Other")
    synced(pipeline)
    workspace.unshare(tasks.database)
    synced(pipeline)
    assert pipeline.query("SELECT accessible FROM notion.databases WHERE title = 'Tasks'") == [(False,)]
    assert pipeline.count("tasks") == 5
    assert tasks.database.id not in pipeline.partitioned()
    workspace.trash(tasks.pages[0])
    later(workspace, hours=1)
    workspace.share(tasks.database)
    run = synced(pipeline)
    assert "it was out of sight for a while" in run.log
    assert differences(pipeline, workspace, tasks) == []


@pytest.mark.slow
def test_newly_shared_database_is_synced_by_the_run_that_finds_it(workspace: Workspace, pipeline: Pipeline) -> None:
    tasks_in(workspace)
    synced(pipeline)
    new = tasks_in(workspace, 2, "New")
    synced(pipeline)
    assert differences(pipeline, workspace, new) == []


@pytest.mark.slow
def test_database_that_search_never_finds_is_read_when_named(workspace: Workspace, pipeline: Pipeline) -> None:
    tasks = tasks_in(workspace)
    hidden = tasks_in(workspace, 2, "Hidden")
    workspace.switches.search_gaps = {hidden.id, hidden.database.id}
    configured(pipeline, f'select: ["*", "{hidden.database.id}"]')
    synced(pipeline)
    assert differences(pipeline, workspace, tasks) + differences(pipeline, workspace, hidden) == []


@pytest.mark.slow
def test_sync_waits_for_another_of_the_same_database(workspace: Workspace, pipeline: Pipeline) -> None:
    configured(pipeline, "limits: {concurrent_requests: 1}")  # who waits stands in nobody's way
    tasks = tasks_in(workspace)
    tasks_in(workspace, 2, "Free")
    lock = lock_database(FolderState(pipeline.project.home), "notion", tasks.database.id)
    assert lock is not None
    workspace.faults.add(Fault("call", match=QUERY, at=3, callable=lock.release))  # when the free one is nearly read
    run = synced(pipeline)
    assert run.log.count("is being synced by another run") == 1
    assert differences(pipeline, workspace, tasks) == []


def test_single_partition_is_synced_without_a_listing(workspace: Workspace, pipeline: Pipeline) -> None:
    tasks = tasks_in(workspace)
    key = tasks.database.id
    pipeline.instance.add_dynamic_partitions("notion_databases", [key])
    synced(pipeline, partition=key)
    assert differences(pipeline, workspace, tasks) == []


@pytest.mark.slow
def test_refused_is_archived_is_said_once_a_run(workspace: Workspace, pipeline: Pipeline) -> None:
    workspace.switches.is_archived_served = False
    sources = [tasks_in(workspace, 2, f"Database {number}") for number in range(6)]
    run = synced(pipeline)
    assert run.log.count("no archived rows to give") == 1
    assert [line for source in sources for line in differences(pipeline, workspace, source)] == []


@pytest.mark.slow
def test_lasting_trouble_of_one_minute_is_waited_out(workspace: Workspace, pipeline: Pipeline) -> None:
    """Broken answers of every kind, one after another, in the middle of a read."""
    tasks = tasks_in(workspace, 250)
    for at, kind in ((2, "html_502"), (4, "cut_body"), (6, "reset")):
        workspace.faults.add(Fault(kind, match=QUERY, at=at))
    run = synced(pipeline)
    assert differences(pipeline, workspace, tasks) == []
    assert pipeline.last_sync()["api_retries"] == 3, run.log
