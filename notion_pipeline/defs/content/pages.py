"""The asset `S/pages`: the pages that are in no database. `S/content` reads their content, after it in the same run."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Optional

import dagster as dg
from pydantic import Field

from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.catalog.content.pages import pages_state, rows_among, write_pages
from notion_pipeline.config.sources import Source
from notion_pipeline.content.page_finder import FoundPages, KnownPages, find_pages
from notion_pipeline.defs.asset_keys import AssetKeys
from notion_pipeline.defs.content.committing import MOST_NAMED
from notion_pipeline.defs.content.unpartitioned import ContentRun, unpartitioned_asset
from notion_pipeline.defs.resources import LoadedProject
from notion_pipeline.project import Project

PAGES = "pages"
DESCRIPTION = (
    "The pages that are in no database, with their path. Notion's search lists them with every row, 100 to a request: "
    "all of it once in `refresh_every`, and in between what was edited since the last search."
)


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
    return unpartitioned_asset(
        source,
        project,
        asset_keys,
        given,
        name=PAGES,
        description=DESCRIPTION,
        prepare=find_standalone_pages,
        config_class=PagesConfig,
        # First: the run reads their content. No dependency, since content does not wait for a search that fails.
        op_tags={"dagster/priority": "1"},
    )


def find_standalone_pages(run: ContentRun, config: PagesConfig) -> StandalonePages:
    """Searches, and fetches what search does not show.

    Raises:
        AuthorizationError: The credential is refused.
        NotPermittedError: The connection may not read content.
    """
    source, catalog = run.source, run.catalog
    with catalog.reading() as connection:
        state = pages_state(connection, source.name)
    is_whole = config.search_all or state.is_old(source.content.refresh_every if source.content is not None else None)
    run.log(
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
        async with run.client() as client:
            return await find_pages(
                client,
                KnownPages(state.pages, state.named, state.hidden, None if is_whole else state.searched_at, rows),
                workers=source.limits.concurrent_requests,
                wait_turn=run.wait_turn,
                log=run.log,
            )

    return StandalonePages(source, asyncio.run(find()))


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
