"""What the catalog knows of itself is only added to, and read through views; former catalogs take this form."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from notion_pipeline.catalog import state as bookkeeping
from notion_pipeline.errors import CatalogError
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.http.server import SandboxServer
from notion_pipeline_tests.support.catalog import catalogs
from notion_pipeline_tests.support.catalog.former_catalog import FORMER, make_former
from notion_pipeline_tests.support.sync.bench import Bench

pytestmark = pytest.mark.slow

SOURCE = "notion"
AT = datetime(2026, 7, 1, tzinfo=timezone.utc)


@pytest.fixture
def bench(workspace: Workspace, sandbox: SandboxServer, tmp_path: Path) -> Bench:
    """Two synced databases, one of them acknowledged, the other to be read in full next, and refused archived rows."""
    found = Bench(workspace, sandbox.url, tmp_path)
    for title in ("Tasks", "Notes"):
        database = workspace.add_database(title, {"Name": "title", "Number": "number"})
        database.data_source.add_page({"Name": f"{title} 1", "Number": 1})
    found.sync()
    with found.catalog.writing() as connection:
        keys = {name: key for key, name in bookkeeping.table_names(connection, SOURCE).items()}
        bookkeeping.acknowledge(connection, SOURCE, [keys["tasks"]], AT)
        bookkeeping.require_full_read(connection, SOURCE, [keys["notes"]])
        connection.execute("UPDATE _notion_pipeline.read_versions SET archived_refused = 'no' WHERE account <> ''")
        bookkeeping.note_content_table(connection, SOURCE, "users", "users")
    return found


def rows(bench: Bench) -> dict[str, list[tuple[Any, ...]]]:
    """All that stands under the names of the former tables."""
    return {name: bench.query(f"FROM _notion_pipeline.{name} ORDER BY ALL") for name in FORMER}


def known(bench: Bench) -> list[object]:
    """What is read without writing."""
    with bench.catalog.reading() as connection:
        assert connection is not None
        assert bookkeeping.has_bookkeeping(connection)
        return [
            bookkeeping.stream_states(connection, SOURCE),
            bookkeeping.committed_bookmarks(connection, SOURCE),
            bookkeeping.last_fetches(connection, SOURCE),
            bookkeeping.content_tables(connection, SOURCE),
            bookkeeping.acknowledgements(connection, SOURCE),
            bookkeeping.noted_limits(connection, SOURCE),
        ]


def states(bench: Bench) -> dict[str, bookkeeping.StreamState]:
    with bench.catalog.reading() as connection:
        assert connection is not None
        return bookkeeping.stream_states(connection, SOURCE)


def former(bench: Bench, *more: str) -> None:
    with bench.catalog.writing() as connection:
        make_former(connection)
        for sql in more:
            connection.execute(sql)


def kinds(bench: Bench) -> dict[str, str]:
    found = bench.query(
        "SELECT table_name, 'table' FROM duckdb_tables() WHERE schema_name = '_notion_pipeline' "
        "UNION ALL SELECT view_name, 'view' FROM duckdb_views() WHERE schema_name = '_notion_pipeline'"
    )
    return dict(found)


def test_catalog_of_the_version_before_is_read_as_it_is_and_moved_by_the_first_commit(bench: Bench) -> None:
    before, read, present = rows(bench), known(bench), kinds(bench)
    assert all(before.values())
    former(bench, "CREATE SCHEMA mine", "CREATE VIEW mine.marks AS SELECT * FROM _notion_pipeline.streams")
    assert rows(bench) == before
    assert known(bench) == read
    assert set(kinds(bench).values()) == {"table"}
    with bench.catalog.writing() as connection:
        bookkeeping.create_tables(connection)
    assert rows(bench) == before
    assert known(bench) == read
    assert kinds(bench) == present
    landed = bench.sync()
    assert {table: result.rows_read for table, result in landed.items()} == {"tasks": 0, "notes": 1}
    marks = bench.query("SELECT source, table_name, bookmark FROM mine.marks ORDER BY 2")
    assert [(source, table) for source, table, _ in marks] == [(SOURCE, "notes"), (SOURCE, "tasks")]
    assert {bookmark for *_, bookmark in marks} == {result.bookmark for result in landed.values()}


def test_catalog_of_a_version_before_that_lacks_tables_and_columns_is_moved_too(bench: Bench) -> None:
    streams = rows(bench)["streams"]
    gone = ("looks", "content_tables", "acknowledgements", "refusals")
    former(
        bench,
        *(f"DROP TABLE _notion_pipeline.{name}" for name in gone),
        *(f"ALTER TABLE _notion_pipeline.reads DROP COLUMN {column}" for column in ("comments", "limits")),
        *(f'ALTER TABLE _notion_pipeline.syncs DROP COLUMN "{column}"' for column in ("read", "reason")),
    )
    assert len(states(bench)) == 2
    with bench.catalog.writing() as connection:
        bookkeeping.create_tables(connection)
    found = rows(bench)
    assert found["streams"] == streams
    assert [found[name] for name in gone] == [[]] * 4
    assert {table: result.rows_read for table, result in bench.sync().items()} == {"tasks": 0, "notes": 1}
    assert len(rows(bench)["looks"]) == 2


def test_commit_that_fails_leaves_the_former_catalog(bench: Bench) -> None:
    former(bench)
    before = kinds(bench), rows(bench)
    with pytest.raises(CatalogError, match="nowhere"), bench.catalog.writing() as connection:
        bookkeeping.create_tables(connection)
        connection.execute("FROM nowhere")
    assert (kinds(bench), rows(bench)) == before


def test_file_holds_the_latest_versions_alone(bench: Bench) -> None:
    catalogs.only_in_a_file("a lake keeps them until its upkeep")
    for _ in range(3):
        bench.sync()
    held = {
        name: bench.query(f"SELECT count(*) FROM _notion_pipeline.{name}")[0][0]
        for name, kind in kinds(bench).items()
        if name.endswith("_versions") and kind == "table"
    }
    assert {name: count for name, count in held.items() if count != 2} == {
        "acknowledgement_versions": 1,
        "content_table_versions": 1,
        "full_read_versions": 0,
    }


def test_full_read_that_was_asked_for_during_an_incremental_one_follows(workspace: Workspace, bench: Bench) -> None:
    bench.sync()
    workspace.clock.advance(timedelta(hours=1))
    for database in workspace.databases.values():
        database.data_source.add_page({"Name": "new", "Number": 2})
    listing, _ = bench.list()
    reads = bench.reads(listing)
    with bench.catalog.writing() as connection:
        keys = list(bookkeeping.table_names(connection, SOURCE))
        bookkeeping.require_full_read(connection, SOURCE, keys)
    for read in reads:
        for extract, result in bench.commit(read):
            assert result.rows_inserted == 1
            extract.stage.remove()
    assert bench.query("SELECT DISTINCT next_read_is_full FROM _notion_pipeline.reads") == [(True,)]
    assert {result.rows_read for result in bench.sync().values()} == {2}
    assert bench.query("SELECT DISTINCT next_read_is_full FROM _notion_pipeline.reads") == [(False,)]


def test_views_take_no_writes(bench: Bench) -> None:
    """As of an earlier version of this package that opens the catalog: it fails before it changes anything."""
    before = rows(bench)
    for sql in (
        "ALTER TABLE _notion_pipeline.reads ADD COLUMN IF NOT EXISTS comments VARCHAR",
        "UPDATE _notion_pipeline.streams SET bookmark = NULL",
        "DELETE FROM _notion_pipeline.reads",
    ):
        with pytest.raises(CatalogError), bench.catalog.writing() as connection:
            connection.execute(sql)
    assert rows(bench) == before
