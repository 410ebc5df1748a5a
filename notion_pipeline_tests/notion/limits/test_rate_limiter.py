"""Pace, places and pauses of one account, over a clock that only moves when somebody sleeps."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from notion_pipeline.notion.limits.rate_limiter import RateLimiter, account_key
from notion_pipeline.notion.limits.shared_limits import LONGEST_PAUSE_SECONDS, SharedLimits
from notion_pipeline.notion.request_stats import RequestStats
from notion_pipeline.state.folder import FolderState

EPOCH = 1_772_532_000.0  # 2026-03-03 10:00 UTC


class Clock:
    """Seconds that pass in `sleep` alone, for all sleepers at once."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def wall(self) -> float:
        return EPOCH + self.now

    async def sleep(self, seconds: float) -> None:
        until = self.now + seconds
        await asyncio.sleep(0)
        self.now = max(self.now, until)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def make(clock: Clock, lines: list[str]) -> Callable[..., RateLimiter]:
    def rate_limiter(
        *, concurrent_requests: int = 8, requests_per_minute: int | None = None, shared: SharedLimits | None = None
    ) -> RateLimiter:
        return RateLimiter(
            concurrent_requests=concurrent_requests,
            requests_per_minute=requests_per_minute,
            shared=shared,
            log=lines.append,
            clock=clock,
            sleep=clock.sleep,
        )

    return rate_limiter


async def passes(rate_limiter: RateLimiter, count: int, clock: Clock, stats: RequestStats | None = None) -> list[float]:
    """The times at which `count` requests that come at once are let through."""
    times: list[float] = []

    async def one() -> None:
        async with rate_limiter.slot(stats):
            times.append(clock.now)

    await asyncio.gather(*(one() for _ in range(count)))
    return times


def test_slots_never_exceed_concurrent_requests(make: Callable[..., RateLimiter]) -> None:
    rate_limiter = make(concurrent_requests=3)
    inside: list[int] = [0, 0]

    async def one() -> None:
        async with rate_limiter.slot():
            inside[0] += 1
            inside[1] = max(inside)
            await asyncio.sleep(0)
            inside[0] -= 1

    async def scenario() -> None:
        await asyncio.gather(*(one() for _ in range(20)))

    asyncio.run(scenario())
    assert inside == [0, 3]


def test_slot_is_given_back_by_request_that_fails_or_is_cancelled(make: Callable[..., RateLimiter]) -> None:
    rate_limiter = make(concurrent_requests=1)

    async def fail() -> None:
        async with rate_limiter.slot():
            raise ValueError

    async def hang() -> None:
        async with rate_limiter.slot():
            await asyncio.Event().wait()

    async def scenario() -> None:
        with pytest.raises(ValueError):
            await fail()
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(hang(), 0.01)
        async with rate_limiter.slot():
            pass

    asyncio.run(scenario())


def test_one_rate_limiter_serves_one_loop_after_another(make: Callable[..., RateLimiter], clock: Clock) -> None:
    """Made outside of a loop; each run has its own."""
    rate_limiter = make(concurrent_requests=1)
    assert len(asyncio.run(passes(rate_limiter, 3, clock))) == 3
    assert len(asyncio.run(passes(rate_limiter, 3, clock))) == 3


def test_requests_per_minute_spaces_requests_evenly(make: Callable[..., RateLimiter], clock: Clock) -> None:
    rate_limiter = make(requests_per_minute=30)
    assert asyncio.run(passes(rate_limiter, 5, clock)) == [0, 2, 4, 6, 8]


def test_idle_time_is_not_saved_up_for_a_burst(make: Callable[..., RateLimiter], clock: Clock) -> None:
    rate_limiter = make(requests_per_minute=60)
    asyncio.run(passes(rate_limiter, 1, clock))
    clock.now = 100
    assert asyncio.run(passes(rate_limiter, 3, clock)) == [100, 101, 102]


def test_pause_holds_all_requests_and_releases_them_together(
    make: Callable[..., RateLimiter], clock: Clock, lines: list[str]
) -> None:
    rate_limiter = make(concurrent_requests=2)
    rate_limiter.pause(12, "rate_limited")
    assert asyncio.run(passes(rate_limiter, 6, clock)) == [12] * 6
    assert lines == ["Notion asked this account to wait (rate_limited): no request for 12 s from now."]


def test_requests_overtaken_by_pause_keep_their_spacing(make: Callable[..., RateLimiter], clock: Clock) -> None:
    rate_limiter = make(requests_per_minute=60)

    async def scenario() -> list[float]:
        waiting = asyncio.ensure_future(passes(rate_limiter, 4, clock))
        await asyncio.sleep(0)
        rate_limiter.pause(30, "rate_limited")
        return await waiting

    times = asyncio.run(scenario())
    later = [time for time in times if time]
    assert len(later) >= 3
    assert min(later) >= 30
    assert all(after - before >= 1 for before, after in pairwise(later))


