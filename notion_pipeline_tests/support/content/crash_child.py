"""Processes that read content and kill themselves at a named point: `python -m ... ` in a project's folder.

Each line on standard input, a JSON list `[point, times]`, makes one. It is a fork of this process, which has imported
all that it needs and nothing else, so that none pays for the imports. Two JSON lines answer: its id, then how it ended.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from functools import partial

import notion_pipeline.catalog.content.comments
import notion_pipeline.catalog.content.page_content
import notion_pipeline.content.reader
import notion_pipeline.defs.content.comments
import notion_pipeline.defs.content.store
import notion_pipeline.defs.content.users
from notion_pipeline.cli.runs.sync_jobs import project_instance
from notion_pipeline.content.batches import Batches
from notion_pipeline.defs.build import build_definitions
from notion_pipeline.project import find_project
from notion_pipeline_tests.support.sync.crash_child import Countdown, wrap

#: Items that a kill may lose: few, so that a small workspace takes several batches.
SIZE = 10
POINTS = (
    "before the rows of a batch",
    "rows written, reads not noted",
    "rows written, chunks not",
    "after the commit, before the event",
    "users written, not committed",
    "comments written, reads not noted",
    "after the commit of comments",
)


def arm(point: str, countdown: Countdown) -> None:
    """Puts the kill at its point."""
    store, comments = notion_pipeline.defs.content.store, notion_pipeline.defs.content.comments
    if point == "before the rows of a batch":
        wrap(store, "write_content", before=lambda *_: countdown())
    elif point == "rows written, reads not noted":
        wrap(notion_pipeline.catalog.content.page_content, "write_rows", after=lambda *_: countdown())
    elif point == "rows written, chunks not":
        wrap(store, "write_chunks", before=lambda *_: countdown())
    elif point == "after the commit, before the event":
        wrap(store, "_commit", after=lambda *_: countdown())
    elif point == "users written, not committed":
        wrap(notion_pipeline.defs.content.users, "write_users", after=lambda *_: countdown())
    elif point == "comments written, reads not noted":
        wrap(notion_pipeline.catalog.content.comments, "write_rows", after=lambda *_: countdown())
    elif point == "after the commit of comments":
        wrap(comments, "_commit", after=lambda *_: countdown())


def _read() -> int:
    """The job of content; 0 where it succeeds."""
    project = find_project()
    with project_instance(project) as instance:
        job = build_definitions(project).resolve_job_def("notion_content")
        return 0 if job.execute_in_process(instance=instance, raise_on_error=False).success else 2


def _forked(point: str, times: int) -> int:
    # The answers of this process are none of the child's business, and the child's log is none of the reader's.
    os.dup2(2, 1)
    notion_pipeline.content.reader.Batches = partial(Batches, size=SIZE)  # type: ignore[assignment, misc]
    arm(point, Countdown(times))
    try:
        return _read()
    except BaseException:
        traceback.print_exc()
        return 3


def main() -> None:
    """Serves until standard input ends."""
    for line in sys.stdin:
        point, times = json.loads(line)
        if (child := os.fork()) == 0:
            code = _forked(point, times)
            sys.stderr.flush()
            os._exit(code)
        print(json.dumps(child), flush=True)
        _, status = os.waitpid(child, 0)
        print(json.dumps(os.waitstatus_to_exitcode(status)), flush=True)


if __name__ == "__main__":
    main()
