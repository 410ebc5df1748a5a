"""Comments on pages and on their blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from notion_pipeline.sandbox.model.richtext import Item


@dataclass(eq=False)
class Comment:
    """One comment of a discussion.

    Attributes:
        parent_id: Id of the page, or of the block, that the discussion is about.
        display_name: Kind ("user", "integration" or "custom") and the name shown.
        attachments: Category and path of each hosted file.
    """

    id: str
    parent_id: str
    page_id: str
    discussion_id: str
    created_time: datetime
    last_edited_time: datetime
    created_by: str
    rich_text: list[Item]
    display_name: tuple[str, str | None]
    attachments: Sequence[tuple[str, str]] = ()
