"""The lock beside the catalog: who writes is alone, who reads is with readers only, in threads as in processes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.catalog.connection.file_lock import CatalogLock, LockHeldError
from notion_pipeline.errors import CatalogBusyError
from notion_pipeline_tests.support.patience import PATIENCE

#: Holds the catalog as its second argument says until it is given a line.
HOLDER = """
import sys
from pathlib import Path
from notion_pipeline.catalog.connection import Catalog
path = Path(sys.argv[1])
catalog = Catalog(path, log=print)
with (catalog.reading() if sys.argv[2] == "reader" else catalog.writing()) as connection:
    if sys.argv[2] != "reader":
        connection.execute("UPDATE kept SET a = a + 1")
    if sys.argv[2] == "dropped":
        open(path).close()  # what DuckDB locked the file by is gone: the system drops it with any closing
    print("open", flush=True)
    sys.stdin.readline()
"""
#: Adds to a number while a thread of its own drops DuckDB's locks again and again, as a backup in the process does.
COUNTERS = """
import sys, threading
from pathlib import Path
from notion_pipeline.catalog.connection import Catalog
path, commits = Path(sys.argv[1]), int(sys.argv[2])
def count():
    catalog = Catalog(path, log=lambda _: None)
    for _ in range(commits):
        with catalog.writing() as connection:
            connection.execute("UPDATE kept SET a = a + 1")
            connection.execute("CREATE OR REPLACE TABLE filled AS SELECT range AS a FROM range(1000)")
done = threading.Event()
def drop():
    while not done.wait(0.002):
        open(path, "rb").close()
threads = [threading.Thread(target=count) for _ in range(3)]
dropper = threading.Thread(target=drop)
for thread in (*threads, dropper):
    thread.start()
for thread in threads:
    thread.join()
done.set()
"""
#: Reads without pause, and prints what it saw once it has read something.
READERS = """
import os, sys, threading
from pathlib import Path
from notion_pipeline.catalog.connection import Catalog
def read():
    catalog = Catalog(Path(sys.argv[1]), log=lambda _: None)
    while True:
        with catalog.reading() as connection:
            connection.execute("SELECT count(*) FROM range(3000000)").fetchall()
        os.write(1, b"read\\n")  # in one piece: print's end may come after another thread's word
for _ in range(4):
    threading.Thread(target=read, daemon=True).start()
sys.stdin.readline()
"""
#: Reads as a user who may not write the folder.
STRANGER = """
import os, sys
from pathlib import Path
from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.errors import CatalogError
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
try:
    with Catalog(Path(sys.argv[1]), log=print, wait_seconds=0.1).reading() as connection:
        print(connection.execute("FROM kept").fetchall())
except CatalogError as error:
    print(type(error).__name__, error)
"""


@pytest.fixture
def catalog(tmp_path: Path, lines: list[str]) -> Catalog:
    """A catalog with a table `kept` of one row; others are waited for no longer than a moment."""
    return with_table(tmp_path / "catalog.duckdb", lines)


def with_table(path: Path, lines: list[str]) -> Catalog:
    found = Catalog(path, log=lines.append, wait_seconds=0.3)
    with found.writing() as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS a")
    return found


def kept(catalog: Catalog) -> list[tuple[int]]:
    with catalog.reading() as connection:
        assert connection is not None
        return connection.execute("FROM kept").fetchall()


@contextmanager
def held(path: Path, how: str) -> Iterator[subprocess.Popen[str]]:
    """A process of ours that has the catalog open: as "reader", "writer", or "dropped", without DuckDB's lock."""
    command = [sys.executable, "-c", HOLDER, str(path), how]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        yield holder


@contextmanager
def busy_loops(count: int) -> Iterator[None]:
    """Processes that do nothing, as fast as they can."""
    found = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in found:
            process.kill()
            process.wait()


def counted(path: Path, *, processes: int = 3, commits: int = 12) -> int:
    """How much of `processes` * 3 * `commits` additions of one arrived in `kept`, under load."""
    command = [sys.executable, "-c", COUNTERS, str(path), str(commits)]
    with busy_loops(5):
        found = [
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            for _ in range(processes)
        ]
        assert [process.communicate()[0] for process in found] == [""] * processes
    with duckdb.connect(str(path), read_only=True) as connection:
        (row,) = connection.execute("SELECT a - 1 FROM kept").fetchall()
    return int(row[0])


def run_python(script: str, path: Path) -> str:
    found = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    return found.stdout + found.stderr


@pytest.mark.slow
def test_threads_of_several_processes_never_write_at_once(catalog: Catalog) -> None:
    """Nine writers. A process that closed a file while its other thread wrote it let the next process in."""
    assert counted(catalog.location) == 3 * 3 * 12


@pytest.mark.parametrize("how", ["writing", "reading"])
def test_writer_is_alone_though_duckdbs_own_lock_was_dropped(catalog: Catalog, how: str) -> None:
    with held(catalog.location, "dropped") as holder:
        opened = catalog.writing() if how == "writing" else catalog.reading()
        with pytest.raises(CatalogBusyError, match=rf"held by \S+ \(PID {holder.pid}\)"), opened:
            raise AssertionError("opened")
    assert kept(catalog) == [(2,)]


@pytest.mark.parametrize("how", ["reader", "writer"])
def test_who_waits_is_told_the_holders_program_and_pid(catalog: Catalog, lines: list[str], how: str) -> None:
    with held(catalog.location, how) as holder:
        with pytest.raises(CatalogBusyError, match=rf"held by python\S* \(PID {holder.pid}\) for"), catalog.writing():
            raise AssertionError("opened")
        assert len(lines) == 1
        assert re.search(rf"held by python\S* \(PID {holder.pid}\); waiting", lines[0])


