"""Hands finished reads to the catalog and tables to downstream assets; says to Dagster what landed and what failed."""

import typing
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
from pydantic import Field

from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.catalog.databases import ListedStream, write_databases
from notion_pipeline.catalog.load.commit import commit_database
from notion_pipeline.catalog.memory import few_collections
from notion_pipeline.catalog.read.current_tables import current_tables
from notion_pipeline.catalog.read.gone import gone_databases
from notion_pipeline.catalog.read.tables import publish, read_tables, tables_of_database
from notion_pipeline.catalog.resolved import keep_names
from notion_pipeline.catalog.sql import columns_of
from notion_pipeline.catalog.views.flat_views import keep_views
from notion_pipeline.config.sources import Source
from notion_pipeline.defs.checks import report_checks
from notion_pipeline.defs.metadata import (
    current_metadata,
    listing_metadata,
    partition_path,
    skipped_metadata,
    sync_metadata,
    table_metadata,
)
from notion_pipeline.defs.resources import CatalogResource
from notion_pipeline.defs.run_locks import shows_life
from notion_pipeline.defs.tables import materialization, note_tables, table_changes, table_key
from notion_pipeline.errors import CatalogError, NotionPipelineError, StagingError
from notion_pipeline.extraction.extract import DatabaseExtract, Extract, LoadResult
from notion_pipeline.extraction.progress import Progress
from notion_pipeline.listing.databases import Listing
from notion_pipeline.listing.resolution import Resolution
from notion_pipeline.notion_ids import normalise_id
from notion_pipeline.outside import markdown_link, markdown_text, shown, shown_line
from notion_pipeline.redaction import traceback_text


@dataclass
class ListingHandover:
    """A listing on its way into the catalog; `streams` is filled when it is there.

    Attributes:
        resolution: What the names in sources.yaml mean.
    """

    source: Source
    listing: Listing
    resolution: Resolution
    streams: list[ListedStream] = field(default_factory=list)

    def failures(self) -> list[NotionPipelineError]:
        """Why databases, or search, could not be looked at."""
        found = [failure.error for failure in self.listing.failures]
        return [*found, self.listing.search_error] if self.listing.search_error else found


@dataclass
class ReadsHandover:
    """Reads on their way into the catalog, those together that are whole at the same time.

    `incomplete` says why databases may be missing among them, since the listing was not complete.
    """

    source: Source
    reads: Generator[list[DatabaseExtract], None, None]
    progress: Progress
    publish_to: Path | None = None
    incomplete: NotionPipelineError | None = None


@dataclass
class LoadedDatabase:
    """What a partition shows of a database that landed, and what each of its tables does, by table name."""

    partition: dict[str, Any]
    tables: dict[str, dict[str, Any]]


