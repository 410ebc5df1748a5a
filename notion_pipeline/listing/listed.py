"""The result of a listing: databases, their data sources, and the databases that could not be listed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from notion_pipeline.database_ref import DatabaseRef
from notion_pipeline.errors import NotionError, NotionPipelineError
from notion_pipeline.rows.naming import first_table


@dataclass(frozen=True)
class KnownDatabase(DatabaseRef):
    """A database as earlier listings left it in the catalog.

    Attributes:
        data_sources: Id and name of each.
        search_digest: Digest of its search results at the last GET; None where that is not known.
        asked_at: When it was last fetched by id.
        tables: The tables of its data sources, without the schema.
    """

    data_sources: tuple[tuple[str, str], ...]
    selected: bool
    accessible: bool
    created_time: datetime | None = None
    search_digest: str | None = None
    asked_at: datetime | None = None
    tables: tuple[str, ...] = ()

    @property
    def partition(self) -> str:
        """Its partition key: the name of its first data source's table; its id where it has no data source."""
        return first_table(self.tables) or self.id


@dataclass(frozen=True)
class ListedDataSource:
    """A data source of a listed database; `raw` is its object with the schema."""

    id: str
    name: str
    raw: dict[str, Any]


@dataclass(frozen=True)
class ListedDatabase(DatabaseRef):
    """A database that the connection sees now.

    Attributes:
        raw: The container as Notion gives it; None where it was not fetched, since the catalog has it.
        data_sources: With their schemas as of now.
        found_by: Which of `search`, `sources.yaml` and `catalog` knew of it.
        search_digest: Digest of its search results; None where search does not show it.
    """

    raw: dict[str, Any] | None
    data_sources: tuple[ListedDataSource, ...]
    found_by: frozenset[str]
    created_time: datetime | None = None
    search_digest: str | None = None


@dataclass(frozen=True)
class ListingFailure:
    """A database that could not be fetched, or in which nothing can be read.

    Attributes:
        title: As the catalog has it, else its own, else as search shows its first data source; may be empty.
        error: The reason; it names the database.
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
    """All that one listing of the account found.

    Attributes:
        server_time: The earliest server time in any answer of the listing, so before the first schema was read; the
            bookmark of reads that use these schemas.
        retired: Known databases that Notion says are gone, in trash or not shared any more.
        gone: The reason, by id, for each database that was fetched and is not there, also where sources.yaml names it.
        failures: Databases that are to be listed and could not be.
        search_error: Why search is incomplete; what it gave is listed.
    """

    databases: tuple[ListedDatabase, ...]
    retired: tuple[str, ...]
    server_time: datetime | None
    api_requests: int
    gone: Mapping[str, str] = field(default_factory=dict)
    failures: tuple[ListingFailure, ...] = ()
    search_error: NotionError | None = None
