"""Makes a transaction again that lost a race to another commit, or the server of its lake."""

from __future__ import annotations

from collections.abc import Callable

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from notion_pipeline.errors import CatalogError, CatalogUnreachableError

#: Seconds before the next attempt: random, so that two that lost to each other do not do so in turn.
_PAUSES = wait_random_exponential(multiplier=0.05, max=2)
#: How often the log says that a server is waited for.
_LOG_EVERY_SECONDS = 60.0


def attempts(errors: tuple[type[CatalogError], ...], wait_seconds: float, log: Callable[[str], None]) -> Retrying:
    """Attempts for so long, while they end in one of these errors; the last one's error is raised."""
    told_at: float | None = None

    def tell(state: RetryCallState) -> None:
        nonlocal told_at
        error, waited = state.outcome.exception() if state.outcome else None, state.seconds_since_start or 0.0
        is_news = told_at is None or waited - told_at >= _LOG_EVERY_SECONDS
        if isinstance(error, CatalogUnreachableError) and is_news:
            told_at = waited
            log(f"{error.message} It is waited for ({waited:.0f} s so far).")

    return Retrying(
        retry=retry_if_exception_type(errors),
        stop=stop_after_delay(wait_seconds),
        wait=_PAUSES,
        before_sleep=tell,
        reraise=True,
    )
