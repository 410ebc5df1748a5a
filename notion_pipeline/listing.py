"""Which databases a connection may see: what search finds, what sources.yaml names, and what was known before.

Search is no inventory (notion-api.md section 8), so a known database that it misses is asked for by id, and retired
only when that answer says 404 or in trash. Search gives data sources; what only the database itself tells (its title,
where it stands) is asked for when the database is new or search shows any of its data sources changed. What changes
in it alone leaves no trace in search, so each listing also asks for those that it has not asked for longest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import Any

import orjson

from notion_pipeline.client import NotionClient
from notion_pipeline.errors import (
    InvalidCursorError,
    NothingSharedError,
    NotionNotFoundError,
    RetryableNotionError,
    about,
)
from notion_pipeline.instants import as_datetime
from notion_pipeline.selection import normalise_id
from notion_pipeline.together import all_or_first_error

SEARCH_RESTARTS = 3
#: Known and unchanged databases that each listing asks for all the same, in turn.
ASKED_IN_TURN = 2
_LONG_AGO = datetime.min.replace(tzinfo=timezone.utc)
#: Of a data source, what tells that something about it or its database changed; icons have addresses that expire.
_TELLING = ("title", "description", "parent", "database_parent", "last_edited_time", "url", "public_url", "is_inline")


@dataclass(frozen=True)
class KnownDatabase:
    """A database as the listings before left it in the catalog, with (id, name) of its data sources.

    Attributes:
        marks: Of its data sources as search showed them when it was last asked for; None where that is not known.
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
    marks: str | None = None
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
        marks: Of its data sources as search shows them; None where search does not.
    """

    id: str
    title: str
    url: str
    raw: dict[str, Any] | None
    data_sources: tuple[ListedDataSource, ...]
    found_by: frozenset[str]
    created_time: datetime | None = None
    marks: str | None = None


@dataclass(frozen=True)
class Listing:
    """What one look at the account found.

    Attributes:
        server_time: Server's clock on an answer before the first schema was read; the bookmark of reads that use them.
        retired: Known databases that Notion says are gone, in trash or not shared any more.
    """

    databases: tuple[ListedDatabase, ...]
    retired: tuple[str, ...]
    server_time: datetime | None
    api_requests: int


@dataclass
class _Search:
    server_time: datetime | None = None
    data_sources: dict[str, dict[str, Any]] = field(default_factory=dict)


def plain_title(raw: dict[str, Any]) -> str:
    """The title's plain text; empty where untitled."""
    parts = raw.get("title")
    return "".join(
        str(part.get("plain_text") or "")
        for part in (parts if isinstance(parts, list) else [])
        if isinstance(part, dict)
    )


async def list_databases(
    client: NotionClient, *, named: Iterable[str], known: Mapping[str, KnownDatabase], log: Callable[[str], None]
) -> Listing:
    """Looks at the whole account, with one request for each 100 data sources and one for each database to be asked for.

    Args:
        named: Ids of databases or data sources that sources.yaml names.
        known: The databases that were accessible at the last listing, by id.

    Raises:
        NothingSharedError: The connection sees no database, or none any more.
        NotionError: Notion refused or could not be reached.
    """
    search = await _search(client, log)
    members = _by_database(search, log)
    ways: dict[str, set[str]] = {}
    owners = {member_id: database_id for database_id, found in members.items() for member_id in found}
    owners |= {member_id: before.id for before in known.values() for member_id, _ in before.data_sources}
    named = [owners.get(named_id, named_id) for named_id in named]
    for way, ids in (("search", members), ("sources.yaml", named), ("catalog", known)):
        for database_id in ids:
            ways.setdefault(database_id, set()).add(way)
    unchanged = _unchanged(members, known)
    found = await all_or_first_error(
        _database(client, database_id, frozenset(by), search.data_sources, log)
        for database_id, by in ways.items()
        if database_id not in unchanged
    )
    # Two ids may lead to one database: its own, and that of a data source that search does not show.
    distinct = {database.id: database for database in found if database}
    databases = [replace(each, marks=_marks(members.get(each.id, {}))) for each in distinct.values()]
    databases += [
        _as_known(known[database_id], members[database_id], frozenset(ways[database_id])) for database_id in unchanged
    ]
    if not databases:
        raise _nothing_seen(len(known))
    gone = known.keys() - {database.id for database in databases}
    if len(gone) > 1 and gone == known.keys():
        log(
            f"None of the {len(gone)} known databases can be seen any more, while others can: was the token changed? "
            "Nothing is retired yet; the next listing does so."
        )
        gone = set()
    return Listing(
        databases=tuple(sorted(databases, key=lambda d: (d.created_time or _LONG_AGO, d.id))),
        retired=tuple(sorted(gone)),
        server_time=search.server_time,
        api_requests=client.stats.requests,
    )


def _by_database(search: _Search, log: Callable[[str], None]) -> dict[str, dict[str, dict[str, Any]]]:
    """The data sources that search found, by database id and their own."""
    members: dict[str, dict[str, dict[str, Any]]] = {}
    for member_id, raw in search.data_sources.items():
        if (database_id := _database_of(raw)) is not None:
            members.setdefault(database_id, {})[member_id] = raw
        else:
            log(f'Data source "{plain_title(raw)}" ({raw.get("id")}) names no database it belongs to; it is left out.')
    return members


