"""What an account can see, compared with what sources.yaml asks for and what the catalog knows: findings in words."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from notion_pipeline.client import NotionClient
from notion_pipeline.config import KnownNames, OAuthAccount, Source
from notion_pipeline.credentials import credential_of, open_client
from notion_pipeline.errors import NotionNotFoundError, RetryableNotionError
from notion_pipeline.listing import KnownDatabase, ListedDatabase, Listing, list_databases
from notion_pipeline.project import Project
from notion_pipeline.resolution import (
    Resolution,
    loose_exclusions,
    resolve_listing,
    unmatched_exclusions,
    unresolved_exclusions,
)
from notion_pipeline.together import all_or_first_error

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
        return f'workspace "{self.workspace}"' if self.workspace else "a workspace without a name"


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
        client = open_client(
            credential_of(source, project), project, source=source.name, log=_nothing, counts_as_use=False
        )
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
class Sight:
    """What an account sees.

    Attributes:
        resolution: What the names in sources.yaml mean by it.
        notes: What the listing had to say while it was made.
        hidden: Relations of selected databases whose target the connection cannot see.
    """

    listing: Listing
    resolution: Resolution
    notes: tuple[str, ...]
    hidden: tuple[str, ...]


async def look(
    source: Source, project: Project, before: Mapping[str, KnownDatabase], names: KnownNames | None = None
) -> Sight:
    """Lists the databases as a sync does.

    Args:
        before: The databases of the listings so far, by id.
        names: What the names in sources.yaml were found to mean so far.

    Raises:
        NotionPipelineError: As credential_of and list_databases.
    """
    notes: list[str] = []
    known = {key: database for key, database in before.items() if database.accessible}
    client = open_client(
        credential_of(source, project), project, source=source.name, log=_nothing, limits=source.limits
    )
    async with client:
        listing = await list_databases(client, named=source.named_ids(), known=known, log=notes.append)
        resolution = resolve_listing(source, listing.databases, before, names or KnownNames())
        selected = [found for found in listing.databases if resolution.source.selects(found.id, found.title)]
        hidden = await _hidden_relations(client, selected, listing.databases)
    return Sight(listing, resolution, tuple(notes), tuple(hidden))


async def _hidden_relations(
    client: NotionClient, selected: Sequence[ListedDatabase], listed: Sequence[ListedDatabase]
) -> list[str]:
    """Notion shows such relations as empty, without a word (notion-api.md section 6)."""
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
    return [f'"{name}" of "{title}"' for title, name, target in wanted if not seen[target]]


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


async def _sees(client: NotionClient, data_source_id: str) -> bool:
    try:
        await client.data_source(data_source_id)
    except NotionNotFoundError:
        return False
    return True


def findings(sight: Sight, known: Mapping[str, KnownDatabase]) -> list[str]:
    """What a person should know of a listing, a line each.

    Args:
        known: The databases that were accessible at the last listing, by id.
    """
    listing = sight.listing
    lines = [entry.sentence() for entry in sight.resolution.unmatched if not entry.is_mistake]
    lines += sight.resolution.renamed
    for way, words in _ONE_WAY.items():
        alone = [database for database in listing.databases if database.found_by == {way}]
        if alone:
            lines.append(f"{words[0].upper()}{words[1:]}: {_named(d.title or d.id for d in alone)}.")
    if listing.retired:
        gone = _named(known[database_id].title or database_id for database_id in listing.retired)
        lines.append(f"Not to be seen any more (gone, in trash, or not shared): {gone}. Their tables stay.")
    if sight.hidden:
        lines.append(f"Relations that look empty, since their target is not shared: {_named(sight.hidden, quotes='')}.")
    return [*lines, *sight.notes]


def mistakes(sight: Sight) -> list[str]:
    """What sources.yaml names and nothing fits, so that a sync would not do what is meant: a line each."""
    source = sight.resolution.source
    lines = sight.resolution.mistakes
    for database in sight.listing.databases:
        label = f'"{database.title or "Untitled"}" ({database.id})'
        if not source.selects(database.id, database.title):
            continue
        if (reason := sight.resolution.held_back.get(database.id)) is not None:
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
    shown = ", ".join(f"{quotes}{name}{quotes}" for name in listed[:_NAMED_AT_MOST])
    more = len(listed) - _NAMED_AT_MOST
    return f"{shown} and {more} more" if more > 0 else shown


def _nothing(line: str) -> None:
    """What a client says of its repeats."""
