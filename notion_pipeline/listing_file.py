"""The listing of a run, kept for the reads of the same run: it brought the schemas, so they need not be asked again."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from notion_pipeline.config import Source
from notion_pipeline.listing import ListedDatabase, Listing
from notion_pipeline.private_files import private_directory, write_private
from notion_pipeline.properties import Exclusion
from notion_pipeline.resolution import unresolved_exclusions
from notion_pipeline.targets import DatabaseTarget, DataSourceTarget


def save_listing(home: Path, source: Source, run_id: str, listing: Listing, selected: list[str]) -> None:
    """Keeps what the reads of this run need of the listing, in place of the run's before."""
    wanted = set(selected)
    content = {
        "run_id": run_id,
        "server_time": listing.server_time.isoformat() if listing.server_time else None,
        "others": {
            member.id: database.id
            for database in listing.databases
            if database.id not in wanted
            for member in database.data_sources
        },
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
    write_private(_path(home, source.name), orjson.dumps(content))


def load_listing(home: Path, source: str, run_id: str) -> dict[str, DatabaseTarget]:
    """The databases of the listing that this run made, by id; empty where it made none."""
    content = _read(home, source)
    if content.get("run_id") != run_id:
        return {}
    server_time = datetime.fromisoformat(content["server_time"]) if content["server_time"] else None
    return {
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


def listed_ids(home: Path, source: str) -> tuple[set[str], set[str], dict[str, str]]:
    """Ids of the selected and of the other databases of the last listing, and database ids by data source id."""
    content = _read(home, source)
    selected = {
        member["id"]: database["id"] for database in content.get("databases", []) for member in database["data_sources"]
    }
    others: dict[str, str] = content.get("others", {})
    return set(selected.values()), set(others.values()), {**others, **selected}


def _read(home: Path, source: str) -> dict[str, Any]:
    try:
        content = orjson.loads(_path(home, source).read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _needed(source: Source, database: ListedDatabase, raw: dict[str, Any]) -> dict[str, Any] | None:
    """The schema, without the properties that are to be nowhere; None while it is not known which these are."""
    if unresolved_exclusions(source, database.id, database.title):
        return None
    excluded = Exclusion(source.settings_for(database.id, database.title).exclude_properties)
    return {"id": raw.get("id"), "properties": excluded.out_of(raw.get("properties"))}


def _path(home: Path, source: str) -> Path:
    return private_directory(home / "listings") / f"{source}.json"
