"""The catalog's file: opened with patience, closed surely, and what it held is there whatever goes wrong."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import duckdb
import pytest

from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.errors import CatalogBusyError, CatalogError
from notion_pipeline_tests.support.patience import PATIENCE
from notion_pipeline_tests.support.processes.holder import held_by_another_process

FULL_DISK = """
import resource, sys
from pathlib import Path
from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.errors import CatalogError
path = Path(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 200_000,) * 2)
try:
    with Catalog(path, log=print).writing() as connection:
        connection.execute("DELETE FROM kept")
        connection.execute("CREATE TABLE big AS SELECT range AS a, hash(range)::VARCHAR AS b FROM range(1000000)")
except CatalogError as error:
    print("CatalogError:", error)
"""
READER = """
import sys
from pathlib import Path
from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.errors import CatalogBusyError
try:
    with Catalog(Path(sys.argv[1]), log=lambda _: None, wait_seconds=0.1).reading() as connection:
        print(connection.execute("FROM kept").fetchall())
except CatalogBusyError as error:
    print("CatalogBusyError:", error)
"""
#: A program that DuckDB takes for a console, where it draws a bar for what takes two seconds.
CONSOLE = """
import sys
from pathlib import Path
from notion_pipeline.catalog.connection import Catalog
catalog = Catalog(Path(sys.argv[1]), log=print)
for opened in (catalog.writing(), catalog.reading()):
    with opened as connection:
        print(*connection.execute("SELECT current_setting('enable_progress_bar')").fetchone())
"""
READ_ONLY_FOLDER = """
import os, sys
from pathlib import Path
from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.errors import CatalogError
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
try:
    with Catalog(Path(sys.argv[1]), log=print).writing() as connection:
        connection.execute("CREATE TABLE a (b INTEGER)")
except CatalogError as error:
    print("CatalogError:", error)
