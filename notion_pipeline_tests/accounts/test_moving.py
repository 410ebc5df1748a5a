"""Accounts that move from the folder into PostgreSQL: in one place at any time, and the newest tokens of each."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from notion_pipeline.accounts.moving import move_account
from notion_pipeline.accounts.stores.stored_account import StoredAccount
from notion_pipeline.accounts.stores.token_store import TokenStore, folder_store, open_store
from notion_pipeline.errors import StagingError
from notion_pipeline.project import Project, find_project
from notion_pipeline.redaction import Secret
from notion_pipeline_tests.accounts.stores.test_token_store import ACCOUNT
from notion_pipeline_tests.support.accounts.token_stores import KEY, database, folder
from notion_pipeline_tests.support.commands import Commands

BOT = ACCOUNT.bot_id
OLDER = replace(ACCOUNT, access_token=Secret("older-1"), refreshed_at=ACCOUNT.refreshed_at - timedelta(hours=1))


@pytest.fixture
def stores(tmp_path: Path, postgres_port: int, database_name: str) -> tuple[TokenStore, TokenStore]:
    place = database(tmp_path / "project", postgres_port, database_name)
    return folder(tmp_path / "project").store(), place.store()


def test_account_is_in_one_place_with_its_newest_tokens(stores: tuple[TokenStore, TokenStore]) -> None:
    old, new = stores
    old.save(ACCOUNT)
    new.save(OLDER)
    assert move_account(BOT, old, new) == ACCOUNT
    assert (old.accounts(), new.accounts()) == ([], [ACCOUNT])
    old.save(OLDER)
    assert move_account(BOT, old, new) == ACCOUNT
    assert (old.accounts(), new.accounts()) == ([], [ACCOUNT])
    assert move_account(BOT, old, new) is None


def test_what_was_not_kept_stays_where_it_was(stores: tuple[TokenStore, TokenStore]) -> None:
    old, new = stores
    old.save(ACCOUNT)

    class Forgetful:
        """A store that takes a save for done and has lost it."""

        def save(self, account: StoredAccount) -> None:
            return None

        def __getattr__(self, name: str) -> object:
            return getattr(new, name)

    with pytest.raises(StagingError, match="not the same where they were moved to"):
        move_account(BOT, old, Forgetful())  # type: ignore[arg-type]
    assert (old.accounts(), new.accounts()) == ([ACCOUNT], [])


def test_command_moves_what_the_folder_has(
    project: Project, state_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTION_PIPELINE_KEY", KEY)
    commands = Commands(project)
    folder_store(find_project(project.root)).save(ACCOUNT)
    assert "name no PostgreSQL" in commands.fails("move-accounts", "--yes")
    monkeypatch.setenv("NOTION_PIPELINE_STATE", state_address)
    assert "nobody confirmed it" in commands.fails("move-accounts")
    moved = find_project(project.root)
    assert folder_store(moved).accounts() == [ACCOUNT]
    said = commands.ok("move-accounts", "--yes")
    assert '"Acme" is moved' in said
    assert ACCOUNT.access_token.reveal() not in said
    assert (folder_store(moved).accounts(), open_store(moved).accounts()) == ([], [ACCOUNT])
    assert "No account is in the folder" in commands.ok("move-accounts")
    monkeypatch.delenv("NOTION_PIPELINE_KEY")
    folder_store(find_project(project.root)).save(ACCOUNT)
    assert "NOTION_PIPELINE_KEY is not set" in commands.fails("move-accounts", "--yes")
    assert folder_store(find_project(project.root)).accounts() == [ACCOUNT]
