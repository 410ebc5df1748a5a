"""The OAuth side of a workspace (notion-api.md section 12): public connections, their grants, codes and tokens.

What Notion does not document is an attribute of OAuthSettings, harsh by default. All tokens of a grant open the same
`Token` of the workspace, so that a page cursor outlives a refresh. Lifetimes run on the machine's clock, since the
sandbox's own stands still. oauth_routes.py serves this over HTTP.
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal

from notion_pipeline.sandbox.model.state.tokens import Token
from notion_pipeline.sandbox.model.users import User

if TYPE_CHECKING:
    from notion_pipeline.sandbox.model.state.store import Store

SANDBOX_CLIENT_ID = "sandbox-client-id"
SANDBOX_CLIENT_SECRET = "sandbox-client-secret"  # noqa: S105 - opens the pretend workspace and nothing else
SANDBOX_REDIRECT_URI = "http://localhost:8917/oauth/callback"


class OAuthError(Exception):
    """An error answer of the OAuth endpoints."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


def invalid_grant(what: str, why: str) -> OAuthError:
    return OAuthError(400, "invalid_grant", f"Invalid {what}: {why}.")


@dataclass
class App:
    """A public connection as its developer registered it."""

    client_id: str
    client_secret: str
    name: str
    redirect_uris: list[str]


@dataclass
class OAuthSettings:
    """Positions on what section 12 leaves open.

    Attributes:
        access_token_seconds: Lifetime of access tokens; None: they live until they are replaced.
        code_seconds: Lifetime of codes.
        gives_refresh_tokens: False answers `refresh_token: null`, as older installs do.
        reauthorising: Authorising again mints a fresh pair, or gives the current tokens.
        selection: The pages chosen then take the place of those before, or come to them.
        reconnecting: After a disconnect the next grant has its old bot, or a new one.
        old_access_token_survives: A refresh leaves the access token before it alive.
        reuse_ends_grant: A refresh token used twice ends the grant, else only that request.
        error_body: Which of the two documented bodies errors have.
        token_prefixes: What access and refresh tokens begin with; nobody may rely on it.
    """

    access_token_seconds: float | None = None
    code_seconds: float = 600.0
    gives_refresh_tokens: bool = True
    reauthorising: Literal["fresh_pair", "same_tokens"] = "fresh_pair"
    selection: Literal["replaces", "extends"] = "replaces"
    reconnecting: Literal["same_bot", "new_bot"] = "same_bot"
    old_access_token_survives: bool = False
    reuse_ends_grant: bool = True
    error_body: Literal["notion", "rfc6749"] = "notion"
    token_prefixes: tuple[str, str] = ("ntn_", "nrt_")

    def update(self, changes: dict[str, Any]) -> None:
        """Sets several by name.

        Raises:
            ValueError: One is unknown.
        """
        known = {item.name for item in fields(self)}
        if unknown := sorted(set(changes) - known):
            raise ValueError(f"no such setting: {', '.join(unknown)}; there are {', '.join(sorted(known))}")
        for name, value in changes.items():
            setattr(self, name, tuple(value) if name == "token_prefixes" else value)


@dataclass
class Code:
    """What a browser carries back; good for one exchange."""

    app: App
    user: User
    databases: set[str]
    redirect_uri: str
    named_redirect_uri: bool
    expires_at: float
    used: bool = False


@dataclass
class Grant:
    """One user's authorisation of one connection."""

    app: App
    user: User
    token: Token
    authorised_at: int
    ended: bool = False
    access: dict[str, float | None] = field(default_factory=dict)
    refresh: str | None = None
    spent: set[str] = field(default_factory=set)
    refreshes: int = 0


