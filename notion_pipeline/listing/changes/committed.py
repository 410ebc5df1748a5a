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
    content = {
        "catalog": _identity(catalog),
        "bookmarks": {key: moment.isoformat() for key, moment in bookmarks.items()},
    }
    state.write(_key(source), orjson.dumps(content))


def load_committed(state: State, source: str, catalog: CatalogLocation) -> dict[str, datetime]:
    """Bookmarks by data source id; none where the catalog is gone, is another file, or has no copy."""
    kept = state.read(_key(source))
    try:
        content = orjson.loads(kept or b"")
        if content["catalog"] != _identity(catalog) or (isinstance(catalog, Path) and not catalog.exists()):
            return {}
        return {key: datetime.fromisoformat(moment) for key, moment in content["bookmarks"].items()}
    except (ValueError, TypeError, KeyError, AttributeError):
        return {}


def _identity(catalog: CatalogLocation) -> str:
    return str(catalog.absolute()) if isinstance(catalog, Path) else str(catalog)


def _key(source: str) -> str:
    return f"committed/{source}.json"
