"""`notion-pipeline sync --content`: reads the pages' content after the sync, source by source."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from notion_pipeline.cli import CommandError
from notion_pipeline.cli.process import ended_by_sigterm, environment, working_in
from notion_pipeline.cli.runs.content_jobs import ContentOutcome, ContentProgress, run_content
from notion_pipeline.cli.runs.sync_jobs import SyncRequest, project_instance
from notion_pipeline.cli.terminal import echo, messages
from notion_pipeline.config.sources import Sources
from notion_pipeline.project import Project

_COUNTS = ("read", "inserted", "updated", "removed")


def check_content(sources: Sources, source: str | None) -> None:
    """Says how to ask for content where sources.yaml does not.

    Raises:
        CommandError: No source that is wanted reads content.
    """
    wanted = [sources.source(source)] if source else list(sources.sources)
    lines = [
        f"sources.yaml asks for no content of source {entry.name}: `content: true` there does, or `notion-pipeline add "
        f"--change --name {entry.name} --content all`."
        for entry in wanted
        if not entry.reads_content
    ]
    if len(lines) == len(wanted):
        raise CommandError("\n".join(lines))
    for line in lines:
        echo(line, err=True)


def read_contents(
    project: Project, sources: Sources, requests: Sequence[SyncRequest], *, verbose: bool
) -> list[ContentOutcome]:
    """Reads the content of the databases that were synced, of each source that asks for it."""
    outcomes: list[ContentOutcome] = []
    with (
        working_in(project.root),
        environment(project.environ),
        ended_by_sigterm(),
        project_instance(project) as instance,
    ):
        for request in requests:
            if not sources.source(request.source).reads_content:
                continue
            with ContentProgress(messages(), request.source, verbose=verbose) as progress:
                outcomes.append(
                    run_content(project, sources, instance, request.source, streams=request.streams, progress=progress)
                )
            if outcomes[-1].interrupted:
                break
    return outcomes


def print_contents(console: Console, outcomes: Sequence[ContentOutcome]) -> None:
    """A line for each database of which pages were read, and the sums."""
    databases = [found for outcome in outcomes for found in outcome.databases]
    read = sorted(
        (found for found in databases if found.count("pages_due") or found.count("pages_removed")),
        key=lambda found: (found.source, found.title),
    )
    if read:
        table = Table("content of", *_COUNTS, box=None, header_style="bold", pad_edge=False)
        for column in table.columns[1:]:
            column.justify = "right"
        for found in read:
            table.add_row(Text(found.title), *(f"{found.count(f'pages_{name}'):,}" for name in _COUNTS))
        console.print(table)
    for outcome in outcomes:
        if outcome.success:
            console.print(_sums(outcome), highlight=False, soft_wrap=True)


def _sums(outcome: ContentOutcome) -> str:
    def count(asset: str, *names: str) -> int:
        return sum(outcome.totals.get(asset, {}).get(name, 0) for name in names)

    parts = [f"{count('content', 'pages_read'):,} pages read"]
    if "users" in outcome.totals:
        parts.append(f"{count('users', 'users_listed', 'users_read_by_id'):,} users")
    if "comments" in outcome.totals:
        changed = count("comments", "comments_inserted", "comments_updated", "comments_removed")
        parts.append(f"{changed:,} comments new, changed or removed")
    if "files" in outcome.totals:
        parts.append(f"{count('files', 'files_listed'):,} files kept or listed")
    requests = sum(count(asset, "requests_made", "api_requests") for asset in outcome.totals)
    return f"Content of source {outcome.source}: {', '.join(parts)}, with {requests:,} requests."