class OAuth:
    """Every connection and grant of a workspace. Callers hold the workspace's lock."""

    def __init__(self, ws: Store, now: Callable[[], float] = time.monotonic) -> None:
        self._ws = ws
        self._now = now
        self.settings = OAuthSettings()
        self.apps: dict[str, App] = {}
        self.grants: list[Grant] = []
        self.codes: dict[str, Code] = {}
        self.reused = 0
        self.register(SANDBOX_CLIENT_ID, SANDBOX_CLIENT_SECRET, [SANDBOX_REDIRECT_URI])

    def register(
        self, client_id: str, client_secret: str, redirect_uris: Iterable[str], *, name: str | None = None
    ) -> App:
        """A public connection; one of the same id is replaced."""
        self.apps[client_id] = App(
            client_id, client_secret, name or self._ws.integration_name, redirect_uris=list(redirect_uris)
        )
        return self.apps[client_id]

    def bearer(self, value: str) -> Token | None:
        """The connection that a bearer token opens now."""
        for grant in self.grants:
            expires_at = grant.access.get(value)
            if expires_at is not None and self._now() >= expires_at:
                return None
        return self._ws.tokens.get(value)

    def authorise(self, app: App, user: User, databases: Iterable[str], redirect_uri: str | None) -> str:
        """The code for the browser after Allow."""
        code = secrets.token_hex(16)
        uri = redirect_uri or app.redirect_uris[0]
        expires_at = self._now() + self.settings.code_seconds
        self.codes[code] = Code(app, user, set(databases), uri, redirect_uri is not None, expires_at)
        return code

    def authenticated(self, client_id: str, client_secret: str) -> App:
        app = self.apps.get(client_id)
        if app is None or not hmac.compare_digest(app.client_secret.encode(), client_secret.encode()):
            raise OAuthError(401, "invalid_client", "Client authentication failed.")
        return app

    def exchange(self, app: App, value: object, redirect_uri: object) -> dict[str, Any]:
        """The token answer for a code."""
        code = self.codes.get(value) if isinstance(value, str) else None
        if code is None or code.app.client_id != app.client_id:
            raise invalid_grant("code", "this code does not exist or belongs to another client")
        if code.used:
            raise invalid_grant("code", "this code has been revoked")
        if self._now() >= code.expires_at:
            raise invalid_grant("code", "this code has expired")
        self._check_redirect(code, redirect_uri)
        code.used = True
        return self._answer(self._granted(code))

    def _check_redirect(self, code: Code, redirect_uri: object) -> None:
        """Section 12: required when it was in the URL or several are registered, else rejected."""
        if not code.named_redirect_uri and len(code.app.redirect_uris) == 1:
            if redirect_uri is not None:
                raise OAuthError(400, "invalid_request", "redirect_uri was not in the authorization URL.")
            return
        if redirect_uri is None:
            raise OAuthError(400, "invalid_request", "redirect_uri is required.")
        if redirect_uri != code.redirect_uri:
            raise invalid_grant("redirect_uri", "it is not the one of the authorization URL")

    def _granted(self, code: Code) -> Grant:
        current = self._current_grant(code.app, code.user)
        grant = current if current is not None and not current.ended else self._new_grant(code, current)
        with self._ws.changing():
            chosen = set(code.databases)
            extends = grant is current and self.settings.selection == "extends"
            grant.token.databases = chosen | (grant.token.databases or set()) if extends else chosen
            self._ws.sharing_revision += 1
        if not grant.access or self.settings.reauthorising == "fresh_pair":
            self._mint(grant)
        return grant

    def _current_grant(self, app: App, user: User) -> Grant | None:
        """The last grant of this user; it may have ended."""
        mine = [grant for grant in self.grants if grant.app.client_id == app.client_id and grant.user.id == user.id]
        return mine[-1] if mine else None

    def _new_grant(self, code: Code, ended: Grant | None) -> Grant:
        same = ended is not None and self.settings.reconnecting == "same_bot"
        bot = ended.token.bot if ended and same else self._ws.add_user(code.app.name, kind="bot")
        token = Token(f"grant {secrets.token_hex(8)}", bot, set(), owner=code.user)
        grant = Grant(code.app, code.user, token, int(time.time()))
        self.grants.append(grant)
        return grant

    def refresh(self, app: App, value: object) -> dict[str, Any]:
        """A new pair for a refresh token, which is spent by it."""
        for grant in self.grants:
            if not isinstance(value, str) or grant.app.client_id != app.client_id:
                continue
            if value in grant.spent:
                self.reused += 1
                if self.settings.reuse_ends_grant:
                    self.end(grant)
                raise invalid_grant("refresh token", "this refresh token has been used")
            if grant.refresh == value and not grant.ended:
                grant.spent.add(value)
                grant.refreshes += 1
                self._mint(grant)
                return self._answer(grant)
        raise invalid_grant("refresh token", "this refresh token does not exist or was revoked")

    def _mint(self, grant: Grant) -> None:
        settings = self.settings
        if not settings.old_access_token_survives:
            self._forget_access(grant)
        access, refresh = settings.token_prefixes
        lifetime = settings.access_token_seconds
        value = f"{access}{secrets.token_hex(22)}"
        grant.access[value] = None if lifetime is None else self._now() + lifetime
        self._ws.tokens[value] = grant.token
        grant.refresh = f"{refresh}{secrets.token_hex(22)}" if settings.gives_refresh_tokens else None

    def _answer(self, grant: Grant) -> dict[str, Any]:
        ws = self._ws
        user = {"object": "user", "id": grant.user.id, "name": grant.user.name, "avatar_url": None, "type": "person"}
        return {
            "access_token": list(grant.access)[-1],
            "token_type": "bearer",
            "refresh_token": grant.refresh,
            "bot_id": grant.token.bot.id,
            "workspace_id": ws.id,
            "workspace_name": ws.name,
            "workspace_icon": None,
            "owner": {"type": "user", "user": user | {"person": {"email": grant.user.email}}},
            "duplicated_template_id": None,
        }

    def revoke(self, app: App, value: object) -> None:
        """Ends the grant of a token of either kind; a token that nobody knows is no error (RFC 7009)."""
        grant = self._grant_of(app, value)
        if grant is not None:
            self.end(grant)

    def introspect(self, app: App, value: object) -> dict[str, Any]:
        grant = self._grant_of(app, value)
        alive = grant is not None and (value == grant.refresh or self.bearer(str(value)) is not None)
        if grant is None or not alive:
            return {"active": False}
        return {"active": True, "scope": "read_content read_user_with_email", "iat": grant.authorised_at}

    def _grant_of(self, app: App, value: object) -> Grant | None:
        for grant in self.grants:
            if grant.app.client_id == app.client_id and not grant.ended and value in (*grant.access, grant.refresh):
                return grant
        return None

    def disconnect(self, bot_id: str | None = None) -> int:
        """The user removes the connection in Notion: 401 on every call from now on. How many grants ended."""
        ended = [grant for grant in self.grants if not grant.ended and bot_id in (None, grant.token.bot.id)]
        for grant in ended:
            self.end(grant)
        return len(ended)

    def end(self, grant: Grant) -> None:
        self._forget_access(grant)
        grant.refresh, grant.ended = None, True

    def _forget_access(self, grant: Grant) -> None:
        for value in grant.access:
            self._ws.tokens.pop(value, None)
        grant.access.clear()
