"""The bearer token of a connected account on each request, and its refresh when Notion refuses it.

Of all requests, event loops and processes that meet the same 401 one refreshes: it holds the account's lock, looks
whether another one was faster, and keeps the new pair before anyone uses it. That work runs in a thread that nothing
cancels, since a pair that Notion gave and nobody kept would disconnect the account; waiting for the lock is done on
the event loop, where it blocks nobody and can be cancelled.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from contextlib import contextmanager

import httpx

from notion_pipeline.answers import parse_json
from notion_pipeline.errors import NotionPipelineError, RetryableNotionError, StagingError
from notion_pipeline.oauth import OAuthClient, OAuthRefusedError, disconnected, saying_who
from notion_pipeline.redaction import redact_error
from notion_pipeline.token_store import StoredAccount, TokenStore

LOCK_POLL_SECONDS = 0.05
LOCK_SECONDS = 300.0
# A token that is refused this soon after it was asked for did not expire: another one would fare no better.
SHORTEST_LIFE_SECONDS = 1.0
# Tokens tried for one request: those that another process left may have expired on the way.
MOST_TOKENS = 6


class OAuthAuth(httpx.Auth):
    """Signs requests of one client, on one event loop.

    Args:
        account: As the store has it now.
        client: Makes the connection that refreshes; only asked for when a token was refused.
        source: For messages.
    """

    def __init__(
        self,
        account: StoredAccount,
        store: TokenStore,
        client: Callable[[], OAuthClient],
        *,
        source: str,
        log: Callable[[str], None],
    ) -> None:
        self._account = account
        self._store = store
        self._client = client
        self._source = source
        self._log = log
        self._own_at = -SHORTEST_LIFE_SECONDS
        self._renewal: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"OAuthAuth({self._account.bot_id})"

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        raise RuntimeError("An account's requests are sent from an event loop.")

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Signs the request; on Notion's 401 signs it again with a newer token.

        Raises:
            AuthorizationError: The account was disconnected.
            TransientFailure, RateLimited: The refresh did not come through; the client asks again.
        """
        for _ in range(MOST_TOKENS):
            used = self._account
            request.headers["Authorization"] = f"Bearer {used.access_token.reveal()}"
            response = yield request
            if response.status_code != 401 or not _is_notions(await response.aread()):
                return
            if used is self._account:
                await self._renew(used)
        raise disconnected(self._account, self._source)

    async def _renew(self, refused: StoredAccount) -> None:
        """Brings a newer token than the refused one; callers that come meanwhile wait for the same."""
        if self._renewal is None or self._renewal.done():
            self._renewal = asyncio.ensure_future(self._renew_once(refused))
            self._renewal.add_done_callback(_look_at)
        await asyncio.shield(self._renewal)

    async def _renew_once(self, refused: StoredAccount) -> None:
        release = await self._locked(refused.bot_id)
        # Its life begins somewhere between here and the answer, which a busy machine may take in late.
        asked_at = time.monotonic()
        self._account, own = await asyncio.to_thread(self._renew_locked, refused, release)
        if own:
            self._own_at = asked_at

    async def _locked(self, bot_id: str) -> Callable[[], None]:
        give_up_at = time.monotonic() + LOCK_SECONDS
        while (release := self._store.try_lock(bot_id)) is None:
            if time.monotonic() > give_up_at:
                raise RetryableNotionError(
                    f"Another process has been refreshing the tokens of {self._account.label} for "
                    f"{LOCK_SECONDS:.0f} s.",
                    cure="End it if it hangs, then sync again.",
                )
            await asyncio.sleep(LOCK_POLL_SECONDS)
        return release

    def _renew_locked(self, refused: StoredAccount, release: Callable[[], None]) -> tuple[StoredAccount, bool]:
        """The newer account, and whether it was refreshed here. Runs in a thread, to its end."""
        try:
            stored = self._load(refused.bot_id)
            if stored is None:
                raise disconnected(refused, self._source)
            if stored.access_token != refused.access_token:
                return stored, False
            too_soon = time.monotonic() - self._own_at < SHORTEST_LIFE_SECONDS
            if stored.refresh_token is None or too_soon:
                raise disconnected(refused, self._source)
            fresh = self._refresh(stored)
            self._save(fresh)
            self._log(f"The access token of workspace {fresh.label} had expired; it was refreshed.")
            return fresh, True
        finally:
            release()

    def _refresh(self, stored: StoredAccount) -> StoredAccount:
        with saying_who(stored, self._source):
            try:
                return self._client().refresh(stored)
            except OAuthRefusedError:
                # A store without a real lock, or `connect` in this moment: somebody else has a newer pair.
                newer = self._load(stored.bot_id)
                if newer is None or newer.access_token == stored.access_token:
                    raise
                return newer

    def _load(self, bot_id: str) -> StoredAccount | None:
        with _in_our_words():
            return self._store.load(bot_id)

    def _save(self, account: StoredAccount) -> None:
        with _in_our_words():
            self._store.save(account)


@contextmanager
def _in_our_words() -> Iterator[None]:
    """Errors of a team's own store: what it quotes in them may be what it keeps, so they pass through ours."""
    try:
        yield
    except NotionPipelineError:
        raise
    except Exception as error:
        redact_error(error)
        raise StagingError(
            f"The token store failed ({type(error).__name__}: {error}).",
            cure="Mend what NOTION_PIPELINE_TOKEN_STORE names. If it failed to keep new tokens, connect again.",
        ) from None


def _is_notions(content: bytes) -> bool:
    """Whether a refusal is Notion's own: proxies in between have tokens of their own to miss."""
    body = parse_json(content)
    return isinstance(body, dict) and body.get("object") == "error"


def _look_at(renewal: asyncio.Task[None]) -> None:
    """Whoever asked for it may be gone: asyncio must not complain that nobody looked."""
    if not renewal.cancelled():
        renewal.exception()