def test_pause_that_comes_while_place_is_awaited_is_waited_out(make: Callable[..., RateLimiter], clock: Clock) -> None:
    """A request that is known to be refused is not made."""
    rate_limiter = make(concurrent_requests=1)
    times: list[float] = []

    async def refused() -> None:
        async with rate_limiter.slot():
            await asyncio.sleep(0)
            rate_limiter.pause(40, "rate_limited")

    async def queued() -> None:
        async with rate_limiter.slot():
            times.append(clock.now)

    async def scenario() -> None:
        await asyncio.gather(refused(), queued(), queued())

    asyncio.run(scenario())
    assert times == [40, 40]


def test_longer_pause_wins_and_shorter_one_changes_nothing(make: Callable[..., RateLimiter], clock: Clock) -> None:
    rate_limiter = make()
    rate_limiter.pause(50, "workspace")
    rate_limiter.pause(10, "connection")
    assert asyncio.run(passes(rate_limiter, 1, clock)) == [50]


def test_long_pause_is_told_once_a_minute_however_many_wait(
    make: Callable[..., RateLimiter], clock: Clock, lines: list[str]
) -> None:
    rate_limiter = make()
    rate_limiter.pause(150, 'public_api_space_request_rate_limit, source "sales"')
    rate_limiter.pause(151, "another answer of the same instant")
    asyncio.run(passes(rate_limiter, 8, clock))
    assert [line.rpartition(": ")[2] for line in lines] == [
        "no request for 150 s from now.",
        "no request for 91 s from now.",
        "no request for 31 s from now.",
    ]
    assert 'source "sales"' in lines[0]


def test_second_pause_is_told_again(make: Callable[..., RateLimiter], clock: Clock, lines: list[str]) -> None:
    rate_limiter = make()
    for _ in range(2):
        rate_limiter.pause(5, "rate_limited")
        asyncio.run(passes(rate_limiter, 4, clock))
    assert len(lines) == 2


def test_absurd_pause_is_cut(make: Callable[..., RateLimiter], clock: Clock) -> None:
    rate_limiter = make()
    rate_limiter.pause(1e12, "absurd")
    assert asyncio.run(passes(rate_limiter, 1, clock)) == [LONGEST_PAUSE_SECONDS]


def test_watch_counts_overlapping_waits_once(make: Callable[..., RateLimiter], clock: Clock) -> None:
    rate_limiter = make(concurrent_requests=2)
    rate_limiter.pause(10, "rate_limited")
    stats = RequestStats()
    asyncio.run(passes(rate_limiter, 6, clock, stats))
    assert stats == RequestStats(seconds_rate_limited=10)


def test_pause_reaches_other_rate_limiters_through_file(
    make: Callable[..., RateLimiter], clock: Clock, tmp_path: Path, lines: list[str]
) -> None:
    first = make(shared=SharedLimits(FolderState(tmp_path, now=clock.wall), "abc"))
    second = make(shared=SharedLimits(FolderState(tmp_path, now=clock.wall), "abc"))
    stranger = make(shared=SharedLimits(FolderState(tmp_path, now=clock.wall), "other"))
    first.pause(30, "rate_limited")
    assert asyncio.run(passes(stranger, 1, clock)) == [0]
    assert asyncio.run(passes(second, 2, clock)) == [30, 30]
    assert len(lines) == 2  # one for each process


def test_pause_of_other_process_is_kept(clock: Clock, make: Callable[..., RateLimiter], tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from notion_pipeline.notion.limits.rate_limiter import RateLimiter\n"
        "from notion_pipeline.notion.limits.shared_limits import SharedLimits\n"
        "from notion_pipeline.state.folder import FolderState\n"
        "shared = SharedLimits(FolderState(Path(sys.argv[1]), now=lambda: float(sys.argv[2])), 'abc')\n"
        "RateLimiter(concurrent_requests=1, requests_per_minute=None, shared=shared, log=print).pause(90, 'told')\n"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path), str(EPOCH)], check=True)
    rate_limiter = make(shared=SharedLimits(FolderState(tmp_path, now=clock.wall), "abc"))
    assert asyncio.run(passes(rate_limiter, 1, clock)) == [90]


def test_shorter_pause_does_not_overwrite_longer_one_of_other_process(clock: Clock, tmp_path: Path) -> None:
    first, second = (SharedLimits(FolderState(tmp_path, now=clock.wall), "abc") for _ in range(2))
    first.extend(100, "long")
    second.extend(10, "short")
    assert SharedLimits(FolderState(tmp_path, now=clock.wall), "abc").news() == (100, "long")


def test_pause_file_is_read_only_when_it_changed(clock: Clock, tmp_path: Path) -> None:
    pauses = SharedLimits(FolderState(tmp_path, now=clock.wall), "abc")
    assert pauses.news() is None
    pauses.extend(100, "why")
    assert pauses.news() == (100, "why")
    assert pauses.news() is None
    clock.now = 200
    pauses.extend(50, "again")
    assert pauses.news() == (50, "again")


