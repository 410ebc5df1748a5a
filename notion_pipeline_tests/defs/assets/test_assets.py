"""Runs of the two assets: one key, a range, a whole sync; what is materialized, what has failed, and what is told."""

from __future__ import annotations

import logging
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from notion_pipeline.project import Project, find_project
from notion_pipeline.sandbox.control.faults import Fault
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.model.objects import Database
from notion_pipeline_tests.support.catalog import catalogs
from notion_pipeline_tests.support.dagster_runs import CONTENT, LISTING, Runs, refuse

METADATA = {
    *("dagster/row_count", "dagster/table_name", "dagster/column_schema", "database_title", "database_url", "stream"),
    *("sync_type", "rows_read", "rows_inserted", "rows_updated", "rows_unchanged", "rows_removed", "api_requests"),
    *("api_retries", "seconds_rate_limited", "bookmark", "last_full_sync_at", "values_not_computed"),
    *("values_not_converted", "schema_changes"),
}


@pytest.fixture
def databases(workspace: Workspace) -> list[Database]:
    """Three, with one row each."""
    found = [
        workspace.add_database(title, {"Name": "title"}, created_at=f"2026-01-0{day}T00:00:00Z")
        for day, title in enumerate(("A", "B", "C"), start=1)
    ]
    for database in found:
        database.data_source.add_page({"Name": f"row of {database.title}"})
    return found


#: The partitions of the three.
KEYS = ["a", "b", "c"]


def query(project: Project, sql: str) -> list[tuple[object, ...]]:
    with catalogs.reading(project.root) as connection:
        return connection.execute(sql).fetchall()


# What runs


def test_listing_registers_the_partitions(runs: Runs, databases: list[Database]) -> None:
    result = runs.assets(LISTING)
    assert result.success
    assert runs.partitions() == KEYS
    assert runs.materialized(result.run_id, LISTING) == [None]
    assert runs.statuses() == {}


def test_one_partition(runs: Runs, databases: list[Database], project: Project) -> None:
    runs.assets(LISTING)
    result = runs.assets(CONTENT, partition="b")
    assert result.success
    assert runs.materialized(result.run_id) == ["b"]
    assert runs.statuses() == {"b": "MATERIALIZED"}
    assert query(project, "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'notion' ORDER BY 1") == [
        ("b",),
        ("databases",),
    ]


@pytest.mark.slow
def test_range_of_partitions_in_one_run(runs: Runs, databases: list[Database]) -> None:
    runs.assets(LISTING)
    result = runs.range("a", "b")
    assert result.success
    assert sorted(map(str, runs.materialized(result.run_id))) == sorted(KEYS[:2])
    assert runs.statuses().keys() == set(KEYS[:2])


def test_sync_lists_then_materializes_every_database_once(runs: Runs, databases: list[Database]) -> None:
    result = runs.job()
    assert result.success
    assert runs.materialized(result.run_id, LISTING) == [None]
    assert sorted(map(str, runs.materialized(result.run_id))) == sorted(KEYS)
    assert runs.statuses() == dict.fromkeys(KEYS, "MATERIALIZED")


@pytest.mark.slow
def test_sync_takes_databases_that_were_shared_a_moment_ago(
    runs: Runs, databases: list[Database], workspace: Workspace
) -> None:
    runs.job()
    workspace.add_database("D", {"Name": "title"})
    result = runs.job()
    assert "d" in runs.materialized(result.run_id)
    assert runs.partitions() == [*KEYS, "d"]


@pytest.mark.slow
def test_sync_takes_the_databases_named_in_its_config(runs: Runs, databases: list[Database]) -> None:
    result = runs.job(databases=["A", f"database_{databases[2].id}"])
    assert sorted(map(str, runs.materialized(result.run_id))) == ["a", "c"]


@pytest.mark.slow
def test_sync_refuses_a_name_that_fits_no_database(runs: Runs, databases: list[Database]) -> None:
    result = runs.job(databases=["Z"])
    assert not result.success
    assert runs.failure(result.run_id) == (
        'Source "notion": No selected database is called "Z". '
        "See the asset's partitions, or `notion-pipeline streams`, for what there is."
    )


@pytest.mark.slow
def test_sync_names_the_database_that_was_probably_meant(runs: Runs, workspace: Workspace) -> None:
    workspace.add_database("Meeting notes", {"Name": "title"})
    assert runs.failure(runs.job(databases=["Meting notes"]).run_id).startswith(
        'Source "notion": No selected database is called "Meting notes", nearest is "Meeting notes". See'
    )


@pytest.mark.slow
def test_sync_says_why_a_database_that_is_there_cannot_be_named(
    runs: Runs, databases: list[Database], project: Project, workspace: Workspace
) -> None:
    text = "sources: [{name: notion, account: {type: token}, deselect: [B]}]"
    (project.root / "sources.yaml").write_text(text)
    runs.job()
    assert runs.failure(runs.job(databases=["B"]).run_id).startswith(
        'Source "notion": No selected database is called "B": it is not selected. Look at select and deselect'
    )
    workspace.unshare(databases[2])
    assert runs.failure(runs.job(databases=["C"]).run_id).startswith(
        'Source "notion": No selected database is called "C": the connection does not see it any more. Share it'
    )


@pytest.mark.slow
def test_deselected_databases_have_neither_partition_nor_table(
    runs: Runs, databases: list[Database], project: Project
) -> None:
    text = "sources: [{name: notion, account: {type: token}, deselect: [B]}]"
    (project.root / "sources.yaml").write_text(text)
    runs.job()
    assert runs.partitions() == ["a", "c"]
    assert query(project, "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'b'") == [(0,)]


# How it syncs


def history(project: Project) -> list[tuple[object, ...]]:
    return query(project, "SELECT sync_type, rows_removed FROM _notion_pipeline.syncs ORDER BY finished_at")


@pytest.mark.slow
@pytest.mark.parametrize("how", ["job", "tag", "config", "partition"])
def test_full_sync_is_forced_by_job_tag_and_config(
    runs: Runs, workspace: Workspace, project: Project, how: str
) -> None:
    source = workspace.add_database("Tasks", {"Name": "title"}).data_source
    page = source.add_page({"Name": "gone"})
    runs.job()
    workspace.trash(page)
    tag = {"notion_pipeline/sync_type": "FULL_TABLE"}
    result = {
        "job": lambda: runs.job("notion_full_sync"),
        "tag": lambda: runs.job(tags=tag),
        "config": lambda: runs.job(sync_type="FULL_TABLE"),
        "partition": lambda: runs.assets(CONTENT, partition="tasks", tags=tag),
    }[how]()
    assert result.success
    assert history(project) == [("INCREMENTAL", 0), ("FULL_TABLE", 1)]
    assert runs.metadata(result.run_id, "tasks")["sync_type"] == "FULL_TABLE"


@pytest.mark.slow
def test_incremental_sync_is_forced_upon_a_full_stream(runs: Runs, databases: list[Database], project: Project) -> None:
    (project.root / "sources.yaml").write_text(
        "sources: [{name: notion, account: {type: token}, sync_type: FULL_TABLE}]"
    )
    runs.job(databases=["A"])
    runs.job(databases=["A"], sync_type="INCREMENTAL")
    assert history(project) == [("FULL_TABLE", 0), ("INCREMENTAL", 0)]


@pytest.mark.slow
def test_sync_type_that_is_none_is_refused(runs: Runs, databases: list[Database]) -> None:
    result = runs.job(tags={"notion_pipeline/sync_type": "SOMETIMES"})
    assert not result.success
    assert runs.failure(result.run_id) == (
        'The run tag notion_pipeline/sync_type is "SOMETIMES". It may be INCREMENTAL or FULL_TABLE.'
    )


# What is told


@pytest.mark.slow
@pytest.mark.parametrize("how", ["job", "partition", "range"])
def test_each_partition_carries_the_metadata_of_the_contract(runs: Runs, databases: list[Database], how: str) -> None:
    runs.assets(LISTING)
    first = databases[0]
    result = {
        "job": runs.job,
        "partition": lambda: runs.assets(CONTENT, partition="a"),
        "range": lambda: runs.range("a", "c"),
    }[how]()
    found = runs.metadata(result.run_id, "a")
    assert found.keys() >= METADATA
    assert {name: found[name] for name in METADATA if name.startswith("rows_")} == {
        "rows_read": 1,
        "rows_inserted": 1,
        "rows_updated": 0,
        "rows_unchanged": 0,
        "rows_removed": 0,
    }
    assert (found["dagster/row_count"], found["dagster/table_name"]) == (1, "notion.a")
    assert (found["database_title"], found["database_url"]) == ("A", first.url)
    assert (found["stream"], found["sync_type"]) == (f"database_{first.id}", "INCREMENTAL")
    columns = {column.name: column for column in found["dagster/column_schema"].columns}
    assert (columns["name"].type, columns["name"].description) == ("VARCHAR", "Name (title)")
    assert found["bookmark"] == 1782896400.0
    assert 0 <= found["seconds"] < 600


@pytest.mark.slow
def test_several_data_sources_are_summed_and_shown_each(runs: Runs, databases: list[Database]) -> None:
    databases[0].add_data_source("More", {"What": "title"}).add_page({"What": "x"})
    result = runs.job(databases=["A"])
    found = runs.metadata(result.run_id, "a")
    assert (found["dagster/row_count"], found["rows_read"]) == (2, 2)
    assert found["dagster/table_name"] == "notion.a, notion.a__more"
    assert "| what | VARCHAR | What (title) |" in found["table notion.a__more"]


@pytest.mark.slow
def test_listing_carries_count_and_a_table_of_streams(runs: Runs, databases: list[Database]) -> None:
    result = runs.assets(LISTING)
    found = runs.metadata(result.run_id, None, LISTING)
    assert found["dagster/row_count"] == 3
    assert [column.name for column in found["dagster/column_schema"].columns][:3] == ["id", "object", "title"]
    assert f"[A]({databases[0].url})" in found["databases"]
    assert f"database_{databases[0].id}" in found["databases"]
    assert "notion.a" in found["databases"]
    assert "INCREMENTAL" in found["databases"]


# What fails


@pytest.mark.slow
@pytest.mark.parametrize("how", ["job", "range"])
def test_databases_fail_one_by_one(
    runs: Runs, databases: list[Database], workspace: Workspace, project: Project, how: str
) -> None:
    runs.assets(LISTING)
    bad = databases[1]
    refuse(workspace, bad)
    result = runs.job() if how == "job" else runs.range("a", "c")
    good = {"a", "c"}
    assert not result.success
    assert sorted(map(str, runs.materialized(result.run_id))) == sorted(good)
    assert runs.statuses() == {"b": "FAILED", **dict.fromkeys(good, "MATERIALIZED")}
    assert all(runs.metadata(result.run_id, key).keys() >= METADATA for key in good)
    failure = runs.failure(result.run_id)
    assert failure.startswith("1 of 3 databases of source notion failed; the others are committed.\n")
    assert f'Database "B" ({bad.id}), source "notion":' in failure
    assert "Not for you." in failure
    errors = [entry for entry in runs.instance.all_logs(result.run_id) if entry.level == logging.ERROR]
    assert next(entry.user_message for entry in errors if entry.step_key == "notion__database") in failure
    found = query(project, "SELECT database_id FROM _notion_pipeline.syncs")
    assert {row[0] for row in found} == {databases[0].id, databases[2].id}


@pytest.mark.slow
def test_copy_that_cannot_be_published_hides_no_failed_database(
    runs: Runs, databases: list[Database], workspace: Workspace, project: Project
) -> None:
    text = "{publish: nowhere/copy.duckdb, sources: [{name: notion, account: {type: token}}]}"
    (project.root / "sources.yaml").write_text(text)
    refuse(workspace, databases[1])
    failed = runs.failure(runs.job().run_id)
    assert "Not for you." in failed
    assert "could not be published" in failed
    workspace.faults.clear()
    result = runs.job()
    assert runs.failure(result.run_id).startswith("The catalog could not be published")
    assert len(runs.materialized(result.run_id)) == 3


@pytest.mark.slow
def test_copy_is_published_after_a_run(runs: Runs, databases: list[Database], project: Project) -> None:
    text = "{publish: copy.duckdb, sources: [{name: notion, account: {type: token}}]}"
    (project.root / "sources.yaml").write_text(text)
    assert runs.job().success
    with duckdb.connect(str(project.root / "copy.duckdb"), read_only=True) as connection:
        assert connection.execute("SELECT name FROM notion.a").fetchall() == [("row of A",)]


@pytest.mark.slow
def test_failure_of_one_partition_is_its_message_alone(
    runs: Runs, databases: list[Database], workspace: Workspace
) -> None:
    runs.assets(LISTING)
    refuse(workspace, databases[0])
    result = runs.assets(CONTENT, partition="a")
    assert runs.failure(result.run_id).startswith(f'Database "A" ({databases[0].id}), source "notion":')
    assert runs.statuses() == {"a": "FAILED"}


def test_failed_database_is_materialized_when_it_works_again(
    runs: Runs, databases: list[Database], workspace: Workspace
) -> None:
    refuse(workspace, databases[1])
    runs.job()
    workspace.faults.clear()
    assert runs.job().success
    assert runs.statuses() == dict.fromkeys(KEYS, "MATERIALIZED")


def test_retry_from_failure_reads_only_what_the_failed_run_did_not_commit(
    databases: list[Database], workspace: Workspace, project: Project, tmp_path: Path
) -> None:
    (tmp_path / "dagster").mkdir()
    with dg.instance_for_test(temp_dir=str(tmp_path / "dagster")) as instance:
        runs = Runs(project, instance)
        refuse(workspace, databases[1])
        failed = runs.job()
        assert not failed.success
        workspace.faults.clear()
        before = len(workspace.requests)
        with runs.retry(failed) as result:
            assert result.success
        paths = {request.path for request in workspace.requests[before:]}
        assert paths == {f"/v1/data_sources/{databases[1].data_source.id}{part}" for part in ("", "/query")}
        assert runs.log(result.run_id).count("committed by an earlier attempt of this run; not read again") == 2
        assert sorted(map(str, runs.materialized(result.run_id))) == sorted(KEYS)
        assert runs.statuses() == dict.fromkeys(KEYS, "MATERIALIZED")
        skipped = runs.metadata(result.run_id, "a")
        assert skipped.keys() >= METADATA
        assert (skipped["dagster/row_count"], skipped["rows_read"], skipped["api_requests"]) == (1, 0, 0)
    assert query(project, "SELECT count(*) FROM _notion_pipeline.syncs") == [(3,)]


