"""`notion-pipeline dbt`: the catalog's tables as sources of a dbt project."""

from __future__ import annotations

import os
from datetime import datetime, timedelta, timezone
from itertools import islice, pairwise
from pathlib import Path

import click

from notion_pipeline.catalog.read.dbt_export import DbtSource, dbt_yaml
from notion_pipeline.catalog.read.table_docs import documented_tables, documented_views
from notion_pipeline.catalog.views.flat_views import views_schema
from notion_pipeline.cli import CommandError
from notion_pipeline.cli.catalog import open_catalog
from notion_pipeline.cli.terminal import echo, echo_data
from notion_pipeline.config.sources import Source, Sources, load_sources
from notion_pipeline.defs.dagster_internals import schedule_execution_time_iterator
from notion_pipeline.project import Project, find_project

#: How many ticks of a schedule are compared for the longest time between two: more than a month of days.
_TICKS = 70
#: Any moment does, and a fixed one gives the same file every time.
_TICKS_FROM = datetime(2026, 1, 1, tzinfo=timezone.utc)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--source", metavar="NAME", help="Only this source of sources.yaml.")
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write this file instead of printing it."
)
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@click.option("--database", metavar="NAME", default="", help="The name under which dbt attaches the catalog.")
@click.option("--views", is_flag=True, help="List the flat views of `notion-pipeline views` as well.")
def dbt(*, source: str | None, output: Path | None, force: bool, database: str, views: bool) -> None:
    """Print the tables as sources of a dbt project, for a file such as models/notion.yml.

    Descriptions come from Notion, ids are tested to be unique and not null, and where a schedule syncs the source,
    `dbt source freshness` tells when a sync was missed.
    """
    project = find_project()
    sources = load_sources(project)
    wanted = [sources.source(source)] if source else list(sources.sources)
    text = dbt_yaml(_described(project, sources, wanted, views=views), database=database)
    if output is None:
        echo_data(text)
    else:
        _write(output, text, force=force)


def _described(project: Project, sources: Sources, wanted: list[Source], *, views: bool) -> list[DbtSource]:
    """The sources that have tables, each followed by its views.

    Raises:
        CommandError: None has any.
    """
    catalog = open_catalog(project, sources)
    found: list[DbtSource] = []
    with catalog.reading() as connection:
        for entry in wanted:
            tables = documented_tables(connection, entry.name) if connection is not None else []
            if tables:
                about = entry.description or f"Notion databases of source {entry.name}"
                found.append(DbtSource(entry.name, about, tables, longest_wait(entry)))
            else:
                echo(f"Source {entry.name} has no tables yet: `notion-pipeline sync` makes them.", err=True)
            if tables and views and connection is not None:
                schema = views_schema(entry.name, [other.name for other in sources.sources], catalog)
                flat = documented_views(connection, schema)
                if not flat:
                    raise CommandError(f"Source {entry.name} has no views yet: `notion-pipeline views` makes them.")
                found.append(DbtSource(schema, f"Flat views of source {entry.name}", flat))
    if not found:
        raise CommandError(f"There is no table in the catalog {catalog.location} yet.")
    return found


def longest_wait(source: Source) -> timedelta | None:
    """The longest time between two planned syncs of a source; None where no schedule syncs it."""
    crons = [*source.schedule, *source.full_sync_schedule]
    if not crons:
        return None
    ticks = schedule_execution_time_iterator(_TICKS_FROM.timestamp(), crons, source.timezone)
    return max(later - earlier for earlier, later in pairwise(islice(ticks, _TICKS)))


def _write(path: Path, text: str, *, force: bool) -> None:
    if path.exists() and not force:
        if path.read_text(encoding="utf-8", errors="replace") == text:
            echo(f"{path} says so already.", err=True)
            return
        raise CommandError(f"{path} exists and says something else. --force writes over it.")
    if not path.parent.is_dir():
        raise CommandError(f"The folder of {path} does not exist.")
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
    echo(f"{path} written.", err=True)
