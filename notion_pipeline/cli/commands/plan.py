"""`notion-pipeline plan`: what the next sync will do and cost, told before it does it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

import click
from rich.console import Console

from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.catalog.content.cost import ContentDue
from notion_pipeline.catalog.listing.resolved import resolution_of_catalog
from notion_pipeline.cli import CommandError
from notion_pipeline.cli.catalog import open_catalog
from notion_pipeline.cli.content_cost import content_line, due_content
from notion_pipeline.cli.first_search import first_search
from notion_pipeline.cli.terminal import Record, echo_json, moment, output, print_records, title_of
from notion_pipeline.config.selection import DATABASES_STREAM, DatabaseName
from notion_pipeline.config.sources import KnownNames, Source, Sources, load_sources
from notion_pipeline.listing.cache import last_schemas
from notion_pipeline.listing.expected import first_listing_requests, listing_requests
from notion_pipeline.listing.listed import KnownDatabase
from notion_pipeline.listing.resolution import known_database_name, resolve
from notion_pipeline.listing.targets import DatabaseTarget, DataSourceTarget
from notion_pipeline.messages import nearest
from notion_pipeline.outside import shown_line
from notion_pipeline.project import Project, find_project
from notion_pipeline.sync.estimate import requests_per_minute, seconds_for
from notion_pipeline.sync.plan import PlannedRead, Planner, SeenSchemas, SyncPlan

_FILE_WIDTH = 10_000
_HEADINGS = ("database", "table", "read", "requests", "rows", "why")


@dataclass(frozen=True)
class _Listed:
    """A source as the last listing left it; before the first one, as Notion's search shows it.

    Attributes:
        selected: The names of the databases that sources.yaml selects now.
        held_back: Why databases are not read, by their ids.
        listing_requests: Of the listing that comes first in a sync.
        requests_made: To Notion, for this plan.
        content: What the next run of content reads, by the rows of the last sync; None where none is asked for.
    """

    source: Source
    planner: Planner
    known: Mapping[str, KnownDatabase]
    selected: Sequence[DatabaseName]
    held_back: Mapping[str, str]
    schemas: SeenSchemas | None
    listing_requests: int
    requests_made: int = 0
    content: ContentDue | None = None

    @property
    def listed_at(self) -> datetime | None:
        """Local time of the last listing; None where that is not known."""
        return self.schemas.at if self.schemas is not None and not self.requests_made else None

    def plan(self, entries: Sequence[str] | None) -> SyncPlan:
        """The plan for some databases, by the names that they go by; None plans all."""
        wanted = list(self.selected) if entries is None else [d for entry in entries for d in self.called(entry)]
        targets = [_target(self.known[key]) for key in dict.fromkeys(database.id for database in wanted)]
        return SyncPlan(self.planner.reads(targets, held_back=self.held_back, seen=self.schemas), self.listing_requests)

    def called(self, entry: str) -> list[DatabaseName]:
        return self.source.databases_called(entry, self.selected)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("streams", nargs=-1, metavar="[STREAM]...")
@click.option("--full", is_flag=True, help="Plan a sync that reads everything, as `sync --full` does.")
@click.option("--source", metavar="NAME", help="Only this source of sources.yaml.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list, for scripts.")
def plan(streams: tuple[str, ...], *, full: bool, source: str | None, as_json: bool) -> None:
    """Show what the next sync will do and cost.

    For each data source: whether it is read in full or since its bookmark, why, and with about how many requests, by
    what its last reads cost. Then how long all of it takes at the pace that the account has. STREAM is as for `sync`.

    Notion is not asked: what was edited, shared or changed there since the last listing is not in the plan.
    `notion-pipeline sync databases` lists anew. Of a source that was never listed nothing is known, so Notion's search
    is asked for its databases, with one request for each 100.
    """
    project = find_project()
    sources = load_sources(project)
    wanted = [sources.source(source)] if source else list(sources.sources)
    catalog = open_catalog(project, sources)
    now = datetime.now(timezone.utc)
    listed = [_listed(project, sources, catalog, entry, full=full, now=now) for entry in wanted]
    entries = None if not streams else [entry for entry in streams if entry != DATABASES_STREAM]
    if entries:
        _require_known(entries, listed)
        listed = [found for found in listed if any(found.called(entry) for entry in entries)]
    plans = [(found, found.plan(entries)) for found in listed]
    if as_json:
        echo_json([_as_json(found, planned) for found, planned in plans])
        return
    console = output(_FILE_WIDTH)
    for number, (found, planned) in enumerate(plans):
        if number:
            console.print()
        _print(console, found, planned, now)


def _listed(
    project: Project, sources: Sources, catalog: Catalog, source: Source, *, full: bool, now: datetime
) -> _Listed:
    """What is known of a source."""
    with catalog.reading() as connection:
        resolution, known = resolution_of_catalog(connection, source)
        planner = Planner.of_catalog(
            connection,
            resolution.source,
            forced="FULL_TABLE" if full else None,
            visible=[key for found in known.values() if found.accessible for key, _ in found.data_sources],
            staging=sources.staging_path(project),
            now=now,
        )
        content = due_content(connection, resolution.source, known) if source.reads_content else None
    if not known:
        return _never_listed(project, source, full=full, now=now)
    bound = resolution.source
    seen = {key: database for key, database in known.items() if database.accessible}
    unclear = bound.ambiguous_streams([(d.id, d.title) for d in seen.values()], file=project.sources_label)
    schemas = last_schemas(sources.open_state(project), source.name)
    return _Listed(
        bound,
        planner,
        known,
        _selected(bound, seen),
        {**resolution.held_back, **{key: problem.message for key, problem in unclear.items()}},
        SeenSchemas(*schemas) if schemas is not None else None,
        listing_requests(seen, bound.named_ids()),
        content=content,
    )


def _never_listed(project: Project, source: Source, *, full: bool, now: datetime) -> _Listed:
    found = first_search(source, project)
    names = [known_database_name(source, database) for database in found.databases.values()]
    resolution = resolve(source, names, KnownNames())
    planner = Planner(
        resolution.source, forced="FULL_TABLE" if full else None, states={}, costs={}, visible=found.schemas, now=now
    )
    return _Listed(
        resolution.source,
        planner,
        found.databases,
        _selected(resolution.source, found.databases),
        resolution.held_back,
        SeenSchemas(now, found.schemas),
        first_listing_requests(found.databases, source.named_ids()),
        requests_made=found.requests,
    )


def _selected(source: Source, databases: Mapping[str, KnownDatabase]) -> list[DatabaseName]:
    return [known_database_name(source, d) for d in databases.values() if source.selects(d.id, d.title)]


def _target(database: KnownDatabase) -> DatabaseTarget:
    members = tuple(DataSourceTarget(key, name) for key, name in database.data_sources)
    return DatabaseTarget(database.id, database.title, database.url, members)


def _require_known(entries: Sequence[str], listed: Sequence[_Listed]) -> None:
    """Makes sure that each name is that of a selected database.

    Raises:
        CommandError: One is not.
    """
    titles = [database.title for found in listed for database in found.selected]
    lines = []
    for entry in entries:
        if not any(found.called(entry) for found in listed):
            near = nearest(entry, titles)
            lines.append(f'No selected database is called "{entry}"' + (f', nearest is "{near}".' if near else "."))
    if lines:
        raise CommandError("\n".join([*lines, "See `notion-pipeline streams` for what there is."]))


def _print(console: Console, found: _Listed, planned: SyncPlan, now: datetime) -> None:
    reads = sorted(planned.reads, key=lambda read: (-read.estimate.requests, read.database.title.casefold()))
    if reads:
        print_records(console, _HEADINGS, [_record(found.source, read) for read in reads])
    for line in _summary(found, planned, now):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _record(source: Source, read: PlannedRead) -> Record:
    estimate = read.estimate
    cells = (
        title_of(read.database.title),
        f"{source.name}.{read.table}" if read.table else "",
        "not" if read.read == "none" else read.read,
        f"{estimate.requests:,.0f}",
        "" if estimate.rows is None else f"{estimate.rows:,}",
        shown_line(read.reason),
    )
    return Record([[cell] for cell in cells], styles={3: "bold"} if read.read == "full" else {})


def _summary(found: _Listed, planned: SyncPlan, now: datetime) -> list[str]:
    limits, requests = found.source.limits, planned.requests
    counts = {kind: sum(read.read == kind for read in planned.reads) for kind in ("full", "incremental", "none")}
    whose = "as limits in sources.yaml allow" if limits.requests_per_minute else "as Notion gives an account"
    parts = [f"{counts['full']:,} to read in full", f"{counts['incremental']:,} since their bookmarks"]
    parts += [f"{counts['none']:,} not at all"] if counts["none"] else []
    costs = [
        f"{planned.listing_requests:,} for the listing",
        f"{planned.read_requests:,.0f} for the reads",
        f"{planned.relation_requests:,} for relations to what is not shared",
    ]
    duration = timedelta(seconds=round(seconds_for(requests, limits)))
    lines = [
        f"{found.source.name}: {', '.join(parts)}.",
        f"About {requests:,.0f} requests ({', '.join(costs)}): {duration} at {requests_per_minute(limits):,} a minute, "
        f"{whose}.",
    ]
    assumed = Counter(read.estimate.assumed for read in planned.reads if read.estimate.assumed)
    lines += [
        f"Assumed of {count:,}, for want of an earlier read of that kind: {text}." for text, count in assumed.items()
    ]
    dates = _due(planned)
    if dates:
        overdue = sum(at < now for at, _ in dates)
        coming = next(((at, read) for at, read in dates if at >= now), None)
        after = f"; the next one is {title_of(coming[1].database.title)} at {moment(coming[0])}" if coming else ""
        lines.append(f"By full_sync_every {overdue:,} of {len(dates):,} are due for a full read now{after}.")
    if found.content is not None:
        lines.append(content_line(found.content, found.source))
    if found.requests_made:
        many = "request" if found.requests_made == 1 else "requests"
        lines.append(
            "The source was never listed, so Notion's search was asked for its databases, with "
            f"{found.requests_made:,} {many}; titles are those of data sources."
        )
    else:
        since = f" since the listing of {moment(found.listed_at)}" if found.listed_at is not None else ""
        lines.append(f"Notion was not asked: what was edited, shared or changed there{since} is not in this plan.")
    return lines


def _due(planned: SyncPlan) -> list[tuple[datetime, PlannedRead]]:
    """When `full_sync_every` asks for full reads, the earliest first."""
    dated = [(read.full_read_due, read) for read in planned.reads if read.full_read_due is not None]
    return sorted(dated, key=lambda found: found[0])


def _as_json(found: _Listed, planned: SyncPlan) -> dict[str, Any]:
    limits = found.source.limits
    return {
        "source": found.source.name,
        "requests": round(planned.requests),
        "listing_requests": planned.listing_requests,
        "read_requests": round(planned.read_requests, 1),
        "relation_requests": planned.relation_requests,
        "seconds": round(seconds_for(planned.requests, limits), 1),
        "requests_per_minute": requests_per_minute(limits),
        "concurrent_requests": limits.concurrent_requests,
        "requests_made": found.requests_made,
        "listed_at": found.listed_at.isoformat() if found.listed_at is not None else None,
        "content": None
        if found.content is None
        else {
            **asdict(found.content),
            "requests": found.content.requests,
            "seconds": round(seconds_for(found.content.requests, limits), 1),
        },
        "next_full_read_due": next((at.isoformat() for at, _ in _due(planned)), None),
        "data_sources": [
            {
                "id": read.data_source.id or None,
                "name": read.data_source.name,
                "database_id": read.database.id,
                "title": read.database.title,
                "table": f"{found.source.name}.{read.table}" if read.table else None,
                "read": read.read,
                "reason": read.reason,
                "requests": round(read.estimate.requests, 1),
                "rows": read.estimate.rows,
                "assumed": read.estimate.assumed,
                "full_read_due": read.full_read_due.isoformat() if read.full_read_due is not None else None,
            }
            for read in planned.reads
        ],
    }
