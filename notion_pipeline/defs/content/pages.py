"""The asset `S/pages`: the pages that are in no database. `S/content` reads their content, after it in the same run."""

import asyncio
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Optional

import dagster as dg
from pydantic import Field

from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.catalog.content.pages import PagesState, pages_state, rows_among, write_pages
from notion_pipeline.config.sources import Source
from notion_pipeline.content.page_finder import FoundPages, KnownPages, find_pages
from notion_pipeline.defs.asset_keys import AssetKeys
from notion_pipeline.defs.failures import as_failure
from notion_pipeline.defs.resources import CatalogResource, LoadedProject, NotionResource, ResourceKeys
from notion_pipeline.defs.source_spec import source_spec
from notion_pipeline.notion.turns import Turns
from notion_pipeline.project import Project

PAGES = "pages"
DESCRIPTION = (
    "The pages that are in no database, with their path. Notion's search lists them with every row, 100 to a request: "
    "all of it once in `refresh_every`, and in between what was edited since the last search."
)
#: Pages that failed and are named, each with its reason; the rest are counted.
MOST_NAMED = 20


class PagesConfig(dg.Config):
    """What one run does otherwise than sources.yaml says."""

    search_all: bool = Field(
        default=False, description="Search all pages again, not those alone that were edited since the last search."
    )


@dataclass(frozen=True)
class StandalonePages:
    """What `S/pages` hands over: all that one run found."""

    source: Source
    found: FoundPages


def pages_asset(
    source: Source,
    project: Project,
    asset_keys: AssetKeys,
    given: Optional[LoadedProject],  # noqa: UP045
) -> dg.AssetsDefinition:
    """The asset `S/pages`."""
    name, keys = source.name, ResourceKeys(source.name)
    spec = source_spec(
        source, project, asset_keys, asset_keys.free_name(PAGES), description=DESCRIPTION, maker=pages_asset
    )

    @dg.multi_asset(
        name=f"{name}__pages",
        specs=[spec.replace_attributes(key=PAGES).with_io_manager_key(keys.io_manager)],
        required_resource_keys={keys.notion, keys.catalog},
        # First: the run reads their content. No dependency, since content does not wait for a search that fails.
        op_tags={"dagster/priority": "1"},
    )
    def find(context: dg.AssetExecutionContext, config: PagesConfig) -> Iterator[dg.Output[StandalonePages]]:
        notion: NotionResource = getattr(context.resources, keys.notion)
        catalog_resource: CatalogResource = getattr(context.resources, keys.catalog)
        with as_failure():
            loaded, catalog = notion.load(given), catalog_resource.catalog(context.log.warning)
            current = loaded.source(name)
            found = _find(context, loaded, catalog, current, search_all=config.search_all)
        yield dg.Output(StandalonePages(current, found), output_name=PAGES)

    return find.with_attributes(asset_key_replacements={dg.AssetKey(PAGES): spec.key})


def _find(
    context: dg.AssetExecutionContext, loaded: LoadedProject, catalog: Catalog, source: Source, *, search_all: bool
) -> FoundPages:
    log, turns = context.log.info, Turns(loaded.state, loaded.account(source))
    with catalog.reading() as connection:
        state = pages_state(connection, source.name)
    is_whole = search_all or _is_old(source, state)
    log(
        "All pages are searched."
        if is_whole
        else f"Pages edited since {state.searched_at:%Y-%m-%d %H:%M} are searched."
    )

    async def rows(ids: Collection[str]) -> set[str]:
        def among() -> set[str]:
            with catalog.reading() as connection:
                return rows_among(connection, source.name, ids)

        return await asyncio.to_thread(among)

    async def find() -> FoundPages:
        async with loaded.client(source, log) as client:
            return await find_pages(
                client,
                KnownPages(state.pages, state.named, state.hidden, None if is_whole else state.searched_at, rows),
                workers=source.limits.concurrent_requests,
                wait_turn=lambda: turns.wait_for_tables(log),
                log=log,
            )

    return asyncio.run(find())


def _is_old(source: Source, state: PagesState) -> bool:
    """Whether the last search of all is older than content may become."""
    if state.searched_at is None or state.whole_at is None:
        return True
    age = source.content.refresh_every if source.content is not None else None
    return age is not None and state.whole_at < datetime.now(timezone.utc) - age


def store_pages(context: dg.OutputContext, catalog: Catalog, pages: StandalonePages) -> None:
    """Commits what was found. What failed is named and asked for again by the next run: content need not wait for it.

    Raises:
        NotionError: The search did not come to its end; what it showed is committed.
    """
    found, source = pages.found, pages.source
    now = datetime.now(timezone.utc)
    counts = catalog.commit(
        lambda connection: write_pages(connection, source.name, found, now, deleted_rows=source.deleted_rows)
    )
    metadata = {
        "pages_found": len(found.pages),
        "pages_inserted": counts.inserted,
        "pages_updated": counts.updated,
        "pages_unchanged": counts.unchanged,
        "pages_removed": counts.removed,
        "pages_failed": len(found.errors),
        "searched_all": found.is_whole,
        "api_requests": found.requests,
    }
    context.log.info(
        f"{len(found.pages):,} pages in no database found, {counts.inserted:,} inserted, {counts.updated:,} updated, "
        f"{counts.removed:,} removed ({found.requests:,} requests)."
    )
    for page_id, error in list(found.errors.items())[:MOST_NAMED]:
        context.log.error(f"Page {page_id} could not be read, and is asked for again by the next run: {error}")
    if (more := len(found.errors) - MOST_NAMED) > 0:
        context.log.error(f"{more:,} more pages could not be read.")
    if found.search_error is not None:
        raise found.search_error
    context.add_output_metadata(metadata)
