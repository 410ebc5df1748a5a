"""What shared state promises, over a folder and over PostgreSQL: documents, locks, turns of a budget."""

from __future__ import annotations

import threading
import time
from itertools import pairwise

import pytest

from notion_pipeline.state.interface import wait_for_lock
from notion_pipeline_tests.support.shared_state import StatePlace

LOCK = "locks/notion/a.lock"


def test_documents_come_back_as_they_were_written(place: StatePlace) -> None:
    state, other = place.open(), place.open()
    assert state.read("tables/notion.json") is None
    state.write("tables/notion.json", b"\x00\xffone")
    assert other.read("tables/notion.json") == b"\x00\xffone"
    other.write("tables/notion.json", b"two")
    assert state.read("tables/notion.json") == b"two"
    state.remove("tables/notion.json")
    state.remove("tables/notion.json")
    assert other.read("tables/notion.json") is None


def test_keys_are_those_below_a_folder(place: StatePlace) -> None:
    state = place.open()
    assert state.keys("tables") == []
    for key in ("tables/b.json", "tables/a.json", "tables/deep/c.json", "tables_of_others/d.json"):
        state.write(key, b"")
    state.try_lock("tables/b.lock")
    assert state.keys("tables") == ["tables/a.json", "tables/b.json", "tables/deep/c.json"]


def test_each_write_has_a_version_of_its_own(place: StatePlace) -> None:
    state, other = place.open(), place.open()
    assert state.version("pauses/a.json") is None
    seen = {None}
    for content in (b"1", b"1", b"2"):
        other.write("pauses/a.json", content)
        version = state.version("pauses/a.json")
        assert version not in seen
        assert state.version("pauses/a.json") == version
        seen.add(version)
    other.remove("pauses/a.json")
    other.write("pauses/a.json", b"2")
    assert state.version("pauses/a.json") not in seen


def test_the_moment_of_a_write_is_by_the_clock_that_is_shared(place: StatePlace) -> None:
    state = place.open()
    assert state.written_at("last_used/bot") is None
    before = state.now()
    state.write("last_used/bot", b"")
    moment = state.written_at("last_used/bot")
    assert moment is not None
    assert before - 0.01 <= moment <= place.open().now() + 0.01
    assert abs(state.now() - time.time()) < 3600


def test_a_lock_has_one_holder(place: StatePlace) -> None:
    state, other = place.open(), place.open()
    lock = state.try_lock(LOCK)
    assert lock is not None
    assert state.try_lock(LOCK) is None
    assert other.try_lock(LOCK) is None
    assert other.try_lock(LOCK, shared=True) is None
    assert other.try_lock("locks/notion/b.lock") is not None
    assert lock.is_held()
    lock.release()
    assert not lock.is_held()
    again = other.try_lock(LOCK)
    assert again is not None
    lock.release()  # a second time: it is not ours any more
    assert state.try_lock(LOCK) is None


def test_a_shared_lock_has_many_holders_and_no_other(place: StatePlace) -> None:
    state, other = place.open(), place.open()
    locks = [found for found in (state, state, other) if (lock := found.try_lock(LOCK, shared=True))]
    assert len(locks) == 3
    assert lock is not None
    assert other.try_lock(LOCK) is None


def test_a_shared_lock_is_free_when_the_last_one_gave_it_back(place: StatePlace) -> None:
    state, other = place.open(), place.open()
    first, second = state.try_lock(LOCK, shared=True), state.try_lock(LOCK, shared=True)
    assert first is not None
    assert second is not None
    first.release()
    assert other.try_lock(LOCK) is None
    second.release()
    assert other.try_lock(LOCK) is not None


def test_asking_whether_a_lock_is_held_leaves_no_trace(place: StatePlace) -> None:
    state, other = place.open(), place.open()
    assert not state.is_locked(LOCK)
    assert state.lock_names("locks") == []
    lock = other.try_lock(LOCK)
    assert lock is not None
    assert state.is_locked(LOCK)
    assert other.is_locked(LOCK)
    lock.release()
    assert not state.is_locked(LOCK)
    shared = other.try_lock(LOCK, shared=True)
    assert shared is not None
    assert state.is_locked(LOCK)


def test_locks_are_remembered_until_they_are_forgotten(place: StatePlace) -> None:
    state = place.open()
    for name in ("locks/notion/b.lock", LOCK, "locks/_runs/r.lock"):
        lock = state.try_lock(name)
        assert lock is not None
        lock.release(forget=name.startswith("locks/_runs"))
    assert state.lock_names("locks") == [LOCK, "locks/notion/b.lock"]
    assert state.lock_names("locks/notion") == [LOCK, "locks/notion/b.lock"]
    state.forget_locks("locks/notion")
    assert state.lock_names("locks") == []


def test_a_known_lock_is_one_that_was_taken_and_not_forgotten(place: StatePlace) -> None:
    state, other = place.open(), place.open()
    assert state.try_lock(LOCK, known=True) is None
    assert state.lock_names("locks") == []
    lock = state.try_lock(LOCK)
    assert lock is not None
    assert other.try_lock(LOCK, known=True) is None
    lock.release()
    lock = other.try_lock(LOCK, known=True)
    assert lock is not None
    lock.release(forget=True)
    assert state.try_lock(LOCK, known=True) is None
    assert not state.is_locked(LOCK)


def test_a_killed_process_frees_its_lock_at_once(place: StatePlace) -> None:
    state = place.open()
    with place.process(f"lock = state.try_lock({LOCK!r})") as holder:
        assert state.try_lock(LOCK) is None
        holder.kill()
        holder.wait()
        lock = wait_for_lock(state, LOCK)
    assert lock.is_held()
    assert state.lock_names("locks") == [LOCK]


def test_a_lock_is_waited_for(place: StatePlace) -> None:
    state, other = place.open(), place.open()
    lock = state.try_lock(LOCK)
    assert lock is not None
    got: list[object] = []
    waiter = threading.Thread(target=lambda: got.append(wait_for_lock(other, LOCK)))
    waiter.start()
    assert got == []
    lock.release()
    waiter.join()
    assert len(got) == 1


def test_turns_of_a_budget_follow_each_other_over_processes(place: StatePlace) -> None:
    """Seconds until each turn, reserved by two in turn: each comes an interval after the one before."""
    state, other = place.open(), place.open()
    began = state.now()
    at = [found.now() + found.next_turn("account", 1000.0) for found in (state, other, state, other)]
    assert at[0] - began < 900
    gaps = [later - earlier for earlier, later in pairwise(at)]
    assert all(gap == pytest.approx(1000.0, abs=300.0) for gap in gaps)
    assert other.next_turn("another", 1000.0) < 900


def test_a_budget_that_lay_idle_gives_one_turn_at_once(place: StatePlace) -> None:
    state = place.open()
    state.next_turn("account", 0.01)
    time.sleep(0.02)
    assert state.next_turn("account", 1000.0) == pytest.approx(0.0, abs=0.001)


def test_nothing_is_made_before_it_is_used(place: StatePlace) -> None:
    before = sorted(place.root.rglob("*"))
    state = place.open()
    assert state.place in repr(state)
    assert sorted(place.root.rglob("*")) == before
