"""Accounts in PostgreSQL: sealed or refused, nothing asked of Notion that cannot be kept, nothing left to a fork."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from notion_pipeline.accounts.credentials import credential_of, open_client
from notion_pipeline.accounts.stores.postgres_sessions import PostgresDatabase, UnreachableError
from notion_pipeline.accounts.stores.postgres_store import PostgresTokenStore
from notion_pipeline.accounts.stores.token_store import open_store
from notion_pipeline.config.sources import load_sources
from notion_pipeline.errors import ConfigError, NotionPipelineError, StagingError
from notion_pipeline.project import Project, find_project
from notion_pipeline.sandbox.control.faults import Fault
from notion_pipeline.sandbox.http.server import SandboxServer
from notion_pipeline.state.address import postgres_address
from notion_pipeline_tests.accounts.stores.test_token_store import ACCOUNT
from notion_pipeline_tests.support.accounts.oauth_side import CREDENTIALS, SOURCES, OAuthSide
from notion_pipeline_tests.support.accounts.token_stores import KEY, Place, database, held
from notion_pipeline_tests.support.patience import PATIENCE
from notion_pipeline_tests.support.processes.postgres import query

BOT = ACCOUNT.bot_id


@pytest.fixture
def place(tmp_path: Path, postgres_port: int, database_name: str) -> Place:
    return database(tmp_path / "project", postgres_port, database_name)


@pytest.fixture
def side(tmp_path: Path, sandbox: SandboxServer, state_address: str) -> OAuthSide:
    root = tmp_path / "project"
    root.mkdir()
    (root / "workspace.yaml").touch()
    (root / "sources.yaml").write_text(SOURCES)
    environ = {"NOTION_API_URL": sandbox.url, "NOTION_PIPELINE_KEY": KEY, "NOTION_PIPELINE_STATE": state_address}
    return OAuthSide(find_project(root, CREDENTIALS | environ), sandbox)


@pytest.fixture
def sql(postgres_port: int, database_name: str) -> Callable[[str], list[str]]:
    """Asks the test's own database; `{name}` stands for it. From another one where it lets nobody in."""

    def ask(text: str, database: str = database_name) -> list[str]:
        return query(postgres_port, text.format(name=database_name), database)

    return ask


def ask_notion(side: OAuthSide) -> str:
    async def run() -> str:
        credential = credential_of(load_sources(side.project).source("notion"), side.project)
        async with open_client(credential, side.project, source="notion") as client:
            return str((await client.me()).body["object"])

    return asyncio.run(run())


# Sealed, or not at all


@pytest.mark.parametrize("use", ["reserve", "save", "try_lock"])
def test_without_a_key_it_is_refused_with_a_way_to_make_one(place: Place, use: str) -> None:
    store = place.store("")
    assert store.accounts() == []
    assert store.load(BOT) is None
    with pytest.raises(ConfigError, match="NOTION_PIPELINE_KEY is not set") as caught:
        getattr(store, use)(ACCOUNT if use == "save" else BOT)
    assert "openssl rand" in caught.value.hint


def test_a_row_that_is_not_sealed_is_not_believed(place: Place, sql: Callable[[str], list[str]]) -> None:
    place.store().save(ACCOUNT)
    sql("UPDATE notion_pipeline_state.accounts SET sealed = convert_to('{{}}', 'UTF8')")
    with pytest.raises(ConfigError, match=rf"{BOT}.* holds no account"):
        place.store().accounts()


def test_a_row_of_another_account_is_not_believed(place: Place, sql: Callable[[str], list[str]]) -> None:
    place.store().save(ACCOUNT)
    sql("UPDATE notion_pipeline_state.accounts SET bot_id = 'somebody-else'")
    with pytest.raises(ConfigError, match=r"somebody-else.* holds no account"):
        place.store().load("somebody-else")