class CatalogIOManager(dg.ConfigurableIOManager):
    """Commits each database in a transaction of its own; the catalog is open while whole reads wait for that."""

    catalog: dg.ResourceDependency[CatalogResource]
    home: str = Field(default="", description="Folder of the lock by which a run shows that its process lives.")

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["CatalogIOManager"]:
        """For as long as a run has its IO manager it shows that its process lives."""
        if context.run is None or not self.home:
            yield self
            return
        with shows_life(Path(self.home), context.run.run_id):
            yield self

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        catalog = self.catalog.catalog(context.log.warning)
        try:
            if isinstance(obj, ListingHandover):
                self._land_listing(context, catalog, obj)
            else:
                with few_collections():
                    self._land_reads(context, catalog, obj)
        except NotionPipelineError as error:
            raise dg.Failure(str(error)) from None

    def load_input(self, context: dg.InputContext) -> Any:
        """A table as pyarrow, polars or pandas, by the input's annotation; pyarrow where there is none.

        Several tables, of several partitions or data sources, come as one, united by column name with the table's name
        in `_table`; annotated as a dict, one each by partition key. Input metadata `{"table": name}` picks one.
        """
        try:
            return self._load(context)
        except NotionPipelineError as error:
            raise dg.Failure(str(error)) from None

    def _load(self, context: dg.InputContext) -> Any:
        wanted = context.dagster_type.typing_type
        source, asset = context.asset_key.path
        catalog = self.catalog.catalog(context.log.warning if context.log else _silent)
        by_key: dict[str, list[str]]
        with catalog.reading() as connection:
            if asset == "databases" or not context.has_asset_partitions:
                by_key = {"": [f"{asset}"]}
            else:
                by_key = {key: tables_of_database(connection, source, key) for key in context.asset_partition_keys}
            if (only := (context.definition_metadata or {}).get("table")) is not None:
                by_key = {key: [name for name in names if name == only] for key, names in by_key.items()}
            if wanted is dict or typing.get_origin(wanted) is dict:
                kind = (typing.get_args(wanted) or (str, None))[1]
                return {key: _shaped(read_tables(connection, source, names), kind) for key, names in by_key.items()}
            names = [name for found in by_key.values() for name in found]
            return _shaped(read_tables(connection, source, names), wanted)

    def _land_listing(self, context: dg.OutputContext, catalog: Catalog, handover: ListingHandover) -> None:
        with catalog.writing() as connection:
            handover.streams = write_databases(
                connection, handover.source, handover.listing, datetime.now(timezone.utc), context.log.warning
            )
            keep_names(connection, handover.source.name, handover.resolution.names)
            columns = columns_of(connection, (handover.source.name, "databases"))
            gone = gone_databases(connection, handover.source.name)
        _keep_views(context, catalog, handover.source)
        for database in gone:
            # Once as news, and by name in the metadata of every listing.
            if database.id in handover.listing.retired:
                context.log.warning(f"{database.describe()}.")
        context.add_output_metadata(
            listing_metadata(
                handover.source.name,
                handover.streams,
                columns,
                api_requests=handover.listing.api_requests,
                unmatched=[str(entry) for entry in handover.resolution.unmatched],
                renamed=handover.resolution.renamed,
                gone=gone,
                failures=[str(error) for error in handover.failures()],
            )
        )
        if self.home:
            for event in table_changes(context, catalog, Path(self.home), handover.source.name):
                context.log_event(event)

    def _land_reads(self, context: dg.OutputContext, catalog: Catalog, handover: ReadsHandover) -> None:
        # A run launched without a partition: Dagster logs no key's materialization, so each is said at once. Of a
        # run over keys Dagster says so itself at the end, unless the run fails.
        at_once = not context.has_asset_partitions
        landed: dict[str, LoadedDatabase] = {}
        failed: dict[str, tuple[str, list[Exception]]] = {}
        tables_came = False
        try:
            for database in _each(handover.reads, catalog):
                found = self._land_database(context, catalog, handover.source, database)
                rows = found.partition.get("rows_read", 0) if found else 0
                handover.progress.finished(database.database_id, rows, failed=bool(database.failures))
                if database.failures:
                    failed[database.database_id] = (database.title, database.failures)
                elif found is not None:
                    landed[database.database_id] = found
                    _materialize(context, {database.database_id: found} if at_once else {})
                _tell(context, handover.source.name, database, found)
                tables_came = tables_came or bool(found and found.tables)
            if landed:
                _keep_views(context, catalog, handover.source)
            unpublished = _publish(catalog, handover.publish_to) if landed else None
            if failed or handover.incomplete is not None:
                report_checks(context, handover.source.name, catalog)
                # What nobody foresaw is the cause, so that Dagster's event holds its traceback.
                errors = [error for _, errors in failed.values() for error in errors]
                unforeseen = next((error for error in errors if not isinstance(error, NotionPipelineError)), None)
                others = [error for error in (handover.incomplete, unpublished) if error is not None]
                raise _failure(handover.source.name, failed, len(landed), others) from unforeseen
            if unpublished is not None:
                raise unpublished
        except BaseException:
            _materialize(context, {} if at_once else landed)
            raise
        finally:
            if tables_came and self.home:
                note_tables(context, catalog, Path(self.home), handover.source.name)
        if at_once:
            context.add_output_metadata({"databases": len(landed)})
            return
        for key, found in landed.items():
            context.step_context.add_asset_metadata(found.partition, asset_key=context.asset_key, partition_key=key)

    def _land_database(
        self, context: dg.OutputContext, catalog: Catalog, source: Source, database: DatabaseExtract
    ) -> LoadedDatabase | None:
        """Commits what was read of a database; None where nothing was. What fails here joins its failures."""
        results: list[tuple[Extract, LoadResult]] = []
        try:
            if database.extracts:
                results = commit_database(catalog, source, database, context.run_id)
                for extract, _ in results:
                    extract.stage.remove()
        except Exception as error:  # one database's failure is its own; it is reported with its reason
            if isinstance(error, NotionPipelineError):
                error.source = error.source or source.name
                error.database = (
                    error.database or f'"{shown_line(database.title) or "Untitled"}" ({database.database_id})'
                )
            database.failures.append(error)
        finally:
            database.release()
        for extract, result in results:
            context.log.info(
                f'"{shown_line(database.title) or "Untitled"}" -> {result.table}: {result.rows_read:,} rows read, '
                f"{result.rows_inserted:,} inserted, {result.rows_updated:,} updated, "
                f"{result.rows_unchanged:,} unchanged, {result.rows_removed:,} removed "
                f"({extract.counts.api_requests:,} requests)"
            )
        if results:
            by_table: dict[str, list[tuple[Extract, LoadResult]]] = {}
            for extract, result in results:
                by_table.setdefault(_bare(result.table), []).append((extract, result))
            tables = {
                table: table_metadata(database, sync_metadata(database, own), source.name, own[0][0].data_source_name)
                for table, own in by_table.items()
            }
            return LoadedDatabase(sync_metadata(database, results), tables)
        if not database.already_committed or database.failures:
            return None
        with catalog.reading() as connection:
            current = current_tables(connection, source.name, database.database_id)
        unsaid = {
            _bare(table.table): table_metadata(database, current_metadata(database, [(state, table)]), source.name, "")
            for state, table in current
            if not _is_said(context, table_key(source.name, _bare(table.table)), state.last_sync_at)
        }
        return LoadedDatabase(skipped_metadata(database, current), unsaid)


