"""Codes, pairs and refreshes against the sandbox; who refreshes, and what a disconnected account ends in."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from notion_pipeline.accounts.credentials import credential_of, open_client
from notion_pipeline.accounts.oauth_client import OAuthRefusedError, with_retries
from notion_pipeline.accounts.onboarding import AccountSetup
from notion_pipeline.accounts.stores.file_store import FileTokenStore
from notion_pipeline.accounts.stores.stored_account import StoredAccount
from notion_pipeline.config.sources import load_sources
from notion_pipeline.errors import (
    AuthorizationError,
    ConfigError,
    NotionRequestError,
    RetryableNotionError,
    StagingError,
)
from notion_pipeline.notion.client import NotionClient
from notion_pipeline.notion.responses.failures import TransientFailure
from notion_pipeline.project import Project, find_project
from notion_pipeline.sandbox.control.faults import Fault
from notion_pipeline.sandbox.http.server import SandboxServer
from notion_pipeline_tests.support.accounts.oauth_side import CREDENTIALS, SOURCES, OAuthSide

BODIES = pytest.mark.parametrize("error_body", ["notion", "rfc6749"])


@pytest.fixture
def side(project: Project, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch) -> OAuthSide:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    (project.root / "sources.yaml").write_text(SOURCES)
    sandbox.ws.add_database("Tasks", {"Name": "title"})
    return OAuthSide(find_project(project.root), sandbox)


def opened(side: OAuthSide) -> NotionClient:
    source = load_sources(side.project).source("notion")
    credential = credential_of(source, side.project)
    return open_client(credential, side.project, source="notion", log=side.lines.append)


def ask(
    side: OAuthSide,
    *questions: Callable[[NotionClient], Awaitable[Any]],
    client_of: Callable[[OAuthSide], NotionClient] = opened,
) -> list[Any]:
    """The answers to questions asked at the same time; errors stand among them."""

    async def run() -> list[Any]:
        async with client_of(side) as client:
            return await asyncio.gather(*(question(client) for question in questions), return_exceptions=True)

    return asyncio.run(run())


def me(client: NotionClient) -> Awaitable[Any]:
    return client.me()


# Tokens from Notion


def test_a_code_gives_the_account_with_its_workspace_and_owner(side: OAuthSide) -> None:
    account = side.connect()
    assert account.bot_id == side.grant.token.bot.id
    assert (account.workspace_name, account.workspace_id) == ("Acme", side.ws.id)
    assert account.owner == "Ada Owner"
    assert account.refresh_token is not None
    assert account.access_token.reveal() in side.ws.tokens
    (answer,) = ask(side, me)
    assert answer.body["bot"]["owner"]["type"] == "user"


@BODIES
def test_a_code_is_good_once(side: OAuthSide, error_body: Any) -> None:
    side.ws.oauth.settings.error_body = error_body
    code = side.code()
    side.client.exchange(code)
    with pytest.raises(OAuthRefusedError) as caught:
        side.client.exchange(code)
    assert (caught.value.status, caught.value.code) == (400, "invalid_grant")
    assert "this code has been revoked" in str(caught.value)
    assert code not in str(caught.value)


@BODIES
def test_wrong_client_credentials_are_told_from_other_refusals(
    side: OAuthSide, error_body: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    side.ws.oauth.settings.error_body = error_body
    code = side.code()
    monkeypatch.setenv("NOTION_CLIENT_SECRET", "of-another-connection")
    side.project = find_project(side.project.root)
    with pytest.raises(OAuthRefusedError) as caught:
        side.client.exchange(code)
    assert caught.value.code == "invalid_client"
    assert "NOTION_CLIENT_SECRET" in caught.value.hint
    assert "of-another-connection" not in str(caught.value)


def test_redirect_uris_follow_section_12(side: OAuthSide) -> None:
    oauth, uri = side.ws.oauth, "http://localhost:8917/oauth/callback"
    app, user = oauth.apps["sandbox-client-id"], side.ws.owner
    refused = [
        (oauth.authorise(app, user, [], uri), None, "invalid_request"),
        (oauth.authorise(app, user, [], uri), "http://localhost:1/other", "invalid_grant"),
        (oauth.authorise(app, user, [], None), uri, "invalid_request"),
    ]
    for code, sent, expected in refused:
        body = {"grant_type": "authorization_code", "code": code} | ({"redirect_uri": sent} if sent else {})
        with pytest.raises(OAuthRefusedError) as caught:
            side.client._post("token", body)
        assert caught.value.code == expected
    assert oauth.exchange(app, oauth.authorise(app, user, [], None), None)["bot_id"]


def test_missing_credentials_say_what_to_do(project: Project) -> None:
    with pytest.raises(ConfigError) as caught:
        OAuthSide(project, None).client  # type: ignore[arg-type]  # noqa: B018
    assert "NOTION_CLIENT_ID and NOTION_CLIENT_SECRET are not set" in str(caught.value)
    assert "http://localhost:8917/oauth/callback" in str(caught.value)


def test_a_command_asks_again_where_the_failure_may_pass(side: OAuthSide) -> None:
    code, waits = side.code(), []
    side.ws.faults.add(Fault(kind="html_502", match="/v1/oauth/token"))
    side.ws.faults.add(Fault(kind="rate_limit", match="/v1/oauth/token", retry_after=3))
    assert with_retries(lambda: side.client.exchange(code), waits.append).workspace_name == "Acme"
    assert len(waits) == 2
    assert 3.0 in waits

    def never() -> None:
        raise TransientFailure("down")

    with pytest.raises(RetryableNotionError, match="down"):
        with_retries(never, waits.append)


# Refreshing


def test_an_expired_token_is_refreshed_once_for_all_requests_of_a_client(side: OAuthSide) -> None:
    before = side.connect()
    side.expire()
    answers = ask(side, *[me] * 8)
    assert [answer.body["id"] for answer in answers] == [before.bot_id] * 8
    assert side.grant.refreshes == 1
    after = side.store.load(before.bot_id)
    assert after is not None
    assert after.access_token.reveal() in side.ws.tokens
    assert after.refresh_token != before.refresh_token
    assert after.connected_at == before.connected_at
    assert side.lines == ['The access token of workspace "Acme" had expired; it was refreshed.']


def test_the_fresh_token_of_another_process_is_picked_up(side: OAuthSide) -> None:
    account = side.connect()

    async def run() -> None:
        async with opened(side) as client:
            side.store.save(side.client.refresh(account))
            await client.me()

    asyncio.run(run())
    assert side.grant.refreshes == 1
    assert side.ws.oauth.reused == 0


def test_the_new_pair_is_kept_before_it_is_used(side: OAuthSide) -> None:
    account = side.connect()
    side.expire()
    seen: list[bool] = []

    def look() -> None:
        kept = side.store.load(account.bot_id)
        seen.append(kept is not None and side.ws.requests[-1].token == kept.access_token.reveal())

    side.ws.faults.add(Fault(kind="call", match="/v1/users/me", at=2, callable=look))
    ask(side, me)
    assert seen == [True]


def test_a_refresh_goes_on_when_the_request_behind_it_is_cancelled(side: OAuthSide) -> None:
    account = side.connect()
    side.expire()
    side.ws.faults.add(Fault(kind="delay", match="/v1/oauth/token", seconds=0.3))

    async def run() -> None:
        async with opened(side) as client:
            asking = asyncio.ensure_future(client.me())
            while side.ws.requests[-1].path != "/v1/oauth/token":  # noqa: ASYNC110 - the sandbox has no event for it
                await asyncio.sleep(0.01)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)

    asyncio.run(run())
    kept = side.store.load(account.bot_id)
    assert kept is not None
    assert kept.access_token.reveal() in side.ws.tokens


def test_waiting_for_the_lock_holds_nobody_else_up(side: OAuthSide) -> None:
    account = side.connect()
    side.expire()
    release = side.store.try_lock(account.bot_id)
    assert release is not None

    async def run() -> None:
        async with opened(side) as client:
            asking = asyncio.ensure_future(client.me())
            while side.ws.requests[-1].status != 401:  # noqa: ASYNC110 - the sandbox has no event for it
                await asyncio.sleep(0.01)
            # Were the loop held up by the lock, nobody would come to give it back, and the wait for it end in an error.
            for _ in range(30):
                await asyncio.sleep(0.01)
                assert not asking.done()
            release()
            await asking

    asyncio.run(run())


def test_a_refresh_that_may_come_through_later_is_repeated_by_the_client(side: OAuthSide) -> None:
    side.connect()
    side.expire()
    side.ws.faults.add(Fault(kind="html_502", match="/v1/oauth/token", times=2))
    side.ws.faults.add(Fault(kind="rate_limit", match="/v1/oauth/token", at=3, retry_after=1))
    (answer,) = ask(side, me, client_of=OAuthSide.hasty_client)
    assert answer.body["object"] == "user"
    assert any("Attempt 3" in line for line in side.lines)
    assert any("asked this account to wait" in line for line in side.lines)


def test_a_401_of_a_proxy_refreshes_nothing(side: OAuthSide) -> None:
    side.connect()
    side.ws.faults.add(Fault(kind="status", match="/v1/users/me", status=401, html=True))
    (answer,) = ask(side, me, client_of=OAuthSide.hasty_client)
    assert answer.body["object"] == "user"
    assert side.grant.refreshes == 0


def test_a_store_that_fails_is_told_without_what_it_keeps(side: OAuthSide, monkeypatch: pytest.MonkeyPatch) -> None:
    account = side.connect()
    side.expire()

    def save(_: FileTokenStore, broken: StoredAccount) -> None:
        raise RuntimeError(f"no room for {broken.access_token.reveal()} beside {account.access_token.reveal()}")

    monkeypatch.setattr(FileTokenStore, "save", save)
    (error,) = ask(side, me)
    assert isinstance(error, StagingError)
    assert "no room for *** beside ***" in str(error)


# The end of an account


@BODIES
def test_a_disconnected_account_says_what_connects_it_again(side: OAuthSide, error_body: Any) -> None:
    side.ws.oauth.settings.error_body = error_body
    side.connect()
    side.ws.oauth.disconnect()
    (error,) = ask(side, me)
    assert type(error) is AuthorizationError
    assert (error.status, error.code, error.source) == (400, "invalid_grant", "notion")
    assert "The account was disconnected" in str(error)
    assert "notion-pipeline connect --source notion" in str(error)


def test_an_account_without_refresh_token_says_the_same(side: OAuthSide) -> None:
    side.ws.oauth.settings.gives_refresh_tokens = False
    assert side.connect().refresh_token is None
    assert ask(side, me)[0].body["object"] == "user"
    side.ws.oauth.disconnect()
    (error,) = ask(side, me)
    assert isinstance(error, AuthorizationError)
    assert "notion-pipeline connect --source notion" in str(error)


def test_a_fresh_token_that_is_refused_at_once_is_not_replaced_for_ever(side: OAuthSide) -> None:
    side.connect()
    side.ws.faults.add(Fault(kind="unauthorized", match="/v1/users/me", times=50))
    (error,) = ask(side, me, client_of=OAuthSide.hasty_client)
    assert isinstance(error, AuthorizationError)
    assert side.grant.refreshes == 1


def test_credentials_missing_at_a_refresh_are_named(side: OAuthSide, monkeypatch: pytest.MonkeyPatch) -> None:
    side.connect()
    monkeypatch.delenv("NOTION_CLIENT_ID")
    side.project = find_project(side.project.root)
    assert ask(side, me)[0].body["object"] == "user"
    side.expire()
    (error,) = ask(side, me)
    assert isinstance(error, ConfigError)
    assert "NOTION_CLIENT_ID is not set" in str(error)


def test_a_refresh_token_used_twice_ends_the_grant_in_the_sandbox(side: OAuthSide) -> None:
    account = side.connect()
    side.client.refresh(account)
    with pytest.raises(OAuthRefusedError):
        side.client.refresh(account)
    assert side.ws.oauth.reused == 1
    assert side.grant.ended


def test_revoke_and_introspect(side: OAuthSide) -> None:
    account = side.connect()
    assert side.client.is_active(account.access_token)
    side.client.revoke(account.access_token)
    side.client.revoke(account.access_token)
    assert not side.client.is_active(account.access_token)
    assert isinstance(ask(side, me)[0], AuthorizationError)


@pytest.mark.parametrize("bot", ["same_bot", "new_bot"])
def test_connecting_again_takes_the_place_of_what_the_person_had(side: OAuthSide, bot: Any) -> None:
    side.ws.oauth.settings.reconnecting = bot
    sources = load_sources(side.project)
    setup = AccountSetup(side.client, side.project, side.store, sources, sources.source("notion"))
    setup.keep(side.code())
    other = setup.keep(side.code(user=side.ws.add_user("Bob").id)).account
    side.ws.oauth.disconnect(side.ws.oauth.grants[0].token.bot.id)
    again = setup.keep(side.code()).account
    assert side.store.accounts() == [other, again]


# Which account a source means


@pytest.mark.parametrize("name", ["name", "id", "id without dashes", "bot"])
def test_a_workspace_goes_by_its_name_and_ids(side: OAuthSide, name: str) -> None:
    account = side.connect()
    forms = {
        "name": "Acme",
        "id": account.workspace_id,
        "id without dashes": account.workspace_id.replace("-", ""),
        "bot": account.bot_id,
    }
    (side.project.root / "sources.yaml").write_text(SOURCES.replace("Acme", forms[name]))
    assert credential_of(load_sources(side.project).source("notion"), side.project).account == account.bot_id


def test_a_workspace_that_is_not_connected_is_named_with_those_that_are(side: OAuthSide) -> None:
    source = load_sources(side.project).source("notion")
    with pytest.raises(AuthorizationError, match=r'for workspace "Acme".*notion-pipeline connect --source notion'):
        credential_of(source, side.project)
    side.ws.name = "Other"
    side.connect()
    with pytest.raises(AuthorizationError, match=r'one that is connected in sources\.yaml: "Other"'):
        credential_of(source, side.project)


def test_two_members_of_one_workspace_are_told_apart_by_their_bots(side: OAuthSide) -> None:
    first = side.connect()
    second = side.connect(user=side.ws.add_user("Bob").id)
    with pytest.raises(ConfigError) as caught:
        credential_of(load_sources(side.project).source("notion"), side.project)
    assert f"{first.bot_id} (Ada Owner), {second.bot_id} (Bob)" in str(caught.value)


@pytest.mark.parametrize("first_dies", [True, False])
def test_of_two_members_the_one_counts_that_notion_lets_in(side: OAuthSide, first_dies: bool) -> None:
    accounts = [side.connect(), side.connect(user=side.ws.add_user("Bob").id)]
    dead, living = accounts if first_dies else reversed(accounts)
    side.ws.oauth.disconnect(dead.bot_id)
    source = load_sources(side.project).source("notion")
    assert credential_of(source, side.project).account == living.bot_id
    requests = len(side.ws.requests)

    async def once_more() -> str:
        return credential_of(source, side.project).account

    assert asyncio.run(once_more()) == living.bot_id
    assert len(side.ws.requests) == requests, "what is dead is asked for once"
    (bot,) = ask(side, me)
    assert bot.body["id"] == living.bot_id


def test_of_several_dead_accounts_the_last_one_says_what_to_do(side: OAuthSide) -> None:
    accounts = [side.connect(), side.connect(user=side.ws.add_user("Bob").id)]
    for account in accounts:
        side.ws.oauth.disconnect(account.bot_id)
    (error,) = ask(side, me)
    assert isinstance(error, AuthorizationError)
    assert "`notion-pipeline connect --source notion`" in error.hint


def test_two_accounts_of_which_notion_says_nothing_are_not_guessed_between(side: OAuthSide) -> None:
    side.connect()
    side.connect(user=side.ws.add_user("Bob").id)
    side.ws.faults.add(Fault("status", match="users/me", times=99, status=400, code="validation_error"))
    with pytest.raises(NotionRequestError):
        credential_of(load_sources(side.project).source("notion"), side.project)
