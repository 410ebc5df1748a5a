"""A project that authorises with the sandbox, and its accounts, for tests of OAuth."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

import httpx

from notion_pipeline.accounts.oauth_client import OAuthClient
from notion_pipeline.accounts.stores.stored_account import StoredAccount
from notion_pipeline.accounts.stores.token_store import TokenStore, open_store
from notion_pipeline.accounts.token_refresh import OAuthAuth
from notion_pipeline.notion.client import NotionClient
from notion_pipeline.notion.limits.rate_limiter import RateLimiter
from notion_pipeline.project import Project
from notion_pipeline.sandbox.edits.oauth import SANDBOX_CLIENT_ID, SANDBOX_CLIENT_SECRET, Grant
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.http.server import SandboxServer
from notion_pipeline_tests.support.patience import PATIENCE

CREDENTIALS = {"NOTION_CLIENT_ID": SANDBOX_CLIENT_ID, "NOTION_CLIENT_SECRET": SANDBOX_CLIENT_SECRET}
SOURCES = 'sources:\n  - name: notion\n    account: {type: oauth, workspace: "Acme"}\n'


def allow(url: str, *, decision: str = "allow", databases: list[str] | None = None, user: str = "") -> str:
    """Where the browser is sent after the authorize page's button, without going there."""
    asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query, keep_blank_values=True).items()}
    page = httpx.get(url, timeout=PATIENCE)
    assert page.status_code == 200, page.text
    shown = [part.split('"')[0] for part in page.text.split('name="database" value="')[1:]]
    form: dict[str, str | list[str]] = {**asked, "decision": decision, "user": user}
    form["database"] = shown if databases is None else databases
    answer = httpx.post(url.partition("?")[0], data=form, timeout=PATIENCE)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


@dataclass
class OAuthSide:
    """One project, connected or not."""

    project: Project
    server: SandboxServer
    lines: list[str] = field(default_factory=list)

    @property
    def ws(self) -> Workspace:
        return self.server.ws

    @property
    def client(self) -> OAuthClient:
        return OAuthClient.of(self.project)

    @property
    def store(self) -> TokenStore:
        return open_store(self.project)

    @property
    def grant(self) -> Grant:
        return self.ws.oauth.grants[-1]

    def hasty_client(self) -> NotionClient:
        """A client of the connected account that repeats at once, and takes any refused token for a young one."""

        async def no_sleep(_: float) -> None:
            return None

        log = self.lines.append
        (account,) = self.store.accounts()
        return NotionClient(
            auth=OAuthAuth(
                account, self.store, lambda: self.client, source="notion", log=log, shortest_life_seconds=3600.0
            ),
            rate_limiter=RateLimiter(concurrent_requests=8, requests_per_minute=None, shared=None, log=log),
            base_url=self.project.api_url,
            source="notion",
            log=log,
            sleep=no_sleep,
        )

    def code(self, **choice: object) -> str:
        location = allow(self.client.authorize_url("state-of-a-test"), **choice)  # type: ignore[arg-type]
        return parse_qs(urlsplit(location).query)["code"][0]

    def connect(self, **choice: object) -> StoredAccount:
        """Authorises and keeps the pair, as the command does."""
        account = self.client.exchange(self.code(**choice))
        self.store.save(account)
        return account

    def expire(self) -> None:
        """The access token of every grant is over."""
        for grant in self.ws.oauth.grants:
            grant.access = dict.fromkeys(grant.access, 0.0)
