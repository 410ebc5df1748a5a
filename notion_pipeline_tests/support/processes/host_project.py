"""A Dagster project of somebody else's, laid out as `create-dagster project host` does, with nothing of ours."""

from __future__ import annotations

from pathlib import Path

_FILES = {
    "pyproject.toml": """
[project]
name = "host"
requires-python = ">=3.10,<3.15"
version = "0.1.0"
dependencies = ["dagster"]

[tool.dg]
directory_type = "project"

[tool.dg.project]
root_module = "host"
registry_modules = ["host.components.*"]
""",
    "src/host/__init__.py": "",
    "src/host/definitions.py": """
from pathlib import Path

from dagster import definitions, load_from_defs_folder


@definitions
def defs():
    return load_from_defs_folder(path_within_project=Path(__file__).parent)
""",
    "src/host/defs/__init__.py": "",
}


def make_host(folder: Path) -> None:
    """Lays the project down; it is importable with `folder / "src"` on the path."""
    for name, text in _FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text.lstrip(), encoding="utf-8")
