"""Bookkeeping in a DuckLake: commits that add to the same tables at the same time never get in each other's way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import duckdb
import pytest

from notion_pipeline.catalog import state as bookkeeping
from notion_pipeline.catalog.connection.lake_extensions import load_extensions
from notion_pipeline.catalog.state import CommitRecords
from notion_pipeline.catalog.state.tables import BOOKMARKS, FULL_READS, SYNCS
from notion_pipeline.catalog.upkeep.superseded import remove_superseded
from notion_pipeline.config.fields.catalog_location import Lake, location_of
from notion_pipeline_tests.support.catalog.lakehouse import needs_ducklake, needs_postgres
from notion_pipeline_tests.support.processes.postgres import postgres

pytestmark = [needs_ducklake, pytest.mark.slow]

SOURCES = ("one", "other")
AT = datetime(2026, 7, 1, tzinfo=timezone.utc)


@pytest.fixture(params=["file", pytest.param("postgres", marks=needs_postgres)])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A lake, attached, whose metadata lie in a file or in PostgreSQL."""
    with ExitStack() as stack:
        place = f"ducklake:{tmp_path / 'x.ducklake'}"
        if request.param == "postgres":
            place = (
                f"ducklake:postgres:host=127.0.0.1 port={stack.enter_context(postgres())} user=notion dbname=postgres"
            )
        location = location_of(place, str(tmp_path / "files"), Path)
        assert isinstance(location, Lake)
        connection = stack.enter_context(duckdb.connect())
        load_extensions(connection, location)
        connection.execute(f"ATTACH '{place}' AS lake (DATA_PATH '{tmp_path / 'files'}', DATA_INLINING_ROW_LIMIT 0)")
        with writer(connection) as first:
            first.execute("BEGIN")
            bookkeeping.create_tables(first)
            for source in SOURCES:
                bookkeeping.name_streams(first, source, [("tasks", "db", "tasks")])
            first.execute("COMMIT")
        yield connection


@contextmanager
def writer(connection: duckdb.DuckDBPyConnection) -> Iterator[duckdb.DuckDBPyConnection]:
    with connection.cursor() as cursor:
        cursor.execute("USE lake; SET TimeZone = 'UTC'")
        yield cursor


def record(connection: duckdb.DuckDBPyConnection, source: str, number: int, *, full: bool = False) -> None:
    """What a commit records of a sync."""
    bookkeeping.create_tables(connection)
    state = bookkeeping.stream_states(connection, source, ["tasks"])["tasks"]
    at = AT + timedelta(minutes=number)
    records = CommitRecords(connection)
    records.add_read(
        state,
        sync_type="INCREMENTAL",
        bookmark=at,
        fingerprint=f"print {number}",
        columns=[],
        finished_at=at,
        full=full,
        account="account",
        start_date=None,
        excluded=(),
        snapshot={},
        hidden_relations={},
        comments="",
        limits="{}",
        archived_refused="",
        unclear_relations={},
    )
    bookkeeping.note_fetches(connection, source, {"db": str(number)}, at)
    entry: dict[str, Any] = {**dict.fromkeys(SYNCS), "source": source, "data_source_id": "tasks", "finished_at": at}
    records.add_sync({**entry, "stage_id": f"{source} {number}"})
    records.write()


def found(connection: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[Any, ...]]:
    return connection.execute(sql).fetchall()


def test_commits_of_two_sources_at_the_same_time_all_succeed(lake: duckdb.DuckDBPyConnection) -> None:
    with writer(lake) as one, writer(lake) as other:
        for number in range(20):
            for connection, source in zip((one, other), SOURCES, strict=True):
                connection.execute("BEGIN")
                record(connection, source, number)
            one.execute("COMMIT")
            other.execute("COMMIT")
        assert found(one, "SELECT count(DISTINCT stage_id) FROM _notion_pipeline.syncs") == [(40,)]
        last = AT + timedelta(minutes=19)
        assert found(one, "SELECT source, bookmark, schema_fingerprint FROM _notion_pipeline.streams ORDER BY 1") == [
            (source, last, "print 19") for source in SOURCES
        ]
        assert found(one, "SELECT marks FROM _notion_pipeline.looks") == [("19",), ("19",)]


def test_listing_that_asks_for_a_full_read_meets_a_sync_and_both_stand(lake: duckdb.DuckDBPyConnection) -> None:
    with writer(lake) as sync, writer(lake) as listing:
        record(sync, "one", 1)
        bookkeeping.require_full_read(listing, "one", ["tasks"])
        sync.execute("BEGIN")
        listing.execute("BEGIN")
        record(sync, "one", 2, full=True)
        bookkeeping.require_full_read(listing, "one", ["tasks"])
        bookkeeping.name_streams(listing, "one", [("tasks", "db", "renamed")])
        sync.execute("COMMIT")
        listing.execute("COMMIT")
        state = bookkeeping.stream_states(sync, "one", ["tasks"])["tasks"]
        assert (state.table_name, state.fingerprint, state.next_read_is_full) == ("renamed", "print 2", True)


def test_two_that_name_one_data_source_at_once_leave_one(lake: duckdb.DuckDBPyConnection) -> None:
    with writer(lake) as one, writer(lake) as other:
        for connection, name in ((one, "tasks"), (other, "tasks_2")):
            connection.execute("BEGIN")
            bookkeeping.name_streams(connection, "new", [("tasks", "db", name)])
        one.execute("COMMIT")
        other.execute("COMMIT")
        names = found(one, "SELECT table_name FROM _notion_pipeline.streams WHERE source = 'new'")
        assert len(names) == 1
        assert names == found(other, "SELECT table_name FROM _notion_pipeline.streams WHERE source = 'new'")


def test_superseded_versions_stay_until_they_are_removed(lake: duckdb.DuckDBPyConnection) -> None:
    with writer(lake) as connection:
        for number in range(3):
            record(connection, "one", number)
        bookkeeping.require_full_read(connection, "one", ["tasks"])
        record(connection, "one", 3, full=True)
        names = [row[0] for row in found(connection, "SELECT view_name FROM duckdb_views() WHERE NOT internal")]
        shown = {name: found(connection, f"FROM _notion_pipeline.{name} ORDER BY ALL") for name in names}
        assert found(connection, f"SELECT count(*) FROM {BOOKMARKS.address} WHERE NOT is_removed") == [(4,)]
        remove_superseded(connection)
        assert found(connection, f"SELECT count(*) FROM {BOOKMARKS.address}") == [(1,)]
        assert found(connection, f"SELECT count(*) FROM {FULL_READS.address}") == [(0,)]
        assert {name: found(connection, f"FROM _notion_pipeline.{name} ORDER BY ALL") for name in names} == shown


def test_commit_makes_no_table_that_is_there(lake: duckdb.DuckDBPyConnection) -> None:
    with writer(lake) as connection:
        before = found(connection, "SELECT max(snapshot_id) FROM ducklake_snapshots('lake')")
        bookkeeping.create_tables(connection)
        assert found(connection, "SELECT max(snapshot_id) FROM ducklake_snapshots('lake')") == before
