"""A page whose content is due, and what came of reading it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, TypeVar

from notion_pipeline.content.files.file_keeping import StoredFile
from notion_pipeline.content.files.hosted_files import HostedFile
from notion_pipeline.errors import NotionPipelineError

T = TypeVar("T")


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
        files: Hosted files that it names, their addresses still signed.
        stored: Those of them that this read has stored, by identity.
    """

    markdown: str
    content_hash: str
    truncated: bool
    unknown_block_ids: tuple[str, ...]
    read_at: datetime | None
    files: tuple[HostedFile, ...] = ()
    stored: Mapping[str, StoredFile] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PageResult(Generic[T]):
    """What came of one page.

    Attributes:
        content: None where the page could not be read.
        error: Why not; None with content, and where the page is gone (`is_gone`).
    """

    page: DuePage
    content: T | None = None
    error: Exception | None = None
    is_gone: bool = False

    @property
    def reason(self) -> str:
        """Why it could not be read, in one line."""
        return reason_of(self.error)


PageRead = PageResult[PageContent]


def reason_of(error: Exception | None) -> str:
    """Why something could not be read, in one line."""
    return str(error) if isinstance(error, NotionPipelineError) else f"{type(error).__name__}: {error}"
