"""One sync of a database at a time, and no lock that outlives its holder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from notion_pipeline.state.folder import FolderState
from notion_pipeline.sync.locks import is_locked, lock_database
from notion_pipeline_tests.support.shared_state import database_locked

DATABASE, OTHER = "00000000-0000-4000-8000-0000000000d1", "00000000-0000-4000-8000-0000000000d2"
HOLDER = """
import sys
from pathlib import Path
from notion_pipeline.state.folder import FolderState
from notion_pipeline.sync.locks import lock_database
lock = lock_database(FolderState(Path(sys.argv[1])), "notion", sys.argv[2])
print("held", flush=True)
sys.stdin.read()
"""


def test_lock_of_another_process_is_seen_and_ends_with_it(tmp_path: Path) -> None:
    """SIGKILL runs no handler: the operating system frees the lock."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path), DATABASE]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"held\n"
            assert is_locked(FolderState(tmp_path), "notion", DATABASE)
        finally:
            holder.kill()
    assert not is_locked(FolderState(tmp_path), "notion", DATABASE)


def test_locks_of_two_databases_and_of_two_sources_are_apart(tmp_path: Path) -> None:
    with database_locked(tmp_path, "notion", DATABASE):
        assert is_locked(FolderState(tmp_path), "notion", DATABASE)
        assert not is_locked(FolderState(tmp_path), "notion", OTHER)
        assert not is_locked(FolderState(tmp_path), "wiki", DATABASE)


def test_asking_leaves_the_lock_free(tmp_path: Path) -> None:
    assert not is_locked(FolderState(tmp_path), "notion", DATABASE)
    assert lock_database(FolderState(tmp_path), "notion", DATABASE) is not None


def test_lock_files_are_the_owners_alone(tmp_path: Path) -> None:
    with database_locked(tmp_path / "home", "notion", DATABASE):
        made = list((tmp_path / "home").rglob("*"))
        assert {path.stat().st_mode & 0o777 for path in made if path.is_file()} == {0o600}
        assert {path.stat().st_mode & 0o777 for path in made if path.is_dir()} == {0o700}
