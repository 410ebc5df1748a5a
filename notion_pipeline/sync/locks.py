"""Lock files that keep two syncs of one database apart; the operating system frees them when their holder dies."""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock, Timeout

from notion_pipeline.notion_ids import notion_id
from notion_pipeline.private_files import private_directory


def database_lock(home: Path, source: str, database_id: str) -> FileLock:
    """The lock of a database; taken in one thread and given back in another.

    Raises:
        InvalidIdError: The id is none.
        StagingError: The folder cannot be used.
    """
    name = f"{notion_id(database_id, 'A database')}.lock"
    folder = private_directory(home / "locks" / source)
    return FileLock(folder / name, thread_local=False, mode=0o600)


def is_locked(home: Path, source: str, database_id: str) -> bool:
    """Whether any process is syncing the database now."""
    lock = database_lock(home, source, database_id)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False
