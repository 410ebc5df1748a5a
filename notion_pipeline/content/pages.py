"""A page whose content is due, and what came of reading it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from notion_pipeline.errors import NotionPipelineError


@dataclass(frozen=True, slots=True)
class DuePage:
    """A page whose content is to be read.

    Attributes:
        data_source_id, database_id: Where its row stands; empty for a page that is in no database.
        path: Titles of what the page stands in, outermost first.
        last_edited_time: As the catalog has it; the minute, UTC.
    """

    page_id: str
    data_source_id: str
    database_id: str
    title: str
    url: str
    path: tuple[str, ...]
    last_edited_time: datetime | None


@dataclass(frozen=True, slots=True)
class PageContent:
    """The words of a page.

    Attributes:
        markdown: Without the signatures of hosted files' addresses: unchanged content is equal in every read.
        content_hash: SHA-256 of `markdown`, hexadecimal.
        truncated: Whether Notion cut parts off that could not be read by themselves either, for another reason than
            that they are not shared.
        unknown_block_ids: Blocks whose tag stands in the text still: not shared with the connection, or cut off.
        read_at: Notion's clock before the read; None where no answer told it.
    """

    markdown: str
    content_hash: str
    truncated: bool
    unknown_block_ids: tuple[str, ...]
    read_at: datetime | None


@dataclass(frozen=True, slots=True)
class PageRead:
    """What came of one page.

    Attributes:
        content: None where the page could not be read.
        error: Why not; None with content, and where the page is gone (`is_gone`).
    """

    page: DuePage
    content: PageContent | None = None
    error: Exception | None = None
    is_gone: bool = False

    @property
    def reason(self) -> str:
        """Why it could not be read, in one line."""
        if isinstance(self.error, NotionPipelineError):
            return str(self.error)
        return f"{type(self.error).__name__}: {self.error}"
