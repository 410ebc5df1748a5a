"""What is kept of connected accounts, and the interface of whatever keeps it.

The default is a folder of files (token_files.py). A team that keeps its tokens elsewhere names a function of its own
in NOTION_PIPELINE_TOKEN_STORE as `package.module:function`; it is called with the Project and gives a TokenStore.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import orjson

from notion_pipeline.accounts.encryption import KEY_VARIABLE, keys_of
from notion_pipeline.accounts.file_store import UNKNOWN_ACCOUNT, FileTokenStore
from notion_pipeline.errors import ConfigError
from notion_pipeline.outside import shown_line
from notion_pipeline.private_files import file_name, private_directory
from notion_pipeline.project import Project
from notion_pipeline.redaction import Secret

STORE_VARIABLE = "NOTION_PIPELINE_TOKEN_STORE"
#: Pauses before a failed save is tried again, in seconds: what failed may be a network, or a disk that was full.
SAVE_PAUSES = (0.25, 0.5, 1.0)


@dataclass(frozen=True)
class StoredAccount:
    """One authorisation: a user in a workspace (notion-api.md section 12), or an internal connection's token.

    Attributes:
        bot_id: Identifies the authorisation.
        owner: The user who authorised it; empty for an internal connection.
        access_token: The bearer token.
        refresh_token: Gives the next pair; None where Notion gave none.
        connected_at: When it was authorised, by the local clock.
        refreshed_at: When the pair was received.
        variable: The environment variable that the token stands in for; empty for an authorisation by OAuth.
    """

    bot_id: str
    workspace_id: str
    workspace_name: str
    owner: str
    owner_id: str
    access_token: Secret
    refresh_token: Secret | None
    connected_at: datetime
    refreshed_at: datetime
    variable: str = ""

    @property
    def label(self) -> str:
        """The workspace as messages name it."""
        return f'"{shown_line(self.workspace_name or self.workspace_id)}"'

    def goes_by(self, name: str) -> bool:
        """Whether sources.yaml or a person may mean this account: by workspace name, its id, or the bot's."""
        wanted = _plain(name)
        return wanted in (_plain(self.bot_id), _plain(self.workspace_id)) or name.strip() == self.workspace_name.strip()


class TokenStore(Protocol):
    """Keeps accounts, in this process and all others. Methods may block, but for try_lock.

    A store that can run out of room may have one more, `reserve(bot_id) -> Callable[[], None]`: takes the room that the
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
    """The project's store.

    Raises:
        ConfigError: NOTION_PIPELINE_TOKEN_STORE names nothing that gives one.
    """
    named = project.environ.get(STORE_VARIABLE, "").strip()
    if not named:
        return FileTokenStore(project.home, keys_of(project.environ.get(KEY_VARIABLE, "")), dump=dump, parse=parse)
    module, _, function = named.partition(":")
    try:
        factory = getattr(import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(
            f'{STORE_VARIABLE} is "{named}", which cannot be loaded ({type(error).__name__}: {error}).',
            cure="Name a function as package.module:function; it is called with the project and gives a store.",
        ) from None
    store: TokenStore = factory(project)
    return store


def dump(account: StoredAccount) -> bytes:
    """An account as JSON, tokens included: for a store that keeps it safe."""
    return orjson.dumps(
        {
            "bot_id": account.bot_id,
            "workspace_id": account.workspace_id,
            "workspace_name": account.workspace_name,
            "owner": account.owner,
            "owner_id": account.owner_id,
            "access_token": account.access_token.reveal(),
            "refresh_token": account.refresh_token.reveal() if account.refresh_token else None,
            "connected_at": account.connected_at.isoformat(),
            "refreshed_at": account.refreshed_at.isoformat(),
            "variable": account.variable,
        }
    )


def parse(content: bytes) -> StoredAccount:
    """The account that `dump` wrote.

    Raises:
        ValueError, KeyError, TypeError: It is none.
    """
    found: Mapping[str, Any] = orjson.loads(content)
    refresh = found["refresh_token"]
    return StoredAccount(
        bot_id=str(found["bot_id"]),
        workspace_id=str(found["workspace_id"]),
        workspace_name=str(found["workspace_name"]),
        owner=str(found["owner"]),
        owner_id=str(found["owner_id"]),
        access_token=Secret(str(found["access_token"])),
        refresh_token=Secret(str(refresh)) if refresh else None,
        connected_at=datetime.fromisoformat(found["connected_at"]),
        refreshed_at=datetime.fromisoformat(found["refreshed_at"]),
        variable=str(found.get("variable") or ""),
    )


def note_use(home: Path, bot_id: str) -> None:
    """Remembers that the account is used now."""
    with suppress(OSError):  # a full disk ends no read that needs no room
        (private_directory(home / "last_used") / file_name(bot_id)).touch(mode=0o600)


def last_use(home: Path, bot_id: str) -> datetime | None:
    """When the account was used last, aware UTC; None where it never was."""
    try:
        return datetime.fromtimestamp((home / "last_used" / file_name(bot_id)).stat().st_mtime, timezone.utc)
    except OSError:
        return None


def forget_use(home: Path, bot_id: str) -> None:
    (home / "last_used" / file_name(bot_id)).unlink(missing_ok=True)


def _plain(identifier: str) -> str:
    return identifier.strip().replace("-", "").lower()
