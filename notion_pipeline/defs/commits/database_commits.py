"""Commits databases as their reads end, then takes the steps that follow: views, the copy, checks, failures."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

import dagster as dg

from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.catalog.load.commit import Committed
from notion_pipeline.catalog.read.current_tables import current_tables
from notion_pipeline.catalog.read.tables import publish
from notion_pipeline.config.sources import Source
from notion_pipeline.defs.asset_keys import AssetKeys
from notion_pipeline.defs.assets.tables import is_reported, materialization, note_tables
from notion_pipeline.defs.checks.table_checks import report_checks
from notion_pipeline.defs.commits.failed_assets import show_failed
from notion_pipeline.defs.commits.group_commit import commit_group
from notion_pipeline.defs.commits.listing_commit import follow_tables
from notion_pipeline.defs.dagster_internals import events_in_one_transaction
from notion_pipeline.defs.failures import FailedDatabase, database_reason, databases_failure
from notion_pipeline.defs.metadata import (
    current_metadata,
    has_changed,
    run_metadata,
    skipped_metadata,
    sync_metadata,
    table_metadata,
    usage_metadata,
    with_assets,
    without_columns,
)
from notion_pipeline.defs.runs.run_targets import RunTargets
from notion_pipeline.errors import CatalogError, NotionPipelineError
from notion_pipeline.extraction.extract import DatabaseExtract
from notion_pipeline.notion.limits.run_usage import RunUsage
from notion_pipeline.outside import shown_line
from notion_pipeline.redaction import traceback_text
from notion_pipeline.state.interface import State
from notion_pipeline.sync.estimate import requests_per_minute
from notion_pipeline.sync.reading import Reading
from notion_pipeline.sync.run.progress import Progress


@dataclass(frozen=True)
class AlreadyCommitted:
    """What the op hands over for an asset that it filled together with another."""


@dataclass(frozen=True)
class DatabaseReads:
    """What `S/database` hands over: databases that are still being read while the first ones are committed.

    Attributes:
        usage: What the reads take of the account's limit.
        incomplete: Why databases may be missing, where the listing was not complete.
    """

    source: Source
    reading: Reading
    progress: Progress
    targets: RunTargets
    usage: RunUsage
    asset_keys: AssetKeys
    publish_to: Optional[Path] = None  # noqa: UP045
    incomplete: Optional[NotionPipelineError] = None  # noqa: UP045

    def partition(self, database_id: str) -> str:
        """Key of the database's partition."""
        return self.targets.partitions.get(database_id, database_id)


@dataclass(frozen=True)
class LoadedDatabase:
    """Metadata of a committed database: that of its partition, and that of each of its tables by name."""

    partition: dict[str, Any]
    tables: dict[str, dict[str, Any]]

    def without_columns(self) -> "LoadedDatabase":
        """The same for events that need not repeat the columns."""
        return LoadedDatabase(
            without_columns(self.partition), {table: without_columns(found) for table, found in self.tables.items()}
        )


@dataclass
class CommitResults:
    """What came of the databases of a run, by id."""

    loaded: dict[str, LoadedDatabase] = field(default_factory=dict)
    failed: dict[str, FailedDatabase] = field(default_factory=dict)
    has_tables: bool = False


def store_databases(context: dg.OutputContext, catalog: Catalog, reads: DatabaseReads, state: Optional[State]) -> None:  # noqa: UP045
    """Commits databases as they finish, then takes the steps that follow.

    Raises:
        Failure: A database failed, or may be missing; the others are committed.
        CatalogError: Everything is committed, and the copy could not be published.
    """
    results = CommitResults()
    try:
        _commit_databases(context, catalog, reads, results)
        if results.loaded:
            follow_tables(context.log, catalog, reads.source)
        unpublished = _publish(catalog, reads.publish_to) if results.loaded else None
        step_fails = bool(results.failed) or reads.incomplete is not None or unpublished is not None
        tables = {table: metadata for found in results.loaded.values() for table, metadata in found.tables.items()}
        report_checks(context, reads.asset_keys, catalog, tables, step_fails=step_fails)
        if results.failed or reads.incomplete is not None:
            _raise_failure(reads, results, unpublished)
        if unpublished is not None:
            raise unpublished
    except BaseException:
        # Dagster logs the materializations of a run over keys at its end, but not where the step fails.
        _log_partitions(context, reads, _left_to_dagster(context, reads, results.loaded))
        show_failed(context.step_context, reads.asset_keys, reads.targets, committed=results.loaded)
        raise
    finally:
        if results.has_tables and state is not None:
            note_tables(catalog, state, reads.source.name, run=context.step_context.dagster_run, log=context.log)
    unchanged = sum(not has_changed(found.partition) for found in results.loaded.values())
    context.log.info(f"{len(results.loaded):,} databases synced, {unchanged:,} of them unchanged.")
    _add_run_metadata(context, reads, results)


def _commit_databases(
    context: dg.OutputContext, catalog: Catalog, reads: DatabaseReads, results: CommitResults
) -> None:
    """Commits each database in a transaction, those without changes in one, and reports a group together."""
    for group in reads.reading:
        done: list[tuple[DatabaseExtract, Committed]] = []
        try:
            # The catalog stays open for those of a group, and is free again when they are reported.
            with catalog.kept_open():
                for database, committed in commit_group(catalog, reads.source, group, context.run_id):
                    done.append((database, committed))
                    rows = sum(result.rows_read for _, result in committed)
                    reads.progress.finished(database.database_id, rows, failed=bool(database.failures))
        finally:
            with events_in_one_transaction(context.step_context.instance):
                for database, committed in done:
                    _report_database(context, catalog, reads, database, committed, results=results)


