"""The listing cache: a document for each source with its last listing.

The reads of the same run take the schemas from it instead of fetching them again. The sensor, which may not open the
catalog, takes the databases from it.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import cached_property
from typing import Any

import orjson

from notion_pipeline.config.selection import DatabaseName
from notion_pipeline.config.sources import KnownNames, Source
from notion_pipeline.errors import NotionError, NotionPipelineError
from notion_pipeline.listing.exclusions import unresolved_exclusions
from notion_pipeline.listing.listed import ListedDatabase, Listing
from notion_pipeline.listing.resolution import resolve, table_words
from notion_pipeline.listing.targets import DatabaseTarget, DataSourceTarget
from notion_pipeline.rows.properties import Exclusion
from notion_pipeline.state.interface import State


def save_listing(
    state: State,
    source: Source,
    run_id: str,
    listing: Listing,
    selected: Collection[str],
    *,
    failed: Collection[str] = (),
    names: KnownNames | None = None,
) -> None:
    """Writes what the reads of this run need of the listing, in place of the last run's.

    Args:
        source: A source whose names are resolved.
        failed: Ids of the listing's failures that are failures of a sync as well.
        names: What the source's names were found to mean.
    """
    wanted = set(selected)
    content = {
        "run_id": run_id,
        "made_at": time.time(),
        "named": source.named_ids(),
        "meant": [[*entry, sorted(ids)] for entry, ids in (names or KnownNames()).databases.items()],
        "titles": {database.id: database.title for database in listing.databases if database.id not in wanted}
        | {found.id: found.title for found in listing.failures if found.id not in failed},
        "server_time": listing.server_time.isoformat() if listing.server_time else None,
        "others": {
            member.id: database.id
            for database in listing.databases
            if database.id not in wanted
            for member in database.data_sources
        }
        | {member: found.id for found in listing.failures if found.id not in failed for member in found.data_sources},
        "search_error": _as_json(listing.search_error) if listing.search_error else None,
        "failed": [
            {
                "id": found.id,
                "title": found.title,
                "data_sources": found.data_sources,
                "may_pass": isinstance(found.error, NotionError),
                "error": _as_json(found.error),
            }
            for found in listing.failures
            if found.id in failed
        ],
        "databases": [
            {
                "id": database.id,
                "title": database.title,
                "url": database.url,
                "data_sources": [
                    {"id": member.id, "name": member.name, "raw": _needed(source, database, member.raw)}
                    for member in database.data_sources
                ],
            }
            for database in listing.databases
            if database.id in wanted
        ],
    }
    state.write(_key(source.name), orjson.dumps(content))


def load_listing(state: State, source: str, run_id: str) -> dict[str, DatabaseTarget]:
    """The databases of the listing that this run made, by id; empty where it made none.

    Databases that could not be listed are among them, with the reason.
    """
    content = _read(state, source)
    if content.get("run_id") != run_id:
        return {}
    server_time = datetime.fromisoformat(content["server_time"]) if content["server_time"] else None
    failed = {
        found["id"]: DatabaseTarget(found["id"], found["title"], "", (), _from_json(found["error"]))
        for found in content.get("failed", [])
    }
    return failed | {
        database["id"]: DatabaseTarget(
            database["id"],
            database["title"],
            database["url"],
            tuple(
                DataSourceTarget(member["id"], member["name"], member["raw"], server_time)
                for member in database["data_sources"]
            ),
        )
        for database in content["databases"]
    }


@dataclass(frozen=True)
class SeenDatabase:
    """A database of the last listing, with the ids of its data sources.

    Attributes:
        selected: Whether sources.yaml selected it then.
    """

    id: str
    title: str
    data_sources: tuple[str, ...]
    selected: bool


@dataclass(frozen=True)
class LastListing:
    """Which databases the last listing saw, selected or not.

    Attributes:
        made_at: Epoch seconds by the local clock.
        named: Ids that sources.yaml named then; one that is not among the databases could not be seen.
        names: What the names in sources.yaml were found to mean until then.
    """

    made_at: float
    named: frozenset[str]
    databases: Mapping[str, SeenDatabase]
    names: KnownNames = field(default_factory=KnownNames)

    def bound(self, source: Source) -> Source:
        """The source with its names resolved by this listing."""
        seen = [
            DatabaseName(found.id, found.title, found.data_sources, table_words(source, (), found.title))
            for found in self.databases.values()
        ]
        return resolve(source, seen, self.names).source

    def database_of(self, data_source_id: str) -> str | None:
        """The database that a data source belongs to; None where the listing did not see it."""
        return self._owners.get(data_source_id)

    @cached_property
    def _owners(self) -> dict[str, str]:
        return {member: database.id for database in self.databases.values() for member in database.data_sources}


def last_listing(state: State, source: str) -> LastListing | None:
    """What the last listing saw; None before the first, and where another version wrote it."""
    content = _read(state, source)
    try:
        members: dict[str, list[str]] = {}
        for data_source_id, database_id in content["others"].items():
            members.setdefault(database_id, []).append(data_source_id)
        databases = [
            SeenDatabase(
                entry["id"], entry["title"], tuple(member["id"] for member in entry["data_sources"]), selected=True
            )
            for entry in content["databases"]
        ]
        databases += [
            SeenDatabase(entry["id"], entry["title"], tuple(entry["data_sources"]), selected=True)
            for entry in content["failed"]
        ]
        databases += [
            SeenDatabase(key, content["titles"][key], tuple(ids), selected=False) for key, ids in members.items()
        ]
        names = {(key, entry): frozenset(ids) for key, entry, ids in content["meant"]}
        return LastListing(
            float(content["made_at"]),
            frozenset(content["named"]),
            {database.id: database for database in databases},
            KnownNames(names),
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def last_schemas(state: State, source: str) -> tuple[datetime, dict[str, dict[str, Any]]] | None:
    """When the last listing was made by the local clock, and the data sources that it selected, by id.

    Each has its properties without the excluded ones; those of which that cannot be told are left out. None before the
    first listing, and where another version wrote it.
    """
    content = _read(state, source)
    try:
        members = [member for database in content["databases"] for member in database["data_sources"]]
        schemas = {member["id"]: member["raw"] for member in members if member["raw"]}
        return datetime.fromtimestamp(content["made_at"], timezone.utc), schemas
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        return None


def load_failures(state: State, source: str, run_ids: Collection[str | None]) -> dict[str, DatabaseTarget]:
    """The databases that one of these runs could not list, for a run that repeats it: they are fetched again.

    What is wrong in sources.yaml stays so until a listing finds otherwise.
    """
    content = _read(state, source)
    if content.get("run_id") not in run_ids:
        return {}
    return {
        found["id"]: DatabaseTarget(
            found["id"], found["title"], "", (), None if found["may_pass"] else _from_json(found["error"])
        )
        for found in content.get("failed", [])
    }


def load_search_error(state: State, source: str, run_id: str) -> NotionPipelineError | None:
    """Why the listing of this run is incomplete; None where it is not."""
    content = _read(state, source)
    found = content.get("search_error") if content.get("run_id") == run_id else None
    return _from_json(found) if found else None


def _read(state: State, source: str) -> dict[str, Any]:
    try:
        content = orjson.loads(state.read(_key(source)) or b"{}")
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _as_json(error: NotionPipelineError) -> dict[str, Any]:
    return {name: getattr(error, name) for name in ("message", "hint", "source", "database")}


def _from_json(raw: dict[str, Any]) -> NotionPipelineError:
    return NotionPipelineError(raw["message"], hint=raw.get("hint", ""), source=raw["source"], database=raw["database"])


def _needed(source: Source, database: ListedDatabase, raw: dict[str, Any]) -> dict[str, Any] | None:
    """The schema without the excluded properties; None while it is not known which these are."""
    if unresolved_exclusions(source, database.id, database.title):
        return None
    excluded = Exclusion(source.settings_for(database.id, database.title).exclude_properties)
    return {"id": raw.get("id"), "properties": excluded.out_of(raw.get("properties"))}


def _key(source: str) -> str:
    return f"listings/{source}.json"
