"""A project that reads content, its tables synced."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.model.objects import DataSource
from notion_pipeline_tests.support.processes.s3 import s3_place
from notion_pipeline_tests.support.whole_way import SCHEMA, Pipeline

NAMES = ("First", "Second", "Third")


@pytest.fixture
def tasks(workspace: Workspace) -> DataSource:
    """A database of three pages with words in them."""
    source = workspace.add_database("Tasks", SCHEMA).data_source
    for name in NAMES:
        source.add_page({"Name": name}, content=f"# {name}\nWhat {name} says.")
    return source


@pytest.fixture
def words(pipeline: Pipeline, workspace: Workspace, tasks: DataSource) -> Pipeline:
    """The database synced, an hour after its last edit; sources.yaml asks for its content."""
    workspace.clock.advance(timedelta(hours=1))
    pipeline.configure(sources())
    assert pipeline.sync().success
    return pipeline


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A bucket of a local S3 server, which the environment names."""
    with s3_place() as place:
        for name, value in place.environ.items():
            monkeypatch.setenv(name, value)
        yield place.url


def sources(content: str = "{pages: false, users: false}", more: str = "") -> str:
    return f"sources:\n  - name: notion\n    account: {{type: token}}\n    content: {content}\n{more}"
