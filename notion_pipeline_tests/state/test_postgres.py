"""State in a PostgreSQL: what a lost connection, a fork, a password and a server that is away do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from notion_pipeline.config.shared_state import open_state
from notion_pipeline.config.sources import load_sources, parse_sources
from notion_pipeline.errors import ConfigError, StateError
from notion_pipeline.project import project_at
from notion_pipeline.state.address import postgres_address, without_secrets
from notion_pipeline.state.interface import wait_for_lock
from notion_pipeline.state.postgres import PostgresState
from notion_pipeline_tests.support.ports import free_port
from notion_pipeline_tests.support.processes.postgres import query
from notion_pipeline_tests.support.shared_state import StatePlace

LOCK = "locks/notion/a.lock"


def test_a_lost_connection_is_made_again(database: StatePlace) -> None:
    state = database.open()
    state.write("a", b"1")
    lock = state.try_lock(LOCK)
    database.end_sessions()
    assert state.read("a") == b"1"
    assert lock is not None
    assert lock.is_held(), "nobody else had it meanwhile"
    assert database.open().try_lock(LOCK) is None


def test_who_lost_a_lock_to_somebody_else_is_told(database: StatePlace) -> None:
    state, other = database.open(), database.open()
    lost, kept = state.try_lock(LOCK), state.try_lock("locks/notion/b.lock")
    assert lost is not None
    assert kept is not None
    other.now()
    database.end_sessions()
    theirs = other.try_lock(LOCK)
    assert theirs is not None
    assert not lost.is_held()
    assert kept.is_held()
    lost.release()
    assert theirs.is_held()


def test_a_lock_that_somebody_else_had_for_a_moment_is_lost(database: StatePlace) -> None:
    state, other = database.open(), database.open()
    lost = state.try_lock(LOCK)
    database.end_sessions()
    theirs = other.try_lock(LOCK)
    assert theirs is not None
    theirs.release()
    assert lost is not None
    assert not lost.is_held()
    assert other.try_lock(LOCK) is not None


def test_shared_locks_are_taken_again(database: StatePlace) -> None:
    state, other = database.open(), database.open()
    locks = [state.try_lock(LOCK, shared=True) for _ in range(2)]
    database.end_sessions()
    assert all(lock is not None and lock.is_held() for lock in locks)
    assert other.try_lock(LOCK) is None
    for lock in locks:
        assert lock is not None
        lock.release()
    assert other.try_lock(LOCK) is not None


def test_a_forked_process_has_a_connection_and_locks_of_its_own(database: StatePlace) -> None:
    state = database.open()
    lock = state.try_lock(LOCK)
    assert lock is not None
    child = os.fork()
    if not child:
        try:
            fine = not lock.is_held() and state.try_lock(LOCK) is None and state.try_lock("locks/b.lock") is not None
            lock.release()
            state.write("child", b"1")
            os._exit(0 if fine else 1)
        except BaseException:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0
    assert state.read("child") == b"1"
    assert lock.is_held()
    assert database.open().try_lock(LOCK) is None
    assert state.try_lock("locks/b.lock") is not None


def test_a_forked_process_that_lives_on_keeps_no_lock_of_its_killed_parent(database: StatePlace) -> None:
    body = f"""
import os, time
lock = state.try_lock({LOCK!r})
if not os.fork():
    os.close(0), os.close(1)
    time.sleep(60)
    os._exit(0)
