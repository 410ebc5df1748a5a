"""A whole run that keeps hosted files in S3, as a local server speaks it: it is killed, and goes on where it was."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import subprocess
import sys
from datetime import timedelta

import pytest

from notion_pipeline.content.files.file_stores import open_store
from notion_pipeline.sandbox.control.faults import Fault
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline_tests.support.whole_way import Pipeline, synced

JOB = "notion_content"
#: One is sent to S3 in several parts.
SIZES = {"one.pdf": 3, "two.bin": 12 << 20, "three.txt": 70_000, "four.png": 0, "five.pdf": 10, "six.pdf": 11}


@pytest.fixture
def company(pipeline: Pipeline, workspace: Workspace, bucket: str) -> Pipeline:
    """Rows with a file each, in a property or in content; synced. Files go to the bucket."""
    tasks = workspace.add_database("Tasks", {"Name": "title", "Plans": "files"}).data_source
    for number, (name, size) in enumerate(SIZES.items()):
        file = workspace.add_file(name, size=size)
        page = tasks.add_page({"Name": name, **({"Plans": [file.entry]} if number % 2 else {})})
        if number % 2 == 0:
            workspace.add_block(page, "file", hosted=file)
    workspace.clock.advance(timedelta(hours=1))
    pipeline.configure(
        "sources:\n  - name: notion\n    account: {type: token}\n"
        f"    content: {{pages: false, users: false, files: {{download_to: '{bucket}'}}}}\n"
    )
    synced(pipeline)
    return pipeline


def kept(company: Pipeline, bucket: str) -> dict[str, tuple[int, str]]:
    """Size and digest of what the bucket holds, by the name of the file."""
    store = open_store(bucket, company.project)

    async def read() -> dict[str, tuple[int, str]]:
        found = {}
        for name, path in company.query("SELECT name, path FROM notion.files WHERE path IS NOT NULL"):
            key = path.removeprefix(f"{bucket}/")
            data = b"".join([block async for block in store.read(key)])
            found[name] = (len(data), hashlib.sha256(data).hexdigest())
        return found

    return asyncio.run(read())


def assert_all_are_kept(company: Pipeline, workspace: Workspace, bucket: str) -> None:
    held = company.query("SELECT name, size, sha256 FROM notion.files ORDER BY name")
    there = {file.name: (file.size, file.sha256()) for file in workspace.files_by_id.values()}
    assert {name: (size, digest) for name, size, digest in held} == there
    assert kept(company, bucket) == there
    assert company.value("SELECT bool_and(starts_with(path, ?)) FROM notion.files", [f"{bucket}/notion/"]) is True


@pytest.mark.slow
@pytest.mark.parametrize("at", [2, 5])
def test_a_killed_run_goes_on_with_what_is_not_kept(
    company: Pipeline, workspace: Workspace, bucket: str, at: int
) -> None:
    process: list[subprocess.Popen[bytes]] = []
    kill = Fault("call", match="/files/", at=at, callable=lambda *_: os.kill(process[0].pid, signal.SIGKILL))
    workspace.faults.add(kill)
    command = [sys.executable, "-m", "dagster", "job", "execute", "-m", "notion_pipeline.definitions", "-j", JOB]
    with subprocess.Popen(command, cwd=company.project.root, stderr=subprocess.DEVNULL) as started:
        process.append(started)
    assert started.returncode == -signal.SIGKILL
    synced(company, JOB)
    assert_all_are_kept(company, workspace, bucket)
    before = len(workspace.downloads)
    assert synced(company, JOB).requests == []
    assert len(workspace.downloads) == before


def test_files_of_a_row_that_is_gone_leave_the_bucket(company: Pipeline, workspace: Workspace, bucket: str) -> None:
    synced(company, JOB)
    assert_all_are_kept(company, workspace, bucket)
    ((path,),) = company.query("SELECT path FROM notion.files WHERE name = 'one.pdf'")
    workspace.trash(next(page for page in workspace.pages.values() if page.title == "one.pdf"))
    workspace.clock.advance(timedelta(hours=1))
    synced(company, "notion_full_sync")
    store, key = open_store(bucket, company.project), path.removeprefix(f"{bucket}/")
    # With the row went its words; the file goes with the next run of files.
    assert asyncio.run(store.size(key)) == SIZES["one.pdf"]
    synced(company, JOB)
    assert asyncio.run(store.size(key)) is None
    assert company.value("SELECT count(*) FROM notion.files WHERE name = 'one.pdf'") == 0
