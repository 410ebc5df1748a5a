"""The resource `notion`: sources.yaml and `.env` are read once in a run, and stand as they are now in the next."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pytest

from notion_pipeline import NotionResource
from notion_pipeline.project import Project
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline_tests.support.dagster_runs import Runs

_opened: list[list[str]] = []


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open" and _opened:
        _opened[-1].append(str(arguments[0]))


sys.addaudithook(_watch)


@contextmanager
def opened() -> Iterator[list[str]]:
    """The files that this process opens meanwhile."""
    _opened.append([])
    try:
        yield _opened[-1]
    finally:
        _opened.pop()


SOURCES = "sources:\n  - {name: notion, account: {type: token}, description: %s}\n"


def test_run_reads_the_files_once_after_its_definitions_are_built(
    workspace: Workspace, project: Project, tmp_path: Path
) -> None:
    workspace.add_database("Tasks", {"Name": "title"}).data_source.add_page({"Name": "one"})
    (project.root / "sources.yaml").write_text(SOURCES % "one")
    (project.root / ".env").write_text("SOMETHING=else")
    with dg.DagsterInstance.ephemeral() as instance, opened() as files:
        assert Runs(project, instance).job().success
    # The definitions and the run are one process here, and the file did not change in between.
    assert sum(file == str(project.root / "sources.yaml") for file in files) == 1
    assert sum(file == str(project.root / ".env") for file in files) == 1


def test_outside_of_a_run_every_load_sees_the_file_as_it_is(project: Project) -> None:
    notion = NotionResource(root=str(project.root))
    for description in ("one", "two"):
        (project.root / "sources.yaml").write_text(SOURCES % description)
        assert notion.load().source("notion").description == description


def test_each_execution_sees_the_file_as_it_is_then(project: Project) -> None:
    seen: list[str] = []

    @dg.op
    def look(notion: NotionResource) -> None:
        seen.extend(notion.load().source("notion").description for _ in range(2))

    @dg.job(resource_defs={"notion": NotionResource(root=str(project.root))})
    def job() -> None:
        look()

    for description in ("one", "two"):
        (project.root / "sources.yaml").write_text(SOURCES % description)
        assert job.execute_in_process().success
    assert seen == ["one", "one", "two", "two"]


@pytest.mark.parametrize("name", ["project", "sources"])
def test_no_property_reads_a_file(name: str) -> None:
    assert not isinstance(vars(NotionResource).get(name), property)
