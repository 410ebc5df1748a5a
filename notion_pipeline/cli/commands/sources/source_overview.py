"""Collects what is known of all sources, from sources.yaml, the catalog and the Dagster instance."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from notion_pipeline.catalog.content.tables.counts import pages_with_content
from notion_pipeline.catalog.listing.resolved import resolution_of_catalog
from notion_pipeline.catalog.read.gone import GoneDatabase, gone_databases
from notion_pipeline.catalog.read.overview import CatalogStream, catalog_streams
from notion_pipeline.catalog.read.table_index import load_tables
from notion_pipeline.cli.access_report import identity
from notion_pipeline.cli.catalog import open_catalog
from notion_pipeline.cli.process import environment, working_in
from notion_pipeline.cli.runs.history import (
    LastRun,
    LastUsage,
    NextRun,
    daemon_is_alive,
    has_succeeded,
    last_run,
    last_usage,
    next_runs,
)
from notion_pipeline.cli.runs.sync_jobs import project_instance
from notion_pipeline.config.sources import Source, Sources
from notion_pipeline.defs.runs.run_locks import close_dead_runs
from notion_pipeline.errors import CatalogError, NotionPipelineError
from notion_pipeline.project import Project


@dataclass(frozen=True)
class _Held:
    """What the catalog holds of one source.

    Attributes:
        source: With what its names mean.
        gone: Databases with tables that are not seen in Notion any more.
        content: Pages with content by database id; None where none was read.
    """

    source: Source
    streams: list[CatalogStream] | None = None
    gone: Sequence[GoneDatabase] = ()
    content: Mapping[str, int] | None = None


@dataclass(frozen=True)
class Overview:
    """One source.

    Attributes:
        workspace: Its name; empty where it could not be found out.
        account_problem: Why it could not.
        catalog_problem: Why the catalog cannot be read.
    """

    in_catalog: _Held
    workspace: str
    account_problem: str
    catalog_problem: str
    last: LastRun | None
    usage: LastUsage | None
    upcoming: list[NextRun]
    succeeded: bool
    daemon: bool

    @property
    def source(self) -> Source:
        """As sources.yaml has it, with what its names mean."""
        return self.in_catalog.source

    @property
    def streams(self) -> list[CatalogStream] | None:
        """None where nothing was listed yet, or the catalog cannot be read."""
        return self.in_catalog.streams

    @property
    def seen(self) -> list[CatalogStream]:
        return [stream for stream in self.streams or () if stream.accessible]

    @property
    def selected(self) -> int:
        return sum(self.source.selects(stream.id, stream.title) for stream in self.seen)

    @property
    def rows(self) -> int:
        return sum(stream.rows or 0 for stream in self.streams or ())

    @property
    def tables(self) -> int:
        return sum(table.rows is not None for stream in self.streams or () for table in stream.tables)

    @property
    def command(self) -> str:
        return f"notion-pipeline sync --source {self.source.name}"


def overviews(project: Project, sources: Sources, *, answer_seconds: float = 5.0) -> list[Overview]:
    """Every source of sources.yaml, in its order.

    Args:
        answer_seconds: How long Notion may take to say whose token it is; without an answer the reason is shown.
    """
    workspaces = asyncio.run(_workspaces(project, sources, answer_seconds))
    in_catalog, problem = _in_catalog(project, sources)
    state = sources.open_state(project)
    with working_in(project.root), environment(project.environ), project_instance(project) as instance:
        close_dead_runs(instance, state)
        alive = daemon_is_alive(instance)
        return [
            Overview(
                found := in_catalog.get(source.name, _Held(source)),
                workspace=workspace,
                account_problem=account_problem,
                catalog_problem=problem,
                last=last_run(instance, source.name),
                usage=last_usage(instance, source.name, load_tables(state, source.name)),
                upcoming=next_runs(instance, source),
                succeeded=has_succeeded(instance, source.name)
                or any(stream.last_sync_at for stream in found.streams or ()),
                daemon=alive,
            )
            for source, (workspace, account_problem) in zip(sources.sources, workspaces, strict=True)
        ]


async def _workspaces(project: Project, sources: Sources, answer_seconds: float) -> list[tuple[str, str]]:
    """The workspace of each source, or why it is not known."""

    async def ask(source: Source) -> tuple[str, str]:
        try:
            return (await identity(source, project, seconds=answer_seconds)).workspace, ""
        except NotionPipelineError as error:
            return "", error.message

    return list(await asyncio.gather(*(ask(source) for source in sources.sources)))


def _in_catalog(project: Project, sources: Sources) -> tuple[dict[str, _Held], str]:
    """What the catalog holds, by source; or nothing, and why it cannot be read."""
    catalog = open_catalog(project, sources)
    try:
        with catalog.reading() as connection:
            return {
                source.name: _Held(
                    resolution_of_catalog(connection, source)[0].source,
                    catalog_streams(connection, source.name),
                    [found for found in gone_databases(connection, source.name) if found.tables],
                    pages_with_content(connection, source.name),
                )
                for source in sources.sources
            }, ""
    except CatalogError as error:
        return {}, error.message
