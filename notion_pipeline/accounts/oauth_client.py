"""Notion's OAuth endpoints, a request each (notion-api.md section 12). Who may refresh, and when, is in token_refresh.

A failure that may pass is a TransientFailure and an ordered pause a RateLimited, as the client's are, so that the
client repeats them by its own rules; commands repeat with `with_retries`.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Any, NoReturn, TypeVar
from urllib.parse import urlencode

import httpx

from notion_pipeline.accounts.stores.stored_account import StoredAccount
from notion_pipeline.addresses import refuse_plain_http
from notion_pipeline.errors import AuthorizationError, ConfigError, RetryableNotionError
from notion_pipeline.notion.responses.bodies import BodyTooLongError
from notion_pipeline.notion.responses.failures import (
    LONGEST_NAME,
    RATE_LIMITED,
    RateLimited,
    TransientFailure,
    not_notions,
    one_line,
)
from notion_pipeline.notion.responses.parsing import parse_storable
from notion_pipeline.notion.responses.retry_after import wait_asked_for
from notion_pipeline.notion.transport import blocking_client, checked_base_url
from notion_pipeline.project import Project
from notion_pipeline.redaction import Secret, is_token, keep_secret

DEFAULT_REDIRECT_URI = "http://localhost:8917/oauth/callback"
CLIENT_ID, CLIENT_SECRET, REDIRECT_URI = "NOTION_CLIENT_ID", "NOTION_CLIENT_SECRET", "NOTION_REDIRECT_URI"
CONNECTIONS_PAGE = "https://www.notion.so/profile/integrations"

#: How often a command asks, and the longest pause that it waits for, while somebody watches.
ATTEMPTS = 3
LONGEST_WAIT_SECONDS = 60.0

T = TypeVar("T")


class OAuthRefusedError(AuthorizationError):
    """Notion said no to a request for tokens; `code` says why (`invalid_grant`, `invalid_client` and others)."""


@dataclass(frozen=True)
class OAuthClient:
    """The public connection that this project authorises with."""

    client_id: str
    client_secret: Secret
    redirect_uri: str
    base_url: str

    @classmethod
    def of(cls, project: Project, base_url: str = "") -> OAuthClient:
        """The one that the environment names; `base_url` instead of NOTION_API_URL.

        Raises:
            ConfigError: It names none.
        """
        missing = [name for name in (CLIENT_ID, CLIENT_SECRET) if not project.environ.get(name, "").strip()]
        redirect_uri = project.environ.get(REDIRECT_URI, "").strip() or DEFAULT_REDIRECT_URI
        if missing:
            raise ConfigError(
                f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set.",
                hint=f"Create a public connection at {CONNECTIONS_PAGE}, give it the redirect URI {redirect_uri}, and "
                f"put its client id and secret into {project.root / '.env'} as {CLIENT_ID}=... and {CLIENT_SECRET}=... "
                "(or use `notion-pipeline connect --token` with an internal connection).",
            )
        if base_url:
            refuse_plain_http(base_url, project.environ, where="The base URL")
        secret = Secret(project.environ[CLIENT_SECRET].strip())
        return cls(
            project.environ[CLIENT_ID].strip(), secret, redirect_uri, checked_base_url(base_url or project.api_url)
        )

    def authorize_url(self, state: str) -> str:
        """Where the browser asks the user."""
        query = {
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "response_type": "code",
            "owner": "user",
            "state": state,
        }
        return f"{self.base_url}/v1/oauth/authorize?{urlencode(query)}"

    def exchange(self, code: str) -> StoredAccount:
        """The account behind a code, which is spent by it."""
        keep_secret(code)
        body = {"grant_type": "authorization_code", "code": code, "redirect_uri": self.redirect_uri}
        return _account(self._post("token", body), None)

    def refresh(self, account: StoredAccount) -> StoredAccount:
        """The account with its next pair; the pair before is dead from now on."""
        token = account.refresh_token.reveal() if account.refresh_token else ""
        return _account(self._post("token", {"grant_type": "refresh_token", "refresh_token": token}), account)

    def revoke(self, token: Secret) -> None:
        """Ends what a token opens."""
        self._post("revoke", {"token": token.reveal()})

    def is_active(self, token: Secret) -> bool:
        """Whether Notion says that a token is active."""
        return self._post("introspect", {"token": token.reveal()}).get("active") is True

    def _post(self, endpoint: str, body: dict[str, str]) -> dict[str, Any]:
        basic = base64.b64encode(f"{self.client_id}:{self.client_secret.reveal()}".encode()).decode()
        keep_secret(basic)
        try:
            with blocking_client(self.base_url) as client:
                response = client.post(
                    f"{self.base_url}/v1/oauth/{endpoint}", json=body, headers={"Authorization": f"Basic {basic}"}
                )
        except BodyTooLongError as error:
            raise error.about("its tokens") from None
        except httpx.RequestError as error:
            detail = one_line(f"{type(error).__name__}: {error}".rstrip(": "))
            raise TransientFailure(
                f"Notion could not be reached at {self.base_url} for its tokens ({detail})",
                hint="Check the network and NOTION_API_URL, then try again.",
            ) from None
        return _answer(response)


def with_retries(ask: Callable[[], T], sleep: Callable[[float], None] = time.sleep) -> T:
    """What `ask` gives, asked again a few times where the failure may pass, for commands that somebody watches."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return ask()
        except TransientFailure as failure:
            wait, last, hint = 0.5 * 2.0**attempt, failure.message, failure.hint
        except RateLimited as refusal:
            wait, last, hint = refusal.seconds or 2.0**attempt, f"Notion asks for a pause ({refusal.reason})", ""
        if attempt < ATTEMPTS and wait <= LONGEST_WAIT_SECONDS:
            sleep(wait)
            continue
        break
    raise RetryableNotionError(f"{last}.", hint=hint or "Try again later.")


