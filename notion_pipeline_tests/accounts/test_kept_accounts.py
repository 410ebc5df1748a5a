"""A pair of tokens that Notion gave is not lost: full disks, ends of processes, slow answers, mistaken refusals."""

from __future__ import annotations

import asyncio
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from notion_pipeline.accounts import onboarding as connecting
from notion_pipeline.accounts import token_refresh as oauth_auth
from notion_pipeline.accounts.credentials import credential_of, open_client
from notion_pipeline.accounts.onboarding import AccountSetup
from notion_pipeline.accounts.stores.file_store import FileTokenStore
from notion_pipeline.accounts.stores.stored_account import StoredAccount, dump
from notion_pipeline.accounts.stores.token_store import TokenStore, room_for, save_surely
from notion_pipeline.config.sources import load_sources
from notion_pipeline.errors import AuthorizationError, RetryableNotionError, StagingError
from notion_pipeline.notion import transport as connection
from notion_pipeline.notion.client import NotionClient
from notion_pipeline.notion.responses.bodies import TOKEN_ANSWER_SECONDS
from notion_pipeline.private_files import fill_private, reserve_private
from notion_pipeline.project import find_project
from notion_pipeline.redaction import Secret
from notion_pipeline.sandbox.control.faults import Fault
from notion_pipeline.sandbox.http.server import SandboxServer
from notion_pipeline_tests.support.accounts.oauth_side import CREDENTIALS, SOURCES, OAuthSide

KEYS = pytest.mark.parametrize("key", ["", "a passphrase"], ids=["readable", "sealed"])


@pytest.fixture
def side(tmp_path: Path, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch) -> OAuthSide:
    return side_in(tmp_path / "project", sandbox)


def side_in(root: Path, sandbox: SandboxServer, home: Path | None = None, key: str = "") -> OAuthSide:
    root.mkdir(exist_ok=True)
    (root / "workspace.yaml").touch()
    (root / "sources.yaml").write_text(SOURCES)
    environ = {**CREDENTIALS, "NOTION_API_URL": sandbox.url, "NOTION_PIPELINE_KEY": key}
    return OAuthSide(find_project(root, environ | ({"NOTION_PIPELINE_HOME": str(home)} if home else {})), sandbox)


def opened(side: OAuthSide) -> NotionClient:
    credential = credential_of(load_sources(side.project).source("notion"), side.project)
    return open_client(credential, side.project, source="notion", log=side.lines.append)


def ask(side: OAuthSide, *, times: int = 1, client_of: Callable[[OAuthSide], NotionClient] = opened) -> list[Any]:
    """The answers to the same question, asked one after another by one client; errors stand among them."""

    async def run() -> list[Any]:
        async with client_of(side) as client:
            return [await _outcome(client) for _ in range(times)]

    return asyncio.run(run())


async def _outcome(client: NotionClient) -> Any:
    try:
        return (await client.me()).body["object"]
    except Exception as error:
        return error


def refreshes(side: OAuthSide) -> int:
    return sum(request.path == "/v1/oauth/token" for request in side.ws.requests)


def others(side: OAuthSide) -> list[str]:
    """What stands in the store beside accounts and locks."""
    return [path.name for path in (side.project.home / "tokens").iterdir() if path.suffix not in (".json", ".lock")]


