"""`notion-pipeline views`: makes flat views beside the tables, for people and BI tools."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import click
import duckdb
from rich.table import Table
from rich.text import Text

from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.catalog.read.tables import publish
from notion_pipeline.catalog.state import has_bookkeeping
from notion_pipeline.catalog.views.flat_views import ViewChange, apply_changes, view_changes, views_schema
from notion_pipeline.cli import CommandError
from notion_pipeline.cli.catalog import open_catalog
from notion_pipeline.cli.terminal import echo, echo_data, echo_json, output
from notion_pipeline.config.sources import Source, load_sources
from notion_pipeline.project import find_project

_FILE_WIDTH = 260


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--source", metavar="NAME", help="Only this source of sources.yaml.")
@click.option("--drop", is_flag=True, help="Remove the views again; tables and views of your own stay.")
@click.option("--dry-run", is_flag=True, help="Print the SQL instead of running it.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list, for scripts.")
def views(*, source: str | None, drop: bool, dry_run: bool, as_json: bool) -> None:
    """Make flat views of the tables, in a schema beside them: notion_views.tasks is one of notion.tasks.

    Dates are unfolded into start, end, is_datetime and time_zone, lists are joined as text, people are named, and
    relations show the titles of their pages where these are synced. Once made, each sync keeps them right; run again
    for the views of new tables at once, or where one was lost. A view or table of your own is never touched.
    """
    project = find_project()
    sources = load_sources(project)
    wanted = [sources.source(source)] if source else list(sources.sources)
    catalog = open_catalog(project, sources, writes=True)
    schemas = {entry.name: views_schema(entry.name, [s.name for s in sources.sources], catalog) for entry in wanted}
    changes = _changes(catalog, schemas, drop=drop)
    if not drop:
        _tell_what_is_missing(wanted, changes)
    if not dry_run and any(change.statements for change in _all(changes)):
        changes = catalog.commit(partial(_apply, schemas=schemas, drop=drop))
        if (copy := sources.publish_path(project)) is not None:
            publish(catalog, copy)
    _show(changes, as_json=as_json, dry_run=dry_run)


def _apply(
    connection: duckdb.DuckDBPyConnection, schemas: dict[str, str], *, drop: bool
) -> dict[str, list[ViewChange]]:
    """Makes the changes, computed again, since a sync may have changed the catalog meanwhile."""
    changes = {name: view_changes(connection, name, schema, drop=drop) for name, schema in schemas.items()}
    for name, schema in schemas.items():
        apply_changes(connection, schema, changes[name])
    return changes


def _changes(catalog: Catalog, schemas: dict[str, str], *, drop: bool) -> dict[str, list[ViewChange]]:
    """The changes to make, by source.

    Raises:
        CommandError: No sync has made a catalog yet.
    """
    with catalog.reading() as connection:
        if connection is None or not has_bookkeeping(connection):
            raise CommandError(
                f"There is no table in the catalog {catalog.location} yet: `notion-pipeline sync` makes them."
            )
        return {name: view_changes(connection, name, schema, drop=drop) for name, schema in schemas.items()}


def _tell_what_is_missing(wanted: Sequence[Source], changes: dict[str, list[ViewChange]]) -> None:
    empty = [source.name for source in wanted if not any(change.action != "removed" for change in changes[source.name])]
    for name in empty:
        option = f" --source {name}" if len(wanted) > 1 else ""
        command = f"`notion-pipeline sync{option}`"
        echo(f"Source {name} has no tables yet: {command} makes them.", err=True)
    if len(empty) == len(wanted) and not any(_all(changes)):
        raise CommandError("There is nothing to make views of.")


def _all(changes: dict[str, list[ViewChange]]) -> list[ViewChange]:
    return [change for of_source in changes.values() for change in of_source]


def _show(changes: dict[str, list[ViewChange]], *, as_json: bool, dry_run: bool) -> None:
    if as_json:
        entries = [_as_json(name, change) for name, of_source in changes.items() for change in of_source]
        echo_json(entries)
    elif dry_run:
        for change in _all(changes):
            for statement in change.statements:
                echo_data(f"{statement};\n")
        if not any(change.statements for change in _all(changes)):
            echo("The views are right as they are.", err=True)
    elif _all(changes):
        output(_FILE_WIDTH).print(_table(_all(changes)))
    else:
        echo("There are no views.", err=True)


def _as_json(source: str, change: ViewChange) -> dict[str, Any]:
    return {
        "source": source,
        "view": f"{change.schema}.{change.view}",
        "table": change.table or None,
        "columns": change.columns,
        "action": change.action,
    }


def _table(changes: Sequence[ViewChange]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("view", overflow="fold")
    table.add_column("of table", overflow="fold")
    table.add_column("columns", justify="right")
    table.add_column("")
    for change in changes:
        columns = f"{change.columns:,}" if change.columns else ""
        table.add_row(Text(f"{change.schema}.{change.view}"), Text(change.table), columns, change.action)
    return table
