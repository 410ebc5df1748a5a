"""Files that only their owner may read: what stands under NOTION_PIPELINE_HOME."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from notion_pipeline.errors import StagingError


def private_directory(path: Path) -> Path:
    """The folder, made with mode 0700 together with those above it that are missing.

    Raises:
        StagingError: It cannot be made.
    """
    try:
        missing = [folder for folder in (path, *path.parents) if not folder.exists()]
        for folder in reversed(missing):
            folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise StagingError(
            f"The folder {path} cannot be made: {error.strerror or error}.",
            cure="Mend the permissions, or point NOTION_PIPELINE_HOME at a folder of your own.",
        ) from error
    return path


def write_private(path: Path, data: bytes) -> None:
    """Puts `data` at `path` by rename, mode 0600: readers see the old file or the new one, never half of one."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