# A full disk


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with room for little."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k,mode=700", "none", str(folder)], check=False, capture_output=True
    )
    if made.returncode:
        pytest.skip("mounting needs root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Takes all the room that is left."""
    filler = folder / "filler"
    with filler.open("ab", buffering=0) as file:
        try:
            while file.write(b"x" * 512):
                pass
        except OSError:
            pass
    return filler


@KEYS
def test_nothing_is_asked_for_on_a_full_disk_and_the_account_stays(
    tmp_path: Path, sandbox: SandboxServer, small_disk: Path, key: str
) -> None:
    side = side_in(tmp_path / "project", sandbox, small_disk / "home", key)
    account = side.connect()
    side.expire()
    filler = fill(small_disk)
    (error,) = ask(side)
    assert isinstance(error, StagingError), error
    assert "No space left" in str(error)
    assert refreshes(side) == 1, "only the exchange"
    filler.unlink()
    assert ask(side) == ["user"]
    assert side.store.accounts()[0].bot_id == account.bot_id
    assert others(side) == []


@KEYS
def test_a_disk_that_fills_while_notion_answers_loses_nothing(
    tmp_path: Path, sandbox: SandboxServer, small_disk: Path, key: str
) -> None:
    side = side_in(tmp_path / "project", sandbox, small_disk / "home", key)
    side.connect()
    side.expire()
    side.ws.faults.add(Fault("call", match="/v1/oauth/token", callable=lambda: fill(small_disk)))
    assert ask(side) == ["user"]
    (small_disk / "filler").unlink()
    assert side.store.accounts()[0].access_token.reveal() in side.ws.tokens
    assert ask(side) == ["user"]
    assert (side.grant.refreshes, side.ws.oauth.reused) == (1, 0)


@KEYS
def test_a_disk_that_fills_while_a_code_is_exchanged_loses_nothing(
    tmp_path: Path, sandbox: SandboxServer, small_disk: Path, key: str
) -> None:
    side = side_in(tmp_path / "project", sandbox, small_disk / "home", key)
    side.connect()
    sources = load_sources(side.project)
    setup = AccountSetup(side.client, side.project, side.store, sources, None)
    code = side.code()
    side.ws.faults.add(Fault("call", match="/v1/oauth/token", callable=lambda: fill(small_disk)))
    account = setup.keep(code).account
    (small_disk / "filler").unlink()
    assert side.store.load(account.bot_id) == account
    assert account.access_token.reveal() in side.ws.tokens
    fill(small_disk)
    code, spent = side.code(), refreshes(side)
    with pytest.raises(StagingError):
        setup.keep(code)
    assert refreshes(side) == spent


def test_a_store_that_fails_once_is_asked_again(side: OAuthSide, monkeypatch: pytest.MonkeyPatch) -> None:
    account, save, failures = side.connect(), FileTokenStore.save, [OSError("down"), OSError("still down")]

    def failing(store: FileTokenStore, given: StoredAccount) -> None:
        if failures:
            raise failures.pop()
        save(store, given)

    monkeypatch.setattr(FileTokenStore, "save", failing)
    side.expire()
    assert ask(side) == ["user"]
    assert side.grant.refreshes == 1
    kept = side.store.load(account.bot_id)
    assert kept is not None
    assert kept.access_token.reveal() in side.ws.tokens


def test_a_pair_that_could_not_be_saved_is_saved_before_the_next_refresh(
    side: OAuthSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    side.connect()
    save, failures = FileTokenStore.save, [OSError("down")] * 4

    def failing(store: FileTokenStore, given: StoredAccount) -> None:
        if failures:
            raise failures.pop()
        save(store, given)

    monkeypatch.setattr(FileTokenStore, "save", failing)
    side.expire()
    error, after = ask(side, times=2)
    assert isinstance(error, StagingError)
    assert after == "user"
    assert (side.grant.refreshes, side.ws.oauth.reused) == (1, 0)
    assert side.store.accounts()[0].access_token.reveal() in side.ws.tokens


def test_stores_of_other_makes_need_no_reserve() -> None:
    class Memory:
        def __init__(self) -> None:
            self.kept: list[StoredAccount] = []

        def save(self, account: StoredAccount) -> None:
            self.kept.append(account)

    store: Any = Memory()
    with room_for(store, "bot"):
        pass
    save_surely(store, "account")  # type: ignore[arg-type]
    assert store.kept == ["account"]


# What a process that ended left in a file without its name


def newer(account: StoredAccount, number: int = 1) -> StoredAccount:
    return replace(
        account,
        access_token=Secret(f"ntn_newer_{number}"),
        refresh_token=Secret(f"nrt_newer_{number}"),
        refreshed_at=account.refreshed_at + timedelta(seconds=number),
    )


def leave(store: TokenStore, account: StoredAccount, *, name: str = "", part: float = 1.0) -> Path:
    """What `save` has written when its process ends before the rename."""
    assert isinstance(store, FileTokenStore)
    room = reserve_private(store._path(name or account.bot_id), 4096)
    data = store._sealer.seal(dump(account))
    if part == 1.0:
        fill_private(room, data)
    else:
        with room.open("r+b") as file:
            file.write(data[: int(len(data) * part)])
    return room


@KEYS
@pytest.mark.parametrize("name", ["", "connect"])
def test_a_pair_that_reached_the_disk_is_read_at_the_next_start(
    tmp_path: Path, sandbox: SandboxServer, key: str, name: str
) -> None:
    side = side_in(tmp_path / "project", sandbox, key=key)
    account = side.connect()
    leave(side.store, newer(account, 1), name=name)
    leave(side.store, newer(account, 2), name=name)
    assert side.store.load(account.bot_id) == newer(account, 2)
    assert side.store.accounts() == [newer(account, 2)]
    side.store.save(newer(account, 3))
    assert others(side) == []
    assert side.store.accounts() == [newer(account, 3)]


@KEYS
def test_a_first_pair_is_read_as_well(tmp_path: Path, sandbox: SandboxServer, key: str) -> None:
    side = side_in(tmp_path / "project", sandbox, key=key)
    account = side.client.exchange(side.code())
    side.store.reserve("connect")()  # type: ignore[attr-defined]
    leave(side.store, account, name="connect")
    assert side.store.accounts() == [account]
    assert ask(side) == ["user"]
    assert others(side) == []


@KEYS
@pytest.mark.parametrize("part", [0.0, 0.01, 0.5, 0.9, 0.99])
def test_nothing_half_written_is_believed(tmp_path: Path, sandbox: SandboxServer, key: str, part: float) -> None:
    side = side_in(tmp_path / "project", sandbox, key=key)
    account = side.connect()
    leave(side.store, newer(account), part=part)
    torn = leave(side.store, newer(account))
    data = torn.read_bytes()
    torn.write_bytes(data[:40] + b" " * (len(data) - 80) + data[-40:])
    cut = leave(side.store, newer(account))
    cut.write_bytes(cut.read_bytes()[:-1])
    assert side.store.load(account.bot_id) == account
    assert side.store.accounts() == [account]
    side.store.save(newer(account, 5))
    assert others(side) == []


def test_an_older_leftover_is_not_taken_for_the_account(side: OAuthSide) -> None:
    account = side.connect()
    leave(side.store, account)
    side.store.save(newer(account))
    leave(side.store, account)
    assert side.store.accounts() == [newer(account)]


def test_a_leftover_takes_the_place_of_a_damaged_file(side: OAuthSide) -> None:
    account = side.connect()
    (side.project.home / "tokens" / f"{account.bot_id}.json").write_bytes(b"")
    leave(side.store, newer(account))
    assert side.store.accounts() == [newer(account)]
    assert side.store.load(account.bot_id) == newer(account)


def test_a_refresh_is_newer_whichever_way_the_clock_was_set(side: OAuthSide) -> None:
    account = side.connect()
    ahead = replace(account, refreshed_at=account.refreshed_at + timedelta(days=1))
    assert side.client.refresh(ahead).refreshed_at > ahead.refreshed_at


@pytest.mark.parametrize("name", ["", "connect"])
def test_forgetting_removes_what_was_left(side: OAuthSide, name: str) -> None:
    account = side.connect()
    leave(side.store, newer(account), name=name)
    leave(side.store, newer(account), part=0.5)
    side.store.forget(account.bot_id)
    assert side.store.accounts() == []
    assert others(side) == []


def test_room_that_killed_processes_took_goes_in_time(side: OAuthSide) -> None:
    side.connect()
    store = side.store
    assert isinstance(store, FileTokenStore)
    blank = reserve_private(store._path("connect"), 4096)
    young = reserve_private(store._path("connect"), 4096)
    os.utime(blank, (0, 0))
    store.reserve()()
    assert others(side) == [young.name]


# Slow answers, and refusals that are none


def test_notion_may_take_its_own_sixty_seconds() -> None:
    """Who gives up sooner may lose the pair that comes; who waits for the lock waits for all of that."""
    assert connection.BLOCKING_SECONDS > 60
    longest = connection.CONNECT_SECONDS + 2 * connection.BLOCKING_SECONDS + TOKEN_ANSWER_SECONDS
    assert longest < oauth_auth.LOCK_SECONDS
    assert connecting.LOCK_SECONDS == oauth_auth.LOCK_SECONDS


@pytest.mark.parametrize("times", [1, 2])
def test_one_mistaken_refusal_of_a_fresh_token_is_no_disconnection(side: OAuthSide, times: int) -> None:
    side.connect()
    side.expire()
    side.ws.faults.add(Fault("unauthorized", match="/v1/users/me", at=2, times=times))
    assert ask(side, client_of=OAuthSide.hasty_client) == ["user"]
    assert side.grant.refreshes == 1


def test_a_mistaken_refusal_without_a_refresh_token_is_no_disconnection(side: OAuthSide) -> None:
    side.ws.oauth.settings.gives_refresh_tokens = False
    side.connect()
    side.ws.faults.add(Fault("unauthorized", match="/v1/users/me"))
    assert ask(side, client_of=OAuthSide.hasty_client) == ["user"]
    side.ws.oauth.disconnect()
    (error,) = ask(side)
    assert isinstance(error, AuthorizationError)
    assert "disconnected" in str(error)


def test_nothing_is_said_of_the_account_where_nobody_knows(side: OAuthSide) -> None:
    side.ws.oauth.settings.gives_refresh_tokens = False
    side.connect()
    for _ in range(8):
        side.ws.faults.add(Fault("unauthorized", match="/v1/users/me"))
        side.ws.faults.add(Fault("html_502", match="/v1/users/me"))
    (error,) = ask(side, client_of=OAuthSide.hasty_client)
    assert type(error) is RetryableNotionError
    assert "users/me" in str(error)
    assert "disconnected" not in str(error)


def test_another_threads_lock_is_waited_for(side: OAuthSide) -> None:
    account = side.connect()
    side.expire()
    release = side.store.try_lock(account.bot_id)
    assert release is not None
    done = threading.Event()
    found: list[Any] = []

    def asking() -> None:
        found.extend(ask(side))
        done.set()

    thread = threading.Thread(target=asking)
    thread.start()
    assert not done.wait(0.5)
    release()
    thread.join()
    assert found == ["user"]
