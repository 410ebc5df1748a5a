"""State in a folder: what other versions and other users make of its files."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
from filelock import FileLock, Timeout

from notion_pipeline.state.folder import FolderState

LOCK = "locks/notion/a.lock"


def test_documents_and_locks_are_files_of_their_names_and_the_owners_alone(tmp_path: Path) -> None:
    home = tmp_path / "home"
    state = FolderState(home)
    state.write("tables/notion.json", json.dumps([]).encode())
    assert state.try_lock(LOCK) is not None
    state.next_turn("account", 1.0)
    files = {path.relative_to(home).as_posix(): path for path in home.rglob("*") if path.is_file()}
    assert set(files) == {"tables/notion.json", LOCK, "budgets/account"}
    assert {path.stat().st_mode & 0o777 for path in files.values()} == {0o600}
    assert {path.stat().st_mode & 0o777 for path in (home, *home.rglob("*")) if path.is_dir()} == {0o700}


def test_locks_of_earlier_versions_are_respected_and_respect_ours(tmp_path: Path) -> None:
    """They were those of filelock, on files of the same names."""
    state = FolderState(tmp_path)
    (tmp_path / "locks" / "notion").mkdir(parents=True)
    with FileLock(tmp_path / LOCK, mode=0o600):
        assert state.is_locked(LOCK)
        assert state.try_lock(LOCK) is None
    lock = state.try_lock(LOCK)
    assert lock is not None
    with pytest.raises(Timeout):
        FileLock(tmp_path / LOCK, mode=0o600).acquire(timeout=0)
    lock.release()
    with FileLock(tmp_path / LOCK, mode=0o600).acquire(timeout=0):
        pass


def test_a_lock_is_no_way_out_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("diary")
    (tmp_path / "home" / "locks").mkdir(parents=True)
    (tmp_path / "home" / "locks" / "a.lock").symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match="symbolic links"):
        FolderState(tmp_path / "home").try_lock("locks/a.lock")
    assert (tmp_path / "victim").read_text() == "diary"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"x",
        struct.pack("<dd", 1e300, 1000.0),
        struct.pack("<dd", 1010.0, 5000.0),  # reserved before the clock was set back
        struct.pack("<dd", float("nan"), float("nan")),
        struct.pack("<dd", 900.0, 900.0),
    ],
    ids=["empty", "damaged", "absurd", "from the future", "not a number", "long ago"],
)
def test_a_damaged_or_past_budget_gives_a_turn_at_once(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "budgets").mkdir()
    (tmp_path / "budgets" / "account").write_bytes(content)
    state = FolderState(tmp_path, now=lambda: 1000.0)
    assert state.next_turn("account", 10.0) == 0
    assert state.next_turn("account", 10.0) == 10
