"""A read that goes on where another process left it ends with what was edited since: of either kind, however often."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import timedelta

import pytest

from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.errors import NotionRequestError
from notion_pipeline.notion.client import NotionClient
from notion_pipeline.sandbox.control.faults import Fault
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.model.objects import DataSource
from notion_pipeline_tests.extraction.test_resuming import read_without_commit
from notion_pipeline_tests.support.reader import Reader
from notion_pipeline_tests.support.sync.truth import differences
from notion_pipeline_tests.support.whole_way import QUERY, REFUSAL, Pipeline, later, synced, tasks_in

pytestmark = [pytest.mark.slow, pytest.mark.long]


def stopped(workspace: Workspace, pipeline: Pipeline, at: int) -> None:
    """A sync whose n-th query is refused; what it had read stays."""
    workspace.faults.add(Fault("status", match=QUERY, at=at, **REFUSAL))
    assert not pipeline.sync().success


def edit(workspace: Workspace, source: DataSource, effort: int) -> None:
    """An hour later the first and the last row, and a new one, are edited."""
    later(workspace, hours=1)
    for page in (source.pages[0], source.pages[-1]):
        workspace.edit_page(page, {"Effort": effort})
    source.add_page({"Name": f"New {effort}", "Effort": effort})
    later(workspace, hours=1)


def edited_tasks(workspace: Workspace, pipeline: Pipeline) -> DataSource:
    """250 rows, each of a minute of its own, that are synced and edited since: no minute is begun anew by chance."""
    source = tasks_in(workspace, 1)
    for number in range(249):
        later(workspace, minutes=1)
        source.add_page({"Name": f"Task {number}"})
    later(workspace, hours=1)
    synced(pipeline)
    later(workspace, hours=1)
    for page in source.pages:
        workspace.edit_page(page, {"Effort": 7})
    return source


@pytest.mark.parametrize("at", [2, 3])
def test_resumed_incremental_read_has_what_was_edited_since(workspace: Workspace, pipeline: Pipeline, at: int) -> None:
    source = edited_tasks(workspace, pipeline)
    stopped(workspace, pipeline, at)
    edit(workspace, source, 1000)
    run = synced(pipeline)
    assert "goes on with" in run.log
    assert differences(pipeline, workspace, source) == []
    assert pipeline.last_sync()["sync_type"] == "INCREMENTAL"


@pytest.mark.parametrize("at", [2, 3, 4])
def test_read_that_is_resumed_twice_has_what_was_edited_since_both(
    workspace: Workspace, pipeline: Pipeline, at: int
) -> None:
    """The second time within the read, or within the catch-up of the first."""
    source = edited_tasks(workspace, pipeline)
    stopped(workspace, pipeline, 2)
    edit(workspace, source, 1000)
    stopped(workspace, pipeline, at - 1)
    edit(workspace, source, 2000)
    stopped(workspace, pipeline, 1)
    edit(workspace, source, 3000)
    assert "goes on with" in synced(pipeline).log
    assert differences(pipeline, workspace, source) == []


@pytest.mark.parametrize("at", range(2, 8))
def test_resumed_full_read_has_what_was_edited_since(workspace: Workspace, pipeline: Pipeline, at: int) -> None:
    """Wherever it was stopped, once archived rows were given: among the rows, or in its catch-up."""
    source = tasks_in(workspace, 250)
    workspace.archive(source.pages[5])
    # Archived rows, three answers of live ones, and then what was edited and archived meanwhile.
    stopped(workspace, pipeline, at) if at <= 6 else None
    edit(workspace, source, 1000)
    workspace.archive(source.pages[6])
    synced(pipeline)
    assert differences(pipeline, workspace, source) == []


def test_full_read_that_was_stopped_after_its_catch_up_catches_up_again(workspace: Workspace, reader: Reader) -> None:
    """As by a kill before the stage is marked as whole."""
    source = tasks_in(workspace, 150)
    first = reader.read(source)
    workspace.edit_page(source.pages[0], {"Effort": 1000})
    manifest = first.stage.manifest
    first.stage.keep(first.stage.record(manifest.progress, manifest.counts))
    again = reader.read(source)
    assert len(again.queries) == 2, "what was edited, and what is archived"
    assert again.pages[source.pages[0].id]["properties"]["Effort"]["number"] == 1000
    assert again.stage.bookmark == first.stage.bookmark


def test_each_catch_up_starts_where_the_one_before_was_begun(workspace: Workspace, reader: Reader) -> None:
    """So that a read which is stopped again and again gets through."""
    source = tasks_in(workspace, 150)
    reader.read(source)
    bounds = []
    for _ in range(3):
        later(workspace, hours=1)
        stage = reader.read(source).stage
        stage.keep(stage.record(stage.manifest.progress, stage.manifest.counts))
        bounds.append(workspace.requests[-2].body.get("filter") or workspace.requests[-1].body["filter"])
    found = [next(iter(_stamps(bound))) for bound in bounds]
    assert len(set(found)) == 3
    assert found == sorted(found)


def _stamps(found: object) -> list[str]:
    if isinstance(found, dict):
        return [stamp for value in found.values() for stamp in _stamps(value)]
    if isinstance(found, list):
        return [stamp for value in found for stamp in _stamps(value)]
    return [found] if isinstance(found, str) and found.startswith("20") else []


def test_catch_up_of_an_incremental_read_is_one_query_and_only_of_one_that_was_resumed(
    workspace: Workspace, reader: Reader
) -> None:
    source = tasks_in(workspace, 250)
    since = workspace.clock.now() - timedelta(days=1)
    assert len(reader.read(source, full=False, since=since).queries) == 3
    shutil.rmtree(reader.directory)
    workspace.faults.add(Fault("status", match=QUERY, at=3, **REFUSAL))
    with pytest.raises(NotionRequestError):
        reader.read(source, full=False, since=since)
    later(workspace, hours=1)
    workspace.edit_page(source.pages[0], {"Effort": 1000})
    read = reader.read(source, full=False, since=since)
    assert len(read.queries) == 3 + 1, "the one minute that all rows share, and what was edited since"
    assert read.pages[source.pages[0].id]["properties"]["Effort"]["number"] == 1000


def test_follow_up_that_was_not_committed_either_is_caught_up_with(
    workspace: Workspace, pipeline: Pipeline, catalog: Catalog, notion: Callable[[], NotionClient]
) -> None:
    """A whole read waits for its commit, a second run follows it up and cannot commit, a third one can."""
    source = tasks_in(workspace, 130)
    read_without_commit(pipeline, catalog, notion, source)
    edit(workspace, source, 1000)
    read_without_commit(pipeline, catalog, notion, source)
    edit(workspace, source, 2000)
    read_without_commit(pipeline, catalog, notion, source)
    edit(workspace, source, 3000)
    synced(pipeline)
    assert differences(pipeline, workspace, source) == []
    assert list((pipeline.project.home / "staging").rglob("*.arrow")) == []
