"""A workspace with one of everything loads as Notion holds it, however Notion answers what its docs leave open."""

from __future__ import annotations

from typing import Any

import pytest

from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline_tests.conftest import TOKEN
from notion_pipeline_tests.support.sandbox.full_workspace import full_workspace
from notion_pipeline_tests.support.sync.truth import differences
from notion_pipeline_tests.support.whole_way import Pipeline, later, synced

SWITCHES: dict[str, dict[str, Any]] = {
    "as the docs say": {},
    "short pages, raw ids": {"short_pages": True, "raw_property_ids": True},
    "aggregates on the way": {"rollup_progress": "value_so_far", "missing_property": "validation_error"},
}


@pytest.fixture
def workspace() -> Workspace:
    workspace = full_workspace()
    later(workspace, hours=1)
    return workspace


def check(pipeline: Pipeline, workspace: Workspace) -> None:
    synced(pipeline)
    found = [line for source in workspace.data_sources.values() for line in differences(pipeline, workspace, source)]
    assert found == []


@pytest.mark.slow
@pytest.mark.parametrize("switches", SWITCHES)
def test_one_of_everything_loads_whole(pipeline: Pipeline, workspace: Workspace, switches: str) -> None:
    workspace.switches.update(SWITCHES[switches])
    check(pipeline, workspace)


@pytest.mark.slow
def test_personal_token_reads_the_same_without_listing_users(pipeline: Pipeline, workspace: Workspace) -> None:
    workspace.token = workspace.add_personal_token(TOKEN)
    workspace.unshare(next(iter(workspace.databases)))
    check(pipeline, workspace)
    assert not [request for request in workspace.requests if request.status == 403]
