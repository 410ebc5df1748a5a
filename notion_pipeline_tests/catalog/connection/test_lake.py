"""A catalog in a DuckLake: many writers at once, readers that never wait, and what is said when it cannot be opened."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.catalog.connection.lake_extensions import load_extensions
from notion_pipeline.catalog.dialect import FILE, LAKE, dialect_of
from notion_pipeline.catalog.listing.table_renames import can_be_renamed, rename_tables
from notion_pipeline.catalog.sql import tables_in
from notion_pipeline.config.fields.catalog_location import Lake, location_of
from notion_pipeline.errors import CatalogConflictError, CatalogError
from notion_pipeline.rows.naming import TableRename
from notion_pipeline_tests.support.catalog.lakehouse import needs_ducklake, needs_postgres
from notion_pipeline_tests.support.patience import PATIENCE
from notion_pipeline_tests.support.processes.postgres import postgres, query

pytestmark = [needs_ducklake, needs_postgres]


@pytest.fixture(scope="module")
def server() -> Iterator[int]:
    with postgres() as port:
        yield port


@pytest.fixture(params=["file", "postgres"])
def location(request: pytest.FixtureRequest, server: int, tmp_path: Path) -> Lake:
    if request.param == "file":
        found = location_of(f"ducklake:{tmp_path / 'x.ducklake'}", str(tmp_path / "files"), Path)
    else:
        found = on_server(server, tmp_path)
    assert isinstance(found, Lake)
    return found


def on_server(port: int, folder: Path) -> Lake:
    name = f"lake_{abs(hash(str(folder)))}"
    query(port, f"CREATE DATABASE {name}")
    found = location_of(
        f"ducklake:postgres:dbname={name} host=127.0.0.1 port={port} user=notion", str(folder / "files"), Path
    )
    assert isinstance(found, Lake)
    return found


def catalog_at(location: Lake, wait_seconds: float = PATIENCE) -> Catalog:
    return Catalog(location, log=lambda _: None, wait_seconds=wait_seconds)


def make(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("CREATE SCHEMA IF NOT EXISTS notion; CREATE TABLE IF NOT EXISTS notion.t (a INTEGER)")
    connection.execute("INSERT INTO notion.t VALUES (1)")


def values(catalog: Catalog) -> list[int]:
    with catalog.reading() as connection:
        assert connection is not None
        return sorted(row[0] for row in connection.execute("SELECT a FROM notion.t").fetchall())


def test_first_commit_makes_it_and_every_commit_shows(location: Lake) -> None:
    catalog = catalog_at(location)
    with catalog.reading() as connection:
        assert connection is None
    assert catalog.version() is None
    catalog.commit(make)
    first = catalog.version()
    assert first is not None
    assert values(catalog) == [1]
    assert catalog.version() == first
    catalog.commit(make)
    assert catalog.version() != first
    assert values(catalog_at(location)) == [1, 1]


def test_failed_transaction_changes_nothing(location: Lake) -> None:
    catalog = catalog_at(location)
    catalog.commit(make)
    with pytest.raises(ZeroDivisionError), catalog.writing() as connection:
        make(connection)
        raise ZeroDivisionError
    assert values(catalog) == [1]


def test_within_a_transaction_a_reader_sees_what_is_committed(location: Lake) -> None:
    catalog = catalog_at(location)
    catalog.commit(make)
    with catalog.kept_open():
        for count in (1, 2):
            with catalog.writing() as connection:
                make(connection)
                assert len(values(catalog)) == count
    assert values(catalog) == [1, 1, 1]


def test_every_program_writes_small_inserts_as_files_and_large_ones_in_small_groups(location: Lake) -> None:
    catalog = catalog_at(location)
    catalog.commit(make)
    with catalog.reading() as connection:
        assert connection is not None
        found = options(connection)
    assert found["data_inlining_row_limit"] == "0"
    assert found["parquet_row_group_size_bytes"] == "8000000"
    assert list(Path(location.data_path).rglob("*.parquet"))


def test_options_that_a_killed_maker_left_unset_are_set_by_the_next_writer(location: Lake) -> None:
    with duckdb.connect() as other:
        load_extensions(other, location)
        other.execute(f"ATTACH '{location}' AS lake (DATA_PATH '{location.data_path}')")
        other.execute("CREATE VIEW lake.of_theirs AS SELECT 1 AS a")
    catalog = catalog_at(location)
    with catalog.reading() as connection:
        assert connection is not None
        assert "data_inlining_row_limit" not in options(connection)
    catalog.commit(make)
    with catalog.reading() as connection:
        assert connection is not None
        assert options(connection)["data_inlining_row_limit"] == "0"
        assert options(connection)["parquet_row_group_size_bytes"] == "8000000"


def options(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    return dict(connection.execute("SELECT option_name, value FROM ducklake_options('_lake')").fetchall())


@pytest.mark.slow
def test_wide_rows_fit_the_memory_of_a_commit(location: Lake) -> None:
    catalog = catalog_at(location)
    catalog.commit(make)
    wide = "SELECT i AS id, repeat(md5(i::VARCHAR), 120) AS properties FROM range(60000) t(i)"
    catalog.commit(lambda connection: connection.execute(f"CREATE TABLE notion.wide AS {wide}"))
    with catalog.reading() as connection:
        assert connection is not None
        assert connection.execute("SELECT count(*), sum(length(properties)) FROM notion.wide").fetchall() == [
            (60_000, 60_000 * 120 * 32)
        ]


def test_a_block_of_reads_is_one_transaction_and_sees_one_state(server: int, tmp_path: Path) -> None:
    location = on_server(server, tmp_path)
    catalog_at(location).commit(make)

    def commit() -> None:
        writer = threading.Thread(target=lambda: catalog_at(location).commit(make))
        writer.start()
        writer.join(timeout=PATIENCE)

    for in_one_state, then in ((True, 1), (False, 3)):
        with catalog_at(location).reading(in_one_state=in_one_state) as connection:
            assert connection is not None
            before = connection.execute("SELECT count(*) FROM notion.t").fetchall()
            commit()
            after = connection.execute("SELECT count(*) FROM notion.t").fetchall()
            assert (after == before) == in_one_state
            assert after == [(then,)]


def test_table_that_nothing_depends_on_can_be_renamed(location: Lake) -> None:
    catalog, told = catalog_at(location), list[str]()
    catalog.commit(make)

    def rename(connection: duckdb.DuckDBPyConnection) -> bool:
        possible = can_be_renamed(connection, "notion", TableRename("x", "t", "tasks"), told.append)
        rename_tables(connection, "notion", [("t", "tasks")], set())
        return possible

    assert catalog.commit(rename), told
    with catalog.reading() as connection:
        assert connection is not None
        assert tables_in(connection, "notion") == {"tasks"}


def test_dialects(location: Lake, tmp_path: Path) -> None:
    with catalog_at(location).writing() as connection:
        assert dialect_of(connection) == LAKE
    with Catalog(tmp_path / "catalog.duckdb", log=print).writing() as connection:
        assert dialect_of(connection) == FILE


def test_readers_do_not_wait_for_a_writer(server: int, tmp_path: Path) -> None:
    location = on_server(server, tmp_path)
    catalog_at(location).commit(make)
    with catalog_at(location).writing() as connection:
        make(connection)
        found: list[list[int]] = []
        reader = threading.Thread(target=lambda: found.append(values(catalog_at(location, wait_seconds=0.0))))
        reader.start()
        reader.join(timeout=PATIENCE)
        assert found == [[1]]


def test_commit_that_lost_a_race_is_made_again_as_a_whole(server: int, tmp_path: Path) -> None:
    location = on_server(server, tmp_path)
    catalog_at(location).commit(make)
    attempts = 0

    def change(connection: duckdb.DuckDBPyConnection) -> None:
        nonlocal attempts
        attempts += 1
        connection.execute("UPDATE notion.t SET a = a + 1")
        if attempts == 1:
            other = threading.Thread(
                target=lambda: catalog_at(location).commit(lambda theirs: theirs.execute("UPDATE notion.t SET a = 10"))
            )
            other.start()
            other.join(timeout=PATIENCE)

    catalog_at(location).commit(change)
    assert attempts == 2
    assert values(catalog_at(location)) == [11]


def test_lost_race_tells_its_reason_where_nobody_waits(server: int, tmp_path: Path) -> None:
    location = on_server(server, tmp_path)
    catalog_at(location).commit(make)

    def change(connection: duckdb.DuckDBPyConnection) -> None:
        connection.execute("UPDATE notion.t SET a = 2")
        other = threading.Thread(
            target=lambda: catalog_at(location).commit(lambda theirs: theirs.execute("DELETE FROM notion.t"))
        )
        other.start()
        other.join(timeout=PATIENCE)

    with pytest.raises(CatalogConflictError, match=r"other commits came first\..*another transaction"):
        catalog_at(location, wait_seconds=0.0).commit(change)
    assert values(catalog_at(location)) == []


WRITER = """
import sys
from pathlib import Path
from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.config.fields.catalog_location import location_of
catalog = Catalog(location_of(sys.argv[1], sys.argv[2], Path), log=lambda _: None, wait_seconds=600)
for _ in range(5):
    catalog.commit(lambda connection: connection.execute("UPDATE notion.t SET a = a + 1"))
