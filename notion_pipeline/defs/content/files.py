"""The asset `S/files`: hosted files of properties and content, downloaded before their addresses expire."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import partial
from typing import Any, Optional

import dagster as dg

from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.catalog.content.due.targets import ContentTarget, content_targets
from notion_pipeline.catalog.content.files.file_listing import FileCounts, list_files
from notion_pipeline.catalog.content.files.stored_files import (
    count_wanted,
    files_to_remove,
    note_removed,
    wanted_files,
    write_files,
)
from notion_pipeline.config.sources import Source
from notion_pipeline.content.batches import Batches
from notion_pipeline.content.file_reader import FileRead, PageFiles, file_batches
from notion_pipeline.content.files.file_keeping import Keeping
from notion_pipeline.content.files.file_stores import remove_stored
from notion_pipeline.defs.asset_keys import AssetKeys
from notion_pipeline.defs.content.committing import commit_batches, content_failure
from notion_pipeline.defs.content.reads import keepings
from notion_pipeline.defs.content.unpartitioned import ContentRun, NoConfig, unpartitioned_asset
from notion_pipeline.defs.metadata import usage_metadata
from notion_pipeline.defs.resources import LoadedProject
from notion_pipeline.notion.downloads import DownloadUsage
from notion_pipeline.notion.limits.run_usage import RunUsage
from notion_pipeline.outside import shown_line
from notion_pipeline.project import Project
from notion_pipeline.sync.estimate import requests_per_minute

FILES = "files"
DESCRIPTION = (
    "The files that Notion hosts, of properties, icons, covers and content, kept where `download_to` says. Each is "
    "downloaded once. A page that names one which is not kept yet is read again, since addresses expire."
)


@dataclass
class FileReads:
    """What `S/files` hands over: files that are still being downloaded while the first ones are committed.

    Attributes:
        targets: Whose files are kept, and how.
        batches: Ends by itself; to be entered after the files are listed.
        project: Relative folders begin at its root; its variables hold the key of a bucket.
    """

    source: Source
    targets: tuple[tuple[ContentTarget, Keeping], ...]
    batches: Batches[FileRead]
    project: Project
    usage: RunUsage = field(default_factory=RunUsage)
    download_usage: DownloadUsage = field(default_factory=DownloadUsage)


def files_asset(
    source: Source,
    project: Project,
    asset_keys: AssetKeys,
    given: Optional[LoadedProject],  # noqa: UP045
) -> dg.AssetsDefinition:
    """The asset `S/files`."""
    return unpartitioned_asset(
        source,
        project,
        asset_keys,
        given,
        name=FILES,
        description=DESCRIPTION,
        prepare=prepare_files,
        config_class=NoConfig,
        # Last: content names files. No dependency, since a page that fails keeps no file from being downloaded.
        op_tags={"dagster/priority": "-1"},
    )


def prepare_files(run: ContentRun, _: NoConfig) -> FileReads:
    """Prepares the downloads.

    Raises:
        ConfigError: Files are to go to S3, and what that takes is not installed.
    """
    source, project = run.source, run.loaded.project
    with run.catalog.reading() as connection:
        found = content_targets(connection, source, run.databases, standalone_pages=source.reads_standalone_pages)
    kept = keepings(found, project)
    targets = tuple((target, kept[target.id]) for target in found if target.id in kept)
    usage, download_usage = RunUsage(), DownloadUsage()
    batches = file_batches(
        run.client,
        lambda: _pages(run.catalog, targets),
        source=source.name,
        workers=source.limits.concurrent_requests,
        usage=usage,
        download_usage=download_usage,
        wait_turn=run.wait_turn,
    )
    return FileReads(source, targets, batches, project, usage, download_usage)


async def _pages(catalog: Catalog, targets: Sequence[tuple[ContentTarget, Keeping]]) -> AsyncIterator[PageFiles]:
    for target, keeping in targets:
        for scope in target.scopes:

            def fetch(after: str, scope: Any = scope, keeping: Keeping = keeping) -> list[PageFiles]:
                with catalog.reading() as connection:
                    found = [] if connection is None else wanted_files(connection, scope, keeping.max_bytes, after)
                return [PageFiles(page_id, files, keeping) for page_id, files in found]

            after = ""
            while pages := await asyncio.to_thread(fetch, after):
                for page in pages:
                    yield page
                after = pages[-1].page_id


def store_files(context: dg.OutputContext, catalog: Catalog, reads: FileReads) -> None:
    """Lists the files, commits what is downloaded, then removes what no page names any more.

    Raises:
        ContentError: Files could not be downloaded; the others are kept.
    """
    counts, wanted = _list(catalog, reads)
    context.log.info(f"{counts.listed:,} files; {wanted:,} of them are to be downloaded.")
    came, failed, too_large = 0, list[str](), 0

    def commit(batch: list[FileRead]) -> None:
        nonlocal came, too_large
        catalog.commit(partial(write_files, source=reads.source.name, reads=batch, now=datetime.now(timezone.utc)))
        came += sum(read.stored is not None for read in batch)
        too_large += sum(read.size is not None for read in batch)
        failed.extend(
            f'"{shown_line(read.file.name)}" of page {read.page_id}: {read.reason}'
            for read in batch
            if read.stored is None and read.size is None
        )

    commit_batches(reads.batches, commit, total=wanted, what="files", usage=reads.usage, log=context.log.info)
    removed = _remove(catalog, reads)
    if failed:
        done = came + too_large + len(failed)
        raise content_failure(reads.source.name, failed, done, "files", asset=FILES, verb="downloaded")
    context.add_output_metadata(
        {
            "files_listed": counts.listed,
            "files_added": counts.added,
            "files_downloaded": came,
            "files_too_large": too_large,
            "rows_removed": counts.removed,
            "files_removed": removed,
            "downloads": reads.download_usage.requests,
            "bytes_downloaded": reads.download_usage.bytes,
            **usage_metadata(reads.usage, requests_per_minute(reads.source.limits)),
        }
    )


def _list(catalog: Catalog, reads: FileReads) -> tuple[FileCounts, int]:
    total, wanted, now = FileCounts(), 0, datetime.now(timezone.utc)
    for target, keeping in reads.targets:
        for scope in target.scopes:
            counts = catalog.commit(partial(list_files, scope=scope, now=now, deleted_rows=reads.source.deleted_rows))
            with catalog.reading() as connection:
                wanted += 0 if connection is None else count_wanted(connection, scope, keeping.max_bytes)
            total.listed += counts.listed
            total.added += counts.added
            total.removed += counts.removed
    return total, wanted


def _remove(catalog: Catalog, reads: FileReads) -> int:
    with catalog.reading() as connection:
        paths = files_to_remove(connection, reads.source.name)
    if paths:
        asyncio.run(remove_stored(paths, reads.project))
        catalog.commit(lambda connection: note_removed(connection, reads.source.name, paths))
    return len(paths)
