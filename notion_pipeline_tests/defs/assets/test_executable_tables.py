"""Tables as assets that can be materialized: what a run of one reads, and where its success and failure show."""

from __future__ import annotations

from datetime import timedelta

import dagster as dg
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest

from notion_pipeline.defs.build import build_definitions
from notion_pipeline.project import Project
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.model.objects import Database
from notion_pipeline_tests.support.dagster_runs import CONTENT, LISTING, Runs, refuse

pytestmark = pytest.mark.slow


TASKS, DEALS, WHOLE = (dg.AssetKey(["notion", name]) for name in ("tasks", "deals", "sync"))


@pytest.fixture
def tasks(workspace: Workspace) -> Database:
    """Listed together with two others."""
    found = workspace.add_database("Tasks", {"Name": "title"}, created_at="2026-01-01T00:00:00Z")
    for database in (found, *(workspace.add_database(title, {"Name": "title"}) for title in ("Deals", "Notes"))):
        database.data_source.add_page({"Name": "one"})
    return found


def queried(workspace: Workspace, since: int) -> set[str]:
    """Titles of the databases that were queried."""
    sources = {source.id: source.database.title for source in workspace.data_sources.values()}
    paths = [request.path for request in workspace.requests[since:] if request.path.endswith("/query")]
    return {sources[path.split("/")[3]] for path in paths}


def shows_failed(runs: Runs, asset: dg.AssetKey, run_id: str) -> bool:
    """Whether the newest run that was to materialize the asset is this one, and did not."""
    (record,) = runs.instance.get_asset_records([asset])
    return record.asset_entry.last_run_id == run_id and not runs.materialized(run_id, asset)


def test_tables_appear_with_the_listing_and_one_can_be_synced_alone(
    runs: Runs, tasks: Database, workspace: Workspace
) -> None:
    runs.assets(LISTING)
    before = len(workspace.requests)
    result = runs.assets(TASKS)
    assert result.success
    assert queried(workspace, before) == {"Tasks"}
    assert runs.materialized(result.run_id, TASKS) == [None]
    assert runs.materialized(result.run_id) == ["tasks"]
    assert runs.statuses() == {"tasks": "MATERIALIZED"}
    assert runs.materialized(result.run_id, DEALS) == runs.materialized(result.run_id, WHOLE) == []
    partition, table = runs.metadata(result.run_id, "tasks"), runs.metadata(result.run_id, None, TASKS)
    assert list(partition)[:4] == ["database_title", "database_url", "dagster/table_name", "asset"]
    assert partition["asset"] == TASKS
    assert (partition["dagster/row_count"], partition["rows_read"]) == (table["dagster/row_count"], table["rows_read"])


def test_several_tables_are_one_run(runs: Runs, tasks: Database, workspace: Workspace) -> None:
    runs.assets(LISTING)
    before = len(workspace.requests)
    result = runs.assets(TASKS, DEALS)
    assert result.success
    assert queried(workspace, before) == {"Tasks", "Deals"}
    assert runs.materialized(result.run_id, TASKS) == runs.materialized(result.run_id, DEALS) == [None]


def test_table_and_its_partition_in_one_run_are_synced_once(runs: Runs, tasks: Database, workspace: Workspace) -> None:
    runs.assets(LISTING)
    result = runs.assets(TASKS, CONTENT, partition="tasks")
    assert result.success
    assert runs.materialized(result.run_id, TASKS) == [None]
    assert runs.materialized(result.run_id) == ["tasks"]
    assert len([entry for entry in runs.log(result.run_id).splitlines() if '"Tasks" -> notion.tasks' in entry]) == 1


def test_assets_below_several_tables_of_the_run_are_materialized(runs: Runs, tasks: Database, project: Project) -> None:
    runs.assets(LISTING)

    @dg.asset(deps=[TASKS])
    def of_tasks() -> None: ...

    @dg.asset(deps=[DEALS, WHOLE])
    def of_deals() -> None: ...

    merged = dg.Definitions.merge(build_definitions(project), dg.Definitions(assets=[of_tasks, of_deals]))
    keys = {TASKS, DEALS, WHOLE, LISTING, of_tasks.key, of_deals.key}
    job = merged.resolve_implicit_global_asset_job_def().get_subset(asset_selection=keys)
    result = job.execute_in_process(instance=runs.instance)
    assert all(runs.materialized(result.run_id, key) == [None] for key in keys)


def test_everything_below_the_listing_is_a_whole_sync(runs: Runs, tasks: Database, project: Project) -> None:
    runs.assets(LISTING)
    graph = build_definitions(project).resolve_asset_graph()
    below = dg.AssetSelection.from_string("notion/databases+").resolve(graph)
    assert CONTENT not in below
    result = runs.assets(*below)
    assert result.success
    assert set(runs.materialized(result.run_id)) == {"tasks", "deals", "notes"}
    assert runs.materialized(result.run_id, LISTING) == [None]


