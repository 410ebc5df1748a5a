"""The asset `S/users`: the workspace's members and bots, and the guests whom rows show; commits them."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any, Optional

import dagster as dg

from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.catalog.content.tables.counts import ContentCounts
from notion_pipeline.catalog.content.users import list_is_due, users_to_ask, write_users
from notion_pipeline.catalog.views.flat_views import keep_views
from notion_pipeline.config.sources import Source
from notion_pipeline.content.batches import Batches
from notion_pipeline.content.pages import reason_of
from notion_pipeline.content.users import ListedUsers, UserRead, UsersRead, user_batches
from notion_pipeline.defs.asset_keys import AssetKeys
from notion_pipeline.defs.content.committing import commit_batches, content_failure
from notion_pipeline.defs.content.unpartitioned import ContentRun, RefreshConfig, unpartitioned_asset
from notion_pipeline.defs.metadata import usage_metadata
from notion_pipeline.defs.resources import LoadedProject
from notion_pipeline.errors import NotPermittedError
from notion_pipeline.notion.limits.run_usage import RunUsage
from notion_pipeline.project import Project
from notion_pipeline.sync.estimate import requests_per_minute

NAME = "users"
DESCRIPTION = (
    "The workspace's members and bots, and those whom rows show beside them, such as guests. The list is read again "
    "when it is older than `users_every`, or when rows show somebody new."
)
NOT_PERMITTED = (
    'The connection may not read all users; those that rows show stay. Give it the capability "Read user information" '
    "in its settings in Notion, or set `users: false`; a personal token cannot list users at all."
)


@dataclass
class UserReads:
    """What `S/users` hands over.

    Attributes:
        batches: Ends by itself; to be entered. None where nothing is due.
    """

    source: Source
    asset_keys: AssetKeys
    batches: Optional[Batches[UsersRead]]  # noqa: UP045
    usage: RunUsage = field(default_factory=RunUsage)


@dataclass
class _Outcome:
    """What came of a run."""

    counts: ContentCounts = field(default_factory=ContentCounts)
    listed: int = 0
    by_id: int = 0
    gone: int = 0
    failed: list[UserRead] = field(default_factory=list)

    def metadata(self) -> dict[str, Any]:
        return {
            "users_listed": self.listed,
            "users_read_by_id": self.by_id,
            "users_inserted": self.counts.inserted,
            "users_updated": self.counts.updated,
            "users_unchanged": self.counts.unchanged,
            "users_gone": self.gone,
            "users_failed": len(self.failed),
        }


def users_assets(
    source: Source,
    project: Project,
    asset_keys: AssetKeys,
    given: Optional[LoadedProject],  # noqa: UP045
) -> list[dg.AssetsDefinition]:
    """`S/users`, where sources.yaml asks for users."""
    if not source.reads_users:
        return []
    return [
        unpartitioned_asset(
            source,
            project,
            asset_keys,
            given,
            name=NAME,
            description=DESCRIPTION,
            prepare=prepare_users,
            config_class=RefreshConfig,
        )
    ]


def prepare_users(run: ContentRun, config: RefreshConfig) -> UserReads:
    """Finds out whether anybody is due, and prepares the reads."""
    content = run.source.content
    now = datetime.now(timezone.utc)

    def before(age: Optional[timedelta]) -> Optional[datetime]:  # noqa: UP045
        return now if config.refresh else now - age if age is not None else None

    list_before = before(content.users_every) if content else None
    ask_before = before(content.refresh_every) if content else None
    with run.catalog.reading() as connection:
        is_due = connection is None or list_is_due(connection, run.source.name, list_before)
    if not is_due:
        run.log("The users were listed a short while ago, and rows show nobody new: nothing is asked for.")
        return UserReads(run.source, run.asset_keys, None)
    usage = RunUsage()

    async def to_ask(listed: Optional[Collection[str]]) -> Sequence[str]:  # noqa: UP045
        def query() -> list[str]:
            with run.catalog.reading() as connection:
                if connection is None:
                    return []
                return users_to_ask(connection, run.source.name, listed, ask_before)

        return await asyncio.to_thread(query)

    batches = user_batches(
        run.client,
        to_ask,
        workers=run.source.limits.concurrent_requests,
        usage=usage,
        wait_turn=run.wait_turn,
    )
    return UserReads(run.source, run.asset_keys, batches, usage)


def store_users(context: dg.OutputContext, catalog: Catalog, reads: UserReads) -> None:
    """Commits users as they are read, the list in one transaction.

    Raises:
        ContentError: Users could not be read; the others are committed.
    """
    outcome = _Outcome()
    metadata: dict[str, Any] = {}
    if reads.batches is not None:
        try:
            commit_batches(
                reads.batches,
                lambda batch: _commit(catalog, reads.source.name, outcome, batch),
                total=0,
                what="users",
                usage=reads.usage,
                log=context.log.info,
            )
        except NotPermittedError as error:
            context.log.warning(f"{NOT_PERMITTED} Notion said: {error.message}")
            metadata["users_not_permitted"] = NOT_PERMITTED
        counts = outcome.counts
        context.log.info(
            f"{outcome.listed:,} users listed, {outcome.by_id:,} read by id; {counts.inserted:,} inserted, "
            f"{counts.updated:,} updated, {counts.unchanged:,} unchanged ({reads.usage.requests:,} requests)."
        )
        if (counts.inserted or counts.updated) and (why := keep_views(catalog, reads.source.name)):
            context.log.warning(why)
    if outcome.failed:
        lines = [f"{found.id}: {reason_of(found.error)}" for found in outcome.failed]
        raise content_failure(reads.source.name, lines, outcome.by_id, "users asked for by id", asset=NAME)
    usage = usage_metadata(reads.usage, requests_per_minute(reads.source.limits))
    context.add_output_metadata({**outcome.metadata(), **metadata, **usage})


def _commit(catalog: Catalog, source: str, outcome: _Outcome, batch: list[UsersRead]) -> None:
    listed = [user for read in batch if isinstance(read, ListedUsers) for user in read.users]
    by_id = [read for read in batch if isinstance(read, UserRead)]
    found = [read.user for read in by_id if read.user is not None]
    if listed or found:
        users, now = [*listed, *found], datetime.now(timezone.utc)
        outcome.counts.add(catalog.commit(lambda connection: write_users(connection, source, users, now)))
    outcome.listed += len(listed)
    outcome.by_id += len(by_id)
    outcome.gone += sum(user.membership == "gone" for user in found)
    outcome.failed += [read for read in by_id if read.error is not None]
