"""`notion-pipeline sources`: shows all sources."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import click
from rich.console import Console
from rich.text import Text

from notion_pipeline.cli.access_report import account_text
from notion_pipeline.cli.commands.sources.source_overview import Overview, overviews
from notion_pipeline.cli.runs.history import LastUsage, NextRun
from notion_pipeline.cli.terminal import echo_json, moment, output
from notion_pipeline.config.sources import load_sources
from notion_pipeline.outside import shown_line
from notion_pipeline.project import find_project

_FILE_WIDTH = 10_000
_STYLES = {"success": "green", "failure": "red", "canceled": "yellow"}


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
        *((("content", Text(_content_text(overview))),) if overview.source.reads_content else ()),
    ):
        console.print(Text(f"  {name:<10}") + text, soft_wrap=True)
    for database in overview.in_catalog.gone:
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


def _content_text(overview: Overview) -> str:
    content = overview.in_catalog.content
    if content is None:
        return "unknown" if overview.catalog_problem else f"not read yet; `{overview.command} --content` reads it"
    return f"{sum(content.values()):,} pages of {sum(map(bool, content)):,} databases"


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
            for database in overview.in_catalog.gone
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
        "pages_with_content": sum(overview.in_catalog.content.values())
        if overview.in_catalog.content is not None
        else None,
    }
