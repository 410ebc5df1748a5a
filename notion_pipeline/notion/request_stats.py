"""What the requests of one client cost: counted by the client and the rate limiter."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from notion_pipeline.notion.limits.run_usage import RunUsage


@dataclass(slots=True)
class RequestStats:
    """What the requests of one reader cost.

    Attributes:
        requests: Every HTTP request sent, repeats included.
        retries: The repeats among them, whatever their reason.
        texts_replaced: Texts in the answers with characters that nothing can store; see `rows.text`.
        seconds_rate_limited: Time in which a pause held up at least one of them.
        earliest: The earliest server's time that an answer told; None while none did.
        run: What all readers of the run take together.
    """

    requests: int = 0
    retries: int = 0
    texts_replaced: int = 0
    seconds_rate_limited: float = 0.0
    earliest: datetime | None = field(default=None, compare=False)
    run: RunUsage = field(default_factory=RunUsage, repr=False, compare=False)
    _held_up: int = field(default=0, repr=False, compare=False)
    _held_up_since: float = field(default=0.0, repr=False, compare=False)

    def sent(self, *, again: bool) -> None:
        """A request goes out, for the first time or again."""
        self.requests += 1
        self.retries += again
        self.run.requests += 1

    def told_time(self, moment: datetime | None) -> None:
        """An answer came with this server's time, or with none."""
        if moment is not None:
            self.earliest = moment if self.earliest is None else min(self.earliest, moment)

    def pause_begins(self, now: float) -> None:
        """A request is held up from `now` on."""
        if not self._held_up:
            self._held_up_since = now
        self._held_up += 1
        self.run.pauses.begins(now)

    def pause_ends(self, now: float) -> None:
        """A request goes on at `now`."""
        self._held_up -= 1
        if not self._held_up:
            self.seconds_rate_limited += now - self._held_up_since
        self.run.pauses.ends(now)

    def turn_begins(self, now: float) -> None:
        """A request waits for its turn from `now` on."""
        self.run.turns.begins(now)

    def turn_ends(self, now: float) -> None:
        """Its turn comes at `now`."""
        self.run.turns.ends(now)

    def let_through(self, now: float) -> None:
        """A request goes to Notion at `now`."""
        self.run.let_through(now)
