"""`notion-pipeline sync`: runs the sync jobs now, with their progress and a table of the result."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from notion_pipeline.catalog.listing.resolved import resolution_of_catalog
from notion_pipeline.cli import CommandError, InterruptedCommandError
from notion_pipeline.cli.catalog import open_catalog
from notion_pipeline.cli.commands.sync_content import check_content, print_contents, read_contents
from notion_pipeline.cli.process import ended_by_sigterm, environment, working_in
from notion_pipeline.cli.runs.content_jobs import ContentOutcome
from notion_pipeline.cli.runs.display import Tally, display_on
from notion_pipeline.cli.runs.sync_jobs import Outcome, SyncedDatabase, SyncRequest, project_instance, run_sync
from notion_pipeline.cli.terminal import messages, output, title_of
from notion_pipeline.config.selection import DATABASES_STREAM, DatabaseName
from notion_pipeline.config.sources import Source, Sources, load_sources
from notion_pipeline.defs.failures import INTERRUPTED
from notion_pipeline.defs.runs.run_locks import close_dead_runs
from notion_pipeline.listing.resolution import known_database_name
from notion_pipeline.messages import nearest
from notion_pipeline.project import Project, find_project

_COUNTS = ("read", "inserted", "updated", "removed")


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("streams", nargs=-1, metavar="[STREAM]...")
@click.option("--full", is_flag=True, help="Read everything and make the tables exact; rows gone from Notion go.")
@click.option("--content", is_flag=True, help="Then read the pages' content, where sources.yaml asks for it.")
@click.option("--source", metavar="NAME", help="Only this source of sources.yaml.")
@click.option("-v", "--verbose", is_flag=True, help="Show every line of Dagster's log.")
def sync(streams: tuple[str, ...], *, full: bool, content: bool, source: str | None, verbose: bool) -> None:
    """Bring the catalog up to date.

    STREAM is the title of a database, a glob on titles, a table, an id, an address copied from Notion, or a stream
    name, in any case; without any, all that sources.yaml selects are synced. The stream "databases" alone only lists
    the databases.
    """
    project = find_project()
    sources = load_sources(project)
    if content:
        check_content(sources, source)
    began_at = time.monotonic()
    requests, unknown = _requests(project, sources, streams, full=full, source=source, verbose=verbose)
    outcomes = run_syncs(project, sources, requests, verbose=verbose)
    _print_result(output(), outcomes, seconds=time.monotonic() - began_at)
    read: list[ContentOutcome] = []
    if content and not any(outcome.interrupted for outcome in outcomes):
        read = read_contents(project, sources, requests, verbose=verbose)
        print_contents(output(), read)
    raise_failures([*outcomes, *read], unknown)


def run_syncs(
    project: Project, sources: Sources, requests: Sequence[SyncRequest], *, verbose: bool = False
) -> list[Outcome]:
    """Syncs one source after another, with progress on standard error; the outcomes say what failed."""
    outcomes: list[Outcome] = []
    with (
        working_in(project.root),
        environment(project.environ),
        ended_by_sigterm(),
        project_instance(project) as instance,
    ):
        close_dead_runs(instance, sources.open_state(project))
        for request in requests:
            with display_on(messages(), Tally(), source=request.source, verbose=verbose) as display:
                outcomes.append(run_sync(project, sources, instance, request, progress=display, say=display.say))
            if outcomes[-1].interrupted:
                break
    return outcomes


def _requests(
    project: Project, sources: Sources, streams: Sequence[str], *, full: bool, source: str | None, verbose: bool
) -> tuple[list[SyncRequest], list[str]]:
    """One request a source; where streams are named, only for the sources that have them.

    A stream that nobody knows may be new: all sources list their databases then.

    Returns:
        With the requests, what is wrong with the names that no source has.
    """
    names = [sources.source(source).name] if source else [entry.name for entry in sources.sources]
    databases = tuple(entry for entry in dict.fromkeys(streams) if entry != DATABASES_STREAM)
    if not databases:
        return [SyncRequest(name, full=full, listing_only=bool(streams)) for name in names], []
    if len(names) == 1:
        return [SyncRequest(names[0], databases, full)], []
    known = {name: _known_names(project, sources, name) for name in names}
    owners = {entry: _owners(entry, known) for entry in databases}
    unknown: list[str] = []
    if not all(owners.values()):
        listings = run_syncs(
            project, sources, [SyncRequest(name, listing_only=True) for name in names], verbose=verbose
        )
        known = {name: _known_names(project, sources, name) for name in names}
        owners = {entry: _owners(entry, known) for entry in databases}
        for entry in (entry for entry, found in owners.items() if not found):
            near = nearest(entry, [found.title for _, selected in known.values() for found in selected])
            unknown.append(
                f'No source has a selected database called "{entry}"'
                + (f', nearest is "{near}".' if near else ".")
                + " See `notion-pipeline streams` for what there is."
            )
        if unknown:
            # A listing that failed may be why.
            unknown += [reason for outcome in listings for reason in outcome.failures]
    requests = [
        SyncRequest(name, tuple(entry for entry in databases if name in owners[entry]), full)
        for name in names
        if any(name in found for found in owners.values())
    ]
    return requests, unknown


def _owners(entry: str, known: Mapping[str, tuple[Source, Sequence[DatabaseName]]]) -> list[str]:
    """The sources that have a database which the entry names."""
    return [name for name, (source, selected) in known.items() if source.databases_called(entry, selected)]


def _known_names(project: Project, sources: Sources, source: str) -> tuple[Source, list[DatabaseName]]:
    """The source, and the names of the databases that the last listing selected."""
    with open_catalog(project, sources).reading() as connection:
        resolution, known = resolution_of_catalog(connection, sources.source(source))
    return resolution.source, [
        known_database_name(resolution.source, database)
        for database in known.values()
        if database.accessible and database.selected
    ]


def _print_result(console: Console, outcomes: Sequence[Outcome], *, seconds: float) -> None:
    """Prints what the runs committed: a line for each database, and the sums."""
    synced = sorted((entry for outcome in outcomes for entry in outcome.synced), key=lambda e: (e.source, e.title))
    if synced:
        console.print(_synced_table(synced))
    if not synced and not any(outcome.success for outcome in outcomes):
        return
    listed = sum(outcome.databases_listed or 0 for outcome in outcomes)
    rows = sum(entry.count("rows_read") for entry in synced)
    requests = sum(entry.count("api_requests") for entry in synced)
    console.print(
        f"{listed:,} databases listed, {len(synced):,} synced: {rows:,} rows read with {requests:,} requests "
        f"in {seconds:.1f} s.",
        highlight=False,
        soft_wrap=True,
    )


def _synced_table(synced: Sequence[SyncedDatabase]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("database", overflow="fold")
    table.add_column("table", overflow="fold")
    for name in _COUNTS:
        table.add_column(name, justify="right")
    for entry in synced:
        counts = [f"{entry.count(f'rows_{name}'):,}" for name in _COUNTS]
        table.add_row(Text(title_of(entry.title)), Text(entry.tables.replace(", ", "\n")), *counts)
    return table


def raise_failures(outcomes: Sequence[Outcome | ContentOutcome], unknown: Sequence[str] = ()) -> None:
    """Ends the command where a run failed, or a name fits nothing.

    Raises:
        CommandError: The message says which databases or pages failed, and why.
    """
    reasons = [*unknown, *(reason for outcome in outcomes for reason in outcome.failures)]
    if any(outcome.interrupted for outcome in outcomes):
        reasons.append(INTERRUPTED)
        raise InterruptedCommandError("\n".join(reasons))
    if unknown or not all(outcome.success for outcome in outcomes):
        raise CommandError("\n".join(dict.fromkeys(reasons)))
