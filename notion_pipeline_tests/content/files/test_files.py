"""Hosted files, the whole way: which there are, how they are kept, and when they go."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tracemalloc
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from notion_pipeline.content.file_reader import PageFiles, WantedFile, file_batches
from notion_pipeline.content.files.file_keeping import Keeping
from notion_pipeline.content.files.file_stores import FolderStore, storage_key
from notion_pipeline.content.files.hosted_files import file_id_of, files_of_content, is_public
from notion_pipeline.notion.client import NotionClient
from notion_pipeline.notion.downloads import DownloadUsage
from notion_pipeline.notion.limits.run_usage import RunUsage
from notion_pipeline.sandbox.control.faults import Fault
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.model.content.files import HostedFile
from notion_pipeline.sandbox.model.objects import Page
from notion_pipeline_tests.support.whole_way import Pipeline, Run, synced

CONTENT = """
sources:
  - name: notion
    account: {type: token}
    content:
      files: {download_to: kept, max_megabytes: 1}
"""
SCHEMA = {"Name": "title", "Plans": "files", "More": "files"}
PAGE = "GET /v1/pages/"
MARKDOWN = "/markdown"
JOB = "notion_content"


@pytest.fixture
def company(pipeline: Pipeline, workspace: Workspace) -> Pipeline:
    """A row with a file in each place, one with a file, and a page of its own with one in its content; synced."""
    tasks = workspace.add_database("Tasks", SCHEMA).data_source
    plan, icon, cover = (workspace.add_file(name) for name in ("plan.pdf", "icon.png", "cover.jpg"))
    elsewhere = {"name": "other.pdf", "url": "https://example.com/other.pdf"}
    first = tasks.add_page({"Name": "First", "Plans": [plan.entry, elsewhere]}, icon=icon.entry, cover=cover.entry)
    workspace.add_block(first, "image", hosted=workspace.add_file("photo über/all.png"))
    workspace.add_block(first, "file", hosted=plan)
    tasks.add_page({"Name": "Second", "Plans": [workspace.add_file("second.txt", b"Two.").entry]})
    handbook = workspace.add_page("Handbook", shared=True)
    workspace.add_block(handbook, "pdf", hosted=workspace.add_file("handbook.pdf", size=300_000))
    workspace.clock.advance(timedelta(hours=1))
    pipeline.configure(CONTENT)
    assert pipeline.sync().success
    return pipeline


def page(workspace: Workspace, title: str) -> Page:
    return next(found for found in workspace.pages.values() if found.title == title)


def files(workspace: Workspace) -> dict[str, HostedFile]:
    return {file.name: file for file in workspace.files_by_id.values()}


def downloads(workspace: Workspace, run: Callable[[], Run]) -> tuple[Run, int]:
    before = len(workspace.downloads)
    return run(), len(workspace.downloads) - before


def kept(company: Pipeline) -> list[Path]:
    return sorted(path for path in (company.project.root / "kept").rglob("*") if path.is_file())


def assert_all_are_kept(company: Pipeline, workspace: Workspace) -> None:
    found = company.query("SELECT DISTINCT name, path, size, sha256 FROM notion.files ORDER BY name")
    there = files(workspace)
    assert [row[0] for row in found] == sorted(there)
    for name, path, size, digest in found:
        stored = (company.project.root / path).read_bytes()
        assert stored == b"".join(there[name].read())
        assert (size, digest) == (len(stored), there[name].sha256())
    assert len(kept(company)) == len(found)


def test_every_file_is_downloaded_once(company: Pipeline, workspace: Workspace) -> None:
    run, number = downloads(workspace, lambda: synced(company, JOB))
    assert_all_are_kept(company, workspace)
    assert number == 6
    # The rows are read again for addresses of their properties; files of content come right after it was read.
    assert (run.asked(PAGE) - run.asked(MARKDOWN), run.asked(MARKDOWN)) == (2, 4)
    places = company.query("SELECT kind, property, name FROM notion.files ORDER BY ALL")
    assert places == [
        ("content", None, "handbook.pdf"),
        ("content", None, "photo über/all.png"),
        ("content", None, "plan.pdf"),
        ("cover", None, "cover.jpg"),
        ("icon", None, "icon.png"),
        ("property", "Plans", "plan.pdf"),
        ("property", "Plans", "second.txt"),
    ]
    assert company.value("SELECT count(*) FROM notion.files WHERE contains(source_url, '?')") == 0
    assert company.value("SELECT count(DISTINCT path) FROM notion.files WHERE name = 'plan.pdf'") == 1


def test_a_second_run_downloads_nothing(company: Pipeline, workspace: Workspace) -> None:
    synced(company, JOB)
    before = company.query("SELECT * FROM notion.files ORDER BY ALL")
    run, number = downloads(workspace, lambda: synced(company, JOB))
    assert (number, run.asked(PAGE)) == (0, 0)
    assert company.query("SELECT * FROM notion.files ORDER BY ALL") == before


def test_files_are_open_to_their_owner_alone(company: Pipeline) -> None:
    synced(company, JOB)
    for path in kept(company):
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.parent.stat().st_mode & 0o777 == 0o700


def test_a_new_file_costs_one_read_and_one_download(company: Pipeline, workspace: Workspace) -> None:
    synced(company, JOB)
    second = page(workspace, "Second")
    workspace.edit_page(
        second,
        {"More": [workspace.add_file("new.txt", b"New.").entry]},
        edited_at=workspace.clock.now(),
    )
    workspace.clock.advance(timedelta(hours=1))
    synced(company)
    run, number = downloads(workspace, lambda: synced(company, JOB))
    assert number == 1
    assert run.asked(PAGE) - run.asked(MARKDOWN) == 1
    assert_all_are_kept(company, workspace)


def test_a_large_file_is_listed_and_not_downloaded(company: Pipeline, workspace: Workspace) -> None:
    large = workspace.add_file("large.bin", size=2 << 20)
    workspace.edit_page(page(workspace, "Second"), {"More": [large.entry]}, edited_at=workspace.clock.now())
    workspace.clock.advance(timedelta(hours=1))
    synced(company)
    synced(company, JOB)
    found = company.query("SELECT path, size, sha256, error FROM notion.files WHERE name = 'large.bin'")
    assert found == [(None, 2 << 20, None, "It is larger than max_megabytes allows (1,048,576 bytes).")]
    assert downloads(workspace, lambda: synced(company, JOB))[1] == 0
    company.configure(CONTENT.replace("max_megabytes: 1", "max_megabytes: 2"))
    assert downloads(workspace, lambda: synced(company, JOB))[1] == 1
    assert_all_are_kept(company, workspace)


def test_a_file_of_content_that_fails_at_first_is_kept_all_the_same(company: Pipeline, workspace: Workspace) -> None:
    workspace.faults.add(Fault("status", match="/files/.*handbook.pdf", status=403))
    run, number = downloads(workspace, lambda: synced(company, JOB))
    assert number == 7
    assert run.asked(MARKDOWN) == 5
    assert_all_are_kept(company, workspace)


def test_an_address_that_expired_is_read_again_once(company: Pipeline, workspace: Workspace) -> None:
    workspace.faults.add(Fault("status", match="/files/.*second.txt", status=403))
    run, number = downloads(workspace, lambda: synced(company, JOB))
    assert number == 7
    assert run.asked(PAGE) - run.asked(MARKDOWN) == 3
    assert_all_are_kept(company, workspace)


def test_a_file_that_fails_is_named_and_the_others_are_kept(company: Pipeline, workspace: Workspace) -> None:
    workspace.faults.add(Fault("status", match="/files/.*second.txt", status=403, times=2))
    run = company.sync(JOB)
    assert not run.success
    assert f'"second.txt" of page {page(workspace, "Second").id}: ' in run.log
    assert "X-Amz" not in run.log
    assert company.value("SELECT error FROM notion.files WHERE name = 'second.txt'") is not None
    assert len(kept(company)) == 5
    run, number = downloads(workspace, lambda: synced(company, JOB))
    assert (number, run.asked(PAGE)) == (1, 1)
    assert_all_are_kept(company, workspace)
    assert company.value("SELECT count(*) FROM notion.files WHERE error IS NOT NULL") == 0


@pytest.mark.parametrize(
    "fault",
    [{"kind": "cut_body", "after": 200_000}, {"kind": "status", "status": 500}, {"kind": "reset"}],
    ids=lambda fault: fault["kind"],
)
def test_a_download_that_breaks_off_is_made_again(
    company: Pipeline, workspace: Workspace, fault: dict[str, object]
) -> None:
    workspace.faults.add(Fault(**fault, match="/files/.*handbook.pdf"))  # type: ignore[arg-type]
    assert downloads(workspace, lambda: synced(company, JOB))[1] == 7
    assert_all_are_kept(company, workspace)


def test_files_of_a_page_that_is_gone_are_removed(company: Pipeline, workspace: Workspace) -> None:
    synced(company, JOB)
    workspace.trash(page(workspace, "First"))
    workspace.clock.advance(timedelta(hours=1))
    company.sync("notion_full_sync")
    synced(company, JOB)
    assert {row[0] for row in company.query("SELECT name FROM notion.files")} == {"handbook.pdf", "second.txt"}
    assert len(kept(company)) == 2


def test_files_stay_where_deleted_rows_are_marked(company: Pipeline, workspace: Workspace) -> None:
    company.configure(CONTENT + "    deleted_rows: mark\n")
    synced(company)
    synced(company, JOB)
    workspace.trash(page(workspace, "Second"))
    workspace.clock.advance(timedelta(hours=1))
    company.sync("notion_full_sync")
    synced(company, JOB)
    assert company.query("SELECT name FROM notion.files WHERE _deleted_at IS NOT NULL") == [("second.txt",)]
    assert len(kept(company)) == 6


def test_a_renamed_property_downloads_nothing(company: Pipeline, workspace: Workspace) -> None:
    synced(company, JOB)
    source = page(workspace, "Second").data_source
    assert source is not None
    source.rename_property("Plans", "Drawings")
    workspace.clock.advance(timedelta(hours=1))
    synced(company)
    assert downloads(workspace, lambda: synced(company, JOB))[1] == 0
    assert company.value("SELECT count(*) FROM notion.files WHERE property = 'Drawings' AND path IS NOT NULL") == 2
    assert len(kept(company)) == 6


def test_a_killed_run_leaves_no_half_file(company: Pipeline, workspace: Workspace) -> None:
    process: list[subprocess.Popen[bytes]] = []
    kill = Fault("call", match="/files/", at=4, callable=lambda *_: os.kill(process[0].pid, signal.SIGKILL))
    workspace.faults.add(kill)
    command = [sys.executable, "-m", "dagster", "job", "execute", "-m", "notion_pipeline.definitions", "-j", JOB]
    with subprocess.Popen(command, cwd=company.project.root, stderr=subprocess.DEVNULL) as started:
        process.append(started)
    assert started.returncode == -signal.SIGKILL
    assert not [path for path in kept(company) if not path.name.endswith(".part") and not path.stat().st_size]
    before = len([path for path in kept(company) if not path.name.endswith(".part")])
    synced(company, JOB)
    for left in (company.project.root / "kept").rglob("*.part"):
        left.unlink()
    assert before < 6
    assert_all_are_kept(company, workspace)


async def _one(given: PageFiles) -> AsyncIterator[PageFiles]:
    yield given


def test_a_large_file_is_never_whole_in_memory(
    workspace: Workspace, notion: Callable[[], NotionClient], tmp_path: Path
) -> None:
    file = workspace.add_file("large.bin", size=64 << 20)
    tasks = workspace.add_database("Tasks", SCHEMA).data_source
    row = tasks.add_page({"Name": "One", "Plans": [file.entry]})
    file_id = f"files/{workspace.id}/{file.id}/large.bin"
    given = PageFiles(
        row.id, (WantedFile(file_id, "property", "large.bin"),), Keeping(FolderStore("kept", tmp_path), 1 << 30)
    )

    async def turn() -> None:
        return None

    batches = file_batches(
        notion,
        lambda: _one(given),
        source="notion",
        workers=1,
        usage=RunUsage(),
        download_usage=DownloadUsage(),
        wait_turn=turn,
    )
    tracemalloc.start()
    try:
        with batches:
            (read,) = [read for batch in batches for read in batch]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert read.stored is not None
    assert (read.stored.size, read.stored.sha256) == (64 << 20, file.sha256())
    # The sandbox's own pieces are among it.
    assert peak < 24 << 20


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "/etc/passwd", "..", ".", "", "a\x00b", "C:\\x", "ü" * 300, ".ssh"]
)
def test_no_name_leads_out_of_the_folder(name: str) -> None:
    key = storage_key("notion", f"files/w/1/{name}", name)
    parts = key.split("/")
    assert len(parts) == 3
    assert parts[0] == "notion"
    assert not {"", ".", ".."} & set(parts)
    assert len(parts[2]) < 200
    assert key.isascii()
    assert key.isprintable()
    assert key != storage_key("notion", f"files/w/2/{name}", name)


def test_files_of_content_are_those_whose_address_is_signed() -> None:
    signed = "https://files.example.com/w/1/a%20b.png?X-Amz-Signature=1"
    text = f'![]({signed})\n<file src="{signed}&amp;x=1">\n![](https://example.com/other.png?size=1)'
    assert [(file.file_id, file.name, file.url) for file in files_of_content(text)] == [
        ("w/1/a%20b.png", "a b.png", signed)
    ]
    assert file_id_of("not an address") is None


@pytest.mark.parametrize(
    ("url", "is_fetched"),
    [
        ("https://prod-files-secure.s3.us-west-2.amazonaws.com/w/1/a.png?X-Amz-Signature=1", True),
        ("http://prod-files-secure.s3.us-west-2.amazonaws.com/w/1/a.png", False),
        ("https://169.254.169.254/latest/meta-data?X-Amz-Signature=1", False),
        ("https://[::1]/x", False),
        ("https://localhost/x", False),
        ("https://metadata.google.internal/x", False),
        ("http://127.0.0.1:8000/files/w/1/a.png", True),
    ],
)
def test_text_cannot_have_machines_around_this_one_asked(url: str, is_fetched: bool) -> None:
    assert is_public(url, "http://127.0.0.1:8000") == is_fetched
