"""`notion-pipeline acknowledge`: records that changes of a schema are known, so that the check is green again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone

import click
import duckdb

from notion_pipeline.catalog import state as bookkeeping
from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.catalog.listing.resolved import known_names
from notion_pipeline.catalog.read.inventory import synced_tables
from notion_pipeline.catalog.read.quality import MetChange, met_changes
from notion_pipeline.catalog.read.table_index import SyncedTable
from notion_pipeline.cli import CommandError
from notion_pipeline.cli.catalog import open_catalog
from notion_pipeline.cli.process import environment, working_in
from notion_pipeline.cli.runs.sync_jobs import project_instance
from notion_pipeline.cli.terminal import echo
from notion_pipeline.config.selection import DatabaseName
from notion_pipeline.config.sources import Source, load_sources
from notion_pipeline.defs.checks.findings import describe_change, unexpected
from notion_pipeline.defs.checks.table_checks import report_schema_check
from notion_pipeline.listing.resolution import table_words
from notion_pipeline.messages import nearest
from notion_pipeline.project import Project, find_project


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("streams", nargs=-1, metavar="[STREAM]...")
@click.option("--source", metavar="NAME", help="Only this source of sources.yaml.")
def acknowledge(streams: tuple[str, ...], *, source: str | None) -> None:
    """Acknowledge changes of schemas, so that no_unexpected_schema_change passes again.

    A property that was removed, renamed or retyped is a warning of that check for seven days after the sync that met
    it. STREAM is the title of a database, a glob on titles, an id, a stream name or a table; without any, all changes
    so far are acknowledged. Later ones are told of anew.
    """
    project = find_project()
    sources = load_sources(project)
    names = [sources.source(source).name] if source else [entry.name for entry in sources.sources]
    catalog = open_catalog(project, sources, writes=True)
    now = datetime.now(timezone.utc)
    with catalog.reading() as connection:
        tables = {name: synced_tables(connection, name) for name in names}
        changes = {name: met_changes(connection, name, now) if connection and tables[name] else {} for name in names}
        resolved = {name: sources.source(name).knowing(known_names(connection, name)) for name in names}
    chosen = {name: _chosen(resolved[name], tables[name], streams) for name in names}
    _raise_for_unknown(streams, resolved, tables)
    wanted = {
        name: [table for table in chosen[name] if unexpected(changes[name].get(table.data_source_id, ()))]
        for name in names
    }
    if not any(wanted.values()):
        echo("There is nothing to acknowledge.")
        return

    def change(connection: duckdb.DuckDBPyConnection) -> None:
        for name, of_source in wanted.items():
            bookkeeping.acknowledge(connection, name, [table.data_source_id for table in of_source], now)

    catalog.commit(change)
    for name, of_source in wanted.items():
        _tell(name, of_source, changes[name])
    _report(project, catalog, wanted)


def _chosen(source: Source, tables: Sequence[SyncedTable], streams: Sequence[str]) -> list[SyncedTable]:
    if not streams:
        return list(tables)
    names = [_called(source, table) for table in tables]
    wanted = {name.data_source_ids for entry in streams for name in source.databases_called(entry, names)}
    return [table for table in tables if (table.data_source_id,) in wanted]


def _called(source: Source, table: SyncedTable) -> DatabaseName:
    """The names by which a table of a database may be called."""
    words = table_words(source, [table.name], table.title)
    return DatabaseName(table.database_id, table.title, (table.data_source_id,), words)


def _raise_for_unknown(
    streams: Sequence[str], sources: Mapping[str, Source], tables: Mapping[str, Sequence[SyncedTable]]
) -> None:
    known = [table for of_source in tables.values() for table in of_source]
    for entry in streams:
        if not any(_chosen(sources[name], of_source, [entry]) for name, of_source in tables.items()):
            near = nearest(entry, [*(table.name for table in known), *(table.title for table in known)])
            hint = f', nearest is "{near}".' if near else "."
            raise CommandError(f'No synced table or database is called "{entry}"{hint}')


def _tell(source: str, tables: Sequence[SyncedTable], changes: Mapping[str, Sequence[MetChange]]) -> None:
    for table in tables:
        for met in unexpected(changes[table.data_source_id]):
            echo(f"{source}.{table.name}: {describe_change(met)}: acknowledged.")


def _report(project: Project, catalog: Catalog, tables: Mapping[str, Sequence[SyncedTable]]) -> None:
    """Reports the check to Dagster as it is now, without waiting for the next sync."""
    with working_in(project.root), environment(project.environ), project_instance(project) as instance:
        for source, of_source in tables.items():
            report_schema_check(instance, source, catalog, [table.name for table in of_source])
