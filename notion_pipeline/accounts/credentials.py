"""What a source signs its requests with: the token of its variable, or an account that was connected.

They are looked up when a client is made, never before: definitions load without any token. Where several accounts of a
workspace are kept, Notion is asked which of them it still lets in.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

import httpx

from notion_pipeline.accounts.oauth_client import OAuthClient, OAuthRefusedError
from notion_pipeline.accounts.stores.stored_account import StoredAccount
from notion_pipeline.accounts.stores.token_store import note_use, open_store
from notion_pipeline.accounts.token_refresh import OAuthAuth
from notion_pipeline.addresses import refuse_plain_http
from notion_pipeline.config.account import OAuthAccount, TokenAccount, resolve_token
from notion_pipeline.config.shared_state import project_state
from notion_pipeline.config.sources import Limits, Source
from notion_pipeline.errors import AuthorizationError, ConfigError, RetryableNotionError
from notion_pipeline.notion.client import BearerAuth, NotionClient
from notion_pipeline.notion.limits.rate_limiter import RateLimiter, account_key
from notion_pipeline.notion.limits.shared_limits import SharedLimits
from notion_pipeline.outside import shown_line
from notion_pipeline.private_files import private_directory
from notion_pipeline.project import Project
from notion_pipeline.redaction import Secret
from notion_pipeline.state.interface import State

ANSWER_SECONDS = 20.0
#: Accounts that Notion lets in no more, by id and the time of their tokens: asked for once in a process.
_dead: set[tuple[str, datetime]] = set()


@dataclass(frozen=True)
class Credential:
    """How requests are signed.

    Attributes:
        account: What tells the account from others, in pauses and stages; never a token.
        stored: The connected account; None where a variable holds the token.
        token: The variable's token; None for a connected account.
    """

    account: str
    stored: StoredAccount | None = None
    token: Secret | None = None


def credential_of(source: Source, project: Project) -> Credential:
    """The credential of a source.

    Raises:
        ConfigError: Its variable is not set, two connected accounts work, or the token store cannot be read.
        AuthorizationError: Its account is not connected.
        RetryableNotionError: Several accounts fit, and Notion does not say which of them work.
    """
    if isinstance(source.account, OAuthAccount):
        workspace, accounts = source.account.workspace, open_store(project).accounts()
        stored = connected_account(workspace, _without_dead(workspace, accounts, project, source.name), source.name)
        return Credential(stored.bot_id, stored)
    if not project.environ.get(source.account.token.env, "").strip():
        kept = _kept_for(source.account, project)
        if kept is not None:
            return Credential(kept.bot_id, kept)
    token = resolve_token(source.account, project, source.name)
    return Credential(account_key(token), token=Secret(token))


def connected_account(workspace: str, accounts: Sequence[StoredAccount], source: str) -> StoredAccount:
    """The account that a source means by `workspace`.

    Raises:
        AuthorizationError: None is connected.
        ConfigError: Several are.
    """
    found = [account for account in accounts if account.goes_by(workspace)]
    if not found:
        others = ", ".join(sorted({account.label for account in accounts}))
        raise AuthorizationError(
            f'No account is connected for workspace "{workspace}".',
            hint=f"Connect it with `notion-pipeline connect --source {source}`"
            + (f", or name one that is connected in sources.yaml: {others}." if others else "."),
            source=source,
        )
    if len(found) > 1:
        choices = ", ".join(f"{account.bot_id} ({shown_line(account.owner) or 'no owner'})" for account in found)
        raise ConfigError(
            f'Several connected accounts go by "{workspace}": {choices}.',
            hint="`notion-pipeline accounts` shows which of them work. Put the id of one in the workspace's place in "
            f"sources.yaml, or end the others, such as with `notion-pipeline disconnect {found[0].bot_id}`.",
            source=source,
        )
    return found[0]


def _without_dead(
    workspace: str, accounts: Sequence[StoredAccount], project: Project, source: str
) -> Sequence[StoredAccount]:
    """The accounts, where several go by a workspace without those that Notion lets in no more.

    Where none of them works, the one that was connected last stays: its use says what is wrong.
    """
    found = [account for account in accounts if account.goes_by(workspace)]
    if len(found) < 2:
        return accounts
    left = [account for account in found if (account.bot_id, account.refreshed_at) not in _dead]
    if len(left) > 1:
        left = [account for account in left if not is_dead(account, project, source)]
    return left or found[-1:]


def is_dead(account: StoredAccount, project: Project, source: str = "") -> bool:
    """Asks Notion whether it lets the account in no more; an account that is refused for another reason works.

    Raises:
        NotionPipelineError: Notion does not say.
    """

    async def ask() -> None:
        credential = Credential(account.bot_id, account)
        client = open_client(credential, project, source=source, counts_as_use=False)
        async with client:
            await asyncio.wait_for(client.me(), ANSWER_SECONDS)

    key = (account.bot_id, account.refreshed_at)
    if key in _dead:
        return True
    try:
        # In a thread of its own: the caller may be on an event loop.
        with ThreadPoolExecutor(1) as thread:
            thread.submit(asyncio.run, ask()).result()
    except asyncio.TimeoutError:
        raise RetryableNotionError(
            f"Notion did not say within {ANSWER_SECONDS:.0f} s whether the account of {account.label} still works.",
            hint="Try again later.",
        ) from None
    except OAuthRefusedError:
        return False
    except AuthorizationError:
        _dead.add(key)
        return True
    return False


def _nothing(line: str) -> None:
    """Takes what the client says of its retries."""


def _kept_for(account: TokenAccount, project: Project) -> StoredAccount | None:
    """The token that `connect --token` stored in the variable's place."""
    kept = [stored for stored in open_store(project).accounts() if stored.variable == account.token.env]
    return kept[-1] if kept else None


def _auth(
    credential: Credential, project: Project, base_url: str, source: str, log: Callable[[str], None]
) -> httpx.Auth:
    if credential.stored is None:
        return BearerAuth(credential.token.reveal() if credential.token else "")

    def client() -> OAuthClient:
        return OAuthClient.of(project, base_url)

    return OAuthAuth(credential.stored, open_store(project), client, source=source, log=log)


def open_client(
    credential: Credential,
    project: Project,
    *,
    source: str,
    log: Callable[[str], None] = _nothing,
    limits: Limits | None = None,
    base_url: str = "",
    counts_as_use: bool = True,
    state: State | None = None,
) -> NotionClient:
    """A client for one event loop, to be entered.

    Args:
        log: Takes what the client says of its retries; nobody does by default.
        counts_as_use: A connected account is used now, for `notion-pipeline accounts`.
        state: What the processes of the project share; None takes what its sources file names.

    Raises:
        ConfigError: The base URL is none.
    """
    limits, state = limits or Limits(), state or project_state(project)
    private_directory(project.home)
    if base_url:
        refuse_plain_http(base_url, project.environ, where="The base URL")
    client = NotionClient(
        auth=_auth(credential, project, base_url, source, log),
        rate_limiter=RateLimiter(
            concurrent_requests=limits.concurrent_requests,
            requests_per_minute=limits.requests_per_minute,
            shared=SharedLimits(state, credential.account),
            log=log,
        ),
        base_url=base_url or project.api_url,
        source=source,
        log=log,
    )
    if credential.stored is not None and counts_as_use:
        note_use(state, credential.stored.bot_id)
    return client
