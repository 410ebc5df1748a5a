"""The partitions of a source: whose keys they are, and when a key may go."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster import DagsterRunStatus

from notion_pipeline.defs.runs.partitions import partitions_name, update_partitions
from notion_pipeline.project import Project
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.state.folder import FolderState
from notion_pipeline_tests.support.dagster_runs import CONTENT, LISTING, Runs
from notion_pipeline_tests.support.shared_state import database_locked

NAME = "notion_databases"


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as found:
        yield found


def working(instance: dg.DagsterInstance, tags: dict[str, str], *, asset: dg.AssetKey = CONTENT) -> str:
    """A run that another process works on."""
    run = instance.create_run_for_job(
        dg.Definitions(
            assets=[dg.AssetSpec(asset)], jobs=[dg.JobDefinition(graph_def=dg.GraphDefinition(name="other"))]
        ).resolve_job_def("other"),
        status=DagsterRunStatus.STARTED,
        tags=tags,
    )
    return run.run_id


def keys(instance: dg.DagsterInstance) -> set[str]:
    return set(instance.get_dynamic_partitions(NAME))


def test_each_source_has_partitions_of_its_own() -> None:
    assert partitions_name("notion") == NAME


def test_keys_become_those_of_the_selected_databases(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    assert update_partitions(instance, "notion", ["a", "b", "a"], {}, state=FolderState(tmp_path)) == (
        ["a", "b"],
        [],
        [],
    )
    assert update_partitions(instance, "notion", ["c", "a"], {}, state=FolderState(tmp_path)) == (["c"], ["b"], [])
    assert update_partitions(instance, "notion", ["c", "a"], {}, state=FolderState(tmp_path)) == ([], [], [])
    # Keys that stay keep their place: ranges go by the order of insertion.
    assert list(instance.get_dynamic_partitions(NAME)) == ["a", "c"]


@pytest.mark.parametrize(
    ("tags", "stays"),
    [
        ({"dagster/partition": "b"}, {"b"}),
        ({"dagster/partition": "a"}, set()),
        ({"dagster/asset_partition_range_start": "a", "dagster/asset_partition_range_end": "d"}, {"b", "c"}),
        ({}, set()),
    ],
)
def test_key_that_a_run_works_on_stays(
    instance: dg.DagsterInstance, tmp_path: Path, tags: dict[str, str], stays: set[str]
) -> None:
    update_partitions(instance, "notion", ["a", "b", "c", "d"], {}, state=FolderState(tmp_path))
    run_id = working(instance, tags)
    _, removed, busy = update_partitions(instance, "notion", ["a", "d"], {}, state=FolderState(tmp_path))
    assert (set(removed), set(busy)) == ({"b", "c"} - stays, stays)
    assert keys(instance) == {"a", "d"} | stays
    # When the run is over, the next listing takes them.
    run = instance.get_run_by_id(run_id)
    assert run is not None
    instance.report_run_failed(run)
    update_partitions(instance, "notion", ["a", "d"], {}, state=FolderState(tmp_path))
    assert keys(instance) == {"a", "d"}


def test_key_of_a_database_that_is_being_synced_stays(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    held = "00000000-0000-4000-8000-0000000000d1"
    for key, ids in (("tasks", {"tasks": held}), (held, {})):  # keys were ids once
        update_partitions(instance, "notion", ["a", key], ids, state=FolderState(tmp_path))
        with database_locked(tmp_path, "notion", held):
            assert update_partitions(instance, "notion", ["a"], ids, state=FolderState(tmp_path)) == ([], [], [key])
        assert update_partitions(instance, "notion", ["a"], ids, state=FolderState(tmp_path)) == ([], [key], [])


def test_deselected_database_loses_its_partition_and_keeps_its_table(
    runs: Runs, workspace: Workspace, project: Project
) -> None:
    for title in ("A", "B"):
        workspace.add_database(title, {"Name": "title"})
    runs.job()
    assert len(runs.partitions()) == 2
    (project.root / "sources.yaml").write_text("sources: [{name: notion, account: {type: token}, select: [A]}]")
    result = runs.job()
    assert len(runs.partitions()) == 1
    assert runs.materialized(result.run_id) == runs.partitions()


def test_run_over_listing_and_a_key_says_why_when_the_key_is_gone(runs: Runs, workspace: Workspace) -> None:
    """The listing must not take away the key that its own run goes on to work on."""
    gone, _ = (workspace.add_database(title, {"Name": "title"}) for title in ("Gone", "Left"))
    runs.assets(LISTING)
    workspace.delete_database(gone)
    result = runs.assets(LISTING, CONTENT, partition="gone")
    assert "object_not_found" in runs.failure(result.run_id)
    assert "gone" in runs.partitions()
    runs.assets(LISTING)
    assert "gone" not in runs.partitions()


def test_data_source_that_moves_into_a_database_leaves_it_its_partition(runs: Runs, workspace: Workspace) -> None:
    tasks, customers = (workspace.add_database(title, {"Name": "title"}) for title in ("Tasks", "Customers"))
    tasks.add_data_source("More", {"Name": "title"})
    assert runs.job().success
    workspace.move_data_source(tasks.data_source, customers)
    assert runs.job().success
    assert runs.statuses() == {"customers": "MATERIALIZED", "tasks__more": "MATERIALIZED"}
    tables = {dg.AssetKey(["notion", name]) for name in ("customers", "tasks")}
    again = runs.assets(CONTENT, partition="customers")
    assert all(runs.materialized(again.run_id, table) == [None] for table in tables)


def test_range_whose_ends_are_the_wrong_way_round_fails_instead_of_reading_nothing(
    runs: Runs, workspace: Workspace
) -> None:
    for title in ("A", "B"):
        workspace.add_database(title, {"Name": "title"})
    runs.assets(LISTING)
    first, last = runs.partitions()
    result = runs.range(last, first)
    assert runs.failure(result.run_id) == (
        f'No partition is between "{last}" and "{first}". Try the two the other way round.'
    )
