"""Reads many pages side by side: their content, or their comments.

A page fails by itself. A credential that is refused, or that lacks the capability, ends all; and so does a Notion that
has not answered for many pages in a row.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager

from notion_pipeline.content.batches import Batches, side_by_side
from notion_pipeline.content.pages import DuePage, PageResult, T
from notion_pipeline.errors import AuthorizationError, NotionNotFoundError, NotPermittedError, RetryableNotionError
from notion_pipeline.notion.client import NotionClient
from notion_pipeline.notion.limits.run_usage import RunUsage

#: Waits until tables are not being read; see `notion.turns`.
YieldsTo = Callable[[], Awaitable[None]]
#: Each was asked for several times, over minutes: the next one would fare no better, and there may be 100,000 of them.
MOST_FAILURES_IN_A_ROW = 20


def page_batches(
    make_client: Callable[[], AbstractAsyncContextManager[NotionClient]],
    due: Callable[[], AsyncIterator[DuePage]],
    read_page: Callable[[NotionClient, DuePage], Awaitable[T]],
    *,
    workers: int,
    usage: RunUsage,
    wait_turn: YieldsTo,
    weight: Callable[[T], int],
) -> Batches[PageResult[T]]:
    """The pages, read side by side, in batches as they come.

    Args:
        due: Gives the pages to read, a few at a time.
        read_page: Reads one page whole, or raises.
        workers: Pages at a time.
        wait_turn: Awaited before each page.
        weight: Bytes of what was read of a page, or about.
    """

    async def read(hand_over: Callable[[PageResult[T]], Awaitable[None]]) -> None:
        async with make_client() as client:
            client.stats.run = usage
            in_a_row = 0

            async def one(page: DuePage) -> None:
                nonlocal in_a_row
                await wait_turn()
                result = await _read(client, page, read_page)
                await hand_over(result)
                in_a_row = in_a_row + 1 if isinstance(result.error, RetryableNotionError) else 0
                if result.error is not None and in_a_row >= MOST_FAILURES_IN_A_ROW:
                    raise result.error

            await side_by_side(due(), workers, one)

    return Batches(read, weight=lambda read: weight(read.content) if read.content is not None else 1)


async def _read(
    client: NotionClient, page: DuePage, read_page: Callable[[NotionClient, DuePage], Awaitable[T]]
) -> PageResult[T]:
    try:
        return PageResult(page, await read_page(client, page))
    except NotPermittedError:
        raise
    except AuthorizationError as error:
        # It may be about this page alone.
        if not await client.accepts_credential():
            raise
        return PageResult(page, error=error)
    except NotionNotFoundError:
        return PageResult(page, is_gone=True)
    except Exception as error:  # one page's failure is its own; it is reported with its reason
        return PageResult(page, error=error)