def _unchanged(members: Mapping[str, dict[str, dict[str, Any]]], known: Mapping[str, KnownDatabase]) -> set[str]:
    """The databases that need not be asked for, but for those whose turn it is."""
    same = [
        before
        for database_id, before in known.items()
        if before.marks is not None
        and before.marks == _marks(found := members.get(database_id, {}))
        and all("properties" in found.get(member_id, ()) for member_id, _ in before.data_sources)
    ]
    same.sort(key=lambda before: (before.asked_at or _LONG_AGO, before.id))
    return {before.id for before in same[ASKED_IN_TURN:]}


def _marks(members: Mapping[str, dict[str, Any]]) -> str | None:
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
        marks=before.marks,
    )


def _nothing_seen(known: int) -> NothingSharedError:
    if known:
        return NothingSharedError(
            f"None of the {known} known databases can be seen by the connection any more; "
            "all tables and partitions stay.",
            cure="Look at the connection in Notion (Settings, Connections): was it removed from its pages?",
        )
    return NothingSharedError(
        "The connection sees no database.",
        cure="In Notion open a page with databases, then its ... menu, Connections, and add the connection; "
        "search may need a minute to notice.",
    )


async def _search(client: NotionClient, log: Callable[[str], None]) -> _Search:
    """Every data source that search finds; a broken cursor starts it again, since what was found stays found."""
    search = _Search()
    body = {
        "filter": {"property": "object", "value": "data_source"},
        "sort": {"timestamp": "last_edited_time", "direction": "descending"},
        "page_size": 100,
    }
    for attempt in range(SEARCH_RESTARTS + 1):
        try:
            await _search_once(client, body, search, log)
        except InvalidCursorError as error:
            if attempt == SEARCH_RESTARTS:
                raise RetryableNotionError(
                    f"Notion's search cursors broke {SEARCH_RESTARTS + 1} times in a row: {error.message}",
                    cure="Try again later.",
                ) from error
            log("A search cursor was refused; the search starts again.")
        else:
            break
    return search


async def _search_once(client: NotionClient, body: dict[str, Any], search: _Search, log: Callable[[str], None]) -> None:
    cursor: str | None = None
    seen: set[str] = set()
    while True:
        answer = await client.search({**body, "start_cursor": cursor} if cursor else body)
        search.server_time = search.server_time or answer.server_time
        for raw in answer.body.get("results") or []:
            # Trashed data sources may be listed unasked (notion-api.md section 8).
            if isinstance(raw, dict) and raw.get("object") == "data_source" and not raw.get("in_trash"):
                search.data_sources[normalise_id(str(raw.get("id"))) or str(raw.get("id"))] = raw
        status = answer.body.get("request_status")
        if isinstance(status, dict) and status.get("type") == "incomplete":
            log("Notion's search did not give everything; databases known before are asked for by id.")
        if not answer.body.get("has_more"):
            return
        cursor = answer.body.get("next_cursor")
        if not isinstance(cursor, str) or not cursor or cursor in seen:
            raise InvalidCursorError("The next page's cursor is missing or repeats.", status=200)
        seen.add(cursor)


def _database_of(data_source: dict[str, Any]) -> str | None:
    parent = data_source.get("parent")
    return normalise_id(str(parent.get("database_id"))) if isinstance(parent, dict) else None


async def _database(
    client: NotionClient,
    database_id: str,
    found_by: frozenset[str],
    data_sources: dict[str, dict[str, Any]],
    log: Callable[[str], None],
) -> ListedDatabase | None:
    try:
        raw = (await client.database(database_id)).body
    except NotionNotFoundError as error:
        if "sources.yaml" in found_by:
            if (owner := await _owner(client, database_id)) is not None:
                return await _database(client, owner, found_by, data_sources, log)
            log(f"Database {database_id}, named in sources.yaml, cannot be seen: {error.message}")
        return None
    if raw.get("in_trash") or raw.get("archived"):
        return None
    with about(database=f'"{plain_title(raw)}" ({database_id})'):
        members = await all_or_first_error(
            _member(client, entry, data_sources) for entry in raw.get("data_sources") or []
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


async def _owner(client: NotionClient, data_source_id: str) -> str | None:
    """The database of a data source that search does not show; None where the id is not that of one."""
    try:
        return _database_of((await client.data_source(data_source_id)).body)
    except NotionNotFoundError:
        return None


async def _member(
    client: NotionClient, entry: dict[str, Any], data_sources: dict[str, dict[str, Any]]
) -> ListedDataSource | None:
    member_id = normalise_id(str(entry.get("id"))) or str(entry.get("id"))
    raw = data_sources.get(member_id)
    if raw is None or "properties" not in raw:
        try:
            raw = (await client.data_source(member_id)).body
        except NotionNotFoundError:
            return None
    return None if raw.get("in_trash") else ListedDataSource(member_id, str(entry.get("name") or ""), raw)
