"""Files that a sync needs: whether it may write them, and whether others may read them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from notion_pipeline.errors import CatalogError
from notion_pipeline.project import Project


def open_to_others(project: Project) -> list[str]:
    """A note where other users of the machine may read `.env`, which holds tokens."""
    path = project.root / ".env"
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return []
    if not mode & (stat.S_IRGRP | stat.S_IROTH):
        return []
    return [f"{path} can be read by other users of this machine (mode {mode:04o}); `chmod 600 {path}` closes it."]


def check_writable(path: Path) -> None:
    """Makes sure that this user may write a catalog here.

    Raises:
        CatalogError: It may not, or there is no such folder.
    """
    folder = path.parent
    hint = "Name another path in NOTION_PIPELINE_CATALOG, or as catalog: in sources.yaml."
    if not folder.is_dir():
        raise CatalogError(f"The folder of the catalog {path} does not exist.", hint=f"Make it. {hint}")
    if not os.access(folder, os.W_OK) or (path.exists() and not os.access(path, os.W_OK)):
        raise CatalogError(f"The catalog {path} cannot be written by this user.", hint=hint)