def _report_database(
    context: dg.OutputContext,
    catalog: Catalog,
    reads: DatabaseReads,
    database: DatabaseExtract,
    committed: Committed,
    *,
    results: CommitResults,
) -> None:
    """Reports a database, its failures and its tables: the end of the run, which names failures again, may be far."""
    for extract, result in committed:
        if not (result.rows_read or result.rows_removed or result.schema_changes):
            continue  # counted at the end of the run
        context.log.info(
            f'"{shown_line(database.title) or "Untitled"}" -> {result.table}: {result.rows_read:,} rows read, '
            f"{result.rows_inserted:,} inserted, {result.rows_updated:,} updated, "
            f"{result.rows_unchanged:,} unchanged, {result.rows_removed:,} removed "
            f"({extract.counts.api_requests:,} requests)"
        )
    loaded = _loaded(context, catalog, reads, database, committed)
    if database.failures:
        results.failed[database.database_id] = FailedDatabase(database.title, database.failures)
    elif loaded is not None:
        results.loaded[database.database_id] = loaded
        if not _left_to_dagster(context, reads, {database.database_id: loaded}):
            _log_partitions(context, reads, {database.database_id: loaded})
    for error in database.failures:
        reason = database_reason(database.title, error)
        context.log.error(reason if isinstance(error, NotionPipelineError) else f"{reason}\n{traceback_text(error)}")
    for table, metadata in loaded.tables.items() if loaded else ():
        context.log_event(materialization(reads.asset_keys, table, metadata))
    results.has_tables = results.has_tables or bool(loaded and loaded.tables)


def _loaded(
    context: dg.OutputContext, catalog: Catalog, reads: DatabaseReads, database: DatabaseExtract, results: Committed
) -> Optional[LoadedDatabase]:  # noqa: UP045
    """Metadata of a database; None where nothing of it is committed."""
    if results:
        by_table: dict[str, Committed] = {}
        for extract, result in results:
            by_table.setdefault(_bare(result.table), []).append((extract, result))
        partition = reads.partition(database.database_id)
        tables = {
            table: table_metadata(
                database, sync_metadata(database, own), reads.asset_keys, own[0][0].data_source_name, partition
            )
            for table, own in by_table.items()
        }
        assets = {table: reads.asset_keys.key(table) for table in tables}
        loaded = LoadedDatabase(with_assets(sync_metadata(database, results), assets), tables)
        tells_columns = has_changed(loaded.partition) or "full" in str(loaded.partition["read"])
        return loaded if tells_columns else loaded.without_columns()
    if not database.already_committed or database.failures:
        return None
    return _loaded_before(context, catalog, reads, database)


def _loaded_before(
    context: dg.OutputContext, catalog: Catalog, reads: DatabaseReads, database: DatabaseExtract
) -> LoadedDatabase:
    """A database that an earlier attempt of this run committed, with the tables that it did not live to report."""
    source, partition = reads.source, reads.partition(database.database_id)
    current = catalog.read(lambda connection: current_tables(connection, source.name, database.database_id))
    unreported = {
        _bare(table.table): table_metadata(
            database, current_metadata(database, [(state, table)]), reads.asset_keys, "", partition
        )
        for state, table in current
        if not is_reported(context, reads.asset_keys.key(_bare(table.table)), state.last_sync_at)
    }
    return LoadedDatabase(skipped_metadata(database, current), unreported)


def _bare(table: str) -> str:
    """The table's name without its schema, which is the source's and has no dot."""
    return table.split(".", 1)[1]


def _left_to_dagster(
    context: dg.OutputContext, reads: DatabaseReads, loaded: dict[str, LoadedDatabase]
) -> dict[str, LoadedDatabase]:
    """Those whose partition the run was launched for: Dagster logs its materialization when the step succeeds."""
    launched = set(context.asset_partition_keys) if context.has_asset_partitions else set()
    return {key: found for key, found in loaded.items() if reads.targets.partitions.get(key) in launched}


def _log_partitions(context: dg.OutputContext, reads: DatabaseReads, loaded: dict[str, LoadedDatabase]) -> None:
    asset = reads.asset_keys.database
    for key, found in loaded.items():
        if key in reads.targets.partitions:
            partition = reads.targets.partitions[key]
            context.log_event(dg.AssetMaterialization(asset, partition=partition, metadata=found.partition))


def _publish(catalog: Catalog, path: Optional[Path]) -> Optional[CatalogError]:  # noqa: UP045
    """Publishes the copy that sources.yaml asks for; the error is returned, since databases that failed come first."""
    try:
        if path is not None:
            publish(catalog, path)
    except CatalogError as error:
        return error
    return None


def _raise_failure(reads: DatabaseReads, results: CommitResults, unpublished: Optional[CatalogError]) -> None:  # noqa: UP045
    # An exception that nobody foresaw is the cause, so that Dagster's event holds its traceback.
    errors = [error for database in results.failed.values() for error in database.errors]
    unforeseen = next((error for error in errors if not isinstance(error, NotionPipelineError)), None)
    others = [error for error in (reads.incomplete, unpublished) if error is not None]
    partitions = reads.targets.partitions
    raise databases_failure(reads.asset_keys, results.failed, partitions, len(results.loaded), others) from unforeseen


def _add_run_metadata(context: dg.OutputContext, reads: DatabaseReads, results: CommitResults) -> None:
    if not context.has_asset_partitions:
        partitions = [found.partition for found in results.loaded.values()]
        context.add_output_metadata(
            {**run_metadata(partitions), **usage_metadata(reads.usage, requests_per_minute(reads.source.limits))}
        )
        return
    for key, found in _left_to_dagster(context, reads, results.loaded).items():
        partition = reads.targets.partitions[key]
        context.step_context.add_asset_metadata(found.partition, asset_key=context.asset_key, partition_key=partition)