def test_what_is_sealed_anew_is_never_what_another_process_wrote_since(
    place: Place, sql: Callable[[str], list[str]]
) -> None:
    place.store("first").save(ACCOUNT)
    (before,) = sql("SELECT encode(sealed, 'hex') FROM notion_pipeline_state.accounts")
    newer = replace(ACCOUNT, workspace_name="Acme of today")
    place.store("first").save(newer)
    store = place.store("second,first")
    assert isinstance(store, PostgresTokenStore)
    store._opened(BOT, bytes.fromhex(before))  # as a reader does that was slower than the writer
    assert place.store("first").load(BOT) == newer


# The address


@pytest.mark.parametrize(
    "address",
    [
        "postgresql:Distinctive-1",
        "postgresql://host/x?Distinctive=1",
        "postgresql://user:more/Distinctive-1@host/x",
        "postgresql://user:12/Distinctive-1@host/x",
        "postgresql://user:more@Distinctive-1@host/x",
    ],
)
def test_what_is_no_address_is_refused_and_not_repeated(tmp_path: Path, address: str, postgres_port: int) -> None:
    with pytest.raises(ConfigError, match=r"is no address of a PostgreSQL|allowed: a folder") as caught:
        open_store(project(tmp_path, address)).accounts()
    assert "Distinctive" not in str(caught.value)
    assert caught.value.__context__ is None, "the driver's own error repeats the address"


def test_a_server_that_is_not_there_is_named_and_the_password_is_not(tmp_path: Path, postgres_port: int) -> None:
    store = open_store(project(tmp_path, "postgresql://user:Distinctive-1@127.0.0.1:1/x"))
    with pytest.raises(UnreachableError, match=r"127\.0\.0\.1") as caught:
        store.accounts()
    assert "Distinctive" not in f"{caught.value}{store!r}{vars(store)}"


def test_a_store_of_another_make_goes_before_the_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "vault_beside_a_state.py").write_text("def vault(project): return 'the vault'\n")
    monkeypatch.syspath_prepend(tmp_path)
    named = {"NOTION_PIPELINE_TOKEN_STORE": "vault_beside_a_state:vault"}
    assert open_store(project(tmp_path, "postgresql://host/x", **named)) == "the vault"  # type: ignore[comparison-overlap]


def project(root: Path, address: str, **environ: str) -> Project:
    return find_project(root, {"NOTION_PIPELINE_STATE": address, "NOTION_PIPELINE_KEY": KEY, **environ})


# Many at once


