"""Keeps an account that was just authorised, or a token; counts the databases that it sees; says what comes next."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from notion_pipeline.accounts import callback_pages
from notion_pipeline.accounts.credentials import Credential, is_dead, open_client
from notion_pipeline.accounts.oauth_client import CONNECTIONS_PAGE, OAuthClient, with_retries
from notion_pipeline.accounts.oauth_flow import Connected
from notion_pipeline.accounts.stores.stored_account import StoredAccount
from notion_pipeline.accounts.stores.token_store import TokenStore, room_for, save_surely
from notion_pipeline.accounts.token_refresh import LOCK_SECONDS
from notion_pipeline.accounts.uninterrupted import uninterrupted
from notion_pipeline.config.sources import OAuthAccount, Source, Sources
from notion_pipeline.errors import AuthorizationError, NotionPipelineError, RetryableNotionError
from notion_pipeline.messages import quoted
from notion_pipeline.notion.client import NotionClient
from notion_pipeline.notion.pagination import Listing, pages
from notion_pipeline.project import Project
from notion_pipeline.redaction import Secret

COUNT_SECONDS = 20.0
#: At 100 a page more than anybody has.
MOST_PAGES = 5_000
_SEARCH = {"filter": {"property": "object", "value": "data_source"}, "page_size": 100}


@dataclass(frozen=True)
class VisibleDatabases:
    """How many databases an account sees.

    Attributes:
        databases: None where that could not be found out.
        all_counted: False where the count ended early, so that there are more.
    """

    databases: int | None
    all_counted: bool = True

    def __str__(self) -> str:
        if self.databases is None:
            return "How many databases it sees could not be found out just now."
        if not self.databases:
            return (
                "No database can be seen yet: Notion's search may need a minute to notice, or no page with a database "
                "was chosen."
            )
        noun = "database" if self.databases == 1 else "databases"
        return f"{'' if self.all_counted else 'More than '}{self.databases:,} {noun} can be seen."


@contextmanager
def locked(store: TokenStore, bot_id: str) -> Iterator[None]:
    """Holds the account's lock; for commands, which have no event loop to hold up.

    Raises:
        RetryableNotionError: Another process holds it for longer than a refresh may take.
    """
    give_up_at = time.monotonic() + LOCK_SECONDS
    while (release := store.try_lock(bot_id)) is None:
        if time.monotonic() > give_up_at:
            raise RetryableNotionError("Another process is refreshing this account's tokens.", hint="Try again later.")
        time.sleep(0.05)
    try:
        yield
    finally:
        release()


#: What to do after a connection that `add` asked for, which goes on by itself.
_ADDING = (("What to do next: go back to the terminal, where the source is set up.",), "")


@dataclass(frozen=True)
class AccountSetup:
    """Keeps what a project was authorised for.

    Attributes:
        wanted: The source that the user connects for, where one was named.
        adding: A source is being set up, and will be written into sources.yaml by who asked for the connection.
    """

    client: OAuthClient
    project: Project
    store: TokenStore
    sources: Sources
    wanted: Source | None
    adding: bool = False

    def keep(self, code: str) -> Connected:
        """Exchanges a code, keeps the account, and makes the page for it.

        Raises:
            AuthorizationError, RetryableNotionError: Notion refused the code, or could not be reached.
            ConfigError, StagingError: The account cannot be kept.
        """
        account = with_retries(lambda: self._exchange(code))
        visible = count_databases(account, self.project)
        steps, snippet = _ADDING if self.adding else next_steps(account, self.sources, self.wanted)
        return Connected(account, callback_pages.connected(account.label, str(visible), steps, snippet))

    def _exchange(self, code: str) -> StoredAccount:
        with uninterrupted("the tokens that Notion is giving"), room_for(self.store):
            account = self.client.exchange(code)
            _save(account, self.store)
        _forget_others(account, self.store, self.project)
        return account


def keep_token(
    token: str, variable: str, project: Project, store: TokenStore
) -> tuple[StoredAccount, VisibleDatabases]:
    """Keeps an internal connection's token in the place of a variable, once Notion has taken it.

    Raises:
        AuthorizationError: Notion does not take it.
    """
    try:
        me = asyncio.run(_me(Credential("connect", token=Secret(token)), project))
    except AuthorizationError as error:
        error.hint = (
            f"Copy it again from {CONNECTIONS_PAGE}, and run `notion-pipeline connect --token --variable {variable}`."
        )
        raise
    bot: dict[str, Any] = found if isinstance(found := me.get("bot"), dict) else {}
    now = datetime.now(timezone.utc)
    account = StoredAccount(
        bot_id=str(me["id"]),
        workspace_id=str(bot.get("workspace_id") or ""),
        workspace_name=str(bot.get("workspace_name") or ""),
        owner="",
        owner_id="",
        access_token=Secret(token),
        refresh_token=None,
        connected_at=now,
        refreshed_at=now,
        variable=variable,
    )
    _save(account, store)
    _forget_others(account, store, project)
    return account, count_databases(account, project)


def _save(account: StoredAccount, store: TokenStore) -> None:
    with locked(store, account.bot_id):
        save_surely(store, account)


def _forget_others(account: StoredAccount, store: TokenStore, project: Project) -> None:
    """What the same person, or the same variable, had before, and what Notion lets in no more.

    Others of the workspace stay: a colleague's connection that works may see other pages.
    """
    for other in store.accounts():
        same = (other.workspace_id, other.owner_id, other.variable)
        if other.bot_id != account.bot_id and (
            same == (account.workspace_id, account.owner_id, account.variable)
            or (account.variable and other.variable == account.variable)
            or (same[::2] == (account.workspace_id, account.variable) and _is_dead(other, project))
        ):
            with locked(store, other.bot_id):
                store.forget(other.bot_id)


def _is_dead(account: StoredAccount, project: Project) -> bool:
    """Whether Notion says, now, that it lets the account in no more; where it does not say, the account stays."""
    try:
        return is_dead(account, project)
    except NotionPipelineError:
        return False


def count_databases(account: StoredAccount, project: Project) -> VisibleDatabases:
    """How many databases the account sees, as far as search finds them in a short time."""
    seen: set[str] = set()

    async def count() -> None:
        async with open_client(Credential(account.bot_id, account), project, source="") as client:
            await asyncio.wait_for(_search(client, seen), COUNT_SECONDS)

    try:
        asyncio.run(count())
    except (asyncio.TimeoutError, NotionPipelineError):  # the account is kept all the same; a sync says what is wrong
        return VisibleDatabases(len(seen), all_counted=False) if seen else VisibleDatabases(None)
    return VisibleDatabases(len(seen))


async def _search(client: NotionClient, seen: set[str]) -> None:
    listing = Listing("the databases that search finds", most_pages=MOST_PAGES, source="")
    async for body in pages(
        lambda cursor: client.search({**_SEARCH, "start_cursor": cursor} if cursor else _SEARCH), listing
    ):
        for found in body["results"]:
            parent = found.get("parent") if isinstance(found, dict) else None
            if isinstance(parent, dict) and not found.get("in_trash"):
                seen.add(str(parent.get("database_id")))


async def _me(credential: Credential, project: Project) -> dict[str, Any]:
    async with open_client(credential, project, source="") as client:
        return (await client.me()).body


def next_steps(account: StoredAccount, sources: Sources, wanted: Source | None) -> tuple[tuple[str, ...], str]:
    """What to do now, and the lines for sources.yaml where they are missing."""
    readers = [
        source.name
        for source in sources.sources
        if isinstance(source.account, OAuthAccount) and account.goes_by(source.account.workspace)
    ]
    if readers and (wanted is None or wanted.name in readers):
        names = ", ".join(f'"{name}"' for name in readers)
        return (
            f"It is read by source {names} of sources.yaml.",
            "What to do next: go back to the terminal and run `notion-pipeline sync`.",
        ), ""
    steps = [
        "What to do next: name the workspace in sources.yaml, then run `notion-pipeline sync`.",
    ]
    if wanted is not None and isinstance(wanted.account, OAuthAccount):
        steps.insert(
            0, f'Source "{wanted.name}" reads workspace {quoted(wanted.account.workspace)}, which this one is not.'
        )
    name = wanted.name if wanted else sources.sources[0].name
    workspace = json.dumps(account.workspace_name or account.workspace_id, ensure_ascii=False)
    return tuple(steps), f"sources:\n  - name: {name}\n    account: {{type: oauth, workspace: {workspace}}}"
