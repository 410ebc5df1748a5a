"""Runs several requests side by side; when one fails, the others are cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable
from typing import TypeVar

T = TypeVar("T")


async def all_or_first_error(awaitables: Iterable[Awaitable[T]]) -> list[T]:
    """The results in order; where one fails the others are cancelled, ended, and its error is raised.

    `asyncio.gather` alone lets the others go on asking after a refused token.
    """
    tasks = [asyncio.ensure_future(awaitable) for awaitable in awaitables]
    try:
        return await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
