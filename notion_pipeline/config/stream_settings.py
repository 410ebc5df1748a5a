"""The keys of one stream in sources.yaml, under `streams`."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Annotated

from pydantic import Field

from notion_pipeline.config import selection
from notion_pipeline.config.content import StreamContentSwitch
from notion_pipeline.config.fields.key_types import Entry, FrozenModel, Owners, TableName, Tags, nothing_as
from notion_pipeline.messages import quoted


class SyncType(str, Enum):
    """How a stream is synced."""

    INCREMENTAL = "INCREMENTAL"
    FULL_TABLE = "FULL_TABLE"

    def __str__(self) -> str:
        return self.value


class StreamSettings(FrozenModel):
    """What differs for one stream."""

    table: TableName | None = Field(default=None, description="Table name; by default made of the database's title.")
    sync_type: SyncType | None = Field(default=None, description="How this stream is synced, unlike its source.")
    exclude_properties: Annotated[tuple[Entry, ...], nothing_as(())] = Field(
        default=(), description="Properties, by name or id, that are not stored anywhere."
    )
    owners: Owners = Field(
        default=(), description="Owners of this stream's tables in Dagster, instead of the source's."
    )
    tags: Tags = Field(default={}, description="Tags of this stream's tables in Dagster, beside the source's.")
    content: StreamContentSwitch = Field(
        default=None, description="Whether the content of this stream's pages is read, and what differs in it."
    )


def stream_problem(streams: Mapping[str, StreamSettings]) -> str | None:
    """The first problem in `streams` that shows without a listing; None where there is none."""
    if selection.DATABASES_STREAM in streams:
        return 'streams: the stream "databases" takes no settings; name a database of that title by its id'
    holders: dict[str, str] = {}
    for key, settings in streams.items():
        # DuckDB compares names without regard to case.
        for kind, value in (("table", settings.table and settings.table.lower()), ("id", _only_id(key))):
            first = holders.setdefault(f"{kind} {value}", key) if value else key
            if first != key:
                what = "have one table" if kind == "table" else "name one database"
                shown = settings.table if kind == "table" else value
                return f"streams: {quoted(first)} and {quoted(key)} {what}, {quoted(shown)}"
    return None


def _only_id(key: str) -> str | None:
    return selection.named_id(key) if selection.is_id(key) else None
