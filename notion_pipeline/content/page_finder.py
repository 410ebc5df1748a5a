"""Finds the pages that are in no database: by search, by the content of other pages, and by the pages in them.

Search lists every row as well, 100 to a request, and cannot be asked for other pages alone
(notion-api-additions.md section 7). So a whole search is made once in a while, and in between one that goes back from
the newest edit to the last search. Search is no inventory: a page that a whole search does not show is fetched by its
id, and is gone only where that answer says so.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from notion_pipeline.content.batches import side_by_side
from notion_pipeline.content.reader import YieldsTo
from notion_pipeline.content.standalone import Parent, RowAbove, StandalonePage, page_of, parent_of, title_of
from notion_pipeline.errors import (
    AuthorizationError,
    NotionError,
    NotionNotFoundError,
    NotionRequestError,
    NotPermittedError,
)
from notion_pipeline.listing.changes.polls import LOOKBACK
from notion_pipeline.listing.search import is_incomplete, search_to_its_end
from notion_pipeline.notion.client import PAGE_SIZE, NotionClient
from notion_pipeline.notion.responses.parsing import objects_of
from notion_pipeline.notion_ids import normalise_id
from notion_pipeline.rows.text.timestamps import as_datetime

_SUBJECT = "the pages that search finds"
#: At 100 a page more than any workspace holds.
_MOST_SEARCH_PAGES = 1_000_000
#: Blocks between a page and the page it is in; more would be a circle.
_MOST_CONTAINERS = 200


@dataclass(frozen=True)
class KnownPages:
    """What earlier runs left.

    Attributes:
        pages: What each page is in, with the block between them, by id.
        named: Ids that content names, or whose last GET failed: to be fetched.
        hidden: Ids that were fetched and are no standalone pages that can be seen.
        searched_at: Notion's clock before the last search that came to its end; None: search as a whole.
        rows: Which of some ids are rows of tables.
    """

    pages: Mapping[str, tuple[Parent, str | None]]
    named: frozenset[str]
    hidden: frozenset[str]
    searched_at: datetime | None
    rows: Callable[[Collection[str]], Awaitable[set[str]]]


@dataclass
class FoundPages:
    """What one run found.

    Attributes:
        pages: New ones, changed ones, and others that search showed.
        gone: Known pages that are not to be seen any more, and whether they are in the trash.
        rows: Known pages that are rows of a database now.
        hidden: Ids that are no standalone pages that can be seen: not shared, in the trash, no page at all.
        rows_above: Rows of no table in which standalone pages are.
        errors: Why single pages could not be read.
        search_error: Why the search did not come to its end.
        searched_at: Notion's clock before a search that came to its end; None where it did not.
        is_whole: Whether that search was a whole one.
        requests: How many were made.
    """

    pages: dict[str, StandalonePage] = field(default_factory=dict)
    gone: dict[str, bool] = field(default_factory=dict)
    rows: set[str] = field(default_factory=set)
    hidden: set[str] = field(default_factory=set)
    rows_above: dict[str, RowAbove] = field(default_factory=dict)
    errors: dict[str, Exception] = field(default_factory=dict)
    search_error: NotionError | None = None
    searched_at: datetime | None = None
    is_whole: bool = False
    requests: int = 0


async def find_pages(
    client: NotionClient,
    known: KnownPages,
    *,
    workers: int,
    wait_turn: YieldsTo,
    log: Callable[[str], None],
) -> FoundPages:
    """Searches, fetches what search does not show, and climbs to the pages that others are in.

    Raises:
        AuthorizationError: The credential is refused.
        NotPermittedError: The connection may not read content.
    """
    finder = _Finder(client, known, workers, wait_turn, log)
    await finder.search()
    found = finder.found
    asked = set(known.named)
    if found.is_whole and found.searched_at is not None:
        asked |= known.pages.keys()
    await finder.fetch(asked | finder.in_trash, "content")
    waiting = list(found.pages.values())
    while waiting:
        await finder.climb(waiting)
        before = set(found.pages)
        await finder.fetch(await finder.unknown_parents(waiting), "parent")
        waiting = [page for key, page in found.pages.items() if key not in before]
    found.requests = client.stats.requests
    return found


class _Finder:
    def __init__(
        self,
        client: NotionClient,
        known: KnownPages,
        workers: int,
        wait_turn: YieldsTo,
        log: Callable[[str], None],
    ) -> None:
        self.found = FoundPages(is_whole=known.searched_at is None)
        #: Known pages that search showed in the trash.
        self.in_trash: set[str] = set()
        self._client = client
        self._known = known
        self._workers = workers
        self._wait_turn = wait_turn
        self._log = log
        self._blocks: dict[str, Parent] = {}
        self._rows: set[str] = set()

    async def search(self) -> None:
        """Notes what search shows: all of it, or what was edited since the last search, with the trash."""
        since = self._known.searched_at
        is_capped = False

        def note(answer: dict[str, Any]) -> bool:
            nonlocal is_capped
            is_capped |= is_incomplete(answer)
            for raw in objects_of(answer, _SUBJECT):
                edited = as_datetime(raw.get("last_edited_time"))
                if since is not None and edited is not None and edited < since - LOOKBACK:
                    return True
                self._note(raw)
            return False

        body: dict[str, Any] = {
            "filter": {"property": "object", "value": "page"},
            "sort": {"timestamp": "last_edited_time", "direction": "descending"},
            "page_size": PAGE_SIZE,
        }
        trash = {**body, "filter": {**body["filter"], "in_trash": True}}
        try:
            for asked in (body,) if since is None else (body, trash):
                await self._wait_turn()
                await search_to_its_end(
                    self._client, asked, note, self._log, subject=_SUBJECT, most_pages=_MOST_SEARCH_PAGES
                )
        except (AuthorizationError, NotPermittedError):
            raise
        except NotionError as error:
            self.found.search_error = error
            return
        if is_capped:
            self._log("Notion's search did not give everything; no page is taken for gone.")
            return
        self.found.searched_at = self._client.stats.earliest

    def _note(self, raw: dict[str, Any]) -> None:
        key = normalise_id(str(raw.get("id")))
        if raw["object"] != "page" or key is None:
            return
        parent = parent_of(raw)
        if raw.get("in_trash"):
            self.in_trash |= {key} & self._known.pages.keys()
        elif parent.type != "database":
            self.found.pages[key] = page_of(raw, key, parent, "search")
        elif key in self._known.pages:
            self.found.rows.add(key)

    async def fetch(self, ids: Iterable[str], found_by: str) -> None:
        """Fetches pages by id, but those that were found."""
        found = self.found
        done = {*found.pages, *found.rows, *found.gone, *found.hidden, *found.errors, *found.rows_above}

        async def one(page_id: str) -> None:
            await self._wait_turn()
            try:
                raw = (await self._client.page(page_id)).body
                parent = parent_of(raw)
            except (AuthorizationError, NotPermittedError):
                raise
            except NotionNotFoundError:
                self._not_seen(page_id, in_trash=False)
            except NotionRequestError as error:
                # 400: the id is not one of a page.
                if page_id in self._known.pages or error.status == 200:
                    found.errors[page_id] = error
                else:
                    found.hidden.add(page_id)
            except Exception as error:  # one page's failure is its own; it is asked for again next time
                found.errors[page_id] = error
            else:
                if raw.get("in_trash"):
                    self._not_seen(page_id, in_trash=True)
                elif parent.type != "database":
                    found.pages[page_id] = page_of(raw, page_id, parent, found_by)
                elif found_by == "parent":
                    found.rows_above[page_id] = RowAbove(parent.id, title_of(raw))
                elif page_id in self._known.pages:
                    found.rows.add(page_id)
                else:
                    found.hidden.add(page_id)

        await side_by_side(_each(sorted(set(ids) - done)), self._workers, one)

    def _not_seen(self, page_id: str, *, in_trash: bool) -> None:
        if page_id in self._known.pages:
            self.found.gone[page_id] = in_trash
        else:
            self.found.hidden.add(page_id)

    async def climb(self, pages: list[StandalonePage]) -> None:
        """Gives pages in blocks the page that the block is in."""

        async def one(page: StandalonePage) -> None:
            block_id = page.parent_block_id or ""
            parent, known_block = self._known.pages.get(page.id, (None, None))
            # A block seldom goes to another page; a whole search climbs anew.
            if parent is None or known_block != block_id or self.found.is_whole:
                try:
                    parent = await self._page_around(block_id)
                except (AuthorizationError, NotPermittedError):
                    raise
                except Exception as error:  # of this page alone; it is asked for again next time
                    self.found.errors[page.id] = error
                    del self.found.pages[page.id]
                    return
            self.found.pages[page.id] = replace(page, parent=parent)

        await side_by_side(_each([page for page in pages if page.parent_block_id]), self._workers, one)

    async def _page_around(self, block_id: str) -> Parent:
        way: list[str] = []
        parent, key = Parent("block", block_id), block_id
        while len(way) < _MOST_CONTAINERS:
            if key in self._blocks:
                parent = self._blocks[key]
                break
            way.append(key)
            await self._wait_turn()
            try:
                parent = parent_of((await self._client.block(key)).body)
            except NotionNotFoundError:
                break
            if parent.type != "block" or parent.id is None:
                break
            key = parent.id
        for key in way:
            self._blocks[key] = parent
        return parent

    async def unknown_parents(self, pages: list[StandalonePage]) -> set[str]:
        """Pages that others are in and of which nothing is known."""
        above = {
            page.parent.id
            for key in (page.id for page in pages)
            if (page := self.found.pages.get(key)) is not None and page.parent.type == "page" and page.parent.id
        }
        above -= {*self.found.pages, *self._known.pages, *self._known.hidden, *self._rows}
        self._rows |= await self._known.rows(above)
        return above - self._rows


async def _each(items: Iterable[Any]) -> AsyncIterator[Any]:
    for item in items:
        yield item