@pytest.mark.parametrize("assets", [(WHOLE,), (LISTING, WHOLE)])
def test_whole_sync_needs_no_partition_and_works_on_the_first_day(
    runs: Runs, tasks: Database, assets: tuple[dg.AssetKey, ...]
) -> None:
    result = runs.assets(*assets)
    assert runs.materialized(result.run_id, LISTING) == [None]
    assert runs.metadata(result.run_id, None, LISTING)["selected"] == 3
    assert result.success
    assert set(runs.materialized(result.run_id)) == {"tasks", "deals", "notes"}
    found = runs.metadata(result.run_id, None, WHOLE)
    assert (found["databases"], found["dagster/row_count"], found["rows_inserted"]) == (3, 3, 3)


def test_whole_sync_tells_what_it_took_of_the_limit_in_numbers(
    runs: Runs, tasks: Database, project: Project, workspace: Workspace
) -> None:
    (project.root / "sources.yaml").write_text(
        "sources: [{name: notion, account: {type: token}, limits: {requests_per_minute: 6000}}]"
    )
    runs.assets(LISTING)
    before = len(workspace.requests)
    found = runs.metadata(runs.assets(WHOLE).run_id, None, WHOLE)
    made = len(workspace.requests) - before
    assert (found["requests_made"], found["most_requests_in_a_minute"]) == (made, made)
    assert (found["requests_a_minute_allowed"], found["percent_of_limit"]) == (6000, round(100 * made / 6000, 1))
    assert (found["seconds_rate_limited"], found["seconds_paced"] > 0) == (0.0, True)


@pytest.mark.parametrize("how", ["job", "table", "partition"])
def test_failed_database_shows_on_its_partition_and_on_its_table(
    runs: Runs, tasks: Database, workspace: Workspace, how: str
) -> None:
    runs.assets(LISTING)
    refuse(workspace, tasks)
    result = {
        "job": runs.job,
        "table": lambda: runs.assets(TASKS, DEALS),
        "partition": lambda: runs.assets(CONTENT, partition="tasks"),
    }[how]()
    assert not result.success
    assert runs.statuses()["tasks"] == "FAILED"
    assert shows_failed(runs, TASKS, result.run_id)
    if how != "partition":
        assert runs.materialized(result.run_id, DEALS) == [None]
        assert runs.statuses()["deals"] == "MATERIALIZED"


