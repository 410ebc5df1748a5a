"""Connections: what each may see and do."""

from __future__ import annotations

from dataclasses import dataclass

from notion_pipeline.sandbox.model.objects import Database
from notion_pipeline.sandbox.model.users import User


@dataclass
class Token:
    """One connection: its bot, what was shared with it and what it may do (notion-api.md section 9).

    Attributes:
        databases: Ids this token was granted; None grants every shared database.
        user_information: "with_email", "without_email" or "none".
        owner: The user behind an OAuth or personal token; None for an internal connection.
    """

    value: str
    bot: User
    databases: set[str] | None = None
    user_information: str = "with_email"
    read_content: bool = True
    owner: User | None = None
    revoked: bool = False

    def sees(self, database: Database) -> bool:
        if database.deleted:
            return False
        return database.shared if self.databases is None else database.id in self.databases
