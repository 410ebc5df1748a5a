"""Events of a group of databases are stored in one transaction, whatever ends it, and by whichever thread."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster import DagsterInstance

from notion_pipeline.defs.dagster_internals import events_in_one_transaction

KEYS = [dg.AssetKey(["notion", f"table_{number}"]) for number in range(3)]


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[DagsterInstance]:
    with DagsterInstance.local_temp(str(tmp_path)) as found:
        # The files of events are there in any run: its first events are stored before.
        report(found, "before")
        yield found


def report(instance: DagsterInstance, name: str) -> None:
    instance.report_runless_asset_event(dg.AssetMaterialization(dg.AssetKey(["notion", name]), tags={"made": "now"}))


def stored(tmp_path: Path) -> int:
    """How many materializations another process would see."""
    (index,) = tmp_path.rglob("index.db")
    with sqlite3.connect(index) as connection:
        ((found,),) = connection.execute(
            "SELECT count(*) FROM event_logs WHERE dagster_event_type = 'ASSET_MATERIALIZATION'"
        ).fetchall()
    connection.close()
    return int(found)


def test_what_is_logged_within_is_stored_at_the_end(instance: DagsterInstance, tmp_path: Path) -> None:
    with events_in_one_transaction(instance):
        for key in KEYS:
            report(instance, key.path[-1])
        assert stored(tmp_path) == 1
        # Who logs them sees them.
        assert instance.get_latest_materialization_event(KEYS[0]) is not None
    assert stored(tmp_path) == 1 + len(KEYS)
    assert all(instance.get_latest_materialization_event(key) is not None for key in KEYS)


def test_what_was_logged_is_stored_where_the_block_fails(instance: DagsterInstance, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), events_in_one_transaction(instance):
        report(instance, "a")
        raise KeyboardInterrupt
    assert stored(tmp_path) == 2


def test_other_threads_store_their_events_meanwhile(instance: DagsterInstance, tmp_path: Path) -> None:
    with events_in_one_transaction(instance):
        report(instance, "a")
        thread = threading.Thread(target=report, args=(instance, "b"))
        thread.start()
        thread.join()
    report(instance, "c")
    assert stored(tmp_path) == 4


def test_one_within_another_is_the_same_transaction(instance: DagsterInstance, tmp_path: Path) -> None:
    with events_in_one_transaction(instance):
        with events_in_one_transaction(instance):
            report(instance, "a")
        assert stored(tmp_path) == 1
    assert stored(tmp_path) == 2


def test_other_storages_are_left_as_they_are() -> None:
    with DagsterInstance.ephemeral() as instance:
        with events_in_one_transaction(instance):
            report(instance, "a")
            assert instance.get_latest_materialization_event(dg.AssetKey(["notion", "a"])) is not None
        assert instance.get_latest_materialization_event(dg.AssetKey(["notion", "a"])) is not None
