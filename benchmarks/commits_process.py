"""The process that a commit is measured in: the engine without Dagster, reading and then committing."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from datetime import datetime, timezone
from pathlib import Path

from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.catalog.listing.databases import write_databases
from notion_pipeline.catalog.load.commit import commit_database
from notion_pipeline.catalog.memory import few_collections
from notion_pipeline.config.sources import parse_sources
from notion_pipeline.listing.cache import load_listing, save_listing
from notion_pipeline.listing.databases import list_databases
from notion_pipeline.listing.listed import Listing
from notion_pipeline.notion.client import BearerAuth, NotionClient
from notion_pipeline.notion.limits.rate_limiter import RateLimiter
from notion_pipeline.state.folder import FolderState
from notion_pipeline.sync.run.context import SyncOptions
from notion_pipeline.sync.run.progress import LogProgress
from notion_pipeline.sync.runner import Sync


def main() -> None:
    """Syncs what the server has, by the sync type that is the argument, and writes `loaded.json`."""
    source = parse_sources({"sources": [{"name": "notion", "account": {"type": "token"}}]}).sources[0]
    catalog = Catalog(Path(os.environ["NOTION_PIPELINE_CATALOG"]), log=_silent)
    listing = asyncio.run(_list())
    with catalog.writing() as connection:
        write_databases(connection, source, listing, datetime.now(timezone.utc))
    home = Path(os.environ["NOTION_PIPELINE_HOME"])
    state = FolderState(home)
    save_listing(state, source, "run", listing, [database.id for database in listing.databases])
    targets = list(load_listing(state, source.name, "run").values())
    options = SyncOptions(source=source, account="account", state=state, staging=home / "staging", forced=sys.argv[1])
    with few_collections():
        for (read,) in Sync(_client, catalog, options, LogProgress(_silent), _silent).start(targets):
            if read.failures:
                raise read.failures[0]
            began_at, used = time.perf_counter(), time.process_time()
            ((extract, loaded),) = commit_database(catalog, source, read, "run")
            found = {
                "seconds": time.perf_counter() - began_at,
                "cpu_seconds": time.process_time() - used,
                "inserted": loaded.rows_inserted,
                "updated": loaded.rows_updated,
            }
            extract.stage.remove()
            Path("loaded.json").write_text(json.dumps(found), encoding="utf-8")


async def _list() -> Listing:
    async with _client() as client:
        return await list_databases(client, named=(), known={}, log=_silent)


def _client() -> NotionClient:
    rate_limiter = RateLimiter(concurrent_requests=8, requests_per_minute=None, shared=None, log=_silent)
    return NotionClient(
        auth=BearerAuth(os.environ["NOTION_TOKEN"]),
        rate_limiter=rate_limiter,
        base_url=os.environ["NOTION_API_URL"],
        source="notion",
        log=_silent,
    )


def _silent(_: str) -> None:
    return None


if __name__ == "__main__":
    main()