def test_all_readers_that_hold_it_are_named_and_those_that_left_are_not(catalog: Catalog) -> None:
    with held(catalog.location, "reader") as first, held(catalog.location, "reader") as second:
        assert kept(catalog) == [(1,)]
        with pytest.raises(CatalogBusyError) as caught, catalog.writing():
            raise AssertionError("opened")
        assert f"(PID {first.pid})" in str(caught.value)
        assert f"(PID {second.pid})" in str(caught.value)
        assert str(os.getpid()) not in str(caught.value)
        second.communicate("\n")
        with pytest.raises(CatalogBusyError) as caught, catalog.writing():
            raise AssertionError("opened")
        assert f"(PID {first.pid})" in str(caught.value)
        assert str(second.pid) not in str(caught.value)


@pytest.mark.parametrize("how", ["reader", "writer"])
def test_lock_ends_with_its_process(catalog: Catalog, how: str) -> None:
    with held(catalog.location, how) as holder:
        holder.kill()
    with catalog.writing() as connection:
        connection.execute("UPDATE kept SET a = 7")
    assert kept(catalog) == [(7,)]


@pytest.mark.parametrize("how", ["link", "linked folder", "relative"])
def test_every_path_to_a_catalog_leads_to_its_one_lock(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "other.duckdb").symlink_to(catalog.location)
    (tmp_path / "folder").symlink_to(tmp_path)
    monkeypatch.chdir(tmp_path / "elsewhere")
    paths = {
        "link": tmp_path / "elsewhere" / "other.duckdb",
        "linked folder": tmp_path / "folder" / "catalog.duckdb",
        "relative": Path("../catalog.duckdb"),
    }
    other = Catalog(paths[how], log=print, wait_seconds=0.2)
    with held(catalog.location, "dropped"), pytest.raises(CatalogBusyError), other.writing():
        raise AssertionError("opened")
    with other.writing() as connection:
        connection.execute("UPDATE kept SET a = 5")
    assert kept(catalog) == [(5,)]
    assert sorted(path.name for path in (tmp_path / "elsewhere").iterdir()) == ["other.duckdb"]


@pytest.mark.parametrize("lock", ["is there", "is missing", "is another's"])
def test_reader_who_may_not_write_the_folder_reads(lines: list[str], lock: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        catalog = with_table(folder / "catalog.duckdb", lines)
        for file in folder.iterdir():
            if "lock" in file.name and lock == "is missing":
                file.unlink()
            elif "lock" in file.name and lock == "is another's":
                file.chmod(0o600)
        folder.chmod(0o555)
        before = sorted(folder.iterdir())
        assert run_python(STRANGER, catalog.location) == "[(1,)]\n"
        assert sorted(folder.iterdir()) == before
        if lock == "is there":
            with held(catalog.location, "dropped") as holder:
                assert f"(PID {holder.pid})" in run_python(STRANGER, catalog.location)


def test_readers_without_pause_do_not_keep_a_writer_out(catalog: Catalog) -> None:
    patient = Catalog(catalog.location, log=lambda _: None, wait_seconds=PATIENCE)
    command = [sys.executable, "-c", READERS, str(catalog.location)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as readers:
        assert readers.stdout is not None
        for number in range(5):
            assert "read" in readers.stdout.readline()
            with patient.writing() as connection:
                connection.execute("UPDATE kept SET a = ?", [number])
        readers.kill()
    assert kept(catalog) == [(4,)]


def test_what_a_thread_opens_within_its_own_block_comes_in_beside(catalog: Catalog) -> None:
    other = Catalog(catalog.location, log=print, wait_seconds=0.2)
    with catalog.reading() as outer, other.reading() as inner:
        assert outer is not None
        assert inner is not None
        assert outer.execute("FROM kept").fetchall() == inner.execute("FROM kept").fetchall() == [(1,)]
    with catalog.writing() as connection:
        connection.execute("UPDATE kept SET a = 2")
        assert kept(other) == [(1,)]
    for opened in (catalog.reading(), catalog.writing()):
        with opened, pytest.raises(CatalogBusyError, match="this thread has it open already"), other.writing():
            raise AssertionError("opened")
    assert kept(catalog) == [(2,)]


def test_threads_of_one_process_wait_for_each_other(catalog: Catalog, lines: list[str]) -> None:
    found: list[object] = []

    def read() -> None:
        try:
            found.append(kept(catalog))
        except CatalogBusyError as error:
            found.append(str(error))

    with catalog.writing() as connection:
        connection.execute("UPDATE kept SET a = 2")
        thread = threading.Thread(target=read)
        thread.start()
        thread.join()
    assert "held by this process" in str(found[0])
    assert lines == []


def test_child_of_a_fork_keeps_no_lock_of_its_parent(catalog: Catalog) -> None:
    lock = CatalogLock(catalog.file, exclusive=True)
    lock.take()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        lock.release()  # not its own to free
        os.close(writing)
        os.read(reading, 1)
        os._exit(0)
    try:
        os.close(reading)
        other = CatalogLock(catalog.file, exclusive=False)
        with pytest.raises(LockHeldError):
            other.take()
        other.release()
        lock.release()
        assert kept(catalog) == [(1,)]
    finally:
        os.close(writing)
        os.waitpid(child, 0)


def test_lock_file_names_nobody_when_nobody_holds_it(catalog: Catalog) -> None:
    for _ in range(3):
        kept(catalog)
    assert catalog.location.with_name("catalog.duckdb.lock").read_text().strip() == ""
