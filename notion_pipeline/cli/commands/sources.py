"""`notion-pipeline sources`: shows all sources, from sources.yaml, the catalog and the Dagster instance."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import click
from rich.console import Console
from rich.text import Text

from notion_pipeline.catalog.listing.resolved import resolution_of_catalog
from notion_pipeline.catalog.read.gone import GoneDatabase, gone_databases
from notion_pipeline.catalog.read.overview import CatalogStream, catalog_streams
from notion_pipeline.catalog.read.table_index import load_tables
from notion_pipeline.cli.access_report import account_text, identity
from notion_pipeline.cli.catalog import open_catalog
from notion_pipeline.cli.process import environment, working_in
from notion_pipeline.cli.run_history import (
    LastRun,
    LastUsage,
    NextRun,
    daemon_is_alive,
    has_succeeded,
    last_run,
    last_usage,
    next_runs,
)
from notion_pipeline.cli.runs import project_instance
from notion_pipeline.cli.terminal import echo_json, moment, output
from notion_pipeline.config.sources import Source, Sources, load_sources
from notion_pipeline.defs.run_locks import close_dead_runs
from notion_pipeline.errors import CatalogError, NotionPipelineError
from notion_pipeline.outside import shown_line
from notion_pipeline.project import Project, find_project

_FILE_WIDTH = 10_000
_STYLES = {"success": "green", "failure": "red", "canceled": "yellow"}


@dataclass(frozen=True)
class Overview:
    """One source.

    Attributes:
        workspace: Its name; empty where it could not be found out.
        account_problem: Why it could not.
        streams: None where nothing was listed yet, or the catalog cannot be read.
        catalog_problem: Why it cannot.
        gone: Databases with tables that are not seen in Notion any more.
    """

    source: Source
    workspace: str
    account_problem: str
    streams: list[CatalogStream] | None
    catalog_problem: str
    gone: list[GoneDatabase]
    last: LastRun | None
    usage: LastUsage | None
    upcoming: list[NextRun]
    succeeded: bool
    daemon: bool

    @property
    def seen(self) -> list[CatalogStream]:
        return [stream for stream in self.streams or () if stream.accessible]

    @property
    def selected(self) -> int:
        return sum(self.source.selects(stream.database_id, stream.title) for stream in self.seen)

    @property
    def rows(self) -> int:
        return sum(stream.rows or 0 for stream in self.streams or ())

    @property
    def tables(self) -> int:
        return sum(table.rows is not None for stream in self.streams or () for table in stream.tables)

    @property
    def command(self) -> str:
        return f"notion-pipeline sync --source {self.source.name}"


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list, for scripts.")
def sources(*, as_json: bool) -> None:
    """Show all sources: account, streams, last run with its result, next run, rows in the catalog."""
    project = find_project()
    found = overviews(project, load_sources(project))
    if as_json:
        echo_json([_as_json(overview) for overview in found])
        return
    console = output(_FILE_WIDTH)
    for number, overview in enumerate(found):
        if number:
            console.print()
        _print(console, overview)


def overviews(project: Project, sources: Sources, *, answer_seconds: float = 5.0) -> list[Overview]:
    """Every source of sources.yaml, in its order.

    Args:
        answer_seconds: How long Notion may take to say whose token it is; without an answer the reason is shown.
    """
    workspaces = asyncio.run(_workspaces(project, sources, answer_seconds))
    streams, gone, bound, problem = _streams(project, sources)
    with working_in(project.root), environment(project.environ), project_instance(project) as instance:
        close_dead_runs(instance, project.home)
        alive = daemon_is_alive(instance)
        return [
            Overview(
                source=bound.get(source.name, source),
                workspace=workspace,
                account_problem=account_problem,
                streams=streams.get(source.name),
                catalog_problem=problem,
                gone=gone.get(source.name, []),
                last=last_run(instance, source.name),
                usage=last_usage(instance, source.name, load_tables(project.home, source.name)),
                upcoming=next_runs(instance, source),
                succeeded=has_succeeded(instance, source.name)
                or any(stream.last_sync_at for stream in streams.get(source.name) or ()),
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


def _streams(
    project: Project, sources: Sources
) -> tuple[dict[str, list[CatalogStream] | None], dict[str, list[GoneDatabase]], dict[str, Source], str]:
    """By source: its streams in the catalog, its databases that are gone in Notion, and the source with resolved names.

    Returns:
        With them, why the catalog cannot be read.
    """
    catalog = open_catalog(project, sources)
    names = [source.name for source in sources.sources]
    try:
        with catalog.reading() as connection:
            streams = {name: catalog_streams(connection, name) for name in names}
            gone = {name: [d for d in gone_databases(connection, name) if d.tables] for name in names}
            bound = {source.name: resolution_of_catalog(connection, source)[0].source for source in sources.sources}
            return streams, gone, bound, ""
    except CatalogError as error:
        return {}, {}, {}, error.message


def _print(console: Console, overview: Overview) -> None:
    source = overview.source
    console.print(Text.assemble((source.name, "bold"), f"  {source.description}".rstrip()), soft_wrap=True)
    for name, text in (
        ("account", Text(_account_text(overview))),
        ("streams", Text(_streams_text(overview))),
        ("last run", _last_text(overview)),
        *((("budget", Text(_usage_text(overview.usage))),) if overview.usage is not None else ()),
        ("next run", Text(_next_text(overview))),
        ("catalog", Text(overview.catalog_problem or f"{overview.rows:,} rows in {overview.tables:,} tables")),
    ):
        console.print(Text(f"  {name:<10}") + text, soft_wrap=True)
    for database in overview.gone:
        console.print(Text(f"  {'gone':<10}{database.describe()}", style="yellow"), soft_wrap=True)
    if not overview.succeeded:
        console.print(Text(f"  never succeeded; `{overview.command}` runs it", style="yellow"), soft_wrap=True)


def _account_text(overview: Overview) -> str:
    known = f'workspace "{shown_line(overview.workspace)}"' if overview.workspace else overview.account_problem
    return ", ".join(filter(None, (account_text(overview.source), known)))


def _streams_text(overview: Overview) -> str:
    if overview.streams is None:
        return "unknown" if overview.catalog_problem else "not listed yet"
    return f"{overview.selected:,} of {len(overview.seen):,} selected"


def _last_text(overview: Overview) -> Text:
    last = overview.last
    if last is None:
        return Text("none")
    after = f" after {last.seconds:,.0f} s" if last.seconds is not None else ""
    text = Text.assemble(
        f"{moment(last.at)} {last.what}: ",
        (last.result, _STYLES.get(last.result, "")),
        f"{after}, by {last.started_by}",
    )
    return text.append(f"\n            {last.reason}") if last.reason else text


def _usage_text(usage: LastUsage) -> str:
    return (
        f"{usage.requests:,} requests by the sync of {moment(usage.at)}, at most {usage.most:,} in a minute of "
        f"{usage.allowed:,} ({usage.percent:.0f} %); {usage.waited:,.0f} s waited for the limit"
    )


def _next_text(overview: Overview) -> str:
    if not overview.upcoming:
        return "by hand alone: sources.yaml has neither schedule nor watch"
    parts = [_upcoming_text(run, overview.source.timezone) for run in overview.upcoming]
    waits = "" if overview.daemon else " (once `dagster dev` or the daemon runs: now none does)"
    return "; ".join(parts) + waits


def _upcoming_text(run: NextRun, time_zone: str) -> str:
    if run.stopped:
        return f"{run.name} is stopped in Dagster"
    if run.at is None:
        every = f", looked for every {run.every_seconds} s" if run.every_seconds else ""
        return f"when something changes{every} ({run.name})"
    return f"{run.at.astimezone(ZoneInfo(time_zone)):%a %Y-%m-%d %H:%M} {time_zone} ({run.name})"


def _as_json(overview: Overview) -> dict[str, Any]:
    last = overview.last
    times: Sequence[datetime] = [run.at for run in overview.upcoming if run.at is not None and not run.stopped]
    return {
        "name": overview.source.name,
        "description": overview.source.description,
        "account": account_text(overview.source),
        "workspace": overview.workspace or None,
        "databases": len(overview.seen) if overview.streams is not None else None,
        "selected": overview.selected if overview.streams is not None else None,
        "gone": [
            {
                "id": database.id,
                "title": database.title,
                "reason": database.reason,
                "last_seen_at": database.last_seen_at.isoformat() if database.last_seen_at else None,
                "tables": list(database.tables),
            }
            for database in overview.gone
        ],
        "last_run": None
        if last is None
        else {
            "run_id": last.run_id,
            "what": last.what,
            "result": last.result,
            "started_by": last.started_by,
            "at": last.at.isoformat(),
            "seconds": last.seconds,
            "reason": last.reason,
        },
        "budget": None
        if overview.usage is None
        else {
            "run_id": overview.usage.run_id,
            "at": overview.usage.at.isoformat(),
            "requests": overview.usage.requests,
            "most_requests_in_a_minute": overview.usage.most,
            "requests_a_minute_allowed": overview.usage.allowed,
            "percent_of_limit": round(overview.usage.percent, 1),
            "seconds_waited": round(overview.usage.waited, 3),
        },
        "next_run": min(times).isoformat() if times else None,
        "triggers": [
            {"name": run.name, "at": run.at.isoformat() if run.at else None, "stopped": run.stopped}
            for run in overview.upcoming
        ],
        "daemon": overview.daemon,
        "succeeded": overview.succeeded,
        "rows": None if overview.catalog_problem else overview.rows,
        "tables": None if overview.catalog_problem else overview.tables,
    }
