"""Where the definitions come from: the code that makes them, and the sources file that asks for them."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg

from notion_pipeline.project import Project


def source_code(maker: Callable[..., Any], project: Project) -> dict[str, Any]:
    """Dagster's code references, as far as there are files: of a package in an archive there are none."""
    code = inspect.unwrap(maker).__code__
    references = [
        dg.LocalFileCodeReference(file_path=str(path.resolve()), line_number=line, label=label)
        for path, line, label in (
            (project.sources_file, 1, project.sources_file.name),
            (Path(code.co_filename), code.co_firstlineno, f"notion_pipeline/defs/{Path(code.co_filename).name}"),
        )
        if path.is_file()
    ]
    if not references:
        return {}
    return {"dagster/code_references": dg.CodeReferencesMetadataValue(code_references=references)}
