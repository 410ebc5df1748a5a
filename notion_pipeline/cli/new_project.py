"""The files of a new project: all that Dagster and the commands need, outside a checkout as well."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from notion_pipeline.errors import ConfigError

_SCHEMA = "sources.schema.json"
#: Name in the new project, and where the package brings it.
FILES = {
    "workspace.yaml": "project_files/workspace.yaml",
    "dagster.yaml": "project_files/dagster.yaml",
    "sources.yaml": "project_files/sources.yaml",
    ".env.example": "project_files/env.example",
    ".gitignore": "project_files/gitignore",
    _SCHEMA: _SCHEMA,
}


def write_project(folder: Path) -> list[str]:
    """Makes the files of a project in `folder`, which is made if need be; their names.

    Raises:
        ConfigError: One of them is there already, and nothing was written; or the folder cannot be written.
    """
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file.", hint="Name a folder; it is made if need be.")
    there = [name for name in FILES if (folder / name).exists() or (folder / name).is_symlink()]
    if there:
        raise ConfigError(
            f"{folder} holds {', '.join(there)} already; nothing was written.",
            hint="Choose another folder, or move what is there out of the way.",
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in FILES:
            with (folder / name).open("x", encoding="utf-8") as file:
                file.write(content(name))
    except OSError as error:
        raise ConfigError(f"{error.filename or folder} cannot be written: {error.strerror}.") from None
    return list(FILES)


def content(name: str) -> str:
    """A file of a new project."""
    text = resources.files("notion_pipeline").joinpath(*FILES[name].split("/")).read_text(encoding="utf-8")
    # In a project of its own the schema, by which editors complete sources.yaml, stands beside it.
    return text.replace(f"$schema=notion_pipeline/{_SCHEMA}", f"$schema={_SCHEMA}") if name == "sources.yaml" else text
