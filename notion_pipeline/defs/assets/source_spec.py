"""What the three assets that stand for a whole source have in common: `S/databases`, `S/sync` and `S/database`."""

from collections.abc import Callable, Mapping
from typing import Any, Optional

import dagster as dg

from notion_pipeline.config.sources import Source
from notion_pipeline.defs.asset_keys import AssetKeys
from notion_pipeline.defs.metadata import source_code
from notion_pipeline.project import Project


def source_spec(
    source: Source,
    project: Project,
    asset_keys: AssetKeys,
    name: str,
    *,
    description: str,
    maker: Callable[..., Any],
    metadata: Optional[Mapping[str, Any]] = None,  # noqa: UP045
    **more: Any,
) -> dg.AssetSpec:
    """An asset of the source, as its host wants it.

    Args:
        name: Its name among the assets of the source.
        maker: Who makes it, for the way to the code.
        more: What only this asset has.
    """
    described = f"{source.description}\n\n" if source.description else ""
    spec = dg.AssetSpec(
        dg.AssetKey([source.name, name]),
        description=described + description,
        skippable=True,
        group_name=source.name,
        owners=list(source.owners),
        tags=dict(source.tags),
        kinds={"notion", "duckdb"},
        metadata={**(metadata or {}), **source_code(maker, project)},
        **more,
    )
    return asset_keys.spec(name, spec)
