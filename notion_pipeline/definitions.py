"""The Dagster code location of the project around the current folder; the only module that looks at that folder.

What the project's folder `defs/` holds is part of it, where pyproject.toml says that this module is the project's code
location, as that of `notion-pipeline init` does: `dg scaffold defs` writes there.
"""

from __future__ import annotations

import sys
from pathlib import Path

import dagster as dg

from notion_pipeline.defs.build import build_definitions
from notion_pipeline.project import find_project
from notion_pipeline.redaction import keep_secrets_unwritten

_OWN_FOLDER = "defs"
_IS_THIS_MODULE = f'code_location_target_module = "{__name__}"'


def _with_own(definitions: dg.Definitions, root: Path) -> dg.Definitions:
    config = root / "pyproject.toml"
    if not (root / _OWN_FOLDER).is_dir() or not config.is_file() or _IS_THIS_MODULE not in config.read_text("utf-8"):
        return definitions
    if str(root) not in sys.path:  # the command was given in a folder below
        sys.path.append(str(root))
    return dg.Definitions.merge(definitions, dg.load_from_defs_folder(path_within_project=root))


keep_secrets_unwritten()
_project = find_project(Path.cwd())
defs = _with_own(build_definitions(_project), _project.root)
if defs.executor is None:
    # One process reads all databases of a run concurrently; a process for each step would only add its start.
    defs = dg.Definitions.merge(defs, dg.Definitions(executor=dg.in_process_executor))
