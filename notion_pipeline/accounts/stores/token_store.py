"""What is kept of connected accounts, and the interface of whatever keeps it.

The default is a folder of files (file_store.py). Machines that share their state in PostgreSQL keep accounts there as
well (postgres_store.py). A team that keeps its tokens elsewhere names a function of its own in
NOTION_PIPELINE_TOKEN_STORE as `package.module:function`; it is called with the Project and gives a TokenStore.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from importlib import import_module
from typing import Protocol

from notion_pipeline.accounts.stores.encryption import KEY_VARIABLE, keys_of
from notion_pipeline.accounts.stores.file_store import UNKNOWN_ACCOUNT, FileTokenStore
from notion_pipeline.accounts.stores.postgres_sessions import PostgresDatabase
from notion_pipeline.accounts.stores.postgres_store import PostgresTokenStore
from notion_pipeline.accounts.stores.stored_account import StoredAccount, dump, parse
from notion_pipeline.config.shared_state import postgres_of
from notion_pipeline.errors import ConfigError
from notion_pipeline.private_files import file_name
from notion_pipeline.project import Project
from notion_pipeline.state.interface import State

STORE_VARIABLE = "NOTION_PIPELINE_TOKEN_STORE"
#: Pauses before a failed save is tried again, in seconds: what failed may be a network, or a disk that was full.
SAVE_PAUSES = (0.25, 0.5, 1.0)


class TokenStore(Protocol):
    """Keeps accounts, in this process and all others. Methods may block, and are called from any thread.

    A store that can refuse a save may have one more, `reserve(bot_id) -> Callable[[], None]`: takes the room that the
    next `save` needs and gives back what frees it, or raises. It is called before Notion is asked for new tokens.
    """

    def accounts(self) -> list[StoredAccount]:
        """All of them."""

    def load(self, bot_id: str) -> StoredAccount | None:
        """One as it is now, whoever wrote it; None where it is not kept."""

    def save(self, account: StoredAccount) -> None:
        """Puts an account in the place of the one with its bot_id.

        Comes back once that is safe, or raises: the pair before is dead already (notion-api.md section 12).
        """

    def forget(self, bot_id: str) -> None:
        """Keeps it no longer."""

    def try_lock(self, bot_id: str) -> Callable[[], None] | None:
        """The right to refresh this account, at once or not at all: what gives it back, None while another has it."""


@contextmanager
def room_for(store: TokenStore, bot_id: str = UNKNOWN_ACCOUNT) -> Iterator[None]:
    """Has the store reserve what the next `save` needs, where it can: Notion is not asked for what cannot be kept."""
    reserve: Callable[[str], Callable[[], None]] | None = getattr(store, "reserve", None)
    give_back = reserve(bot_id) if reserve is not None else None
    try:
        yield
    finally:
        if give_back is not None:
            give_back()


def save_surely(store: TokenStore, account: StoredAccount) -> None:
    """Saves, and tries again a few times where that fails: Notion gives a pair once.

    Raises:
        Exception: What the store raised last.
    """
    for pause in SAVE_PAUSES:
        try:
            store.save(account)
        except Exception:  # a store of another make may raise anything
            time.sleep(pause)
        else:
            return
    store.save(account)


def open_store(project: Project) -> TokenStore:
    """The project's store: the one that NOTION_PIPELINE_TOKEN_STORE names, that of its state, or the folder.

    Raises:
        ConfigError: NOTION_PIPELINE_TOKEN_STORE names nothing that gives one, or the state is no PostgreSQL's address.
    """
    named = project.environ.get(STORE_VARIABLE, "").strip()
    if not named:
        return _open_state(project)
    module, _, function = named.partition(":")
    try:
        factory = getattr(import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(
            f'{STORE_VARIABLE} is "{named}", which cannot be loaded ({type(error).__name__}: {error}).',
            hint="Name a function as package.module:function; it is called with the project and gives a store.",
        ) from None
    store: TokenStore = factory(project)
    return store


def folder_store(project: Project) -> TokenStore:
    """The accounts in the folder of this machine, wherever the project keeps them by now."""
    return FileTokenStore(project.home, keys_of(project.environ.get(KEY_VARIABLE, "")), dump=dump, parse=parse)


def _open_state(project: Project) -> TokenStore:
    keys, found = keys_of(project.environ.get(KEY_VARIABLE, "")), postgres_of(project)
    if found is not None:
        database = PostgresDatabase(found)
        return PostgresTokenStore(database, keys, dump=dump, parse=parse)
    return FileTokenStore(project.home, keys, dump=dump, parse=parse)


def note_use(state: State, bot_id: str) -> None:
    """Remembers that the account is used now."""
    with suppress(OSError):  # a full disk ends no read that needs no room
        state.write(_use_key(bot_id), b"")


def last_use(state: State, bot_id: str) -> datetime | None:
    """When the account was used last, aware UTC; None where it never was."""
    moment = state.written_at(_use_key(bot_id))
    return None if moment is None else datetime.fromtimestamp(moment, timezone.utc)


def forget_use(state: State, bot_id: str) -> None:
    state.remove(_use_key(bot_id))


def _use_key(bot_id: str) -> str:
    return f"last_used/{file_name(bot_id)}"