def test_pause_file_is_private_and_leaves_nothing_beside(clock: Clock, tmp_path: Path) -> None:
    home = tmp_path / "home"
    SharedLimits(FolderState(home, now=clock.wall), "abc").extend(100, "why")
    assert [path.name for path in (home / "pauses").iterdir()] == ["abc.json"]
    assert json.loads((home / "pauses" / "abc.json").read_bytes()) == {
        "until": EPOCH + 100,
        "seconds": 100,
        "reason": "why",
    }
    modes = [path.stat().st_mode & 0o777 for path in (home, home / "pauses", home / "pauses" / "abc.json")]
    assert modes == [0o700, 0o700, 0o600]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"until": "soon", "reason": ""}',
        b'{"until": null, "reason": ""}',
        b'{"until": 1e300, "reason": ""}',
        b'{"until": 99999999999, "reason": ""}',
        b'{"until": 5, "reason": "long ago"}',
        b'{"reason": "no time"}',
        b"\xff\xfe",
    ],
)
def test_damaged_absurd_or_past_pause_file_is_ignored(
    content: bytes, make: Callable[..., RateLimiter], clock: Clock, tmp_path: Path
) -> None:
    path = tmp_path / "pauses" / "abc.json"
    path.parent.mkdir()
    path.write_bytes(content)
    rate_limiter = make(shared=SharedLimits(FolderState(tmp_path, now=clock.wall), "abc"))
    assert asyncio.run(passes(rate_limiter, 1, clock)) == [0]
    rate_limiter.pause(7, "still works")
    assert asyncio.run(passes(rate_limiter, 1, clock)) == [7]


@pytest.mark.parametrize("jump", [-7 * 24 * 3600.0, -3600.0, -30.0, -0.5, 0.0, 20.0, 3600.0])
def test_pause_of_another_process_is_never_longer_than_notion_asked_for(
    jump: float, make: Callable[..., RateLimiter], clock: Clock, tmp_path: Path
) -> None:
    SharedLimits(FolderState(tmp_path, now=clock.wall), "abc").extend(60, "why")
    later = SharedLimits(FolderState(tmp_path, now=lambda: clock.wall() + jump), "abc")
    (at,) = asyncio.run(passes(make(shared=later), 1, clock))
    assert at == min(60, max(60 - jump, 0))


def test_pause_after_the_clock_went_back_takes_the_place_of_a_shorter_one_alone(clock: Clock, tmp_path: Path) -> None:
    SharedLimits(FolderState(tmp_path, now=clock.wall), "abc").extend(60, "long")
    back = SharedLimits(FolderState(tmp_path, now=lambda: clock.wall() - 3600), "abc")
    back.extend(30, "short")
    assert SharedLimits(FolderState(tmp_path, now=lambda: clock.wall() - 3600), "abc").news() == (60, "long")
    back.extend(90, "longer")
    assert SharedLimits(FolderState(tmp_path, now=lambda: clock.wall() - 3600), "abc").news() == (90, "longer")


def test_pause_that_cannot_be_shared_holds_here_and_is_told_once(
    make: Callable[..., RateLimiter], clock: Clock, tmp_path: Path, lines: list[str]
) -> None:
    (tmp_path / "pauses").write_text("a file where the folder should be")
    rate_limiter = make(shared=SharedLimits(FolderState(tmp_path, now=clock.wall), "abc"))
    for _ in range(2):
        rate_limiter.pause(5, "rate_limited")
        asyncio.run(passes(rate_limiter, 1, clock))
    assert clock.now == 10
    assert [line for line in lines if "cannot be shared" in line] == [lines[0]]


def test_account_key_names_token_without_showing_it() -> None:
    key = account_key("ntn_secret")
    assert len(key) == 16
    assert int(key, 16)
    assert key != account_key("ntn_other")
    assert "secret" not in key


def test_stats_of_two_watches_stand_apart(make: Callable[..., RateLimiter], clock: Clock) -> None:
    rate_limiter = make()
    rate_limiter.pause(10, "rate_limited")
    mine, yours = RequestStats(), RequestStats()

    async def scenario() -> Any:
        return await asyncio.gather(passes(rate_limiter, 1, clock, mine), passes(rate_limiter, 0, clock, yours))

    asyncio.run(scenario())
    assert (mine.seconds_rate_limited, yours.seconds_rate_limited) == (10, 0)


def test_run_knows_how_near_it_came_to_the_limit_and_how_long_it_waited(
    make: Callable[..., RateLimiter], clock: Clock
) -> None:
    rate_limiter = make(concurrent_requests=2, requests_per_minute=60)
    stats = RequestStats()
    twin = RequestStats(run=stats.run)

    async def scenario() -> None:
        await asyncio.gather(passes(rate_limiter, 45, clock, stats), passes(rate_limiter, 45, clock, twin))

    asyncio.run(scenario())
    usage = stats.run
    assert (usage.most_in_a_minute, usage.turns.seconds, usage.pauses.seconds) == (60, 89, 0)
    rate_limiter.pause(30, "rate_limited")
    asyncio.run(passes(rate_limiter, 1, clock, twin))
    assert (usage.pauses.seconds, stats.seconds_rate_limited, twin.seconds_rate_limited) == (30, 0, 30)
