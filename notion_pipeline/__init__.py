"""A company's Notion databases in a SQL catalog, and kept there: complete, exact, resumable.

The names in `__all__` are what other projects import; docs/api.md describes them. Each is loaded when it is first used,
so that `import notion_pipeline` is quick and changes nothing in the process.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from notion_pipeline.component.source_component import NotionSourceComponent
    from notion_pipeline.config.sources import load_sources
    from notion_pipeline.defs.build import build_definitions
    from notion_pipeline.defs.failures import failure_message
    from notion_pipeline.defs.io_manager import CatalogIOManager
    from notion_pipeline.defs.resources import CatalogResource, LoadedProject, NotionResource, ProgressResource
    from notion_pipeline.errors import (
        AuthorizationError,
        CatalogBusyError,
        CatalogError,
        CatalogMemoryError,
        ConfigError,
        ExtractionError,
        IncompleteExtractError,
        InvalidCursorError,
        InvalidIdError,
        NothingSharedError,
        NotionError,
        NotionInTrashError,
        NotionNotFoundError,
        NotionPipelineError,
        NotionRequestError,
        RetryableNotionError,
        StagingError,
        UnboundedAnswerError,
    )
    from notion_pipeline.project import Project, find_project

__all__ = [
    "AuthorizationError",
    "CatalogBusyError",
    "CatalogError",
    "CatalogIOManager",
    "CatalogMemoryError",
    "CatalogResource",
    "ConfigError",
    "ExtractionError",
    "IncompleteExtractError",
    "InvalidCursorError",
    "InvalidIdError",
    "LoadedProject",
    "NothingSharedError",
    "NotionError",
    "NotionInTrashError",
    "NotionNotFoundError",
    "NotionPipelineError",
    "NotionRequestError",
    "NotionResource",
    "NotionSourceComponent",
    "ProgressResource",
    "Project",
    "RetryableNotionError",
    "StagingError",
    "UnboundedAnswerError",
    "build_definitions",
    "failure_message",
    "find_project",
    "load_sources",
]

#: The module of each name.
_MODULES = {
    "build_definitions": "notion_pipeline.defs.build",
    "Project": "notion_pipeline.project",
    "find_project": "notion_pipeline.project",
    "load_sources": "notion_pipeline.config.sources",
    "CatalogResource": "notion_pipeline.defs.resources",
    "LoadedProject": "notion_pipeline.defs.resources",
    "NotionResource": "notion_pipeline.defs.resources",
    "NotionSourceComponent": "notion_pipeline.component.source_component",
    "ProgressResource": "notion_pipeline.defs.resources",
    "CatalogIOManager": "notion_pipeline.defs.io_manager",
    "failure_message": "notion_pipeline.defs.failures",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # The other names are those of the errors.
    value = getattr(import_module(_MODULES.get(name, "notion_pipeline.errors")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
