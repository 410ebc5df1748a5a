"""Puts a copy of a file in place at once, and removes the temporary files of processes that died while copying."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

_COPIED_AT_ONCE = 1024 * 1024


def put_copy(original: Path, path: Path) -> None:
    """Copies `original` to `path` by rename: readers see the former file or the whole new one.

    When it returns, the copy would survive a loss of power.

    Raises:
        OSError: The copy cannot be written; the former file is still there.
    """
    _clear_up(path)
    with _temporary_beside(path) as (temporary, file):
        with original.open("rb") as whole:
            shutil.copyfileobj(whole, file, _COPIED_AT_ONCE)
        file.flush()
        os.fsync(file.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)


@contextmanager
def _temporary_beside(path: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """A new file in the same folder, locked while its writer lives, and removed at the end unless it was renamed."""
    while True:
        temporary = path.with_name(f"{_prefix(path)}-{secrets.token_hex(8)}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        with os.fdopen(descriptor, "wb") as file:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if not os.fstat(descriptor).st_nlink:
                continue  # another process removed it between the two lines above
            try:
                yield temporary, file
            finally:
                temporary.unlink(missing_ok=True)
            return


def _clear_up(path: Path) -> None:
    """Removes temporary files whose writer is dead: its lock ended with it."""
    prefix = _prefix(path)
    for entry in list(os.scandir(path.parent)):
        if not entry.name.startswith(prefix) or not entry.is_file(follow_symlinks=False):
            continue
        try:
            descriptor = os.open(entry.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            continue  # removed meanwhile, or another user's
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            Path(entry.path).unlink(missing_ok=True)
        except OSError:
            continue  # being written
        finally:
            os.close(descriptor)


def _prefix(path: Path) -> str:
    return f".{path.name}.publishing"


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
