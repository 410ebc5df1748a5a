"""Ids that a server, a file or a person gives and that are none: refused by name, before a path or a URL is made."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import orjson
import pytest

from notion_pipeline.defs.runs.partitions import update_partitions
from notion_pipeline.defs.runs.run_locks import shows_life
from notion_pipeline.errors import InvalidIdError
from notion_pipeline.extraction.staging import clear_stage, stage_directory
from notion_pipeline.notion.client import NotionClient
from notion_pipeline.notion_ids import notion_id, property_id
from notion_pipeline.sandbox.control.faults import Fault
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.model.objects import DataSource
from notion_pipeline.state.folder import FolderState
from notion_pipeline.sync.locks import lock_database
from notion_pipeline_tests.support.catalog import catalogs
from notion_pipeline_tests.support.dagster_runs import CONTENT, Runs
from notion_pipeline_tests.support.shared_state import database_locked
from notion_pipeline_tests.support.sync.truth import differences
from notion_pipeline_tests.support.whole_way import QUERY, Pipeline, synced, tasks_in

DATABASE, OTHER = "00000000-0000-4000-8000-0000000000d1", "00000000-0000-4000-8000-0000000000d2"
HOSTILE = [
    "../../../../victim",
    "..",
    ".",
    "",
    "%2e%2e%2f%2e%2e%2fvictim",
    "..\\..\\victim",
    f"{DATABASE}/../../../../../victim",
    f"{DATABASE}\x00",
    "\x1b[2J",
    "not-a-uuid",
    None,
    7,
    ["x"],
    {"id": DATABASE},
]


def named(found: Any) -> str:
    """How a message shows it."""
    return repr(found)[:40]


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A folder beside the project, with a file that is nobody's business."""
    folder = tmp_path / "victim"
    folder.mkdir()
    (folder / "diary.txt").write_text("mine")
    (folder / "manifest.json").write_text("mine as well")
    return folder


def untouched(victim: Path) -> bool:
    return {file.name: file.read_text() for file in victim.iterdir()} == {
        "diary.txt": "mine",
        "manifest.json": "mine as well",
    }


def give_data_source_the_id(workspace: Workspace, source: DataSource, hostile: Any) -> None:
    """In every answer that names it; the queries on it answer as before."""

    def in_database(body: Any) -> None:
        for member in body.get("data_sources", ()):
            member["id"] = hostile

    def in_search(body: Any) -> None:
        for result in body["results"]:
            if result["id"] == source.id:
                result["id"] = hostile

    workspace.faults.add(Fault("alter", match=f"GET .*{source.database.id}", times=999, callable=in_database))
    workspace.faults.add(Fault("alter", match="POST /v1/search", times=999, callable=in_search))


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("hostile", ["/absolute", *HOSTILE])
def test_data_source_with_such_an_id_is_refused_alone(
    workspace: Workspace, pipeline: Pipeline, victim: Path, hostile: Any
) -> None:
    good, bad = tasks_in(workspace, 3, "Good"), tasks_in(workspace, 3, "Bad")
    hostile = str(victim) if hostile == "/absolute" else hostile
    give_data_source_the_id(workspace, bad, hostile)
    run = pipeline.sync()
    assert not run.success
    assert f'database "Bad" ({bad.database.id})'.lower() in run.log.lower()
    assert named(hostile) in run.log
    assert "1 of 2 databases of source notion failed" in run.log
    assert differences(pipeline, workspace, good) == []
    assert untouched(victim)
    assert not any("victim" in request.path or ".." in request.path for request in run.requests)


@pytest.mark.slow
@pytest.mark.long
def test_database_whose_ids_turn_bad_keeps_its_table_and_goes_on_when_they_are_good_again(
    workspace: Workspace, pipeline: Pipeline, victim: Path
) -> None:
    tasks = tasks_in(workspace, 3)
    other = tasks_in(workspace, 2, "Other")
    synced(pipeline)
    give_data_source_the_id(workspace, tasks, str(victim))
    assert not pipeline.sync().success
    assert not pipeline.sync(partition="tasks").success
    assert pipeline.count("tasks") == 3
    assert untouched(victim)
    workspace.faults.clear()
    workspace.edit_page(tasks.pages[0], {"Effort": 100})
    synced(pipeline)
    assert differences(pipeline, workspace, tasks) == []
    assert differences(pipeline, workspace, other) == []


