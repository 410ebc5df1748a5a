"""Syncs that may fail, without Dagster and without waiting: what a run's two assets do, and what came of it."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from notion_pipeline.catalog.load.commit import commit_database
from notion_pipeline.errors import NotionPipelineError
from notion_pipeline.extraction.extract import DatabaseExtract, LoadResult
from notion_pipeline.listing.resolution import fails_a_sync
from notion_pipeline.notion.client import BearerAuth, NotionClient
from notion_pipeline.notion.limits.rate_limiter import RateLimiter
from notion_pipeline.notion.limits.shared_limits import SharedLimits
from notion_pipeline.sandbox.control.requests import Request
from notion_pipeline.state.folder import FolderState
from notion_pipeline_tests.support.patience import PATIENCE
from notion_pipeline_tests.support.sync.bench import TOKEN, Bench

#: Where a process may die and leave the stage of a whole read behind.
BEFORE_COMMIT, AFTER_COMMIT = "before the commit", "after the commit, before its stage is removed"


@dataclass
class PretendTime:
    """A clock that whoever sleeps moves: pauses of minutes pass at once, and can be added up."""

    now: float = 1_000_000_000.0
    slept: float = 0.0

    def read(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept += seconds
        await asyncio.sleep(0)


@dataclass
class Outcome:
    """What one sync did: tables that landed, errors by database id ("" for the listing's own), requests, log."""

    landed: dict[str, LoadResult] = field(default_factory=dict)
    errors: dict[str, Exception] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    waited: float = 0.0

    @property
    def success(self) -> bool:
        return not self.errors

    @property
    def reasons(self) -> str:
        return "\n".join(f"{type(error).__name__}: {error}" for error in self.errors.values())


@dataclass
class Engine(Bench):
    """A bench whose syncs report their failures.

    Attributes:
        time: Moved by every wait of the client.
        timeout: Of a request, in real seconds.
    """

    time: PretendTime = field(default_factory=PretendTime)
    timeout: float = PATIENCE

    def attempt(self, sync_type: str | None = None, *, run_id: str = "run", dies: str = "") -> Outcome:
        """One run: the listing, then each selected database; commits what it read whole.

        Args:
            dies: BEFORE_COMMIT or AFTER_COMMIT, as if the process was killed there.
        """
        outcome = Outcome()
        requests, lines, slept = len(self.workspace.requests), len(self.lines), self.time.slept
        try:
            listing, _ = self.list()
        except NotionPipelineError as error:
            outcome.errors[""] = error
        else:
            outcome.errors |= {found.id: found.error for found in listing.failures if fails_a_sync(self.source, found)}
            if listing.search_error is not None:
                outcome.errors[""] = listing.search_error
            for group in self.extracts(listing, sync_type):
                with self.catalog.kept_open():
                    for read in group:
                        self._land(read, outcome, run_id, dies)
        outcome.requests = self.workspace.requests[requests:]
        outcome.log = self.lines[lines:]
        outcome.waited = self.time.slept - slept
        return outcome

    def forget_home(self) -> None:
        """As if no sync had ever staged anything here."""
        shutil.rmtree(self.home, ignore_errors=True)

    @property
    def staged(self) -> list[Path]:
        """Files that reads have left."""
        return [path for path in (self.home / "staging").rglob("*") if path.is_file()]

    def _land(self, read: DatabaseExtract, outcome: Outcome, run_id: str, dies: str) -> None:
        for error in read.failures:
            outcome.errors[read.database_id] = error
        try:
            if read.extracts and dies != BEFORE_COMMIT:
                for extract, landed in commit_database(self.catalog, self.source, read, run_id):
                    if dies != AFTER_COMMIT:
                        extract.stage.remove()
                    outcome.landed[landed.table] = landed
        except NotionPipelineError as error:
            outcome.errors[read.database_id] = error
        finally:
            read.release()

    def _client(self) -> NotionClient:
        source = self.source
        rate_limiter = RateLimiter(
            concurrent_requests=source.limits.concurrent_requests,
            requests_per_minute=None,
            shared=SharedLimits(FolderState(self.home, now=self.time.read), "account"),
            log=self.lines.append,
            clock=self.time.read,
            sleep=self.time.sleep,
        )
        return NotionClient(
            auth=BearerAuth(TOKEN),
            rate_limiter=rate_limiter,
            base_url=self.url,
            source=source.name,
            log=self.lines.append,
            timeout=self.timeout,
            sleep=self.time.sleep,
            # The certificates that other addresses need take longer to load than a sync does.
            transport=httpx.AsyncHTTPTransport(verify=False),
        )
