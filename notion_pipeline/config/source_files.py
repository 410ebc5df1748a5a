"""The files that syncs keep for a source under NOTION_PIPELINE_HOME: reads in progress, locks, copies of lists."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from notion_pipeline.config.values import SOURCE_NAME

#: Folders with one folder for each source, and folders with files of its name.
_FOLDERS = ("staging", "locks")
_FILES = ("listings", "tables", "committed")
_ENDINGS = (".json", ".lock")
#: The one folder that is of use under another name; the next sync makes the others again.
_LASTING = "staging"


def sources_with_files(home: Path) -> set[str]:
    """Names of the sources that have any files."""
    found = {entry.name for kind in _FOLDERS for entry in _entries(home / kind) if entry.is_dir()}
    found |= {entry.stem for kind in _FILES for entry in _entries(home / kind) if entry.suffix in _ENDINGS}
    return {name for name in found if re.fullmatch(SOURCE_NAME, name)}


def files_of(home: Path, source: str) -> list[Path]:
    """The files and folders that are kept for a source.

    Raises:
        ValueError: No source can have this name: it might lead out of the folder.
    """
    if not re.fullmatch(SOURCE_NAME, source):
        raise ValueError(source)
    paths = [home / kind / source for kind in _FOLDERS]
    paths += [home / kind / f"{source}{ending}" for kind in _FILES for ending in _ENDINGS]
    return [path for path in paths if path.exists()]


def lock_files(home: Path, source: str) -> list[Path]:
    """The lock files of its databases, held or not."""
    return [path for path in _entries(home / "locks" / source) if path.suffix == ".lock"]


def remove_files(home: Path, source: str) -> None:
    """Removes all files of a source."""
    for path in files_of(home, source):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def rename_files(home: Path, old: str, new: str) -> None:
    """Moves the reads in progress of a source to its new name, if that has none, and removes the other files."""
    staged, target = home / _LASTING / old, home / _LASTING / new
    if staged in files_of(home, old) and target not in files_of(home, new):
        staged.rename(target)
    remove_files(home, old)


def _entries(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []
