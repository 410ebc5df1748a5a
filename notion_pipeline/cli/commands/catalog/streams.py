"""`notion-pipeline streams`: finds streams by any part of their name, with rows and last sync."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import click

from notion_pipeline.catalog.content.tables.counts import pages_with_content
from notion_pipeline.catalog.listing.resolved import resolution_of_catalog
from notion_pipeline.catalog.read.overview import CatalogStream, StreamTable, catalog_streams, list_table
from notion_pipeline.cli import CommandError
from notion_pipeline.cli.catalog import open_catalog
from notion_pipeline.cli.stream_search import Searchable, nearest_titles, search
from notion_pipeline.cli.terminal import Record, echo, echo_json, moment, output, print_records
from notion_pipeline.config.selection import DATABASES_STREAM, stream_name
from notion_pipeline.config.sources import Source, load_sources
from notion_pipeline.outside import shown_line
from notion_pipeline.project import find_project

_FILE_WIDTH = 10_000
_HEADINGS = ("stream", "title", "data sources", "table", "sync type", "selected", "rows", "last sync")


@dataclass(frozen=True)
class Stream:
    """A stream of a source, as sources.yaml has it now and as the catalog holds it.

    Attributes:
        database: None for the stream `databases`.
        pages_with_content: None where no content of the source was read yet.
    """

    source: str
    name: str
    title: str
    database: CatalogStream | None
    tables: tuple[StreamTable, ...]
    sync_type: str
    selected: bool
    rows: int | None
    last_sync_at: datetime | None
    pages_with_content: int | None = None

    @property
    def is_gone(self) -> bool:
        return self.database is not None and not self.database.accessible

    def searchable(self) -> Searchable:
        if self.database is None:
            return Searchable(self.name, names=(self.title, f"{self.source}.{self.name}"))
        names = [name for table in self.tables for name in (table.table, table.name, f"{self.source}.{table.table}")]
        ids = (self.database.id, *(table.data_source_id for table in self.tables))
        return Searchable(self.title, ids, tuple(names))

    def as_json(self) -> dict[str, Any]:
        return {
            "source": self.source,
            "stream": self.name,
            "database_id": self.database.id if self.database else None,
            "title": self.title,
            "url": self.database.url if self.database else None,
            "data_sources": [
                {
                    "id": table.data_source_id or None,
                    "name": table.name,
                    "table": f"{self.source}.{table.table}",
                    "rows": table.rows,
                    "last_sync_at": _iso(table.last_sync_at),
                    "last_full_sync_at": _iso(table.last_full_sync_at),
                }
                for table in self.tables
            ],
            "sync_type": self.sync_type,
            "selected": self.selected,
            "accessible": not self.is_gone,
            "rows": self.rows,
            "last_sync_at": _iso(self.last_sync_at),
            "pages_with_content": self.pages_with_content,
        }


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("query", nargs=-1, metavar="[QUERY]")
@click.option("--source", metavar="NAME", help="Only this source of sources.yaml.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list, for scripts.")
def streams(query: tuple[str, ...], *, source: str | None, as_json: bool) -> None:
    """Find streams: databases that can be synced.

    QUERY is any part of a title, a table or an id, or an address copied from Notion; case and accents do not count.
    Without it all are listed. What was shared since the last listing is not there yet: `notion-pipeline sync
    databases` lists anew.
    """
    project = find_project()
    sources = load_sources(project)
    wanted = [sources.source(source)] if source else list(sources.sources)
    catalog = open_catalog(project, sources)
    with catalog.reading() as connection:
        wanted = [resolution_of_catalog(connection, entry)[0].source for entry in wanted]
        listed = {entry.name: catalog_streams(connection, entry.name) for entry in wanted}
        content = {entry.name: pages_with_content(connection, entry.name) for entry in wanted}
        heads = {entry.name: list_table(connection, entry.name) for entry in wanted}
    for name in (name for name, found in listed.items() if found is None):
        echo(f"The databases of source {name} were not listed yet: {_listing_command(name, wanted)}", err=True)
    everything = [
        stream
        for entry in wanted
        if (found := listed[entry.name]) is not None
        for stream in (
            _list_stream(entry, heads[entry.name]),
            *(_stream(entry, database, content[entry.name]) for database in found),
        )
    ]
    if not everything and not as_json:
        raise CommandError("There is no stream yet.")
    text = " ".join(query)
    found_streams = search(text, everything, Stream.searchable)
    if as_json:
        echo_json([stream.as_json() for stream in found_streams])
    elif found_streams:
        with_content = any(stream.pages_with_content is not None for stream in found_streams)
        headings = (*_HEADINGS, "pages with content") if with_content else _HEADINGS
        print_records(
            output(_FILE_WIDTH), headings, [_record(stream, with_content=with_content) for stream in found_streams]
        )
    else:
        near = nearest_titles(text, (stream.title for stream in everything))
        hint = f" Nearest: {', '.join(near)}." if near else ""
        raise CommandError(f'No stream has "{text}" in its title, table or id.{hint}')


def _listing_command(name: str, wanted: Sequence[Source]) -> str:
    option = f" --source {name}" if len(wanted) > 1 else ""
    return f"`notion-pipeline sync databases{option}` does it."


def _stream(source: Source, database: CatalogStream, content: Mapping[str, int] | None) -> Stream:
    return Stream(
        source=source.name,
        name=stream_name(database.id),
        title=database.title or "Untitled",
        database=database,
        tables=database.tables,
        sync_type=source.sync_type_for(database.id, database.title).value,
        selected=database.accessible and source.selects(database.id, database.title),
        rows=database.rows,
        last_sync_at=database.last_sync_at,
        pages_with_content=content.get(database.id, 0) if content is not None else None,
    )


def _list_stream(source: Source, table: StreamTable | None) -> Stream:
    """The stream that lists the databases: always synced, always whole."""
    return Stream(
        source=source.name,
        name=DATABASES_STREAM,
        title="List of databases",
        database=None,
        tables=(table,) if table else (),
        sync_type="FULL_TABLE",
        selected=True,
        rows=table.rows if table else None,
        last_sync_at=table.last_sync_at if table else None,
    )


def _record(stream: Stream, *, with_content: bool) -> Record:
    selected = "gone from Notion" if stream.is_gone else "yes" if stream.selected else "no"
    cells = (
        [stream.name],
        [shown_line(stream.title)],
        [shown_line(entry.name) or "Untitled" for entry in stream.tables if entry.data_source_id],
        [shown_line(f"{stream.source}.{entry.table}") for entry in stream.tables],
        [stream.sync_type],
        [selected],
        ["" if stream.rows is None else f"{stream.rows:,}"],
        [moment(stream.last_sync_at)],
        *([["" if stream.pages_with_content is None else f"{stream.pages_with_content:,}"]] if with_content else ()),
    )
    return Record(cells, head=1, styles={} if stream.selected else dict.fromkeys(range(len(cells)), "dim"))


def _iso(moment_: datetime | None) -> str | None:
    return moment_.isoformat() if moment_ else None