@pytest.mark.slow
def test_partition_of_a_database_that_notion_does_not_know_any_more(
    runs: Runs, databases: list[Database], workspace: Workspace
) -> None:
    runs.assets(LISTING)
    workspace.delete_database(databases[0])
    result = runs.assets(CONTENT, partition="a")
    assert not result.success
    failure = runs.failure(result.run_id)
    assert databases[0].id in failure
    assert "object_not_found" in failure


@pytest.mark.slow
def test_partition_that_never_was_a_database(runs: Runs, databases: list[Database]) -> None:
    stranger = "0a1b2c3d-0000-4000-8000-000000000001"
    runs.instance.add_dynamic_partitions("notion_databases", [stranger])
    result = runs.assets(CONTENT, partition=stranger)
    assert runs.failure(result.run_id).startswith(f'Database {stranger}, source "notion":')
    assert "object_not_found" in runs.failure(result.run_id)


def test_wrong_token(runs: Runs, databases: list[Database], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTION_TOKEN", "ntn_wrong")
    result = runs.job()
    assert not result.success
    failure = runs.failure(result.run_id)
    assert "401" in failure
    assert 'ource "notion"' in failure
    assert "ntn_wrong" not in failure + runs.log(result.run_id)
    assert runs.partitions() == []


@pytest.mark.slow
def test_token_that_is_not_set_is_named(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTION_TOKEN")
    result = runs.job()
    assert "NOTION_TOKEN" in runs.failure(result.run_id)


@pytest.mark.slow
def test_empty_workspace_says_how_to_share(runs: Runs) -> None:
    result = runs.job()
    assert not result.success
    assert runs.failure(result.run_id).startswith("The connection sees no database. In Notion open a page")


@pytest.mark.slow
def test_lost_catalog_is_made_anew_from_a_partition_alone(
    runs: Runs, databases: list[Database], project: Project
) -> None:
    runs.job()
    catalogs.remove(project.root)
    assert runs.assets(CONTENT, partition="a").success
    assert query(project, "SELECT name FROM notion.a") == [("row of A",)]


@pytest.mark.slow
def test_catalog_that_cannot_be_written_fails_with_its_message_and_keeps_what_was_read(
    runs: Runs, databases: list[Database], project: Project, monkeypatch: pytest.MonkeyPatch, workspace: Workspace
) -> None:
    runs.job(databases=["A"])
    monkeypatch.setenv("NOTION_PIPELINE_CATALOG", str(project.root / "nowhere" / "catalog.duckdb"))
    elsewhere = Runs(find_project(project.root), runs.instance)
    result = elsewhere.assets(CONTENT, partition="b")
    assert "its folder does not exist" in runs.failure(result.run_id)
    (project.root / "nowhere").mkdir()
    before = len(workspace.requests)
    assert elsewhere.assets(CONTENT, partition="b").success
    queries = [request for request in workspace.requests[before:] if request.path.endswith("/query")]
    # What was read is committed; after it comes one incremental look at what was edited since.
    assert len(queries) == 1


@pytest.mark.slow
def test_reset_connection_is_asked_again_and_counted(
    runs: Runs, databases: list[Database], workspace: Workspace
) -> None:
    runs.assets(LISTING)
    workspace.faults.add(Fault("reset", match=f"POST /v1/data_sources/{databases[0].data_source.id}/query"))
    result = runs.assets(CONTENT, partition="a")
    assert runs.metadata(result.run_id, "a")["api_retries"] == 1


def test_token_is_in_no_file_log_or_event_of_a_run(
    databases: list[Database], workspace: Workspace, project: Project, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "dagster"
    folder.mkdir()
    refuse(workspace, databases[1])
    with dg.instance_for_test(temp_dir=str(folder)) as instance:
        runs = Runs(project, instance)
        assert not runs.job().success
        assert runs.job(databases=["A"]).success
    token = workspace.token.value.encode()
    files = [file for place in (folder, project.root) for file in place.rglob("*") if file.is_file()]
    assert any(file.suffix == ".db" for file in files)
    assert [file for file in files if token in file.read_bytes()] == []
    assert token.decode() not in "".join(capfd.readouterr())
