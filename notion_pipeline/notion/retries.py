"""When an attempt is repeated, and after how long."""

from __future__ import annotations

import random

from tenacity import RetryCallState, retry_if_exception_type, stop_after_attempt

from notion_pipeline.notion.responses.failures import RateLimited, TransientFailure

ATTEMPTS = 8
FIRST_BACK_OFF_SECONDS = 0.5
LONGEST_BACK_OFF_SECONDS = 20.0
# What a failing server may ask for by Retry-After; a 429 or 529 of Notion's own is obeyed however long.
LONGEST_ASKED_BACK_OFF_SECONDS = 60.0
#: Of a pause whose length Notion does not say.
LONGEST_UNTOLD_PAUSE_SECONDS = 60.0


def back_off(state: RetryCallState) -> float:
    """Seconds before the next attempt: 0.5, 1, 2, 4, 8, 16, 20, each between half and the whole of it by chance.

    Eight attempts so wait 26 to 52 seconds in all, unless failing answers ask for more (at most a minute each).
    """
    longest = min(FIRST_BACK_OFF_SECONDS * 2.0 ** (state.attempt_number - 1), LONGEST_BACK_OFF_SECONDS)
    failure = state.outcome.exception() if state.outcome else None
    asked = failure.at_least_seconds if isinstance(failure, TransientFailure) else 0.0
    return max(longest * random.uniform(0.5, 1.0), min(asked, LONGEST_ASKED_BACK_OFF_SECONDS))  # noqa: S311


STOP = stop_after_attempt(ATTEMPTS)
IF_IT_MAY_PASS = retry_if_exception_type(TransientFailure)


def pause_seconds(refusal: RateLimited, untold: int) -> float:
    """How long to pause where Notion asks for it.

    Args:
        untold: How many pauses of this call had no length; each of these doubles the next.
    """
    return min(2.0 ** min(untold, 6), LONGEST_UNTOLD_PAUSE_SECONDS) if refusal.seconds is None else refusal.seconds
