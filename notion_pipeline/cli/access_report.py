"""Compares what an account sees with sources.yaml and the catalog, and says in sentences what differs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from notion_pipeline.accounts.credentials import credential_of, open_client
from notion_pipeline.catalog.read.gone import GoneDatabase
from notion_pipeline.config.sources import KnownNames, OAuthAccount, Source
from notion_pipeline.errors import NotionError, NotionNotFoundError, RetryableNotionError
from notion_pipeline.listing.databases import list_databases
from notion_pipeline.listing.exclusions import loose_exclusions, unmatched_exclusions, unresolved_exclusions
from notion_pipeline.listing.listed import KnownDatabase, ListedDatabase, Listing
from notion_pipeline.listing.resolution import Resolution, resolve_listing
from notion_pipeline.notion.client import NotionClient
from notion_pipeline.notion.gather import all_or_first_error
from notion_pipeline.outside import shown_line
from notion_pipeline.project import Project

#: Names that one finding tells; a workspace may have thousands.
_NAMED_AT_MOST = 20
_ONE_WAY = {
    "search": "only search finds, so they are new since the last listing",
    "sources.yaml": "only sources.yaml names, and search misses; they are synced all the same",
    "catalog": "only the catalog knows, and search misses; they are synced all the same",
}


@dataclass(frozen=True)
class Identity:
    """Whose account it is, in Notion's words.

    Attributes:
        bot: The connection's name.
    """

    workspace: str
    bot: str

    def __str__(self) -> str:
        return f'workspace "{shown_line(self.workspace)}"' if self.workspace else "a workspace without a name"


def account_text(source: Source) -> str:
    """How a source reaches Notion, as sources.yaml says it."""
    if isinstance(source.account, OAuthAccount):
        return f"connected account {source.account.workspace}"
    return f"token in {source.account.token.env}"


async def identity(source: Source, project: Project, *, seconds: float) -> Identity:
    """Asks Notion whose token it is.

    Raises:
        NotionPipelineError: There is no token, or Notion does not take it, or does not answer in time.
    """

    async def ask() -> dict[str, Any]:
        client = open_client(credential_of(source, project), project, source=source.name, counts_as_use=False)
        async with client:
            return (await client.me()).body

    try:
        body = await asyncio.wait_for(ask(), seconds)
    except asyncio.TimeoutError:
        raise RetryableNotionError(f"Notion did not answer within {seconds:.0f} seconds.", source=source.name) from None
    bot = body.get("bot")
    workspace = bot.get("workspace_name") if isinstance(bot, Mapping) else None
    return Identity(str(workspace or ""), str(body.get("name") or ""))


@dataclass(frozen=True)
class AccessReport:
    """What an account sees.

    Attributes:
        resolution: What the names in sources.yaml mean by it.
        notes: Lines that the listing logged.
        hidden: Relations of selected databases whose target is not shared with the connection.
        unclear: Relations whose target could not be fetched, with the reason.
    """

    listing: Listing
    resolution: Resolution
    notes: tuple[str, ...]
    hidden: tuple[str, ...]
    unclear: tuple[str, ...] = ()


async def access_report(
    source: Source, project: Project, before: Mapping[str, KnownDatabase], names: KnownNames | None = None
) -> AccessReport:
    """Lists the databases as a sync does.

    Args:
        before: The databases of the listings so far, by id.
        names: What the names in sources.yaml were found to mean so far.

    Raises:
        NotionPipelineError: As credential_of and list_databases.
    """
    notes: list[str] = []
    known = {key: database for key, database in before.items() if database.accessible}
    client = open_client(credential_of(source, project), project, source=source.name, limits=source.limits)
    async with client:
        listing = await list_databases(
            client, named=source.named_ids(), known=known, log=notes.append, source=source.name
        )
        resolution = resolve_listing(source, listing.databases, before, names or KnownNames(), listing.failures)
        selected = [found for found in listing.databases if resolution.source.selects(found.id, found.title)]
        hidden, unclear = await _hidden_relations(client, selected, listing.databases)
    return AccessReport(listing, resolution, tuple(notes), tuple(hidden), tuple(unclear))


async def _hidden_relations(
    client: NotionClient, selected: Sequence[ListedDatabase], listed: Sequence[ListedDatabase]
) -> tuple[list[str], list[str]]:
    """Relations that Notion shows as empty, since their target is not shared (notion-api.md section 6).

    Returns:
        With them, those whose target could not be fetched for another reason.
    """
    visible = {member.id for database in listed for member in database.data_sources}
    wanted = [
        (database.title or "Untitled", name, target)
        for database in selected
        for member in database.data_sources
        for name, target in _relations(member.raw)
        if target not in visible
    ]
    targets = sorted({target for _, _, target in wanted})
    seen = dict(zip(targets, await all_or_first_error(_sees(client, target) for target in targets), strict=True))
    hidden = [
        f'"{name}" of "{title}"' for title, name, target in wanted if isinstance(seen[target], NotionNotFoundError)
    ]
    unclear = [
        f'"{name}" of "{title}" ({error.message})'
        for title, name, target in wanted
        if (error := seen[target]) is not None and not isinstance(error, NotionNotFoundError)
    ]
    return hidden, unclear


def _relations(data_source: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Name and target of each relation property."""
    properties = data_source.get("properties")
    found = []
    for name, entry in (properties if isinstance(properties, Mapping) else {}).items():
        relation = entry.get("relation") if isinstance(entry, Mapping) else None
        target = relation.get("data_source_id") if isinstance(relation, Mapping) else None
        if isinstance(target, str):
            found.append((str(name), target))
    return found


