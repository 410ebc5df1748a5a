"""Reads the content of many pages side by side.

A page fails by itself. A credential that is refused, or that may not read content, ends all.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

from notion_pipeline.content.batches import Batches, side_by_side
from notion_pipeline.content.markdown import read_content
from notion_pipeline.content.pages import DuePage, PageRead
from notion_pipeline.errors import AuthorizationError, NotionNotFoundError, NotPermittedError
from notion_pipeline.notion.client import NotionClient
from notion_pipeline.notion.run_usage import RunUsage

#: Waits until tables are not being read; see `notion.turns`.
YieldsTo = Callable[[], Awaitable[None]]


def page_batches(
    make_client: Callable[[], NotionClient],
    due: Callable[[], AsyncIterator[DuePage]],
    *,
    workers: int,
    usage: RunUsage,
    wait_turn: YieldsTo,
) -> Batches[PageRead]:
    """The pages, read side by side, in batches as they come.

    Args:
        due: Gives the pages to read, a few at a time.
        workers: Pages at a time.
        wait_turn: Awaited before each page.
    """

    async def read(hand_over: Callable[[PageRead], Awaitable[None]]) -> None:
        async with make_client() as client:
            client.stats.run = usage

            async def one(page: DuePage) -> None:
                await wait_turn()
                await hand_over(await _read_page(client, page))

            await side_by_side(due(), workers, one)

    return Batches(read, weight=_weight)


async def _read_page(client: NotionClient, page: DuePage) -> PageRead:
    try:
        return PageRead(page, await read_content(client, page.page_id))
    except NotPermittedError:
        raise
    except AuthorizationError as error:
        # It may be about this page alone.
        if not await client.accepts_credential():
            raise
        return PageRead(page, error=error)
    except NotionNotFoundError:
        return PageRead(page, is_gone=True)
    except Exception as error:  # one page's failure is its own; it is reported with its reason
        return PageRead(page, error=error)


def _weight(read: PageRead) -> int:
    return len(read.content.markdown) if read.content is not None else 1
