"""How many results a query or a search asks for, decided by how the last ones went."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

NOTION_PAGE_SIZE = 100  # Notion's default and maximum (notion-api.md section 3)
# Calls at the present page size that succeed before it grows again.
CALLS_BEFORE_GROWTH = 2
Body: TypeAlias = Mapping[str, Any]


@dataclass(slots=True)
class PageSize:
    """How many results a query or a search may ask for: halved when it fails over its size, doubled as it recovers.

    No cursor and no window depends on the size (notion-api.md section 3), so it may change within a listing.
    """

    most: int = NOTION_PAGE_SIZE
    _successes: int = 0

    def fit(self, body: Body) -> tuple[dict[str, Any], int]:
        """The body to send and its page size; a body that fits is left as it is."""
        wanted = int(body.get("page_size", NOTION_PAGE_SIZE))
        size = min(wanted, self.most)
        return (dict(body) if size == wanted else {**body, "page_size": size}), size

    def was_too_much(self, size: int) -> None:
        # From the size that failed, not from `most`: queries that fail side by side halve it once.
        self.most = min(self.most, max(1, size // 2))
        self._successes = 0

    def went_well(self, size: int) -> None:
        if size < self.most or self.most >= NOTION_PAGE_SIZE:
            return
        self._successes += 1
        if self._successes >= CALLS_BEFORE_GROWTH:
            self.most, self._successes = min(self.most * 2, NOTION_PAGE_SIZE), 0