def _each(groups: Generator[list[DatabaseExtract], None, None], catalog: Catalog) -> Iterator[DatabaseExtract]:
    """One database after the other; those of a group while the catalog stays open. Who stops early stops the reads."""
    with closing(groups):
        for group in groups:
            with catalog.kept_open():
                yield from group


def _tell(context: dg.OutputContext, source: str, database: DatabaseExtract, found: LoadedDatabase | None) -> None:
    """Says of a database what landed, by table, and why it failed; all again at the end, which may be an hour away."""
    for error in database.failures:
        reason = _reason(database.title, error)
        context.log.error(reason if isinstance(error, NotionPipelineError) else f"{reason}\n{traceback_text(error)}")
    for table, metadata in found.tables.items() if found else ():
        context.log_event(materialization(source, table, metadata))


def _is_said(context: dg.OutputContext, key: dg.AssetKey, committed_at: datetime | None) -> bool:
    """Whether the attempt that committed a table lived to say so."""
    event = context.step_context.instance.get_latest_materialization_event(key)
    return event is not None and (committed_at is None or event.timestamp >= committed_at.timestamp())


def _bare(table: str) -> str:
    """The table's name without its schema, which is the source's and has no dot."""
    return table.split(".", 1)[1]


def _materialize(context: dg.OutputContext, landed: dict[str, LoadedDatabase]) -> None:
    for key, found in landed.items():
        context.log_event(dg.AssetMaterialization(context.asset_key, partition=key, metadata=found.partition))


def _keep_views(context: dg.OutputContext, catalog: Catalog, source: Source) -> None:
    """Flat views follow their tables; where they cannot, the run says so and is none the worse."""
    if problem := keep_views(catalog, source.name):
        context.log.warning(problem)


def _publish(catalog: Catalog, path: Path | None) -> CatalogError | None:
    """Puts the copy where one is wished for; why that failed, for databases that failed are told first."""
    try:
        if path is not None:
            publish(catalog, path)
    except CatalogError as error:
        return error
    return None


def _failure(
    source: str, failed: dict[str, tuple[str, list[Exception]]], landed: int, others: Sequence[NotionPipelineError]
) -> dg.Failure:
    """Names every database that failed and why; those that succeeded are committed."""
    lines = [_reason(title, error) for title, errors in failed.values() for error in errors]
    lines += [str(error) for error in others]
    if failed and (landed or len(lines) > 1):
        count = len(failed) + landed
        lines = [f"{len(failed)} of {count} databases of source {source} failed; the others are committed.", *lines]
    return dg.Failure(
        description="\n".join(lines),
        metadata={
            "failed_databases": dg.MetadataValue.md(
                "\n".join(
                    # What was named and fits no database has no partition to link to.
                    f"- {markdown_link(title or 'Untitled', partition_path(source, key) if normalise_id(key) else '')} "
                    f"`{key}`: " + markdown_text(str(errors[0]))
                    for key, (title, errors) in failed.items()
                )
            )
        },
        allow_retries=any(isinstance(error, StagingError) for _, errors in failed.values() for error in errors),
    )


def _reason(title: str, error: Exception) -> str:
    if isinstance(error, NotionPipelineError):
        return str(error)
    return shown(f'"{shown_line(title)}": {type(error).__name__}: {error}')


def _shaped(table: pa.Table, wanted: Any) -> Any:
    module = getattr(wanted, "__module__", "") or ""
    if module.startswith("polars"):
        import polars  # noqa: PLC0415 - only where installed

        return polars.from_arrow(table)
    if module.startswith("pandas"):
        return table.to_pandas()
    return table


def _silent(_: str) -> None:
    return None
