"""Whole runs on two machines that share a catalog and, for reads in progress, a bucket of S3."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest

from notion_pipeline.extraction.manifest import MANIFEST
from notion_pipeline.project import project_at
from notion_pipeline.sandbox.control.faults import Fault
from notion_pipeline.sandbox.edits.bulk import add_rows
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.http.server import SandboxServer
from notion_pipeline.sandbox.model.objects import DataSource
from notion_pipeline_tests.conftest import OURS, TOKEN
from notion_pipeline_tests.support.processes.s3 import S3Place, s3_place
from notion_pipeline_tests.support.sync.truth import differences
from notion_pipeline_tests.support.whole_way import QUERY, REFUSAL, SCHEMA, Pipeline, later, synced, tasks_in

pytestmark = pytest.mark.slow

ROWS, PAGES = 650, 7
#: Queries of a full read: the archived rows before and after, and the catch-up, beside the pages.
UNDISTURBED = PAGES + 3


@pytest.fixture
def place() -> Iterator[S3Place]:
    with s3_place() as found:
        yield found


@pytest.fixture
def machine(
    place: S3Place, sandbox: SandboxServer, workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Pipeline]:
    """A project folder with a home of its own. Secrets are in its `.env` alone."""
    for name in (*OURS, *place.environ):
        monkeypatch.delenv(name, raising=False)

    def made(name: str, staging: str = "") -> Pipeline:
        root = tmp_path / name
        root.mkdir(exist_ok=True)
        variables = {
            **place.environ,
            "NOTION_API_URL": sandbox.url,
            "NOTION_TOKEN": TOKEN,
            "NOTION_PIPELINE_CATALOG": str(tmp_path / "first" / "catalog.duckdb"),
        }
        (root / ".env").write_text("".join(f"{key}={value}\n" for key, value in variables.items()), "utf-8")
        pipeline = Pipeline(project_at(root), workspace)
        pipeline.configure(
            f"staging: {staging or place.url}\nsources:\n"
            "  - {name: notion, account: {type: token}, limits: {concurrent_requests: 1}}\n"
        )
        return pipeline

    return made


def large(workspace: Workspace, title: str = "Tasks") -> DataSource:
    source = workspace.add_database(title, SCHEMA).data_source
    add_rows(source, ROWS, start=datetime(2026, 1, 1, tzinfo=timezone.utc), minutes=ROWS / 5)
    later(workspace, hours=1)
    return source


def begun(machine: Pipeline, workspace: Workspace, *, at: int = 4) -> int:
    """Has a machine read until Notion refuses a query; how many it made."""
    workspace.faults.add(Fault("status", match=QUERY, at=at, **REFUSAL))
    run = machine.sync()
    assert not run.success
    return len(run.queries)


def test_failed_read_goes_on_on_another_machine_and_leaves_an_empty_bucket(
    machine: Callable[..., Pipeline], workspace: Workspace, place: S3Place, tmp_path: Path
) -> None:
    """What the run had not uploaded when it failed it uploads at its end."""
    tasks = large(workspace)
    before = begun(machine("first"), workspace)
    assert {key.split("/")[0] for key in place.keys} == {"notion"}
    run = synced(machine("second"))
    assert "goes on with" in run.log
    assert before + len(run.queries) == UNDISTURBED + 1, "but for the one that was refused"
    assert differences(machine("first"), workspace, tasks) == []
    assert place.keys == []
    quiet = synced(machine("first"))
    assert "Discarded the staged read" in quiet.log, "its own folder still has the read that another one committed"
    assert "goes on with" not in quiet.log
    assert differences(machine("first"), workspace, tasks) == []
    assert place.keys == []


def lose_a_pack(place: S3Place) -> None:
    place.bucket.remove([key for key in place.keys if not key.endswith(MANIFEST)][:1])


def damage_a_pack(place: S3Place) -> None:
    key = next(key for key in place.keys if not key.endswith(MANIFEST))
    data = place.bucket.get(key) or b""
    place.bucket.put(key, data[:100] + bytes(len(data) - 100))


@pytest.mark.parametrize(("damage", "reason"), [(lose_a_pack, "is missing"), (damage_a_pack, "is damaged")])
def test_copy_that_is_not_whole_is_said_and_the_read_starts_over(
    machine: Callable[..., Pipeline],
    workspace: Workspace,
    place: S3Place,
    damage: Callable[[S3Place], None],
    reason: str,
) -> None:
    tasks = large(workspace)
    begun(machine("first"), workspace)
    damage(place)
    run = synced(machine("second"))
    assert f"Discarded the staged read of data source {tasks.id}: {place.url}/notion/" in run.log
    assert reason in run.log
    assert "goes on with" not in run.log
    assert len(run.queries) == UNDISTURBED
    assert differences(machine("first"), workspace, tasks) == []
    assert place.keys == []


def test_bucket_that_is_away_is_warned_of_once_and_the_sync_goes_on(
    machine: Callable[..., Pipeline], workspace: Workspace, place: S3Place
) -> None:
    sources = [tasks_in(workspace, 120, title) for title in ("Tasks", "Notes", "Plans")]
    away = machine("first", "s3://missing/folder")
    run = synced(away)
    assert run.log.count("are not kept in s3://missing/folder for now") == 1
    assert 'Source "notion"' in run.log
    assert "`notion-pipeline check` tries it" in run.log
    assert all(secret not in run.log for secret in ("AWS_SECRET_ACCESS_KEY=", TOKEN))
    assert all(differences(away, workspace, source) == [] for source in sources)

    # A read that is cut short meanwhile goes on on its own machine.
    tasks = large(workspace, "Large")
    begun(away, workspace, at=8)  # after a query for each of the others
    again = synced(machine("first", "s3://missing/folder"))
    assert "goes on with" in again.log
    assert differences(away, workspace, tasks) == []