@pytest.mark.parametrize("variable", ["NOTION_TOKEN"])
def test_run_that_reads_nothing_shows_as_failed_on_each(
    runs: Runs, tasks: Database, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    runs.job()
    monkeypatch.delenv(variable)
    result = runs.assets(TASKS)
    assert not result.success
    assert runs.statuses()["tasks"] == "FAILED"
    assert shows_failed(runs, TASKS, result.run_id)


def test_new_listing_leaves_no_table_unsynced(runs: Runs, tasks: Database, project: Project) -> None:
    runs.job()
    runs.assets(LISTING)
    graph = build_definitions(project).resolve_asset_graph()
    resolver = CachingStaleStatusResolver(runs.instance, graph, LoadingContextForTest(runs.instance))
    assert {key: resolver.get_status(key) for key in (TASKS, DEALS, WHOLE)} == dict.fromkeys(
        (TASKS, DEALS, WHOLE), StaleStatus.FRESH
    )


def test_automation_condition_asks_for_one_table(runs: Runs, tasks: Database, project: Project) -> None:
    runs.assets(LISTING)
    missing = dg.AutomationCondition.missing().newly_true()
    defs = build_definitions(project).map_resolved_asset_specs(
        func=lambda spec: spec.replace_attributes(automation_condition=missing) if spec.key == TASKS else spec
    )
    found = dg.evaluate_automation_conditions(defs=defs, instance=runs.instance)
    assert found.get_num_requested(TASKS) == 1
    assert found.get_num_requested(DEALS) == 0


# Partition keys


@pytest.mark.parametrize("typed", ["Tasks", "TASKS", "Task"])
def test_partition_added_by_hand_is_answered_with_what_was_meant(runs: Runs, tasks: Database, typed: str) -> None:
    runs.assets(LISTING)
    runs.instance.add_dynamic_partitions("notion_databases", [typed])
    result = runs.assets(CONTENT, partition=typed)
    assert runs.failure(result.run_id) == (
        f'Source "notion": No database has the partition "{typed}". The database "Tasks" has the partition "tasks".'
    )
    assert runs.statuses()[typed] == "FAILED"
    runs.assets(LISTING)
    assert typed not in runs.partitions()


def test_keys_of_an_earlier_version_work_until_the_first_listing(runs: Runs, tasks: Database) -> None:
    runs.assets(LISTING)
    for key in runs.partitions():
        runs.instance.delete_dynamic_partition("notion_databases", key)
    runs.instance.add_dynamic_partitions("notion_databases", [tasks.id])
    result = runs.assets(CONTENT, partition=tasks.id)
    assert result.success
    assert runs.materialized(result.run_id) == [tasks.id]
    listing = runs.assets(LISTING)
    assert set(runs.partitions()) == {"tasks", "deals", "notes"}
    assert "1 that were called by the id of their database went" in runs.log(listing.run_id)


def test_partition_follows_the_name_of_its_table(runs: Runs, tasks: Database, project: Project) -> None:
    runs.job()
    (project.root / "sources.yaml").write_text(
        "sources: [{name: notion, account: {type: token}, streams: {Tasks: {table: todo}}}]", encoding="utf-8"
    )
    assert runs.job().success
    assert runs.statuses() == dict.fromkeys(("todo", "deals", "notes"), "MATERIALIZED")
    assert set(runs.partitions()) == {"todo", "deals", "notes"}


def test_table_called_like_the_asset_of_a_whole_sync(runs: Runs, workspace: Workspace, project: Project) -> None:
    (project.root / "sources.yaml").write_text(
        "sources: [{name: notion, account: {type: token}, streams: {Sync: {table: sync}}}]", encoding="utf-8"
    )
    workspace.add_database("Sync", {"Name": "title"})
    first = runs.job()
    assert 'the table name "notion"."sync" in sources.yaml is taken by the asset of a whole sync' in runs.log(
        first.run_id
    )
    keys = {spec.key.to_user_string() for spec in build_definitions(project).resolve_all_asset_specs()}
    (table,) = keys - {"notion/database", "notion/databases", "notion/sync"}
    assert table.startswith("notion/sync_")
    assert runs.job().success


# What is told of a table that did not change


def test_events_of_unchanged_tables_are_small_and_their_columns_stand_in_the_definition(
    runs: Runs, workspace: Workspace, project: Project
) -> None:
    wide = {f"Number {number}": "number" for number in range(30)}
    workspace.add_database("Tasks", {"Name": "title", **wide}).data_source.add_page({"Name": "one"})
    workspace.clock.advance(timedelta(hours=1))
    first, second = runs.job(), runs.job()
    assert "1 databases synced, 1 of them unchanged." in runs.log(second.run_id)
    for key, partition in ((TASKS, None), (CONTENT, "tasks")):
        assert "dagster/column_schema" in runs.metadata(first.run_id, partition, key)
        found = runs.metadata(second.run_id, partition, key)
        assert "dagster/column_schema" not in found
        assert (found["dagster/row_count"], found["rows_read"]) == (1, 0)
        (event,) = runs.materializations(second.run_id, key)
        assert len(dg.serialize_value(event)) < 4000
    specs = {spec.key: spec for spec in build_definitions(project).resolve_all_asset_specs()}
    columns = [column.name for column in specs[TASKS].metadata["dagster/column_schema"].schema.columns]
    assert columns[-2:] == ["number_28", "number_29"]


# Databases that are not to be synced any more, of which the definitions do not know yet

DESELECTED = "sources: [{name: notion, account: {type: token}, deselect: [Tasks]}]"


@pytest.mark.parametrize("how", ["table", "partition"])
def test_deselected_database_is_not_read_by_its_table_or_partition(
    runs: Runs, tasks: Database, workspace: Workspace, project: Project, how: str
) -> None:
    runs.job()
    (project.root / "sources.yaml").write_text(DESELECTED, encoding="utf-8")
    before = len(workspace.requests)
    result = runs.assets(TASKS) if how == "table" else runs.assets(CONTENT, partition="tasks")
    assert not result.success
    assert queried(workspace, before) == set()
    assert f'Database "Tasks" ({tasks.id}) is not selected. Look at select' in runs.failure(result.run_id)
    assert runs.statuses()["tasks"] == "FAILED"
    assert shows_failed(runs, TASKS, result.run_id)


@pytest.mark.parametrize("how", ["deselect", "unshare", "trash"])
def test_run_that_lists_leaves_out_tables_that_it_finds_gone_or_deselected(
    runs: Runs, tasks: Database, workspace: Workspace, project: Project, how: str
) -> None:
    runs.job()
    if how == "deselect":
        (project.root / "sources.yaml").write_text(DESELECTED, encoding="utf-8")
    elif how == "unshare":
        workspace.unshare(tasks)
    else:
        workspace.trash_database(tasks)
    before = len(workspace.requests)
    result = runs.assets(LISTING, TASKS, DEALS)
    assert result.success
    assert queried(workspace, before) == {"Deals"}
    assert set(runs.partitions()) == {"deals", "notes"}
    assert f'Database "Tasks" ({tasks.id}) is not synced any more.' in runs.log(result.run_id)
    assert runs.materialized(result.run_id, TASKS) == []


def test_table_beside_a_partition_of_another_database_shows_on_its_own_partition(
    runs: Runs, tasks: Database, workspace: Workspace
) -> None:
    runs.assets(LISTING)
    result = runs.assets(DEALS, CONTENT, partition="tasks")
    assert result.success
    assert sorted(map(str, runs.materialized(result.run_id))) == ["deals", "tasks"]
    assert runs.materialized(result.run_id, DEALS) == [None]
    refuse(workspace, tasks)
    failed = runs.assets(DEALS, CONTENT, partition="tasks")
    assert runs.materialized(failed.run_id) == ["deals"]
    assert runs.statuses() == {"tasks": "FAILED", "deals": "MATERIALIZED"}
