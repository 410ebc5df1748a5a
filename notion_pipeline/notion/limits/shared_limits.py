"""What the processes of one account tell each other: the pause that Notion ordered, and whose request goes next."""

from __future__ import annotations

import math
import time
from collections.abc import Hashable

import orjson

from notion_pipeline.state.interface import State

# Notion publishes no bound for Retry-After (notion-api.md section 11). Past this the value is taken for damaged:
# Notion is asked again then, and a shared pause that says more is ignored.
LONGEST_PAUSE_SECONDS = 7 * 24 * 3600.0
#: A server is asked for news no more often than this.
SECONDS_BETWEEN_LOOKS = 0.25


class SharedLimits:
    """The pause and the budget of one account, for all processes that share the state.

    Two processes that are refused in the same instant may overwrite each other; each keeps the longer pause
    for itself, and a third that reads the shorter one is told by Notion once more.
    """

    def __init__(self, state: State, account: str) -> None:
        self._state = state
        self._account = account
        self._key = f"pauses/{account}.json"
        self._seen: Hashable | None = None
        self._look_at = -math.inf

    def news(self) -> tuple[float, str] | None:
        """Seconds left and reason of a pause written since this was last called; None where there is none.

        Raises:
            StateError: The state's server cannot be reached.
        """
        if self._state.spans_machines:
            if (now := time.monotonic()) < self._look_at:
                return None
            self._look_at = now + SECONDS_BETWEEN_LOOKS
        version = self._state.version(self._key)
        if version is None or version == self._seen:
            return None
        self._seen = version
        return self._read()

    def extend(self, seconds: float, reason: str) -> None:
        """Writes a pause from now on, unless there is a longer one.

        Raises:
            OSError, StagingError: It cannot be written.
        """
        current = self._read()
        if current is not None and current[0] >= seconds:
            return
        pause = {"until": self._state.now() + seconds, "seconds": seconds, "reason": reason}
        self._state.write(self._key, orjson.dumps(pause))

    def next_turn(self, interval: float) -> float:
        """Reserves the account's next request; the seconds until it may go.

        Raises:
            OSError, StagingError: It cannot be reserved.
        """
        return self._state.next_turn(self._account, interval)

    def _read(self) -> tuple[float, str] | None:
        if (content := self._state.read(self._key)) is None:
            return None
        now = self._state.now()
        try:
            pause = orjson.loads(content)
            left, reason = float(pause["until"]) - now, str(pause["reason"])[:200]
            # The clock may have been set back since: Notion did not ask for more because of that.
            seconds = min(left, float(pause.get("seconds", left)))
        except (ValueError, TypeError, KeyError, AttributeError):
            return None
        return (seconds, reason) if 0 < seconds <= LONGEST_PAUSE_SECONDS else None
