"""`notion-pipeline rename-source`: moves a source's tables and files to its new name, so nothing is read again."""

from __future__ import annotations

import click
import duckdb

from notion_pipeline.catalog.read.inventory import synced_tables
from notion_pipeline.catalog.read.table_index import save_tables
from notion_pipeline.catalog.read.tables import publish
from notion_pipeline.catalog.state import committed_bookmarks
from notion_pipeline.catalog.upkeep.leftovers import check_rename
from notion_pipeline.catalog.upkeep.leftovers import rename_source as rename_in_catalog
from notion_pipeline.catalog.views.flat_views import apply_changes, view_changes, views_schema
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
from notion_pipeline.cli.wizard.writer import rename
from notion_pipeline.config.source_files import rename_files
from notion_pipeline.config.sources import Sources, load_sources
from notion_pipeline.defs.assets.tables import forget_source
from notion_pipeline.defs.runs.partitions import move_partitions
from notion_pipeline.listing.changes.committed import save_committed
from notion_pipeline.project import Project, find_project


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="NEW")
@click.option("--yes", is_flag=True, help="Do it without a question.")
def rename_source(old: str, new: str, *, yes: bool) -> None:
    """Give the tables and the state of source OLD to NEW, so that nothing is read anew.

    Renames the source in sources.yaml too, unless you have done that. Moved are tables with their columns and
    comments, flat views, bookmarks, history, partitions and reads in progress. Tables and views of your own stay where
    they are. In Dagster the assets of the new name begin a history of their own. Load the definitions anew afterwards,
    as a restart of Dagster does.
    """
    project = find_project()
    sources = load_sources(project)
    before, after = checked_name(old), checked_name(new)
    in_file = _is_in_file(project, sources, before, after)
    catalog = open_catalog(project, sources, writes=True)
    with instance_of(project) as instance:
        state = state_of(project, sources, catalog, instance, before)
        state_of(project, sources, catalog, instance, after)  # no run may be at work on the new name either
        if state.is_empty and not in_file:
            raise CommandError(f"Nothing is left of a source called {before}.")
        with catalog.reading() as connection:
            if connection is not None:
                check_rename(connection, before, after)
        echo(f"Source {before} becomes {after}:")
        for line in state.describe():
            echo(line)
        if in_file:
            echo(f"  name: in {project.sources_label}")
        tell_what_stays(state.catalog, f"reads {before}: change it to {after} afterwards")
        confirm("Rename this?", yes=yes)
        if in_file:
            rename(project, before, after)
            sources = load_sources(project)
        if not state.catalog.is_empty:
            schema = views_schema(after, [entry.name for entry in sources.sources], catalog)

            def change(connection: duckdb.DuckDBPyConnection) -> None:
                rename_in_catalog(connection, before, after)
                if state.catalog.views:
                    apply_changes(connection, schema, view_changes(connection, after, schema))

            catalog.commit(change, memory_limit=None)
            if (copy := sources.publish_path(project)) is not None:
                publish(catalog, copy)
        move_partitions(instance, before, after)
        forget_source(instance, before, state.tables)
    shared = sources.open_state(project)
    rename_files(shared, sources.staging_path(project), before, after, sources.staging_bucket(project))
    if not state.catalog.is_empty:
        with catalog.reading() as connection:
            save_tables(shared, after, synced_tables(connection, after))
            save_committed(shared, after, catalog.location, committed_bookmarks(connection, after))
    echo(f"Source {before} is called {after} now.")


def _is_in_file(project: Project, sources: Sources, old: str, new: str) -> bool:
    """Whether sources.yaml still has the old name, so that it is renamed there too.

    Raises:
        CommandError: It has both names or neither.
    """
    names = [entry.name for entry in sources.sources]
    if old in names and new in names:
        raise CommandError(f"{project.sources_label} has both {old} and {new}: they are two sources.")
    if old not in names and new not in names:
        raise CommandError(f"{project.sources_label} has no source {new}; it has {', '.join(names)}.")
    if old in names and not project.sources_file.exists():
        raise CommandError(
            f"There is no {project.sources_label}, so the source is called {old}: write one that calls it {new}."
        )
    return old in names