def test_the_table_is_made_once_by_many_at_once(place: Place) -> None:
    accounts = [replace(ACCOUNT, bot_id=f"bot {number}") for number in range(8)]
    stores = [place.store() for _ in accounts]
    threads = [
        threading.Thread(target=store.save, args=(account,)) for store, account in zip(stores, accounts, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {account.bot_id for account in place.store().accounts()} == {account.bot_id for account in accounts}


def test_a_role_that_owns_the_schema_needs_no_right_to_make_one(
    place: Place, sql: Callable[..., list[str]], postgres_port: int, database_name: str
) -> None:
    role = f"keeper_{database_name}"
    sql(f"CREATE ROLE {role} LOGIN")
    environ = {"NOTION_PIPELINE_STATE": place.environ["NOTION_PIPELINE_STATE"].replace("//notion:", f"//{role}:")}
    store = replace(place, environ=environ).store()
    with pytest.raises(StagingError, match="permission denied") as caught:
        store.reserve(BOT)  # type: ignore[attr-defined]
    assert "notion_pipeline_state" in caught.value.hint
    sql(f"CREATE SCHEMA notion_pipeline_state AUTHORIZATION {role}")
    store.reserve(BOT)()  # type: ignore[attr-defined]
    assert store.accounts() == []
    store.save(ACCOUNT)
    assert store.accounts() == [ACCOUNT]


def test_a_fork_keeps_no_lock_of_a_parent_that_is_killed(place: Place) -> None:
    place.store().save(ACCOUNT)
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    parent = context.Process(target=_hold_and_fork, args=(place.root, place.environ, theirs))
    parent.start()
    child = ours.recv()
    try:
        store = place.store()
        assert store.try_lock(BOT) is None
        parent.kill()
        parent.join()
        while (release := store.try_lock(BOT)) is None:
            os.kill(child, 0)
        release()
        os.kill(child, 0)  # it lives on
    finally:
        os.kill(child, signal.SIGKILL)


def _hold_and_fork(root: Path, environ: dict[str, str], pipe: Any) -> None:
    store = open_store(find_project(root, {**environ, "NOTION_PIPELINE_KEY": KEY}))
    release = store.try_lock(BOT)
    assert release is not None
    child = os.fork()
    if child == 0:
        release()  # what a `finally` of the parent's does in the child as well
        assert store.try_lock(BOT) is None
        assert store.accounts() == [ACCOUNT]
        signal.pause()
    pipe.send(child)
    pipe.recv()


# Notion gives a pair once


def test_nothing_is_asked_for_where_nothing_can_be_written(side: OAuthSide, sql: Callable[..., list[str]]) -> None:
    side.connect()
    side.expire()
    sql("ALTER DATABASE {name} SET default_transaction_read_only = on")
    with pytest.raises(StagingError, match="read-only"):
        ask_notion(side)
    assert side.grant.refreshes == 0
    sql("ALTER DATABASE {name} RESET default_transaction_read_only", "postgres")
    assert ask_notion(side) == "user"
    assert (side.grant.refreshes, side.ws.oauth.reused) == (1, 0)


def test_a_server_that_is_away_while_notion_answers_costs_nothing(
    side: OAuthSide, sql: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    side.connect()
    side.expire()
    connect, refused = PostgresDatabase.connect, []

    def connecting(database: PostgresDatabase) -> Any:
        try:
            return connect(database)
        except UnreachableError:
            refused.append(True)
            sql("ALTER DATABASE {name} ALLOW_CONNECTIONS true", "postgres")
            raise

    def go_away() -> None:
        sql("ALTER DATABASE {name} ALLOW_CONNECTIONS false", "postgres")
        sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'", "postgres")

    monkeypatch.setattr(PostgresDatabase, "connect", connecting)
    side.ws.faults.add(Fault("call", match="/v1/oauth/token", callable=go_away))
    assert ask_notion(side) == "user"
    assert refused
    assert side.store.accounts()[0].access_token.reveal() in side.ws.tokens
    assert (side.grant.refreshes, side.ws.oauth.reused) == (1, 0)


def test_a_commit_is_on_the_disk_whatever_the_database_is_set_to(
    place: Place, sql: Callable[[str], list[str]], state_address: str
) -> None:
    sql("ALTER DATABASE {name} SET synchronous_commit = off")
    with PostgresDatabase(postgres_address(state_address, {})).transaction() as cursor:
        cursor.execute("SHOW synchronous_commit")
        assert cursor.fetchone() == ("on",)


# Waiting for the lock


def test_a_lock_that_comes_when_nobody_waits_any_more_is_given_back(side: OAuthSide) -> None:
    account = side.connect()
    side.expire()
    store, asked, go_on = side.store, threading.Event(), threading.Event()
    assert isinstance(store, PostgresTokenStore)
    try_lock = store.try_lock

    def slow(bot_id: str) -> Any:
        asked.set()
        assert go_on.wait(PATIENCE)
        return try_lock(bot_id)

    store.try_lock = slow  # type: ignore[method-assign]

    async def run() -> None:
        from notion_pipeline.accounts.token_refresh import OAuthAuth

        auth = OAuthAuth(account, store, lambda: side.client, source="notion", log=side.lines.append)
        waiting = asyncio.ensure_future(auth._locked(account.bot_id))
        await asyncio.to_thread(asked.wait, PATIENCE)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        go_on.set()

    asyncio.run(run())  # waits for its threads
    with held(side.store, account.bot_id):
        pass


def test_an_error_shows_no_address(side: OAuthSide, sql: Callable[..., list[str]]) -> None:
    side.connect()
    sql("ALTER TABLE notion_pipeline_state.accounts RENAME sealed TO of_a_later_version")
    with pytest.raises(NotionPipelineError) as caught:
        side.store.accounts()
    assert "unused-password" not in str(caught.value)
    assert "sealed" in str(caught.value)
