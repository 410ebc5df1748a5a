"""Who may read and change the files of tokens: their owner alone.

A file that is open to others is refused and not closed: by then the tokens may be known already.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from notion_pipeline.errors import ConfigError


def check_private(path: Path, allowed: int) -> None:
    """Makes sure that nobody else can read or replace a file.

    Raises:
        ConfigError: Somebody can.
        OSError: Its status cannot be read.
    """
    found = check_owner(path)
    mode = stat.S_IMODE(found.st_mode)
    if mode & ~allowed & 0o777:
        raise ConfigError(
            f"{path} is open to other users of this machine (mode {mode:04o}, allowed: {allowed:04o}), "
            "and tokens are kept there.",
            hint=f"Close it with `chmod {allowed:o} {path}`. If others could have read it, disconnect and connect "
            "the account again.",
        )


def check_owner(path: Path) -> os.stat_result:
    """Makes sure that a file or folder is this user's or root's, and gives its status.

    Raises:
        ConfigError: It is somebody else's.
        OSError: It cannot be read.
    """
    found = path.stat()
    if found.st_uid not in (os.geteuid(), 0):
        raise ConfigError(
            f"{path} belongs to another user of this machine; tokens are not kept where others can change them.",
            hint="Point NOTION_PIPELINE_HOME at a folder of your own.",
        )
    return found