"""


@pytest.fixture
def catalog(tmp_path: Path, lines: list[str]) -> Catalog:
    """A catalog with a table `kept` of one row; another process is waited for no longer than a moment."""
    found = Catalog(tmp_path / "catalog.duckdb", log=lines.append, wait_seconds=0.3)
    with found.writing() as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS a")
    return found


def kept(catalog: Catalog) -> list[tuple[int]]:
    with catalog.reading() as connection:
        assert connection is not None
        return connection.execute("FROM kept").fetchall()


def run_python(script: str, path: Path) -> str:
    found = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    return found.stdout + found.stderr


def test_new_file_has_the_storage_version_that_duckdb_1_5_opens(catalog: Catalog) -> None:
    with catalog.reading() as connection:
        assert connection is not None
        (tags,) = connection.execute(
            "SELECT tags FROM duckdb_databases() WHERE database_name = current_database()"
        ).fetchall()[0]
    assert re.match(r"v1\.5\.", tags["storage_version"])


def test_reading_gives_none_where_there_is_no_catalog_and_makes_none(tmp_path: Path, lines: list[str]) -> None:
    path = tmp_path / "nowhere" / "catalog.duckdb"
    with Catalog(path, log=lines.append).reading() as connection:
        assert connection is None
    assert not path.parent.exists()


def test_body_that_raises_leaves_what_was_there_and_the_file_closed(catalog: Catalog) -> None:
    with pytest.raises(KeyError), catalog.writing() as connection:
        connection.execute("DROP TABLE kept")
        raise KeyError("body")
    # Another process can write at once: nothing of ours holds the file.
    with held_by_another_process(catalog.location, "writer"):
        pass
    assert kept(catalog) == [(1,)]


def test_interrupted_body_leaves_what_was_there(catalog: Catalog) -> None:
    with pytest.raises(KeyboardInterrupt), catalog.writing() as connection:
        connection.execute("DROP TABLE kept")
        raise KeyboardInterrupt
    assert kept(catalog) == [(1,)]


def test_sql_that_fails_is_one_catalog_error(catalog: Catalog) -> None:
    with pytest.raises(CatalogError, match=r"cannot be written: .*nowhere") as caught, catalog.writing() as connection:
        connection.execute("DELETE FROM kept")
        connection.execute("FROM nowhere")
    assert str(catalog.location) in str(caught.value)
    assert "\n" not in str(caught.value)
    # DuckDB's reason in full, the place in the query included, and no guess beside it.
    assert "LINE 1: FROM nowhere" in str(caught.value)
    assert "disk" not in str(caught.value)
    assert kept(catalog) == [(1,)]


@pytest.mark.parametrize("how", ["writer", "reader"])
def test_write_waits_for_another_process_then_says_who_held_the_file(
    catalog: Catalog, lines: list[str], how: str
) -> None:
    with held_by_another_process(catalog.location, how) as holder:
        with pytest.raises(CatalogBusyError, match=rf"held by .*\(PID {holder.pid}\)"), catalog.writing():
            raise AssertionError("opened")
        assert len(lines) == 1
        assert f"(PID {holder.pid})" in lines[0]
    assert kept(catalog) == [(1,)]


def test_read_waits_for_a_writer_and_goes_on_when_it_is_done(catalog: Catalog, lines: list[str]) -> None:
    patient = Catalog(catalog.location, log=lines.append, wait_seconds=PATIENCE)
    with held_by_another_process(catalog.location, "writer") as holder:
        with pytest.raises(CatalogBusyError), catalog.reading():
            raise AssertionError("opened")
        assert holder.stdin is not None
        holder.stdin.write("close\n")
        holder.stdin.flush()
        assert kept(patient) == [(1,)]


def test_readers_of_two_processes_do_not_wait_for_each_other(catalog: Catalog, lines: list[str]) -> None:
    with held_by_another_process(catalog.location, "reader"):
        assert kept(catalog) == [(1,)]
    assert lines == []


def test_one_process_writes_while_its_other_threads_read(catalog: Catalog, lines: list[str]) -> None:
    patient = Catalog(catalog.location, log=lines.append, wait_seconds=PATIENCE)
    begun, errors = threading.Barrier(3), []

    def read() -> None:
        try:
            begun.wait()
            for _ in range(5):
                kept(patient)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    begun.wait()
    for number in range(5):
        with patient.writing() as connection:
            connection.execute("UPDATE kept SET a = ?", [number])
    for thread in threads:
        thread.join()
    assert errors == []
    assert lines == []
    assert kept(catalog) == [(4,)]


def test_two_threads_of_one_process_write_after_each_other(catalog: Catalog, lines: list[str]) -> None:
    patient = Catalog(catalog.location, log=lines.append, wait_seconds=PATIENCE)
    begun, errors = threading.Barrier(2), []

    def add() -> None:
        try:
            begun.wait()
            for _ in range(5):
                with patient.writing() as connection:
                    connection.execute("UPDATE kept SET a = a + 1")
                    connection.execute("CREATE TABLE IF NOT EXISTS made (a INTEGER)")
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=add) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert kept(catalog) == [(11,)]


def test_transactions_that_follow_each_other_share_one_opening(catalog: Catalog) -> None:
    other = Catalog(catalog.location, log=print, wait_seconds=0.3)
    with catalog.kept_open():
        with catalog.writing() as connection:
            connection.execute("UPDATE kept SET a = 2")
        assert run_python(READER, catalog.location).startswith("CatalogBusyError")
        with catalog.writing() as connection:
            connection.execute("UPDATE kept SET a = 3")
            # Others of this process read meanwhile, and see what is committed.
            assert kept(other) == kept(catalog) == [(2,)]
        with pytest.raises(CatalogBusyError), other.writing():
            raise AssertionError("opened")
    assert run_python(READER, catalog.location) == "[(3,)]\n"


def test_an_error_among_several_transactions_undoes_its_own_alone(catalog: Catalog) -> None:
    with catalog.kept_open():
        with catalog.writing() as connection:
            connection.execute("UPDATE kept SET a = 2")
        with pytest.raises(CatalogError), catalog.writing() as connection:
            connection.execute("CREATE TEMP TABLE staged AS FROM kept")
            connection.execute("UPDATE kept SET a = 3")
            connection.execute("FROM nowhere")
        with catalog.writing() as connection:
            connection.execute("CREATE TEMP TABLE staged AS FROM kept")
            connection.execute("UPDATE kept SET a = a + 10")
    with held_by_another_process(catalog.location, "writer"):
        pass
    assert kept(catalog) == [(12,)]


def test_folder_that_does_not_exist_is_named(tmp_path: Path, lines: list[str]) -> None:
    catalog = Catalog(tmp_path / "nowhere" / "catalog.duckdb", log=lines.append)
    with pytest.raises(CatalogError, match="its folder does not exist") as caught, catalog.writing():
        raise AssertionError("opened")
    assert str(catalog.location) in str(caught.value)


def test_path_of_a_folder_is_no_catalog(tmp_path: Path, lines: list[str]) -> None:
    catalog = Catalog(tmp_path, log=lines.append)
    for opened in (catalog.writing, catalog.reading):
        with pytest.raises(CatalogError, match=re.escape(str(tmp_path))) as caught, opened():
            raise AssertionError("opened")
        assert "\n" not in str(caught.value)


def test_file_that_is_none_of_duckdbs_stays_as_it_is(tmp_path: Path, lines: list[str]) -> None:
    path = tmp_path / "catalog.duckdb"
    path.write_text("a letter to my aunt\n" * 1000)
    catalog = Catalog(path, log=lines.append)
    for opened in (catalog.writing, catalog.reading):
        with pytest.raises(CatalogError, match="not a valid DuckDB database file") as caught, opened():
            raise AssertionError("opened")
        assert "\n" not in str(caught.value)
    assert path.read_text() == "a letter to my aunt\n" * 1000


def test_folder_that_must_not_be_written_is_one_catalog_error() -> None:
    # Outside pytest's own folders, which only their owner may enter.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o555)
        found = run_python(READ_ONLY_FOLDER, folder / "catalog.duckdb")
    assert found.startswith("CatalogError: The catalog")
    assert "Permission denied" in found
    assert "the right to write the file and its folder" in found
    assert "disk" not in found
    assert "Traceback" not in found


def test_full_disk_is_one_catalog_error_and_leaves_what_was_there(catalog: Catalog) -> None:
    found = run_python(FULL_DISK, catalog.location)
    assert found.startswith(f"CatalogError: The catalog {catalog.location} cannot be written")
    assert "Traceback" not in found
    assert "Free some disk space, then sync again." in found
    assert kept(catalog) == [(1,)]
    with catalog.writing() as connection:
        connection.execute("UPDATE kept SET a = 2")
    assert kept(catalog) == [(2,)]


def test_commit_survives_a_process_that_dies_before_it_closes_the_file(catalog: Catalog, tmp_path: Path) -> None:
    """As after a kill: what was committed is in the file and the log beside it, not yet in the file alone."""
    copy = tmp_path / "copy.duckdb"
    with duckdb.connect(str(catalog.location), config={"storage_compatibility_version": "v1.5.0"}) as connection:
        connection.execute("BEGIN")
        connection.execute("CREATE TABLE next AS SELECT a, 2 AS b FROM kept")
        connection.execute("DROP TABLE kept")
        connection.execute("ALTER TABLE next RENAME TO kept")
        connection.execute("COMMENT ON TABLE kept IS 'new'")
        connection.execute("INSERT INTO kept VALUES (3, 4)")
        connection.execute("COMMIT")
        shutil.copyfile(catalog.location, copy)
        shutil.copyfile(f"{catalog.location}.wal", f"{copy}.wal")
    assert kept(Catalog(copy, log=print)) == [(1, 2), (3, 4)]  # type: ignore[comparison-overlap]


def test_catalog_module_is_usable_without_a_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As under cron: DuckDB looks for its extensions under HOME, and needs none."""
    monkeypatch.setenv("HOME", os.devnull)
    with Catalog(tmp_path / "catalog.duckdb", log=print).writing() as connection:
        assert connection.execute("SELECT current_setting('TimeZone')").fetchall() == [("UTC",)]


def test_no_bar_of_duckdbs_is_drawn_on_standard_output(catalog: Catalog) -> None:
    assert run_python(CONSOLE, catalog.location) == "False\nFalse\n"
