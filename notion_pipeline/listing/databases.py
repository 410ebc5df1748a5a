"""Which databases a connection may see: what search finds, what sources.yaml names, and what was known before.

Search is no inventory (notion-api.md section 8), so a known database that it misses is asked for by id, and retired
only when that answer says 404 or in trash. Search gives data sources; what only the database itself tells (its title,
where it stands) is asked for when the database is new or search shows any of its data sources changed. What changes
in it alone leaves no trace in search, so each listing also asks for those that it has not asked for longest.

A database that cannot be looked at, or of which nothing can be read, is a failure of its own: the others are listed.
Where search or a database that was to be listed fails, the listing is incomplete, and nothing is retired.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import Any

import orjson

from notion_pipeline.errors import (
    AuthorizationError,
    NothingSharedError,
    NotionError,
    NotionInTrashError,
    NotionNotFoundError,
    NotionPipelineError,
    NotionRequestError,
    copied,
    error_context,
    located,
)
from notion_pipeline.listing.search import Search, database_of, plain_title, search_data_sources
from notion_pipeline.notion.client import NotionClient
from notion_pipeline.notion.gather import all_or_first_error
from notion_pipeline.notion_ids import normalise_id, notion_id
from notion_pipeline.rows.timestamps import as_datetime

#: Known and unchanged databases that each listing asks for all the same, in turn.
ASKED_IN_TURN = 2
#: Why a database is not seen any more.
NOT_SHARED = "not shared with the connection any more, or deleted (Notion answers 404)"
IN_TRASH = "in Notion's trash"
_LONG_AGO = datetime.min.replace(tzinfo=timezone.utc)
#: Of a data source, what tells that something about it or its database changed; icons have addresses that expire.
_TELLING = ("title", "description", "parent", "database_parent", "last_edited_time", "url", "public_url", "is_inline")


@dataclass(frozen=True)
class KnownDatabase:
    """A database as the listings before left it in the catalog, with (id, name) of its data sources.

    Attributes:
        search_digest: Digest of its search results at the last GET; None where that is not known.
        asked_at: When it was last asked for by id.
        tables: Of its data sources, without the schema.
    """

    id: str
    title: str
    url: str
    data_sources: tuple[tuple[str, str], ...]
    selected: bool
    accessible: bool
    created_time: datetime | None = None
    search_digest: str | None = None
    asked_at: datetime | None = None
    tables: tuple[str, ...] = ()


@dataclass(frozen=True)
class ListedDataSource:
    """A data source of a listed database; `raw` is its object with the schema."""

    id: str
    name: str
    raw: dict[str, Any]


@dataclass(frozen=True)
class ListedDatabase:
    """A database that the connection sees now.

    Attributes:
        raw: The container as Notion gives it; None where it was not asked for, since the catalog has it.
        data_sources: With their schemas as of now.
        found_by: Which of `search`, `sources.yaml` and `catalog` knew of it.
        search_digest: Digest of its search results; None where search does not show it.
    """

    id: str
    title: str
    url: str
    raw: dict[str, Any] | None
    data_sources: tuple[ListedDataSource, ...]
    found_by: frozenset[str]
    created_time: datetime | None = None
    search_digest: str | None = None


@dataclass(frozen=True)
class ListingFailure:
    """A database that could not be looked at, or of which nothing can be read.

    Attributes:
        title: As the catalog has it, else its own, else as search shows its first data source; may be empty.
        error: Why; it names the database.
        is_kept: Whether the catalog has it, and keeps its row and its tables as they are.
        data_sources: Their ids, as far as they are known.
    """

    id: str
    title: str
    error: NotionPipelineError
    is_kept: bool
    data_sources: tuple[str, ...] = ()


@dataclass(frozen=True)
class Listing:
    """What one look at the account found.

    Attributes:
        server_time: Server's clock before the first schema was read, the bookmark of reads that use them: the earliest
            that any answer of the listing told.
        retired: Known databases that Notion says are gone, in trash or not shared any more.
        gone: Why, by id, of each database that was asked for and is not there; of those that sources.yaml names too.
        failures: Databases that are to be listed and could not be.
        search_error: Why what search gave is not whole; what it gave is listed.
    """

    databases: tuple[ListedDatabase, ...]
    retired: tuple[str, ...]
    server_time: datetime | None
    api_requests: int
    gone: Mapping[str, str] = field(default_factory=dict)
    failures: tuple[ListingFailure, ...] = ()
    search_error: NotionError | None = None


async def list_databases(
    client: NotionClient,
    *,
    named: Iterable[str],
    known: Mapping[str, KnownDatabase],
    log: Callable[[str], None],
    source: str | None = None,
) -> Listing:
    """Looks at the whole account, with one request for each 100 data sources and one for each database to be asked for.

    Args:
        named: Ids of databases or data sources that sources.yaml names.
        known: The databases that were accessible at the last listing, by id.
        source: Its name in sources.yaml, for the failures.

    Raises:
        NothingSharedError: The connection sees no database, or none any more.
        NotionError: Notion does not take the credential, or could not be reached, or nothing can be listed since
            search fails.
    """
    search = await search_data_sources(client, log)
    members = _by_database(search)
    ways: dict[str, set[str]] = {}
    owners = {member_id: database_id for database_id, found in members.items() for member_id in found}
    owners |= {member_id: before.id for before in known.values() for member_id, _ in before.data_sources}
    named = [owners.get(named_id, named_id) for named_id in named]
    for way, ids in (("search", members), ("sources.yaml", named), ("catalog", known)):
        for database_id in ids:
            ways.setdefault(database_id, set()).add(way)
    unchanged = _unchanged(members, known)
    asked = {database_id: frozenset(by) for database_id, by in ways.items() if database_id not in unchanged}
    found, titles = await _databases(client, asked, search.data_sources)
    # Two ids may lead to one database: its own, and that of a data source that search does not show.
    distinct = {
        database.id: replace(database, search_digest=_search_digest(members.get(database.id, {})))
        for key, database in found.items()
        if isinstance(database, ListedDatabase) and (key == database.id or database.id not in ways)
    }
    databases = list(distinct.values())
    databases += [
        _as_known(known[database_id], members[database_id], frozenset(ways[database_id])) for database_id in unchanged
    ]
    errors = {key: error for key, error in found.items() if not isinstance(error, ListedDatabase)}
    if not databases and search.error is not None:
        raise search.error
    if not databases and all(isinstance(error, NotionNotFoundError) for error in errors.values()):
        raise _nothing_seen(len(known))
    is_complete = search.error is None and not search.is_capped
    # What only sources.yaml names may be no database at all; it says nothing of the others.
    is_complete &= all(_is_gone(key, error) or ways[key] == {"sources.yaml"} for key, error in errors.items())
    reasons = {
        key: IN_TRASH if isinstance(error, NotionInTrashError) else NOT_SHARED
        for key, error in errors.items()
        if _is_gone(key, error)
    }
    gone = reasons.keys() & known.keys()
    retired = set(gone) if is_complete else set()
    if len(gone) > 1 and gone == known.keys():
        log(
            f"None of the {len(gone)} known databases can be seen any more, while others can: was the token changed? "
            "Nothing is retired yet; the next listing does so."
        )
        retired = set()
        errors = {key: error for key, error in errors.items() if key not in gone}
    seen = {member.id for database in databases for member in database.data_sources}
    failures = [
        _failure(
            key,
            located(error if ways[key] != {"sources.yaml"} else _named_only(error), source=source),
            known.get(key),
            members.get(key, {}),
            title=titles.get(key, ""),
            elsewhere=seen,
            is_retired=key in retired,
        )
        for key, error in errors.items()
        if "sources.yaml" in ways[key] or key not in retired
    ]
    return Listing(
        databases=tuple(sorted(databases, key=lambda d: (d.created_time or _LONG_AGO, d.id))),
        retired=tuple(sorted(retired)),
        server_time=client.stats.earliest,
        api_requests=client.stats.requests,
        gone=reasons,
        failures=tuple(sorted(failures, key=lambda failure: (failure.title, failure.id))),
        search_error=_incomplete(search.error) if search.error is not None else None,
    )


def hold_back(listing: Listing, problems: Mapping[str, NotionPipelineError], known: Collection[str]) -> Listing:
    """The listing with some of its databases as failures, by their ids: the catalog keeps them as they are."""
    held = [database for database in listing.databases if database.id in problems]
    failures = [
        ListingFailure(
            database.id,
            database.title,
            located(problems[database.id], database=_label(database.id, database.title)),
            is_kept=database.id in known,
            data_sources=tuple(member.id for member in database.data_sources),
        )
        for database in held
    ]
    return replace(
        listing,
        databases=tuple(database for database in listing.databases if database.id not in problems),
        failures=(*listing.failures, *failures),
    )


def _failure(
    database_id: str,
    error: NotionPipelineError,
    before: KnownDatabase | None,
    members: Mapping[str, dict[str, Any]],
    *,
    title: str,
    elsewhere: Collection[str],
    is_retired: bool,
) -> ListingFailure:
    if before is not None:
        title = before.title
    elif not title:
        title = next(filter(None, map(plain_title, members.values())), "")
    known_members = [member_id for member_id, _ in before.data_sources] if before else []
    return ListingFailure(
        database_id,
        title,
        located(error, database=_label(database_id, title)),
        is_kept=before is not None and not is_retired,
        data_sources=tuple(key for key in dict.fromkeys([*known_members, *members]) if key not in elsewhere),
    )


def _is_gone(database_id: str, error: NotionPipelineError) -> bool:
    """Whether Notion shows a database no more; an id of the catalog that is none leads nowhere either."""
    return isinstance(error, NotionNotFoundError) or normalise_id(database_id) is None


def _named_only(error: NotionPipelineError) -> NotionPipelineError:
    """The error of a database of which nobody knows but who named it."""
    own = copied(error)
    own.message = f"{error.message} It is named in sources.yaml."
    return own


def _label(database_id: str, title: str) -> str:
    return f'"{title}" ({database_id})' if title else database_id


def _incomplete(error: NotionError) -> NotionError:
    """What an incomplete search means for a sync."""
    is_odd = isinstance(error, NotionRequestError) and error.status == 200
    what = "gave results that cannot be read" if is_odd else "did not come to its end"
    return NotionError(
        f"Notion's search {what}, so databases that were shared lately may be missing from the listing; nothing is "
        f"retired, and what was known or named is synced all the same. {error.message}",
        hint=error.hint,
        status=error.status,
        code=error.code,
        request_id=error.request_id,
        source=error.source,
    )


def _by_database(search: Search) -> dict[str, dict[str, dict[str, Any]]]:
    """The data sources that search found, by database id and their own."""
    members: dict[str, dict[str, dict[str, Any]]] = {database_id: {} for database_id in search.databases}
    for member_id, raw in search.data_sources.items():
        if (database_id := database_of(raw)) is not None:
            members[database_id][member_id] = raw
    return members


def _unchanged(members: Mapping[str, dict[str, dict[str, Any]]], known: Mapping[str, KnownDatabase]) -> set[str]:
    """The databases that need not be asked for, but for those whose turn it is."""
    same = [
        before
        for database_id, before in known.items()
        if before.search_digest is not None
        and before.data_sources
        and before.search_digest == _search_digest(found := members.get(database_id, {}))
        and all(isinstance(found.get(member_id, {}).get("properties"), dict) for member_id, _ in before.data_sources)
    ]
    same.sort(key=lambda before: (before.asked_at or _LONG_AGO, before.id))
    return {before.id for before in same[ASKED_IN_TURN:]}


def _search_digest(members: Mapping[str, dict[str, Any]]) -> str | None:
    """A digest of what search tells of a database by its data sources; None where it tells nothing."""
    if not members:
        return None
    telling = {member_id: [raw.get(key) for key in _TELLING] for member_id, raw in members.items()}
    return hashlib.sha256(orjson.dumps(telling, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _as_known(before: KnownDatabase, members: Mapping[str, dict[str, Any]], found_by: frozenset[str]) -> ListedDatabase:
    """The database as the catalog has it, with the schemas that search gives."""
    return ListedDatabase(
        id=before.id,
        title=before.title,
        url=before.url,
        raw=None,
        data_sources=tuple(
            ListedDataSource(member_id, name, members[member_id])
            for member_id, name in before.data_sources
            if member_id in members
        ),
        found_by=found_by,
        created_time=before.created_time,
        search_digest=before.search_digest,
    )


def _nothing_seen(known: int) -> NothingSharedError:
    if known:
        return NothingSharedError(
            f"None of the {known} known databases can be seen by the connection any more; "
            "all tables and partitions stay.",
            hint="Look at the connection in Notion (Settings, Connections): was it removed from its pages?",
        )
    return NothingSharedError(
        "The connection sees no database.",
        hint="In Notion open a page with databases, then its ... menu, Connections, and add the connection; "
        "search may need a minute to notice.",
    )


async def _databases(
    client: NotionClient, asked: Mapping[str, frozenset[str]], data_sources: dict[str, dict[str, Any]]
) -> tuple[dict[str, ListedDatabase | NotionPipelineError], dict[str, str]]:
    """Each database that is to be asked for, or why it cannot be listed; NotionNotFoundError where it is gone.

    Args:
        asked: By database id, which ways know of it.

    Returns:
        The databases or errors, and the titles that were told, of those that cannot be listed too; by id.

    Raises:
        AuthorizationError: Notion does not take the credential any more.
    """
    found: dict[str, ListedDatabase | NotionPipelineError] = {}
    titles: dict[str, str] = {}

    async def ask(database_id: str) -> None:
        try:
            found[database_id] = await _named_database(client, database_id, asked[database_id], data_sources, titles)
        except AuthorizationError as error:
            found[database_id] = error
            raise
        except NotionPipelineError as error:
            found[database_id] = error
        except Exception as error:  # one database's answer is its own, however odd
            found[database_id] = _odd(database_id, f"{type(error).__name__}: {error}")

    while left := [database_id for database_id in asked if database_id not in found]:
        try:
            await all_or_first_error(ask(database_id) for database_id in left)
        except AuthorizationError:
            # The others were stopped, lest hundreds of them ask with a token that is refused. Here it was not that.
            if not await client.accepts_credential():
                raise
    return found, titles


async def _named_database(
    client: NotionClient,
    named_id: str,
    found_by: frozenset[str],
    data_sources: dict[str, dict[str, Any]],
    titles: dict[str, str],
) -> ListedDatabase:
    """The database of an id; of one that sources.yaml alone knows, also where it is a data source's."""
    try:
        return await _database(client, named_id, found_by, data_sources, titles)
    except NotionInTrashError:
        raise
    except NotionNotFoundError:
        owner = await _owner(client, named_id) if found_by == {"sources.yaml"} else None
        if owner is None:
            raise
    return await _database(client, owner, found_by, data_sources, titles)


