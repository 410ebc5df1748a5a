"""Lists the databases that a connection sees: what search finds, what sources.yaml names, and what was known before.

Search is no inventory (notion-api.md section 8), so a known database that it misses is fetched by id, and retired only
when that answer says 404 or in trash. Search gives data sources; the database itself, which alone tells its title and
its parent, is fetched when it is new or when search shows any of its data sources changed. A change in the database
alone leaves no trace in search, so each listing also fetches a few unchanged ones in rotation.

A database that cannot be fetched, or in which nothing can be read, is a failure of its own: the others are listed.
Where search or a database that was to be listed fails, the listing is incomplete, and nothing is retired.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import orjson

from notion_pipeline.errors import (
    NothingSharedError,
    NotionError,
    NotionInTrashError,
    NotionNotFoundError,
    NotionPipelineError,
    NotionRequestError,
    copied,
    located,
)
from notion_pipeline.listing.database_answer import fetch_databases, label
from notion_pipeline.listing.listed import KnownDatabase, ListedDatabase, ListedDataSource, Listing, ListingFailure
from notion_pipeline.listing.search import Search, database_of, plain_title, search_data_sources
from notion_pipeline.notion.client import NotionClient
from notion_pipeline.notion_ids import normalise_id

#: How many unchanged databases each listing fetches all the same, in rotation.
ASKED_IN_TURN = 2
#: Why a database is not seen any more.
NOT_SHARED = "not shared with the connection any more, or deleted (Notion answers 404)"
IN_TRASH = "in Notion's trash"
_LONG_AGO = datetime.min.replace(tzinfo=timezone.utc)
#: Keys of a data source that change with it or its database; icons are left out, since their URLs expire.
_TELLING = ("title", "description", "parent", "database_parent", "last_edited_time", "url", "public_url", "is_inline")


async def list_databases(
    client: NotionClient,
    *,
    named: Iterable[str],
    known: Mapping[str, KnownDatabase],
    log: Callable[[str], None],
    source: str | None = None,
) -> Listing:
    """Lists the whole account: one request for each 100 data sources, and one for each database that is fetched.

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
    found, titles = await fetch_databases(client, asked, search.data_sources)
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
    # An id that only sources.yaml names may be no database at all, so its failure does not matter to the others.
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
            located(problems[database.id], database=label(database.id, database.title)),
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
        located(error, database=label(database_id, title)),
        is_kept=before is not None and not is_retired,
        data_sources=tuple(key for key in dict.fromkeys([*known_members, *members]) if key not in elsewhere),
    )


def _is_gone(database_id: str, error: NotionPipelineError) -> bool:
    """Whether Notion does not show a database any more, or its id in the catalog is invalid."""
    return isinstance(error, NotionNotFoundError) or normalise_id(database_id) is None


def _named_only(error: NotionPipelineError) -> NotionPipelineError:
    """The error of a database that only sources.yaml names."""
    own = copied(error)
    own.message = f"{error.message} It is named in sources.yaml."
    return own


def _incomplete(error: NotionError) -> NotionError:
    """The error that says what an incomplete search means for a sync."""
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
    """The databases that need not be fetched, without those whose turn it is."""
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
    """A digest of a database's data sources in search; None where search shows none."""
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
