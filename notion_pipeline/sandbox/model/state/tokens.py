"""Connections: what each may see and do."""

from __future__ import annotations

from dataclasses import dataclass

from notion_pipeline.sandbox.model.content.blocks import Block, Container
from notion_pipeline.sandbox.model.objects import Database, Page
from notion_pipeline.sandbox.model.users import User


@dataclass
class Token:
    """One connection: its bot, what was shared with it and what it may do (notion-api.md section 9).

    Attributes:
        databases: Ids of databases and pages this token was granted; None grants all that is shared.
        user_information: "with_email", "without_email" or "none".
        read_comments: Notion leaves this one out unless it is ticked; here it is in unless it is taken out.
        owner: The user behind an OAuth or personal token; None for an internal connection.
        personal: A personal access token: it is its owner, sees all that the owner sees and may not list users.
    """

    value: str
    bot: User
    databases: set[str] | None = None
    user_information: str = "with_email"
    read_content: bool = True
    read_comments: bool = True
    owner: User | None = None
    revoked: bool = False
    personal: bool = False

    def sees(self, database: Database) -> bool:
        if database.deleted:
            return False
        if self.personal:
            return True
        return database.shared if self.databases is None else database.id in self.databases

    def sees_page(self, page: Page) -> bool:
        """Rows go with their database, pages of their own with what they stand in unless they are shared apart."""
        above: Container | None = page
        while above is not None:
            if isinstance(above, Page):
                if above.gone:
                    return False
                if self.databases is not None and above.id in self.databases:
                    return True
                if above.data_source is not None:
                    return self.sees(above.data_source.database)
                if above.shared is not None and self.databases is None:
                    return above.shared
            above = above.parent
        return self.databases is None

    def sees_block(self, block: Block) -> bool:
        return self.sees_page(block.page)
