"""Writes the files of a project folder: those of a new project, and the demo's, whose `.env` names the sandbox."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

from notion_pipeline.cli.dagster_home import set_dagster_home
from notion_pipeline.errors import ConfigError
from notion_pipeline.project import ROOT_MARK, Project, find_project

_SCHEMA = "sources.schema.json"
#: Name in the new project, and where the package brings it.
FILES = {
    "workspace.yaml": "project_files/workspace.yaml",
    "workspace.production.yaml": "project_files/workspace.production.yaml",
    "dagster.yaml": "project_files/dagster.yaml",
    "sources.yaml": "project_files/sources.yaml",
    "pyproject.toml": "project_files/pyproject.toml",
    "defs/__init__.py": "project_files/defs_init",
    ".env.example": "project_files/env.example",
    ".gitignore": "project_files/gitignore",
    _SCHEMA: _SCHEMA,
}
#: Those that the demo's project has; its `.env` and `.gitignore` are its own.
DEMO_FILES = ("workspace.yaml", "dagster.yaml", "sources.yaml")
_DEMO_MARK = "# Written by `notion-pipeline demo`; written again each time."
_DEMO_GIT_IGNORE = "# The demo can be deleted and made again at any time.\n*\n"
#: Variables that would lead the demo to somebody's own workspace, catalog or Dagster.
_OTHERS = ("NOTION_", "DAGSTER_")
#: This text tells the workspace.yaml of our projects from others.
_MODULE = "notion_pipeline"


@dataclass(frozen=True)
class WrittenProject:
    """What `write_project` did.

    Attributes:
        is_new: There was no project in the folder.
        made: Files that were written, or mended.
        kept: Files that existed and were left as they are.
    """

    is_new: bool
    made: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)


def template(name: str) -> str:
    """A file of a new project, as it is in the package."""
    return resources.files("notion_pipeline").joinpath(*FILES[name].split("/")).read_text(encoding="utf-8")


def content(name: str) -> str:
    """A file of a project outside this repository: the schema that editors use for sources.yaml is beside it."""
    text = template(name)
    return text.replace(f"$schema=notion_pipeline/{_SCHEMA}", f"$schema={_SCHEMA}") if name == "sources.yaml" else text


def write_project(folder: Path) -> WrittenProject:
    """Makes the files of a project in `folder`, which is made if need be.

    A project that exists gets the files that it lacks, as a clone or a project of an older version does. No file is
    written over.

    Raises:
        ConfigError: The folder holds files of these names and is no project of ours, and nothing was written; or it
            cannot be written.
    """
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file.", hint="Name a folder; it is made if need be.")
    kept = [name for name in FILES if (folder / name).exists() or (folder / name).is_symlink()]
    is_new = not _is_ours(folder)
    if kept and is_new:
        raise ConfigError(
            f"{folder} holds {', '.join(kept)} already; nothing was written.",
            hint="Choose another folder, or move what is there out of the way.",
        )
    made = [name for name in FILES if name not in kept]
    try:
        for name in made:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            with (folder / name).open("x", encoding="utf-8") as file:
                file.write(content(name))
        made += set_dagster_home(folder)
    except OSError as error:
        raise ConfigError(f"{error.filename or folder} cannot be written: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{folder / '.env'} is not UTF-8 text.") from None
    return WrittenProject(is_new, made, kept)


def _is_ours(folder: Path) -> bool:
    mark = folder / ROOT_MARK
    return mark.is_file() and _MODULE in mark.read_text(encoding="utf-8", errors="replace")


def write_demo_project(folder: Path, url: str, token: str) -> Project:
    """The demo's project in `folder`, made or brought up to date; what earlier demos synced there stays.

    Raises:
        ConfigError: The folder holds somebody's own project or files.
    """
    env_file = folder / ".env"
    is_ours = env_file.is_file() and env_file.read_text(encoding="utf-8", errors="replace").startswith(_DEMO_MARK)
    if folder.exists() and not is_ours and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(
            f"{folder} exists and is not the demo's.", hint="Choose another folder with --dir; it is made if need be."
        )
    folder.mkdir(parents=True, exist_ok=True)
    env_file.write_text(f"{_DEMO_MARK}\nNOTION_API_URL={url}\nNOTION_TOKEN={token}\n", encoding="utf-8")
    (folder / ".gitignore").write_text(_DEMO_GIT_IGNORE, encoding="utf-8")
    for name in DEMO_FILES:
        if not (folder / name).exists():
            (folder / name).write_text(template(name), encoding="utf-8")
    return find_project(folder, demo_environment())


def demo_environment(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """The process's variables without those that belong to a real project."""
    real = os.environ if environ is None else environ
    return {name: value for name, value in real.items() if not name.startswith(_OTHERS)}
