"""Prepares the reads of page content: whose pages, under which settings, and which of them are due."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.catalog.content.due.pages import ContentScope, MakeRule, content_rule, count_due, due_pages
from notion_pipeline.catalog.content.due.targets import ContentTarget
from notion_pipeline.config.content import MEGABYTE
from notion_pipeline.config.sources import Source
from notion_pipeline.content.batches import Batches
from notion_pipeline.content.content_files import ContentWithFiles
from notion_pipeline.content.files.file_keeping import Keeping
from notion_pipeline.content.files.file_stores import open_store
from notion_pipeline.content.markdown import content_weight
from notion_pipeline.content.pages import DuePage, PageRead
from notion_pipeline.content.reader import page_batches
from notion_pipeline.defs.asset_keys import AssetKeys
from notion_pipeline.notion.client import NotionClient
from notion_pipeline.notion.limits.run_usage import RunUsage
from notion_pipeline.notion.limits.turns import Turns
from notion_pipeline.project import Project


@dataclass
class ContentReads:
    """What `S/page_content` hands over: pages that are still being read while the first ones are committed.

    Attributes:
        due: Pages to read, by database id, counted before the first request.
        batches: Ends by itself; to be entered.
    """

    source: Source
    asset_keys: AssetKeys
    targets: tuple[ContentTarget, ...]
    due: dict[str, int]
    batches: Batches[PageRead]
    usage: RunUsage = field(default_factory=RunUsage)


def keepings(targets: Sequence[ContentTarget], project: Project) -> dict[str, Keeping]:
    """Where files are kept, by database id, for the databases whose files are.

    Args:
        project: Relative folders begin at its root; its variables hold the key of a bucket.

    Raises:
        ConfigError: Files are to go to S3, and what that takes is not installed.
    """
    return {
        target.id: Keeping(open_store(files.download_to, project), files.max_megabytes * MEGABYTE)
        for target in targets
        if (files := target.content.files) is not None
    }


def start_reads(
    make_client: Callable[[], NotionClient],
    catalog: Catalog,
    source: Source,
    asset_keys: AssetKeys,
    targets: Sequence[ContentTarget],
    *,
    project: Project,
    turns: Turns,
    log: Callable[[str], None],
) -> ContentReads:
    """Counts what is due, and prepares its reads.

    Args:
        project: Relative folders begin at its root; its variables hold the key of a bucket.

    Raises:
        ConfigError: Files are to go to S3, and what that takes is not installed.
    """
    with catalog.reading() as connection:
        due = {
            target.id: sum(count_due(connection, scope) for scope in target.scopes) if connection is not None else 0
            for target in targets
        }
    usage, workers = RunUsage(), source.limits.concurrent_requests
    reader = ContentWithFiles(source.name, keepings(targets, project), connections=workers)

    async def pages() -> AsyncIterator[DuePage]:
        for target in targets:
            for scope in target.scopes if due[target.id] else ():
                async for page in pages_of(catalog, scope):
                    yield page

    batches = page_batches(
        lambda: reader.client(make_client),
        pages,
        reader.read,
        workers=workers,
        usage=usage,
        wait_turn=lambda: turns.wait_for_tables(log),
        weight=content_weight,
    )
    return ContentReads(source, asset_keys, tuple(targets), due, batches, usage)


async def pages_of(catalog: Catalog, scope: ContentScope, make_rule: MakeRule = content_rule) -> AsyncIterator[DuePage]:
    """The pages of a table that are due, fetched a few thousand at a time.

    Args:
        make_rule: Says what makes a page due.
    """

    def fetch(after: str) -> list[DuePage]:
        with catalog.reading() as connection:
            return due_pages(connection, scope, after, make_rule=make_rule) if connection is not None else []

    after = ""
    while pages := await asyncio.to_thread(fetch, after):
        for page in pages:
            yield page
        after = pages[-1].page_id
