"""Where accounts are kept: modes, encryption, rotation of the key, and stores of other makes."""

from __future__ import annotations

import stat
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import pytest

from notion_pipeline.accounts.stores.stored_account import StoredAccount, dump, parse
from notion_pipeline.accounts.stores.token_store import TokenStore, last_use, note_use, open_store
from notion_pipeline.errors import ConfigError
from notion_pipeline.project import find_project
from notion_pipeline.redaction import Secret
from notion_pipeline.state.folder import FolderState

ACCOUNT = StoredAccount(
    bot_id="0b4d52f7-6d0a-4a53-9b55-3c5d4f1c2a10",
    workspace_id="11111111-2222-4333-8444-555555555555",
    workspace_name="Acme",
    owner="Ada Owner",
    owner_id="22222222-2222-4333-8444-555555555555",
    access_token=Secret("access-Distinctive-1"),
    refresh_token=Secret("refresh-Distinctive-1"),
    connected_at=datetime(2026, 7, 1, tzinfo=timezone.utc),
    refreshed_at=datetime(2026, 7, 2, tzinfo=timezone.utc),
)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def store(home: Path, key: str | None = None, **environ: str) -> TokenStore:
    if key is not None:
        environ["NOTION_PIPELINE_KEY"] = key
    return open_store(find_project(home.parent, {"NOTION_PIPELINE_HOME": str(home), **environ}))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def files(home: Path) -> list[Path]:
    return [path for path in home.rglob("*") if path.is_file()]


def test_only_their_owner_can_read_what_is_kept(home: Path) -> None:
    store(home).save(ACCOUNT)
    release = store(home).try_lock(ACCOUNT.bot_id)
    assert release is not None
    release()
    note_use(FolderState(home), ACCOUNT.bot_id)
    assert {mode(path) for path in files(home)} == {0o600}
    assert {mode(path) for path in (home, home / "tokens", home / "last_used")} == {0o700}


@pytest.mark.parametrize("loose", [0o644, 0o640])
def test_what_others_can_read_is_refused(home: Path, loose: int) -> None:
    store(home).save(ACCOUNT)
    path = home / "tokens" / f"{ACCOUNT.bot_id}.json"
    path.chmod(loose)
    with pytest.raises(ConfigError) as caught:
        store(home).load(ACCOUNT.bot_id)
    assert str(path) in str(caught.value)
    assert f"mode {loose:04o}" in str(caught.value)
    assert "chmod" in caught.value.hint
    with pytest.raises(ConfigError):
        store(home).accounts()


@pytest.mark.parametrize(("part", "loose"), [("tokens", 0o750), ("home", 0o755), ("home", 0o777)])
def test_a_folder_that_stands_open_is_closed_with_a_word(
    home: Path, part: str, loose: int, caplog: pytest.LogCaptureFixture
) -> None:
    store(home).save(ACCOUNT)
    path = home / "tokens" if part == "tokens" else home
    path.chmod(loose)
    assert store(home).accounts() == [ACCOUNT]
    assert mode(path) == 0o700
    (record,) = caplog.records
    assert f"{path} was open to other users of this machine (mode {loose:04o})" in record.getMessage()


def test_a_bot_id_that_is_a_path_stays_inside(home: Path) -> None:
    account = replace(ACCOUNT, bot_id="../../outside")
    store(home).save(account)
    assert store(home).load("../../outside") == account
    assert all(home in path.parents for path in home.parent.rglob("*") if path.is_file())


@pytest.mark.parametrize(("key", "said"), [(None, "is not set"), ("", "is not set"), ("wrong", "is another one")])
def test_without_the_right_key_the_message_says_so(home: Path, key: str | None, said: str) -> None:
    store(home, "right").save(ACCOUNT)
    with pytest.raises(ConfigError, match=f"NOTION_PIPELINE_KEY, which {said}"):
        store(home, key).load(ACCOUNT.bot_id)


def test_what_was_kept_without_a_key_is_sealed_by_being_read(home: Path) -> None:
    store(home).save(ACCOUNT)
    assert store(home, "first").accounts() == [ACCOUNT]
    assert b"Distinctive" not in b"".join(path.read_bytes() for path in files(home))


def test_reading_seals_nothing_while_another_process_is_about_to_write(home: Path) -> None:
    store(home).save(ACCOUNT)
    release = store(home).try_lock(ACCOUNT.bot_id)
    assert release is not None
    before = (home / "tokens" / f"{ACCOUNT.bot_id}.json").read_bytes()
    assert store(home, "key").load(ACCOUNT.bot_id) == ACCOUNT
    assert (home / "tokens" / f"{ACCOUNT.bot_id}.json").read_bytes() == before
    release()


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b'{"sealed": "x", "format": "of later", "salt": ""}', b"\xff"])
def test_a_damaged_file_is_named(home: Path, content: bytes) -> None:
    store(home).save(ACCOUNT)
    (home / "tokens" / f"{ACCOUNT.bot_id}.json").write_bytes(content)
    with pytest.raises(ConfigError, match=ACCOUNT.bot_id):
        store(home, "key").accounts()


def test_use_is_remembered(home: Path) -> None:
    assert last_use(FolderState(home), "bot") is None
    note_use(FolderState(home), "bot")
    moment = last_use(FolderState(home), "bot")
    assert moment is not None
    assert moment.tzinfo is timezone.utc


def test_a_store_of_another_make_is_named_by_a_variable(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "vault_of_a_team.py").write_text(
        "from notion_pipeline.accounts.stores.token_store import parse\n"
        "class Environment:\n"
        "    def __init__(self, project): self.text = project.environ['OUR_ACCOUNT'].encode()\n"
        "    def accounts(self): return [parse(self.text)]\n"
        "    def load(self, bot_id): return parse(self.text)\n"
        "    def save(self, account): raise NotImplementedError\n"
        "    def forget(self, bot_id): pass\n"
        "    def try_lock(self, bot_id): return lambda: None\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    named = {"NOTION_PIPELINE_TOKEN_STORE": "vault_of_a_team:Environment", "OUR_ACCOUNT": dump(ACCOUNT).decode()}
    assert store(home, **named).accounts() == [ACCOUNT]
    assert parse(dump(ACCOUNT)) == ACCOUNT
    for wrong in ("vault_of_a_team:Nothing", "no_such_module:f", "nothing"):
        with pytest.raises(ConfigError, match="NOTION_PIPELINE_TOKEN_STORE"):
            store(home, NOTION_PIPELINE_TOKEN_STORE=wrong)


def test_an_account_shows_no_token() -> None:
    assert "Distinctive" not in f"{ACCOUNT} {ACCOUNT!r} {vars(ACCOUNT)}"
