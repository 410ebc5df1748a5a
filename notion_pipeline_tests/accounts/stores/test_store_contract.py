"""What every place that keeps accounts promises: the folder, and PostgreSQL."""

from __future__ import annotations

import multiprocessing
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import pytest

from notion_pipeline.accounts.stores.token_store import open_store
from notion_pipeline.errors import ConfigError
from notion_pipeline.project import find_project
from notion_pipeline_tests.accounts.stores.test_token_store import ACCOUNT
from notion_pipeline_tests.support.accounts.token_stores import KEY, Place, database, folder, held, taken_by_a_thread

BOT = ACCOUNT.bot_id


@pytest.fixture(params=["folder", "PostgreSQL"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "folder":
        return folder(tmp_path / "project")
    port, name = request.getfixturevalue("postgres_port"), request.getfixturevalue("database_name")
    return database(tmp_path / "project", port, name)


def test_accounts_come_back_as_they_were_kept_and_go_when_forgotten(place: Place) -> None:
    first = place.store()
    assert first.accounts() == []
    assert first.load(BOT) is None
    first.forget(BOT)
    other = replace(ACCOUNT, bot_id="other", refresh_token=None, connected_at=datetime(2025, 1, 1, tzinfo=timezone.utc))
    first.save(ACCOUNT)
    first.save(other)
    assert place.store().accounts() == [other, ACCOUNT]
    assert place.store().load(BOT) == ACCOUNT
    changed = replace(ACCOUNT, workspace_name="Acme of today")
    place.store().save(changed)
    assert first.load(BOT) == changed
    first.forget("other")
    first.forget("other")
    assert place.store().accounts() == [changed]


@pytest.mark.parametrize("bot_id", ["../../outside", "with \0 in it", "\ud800", "x" * 500, "'; DROP TABLE accounts"])
def test_any_bot_id_is_a_name(place: Place, bot_id: str) -> None:
    account = replace(ACCOUNT, bot_id=bot_id)
    with held(place.store(), bot_id):
        if bot_id != "\ud800":  # no JSON can hold it
            place.store().save(account)
            assert place.store().load(bot_id) == account
            assert place.store().accounts() == [account]


def test_nothing_readable_is_written(place: Place) -> None:
    place.store().save(ACCOUNT)
    written = place.written()
    assert b"sealed" in written or b"scrypt" in written
    assert b"Distinctive" not in written
    assert b"Acme" not in written


@pytest.mark.parametrize(("key", "said"), [("", "is not set"), ("wrong", "is another one")])
def test_without_the_right_key_the_message_says_so(place: Place, key: str, said: str) -> None:
    place.store("right").save(ACCOUNT)
    with pytest.raises(ConfigError, match=f"NOTION_PIPELINE_KEY, which {said}"):
        place.store(key).load(BOT)
    with pytest.raises(ConfigError, match=f"NOTION_PIPELINE_KEY, which {said}"):
        place.store(key).accounts()


def test_the_key_changes_by_a_new_one_in_front(place: Place) -> None:
    place.store("first").save(ACCOUNT)
    assert place.store("second,first").accounts() == [ACCOUNT]  # sealed anew, by being read
    assert place.store("second").accounts() == [ACCOUNT]
    assert place.store("second").load(BOT) == ACCOUNT
    with pytest.raises(ConfigError):
        place.store("first").accounts()


def test_one_at_a_time_holds_an_accounts_lock(place: Place) -> None:
    one, two = place.store(), place.store()
    with held(one, BOT):
        assert one.try_lock(BOT) is None
        assert two.try_lock(BOT) is None
        assert two.try_lock(BOT) is None
        assert not taken_by_a_thread(one, BOT)
        with held(two, "another account"):
            pass
    assert taken_by_a_thread(one, BOT)
    with held(two, BOT):
        assert one.try_lock(BOT) is None


def test_reading_and_saving_need_no_lock(place: Place) -> None:
    with held(place.store(), BOT):
        place.store().save(ACCOUNT)
        assert place.store().load(BOT) == ACCOUNT
        assert place.store().accounts() == [ACCOUNT]


def test_a_killed_process_gives_its_lock_back(place: Place) -> None:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_hold, args=(place.root, place.environ, theirs))
    process.start()
    assert ours.recv()
    assert place.store().try_lock(BOT) is None
    process.kill()
    process.join()
    _wait_for_the_lock(place)


def _wait_for_the_lock(place: Place) -> None:
    """A server notices the end of a session a moment later."""
    store = place.store()
    while (release := store.try_lock(BOT)) is None:
        pass
    release()


def _hold(root: Path, environ: dict[str, str], pipe: object) -> None:
    root.mkdir(exist_ok=True)
    release = open_store(find_project(root, {**environ, "NOTION_PIPELINE_KEY": KEY})).try_lock(BOT)
    pipe.send(release is not None)  # type: ignore[attr-defined]
    pipe.recv()  # type: ignore[attr-defined]
