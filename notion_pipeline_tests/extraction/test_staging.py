"""Stages: what is kept of a read that died, and when it is not to be trusted any more."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from notion_pipeline.errors import StagingError
from notion_pipeline.extraction.manifest import MANIFEST, StageKey
from notion_pipeline.extraction.staging import Stage, open_stage, stage_directory

NOW = datetime(2026, 7, 1, 12, 0, tzinfo=timezone.utc)
BOOKMARK = datetime(2024, 1, 1, 9, 30, tzinfo=timezone.utc)
SCHEMA = pa.schema([("id", pa.string())])
KEY = StageKey(
    data_source_id="ds",
    sync_type="INCREMENTAL",
    edited_since="2026-07-01T00:00:00+00:00",
    start_date=None,
    account="account",
    excluded=("Salary",),
    fingerprint="f1",
)


def batch(*ids: str) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array(ids)], schema=SCHEMA)


def append(stage: Stage, batches: list[pa.RecordBatch], progress: dict[str, Any], counts: dict[str, Any]) -> None:
    """Keeps answers and where the read goes on after them, as a read does."""
    for part in batches:
        stage.add(stage.write(part))
    stage.keep(stage.record(progress, counts))


@pytest.fixture
def reopen(tmp_path: Path, lines: list[str]) -> Callable[..., Stage]:
    """Opens the stage of one folder."""

    def opened(key: StageKey = KEY, **given: Any) -> Stage:
        options = {"bookmark": BOOKMARK, "is_committed": lambda _: False, "log": lines.append, "now": NOW, **given}
        return open_stage(tmp_path / "staging" / "notion" / "db" / "ds", key, **options)

    return opened


def ids(stage: Stage) -> list[str]:
    return [value for part in stage.reader(SCHEMA) for value in part.column(0).to_pylist()]


def test_stage_goes_on_with_its_rows_progress_and_counts(reopen: Callable[..., Stage], lines: list[str]) -> None:
    first = reopen()
    append(first, [batch("a", "b")], {"phase": 1}, {"api_requests": 3})
    again = reopen(bookmark=BOOKMARK + timedelta(days=1), now=NOW + timedelta(hours=1))
    assert again.resumed
    assert ids(again) == ["a", "b"]
    assert again.manifest.progress == {"phase": 1}
    assert again.manifest.counts == {"api_requests": 3}
    assert again.bookmark == BOOKMARK
    assert again.started_at == NOW
    assert again.manifest.stage_id == first.manifest.stage_id
    assert lines == []


def test_rows_come_in_the_order_they_were_read(reopen: Callable[..., Stage]) -> None:
    stage = reopen()
    for name in ("a", "b", "c"):
        append(stage, [batch(name)], {}, {})
    reopened = reopen()
    append(reopened, [batch("a")], {}, {})
    order = [row for part in reopened.reader(SCHEMA) for row in part.to_pylist()]
    assert order == [{"id": name, "_place": place} for place, name in enumerate("abca")]


def test_file_that_no_manifest_names_does_not_exist(reopen: Callable[..., Stage], tmp_path: Path) -> None:
    """A kill between the file and the manifest costs one answer."""
    stage = reopen()
    append(stage, [batch("a")], {}, {})
    manifest = (stage.directory / MANIFEST).read_bytes()
    append(stage, [batch("b")], {}, {})
    (stage.directory / MANIFEST).write_bytes(manifest)
    again = reopen()
    assert ids(again) == ["a"]
    append(again, [batch("c")], {}, {})
    assert ids(reopen()) == ["a", "c"]


def test_empty_answers_leave_no_file(reopen: Callable[..., Stage]) -> None:
    stage = reopen()
    append(stage, [batch()], {"phase": 2}, {})
    assert stage.rows == 0
    assert reopen().manifest.progress == {"phase": 2}


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"sync_type": "FULL_TABLE"}, "sync_type"),
        ({"edited_since": None}, "edited_since"),
        ({"start_date": "2024-01-01T00:00:00+00:00"}, "start_date"),
        ({"account": "another"}, "account"),
        ({"excluded": ()}, "excluded"),
        ({"fingerprint": "f2"}, "fingerprint"),
    ],
)
def test_stage_of_another_read_is_discarded(
    reopen: Callable[..., Stage], lines: list[str], change: dict[str, Any], word: str
) -> None:
    append(reopen(), [batch("a")], {}, {})
    stage = reopen(replace(KEY, **change))
    assert not stage.resumed
    assert stage.rows == 0
    assert len(lines) == 1
    assert word in lines[0]
    assert not list(stage.directory.glob("*.arrow"))


@pytest.mark.parametrize("age", [timedelta(hours=20, seconds=1), timedelta(hours=-21)])
def test_stage_older_than_20_hours_is_discarded(reopen: Callable[..., Stage], lines: list[str], age: timedelta) -> None:
    """By the local clock; one from a future that cannot be is no younger."""
    append(reopen(), [batch("a")], {}, {})
    assert not reopen(now=NOW + age).resumed
    assert "older than 20 hours" in lines[0]


def test_stage_of_19_hours_goes_on(reopen: Callable[..., Stage]) -> None:
    append(reopen(), [batch("a")], {}, {})
    assert reopen(now=NOW + timedelta(hours=19)).resumed


def test_committed_stage_is_discarded(reopen: Callable[..., Stage], lines: list[str]) -> None:
    first = reopen()
    append(first, [batch("a")], {}, {})
    asked: list[str] = []

    def is_committed(stage_id: str) -> bool:
        asked.append(stage_id)
        return True

    second = reopen(is_committed=is_committed)
    assert asked == [first.manifest.stage_id]
    assert second.manifest.stage_id != first.manifest.stage_id
    assert "in the catalog already" in lines[0]


def damage_file(folder: Path) -> None:
    file = next(folder.glob("*.arrow"))
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 0xFF
    file.write_bytes(data)


def shorten_file(folder: Path) -> None:
    file = next(folder.glob("*.arrow"))
    file.write_bytes(file.read_bytes()[:-10])


def remove_file(folder: Path) -> None:
    next(folder.glob("*.arrow")).unlink()


def cut_manifest(folder: Path) -> None:
    manifest = folder / MANIFEST
    manifest.write_bytes(manifest.read_bytes()[:40])


def manifest_of_a_list(folder: Path) -> None:
    (folder / MANIFEST).write_text("[]")


def manifest_without_a_time(folder: Path) -> None:
    change_manifest(folder, bookmark="yesterday")


def manifest_with_a_local_time(folder: Path) -> None:
    change_manifest(folder, started_at="2026-07-01T12:00:00")


def manifest_of_the_future(folder: Path) -> None:
    change_manifest(folder, format=99)


def manifest_of_another_read(folder: Path) -> None:
    change_manifest(folder, key=None)


def change_manifest(folder: Path, **changes: Any) -> None:
    manifest = folder / MANIFEST
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), **changes}))


@pytest.mark.parametrize(
    "damage",
    [
        damage_file,
        shorten_file,
        remove_file,
        cut_manifest,
        manifest_of_a_list,
        manifest_without_a_time,
        manifest_with_a_local_time,
        manifest_of_the_future,
        manifest_of_another_read,
    ],
)
def test_damaged_stage_is_discarded_with_a_word(
    reopen: Callable[..., Stage], lines: list[str], damage: Callable[[Path], None]
) -> None:
    stage = reopen()
    append(stage, [batch("a", "b", "c")], {}, {})
    damage(stage.directory)
    again = reopen()
    assert not again.resumed
    assert again.rows == 0
    assert len(lines) == 1
    assert lines[0].startswith("Discarded the staged read of data source ds: ")


def test_whole_full_read_serves_an_incremental_run(reopen: Callable[..., Stage]) -> None:
    """Only its commit is wanting; a part of a full read is no help to an incremental one."""
    full = replace(KEY, sync_type="FULL_TABLE", edited_since=None)
    stage = reopen(full)
    append(stage, [batch("a")], {}, {})
    stage.keep(stage.record({}, {}, complete=True))
    assert reopen().resumed_complete
    assert not reopen(replace(KEY, fingerprint="f2")).resumed


def test_whole_incremental_read_serves_no_full_run(reopen: Callable[..., Stage]) -> None:
    stage = reopen()
    stage.keep(stage.record({}, {}, complete=True))
    assert not reopen(replace(KEY, sync_type="FULL_TABLE", edited_since=None)).resumed


def test_removed_stage_leaves_no_folder_of_its_own(tmp_path: Path, reopen: Callable[..., Stage]) -> None:
    stage = reopen()
    append(stage, [batch("a")], {}, {})
    stage.remove()
    assert list((tmp_path / "staging").rglob("*")) == []


def test_removed_stage_leaves_its_neighbours(tmp_path: Path, reopen: Callable[..., Stage]) -> None:
    stage = reopen()
    neighbour = stage.directory.with_name("other")
    neighbour.mkdir()
    stage.remove()
    assert neighbour.is_dir()


def test_what_is_staged_is_the_owners_alone(tmp_path: Path, reopen: Callable[..., Stage]) -> None:
    append(reopen(), [batch("a")], {}, {})
    made = list((tmp_path / "staging").rglob("*"))
    assert made
    for path in made:
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600)


def test_disk_that_refuses_is_told_with_the_hint(reopen: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch) -> None:
    stage = reopen()
    stage.directory.rmdir()
    with pytest.raises(StagingError) as raised:
        append(stage, [batch("a")], {}, {})
    assert "NOTION_PIPELINE_HOME" in raised.value.hint


def test_every_data_source_has_a_folder_of_its_own(tmp_path: Path) -> None:
    database, member = "00000000-0000-4000-8000-0000000000d1", "00000000-0000-4000-8000-0000000000d2"
    assert stage_directory(tmp_path, "notion", database, member) == tmp_path / "notion" / database / member