@contextmanager
def saying_who(account: StoredAccount, source: str) -> Iterator[None]:
    """Turns a refused refresh into what it means for the account."""
    try:
        yield
    except OAuthRefusedError as refusal:
        if refusal.code != "invalid_grant":
            raise
        raise disconnected(account, source, refusal) from None


def disconnected(account: StoredAccount, source: str, refusal: AuthorizationError | None = None) -> AuthorizationError:
    """The account is not authorised any more, and what connects it again."""
    why = f" Notion's answer: {refusal.status} {refusal.code}." if refusal and refusal.code else ""
    option = f" --source {source}" if source else ""
    if account.variable:
        option = f" --token --variable {account.variable}"
    again = "Give a token that it takes" if account.variable else "Connect it again"
    return AuthorizationError(
        f"The account was disconnected: Notion no longer lets it into workspace {account.label}.{why} "
        "All tables stay as they are.",
        hint=f"{again} with `notion-pipeline connect{option}`; the next sync goes on where the last one was.",
        status=refusal.status if refusal else None,
        code=refusal.code if refusal else None,
        request_id=refusal.request_id if refusal else None,
        source=source or None,
    )


def _answer(response: httpx.Response) -> dict[str, Any]:
    """The body of a success."""
    body, _ = parse_storable(response.content)
    said = body if isinstance(body, dict) else {}
    # Either body is documented: Notion's error object, and RFC 6749's (notion-api.md section 12).
    code = one_line(_text(said.get("code")) or _text(said.get("error")), limit=LONGEST_NAME)
    if not response.is_success or not isinstance(body, dict) or code:
        _refuse(response, said, code)
    return body


def _refuse(response: httpx.Response, said: dict[str, Any], code: str) -> NoReturn:
    status = response.status_code
    message = one_line(_text(said.get("message")) or _text(said.get("error_description")))
    request_id = one_line(_text(said.get("request_id")) or response.headers.get("x-notion-request-id", ""))
    if status in RATE_LIMITED and code:
        raise RateLimited(wait_asked_for(response.headers, said), code)
    if not code or status >= 500 or status in RATE_LIMITED:
        if not code and parse_storable(response.content)[0] is None:
            raise not_notions(response, "tokens")
        raise TransientFailure(f"Notion's answer about tokens cannot be used: HTTP {status} {code}".rstrip())
    parts = [f"{status} {code}", *([f'"{message}"'] if message else [])]
    hint = "Try again with `notion-pipeline connect`."
    if code in ("invalid_client", "unauthorized_client"):
        hint = f"Copy {CLIENT_ID} and {CLIENT_SECRET} again from the connection's settings at {CONNECTIONS_PAGE}."
    raise OAuthRefusedError(
        f"Notion refuses to give tokens: {', '.join(parts)}.",
        hint=hint,
        status=status,
        code=code,
        request_id=request_id or None,
    )


def _account(body: dict[str, Any], before: StoredAccount | None) -> StoredAccount:
    """The account of a token answer; what a refresh leaves out stays as it was."""
    token, refresh = _text(body.get("access_token")), _text(body.get("refresh_token"))
    bot_id = _text(body.get("bot_id")) or (before.bot_id if before else "")
    keep_secret(token, refresh)
    if not bot_id or not is_token(token):
        raise TransientFailure("Notion's answer to a request for tokens holds none")
    now = datetime.now(timezone.utc)
    if before is not None:
        # The newest of an account's files counts, whichever way the clock was set in between.
        now = max(now, before.refreshed_at + timedelta(microseconds=1))
        return replace(
            before,
            access_token=Secret(token),
            refresh_token=Secret(refresh) if refresh else before.refresh_token,
            workspace_name=_text(body.get("workspace_name")) or before.workspace_name,
            refreshed_at=now,
        )
    owner_id, owner = _owner(body.get("owner"))
    return StoredAccount(
        bot_id=bot_id,
        workspace_id=_text(body.get("workspace_id")),
        workspace_name=_text(body.get("workspace_name")),
        owner=owner,
        owner_id=owner_id,
        access_token=Secret(token),
        refresh_token=Secret(refresh) if refresh else None,
        connected_at=now,
        refreshed_at=now,
    )


def _owner(owner: Any) -> tuple[str, str]:
    """Id and name of the user who authorised; a partial user has no name, a workspace neither."""
    user = owner.get("user") if isinstance(owner, dict) else None
    if not isinstance(user, dict):
        return "", ""
    person = user.get("person")
    email = person.get("email") if isinstance(person, dict) else None
    return _text(user.get("id")), _text(user.get("name")) or _text(email)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
