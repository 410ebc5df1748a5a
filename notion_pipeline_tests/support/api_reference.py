"""Writes docs/api.md from the docstrings: `python -m notion_pipeline_tests.support.api_reference > docs/api.md`."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from typing import Any

import dagster as dg
from pydantic import BaseModel

import notion_pipeline
from notion_pipeline.errors import NotionPipelineError

_HEAD = """# From your own code

What another Dagster project, a script or a notebook imports from `notion_pipeline`:

```python
from pathlib import Path

from notion_pipeline import build_definitions

notion = build_definitions(Path.cwd())
```

The names on this page are stable: within a version 0.x they keep their meaning, and the changelog names every change of
them. So are the asset keys, the names of jobs, schedules and sensors, the run tags, and the tables as
[What is promised](promises.md) has them. All other modules may change with any version.

Importing any module but `notion_pipeline.definitions` changes nothing in your process and reads no file of the project.
`notion_pipeline.definitions` is the code location for `workspace.yaml`: it holds the definitions of the project around
the current folder.
"""
#: Headings, and the names under each that are no errors.
_PARTS = {
    "Definitions": ("build_definitions", "Project", "find_project", "load_sources"),
    "A component": ("NotionSourceComponent",),
    "Resources": ("CatalogResource", "NotionResource", "LoadedProject", "ProgressResource", "CatalogIOManager"),
    "Failures": ("failure_message",),
}


def reference() -> str:
    """The page."""
    return "\n".join([_HEAD, *_parts(), *_errors()])


def documented() -> set[str]:
    """The names that have a place on the page."""
    return {name for names in _PARTS.values() for name in names} | {error.__name__ for error in _error_classes()}


def _parts() -> Iterator[str]:
    for heading, names in _PARTS.items():
        yield f"## {heading}\n"
        for name in names:
            yield from _entry(name, getattr(notion_pipeline, name))


def _entry(name: str, thing: Any) -> Iterator[str]:
    if not inspect.isclass(thing):
        yield f"### {name}\n"
        yield f"`{name}{_signature(thing)}`\n"
        yield _prose(thing)
        return
    yield f"### {name}\n"
    yield _prose(thing)
    settings = _settings(thing)
    if settings is not None:
        fields = [(key, field) for key, field in settings.model_fields.items() if field.description]
        if fields:
            yield "| setting | |"
            yield "| --- | --- |"
            yield from (f"| `{key}` | {_one_line(str(field.description))} |" for key, field in fields)
            yield ""
    for key, method in vars(thing).items():
        if inspect.isfunction(method) and not key.startswith("_") and method.__doc__ and key not in _HOOKS:
            yield f"`{name}.{key}{_signature(method)}`\n"
            yield _prose(method)


def _settings(thing: type) -> type[BaseModel] | None:
    """The model whose fields a person sets."""
    if issubclass(thing, dg.Component):
        return thing.get_model_cls()
    if issubclass(thing, (dg.ConfigurableResource, dg.ConfigurableIOManager)):
        return thing
    return None


#: What Dagster and pydantic call.
_HOOKS = {"model_post_init", "setup_for_execution", "yield_for_execution", "handle_output"}


def _errors() -> Iterator[str]:
    yield "## Errors\n"
    yield "Each says what happened, to which source and database, and what to do next.\n"
    yield "| error | is a | |"
    yield "| --- | --- | --- |"
    for error in _error_classes():
        yield f"| `{error.__name__}` | `{error.__bases__[0].__name__}` | {_one_line(_summary(error))} |"
    yield ""


def _error_classes() -> list[type[Exception]]:
    found = [getattr(notion_pipeline, name) for name in notion_pipeline.__all__]
    errors = [thing for thing in found if inspect.isclass(thing) and issubclass(thing, NotionPipelineError)]
    return sorted(errors, key=lambda error: (len(error.__mro__), error.__name__))


def _signature(thing: Any) -> str:
    """The parameters without `self`, each type without the path of its module."""
    shown = str(inspect.signature(thing))
    shown = re.sub(r"\b(?:\w+\.)+(?=\w)", "", shown.replace("'", ""))
    shown = re.sub(r"Optional\[([^\[\]]*)\]", r"\1 | None", shown)
    shown = re.sub(r"Union\[([^\[\]]*)\]", lambda found: found[1].replace(", ", " | "), shown)
    return re.sub(r"\(self(?:, )?", "(", shown)


def _prose(thing: Any) -> str:
    """A docstring as Markdown: its sections as lists."""
    lines = []
    for line in (inspect.getdoc(thing) or "").splitlines():
        entry = re.fullmatch(r"    (\w+): (.*)", line)
        if line.rstrip(":") in ("Args", "Raises", "Returns", "Attributes"):
            lines += [f"*{line.rstrip(':')}*", ""]
        elif entry:
            lines.append(f"- `{entry[1]}`: {entry[2]}")
        else:
            lines.append(f"  {line.strip()}" if line.startswith("    ") else line)
    return "\n".join(lines).rstrip() + "\n"


def _summary(thing: Any) -> str:
    return (inspect.getdoc(thing) or "").split("\n\n")[0]


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(reference())
