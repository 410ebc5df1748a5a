"""Commits the content of pages batch by batch, and reports each database as soon as its pages are committed."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

import dagster as dg
import duckdb

from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.catalog.content.chunks import write_chunks
from notion_pipeline.catalog.content.due.targets import ContentTarget
from notion_pipeline.catalog.content.page_content import (
    keep_paths,
    remove_gone,
    write_content,
)
from notion_pipeline.catalog.content.pages import ask_again
from notion_pipeline.catalog.content.tables.counts import ContentCounts
from notion_pipeline.content.pages import PageRead
from notion_pipeline.defs.asset_keys import AssetKeys
from notion_pipeline.defs.commits.listing_commit import follow_tables
from notion_pipeline.defs.content.checks import report_content_checks
from notion_pipeline.defs.content.chunks import add_missing_chunks, cut_pages, tidy_chunks
from notion_pipeline.defs.content.committing import commit_batches, content_failure, page_lines
from notion_pipeline.defs.content.reads import ContentReads
from notion_pipeline.defs.dagster_internals import plan_materializations
from notion_pipeline.defs.metadata import usage_metadata
from notion_pipeline.outside import shown_line
from notion_pipeline.sync.estimate import requests_per_minute


@dataclass
class _Database:
    """How far one database has come.

    Attributes:
        failed: A line for each page; its error holds all that was in reach when it was raised.
    """

    target: ContentTarget
    due: int
    counts: ContentCounts = field(default_factory=ContentCounts)
    read: int = 0
    truncated: int = 0
    not_shared: int = 0
    gone: int = 0
    chunked: int = 0
    failed: list[str] = field(default_factory=list)

    def add(self, read: PageRead) -> None:
        self.read += 1
        self.gone += read.is_gone
        if read.error is not None:
            self.failed += page_lines([read])
        if read.content is not None:
            self.truncated += read.content.truncated
            self.not_shared += bool(read.content.unknown_block_ids)

    def metadata(self) -> dict[str, Any]:
        return {
            "database_title": shown_line(self.target.title) or "Untitled",
            "pages_due": self.due,
            "pages_read": self.read,
            "pages_inserted": self.counts.inserted,
            "pages_updated": self.counts.updated,
            "pages_unchanged": self.counts.unchanged,
            "pages_removed": self.counts.removed,
            "pages_gone": self.gone,
            "pages_failed": len(self.failed),
            "pages_cut_into_chunks": self.chunked,
            "pages_truncated": self.truncated,
            "pages_with_parts_not_shared": self.not_shared,
        }


def store_content(context: dg.OutputContext, catalog: Catalog, reads: ContentReads) -> None:
    """Commits what is read; then removes the content of pages that are gone.

    Raises:
        ContentError: Pages could not be read; the others are committed.
    """
    asset_keys = reads.asset_keys
    databases = {target.id: _Database(target, reads.due[target.id]) for target in reads.targets}
    _tidy(catalog, reads, databases)
    reported: set[str] = set()

    def commit(batch: list[PageRead]) -> None:
        _commit(catalog, reads, databases, batch)
        _report(context, catalog, asset_keys, databases, reported)

    try:
        _report(context, catalog, asset_keys, databases, reported)
        commit_batches(
            reads.batches,
            commit,
            total=sum(reads.due.values()),
            what="pages",
            usage=reads.usage,
            log=context.log.info,
        )
        # Pages that were edited between the count and the read are fewer or more than were counted.
        _report(context, catalog, asset_keys, databases, reported, all_are_read=True)
    except BaseException:
        left_over = [database.target.partition for key, database in databases.items() if key not in reported]
        _plan_again(context, asset_keys, left_over)
        raise
    follow_tables(context.log, catalog, reads.source)
    changed = any(found.counts.inserted or found.counts.updated or found.counts.removed for found in databases.values())
    step_fails = any(found.failed for found in databases.values())
    report_content_checks(context, asset_keys, catalog, reads.source, changed=changed, step_fails=step_fails)
    _finish(context, asset_keys, reads, list(databases.values()))


def _tidy(catalog: Catalog, reads: ContentReads, databases: dict[str, _Database]) -> None:
    now = datetime.now(timezone.utc)

    def change(connection: duckdb.DuckDBPyConnection) -> Counter[str]:
        removed: Counter[str] = Counter()
        for key, database in databases.items():
            for scope in database.target.scopes:
                keep_paths(connection, scope, now)
                removed[key] += remove_gone(
                    connection,
                    scope.table,
                    scope.data_source_id,
                    now,
                    deleted_rows=reads.source.deleted_rows,
                    id_column=scope.id_column,
                )
        tidy_chunks(connection, reads)
        return removed

    for key, removed in catalog.commit(change).items():
        databases[key].counts.removed += removed


def _commit(catalog: Catalog, reads: ContentReads, databases: dict[str, _Database], batch: list[PageRead]) -> None:
    by_database: dict[str, list[PageRead]] = {}
    for read in batch:
        by_database.setdefault(read.page.database_id, []).append(read)
    source, now = reads.source.name, datetime.now(timezone.utc)
    settings = {key: chunks for key, found in databases.items() if (chunks := found.target.content.chunks) is not None}
    cut = cut_pages(catalog, source, batch, settings)

    def change(connection: duckdb.DuckDBPyConnection) -> tuple[dict[str, ContentCounts], dict[str, int]]:
        counts = {
            key: write_content(connection, source, found, now, deleted_rows=reads.source.deleted_rows)
            for key, found in by_database.items()
        }
        chunked = {key: write_chunks(connection, source, pages) for key, pages in cut.items()}
        ask_again(connection, source, [read.page.page_id for read in by_database.get("", ()) if read.is_gone])
        return counts, chunked

    counts, chunked = catalog.commit(change)
    for key, found in by_database.items():
        databases[key].counts.add(counts[key])
        databases[key].chunked += chunked.get(key, 0)
        for read in found:
            databases[key].add(read)


def _report(
    context: dg.OutputContext,
    catalog: Catalog,
    asset_keys: AssetKeys,
    databases: dict[str, _Database],
    reported: set[str],
    *,
    all_are_read: bool = False,
) -> None:
    launched = set(context.asset_partition_keys) if context.has_asset_partitions else set()
    for key, database in databases.items():
        if key in reported or not (all_are_read or (database.read >= database.due and not database.failed)):
            continue
        database.chunked += add_missing_chunks(catalog, asset_keys.source, database.target)
        if database.failed:
            continue
        reported.add(key)
        if database.target.partition and database.target.partition not in launched:
            context.log_event(
                dg.AssetMaterialization(
                    asset_keys.key(asset_keys.free_name("page_content")),
                    partition=database.target.partition,
                    metadata=database.metadata(),
                )
            )


def _finish(context: dg.OutputContext, asset_keys: AssetKeys, reads: ContentReads, databases: list[_Database]) -> None:
    totals: Counter[str] = Counter()
    for database in databases:
        totals.update({key: value for key, value in database.metadata().items() if isinstance(value, int)})
    context.log.info(
        f"{totals['pages_read']:,} pages read, {totals['pages_inserted']:,} inserted, {totals['pages_updated']:,} "
        f"updated, {totals['pages_unchanged']:,} unchanged, {totals['pages_removed']:,} removed "
        f"({reads.usage.requests:,} requests)."
    )
    failed = [line for database in databases for line in database.failed]
    if failed:
        partitions = [database.target.partition for database in databases if database.failed]
        _plan_again(context, asset_keys, partitions)
        raise content_failure(reads.source.name, failed, totals["pages_read"], "pages", asset="page_content")
    usage = usage_metadata(reads.usage, requests_per_minute(reads.source.limits))
    if not context.has_asset_partitions:
        context.add_output_metadata({**totals, **usage})
        return
    by_partition = {database.target.partition: database for database in databases}
    for partition in context.asset_partition_keys:
        if (found := by_partition.get(partition)) is not None:
            context.step_context.add_asset_metadata(
                found.metadata(), asset_key=context.asset_key, partition_key=partition
            )


def _plan_again(context: dg.OutputContext, asset_keys: AssetKeys, partitions: list[str]) -> None:
    """Shows partitions as failed; pages that are in no database have none."""
    key = asset_keys.key(asset_keys.free_name("page_content"))
    plan_materializations(context.step_context, key, [partition for partition in partitions if partition])