"""


def test_no_commit_of_several_processes_is_lost(location: Lake) -> None:
    catalog_at(location).commit(make)
    command = [sys.executable, "-c", WRITER, str(location), location.data_path]
    writers = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    said = [writer.communicate(timeout=PATIENCE)[1] for writer in writers]
    assert [writer.returncode for writer in writers] == [0, 0, 0], said
    assert values(catalog_at(location)) == [16]


MAKER = """
import sys
from pathlib import Path
from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.config.fields.catalog_location import location_of
from notion_pipeline_tests.catalog.connection.test_lake import make
catalog = Catalog(location_of(sys.argv[1], sys.argv[2], Path), log=lambda _: None, wait_seconds=600)
print("ready", flush=True)
sys.stdin.readline()
catalog.commit(make)
"""


@pytest.mark.slow
def test_several_processes_make_it_at_once(location: Lake) -> None:
    command = [sys.executable, "-c", MAKER, str(location), location.data_path]
    pipe = subprocess.PIPE
    makers = [subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) for _ in range(4)]
    for maker in makers:
        assert maker.stdout is not None
        assert maker.stdout.readline() == "ready\n"
    for maker in makers:
        assert maker.stdin is not None
        maker.stdin.write("\n")
        maker.stdin.flush()
    said = [maker.communicate(timeout=PATIENCE)[1] for maker in makers]
    assert [maker.returncode for maker in makers] == [0] * 4, said
    assert values(catalog_at(location)) == [1] * 4


def test_what_cannot_be_opened_says_why(server: int, tmp_path: Path) -> None:
    nobody = f"ducklake:postgres:dbname=nowhere host=127.0.0.1 port={server} user=notion"
    environ = {"PGPASSWORD": "s3cret-pass"}
    catalog = Catalog(location_of(nobody, str(tmp_path), Path, environ), log=print)
    with pytest.raises(CatalogError, match='database "nowhere" does not exist') as refused, catalog.reading():
        pass
    assert "s3cret-pass" not in f"{refused.value} {refused.value.hint}"
    (tmp_path / "other.ducklake").write_text("not a database")
    for use in ("reading", "writing"):
        catalog = Catalog(location_of(f"ducklake:{tmp_path / 'other.ducklake'}", None, Path), log=print)
        with pytest.raises(CatalogError), getattr(catalog, use)():
            pass
    catalog = Catalog(location_of(f"ducklake:{tmp_path / 'no' / 'x'}", None, Path), log=print)
    with pytest.raises(CatalogError, match="folder of its file does not exist"), catalog.writing():
        pass


def test_another_data_path_is_refused(location: Lake, tmp_path: Path) -> None:
    catalog_at(location).commit(make)
    elsewhere = Lake(location.metadata, str(tmp_path / "elsewhere"), {"another": "key"})
    script = WRITER.replace("for _ in range(5):", "for _ in range(1):")
    command = [sys.executable, "-c", script, str(elsewhere), elsewhere.data_path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "does not match existing data path" in done.stderr


def test_server_that_was_restarted_is_found_again(server: int, tmp_path: Path) -> None:
    location = on_server(server, tmp_path)
    catalog = catalog_at(location)
    catalog.commit(make)
    query(server, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
    catalog.commit(make)
    assert values(catalog) == [1, 1]