async def _sees(client: NotionClient, data_source_id: str) -> NotionError | None:
    """Why a data source cannot be seen; None where it can."""
    try:
        await client.data_source(data_source_id)
    except NotionError as error:
        return error
    return None


def unseen(
    report: AccessReport, known: Mapping[str, KnownDatabase], gone: Iterable[GoneDatabase], named: Iterable[str] = ()
) -> list[GoneDatabase]:
    """The databases that are not seen any more: retired by earlier listings, gone since, or named and not there.

    Args:
        known: The databases that were accessible at the last listing, by id.
        gone: Those that the catalog has as gone.
        named: Ids that sources.yaml names.
    """
    listing = report.listing
    seen = {database.id for database in listing.databases}
    # What Notion says now is newer than what the catalog has.
    found = {d.id: replace(d, reason=listing.gone.get(d.id, d.reason)) for d in gone if d.id not in seen}
    for database_id in (*listing.retired, *(key for key in named if key in listing.gone)):
        before = known.get(database_id)
        title, url = (before.title, before.url) if before else (database_id, "")
        found.setdefault(database_id, GoneDatabase(database_id, title, url, listing.gone[database_id], None, ()))
    return list(found.values())


def named_in_vain(report: AccessReport, gone: Iterable[GoneDatabase]) -> list[GoneDatabase]:
    """The gone databases that sources.yaml names by id, or by a name that no visible database has."""
    source = report.resolution.source
    listed = [(database.id, database.title) for database in report.listing.databases]
    named = [("select", entry) for entry in source.select] + [("streams", entry) for entry in source.streams]
    entries = [
        (key, entry) for key, entry in named if not any(source.names(key, entry, *database) for database in listed)
    ]
    return [
        database
        for database in gone
        if any(source.names(key, entry, database.id, database.title) for key, entry in entries)
        and not source.deselects(database.id, database.title)
    ]


def findings(report: AccessReport, known: Mapping[str, KnownDatabase], gone: Sequence[GoneDatabase] = ()) -> list[str]:
    """A line for each thing that a person should know about a listing.

    Args:
        known: The databases that were accessible at the last listing, by id.
        gone: Those that are not seen any more.
    """
    listing = report.listing
    lines = [entry.sentence() for entry in report.resolution.unmatched if not entry.is_mistake]
    lines += report.resolution.renamed
    for way, words in _ONE_WAY.items():
        alone = [database for database in listing.databases if database.found_by == {way}]
        if alone:
            lines.append(f"{words[0].upper()}{words[1:]}: {_named(d.title or d.id for d in alone)}.")
    told = [database for database in gone if database.tables or database.id in listing.retired]
    lines += [f"Not seen any more: {database.describe()}." for database in told[:_NAMED_AT_MOST]]
    if len(told) > _NAMED_AT_MOST:
        lines.append(f"Not seen any more: {len(told) - _NAMED_AT_MOST} others.")
    if report.hidden:
        lines.append(
            f"Relations that look empty, since their target is not shared: {_named(report.hidden, quotes='')}."
        )
    if report.unclear:
        lines.append(f"Relations whose target could not be fetched: {_named(report.unclear, quotes='')}.")
    return [*lines, *report.notes]


def mistakes(report: AccessReport) -> list[str]:
    """A line for each name in sources.yaml that matches nothing, so that a sync would not do what is meant."""
    source = report.resolution.source
    lines = report.resolution.mistakes
    for database in report.listing.databases:
        label = database.label
        if not source.selects(database.id, database.title):
            continue
        if (reason := report.resolution.held_back.get(database.id)) is not None:
            lines.append(f"{label}: {reason}")
        schemas = [member.raw for member in database.data_sources]
        names = unresolved_exclusions(source, database.id, database.title)
        lines += [
            f"{label}: exclude_properties names {lost}, and the database has no such property; it is not read."
            for lost in unmatched_exclusions(names, schemas)
        ]
        lines += [f"{label}: {problem}" for problem in loose_exclusions(source, database.id, database.title, schemas)]
    return lines


def _named(names: Iterable[str], quotes: str = '"') -> str:
    listed = list(names)
    shown = ", ".join(f"{quotes}{shown_line(name)}{quotes}" for name in listed[:_NAMED_AT_MOST])
    more = len(listed) - _NAMED_AT_MOST
    return f"{shown} and {more} more" if more > 0 else shown
