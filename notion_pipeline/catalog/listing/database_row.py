"""The columns of `S.databases` and the values of a database in them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from notion_pipeline.config.selection import stream_name
from notion_pipeline.config.sources import Source
from notion_pipeline.listing.exclusions import unresolved_exclusions
from notion_pipeline.listing.listed import ListedDatabase
from notion_pipeline.rows.properties import Exclusion
from notion_pipeline.rows.text.json_text import dump_json
from notion_pipeline.rows.text.timestamps import as_datetime

#: Name, type and comment.
DATABASE_COLUMNS = (
    ("id", "VARCHAR", "Id of the database"),
    ("object", "VARCHAR", "Always `database`"),
    ("title", "VARCHAR", "Title in plain text"),
    ("description", "VARCHAR", "Description in plain text"),
    ("url", "VARCHAR", "Address in Notion"),
    ("public_url", "VARCHAR", "Address on the web, if it is published"),
    ("parent", "JSON", "Parent of the database, as Notion gives it"),
    ("icon", "JSON", "Icon, as Notion gives it"),
    ("cover", "JSON", "Cover, as Notion gives it"),
    ("is_inline", "BOOLEAN", "Whether it is shown within a page"),
    ("in_trash", "BOOLEAN", "Whether it is in Notion's trash"),
    ("archived", "BOOLEAN", "The same as in_trash"),
    ("created_time", "TIMESTAMPTZ", "When it was made"),
    ("created_by", "VARCHAR", "Id of the user who made it"),
    ("last_edited_time", "TIMESTAMPTZ", "When it was last edited; editing its rows does not count"),
    ("last_edited_by", "VARCHAR", "Id of the user who last edited it"),
    ("properties", "JSON", "Schema of its data sources, by data source id"),
    ("data_sources", "STRUCT(id VARCHAR, name VARCHAR, table_name VARCHAR)[]", "Its data sources with their tables"),
    ("stream", "VARCHAR", "Name of its stream"),
    ("selected", "BOOLEAN", "Whether sources.yaml selects it"),
    ("accessible", "BOOLEAN", "Whether the connection sees it"),
    ("sync_type", "VARCHAR", "How sources.yaml has it synced"),
    ("last_seen_at", "TIMESTAMPTZ", "When a listing last saw it"),
)
#: The columns that every listing writes. Those before them are written when the database was fetched.
LISTED_COLUMNS = ("properties", "data_sources", "stream", "selected", "accessible", "sync_type", "last_seen_at")


def database_values(database: ListedDatabase, raw: dict[str, Any]) -> list[Any]:
    """Values of the fetched database, for the columns up to `last_edited_by`."""
    first = database.data_sources[0].raw if database.data_sources else {}
    return [
        *(database.id, "database", database.title, _plain(raw.get("description")), database.url),
        *(_text(raw.get("public_url")), _json(raw.get("parent")), _json(raw.get("icon")), _json(raw.get("cover"))),
        *(bool(raw.get("is_inline")), bool(raw.get("in_trash")), bool(raw.get("in_trash"))),
        *(_instant(raw, first, "created_time"), _user(raw, first, "created_by")),
        *(_instant(raw, first, "last_edited_time"), _user(raw, first, "last_edited_by")),
    ]


def listed_values(source: Source, database: ListedDatabase, tables: dict[str, str], now: datetime) -> list[Any]:
    """Values of search, sources.yaml and the listing itself, for `LISTED_COLUMNS`."""
    return [
        _json({member.id: _schema(source, database, member.raw) for member in database.data_sources}),
        [{"id": member.id, "name": member.name, "table_name": tables[member.id]} for member in database.data_sources],
        stream_name(database.id),
        source.selects(database.id, database.title),
        True,
        str(source.sync_type_for(database.id, database.title).value),
        now,
    ]


def _schema(source: Source, database: ListedDatabase, raw: dict[str, Any]) -> dict[str, Any]:
    """The properties that are not excluded; none while an excluded name fits no property, since it is meant for one."""
    if unresolved_exclusions(source, database.id, database.title):
        return {}
    return Exclusion(source.settings_for(database.id, database.title).exclude_properties).out_of(raw.get("properties"))


def _plain(parts: Any) -> str:
    items = parts if isinstance(parts, list) else []
    return "".join(str(item.get("plain_text") or "") for item in items if isinstance(item, dict))


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _json(value: Any) -> str | None:
    return None if value is None else dump_json(value).decode()


def _instant(raw: dict[str, Any], first: dict[str, Any], key: str) -> Any:
    return as_datetime(raw.get(key) or first.get(key))


def _user(raw: dict[str, Any], first: dict[str, Any], key: str) -> str | None:
    user = raw.get(key) or first.get(key)
    return str(user["id"]) if isinstance(user, dict) and "id" in user else None