"""
    state = database.open()
    with database.process(body) as parent:
        assert state.try_lock(LOCK) is None
        parent.kill()
        parent.wait()
        assert wait_for_lock(state, LOCK).is_held()


def test_a_clock_that_was_set_back_stops_nobody_for_longer_than_an_hour(database: StatePlace) -> None:
    state = database.open()
    state.next_turn("account", 1.0)
    query(
        database.port,
        "update notion_pipeline_state.budgets set next_at = clock_timestamp() + interval '5 hours'",
        database.name,
    )
    assert state.next_turn("account", 1.0) <= 3600


def test_a_user_who_may_make_nothing_uses_what_is_there(database: StatePlace) -> None:
    database.open().write("a", b"1")
    grants = (
        "create role plain login; grant usage on schema notion_pipeline_state to plain;"
        "grant select, insert, update, delete on all tables in schema notion_pipeline_state to plain;"
        "grant usage on all sequences in schema notion_pipeline_state to plain;"
    )
    query(database.port, grants, database.name)
    try:
        url = f"postgresql://plain@127.0.0.1:{database.port}/{database.name}"
        state = PostgresState(postgres_address(url, {}))
        state.write("a", b"2")
        assert state.try_lock(LOCK) is not None
        query(database.port, f"create database bare_{database.name}")
        bare = PostgresState(postgres_address(url.replace(database.name, f"bare_{database.name}"), {}))
        with pytest.raises(StateError, match="permission denied"):
            bare.read("a")
        state.close()
    finally:
        query(database.port, "drop owned by plain; drop role plain;", database.name)


def test_two_that_begin_at_once_make_the_tables_once(database: StatePlace) -> None:
    body = "state.write('a', b'1')"
    with database.process(body), database.process(body), database.process(body):
        assert database.open().read("a") == b"1"


def test_a_server_that_is_away_is_named_without_the_password(tmp_path: Path) -> None:
    pytest.importorskip("psycopg2")
    url = f"postgresql://notion:hunter2hunter2@127.0.0.1:{free_port()}/state"
    state = open_state(project_at(tmp_path, {"NOTION_PIPELINE_STATE": url}), None)
    with pytest.raises(StateError) as caught:
        state.read("a")
    assert "postgresql://notion@127.0.0.1:" in str(caught.value)
    assert "cannot be reached" in str(caught.value)
    assert "hunter2" not in str(caught.value) + repr(state) + state.place


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg2"])
def test_the_url_may_be_written_as_others_do(database: StatePlace, tmp_path: Path, scheme: str) -> None:
    url = database.environ["NOTION_PIPELINE_STATE"].replace("postgresql", scheme, 1)
    (tmp_path / "sources.yaml").write_text(f"state: {url}\n", "utf-8")
    project = project_at(tmp_path, {})
    state = load_sources(project).open_state(project)
    state.write("a", b"1")
    assert database.open().read("a") == b"1"
    assert state.place == url


def test_a_password_is_refused_in_sources_yaml() -> None:
    for url in ("postgresql://u:swordfish1@h/d", "postgres://u@h/d?password=swordfish1"):
        with pytest.raises(ConfigError, match="state: a password does not belong in this file") as caught:
            parse_sources({"state": url})
        assert "swordfish1" not in str(caught.value)


@pytest.mark.parametrize("value", ["", "mysql://u@h/d", ["x"], {"env": "A", "more": "B"}, {"env": "no name"}, 5])
def test_what_is_no_place_is_refused(value: object) -> None:
    with pytest.raises(ConfigError, match=r"state: .*(allowed|variable)"):
        parse_sources({"state": value})


def test_the_variable_wins_and_a_reference_is_resolved(tmp_path: Path) -> None:
    project = project_at(tmp_path, {"STATE_URL": "postgresql://a@h/d", "PGPASSWORD": "swordfish1"})
    sources = parse_sources({"state": {"env": "STATE_URL"}})
    assert sources.open_state(project).place == "postgresql://a@h/d"
    won = project_at(tmp_path, {"STATE_URL": "postgresql://a@h/d", "NOTION_PIPELINE_STATE": "elsewhere"})
    assert sources.open_state(won).place == str(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match="STATE_URL is not set"):
        sources.open_state(project_at(tmp_path, {}))
    assert parse_sources({}).open_state(project_at(tmp_path, {})).place == str(tmp_path / ".notion_pipeline")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:p@h:5432/d?sslmode=require", "postgresql://u@h:5432/d"),
        ("postgresql://u:p#w@h/d", "postgresql://u@h/d"),
        ("postgresql://u:p/w@h/d", "postgresql://u@h/d"),
        ("postgresql://u:p?w@h/d", "postgresql://u@h/d"),
        ("postgresql://u:p@w@h1:1,h2:2/d", "postgresql://u@h1:1,h2:2/d"),
        ("postgresql:///d?host=/run&password=x", "postgresql:///d"),
    ],
)
def test_what_is_shown_of_an_address_has_no_password(url: str, shown: str) -> None:
    assert without_secrets(url) == shown
