"""The engine without Dagster: one call lists the sandbox and syncs it into a catalog."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import httpx

from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.catalog.listing.databases import ListedStream, write_databases
from notion_pipeline.catalog.listing.known_databases import known_databases
from notion_pipeline.catalog.listing.resolved import keep_names, known_names, resolution_of_catalog
from notion_pipeline.catalog.load.commit import commit_database
from notion_pipeline.config.sources import Source, parse_sources
from notion_pipeline.extraction.extract import DatabaseExtract, LoadResult
from notion_pipeline.listing.cache import load_listing, save_listing
from notion_pipeline.listing.databases import list_databases
from notion_pipeline.listing.listed import Listing
from notion_pipeline.listing.resolution import resolve_listing
from notion_pipeline.notion.client import BearerAuth, NotionClient
from notion_pipeline.notion.limits.rate_limiter import RateLimiter
from notion_pipeline.notion.limits.shared_limits import SharedLimits
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.state.folder import FolderState
from notion_pipeline.state.interface import State
from notion_pipeline.sync.reading import Reading
from notion_pipeline.sync.run.context import SyncOptions
from notion_pipeline.sync.run.progress import LogProgress
from notion_pipeline.sync.runner import Sync
from notion_pipeline_tests.support.catalog import catalogs

TOKEN = "ntn_sandbox_token"


@dataclass
class Bench:
    """A workspace that is served, and the catalog it is synced into.

    Attributes:
        settings: Of the source, as sources.yaml would have them.
        lines: What the parts under test have logged.
    """

    workspace: Workspace
    url: str
    folder: Path
    settings: dict[str, Any] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def state(self) -> State:
        return FolderState(self.home)

    @property
    def catalog(self) -> Catalog:
        return Catalog(catalogs.location(self.folder), log=self.lines.append, wait_seconds=5.0)

    @property
    def source(self) -> Source:
        """As the settings have it, its names meaning what the listings so far found."""
        entry = {"name": "notion", "account": {"type": "token"}, **self.settings}
        with self.catalog.reading() as connection:
            return resolution_of_catalog(connection, parse_sources({"sources": [entry]}).sources[0])[0].source

    def sync(self, sync_type: str | None = None, *, run_id: str = "run") -> dict[str, LoadResult]:
        """Lists, reads and commits every selected database; what landed, by table without its schema.

        An hour passes first, so that nothing falls in the lookback of the sync before.
        """
        self.workspace.clock.advance(timedelta(hours=1))
        listing, _ = self.list()
        landed = {}
        for read in self.reads(listing, sync_type):
            for extract, result in self.commit(read, run_id):
                extract.stage.remove()
                landed[result.table.removeprefix(f"{self.source.name}.")] = result
        return landed

    def list(self) -> tuple[Listing, list[ListedStream]]:
        """Looks at the workspace and writes `databases`."""
        with self.catalog.reading() as connection:
            before = known_databases(connection, self.source.name)
            names = known_names(connection, self.source.name)
        known = {key: database for key, database in before.items() if database.accessible}

        async def look() -> Listing:
            async with self._client() as client:
                named, log = self.source.named_ids(), self.lines.append
                return await list_databases(client, named=named, known=known, log=log, source=self.source.name)

        listing = asyncio.run(look())
        resolution = resolve_listing(self.source, listing.databases, before, names, listing.failures)
        with self.catalog.writing() as connection:
            streams = write_databases(
                connection, resolution.source, listing, datetime.now(timezone.utc), self.lines.append
            )
            keep_names(connection, resolution.source.name, resolution.names)
        return listing, streams

    def reads(self, listing: Listing, sync_type: str | None = None) -> list[DatabaseExtract]:
        """Every selected database read whole, in the order of the listing."""
        found = {read.database_id: read for group in self.extracts(listing, sync_type) for read in group}
        return [found[key] for key in self.selected(listing)]

    def extracts(self, listing: Listing, sync_type: str | None) -> Reading:
        """The same as they are whole, those together that are so at the same time."""
        # What is to be read comes by way of the file, as in a run of the two assets.
        save_listing(self.state, self.source, "run", listing, self.selected(listing))
        targets = list(load_listing(self.state, self.source.name, "run").values())
        options = SyncOptions(
            source=self.source,
            account="account",
            state=self.state,
            staging=self.home / "staging",
            forced=sync_type,
            visible=frozenset(member.id for database in listing.databases for member in database.data_sources),
        )
        log = self.lines.append
        return Sync(self._client, self.catalog, options, LogProgress(log), log).start(targets)

    def selected(self, listing: Listing) -> list[str]:
        return [found.id for found in listing.databases if self.source.selects(found.id, found.title)]

    def commit(self, read: DatabaseExtract, run_id: str = "run") -> list[tuple[Any, LoadResult]]:
        try:
            if read.failures:
                raise read.failures[0]
            return commit_database(self.catalog, self.source, read, run_id)
        finally:
            read.release()

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows of the catalog, times in UTC."""
        with self.catalog.reading() as connection:
            assert connection is not None
            return connection.execute(sql, list(parameters)).fetchall()

    def execute(self, sql: str) -> None:
        """What somebody else does to the catalog."""
        with self.catalog.writing() as connection:
            connection.execute(sql)

    def columns(self, table: str) -> dict[str, str]:
        """DuckDB type by column, in order, the page's own left out."""
        found = self.query(
            "SELECT column_name, data_type FROM duckdb_columns() WHERE schema_name = ? AND table_name = ? "
            "ORDER BY column_index",
            [self.source.name, table],
        )
        return {name: kind for name, kind in found if name not in PAGE_COLUMNS}

    def tables(self) -> set[str]:
        return {
            row[0]
            for row in self.query("SELECT table_name FROM duckdb_tables() WHERE schema_name = ?", [self.source.name])
        }

    def _client(self) -> NotionClient:
        async def no_sleep(_: float) -> None:
            return None

        rate_limiter = RateLimiter(
            concurrent_requests=8,
            requests_per_minute=None,
            shared=SharedLimits(FolderState(self.folder), "x"),
            log=self.lines.append,
        )
        return NotionClient(
            auth=BearerAuth(TOKEN),
            rate_limiter=rate_limiter,
            base_url=self.url,
            source=self.source.name,
            log=self.lines.append,
            sleep=no_sleep,
            # The certificates that other addresses need take longer to load than a sync does.
            transport=httpx.AsyncHTTPTransport(verify=False),
        )


PAGE_COLUMNS = (
    *("id", "created_time", "last_edited_time", "created_by", "last_edited_by", "url", "public_url", "in_trash"),
    *("is_archived", "parent", "icon", "cover", "properties", "_synced_at", "_deleted_at"),
)
