"""The loop over the pages of a listing, and the two ways in which it must not go on for ever.

A listing that would never end gives pages that bring nothing new, one after another, or more pages than there can be.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Iterable
from typing import Any

from notion_pipeline.errors import InvalidCursorError, UnboundedAnswerError
from notion_pipeline.notion.responses.parsing import Answer

#: Pages in a row that bring nothing new. Notion may send short pages, and empty ones; so many at 100 a page are more
#: than all that one query gives (10,000, notion-api.md section 3).
MOST_BARREN_PAGES = 150
WHO_ANSWERS = (
    "Check NOTION_API_URL and the proxy of the environment: is it Notion that answers? What is in the catalog stays; "
    "sync again later, and ask Notion's support if it stays so."
)


class Listing:
    """Watches the pages of one listing.

    Args:
        subject: What is listed, in the words of a message (`data source 1f0c…`).
        most_pages: More than Notion can have of it.
        source: Name of the source, for messages.
    """

    def __init__(self, subject: str, *, most_pages: int, source: str) -> None:
        self._subject = subject
        self._source = source
        self._most_pages = most_pages
        self._pages = self._barren = 0
        self._seen: set[Hashable] = set()

    def page(self, ids: Iterable[Hashable], *, has_more: bool) -> None:
        """Notes a page by what is on it; ids that came before are nothing new.

        Raises:
            UnboundedAnswerError: More is said to follow, and enough came.
        """
        seen_before = len(self._seen)
        self._seen.update(ids)
        self._note(is_barren=len(self._seen) == seen_before, has_more=has_more)

    def page_of(self, entries: int, *, has_more: bool) -> None:
        """The same for entries that may be equal, such as the parts of a text."""
        self._note(is_barren=not entries, has_more=has_more)

    def _note(self, *, is_barren: bool, has_more: bool) -> None:
        self._pages += 1
        self._barren = self._barren + 1 if is_barren else 0
        if not has_more:
            return
        if self._barren >= MOST_BARREN_PAGES:
            raise self._endless(f"the last {self._barren} answers brought nothing new, and each says that more follows")
        if self._pages >= self._most_pages:
            raise self._endless(f"{self._pages:,} answers came, and the last one says that more follows")

    def _endless(self, why: str) -> UnboundedAnswerError:
        return UnboundedAnswerError(
            f"The listing of {self._subject} does not end: {why}.",
            hint=WHO_ANSWERS,
            source=self._source,
        )


class Cursors:
    """Takes the next page's cursor out of each answer of one listing."""

    def __init__(self) -> None:
        self._used: set[str] = set()

    def following(self, cursor: Any) -> str:
        """The cursor of the next page, noted as used.

        Raises:
            InvalidCursorError: It is missing, or was used already: the listing would go round in a circle.
        """
        if not isinstance(cursor, str) or not cursor or cursor in self._used:
            what = "repeats" if isinstance(cursor, str) and cursor else "is missing"
            raise InvalidCursorError(f"The next page's cursor {what}.", status=200)
        self._used.add(cursor)
        return cursor


async def pages(
    ask: Callable[[str | None], Awaitable[Answer]], listing: Listing, *, have_ids: bool = True
) -> AsyncIterator[dict[str, Any]]:
    """The body of each page, until one says that no more follows.

    Args:
        ask: Sends for the page at a cursor; None is the first.
        listing: Ends what would go on for ever.
        have_ids: Whether results are told apart by their ids; else an equal one counts as new.

    Raises:
        InvalidCursorError: A cursor is missing, repeats or was refused; what came before it stays good.
        UnboundedAnswerError: The listing does not end.
    """
    cursors, cursor = Cursors(), None
    while True:
        body = (await ask(cursor)).body
        results = body.get("results") or []
        has_more = bool(body.get("has_more"))
        yield body
        if have_ids:
            listing.page((str(found.get("id")) for found in results if isinstance(found, dict)), has_more=has_more)
        else:
            listing.page_of(len(results), has_more=has_more)
        if not has_more:
            return
        cursor = cursors.following(body.get("next_cursor"))
