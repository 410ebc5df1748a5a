"""Asks Notion's search for the databases of a source that was never listed: enough for the plan of its first sync.

The database itself, which alone tells its title, costs a request each; here the title is that of a data source.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from notion_pipeline.accounts.credentials import credential_of, open_client
from notion_pipeline.config.sources import Source
from notion_pipeline.listing.listed import KnownDatabase
from notion_pipeline.listing.search import Search, database_of, plain_title, search_data_sources
from notion_pipeline.project import Project


@dataclass(frozen=True)
class FirstSearch:
    """What search shows.

    Attributes:
        databases: By id.
        schemas: Data sources by id, as Notion gives them.
        requests: That it took.
    """

    databases: Mapping[str, KnownDatabase]
    schemas: Mapping[str, dict[str, Any]]
    requests: int


def first_search(source: Source, project: Project) -> FirstSearch:
    """Searches once, with a request for each 100 data sources.

    Raises:
        NotionPipelineError: There is no credential, Notion does not take it, or does not give its search whole.
    """

    async def ask() -> tuple[Search, int]:
        client = open_client(credential_of(source, project), project, source=source.name, limits=source.limits)
        async with client:
            return await search_data_sources(client, lambda _: None), client.stats.requests

    search, requests = asyncio.run(ask())
    if search.error is not None:
        raise search.error
    members: dict[str, dict[str, str]] = {key: {} for key in search.databases}
    for key, raw in search.data_sources.items():
        if (database_id := database_of(raw)) is not None:
            members[database_id][key] = plain_title(raw)
    databases = {
        key: KnownDatabase(
            key,
            next(filter(None, found.values()), ""),
            "",
            tuple(found.items()),
            selected=True,
            accessible=True,
        )
        for key, found in members.items()
    }
    return FirstSearch(databases, search.data_sources, requests)