@pytest.mark.slow
@pytest.mark.long
def test_row_with_such_an_id_fails_the_read_of_its_database(workspace: Workspace, pipeline: Pipeline) -> None:
    good, bad = tasks_in(workspace, 3, "Good"), tasks_in(workspace, 3, "Bad")

    def alter(body: Any) -> None:
        for page in body["results"][1:]:
            page["id"] = "../../users/me"

    workspace.faults.add(Fault("alter", match=f"{bad.id}/query", times=999, callable=alter))
    run = pipeline.sync()
    assert not run.success
    assert "A row has the id '../../users/me'" in run.log
    assert differences(pipeline, workspace, good) == []
    assert pipeline.query("SELECT table_name FROM duckdb_tables() WHERE table_name = 'bad'") == []


@pytest.mark.slow
@pytest.mark.long
def test_target_of_a_relation_is_text_and_stays(workspace: Workspace, pipeline: Pipeline) -> None:
    people = workspace.add_database("People", {"Name": "title"}).data_source
    links = {"type": "relation", "target": people}
    source = workspace.add_database("Tasks", {"Name": "title", "Links": links}).data_source
    source.add_page({"Name": "One", "Links": [people.add_page({"Name": "Ada"})]})

    def in_rows(body: Any) -> None:
        for page in body["results"]:
            page["properties"]["Links"]["relation"] = [{"id": "../../etc"}]

    def in_schema(body: Any) -> None:
        for found in (result for result in body.get("results", [body]) if "properties" in result):
            if "Links" in found["properties"]:
                found["properties"]["Links"]["relation"]["data_source_id"] = "../../etc"

    workspace.faults.add(Fault("alter", match=f"{source.id}/query", times=999, callable=in_rows))
    workspace.faults.add(Fault("alter", match=f"POST /v1/search|GET .*{source.id}", times=999, callable=in_schema))
    run = synced(pipeline)
    assert pipeline.value("SELECT links FROM notion.tasks") == ["../../etc"]
    assert 'relation "Links" points to a data source that is not shared' in run.log
    assert not any(".." in request.path for request in run.requests)


@pytest.mark.slow
@pytest.mark.long
def test_key_that_somebody_added_by_hand_is_refused_alone(
    workspace: Workspace, pipeline: Pipeline, victim: Path
) -> None:
    tasks_in(workspace, 3)
    synced(pipeline)
    pipeline.instance.add_dynamic_partitions("notion_databases", [f"{victim}/diary"])
    run = pipeline.sync(partition=f"{victim}/diary")
    assert not run.success
    assert "No database has the partition" in run.log
    assert untouched(victim)
    synced(pipeline)
    assert pipeline.instance.get_dynamic_partitions("notion_databases") == ["tasks"]


@pytest.mark.slow
@pytest.mark.long
def test_catalog_of_a_version_that_took_any_id_leads_nowhere(
    workspace: Workspace, pipeline: Pipeline, runs: Runs, victim: Path
) -> None:
    """What we kept ourselves is looked at as answers are; the next listing mends it."""
    tasks, other = tasks_in(workspace, 3), tasks_in(workspace, 2, "Other")
    runs.job()
    with catalogs.changing(pipeline.project.root) as connection:
        connection.execute(
            "UPDATE notion.databases SET data_sources = [{'id': ?, 'name': 'Tasks', 'table_name': 'tasks'}] "
            "WHERE id = ?",
            [str(victim), tasks.database.id],
        )
    result = runs.assets(CONTENT, partition="tasks")
    assert "A data source has the id" in runs.failure(result.run_id)
    assert untouched(victim)
    assert runs.job().success
    assert differences(pipeline, workspace, tasks) + differences(pipeline, workspace, other) == []


@pytest.mark.parametrize("hostile", HOSTILE)
def test_such_an_id_becomes_neither_path_nor_lock_nor_url(
    tmp_path: Path, notion: Callable[[], NotionClient], workspace: Workspace, hostile: Any
) -> None:
    for ids in ((hostile, OTHER), (DATABASE, hostile)):
        with pytest.raises(InvalidIdError):
            stage_directory(tmp_path, "notion", *ids)
    with pytest.raises(InvalidIdError):
        lock_database(FolderState(tmp_path), "notion", hostile)

    async def ask() -> None:
        async with notion() as client:
            for question in (
                lambda: client.database(hostile),
                lambda: client.data_source(hostile),
                lambda: client.page(hostile),
                lambda: client.query(hostile, {}),
                lambda: client.property_item(hostile, "title"),
            ):
                with pytest.raises(InvalidIdError):
                    await question()

    asyncio.run(ask())
    assert workspace.requests == []
    assert list((tmp_path / "locks").rglob("*")) == []


