"""The demo's project folder: a project like any other, whose `.env` points at the sandbox."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from notion_pipeline.errors import ConfigError
from notion_pipeline.project import Project, find_project

PROJECT_FILES = ("workspace.yaml", "dagster.yaml", "sources.yaml")
_MARK = "# Written by `notion-pipeline demo`; written again each time."
_GIT_IGNORE = "# The demo can be deleted and made again at any time.\n*\n"
#: Variables that would lead the demo to somebody's own workspace, catalog or Dagster.
_OTHERS = ("NOTION_", "DAGSTER_")


def write_demo_project(folder: Path, url: str, token: str) -> Project:
    """The project in `folder`, made or brought up to date; what earlier demos synced there stays.

    Raises:
        ConfigError: The folder holds somebody's own project or files.
    """
    env_file = folder / ".env"
    is_ours = env_file.is_file() and env_file.read_text(encoding="utf-8", errors="replace").startswith(_MARK)
    if folder.exists() and not is_ours and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(
            f"{folder} exists and is not the demo's.", hint="Choose another folder with --dir; it is made if need be."
        )
    folder.mkdir(parents=True, exist_ok=True)
    env_file.write_text(f"{_MARK}\nNOTION_API_URL={url}\nNOTION_TOKEN={token}\n", encoding="utf-8")
    (folder / ".gitignore").write_text(_GIT_IGNORE, encoding="utf-8")
    for name in PROJECT_FILES:
        if not (folder / name).exists():
            (folder / name).write_text(template(name), encoding="utf-8")
    return find_project(folder, demo_environment())


def template(name: str) -> str:
    """A file of a new project as the package brings it."""
    return (resources.files("notion_pipeline") / "project_files" / name).read_text(encoding="utf-8")


def demo_environment(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """The process's variables without those that belong to a real project."""
    real = os.environ if environ is None else environ
    return {name: value for name, value in real.items() if not name.startswith(_OTHERS)}
