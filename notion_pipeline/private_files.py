"""Files that only their owner may read: everything under NOTION_PIPELINE_HOME."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import secrets
import stat
from itertools import takewhile
from pathlib import Path

from notion_pipeline.errors import StagingError

_LOG = logging.getLogger("notion_pipeline")
_SAFE_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}")


def file_name(identifier: str) -> str:
    """A file name for an id that others gave; one that is fit for none is told by its digest, and leads nowhere."""
    if _SAFE_NAME.fullmatch(identifier):
        return identifier
    return hashlib.sha256(identifier.encode("utf-8", "surrogatepass")).hexdigest()


def private_directory(path: Path) -> Path:
    """The folder itself, made if need be and closed to everyone but its owner.

    One that exists is closed too, with a word, unless all users share it, as they do a temporary folder.

    Raises:
        StagingError: It cannot be made, or not be closed.
    """
    try:
        missing = takewhile(lambda folder: not folder.exists(), (path, *path.parents))
        for folder in reversed(list(missing)):
            folder.mkdir(mode=0o700, exist_ok=True)
        mode = path.stat().st_mode
        if not stat.S_ISDIR(mode):
            raise _no_home(path, "there is a file of that name")
        if mode & stat.S_ISVTX:
            raise _no_home(path, "all users of this machine share it")
        if mode & (stat.S_IRWXU | stat.S_IRWXG | stat.S_IRWXO) != stat.S_IRWXU:
            path.chmod(stat.S_IRWXU)
            _LOG.warning(
                "The private folder %s was open to other users of this machine (mode %04o); it is closed now.",
                path,
                stat.S_IMODE(mode),
            )
    except OSError as error:
        raise _no_home(path, error.strerror or type(error).__name__) from None
    return path


def _no_home(path: Path, reason: str) -> StagingError:
    return StagingError(
        f"The private folder {path} cannot be used: {reason}.",
        hint="Name a folder of its own in NOTION_PIPELINE_HOME, on a disk that this user may write to.",
    )


def write_private(path: Path, data: bytes, *, durable: bool = False) -> None:
    """Puts `data` at `path` by rename, mode 0600: readers see the old file or the new one, never half of one.

    Args:
        durable: Comes back only when the file would outlive a loss of power.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
        if durable:
            _sync_folder(path.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def reserve_private(path: Path, size: int) -> Path:
    """A file of blanks, mode 0600, from which `fill_private` makes the one at `path`: its room is on the disk already.

    Raises:
        OSError: There is no room, or the folder cannot be written to; nothing is left then.
    """
    room = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(room, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(b" " * size)
            file.flush()
            os.fsync(file.fileno())
        _sync_folder(path.parent)
    except BaseException:
        room.unlink(missing_ok=True)
        raise
    return room


def fill_private(room: Path, data: bytes) -> None:
    """Writes `data` over a reserved file, in place; comes back when it would outlive a loss of power.

    Raises:
        OSError: The file holds an unknown part of the data.
    """
    with os.fdopen(os.open(room, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        file.truncate()
        os.fsync(file.fileno())


def put_in_place(room: Path, path: Path) -> None:
    """Gives a filled file its name, by rename; comes back when that is durable."""
    room.replace(path)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
