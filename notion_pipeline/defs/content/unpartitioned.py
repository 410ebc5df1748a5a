"""Assets of content without partitions: each of its own op, which prepares reads and hands them to the IO manager."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Optional, TypeVar

import dagster as dg
from pydantic import Field

from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.catalog.listing.resolved import resolution_of_catalog
from notion_pipeline.config.sources import Source
from notion_pipeline.defs.asset_keys import AssetKeys
from notion_pipeline.defs.assets.source_spec import source_spec
from notion_pipeline.defs.failures import as_failure
from notion_pipeline.defs.resources import CatalogResource, LoadedProject, NotionResource, ResourceKeys
from notion_pipeline.listing.listed import KnownDatabase
from notion_pipeline.notion.client import NotionClient
from notion_pipeline.notion.limits.turns import Turns
from notion_pipeline.project import Project

Config = TypeVar("Config", bound=dg.Config)


class NoConfig(dg.Config):
    """Of an asset whose runs are all alike."""


class RefreshConfig(dg.Config):
    """What one run does otherwise than sources.yaml says."""

    refresh: bool = Field(default=False, description="Read everything again, however new it is.")


@dataclass(frozen=True)
class ContentRun:
    """What an op of content works with.

    Attributes:
        source: As sources.yaml has it now, with what its names mean.
        databases: Those that sources.yaml selects.
    """

    source: Source
    databases: tuple[KnownDatabase, ...]
    catalog: Catalog
    asset_keys: AssetKeys
    turns: Turns
    log: Callable[[str], None]
    loaded: LoadedProject

    def client(self) -> NotionClient:
        """A client, to be entered."""
        return self.loaded.client(self.source, self.log)

    async def wait_turn(self) -> None:
        """Waits until no tables of the account are being read."""
        await self.turns.wait_for_tables(self.log)


def unpartitioned_asset(
    source: Source,
    project: Project,
    asset_keys: AssetKeys,
    given: Optional[LoadedProject],  # noqa: UP045
    *,
    name: str,
    description: str,
    prepare: Callable[[ContentRun, Config], Any],
    config_class: type[Config],
    op_tags: Optional[Mapping[str, Any]] = None,  # noqa: UP045
) -> dg.AssetsDefinition:
    """`S/<name>`, filled by the op `S__<name>`.

    Args:
        given: The sources to run with; None has each run read sources.yaml anew.
        prepare: Prepares the reads, or makes them; what it returns is committed by the IO manager.
        config_class: What one run may be told, for `prepare`.
    """
    keys = ResourceKeys(source.name)
    spec = source_spec(source, project, asset_keys, asset_keys.free_name(name), description=description, maker=prepare)

    @dg.multi_asset(
        name=f"{source.name}__{name}",
        specs=[spec.replace_attributes(key=name).with_io_manager_key(keys.io_manager)],
        can_subset=True,
        required_resource_keys={keys.notion, keys.catalog},
        op_tags=op_tags,
    )
    def read(context: dg.AssetExecutionContext, config: config_class) -> Iterator[dg.Output[Any]]:  # type: ignore[valid-type]
        notion: NotionResource = getattr(context.resources, keys.notion)
        catalog_resource: CatalogResource = getattr(context.resources, keys.catalog)
        with as_failure():
            loaded = notion.load(given)
            catalog = catalog_resource.catalog(context.log.warning)
            with catalog.reading() as connection:
                resolution, known = resolution_of_catalog(connection, loaded.source(source.name))
            current = resolution.source
            reads = prepare(
                ContentRun(
                    current,
                    tuple(database for database in known.values() if database.selected),
                    catalog,
                    asset_keys,
                    Turns(loaded.state, loaded.account(current)),
                    context.log.info,
                    loaded,
                ),
                config,
            )
        yield dg.Output(reads, output_name=name)

    return read.with_attributes(asset_key_replacements={dg.AssetKey(name): spec.key})
