"""`notion-pipeline migrate-catalog`: copies the catalog from a DuckDB file into a lake, or back."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import click
import yaml

from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.catalog.connection.duckdb_file import check_catalog_name
from notion_pipeline.catalog.migrate.contents import Loss
from notion_pipeline.catalog.migrate.copying import Copied, TableCopied, copy_catalog, prepare
from notion_pipeline.catalog.migrate.target import Progress
from notion_pipeline.catalog.state import committed_bookmarks
from notion_pipeline.cli import CommandError
from notion_pipeline.cli.catalog import catalog_at
from notion_pipeline.cli.commands.sources.source_state import check_idle, confirm, instance_of
from notion_pipeline.cli.terminal import echo, echo_json
from notion_pipeline.config.fields.catalog_location import (
    CatalogLocation,
    Lake,
    check_catalog,
    check_data_path,
    is_lake,
    location_of,
)
from notion_pipeline.config.sources import Sources, load_sources
from notion_pipeline.listing.changes.committed import add_copied
from notion_pipeline.project import Project, find_project


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@click.option("--data-path", metavar="PLACE", help="The folder or s3://bucket/folder of the lake TO, as in data_path:.")
@click.option(
    "--from-data-path", metavar="PLACE", help="The same of FROM, where that is a lake in S3 and not the project's own."
)
@click.option("--yes", is_flag=True, help="Do it without a question.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object, for scripts; needs --yes.")
def migrate_catalog(
    source: str, target: str, *, data_path: str | None, from_data_path: str | None, yes: bool, as_json: bool
) -> None:
    """Copy the catalog FROM one place TO another, such as from a DuckDB file into a lake, or back.

    Both are given as `catalog:` takes them. Copied are all tables with their rows and comments, views, bookmarks and
    history, so that nothing is read from Notion again. Each table is compared with its original. FROM is only read; TO
    must not exist yet. If the copy is cut short, the same command goes on with it. Afterwards, change `catalog:` in
    sources.yaml as the last lines say.
    """
    if as_json and not yes:
        raise click.UsageError("--json asks nothing, so it needs --yes.")
    project = find_project()
    sources = load_sources(project)
    old = catalog_at(_location(project, sources, source, from_data_path, "--from-data-path"))
    new = catalog_at(_location(project, sources, target, data_path, "--data-path"))
    _check_places(old.location, new.location, sources)
    with instance_of(project) as instance:
        for entry in sources.sources:
            check_idle(sources.open_state(project), instance, entry.name)
    prepared = prepare(old, new)
    if prepared.progress is Progress.FINISHED:
        done = Copied()
        if not as_json:
            echo(f"{new.location} holds all of {old.location} already.")
    else:
        if not as_json:
            _announce(old, new, len(prepared.contents.tables), prepared.progress, prepared.contents.losses)
        confirm("Copy it?", yes=yes)
        done = copy_catalog(old, new, _silent if as_json else _tell)
    _keep_committed(project, sources, new)
    lines = _lines(target, new.location, data_path, sources)
    if as_json:
        echo_json(_as_json(old, new, done, prepared.contents.losses, lines))
    else:
        _tell_what_is_next(project, sources, new, done, lines)


def _keep_committed(project: Project, sources: Sources, new: Catalog) -> None:
    """Tells the sensor of each source what the copy holds: it would ask for every database once."""
    state = sources.open_state(project)
    for name in [entry.name for entry in sources.sources]:
        add_copied(state, name, new.location, new.read(partial(committed_bookmarks, source=name)))


def _location(project: Project, sources: Sources, text: str, data_path: str | None, option: str) -> CatalogLocation:
    try:
        check_catalog(text)
        check_data_path(data_path or "none")
    except ValueError as error:
        raise CommandError(f"{error}.") from None
    if data_path and not is_lake(text):
        raise CommandError(f"{option} is for a lake, and {text} is a DuckDB file.")
    if data_path is None:
        own = sources.catalog_location(project)
        if isinstance(own, Lake) and own == location_of(text, own.data_path, project.path, project.environ):
            return own
    return location_of(text, data_path, project.path, project.environ)


def _check_places(old: CatalogLocation, new: CatalogLocation, sources: Sources) -> None:
    """Raises CommandError where the copy could not be beside its original."""
    file, other = _file(old), _file(new)
    if str(old) == str(new) or (file is not None and other is not None and file.resolve() == other.resolve()):
        raise CommandError(f"FROM and TO are the same catalog, {old}.")
    if isinstance(new, Lake):
        if new.file is None and not new.data_path:
            raise CommandError(
                "A lake on PostgreSQL needs a folder, or s3://bucket/folder, for its files: --data-path."
            )
        if isinstance(old, Lake) and old.data_path and old.data_path.rstrip("/") == new.data_path.rstrip("/"):
            raise CommandError(f"Both lakes would keep their files in {old.data_path}: give --data-path another place.")
    check_catalog_name(new, [entry.name for entry in sources.sources])


def _file(location: CatalogLocation) -> Path | None:
    return location.file if isinstance(location, Lake) else location


def _announce(old: Catalog, new: Catalog, tables: int, progress: Progress, losses: tuple[Loss, ...]) -> None:
    went_on = " It was begun before, and goes on." if progress is Progress.UNFINISHED else ""
    echo(f"{tables:,} tables of {old.location} are copied to {new.location}.{went_on}")
    if losses:
        echo(f"What {new.location} cannot have:")
    for loss in losses:
        echo(f"  {loss}")


def _tell(copied: TableCopied) -> None:
    what = "is there already" if copied.was_there else "copied"
    echo(f"  {copied.number:,}/{copied.total:,}  {copied.table}: {copied.rows:,} rows {what}, equal to the original")


def _silent(_: TableCopied) -> None:
    """The JSON has it all."""


def _lines(target: str, new: CatalogLocation, data_path: str | None, sources: Sources) -> list[str]:
    """What sources.yaml says from now on."""
    setting: dict[str, str] = {"catalog": target}
    if isinstance(new, Lake) and new.data_path:
        setting["data_path"] = data_path or sources.data_path or new.data_path
    return yaml.safe_dump(setting, sort_keys=False, width=10_000, allow_unicode=True).splitlines()


def _tell_what_is_next(project: Project, sources: Sources, new: Catalog, done: Copied, lines: list[str]) -> None:
    rows = sum(copied.rows for copied in done.tables)
    if done.tables:
        echo(f"Copied and compared: {len(done.tables):,} tables with {rows:,} rows, {done.views:,} views.")
    for view, reason in done.failed_views.items():
        echo(f"The view {view} could not be made, and is left out: {reason}", err=True)
    echo("The old catalog is as it was. The next sync goes on in the new one with these lines in sources.yaml:")
    for line in lines:
        echo(f"    {line}")
    for line in _also(project, sources, new):
        echo(line)


def _also(project: Project, sources: Sources, new: Catalog) -> list[str]:
    """What else stands in the way of the new catalog."""
    found = []
    if not isinstance(new.location, Lake) and sources.data_path:
        found.append("Take data_path: out; it is for a lake.")
    if isinstance(new.location, Lake) and sources.publish:
        found.append("Take publish: out; a lake is open to readers at any time.")
    for variable, value in (
        ("NOTION_PIPELINE_CATALOG", project.catalog_override),
        ("NOTION_PIPELINE_DATA_PATH", project.data_path_override),
    ):
        if value:
            found.append(f"{variable} is set and wins over sources.yaml: change it instead.")
    return found


def _as_json(old: Catalog, new: Catalog, done: Copied, losses: tuple[Loss, ...], lines: list[str]) -> Mapping[str, Any]:
    return {
        "from": str(old.location),
        "to": str(new.location),
        "tables": [
            {"table": copied.table, "rows": copied.rows, "was_there": copied.was_there} for copied in done.tables
        ],
        "views": done.views,
        "failed_views": done.failed_views,
        "losses": [{"what": loss.what, "becomes": loss.becomes} for loss in losses],
        "sources_yaml": lines,
    }
