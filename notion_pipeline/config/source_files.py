"""What is kept of a source beside the catalog: reads in progress, and locks and lists in the shared state."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from notion_pipeline.bucket import Bucket
from notion_pipeline.config.fields.values import SOURCE_NAME
from notion_pipeline.state.interface import LOCK_ENDING, State

#: Kinds of documents: one for each source, or a folder of its name.
_DOCUMENTS = ("listings", "tables", "committed", "reads")


def sources_with_files(state: State, staging: Path) -> set[str]:
    """Names of the sources of which anything is kept."""
    found = {entry.name for entry in _entries(staging) if entry.is_dir()}
    kept = [*state.lock_names("locks"), *state.lock_names("tables")]
    for kind in _DOCUMENTS:
        kept += state.keys(kind)
    # `tables/notion.json`, `locks/notion/<database id>.lock`
    found |= {key.split("/")[1].partition(".")[0] for key in kept}
    return {name for name in found if re.fullmatch(SOURCE_NAME, name)}


def files_of(state: State, staging: Path, source: str, bucket: Bucket | None = None) -> list[str]:
    """Where things are kept for a source, for people.

    Raises:
        StagingError: The bucket with copies of its reads in progress cannot be used.
        ValueError: No source can have this name: it might lead out of the folder.
    """
    found = [str(staging / _checked(source))] if (staging / source).is_dir() else []
    if bucket is not None and bucket.list(source):
        found.append(f"{bucket.url}/{source}")
    if state.lock_names(f"locks/{source}"):
        found.append(f"{state.place}/locks/{source}")
    return found + [f"{state.place}/{name}" for name in (*_documents_of(state, source), *_table_lock(state, source))]


def locked_databases(state: State, source: str) -> list[str]:
    """Ids of the databases of a source that are being synced now."""
    names = state.lock_names(f"locks/{_checked(source)}")
    return [name.rpartition("/")[2].removesuffix(LOCK_ENDING) for name in names if state.is_locked(name)]


def remove_files(state: State, staging: Path, source: str, bucket: Bucket | None = None) -> None:
    """Removes all that is kept for a source.

    Raises:
        StagingError: The bucket with copies of its reads in progress cannot be used; nothing is removed then.
    """
    folder = staging / _checked(source)
    if bucket is not None:
        bucket.remove([found.key for found in bucket.list(source)])
    if folder.is_symlink():
        folder.unlink()
    elif folder.is_dir():
        shutil.rmtree(folder)
    state.forget_locks(f"locks/{source}")
    for key in _documents_of(state, source):
        state.remove(key)
    for name in _table_lock(state, source):
        if (lock := state.try_lock(name, known=True)) is not None:
            lock.release(forget=True)


def rename_files(state: State, staging: Path, old: str, new: str, bucket: Bucket | None = None) -> None:
    """Moves the reads in progress of a source to its new name, if that has none, and removes the rest.

    The next sync makes the rest again, copies in a bucket too.

    Raises:
        StagingError: As `remove_files`.
    """
    staged, target = staging / _checked(old), staging / _checked(new)
    if staged.exists() and not target.exists():
        staged.rename(target)
    remove_files(state, staging, old, bucket)


def _checked(source: str) -> str:
    if not re.fullmatch(SOURCE_NAME, source):
        raise ValueError(source)
    return source


def _documents_of(state: State, source: str) -> list[str]:
    single = [key for kind in _DOCUMENTS if state.version(key := f"{kind}/{source}.json") is not None]
    return [*single, *state.keys(f"reads/{source}")]


def _table_lock(state: State, source: str) -> list[str]:
    return [name for name in state.lock_names("tables") if name == f"tables/{source}{LOCK_ENDING}"]


def _entries(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []
