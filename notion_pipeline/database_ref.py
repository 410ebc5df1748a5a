"""A database of Notion's as everything refers to it that lists, reads or shows databases."""

from __future__ import annotations

from dataclasses import dataclass

from notion_pipeline.outside import shown_line


@dataclass(frozen=True)
class DatabaseRef:
    """A database.

    Attributes:
        id: Lower case, with dashes.
        title: As Notion has it; may be empty.
        url: Its address in Notion; empty where it is not known.
    """

    id: str
    title: str
    url: str

    @property
    def label(self) -> str:
        """How messages name it."""
        return f'"{shown_line(self.title) or "Untitled"}" ({self.id})'
