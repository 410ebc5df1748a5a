"""The listing of a run, kept for the reads of the same run: it brought the schemas, so they need not be asked again."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from notion_pipeline.config import Source
from notion_pipeline.errors import NotionError, NotionPipelineError
from notion_pipeline.listing import ListedDatabase, Listing
from notion_pipeline.private_files import private_directory, write_private
from notion_pipeline.properties import Exclusion
from notion_pipeline.targets import DatabaseTarget, DataSourceTarget


def save_listing(
    home: Path,
    source: Source,
    run_id: str,
    listing: Listing,
    selected: Collection[str],
    *,
    failed: Collection[str] = (),
) -> None:
    """Keeps what the reads of this run need of the listing, in place of the run's before.

    Args:
        failed: Ids of the listing's failures that are failures of a sync as well.
    """
    wanted = set(selected)
    content = {
        "run_id": run_id,
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
                    {"id": member.id, "name": member.name, "raw": _needed(member.raw, _excluded(source, database))}
                    for member in database.data_sources
                ],
            }
            for database in listing.databases
            if database.id in wanted
        ],
    }
    write_private(_path(home, source.name), orjson.dumps(content))


def load_listing(home: Path, source: str, run_id: str) -> dict[str, DatabaseTarget]:
    """The databases of the listing that this run made, by id; empty where it made none.

    Those that could not be listed are among them, with the reason.
    """
    content = _read(home, source)
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


def load_failures(home: Path, source: str, run_ids: Collection[str | None]) -> dict[str, DatabaseTarget]:
    """What the listing of one of these runs could not list, for another run that repeats it: asked for once more.

    What is wrong in sources.yaml stays so until a listing finds otherwise.
    """
    content = _read(home, source)
    if content.get("run_id") not in run_ids:
        return {}
    return {
        found["id"]: DatabaseTarget(
            found["id"], found["title"], "", (), None if found["may_pass"] else _from_json(found["error"])
        )
        for found in content.get("failed", [])
    }


def load_search_error(home: Path, source: str, run_id: str) -> NotionPipelineError | None:
    """Why the listing of this run is incomplete; None where it is not."""
    content = _read(home, source)
    found = content.get("search_error") if content.get("run_id") == run_id else None
    return _from_json(found) if found else None


def listed_ids(home: Path, source: str) -> tuple[set[str], set[str], dict[str, str]]:
    """Ids of the selected and of the other databases of the last listing, and database ids by data source id."""
    content = _read(home, source)
    selected = {
        member["id"]: database["id"] for database in content.get("databases", []) for member in database["data_sources"]
    } | {member: found["id"] for found in content.get("failed", []) for member in found["data_sources"]}
    others: dict[str, str] = content.get("others", {})
    return set(selected.values()), set(others.values()), {**others, **selected}


def _read(home: Path, source: str) -> dict[str, Any]:
    try:
        content = orjson.loads(_path(home, source).read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _as_json(error: NotionPipelineError) -> dict[str, Any]:
    return {name: getattr(error, name) for name in ("message", "cure", "source", "database")}


def _from_json(raw: dict[str, Any]) -> NotionPipelineError:
    return NotionPipelineError(raw["message"], cure=raw["cure"], source=raw["source"], database=raw["database"])


def _excluded(source: Source, database: ListedDatabase) -> Exclusion:
    return Exclusion(source.settings_for(database.id, database.title).exclude_properties)


def _needed(raw: dict[str, Any], excluded: Exclusion) -> dict[str, Any]:
    """The schema, without the properties that are to be nowhere."""
    return {"id": raw.get("id"), "properties": excluded.out_of(raw.get("properties"))}


def _path(home: Path, source: str) -> Path:
    return private_directory(home / "listings") / f"{source}.json"