async def _database(
    client: NotionClient,
    database_id: str,
    found_by: frozenset[str],
    data_sources: dict[str, dict[str, Any]],
    titles: dict[str, str],
) -> ListedDatabase:
    """Asks for a database; its title goes into `titles`, also where the rest of the answer is no use."""
    raw = (await client.database(database_id)).body
    titles[database_id] = plain_title(raw)
    entries = data_source_entries(raw, database_id)
    with error_context(database=_label(database_id, plain_title(raw))):
        members = await all_or_first_error(
            _member(client, member_id, name, data_sources) for member_id, name in entries
        )
    return ListedDatabase(
        id=database_id,
        title=plain_title(raw),
        url=str(raw.get("url") or ""),
        raw=raw,
        data_sources=tuple(member for member in members if member is not None),
        found_by=found_by,
        created_time=as_datetime(raw.get("created_time")),
    )


def data_source_entries(raw: dict[str, Any], database_id: str) -> list[tuple[str, str]]:
    """Id and name of the data sources of a database, as its own answer names them.

    Raises:
        NotionNotFoundError: It is in the trash.
        NotionRequestError: It has none, as a linked view, or the answer is not one of a database.
        InvalidIdError: It names one by an id that is none.
    """
    if raw.get("object") != "database":
        raise _odd(database_id, f'it is a "{raw.get("object")}"')
    if raw.get("in_trash") or raw.get("archived"):
        raise NotionInTrashError(
            f"Database {database_id} is in Notion's trash.",
            hint="Restore it in Notion, or take it out of sources.yaml.",
            status=404,
        )
    entries = raw.get("data_sources")
    if not isinstance(entries, list):
        raise _odd(database_id, "it names no data sources")
    if not entries:
        raise NotionRequestError(
            f"Database {database_id} has no data source of its own, so there is nothing to read: it is a linked view "
            "of another database, or its data sources were moved to another.",
            hint="Name the original database instead: in Notion open the view's settings and follow its source; or "
            "deselect this one.",
            status=200,
        )
    found = []
    for entry in entries:
        told = entry if isinstance(entry, dict) else {}
        member_id = notion_id(told.get("id"), "One of its data sources")
        name = told.get("name")
        found.append((member_id, name if isinstance(name, str) else ""))
    return list(dict(found).items())


async def _owner(client: NotionClient, data_source_id: str) -> str | None:
    """The database of a data source that search does not show; None where the id is not that of one."""
    try:
        return database_of((await client.data_source(data_source_id)).body)
    except NotionRequestError:
        return None


async def _member(
    client: NotionClient, member_id: str, name: str, data_sources: dict[str, dict[str, Any]]
) -> ListedDataSource | None:
    raw = data_sources.get(member_id)
    if raw is None or not isinstance(raw.get("properties"), dict):
        try:
            raw = (await client.data_source(member_id)).body
        except NotionNotFoundError:
            return None
        if not raw.get("in_trash") and not isinstance(raw.get("properties"), dict):
            raise NotionRequestError(
                f"The answer about data source {member_id} is not as Notion's are: it holds no properties.",
                hint="Sync again later; if it stays so, deselect the database.",
                status=200,
            )
    return None if raw.get("in_trash") else ListedDataSource(member_id, name, raw)


def _odd(database_id: str, what: str) -> NotionRequestError:
    return NotionRequestError(
        f"The answer about database {database_id} is not as Notion's are: {what}.",
        hint="Sync again later; if it stays so, deselect the database.",
        status=200,
    )
