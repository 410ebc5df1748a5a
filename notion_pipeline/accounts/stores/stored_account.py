"""A connected account, and its form as JSON in the token store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from notion_pipeline.outside import shown_line
from notion_pipeline.redaction import Secret


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
        variable: The environment variable whose place the token takes; empty for an authorisation by OAuth.
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


def _plain(identifier: str) -> str:
    return identifier.strip().replace("-", "").lower()
