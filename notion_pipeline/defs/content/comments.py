"""The asset `S/comments`: open comments of the pages whose content is read; commits them page by page, in batches."""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any, Optional

import dagster as dg
import duckdb

from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.catalog.content.comments import (
    remove_comments_of_gone_pages,
    write_comments,
)
from notion_pipeline.catalog.content.due.comments import CommentTarget, comment_targets, comments_due, comments_rule
from notion_pipeline.catalog.content.tables.counts import ContentCounts
from notion_pipeline.config.sources import Source
from notion_pipeline.content.batches import Batches
from notion_pipeline.content.comments import PageComments, comments_weight, read_all_comments, read_page_comments
from notion_pipeline.content.pages import DuePage, PageResult
from notion_pipeline.content.reader import page_batches
from notion_pipeline.defs.asset_keys import AssetKeys
from notion_pipeline.defs.content.committing import commit_batches, content_failure, page_lines
from notion_pipeline.defs.content.reads import pages_of
from notion_pipeline.defs.content.unpartitioned import ContentRun, RefreshConfig, unpartitioned_asset
from notion_pipeline.defs.metadata import usage_metadata
from notion_pipeline.defs.resources import LoadedProject
from notion_pipeline.errors import NotPermittedError
from notion_pipeline.notion.client import NotionClient
from notion_pipeline.notion.limits.run_usage import RunUsage
from notion_pipeline.project import Project
from notion_pipeline.sync.estimate import requests_per_minute, seconds_for

NAME = "comments"
DESCRIPTION = (
    "The open comments on the pages whose content is read, by `discussion_id`. A page's comments are read again when "
    "it was edited, or when they are older than `comments_every`: a comment stamps nothing. Notion gives no resolved "
    "ones."
)
NOT_PERMITTED = (
    'The connection may not read comments; those read before stay. Give it the capability "Read comments" in its '
    "settings in Notion, or take `comments` out of sources.yaml."
)


@dataclass
class CommentReads:
    """What `S/comments` hands over: pages whose comments are still being read while the first ones are committed.

    Attributes:
        due: Pages to read, counted before the first request.
        batches: Ends by itself; to be entered.
    """

    source: Source
    asset_keys: AssetKeys
    targets: tuple[CommentTarget, ...]
    due: int
    batches: Batches[PageResult[PageComments]]
    usage: RunUsage = field(default_factory=RunUsage)


@dataclass
class _Outcome:
    """What came of a run."""

    counts: ContentCounts = field(default_factory=ContentCounts)
    pages: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)

    def metadata(self) -> dict[str, Any]:
        return {
            "pages_read": self.pages["read"],
            "pages_gone": self.pages["gone"],
            "pages_failed": len(self.failed),
            "comments_inserted": self.counts.inserted,
            "comments_updated": self.counts.updated,
            "comments_unchanged": self.counts.unchanged,
            "comments_removed": self.counts.removed,
        }


def comments_assets(
    source: Source,
    project: Project,
    asset_keys: AssetKeys,
    given: Optional[LoadedProject],  # noqa: UP045
) -> list[dg.AssetsDefinition]:
    """`S/comments`, where sources.yaml asks for comments."""
    if not source.reads_comments:
        return []
    return [
        unpartitioned_asset(
            source,
            project,
            asset_keys,
            given,
            name=NAME,
            description=DESCRIPTION,
            prepare=prepare_comments,
            config_class=RefreshConfig,
        )
    ]


def prepare_comments(run: ContentRun, config: RefreshConfig) -> CommentReads:
    """Counts the pages whose comments are due, says what they cost, and prepares the reads."""
    with run.catalog.reading() as connection:
        targets = comment_targets(connection, run.source, run.databases, refresh_all=config.refresh)
        due = comments_due(connection, targets)
    run.log(_cost(due, run.source))
    with_blocks = {target.scope.data_source_id: target.with_blocks for target in targets}

    async def pages() -> AsyncIterator[DuePage]:
        for target in targets if due.total() else ():
            rule = comments_rule(with_blocks=target.with_blocks)
            async for page in pages_of(run.catalog, target.scope, rule):
                yield page

    async def read(client: NotionClient, page: DuePage) -> PageComments:
        return await (read_all_comments if with_blocks[page.data_source_id] else read_page_comments)(client, page)

    usage = RunUsage()
    batches = page_batches(
        run.client,
        pages,
        read,
        workers=run.source.limits.concurrent_requests,
        usage=usage,
        wait_turn=run.wait_turn,
        weight=comments_weight,
    )
    return CommentReads(run.source, run.asset_keys, targets, due.total(), batches, usage)


def _cost(due: Counter[bool], source: Source) -> str:
    pages = due.total()
    line = f"The comments of {pages:,} pages are due: a request a page"
    if pages:
        least = timedelta(seconds=round(seconds_for(pages, source.limits)))
        line += f", {least} at the account's pace"
    if due[True]:
        line += (
            f". Of {due[True]:,} pages those on blocks are read too: a request more for each block, and its children"
        )
    return f"{line}."


def store_comments(context: dg.OutputContext, catalog: Catalog, reads: CommentReads) -> None:
    """Removes the comments of pages that are gone, then commits what is read.

    Raises:
        ContentError: Comments of some pages could not be read; the others are committed.
    """
    outcome = _Outcome()
    metadata: dict[str, Any] = {"pages_due": reads.due}
    _tidy(catalog, reads, outcome)
    try:
        commit_batches(
            reads.batches,
            lambda batch: _commit(catalog, reads.source, outcome, batch),
            total=reads.due,
            what="pages' comments",
            usage=reads.usage,
            log=context.log.info,
        )
    except NotPermittedError as error:
        context.log.warning(f"{NOT_PERMITTED} Notion said: {error.message}")
        metadata["comments_not_permitted"] = NOT_PERMITTED
    counts = outcome.counts
    context.log.info(
        f"Comments of {outcome.pages['read']:,} pages read, {counts.inserted:,} inserted, {counts.updated:,} updated, "
        f"{counts.unchanged:,} unchanged, {counts.removed:,} removed ({reads.usage.requests:,} requests)."
    )
    if outcome.failed:
        read = outcome.pages["read"]
        raise content_failure(reads.source.name, outcome.failed, read, "pages' comments", asset=NAME)
    usage = usage_metadata(reads.usage, requests_per_minute(reads.source.limits))
    context.add_output_metadata({**metadata, **outcome.metadata(), **usage})


def _tidy(catalog: Catalog, reads: CommentReads, outcome: _Outcome) -> None:
    if not reads.targets:
        return
    now = datetime.now(timezone.utc)

    def change(connection: duckdb.DuckDBPyConnection) -> int:
        return sum(
            remove_comments_of_gone_pages(
                connection,
                target.scope.table,
                target.scope.data_source_id,
                now,
                deleted_rows=reads.source.deleted_rows,
                id_column=target.scope.id_column,
            )
            for target in reads.targets
        )

    outcome.counts.removed += catalog.commit(change)


def _commit(catalog: Catalog, source: Source, outcome: _Outcome, batch: list[PageResult[PageComments]]) -> None:
    now = datetime.now(timezone.utc)
    counts = catalog.commit(
        lambda connection: write_comments(connection, source.name, batch, now, deleted_rows=source.deleted_rows)
    )
    outcome.counts.add(counts)
    outcome.pages["read"] += len(batch)
    outcome.pages["gone"] += sum(read.is_gone for read in batch)
    outcome.failed += page_lines([read for read in batch if read.error is not None])