@pytest.mark.parametrize("hostile", ["", ".", "..", "../", "../../users/me", "a/../b", "..\\x", "a\nb", "a\x00"])
def test_property_id_that_leads_to_another_path_is_refused(hostile: str) -> None:
    with pytest.raises(InvalidIdError):
        property_id(hostile)


@pytest.mark.parametrize("found", ["title", "a/b%", "..a", "%2E", "é;[", "{}:\\"])
def test_property_id_of_any_other_text_is_one_segment(
    notion: Callable[[], NotionClient], workspace: Workspace, found: str
) -> None:
    async def ask() -> None:
        async with notion() as client:
            with pytest.raises(Exception, match="property"):
                await client.property_item(DATABASE, found)

    asyncio.run(ask())
    (request,) = workspace.requests
    assert request.path.count("/") == len(("", "v1", "pages", DATABASE, "properties", found)) - 1


@pytest.mark.parametrize("given", [DATABASE.upper(), DATABASE.replace("-", ""), f" {DATABASE}\n"])
def test_id_in_any_of_notions_forms_becomes_the_dashed_one(given: str) -> None:
    assert notion_id(given, "A page") == DATABASE


def test_clearing_a_stage_removes_what_it_made_and_nothing_else(tmp_path: Path) -> None:
    stage = tmp_path / "stage"
    stage.mkdir()
    for name in ("000001.arrow", "manifest.json", ".manifest.json.0a1b2c3d", ".000002.arrow.0a1b2c3d"):
        (stage / name).write_bytes(b"")
    (stage / "diary.txt").write_text("mine")
    (stage / "folder").mkdir()
    clear_stage(stage)
    assert {path.name for path in stage.iterdir()} == {"diary.txt", "folder"}
    (stage / "diary.txt").unlink()
    (stage / "folder").rmdir()
    clear_stage(stage)
    assert not stage.exists()


@pytest.mark.slow
@pytest.mark.long
def test_manifest_names_no_file_outside_its_stage(workspace: Workspace, pipeline: Pipeline, tmp_path: Path) -> None:
    source = tasks_in(workspace, 130)
    workspace.faults.add(Fault("status", match=QUERY, at=3, status=400, code="invalid_request", message="Not now."))
    assert not pipeline.sync().success
    manifest = next((pipeline.project.home / "staging").rglob("manifest.json"))
    content = orjson.loads(manifest.read_bytes())
    name, *rest = content["files"][0]
    (tmp_path / "elsewhere.arrow").write_bytes((manifest.parent / name).read_bytes())
    outside = os.path.relpath(tmp_path / "elsewhere.arrow", manifest.parent)
    content["files"][0] = [f"000000./../{outside}", *rest]
    manifest.write_bytes(orjson.dumps(content))
    run = synced(pipeline)
    assert "its manifest is damaged" in run.log
    assert differences(pipeline, workspace, source) == []


def test_id_of_a_run_leads_nowhere(tmp_path: Path, victim: Path) -> None:
    """Whoever launches a run may give it any id."""
    home = tmp_path / "home"
    (home / "locks" / "_runs").mkdir(parents=True)
    (victim / "diary.txt.lock").write_text("mine")
    with shows_life(FolderState(home), "../../../victim/diary.txt"):
        assert len(list((home / "locks" / "_runs").iterdir())) == 1
    assert (victim / "diary.txt.lock").read_text() == "mine"


def test_key_of_any_text_does_not_end_a_listing(tmp_path: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        home = tmp_path / "home" / "state"
        update_partitions(instance, "notion", [DATABASE, "../../x"], {}, state=FolderState(home))
        with database_locked(home, "notion", DATABASE):
            added, removed, busy = update_partitions(instance, "notion", [], {}, state=FolderState(home))
        assert (added, removed, busy) == ([], ["../../x"], [DATABASE])
    assert [path.name for path in tmp_path.rglob("*") if path.is_file() and home / "locks" not in path.parents] == []
