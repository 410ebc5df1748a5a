"""The bearer token of a connected account on each request, and its refresh when Notion refuses it.

One of all the requests, event loops and processes that meet the same 401 refreshes: it takes the account's lock, checks
that no other one was faster, and keeps the new pair before anyone uses it. That work runs in a thread that nothing
cancels and no signal cuts short, since a pair that Notion gave and nobody kept would disconnect the account; waiting
for the lock blocks nobody and can be cancelled.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager

import httpx

from notion_pipeline.accounts.oauth_client import OAuthClient, OAuthRefusedError, disconnected, saying_who
from notion_pipeline.accounts.stores.stored_account import StoredAccount
from notion_pipeline.accounts.stores.token_store import TokenStore, room_for, save_surely
from notion_pipeline.accounts.uninterrupted import uninterrupted
from notion_pipeline.errors import NotionPipelineError, RetryableNotionError, StagingError
from notion_pipeline.notion.responses.failures import RATE_LIMITED, RateLimited, TransientFailure
from notion_pipeline.notion.responses.parsing import parse_json
from notion_pipeline.notion.responses.retry_after import wait_asked_for
from notion_pipeline.redaction import redact_error

LOCK_POLL_SECONDS = 0.05
# Longer than a refresh may take: connecting, Notion's 60 s (we wait 70), an answer that comes in drops, the save.
LOCK_SECONDS = 300.0
# Pauses before Notion is asked once more whether it takes a token that it refused, in seconds.
CONFIRMATION_PAUSES = (0.0, 0.5, 1.0)
# Tokens tried for one request: those that another process left may have expired on the way.
MOST_TOKENS = 6


class OAuthAuth(httpx.Auth):
    """Signs requests of one client, on one event loop.

    Args:
        account: As the store has it now.
        client: Makes the connection that refreshes; only asked for when a token was refused.
        source: For messages.
        shortest_life_seconds: A token that is refused sooner after it was asked for did not expire: another one would
            fare no better.
    """

    def __init__(
        self,
        account: StoredAccount,
        store: TokenStore,
        client: Callable[[], OAuthClient],
        *,
        source: str,
        log: Callable[[str], None],
        shortest_life_seconds: float = 1.0,
    ) -> None:
        self._account = account
        self._store = store
        self._client = client
        self._source = source
        self._log = log
        self._shortest_life_seconds = shortest_life_seconds
        self._own_at = -shortest_life_seconds
        self._renewal: asyncio.Task[None] | None = None
        self._unsaved: StoredAccount | None = None

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
            if not await _refuses_token(response):
                return
            if used is self._account:
                try:
                    await self._renew(used)
                except _NoNewerTokenError:
                    break
        async for asking in self._confirmations(request):
            response = yield asking
            if not await _refuses_token(response):
                raise _not_refused(response)
        raise disconnected(self._account, self._source)

    async def _confirmations(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, None]:
        """Asks whose token it is, a few times: one 401 may be a mishap, and whoever reads of it would connect anew."""
        url = f"{str(request.url).partition('/v1/')[0]}/v1/users/me"
        headers = {name: value for name, value in request.headers.items() if not name.startswith("content-")}
        for pause in CONFIRMATION_PAUSES:
            await asyncio.sleep(pause)
            headers["authorization"] = f"Bearer {self._account.access_token.reveal()}"
            yield httpx.Request("GET", url, headers=headers, extensions=request.extensions)

    async def _renew(self, refused: StoredAccount) -> None:
        """Brings a newer token than the refused one; callers that come meanwhile wait for the same."""
        if self._renewal is None or self._renewal.done():
            self._renewal = asyncio.ensure_future(self._renew_once(refused))
            self._renewal.add_done_callback(_take_result)
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
        while (release := await self._try_lock(bot_id)) is None:
            if time.monotonic() > give_up_at:
                raise RetryableNotionError(
                    f"Another process has been refreshing the tokens of {self._account.label} for "
                    f"{LOCK_SECONDS:.0f} s.",
                    hint="End it if it hangs, then sync again.",
                )
            await asyncio.sleep(LOCK_POLL_SECONDS)
        return release

    async def _try_lock(self, bot_id: str) -> Callable[[], None] | None:
        """Asks for the lock in a thread, since that may mean another machine; gives it back if nobody waits by then."""
        attempt = _LockAttempt(self._store, bot_id)
        try:
            return await asyncio.to_thread(attempt.make)
        except asyncio.CancelledError:
            attempt.abandon()
            raise

    def _renew_locked(self, refused: StoredAccount, release: Callable[[], None]) -> tuple[StoredAccount, bool]:
        """The newer account, and whether it was refreshed here. Runs in a thread, to its end."""
        try:
            stored = self._load(refused.bot_id)
            if stored is None:
                raise disconnected(refused, self._source)
            if stored.access_token != refused.access_token:
                self._unsaved = None
                return stored, False
            if self._unsaved is not None:  # of an attempt before, which could not be saved
                return self._save(self._unsaved), False
            too_soon = time.monotonic() - self._own_at < self._shortest_life_seconds
            if stored.refresh_token is None or too_soon:
                raise _NoNewerTokenError
            with ExitStack() as stack:
                with _as_our_error():
                    stack.enter_context(room_for(self._store, stored.bot_id))
                stack.enter_context(uninterrupted("the tokens that Notion is giving"))
                fresh = self._save(self._refresh(stored))
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
        with _as_our_error():
            return self._store.load(bot_id)

    def _save(self, account: StoredAccount) -> StoredAccount:
        """Keeps the account; where that fails it is kept in mind, and saved before the next refresh."""
        self._unsaved = account
        with _as_our_error():
            save_surely(self._store, account)
        self._unsaved = None
        return account


class _LockAttempt:
    """One attempt at a lock, made in one thread and perhaps abandoned in another."""

    def __init__(self, store: TokenStore, bot_id: str) -> None:
        self._store, self._bot_id = store, bot_id
        self._guard = threading.Lock()
        self._release: Callable[[], None] | None = None
        self._abandoned = False

    def make(self) -> Callable[[], None] | None:
        with _as_our_error():
            release = self._store.try_lock(self._bot_id)
        with self._guard:
            self._release = release
            if not self._abandoned:
                return release
        self.abandon()
        return None

    def abandon(self) -> None:
        with self._guard:
            self._abandoned = True
            release, self._release = self._release, None
        if release is not None:
            release()


@contextmanager
def _as_our_error() -> Iterator[None]:
    """Errors of a team's own store: what it quotes in them may be what it keeps, so they pass through ours."""
    try:
        yield
    except NotionPipelineError:
        raise
    except Exception as error:
        redact_error(error)
        raise StagingError(
            f"The token store failed ({type(error).__name__}: {error}).",
            hint="Mend what NOTION_PIPELINE_TOKEN_STORE names. If it failed to keep new tokens, connect again.",
        ) from None


class _NoNewerTokenError(Exception):
    """A token was refused, and there is no other one to be had."""


async def _refuses_token(response: httpx.Response) -> bool:
    """Whether it is a refusal of Notion's own: proxies in between have tokens of their own to miss."""
    if response.status_code != 401:
        return False
    body = parse_json(await response.aread())
    return isinstance(body, dict) and body.get("object") == "error"


def _not_refused(response: httpx.Response) -> TransientFailure | RateLimited:
    """Why the request is to be sent again: the token that was refused is good, or nobody knows."""
    if response.status_code in RATE_LIMITED:
        return RateLimited(wait_asked_for(response.headers), str(response.status_code))
    found = "takes it elsewhere" if response.is_success else f"answers HTTP {response.status_code} to users/me"
    return TransientFailure(f"Notion refused the account's token once (401), and {found}", status=401)


def _take_result(renewal: asyncio.Task[None]) -> None:
    """Retrieves the error, since whoever asked for the renewal may be cancelled, and asyncio would complain."""
    if not renewal.cancelled():
        renewal.exception()
