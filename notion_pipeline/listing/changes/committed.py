"""A copy of the catalog's bookmarks, one for each source: up to which minute each data source is committed.

Each run writes it for the sensor, which may not open the catalog. If it is lost, the next run writes it again;
until then the sensor asks for every database.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import orjson

from notion_pipeline.config.fields.catalog_location import CatalogLocation
from notion_pipeline.state.interface import State


def save_committed(state: State, source: str, catalog: CatalogLocation, bookmarks: Mapping[str, datetime]) -> None:
    """Puts the bookmarks of a source's data sources in place of those kept before.

    Raises:
        StagingError: The state cannot be used.
        OSError: Its file cannot be written.
    """
    state.write(_key(source), orjson.dumps({"catalog": _identity(catalog), "bookmarks": _as_text(bookmarks)}))


def add_copied(state: State, source: str, catalog: CatalogLocation, bookmarks: Mapping[str, datetime]) -> None:
    """Keeps those of a copy of the catalog beside its own, until a run commits: whichever sources.yaml names is known.

    Raises:
        StagingError: The state cannot be used.
        OSError: Its file cannot be written.
    """
    try:
        content = dict(orjson.loads(state.read(_key(source)) or b""))
    except (ValueError, TypeError):
        content = {}
    content["copies"] = {**content.get("copies", {}), _identity(catalog): _as_text(bookmarks)}
    state.write(_key(source), orjson.dumps(content))


def load_committed(state: State, source: str, catalog: CatalogLocation) -> dict[str, datetime]:
    """Bookmarks by data source id; none where the catalog is gone, is another one, or has no copy."""
    kept = state.read(_key(source))
    try:
        content = orjson.loads(kept or b"")
        found = {**content.get("copies", {}), content.get("catalog"): content.get("bookmarks")}[_identity(catalog)]
        if isinstance(catalog, Path) and not catalog.exists():
            return {}
        return {key: datetime.fromisoformat(moment) for key, moment in found.items()}
    except (ValueError, TypeError, KeyError, AttributeError):
        return {}


def _as_text(bookmarks: Mapping[str, datetime]) -> dict[str, str]:
    return {key: moment.isoformat() for key, moment in bookmarks.items()}


def _identity(catalog: CatalogLocation) -> str:
    return str(catalog.absolute()) if isinstance(catalog, Path) else str(catalog)


def _key(source: str) -> str:
    return f"committed/{source}.json"
