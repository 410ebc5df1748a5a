"""`notion-pipeline remove-source`: removes the tables and files of a source that sources.yaml has no more."""

from __future__ import annotations

import click

from notion_pipeline.catalog.read.tables import publish
from notion_pipeline.catalog.upkeep.leftovers import remove_source as remove_from_catalog
from notion_pipeline.cli import CommandError
from notion_pipeline.cli.catalog import open_catalog
from notion_pipeline.cli.commands.sources.source_state import (
    checked_name,
    confirm,
    instance_of,
    state_of,
    tell_what_stays,
)
from notion_pipeline.cli.terminal import echo
from notion_pipeline.config.source_files import remove_files
from notion_pipeline.config.sources import load_sources
from notion_pipeline.defs.assets.tables import forget_source
from notion_pipeline.project import find_project

_SHARED = "has columns that are not ours: it stays as it is, and is nobody's table but yours from now on"


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("name", metavar="NAME")
@click.option("--yes", is_flag=True, help="Do it without a question.")
def remove_source(name: str, *, yes: bool) -> None:
    """Remove what a source left behind: tables, flat views, bookkeeping, partitions, files.

    Take the source out of sources.yaml first. What is to go is shown, and you are asked before it goes. Tables and
    views of your own stay, in the source's schema too, and so does a table that you gave columns of your own. A
    connected account stays: `notion-pipeline disconnect` ends it.
    """
    project = find_project()
    sources = load_sources(project)
    source = checked_name(name)
    if source in [entry.name for entry in sources.sources]:
        raise CommandError(
            f"Source {source} is in {project.sources_label} still: take it out first. Its next sync would make "
            "everything anew."
        )
    catalog = open_catalog(project, sources, writes=True)
    with instance_of(project) as instance:
        state = state_of(project, sources, catalog, instance, source)
        if state.is_empty:
            raise CommandError(f"Nothing is left of a source called {source}.")
        echo(f"Left of source {source}:")
        for line in state.describe():
            echo(line)
        tell_what_stays(state.catalog, "reads its tables, and fails when they are gone", _SHARED)
        confirm("Remove this?", yes=yes)
        if not state.catalog.is_empty:
            catalog.commit(lambda connection: remove_from_catalog(connection, source), memory_limit=None)
            if (copy := sources.publish_path(project)) is not None:
                publish(catalog, copy)
        forget_source(instance, source, state.tables)
    bucket = sources.staging_bucket(project)
    remove_files(sources.open_state(project), sources.staging_path(project), source, bucket)
    echo(f"Source {source} is removed.")
