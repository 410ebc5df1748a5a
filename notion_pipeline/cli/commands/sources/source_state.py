"""Shows what a source has in the catalog and in files, before it is removed or renamed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import click
from dagster import DagsterInstance

from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.catalog.read.table_index import load_tables
from notion_pipeline.catalog.upkeep.leftovers import SourceInCatalog, source_in
from notion_pipeline.cli import CommandError
from notion_pipeline.cli.process import environment, working_in
from notion_pipeline.cli.runs.sync_jobs import project_instance
from notion_pipeline.cli.terminal import echo
from notion_pipeline.config.fields.values import check_source_name
from notion_pipeline.config.source_files import files_of, locked_databases
from notion_pipeline.config.sources import Sources
from notion_pipeline.defs.runs.partitions import partitions_of
from notion_pipeline.defs.runs.run_locks import working_run
from notion_pipeline.project import Project
from notion_pipeline.state.interface import State


@dataclass(frozen=True)
class SourceState:
    """All that a source has outside of sources.yaml.

    Attributes:
        files: Where reads in progress, locks and lists are kept for it.
        tables: Names of its tables, of earlier ones too, of which Dagster may know an asset.
    """

    catalog: SourceInCatalog
    partitions: list[str]
    files: list[str]
    tables: list[str]

    @property
    def is_empty(self) -> bool:
        return self.catalog.is_empty and not self.partitions and not self.files

    def describe(self) -> list[str]:
        """A line for each kind of thing that belongs to us."""
        found, name = self.catalog, self.catalog.source
        kinds = [
            ("tables", [f"{name}.{table}" for table in found.tables]),
            ("flat views", found.views),
            ("bookkeeping", ["bookmarks and history in _notion_pipeline"] if found.history else []),
            ("partitions", [f"{len(self.partitions):,} in Dagster, with the assets' history"] * bool(self.partitions)),
            ("files", self.files),
        ]
        return [f"  {kind}: {', '.join(names)}" for kind, names in kinds if names]


def checked_name(name: str) -> str:
    """The name, if a source can have it; sources.yaml need not have that source.

    Raises:
        CommandError: No source can be called so.
    """
    try:
        return check_source_name(name)
    except ValueError as error:
        raise CommandError(f"{error}.") from None


@contextmanager
def instance_of(project: Project) -> Iterator[DagsterInstance]:
    """The project's Dagster instance."""
    with working_in(project.root), environment(project.environ), project_instance(project) as instance:
        yield instance


def state_of(
    project: Project, sources: Sources, catalog: Catalog, instance: DagsterInstance, source: str
) -> SourceState:
    """Collects what exists of a source.

    Raises:
        CommandError: A run works on it.
    """
    state = sources.open_state(project)
    check_idle(state, instance, source)
    with catalog.reading() as connection:
        found = source_in(connection, source)
    tables = [*found.tables, *found.shared, *(table.name for table in load_tables(state, source))]
    files = files_of(state, sources.staging_path(project), source, sources.staging_bucket(project))
    return SourceState(found, partitions_of(instance, source), files, tables)


def check_idle(state: State, instance: DagsterInstance, source: str) -> None:
    """Raises CommandError where a run works on a source."""
    if (run := working_run(instance, source, state)) is not None:
        raise CommandError(
            f"Run {run.run_id} of {run.job_name} is not finished yet. Let it end, or end it in Dagster, and try again."
        )
    if busy := locked_databases(state, source):
        raise CommandError(f"Database {busy[0]} of source {source} is being synced. Try again when that has ended.")


def confirm(question: str, *, yes: bool) -> None:
    """Asks before anything is done.

    Raises:
        CommandError: The answer is no, or there is nobody to ask.
    """
    if yes:
        return
    try:
        agreed = click.confirm(question, default=False)
    except click.Abort:
        raise CommandError("Nothing was changed: nobody confirmed it. --yes does without the question.") from None
    if not agreed:
        raise CommandError("Nothing was changed.")


def tell_what_stays(found: SourceInCatalog, readers: str, shared: str = "") -> None:
    """Names the tables and views that are not ours, and stay.

    Args:
        readers: What becomes of views of somebody else that read the tables.
        shared: What becomes of tables that somebody gave columns of his own; empty is nothing to tell of.
    """
    _tell_each(found.source, found.kept, "is not ours and stays")
    if shared:
        _tell_each(found.source, found.shared, shared)
    for view in found.readers:
        echo(f"The view {view} {readers}.")


def _tell_each(source: str, names: Sequence[str], what: str) -> None:
    for name in names:
        echo(f"{source}.{name} {what}.")
