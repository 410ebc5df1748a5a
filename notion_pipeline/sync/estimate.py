"""Estimates how many requests a read makes, by what earlier reads of the same data source made.

A full read makes one request for each answer of rows, and some besides (docs/sync.md). What the last full read made
beyond that went into references; it grows with the rows. Nothing here asks Notion.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from notion_pipeline.catalog.state import ReadCosts
from notion_pipeline.config.sources import Limits
from notion_pipeline.extraction.manifest import Manifest
from notion_pipeline.notion.page_size import NOTION_PAGE_SIZE

#: What Notion gives an account, where sources.yaml says nothing.
NOTION_REQUESTS_PER_MINUTE = 180
#: How long an answer of Notion's is taken to need. It matters where few requests are made at once.
SECONDS_AN_ANSWER = 0.3
#: Archived rows, live rows, archived rows: a full read whose live rows fit one answer.
_ONE_ANSWER = 3
#: Archived rows twice, what was edited since, the schema: a full read of more answers, beside these.
_BESIDE_ANSWERS = 4
#: What was edited since, archived rows, the schema: after a read that was killed.
_CATCH_UP = 3
UNREAD = f"at most {NOTION_PAGE_SIZE} rows, and no relation of more than 25 pages"
UNEDITED = "nothing was edited since the last read"


@dataclass(frozen=True)
class Estimate:
    """What a read costs.

    Attributes:
        requests: A mean, so it need not be whole.
        rows: That a full read brings; None where that is not known.
        assumed: What the estimate takes for granted for want of history; empty where there is one.
    """

    requests: float
    rows: int | None = None
    assumed: str = ""


def estimated(costs: ReadCosts | None, *, full: bool) -> Estimate:
    """What the next read of a data source costs."""
    if not full:
        known = costs.incremental_requests if costs is not None else None
        return Estimate(known) if known is not None else Estimate(1.0, assumed=UNEDITED)
    if costs is None or costs.full_rows is None or costs.full_requests is None:
        return Estimate(float(_ONE_ANSWER), assumed=UNREAD)
    rows = costs.full_rows + costs.rows_since
    beyond = float(costs.full_requests - _without_references(costs.full_rows))
    if beyond > 0 and costs.full_rows:
        beyond *= rows / costs.full_rows
    return Estimate(max(1.0, _without_references(rows) + beyond), rows)


def resumed(estimate: Estimate, left: Manifest) -> Estimate:
    """What is left of a read that an earlier run began, with the catch-up that follows it."""
    if left.complete:
        return Estimate(1.0, estimate.rows)
    made = left.counts.get("api_requests", 0)
    return replace(estimate, requests=max(estimate.requests - made, 0.0) + _CATCH_UP)


def _without_references(rows: int) -> int:
    answers = -(-rows // NOTION_PAGE_SIZE)
    return _ONE_ANSWER if answers <= 1 else answers + _BESIDE_ANSWERS


def requests_per_minute(limits: Limits) -> int:
    """What the account may ask in a minute: by sources.yaml, else what Notion gives."""
    return limits.requests_per_minute or NOTION_REQUESTS_PER_MINUTE


def seconds_for(requests: float, limits: Limits) -> float:
    """How long so many requests take at the account's pace, or as many at once as are allowed."""
    return requests * max(60 / requests_per_minute(limits), SECONDS_AN_ANSWER / limits.concurrent_requests)
