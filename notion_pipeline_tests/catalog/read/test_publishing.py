"""`publish:` by several processes at once, beside readers of the copy, and after publishers that were killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.catalog.read.tables import publish
from notion_pipeline.errors import CatalogError
from notion_pipeline_tests.support.patience import PATIENCE

pytestmark = pytest.mark.slow


#: Each commit changes both tables, so that a copy that mixes two states is found out.
PUBLISHER = """
import sys
from pathlib import Path
from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.catalog.read.tables import publish
catalog = Catalog(Path(sys.argv[1]), log=lambda _: None)
for _ in range(20):
    with catalog.writing() as connection:
        connection.execute("UPDATE counter SET a = a + 1")
        connection.execute("CREATE OR REPLACE TABLE filled AS SELECT a FROM counter, range(30000)")
    publish(catalog, Path(sys.argv[2]))
"""
#: Dies with half of the copy written.
KILLED = """
import os, shutil, signal, sys
from pathlib import Path
from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.catalog.read.tables import publish
def half(source, target, size):
    target.write(source.read(1000))
    target.flush()
    os.kill(os.getpid(), signal.SIGKILL)
shutil.copyfileobj = half
publish(Catalog(Path(sys.argv[1]), log=print), Path(sys.argv[2]))
"""


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    found = Catalog(tmp_path / "catalog.duckdb", log=print)
    with found.writing() as connection:
        connection.execute("CREATE TABLE counter AS SELECT 0 AS a")
        connection.execute("CREATE TABLE filled AS SELECT 0 AS a FROM range(30000)")
    return found


def state(path: Path) -> list[tuple[int, ...]]:
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute(
            "SELECT any_value(c.a), min(f.a), max(f.a), count(*) FROM filled f, counter c"
        ).fetchall()


def others(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir() if "publishing" in entry.name)


def test_processes_publish_at_once_while_others_read_the_copy(catalog: Catalog, tmp_path: Path) -> None:
    path = tmp_path / "copy.duckdb"
    publish(catalog, path)
    command = [sys.executable, "-c", PUBLISHER, str(catalog.location), str(path)]
    publishers = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for _ in range(2)
    ]
    seen = []
    while any(publisher.poll() is None for publisher in publishers):
        ((counter, least, most, count),) = state(path)
        assert (least, most, count) == (counter, counter, 30_000)
        seen.append(counter)
    assert [publisher.communicate()[0] for publisher in publishers] == ["", ""]
    assert seen == sorted(seen), "an older copy came after a newer one"
    assert state(path) == [(40, 40, 40, 30_000)]
    assert others(tmp_path) == []


def test_what_a_killed_publisher_left_is_cleared_up_and_a_living_ones_is_not(catalog: Catalog, tmp_path: Path) -> None:
    path = tmp_path / "copy.duckdb"
    (tmp_path / ".copy.duckdb.publishing").write_bytes(b"left by an earlier version")
    command = [sys.executable, "-c", KILLED, str(catalog.location), str(path)]
    assert subprocess.run(command, check=False, timeout=PATIENCE).returncode == -9
    (left,) = others(tmp_path)
    assert left != ".copy.duckdb.publishing"
    publish(catalog, path)
    assert others(tmp_path) == []
    assert state(path) == [(0, 0, 0, 30_000)]


def test_copy_that_fails_leaves_the_one_before_and_no_other_file(catalog: Catalog, tmp_path: Path) -> None:
    path = tmp_path / "copy.duckdb"
    publish(catalog, path)
    # A limit of this size is what a full disk is to the process.
    script = f"""
import resource, signal
from pathlib import Path
from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.catalog.read.tables import publish
from notion_pipeline.errors import CatalogError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
try:
    publish(Catalog(Path({str(catalog.location)!r}), log=print), Path({str(path)!r}))
except CatalogError as error:
    print(error)
"""
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert f"could not be published to {path}: File too large" in found.stdout + found.stderr
    assert others(tmp_path) == []
    assert state(path) == [(0, 0, 0, 30_000)]


def test_commits_that_a_killed_writer_left_in_the_log_are_published(catalog: Catalog, tmp_path: Path) -> None:
    script = f"""
import duckdb, os, signal
connection = duckdb.connect({str(catalog.location)!r})
connection.execute("UPDATE counter SET a = 9; CREATE OR REPLACE TABLE filled AS SELECT 9 AS a FROM range(30000)")
os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", script], check=False, timeout=PATIENCE)
    assert (tmp_path / "catalog.duckdb.wal").exists()
    publish(catalog, tmp_path / "copy.duckdb")
    assert state(tmp_path / "copy.duckdb") == [(9, 9, 9, 30_000)]


def test_folder_that_does_not_exist_is_an_error_that_names_it(catalog: Catalog, tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "copy.duckdb"
    with pytest.raises(CatalogError, match=r"nowhere.copy\.duckdb: No such file or directory"):
        publish(catalog, path)
    assert not path.parent.exists()
