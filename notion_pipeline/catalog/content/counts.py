"""What commits of content did, in rows."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class ContentCounts:
    """What a commit of content did."""

    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    removed: int = 0

    def add(self, other: ContentCounts) -> None:
        """Adds the counts of another commit."""
        self.inserted += other.inserted
        self.updated += other.updated
        self.unchanged += other.unchanged
        self.removed += other.removed
