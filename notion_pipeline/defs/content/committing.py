"""Commits content batch after batch while the reads go on: logs how far they have come, names what failed."""

import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from notion_pipeline.content.batches import Batches
from notion_pipeline.content.pages import PageResult
from notion_pipeline.errors import ContentError
from notion_pipeline.notion.limits.run_usage import RunUsage
from notion_pipeline.outside import shown_line
from notion_pipeline.sync.run.progress import time_left

T = TypeVar("T")

LOG_SECONDS = 5.0
#: Pages that failed and are named, each with its reason; the rest are counted.
MOST_NAMED = 20


def commit_batches(
    batches: Batches[T],
    commit: Callable[[list[T]], None],
    *,
    total: int,
    what: str,
    usage: RunUsage,
    log: Callable[[str], None],
) -> None:
    """Commits each batch as it comes.

    Args:
        commit: Commits one batch, in a transaction of its own.
        total: How many are due; 0 where nobody knows, and nothing is logged.
        what: What they are, in the words of a log line (`pages`).

    Raises:
        NotionError: The one that ended the reads; what came before it is committed.
    """
    done, began = 0, time.monotonic()
    told_at = began
    with batches:
        for batch in batches:
            commit(batch)
            done += len(batch)
            if (now := time.monotonic()) - told_at >= LOG_SECONDS and done < total:
                told_at = now
                left = time_left((total - done) * (now - began) / done)
                log(f"{done:,}/{total:,} {what}, {usage.requests:,} requests so far; {left}")


def content_failure(
    source: str, failed: Sequence[str], read: int, what: str, *, asset: str, verb: str = "read"
) -> ContentError:
    """The error that names what could not be read.

    Args:
        failed: A line for each.
        read: How many were read, those that failed among them.
        what: What they are (`pages`).
        asset: Whom to materialize again.
        verb: What could not be done with them.
    """
    more = [f"… and {len(failed) - MOST_NAMED:,} more"] if len(failed) > MOST_NAMED else []
    return ContentError(
        f"{len(failed):,} of {read:,} {what} could not be {verb}; the others are committed.\n"
        + "\n".join([*failed[:MOST_NAMED], *more]),
        hint=f"Materialize {asset} again: only what is still due is read.",
        source=source,
    )


def page_lines(failed: Sequence[PageResult[Any]]) -> list[str]:
    """A line for each page that could not be read: its title, its id and the reason."""
    return [
        f'"{shown_line(found.page.title) or "Untitled"}" ({found.page.page_id}): {found.reason}' for found in failed
    ]
