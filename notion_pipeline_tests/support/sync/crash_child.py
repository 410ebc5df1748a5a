"""A real `notion-pipeline` process that kills itself with SIGKILL at a named point: `python -m ... POINT N ARGS`.

The points stand where a death costs most; each wraps the function of that step and nothing else. Where CRASH_ACCOUNT
names a connected account, it is not killed while it refreshes the account's tokens: Notion gives a pair once.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

import notion_pipeline.catalog.state
import notion_pipeline.defs.commits.group_commit
import notion_pipeline.extraction.manifest
import notion_pipeline.extraction.staging
from notion_pipeline.accounts.stores.token_store import open_store
from notion_pipeline.cli import main
from notion_pipeline.project import find_project

ACCOUNT_VARIABLE = "CRASH_ACCOUNT"


class Countdown:
    """Kills this process at the n-th time it is asked."""

    def __init__(self, times: int) -> None:
        self.left = times

    def __call__(self) -> None:
        self.left -= 1
        if self.left == 0:
            if account := os.environ.get(ACCOUNT_VARIABLE):
                wait_for_account(account)
            os.kill(os.getpid(), signal.SIGKILL)


def wait_for_account(bot_id: str) -> None:
    """Until nobody refreshes the account's tokens, and nobody can from now on: its lock is held."""
    store = open_store(find_project())
    while store.try_lock(bot_id) is None:
        time.sleep(0.01)


def wrap(owner: Any, name: str, *, before: Callable[..., None] | None = None, after: Any = None) -> None:
    """Has a function of a module or class call these before and after, with its arguments."""
    inner = getattr(owner, name)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if before is not None:
            before(*args)
        result = inner(*args, **kwargs)
        if after is not None:
            after(*args)
        return result

    setattr(owner, name, wrapped)


def _is_manifest(path: Any) -> bool:
    return bool(path.name == notion_pipeline.extraction.manifest.MANIFEST)


def arm(point: str, countdown: Countdown) -> None:
    """Puts the kill at its point."""
    staging, commits = notion_pipeline.extraction.staging, notion_pipeline.defs.commits.group_commit
    records = notion_pipeline.catalog.state.CommitRecords
    if point == "before the manifest's rename":
        wrap(staging, "write_private", before=lambda path, _: countdown() if _is_manifest(path) else None)
    elif point == "after the manifest's rename":
        wrap(staging, "write_private", after=lambda path, _: countdown() if _is_manifest(path) else None)
    elif point == "rows written, bookmark not":
        wrap(records, "write", before=lambda *_: countdown())
    elif point == "end of the transaction":
        wrap(records, "write", after=lambda *_: countdown())
    elif point == "after the commit":
        wrap(commits, "commit_database", after=lambda *_: countdown())
    elif point == "stage removed, event not logged":
        wrap(staging.Stage, "remove", after=lambda *_: countdown())
    else:
        raise ValueError(point)


POINTS = (
    "before the manifest's rename",
    "after the manifest's rename",
    "rows written, bookmark not",
    "end of the transaction",
    "after the commit",
    "stage removed, event not logged",
)

if __name__ == "__main__":
    if sys.argv[1] in POINTS:
        arm(sys.argv[1], Countdown(int(sys.argv[2])))
    main(sys.argv[3:])
