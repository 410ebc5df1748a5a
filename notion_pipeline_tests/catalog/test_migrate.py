"""A catalog copied into another one: attempts that are cut short, faults, readers, buckets."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path

import duckdb
import httpx
import pytest

from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.catalog.connection.file_lock import CatalogLock
from notion_pipeline.catalog.migrate.copying import copy_catalog, prepare
from notion_pipeline.catalog.migrate.fingerprint import fingerprint
from notion_pipeline.catalog.migrate.target import Progress, mark
from notion_pipeline.config.fields.catalog_location import location_of
from notion_pipeline.errors import CatalogError
from notion_pipeline_tests.support.catalog.lakehouse import needs_ducklake
from notion_pipeline_tests.support.catalog.small_catalog import SMALL, everything


@pytest.fixture
def source(tmp_path: Path) -> Catalog:
    with duckdb.connect(str(tmp_path / "small.duckdb")) as connection:
        connection.execute(SMALL)
    return Catalog(tmp_path / "small.duckdb", log=print, wait_seconds=5.0)


@pytest.fixture
def target(tmp_path: Path) -> Catalog:
    return Catalog(tmp_path / "copy.duckdb", log=print, wait_seconds=5.0)


@pytest.fixture
def bucket() -> Iterator[str]:
    """Where a server that speaks S3 has an empty bucket `lakes`."""
    server_of = pytest.importorskip("moto.server", reason="moto, which speaks S3 here, is not installed")
    importlib.import_module("moto.s3.responses")
    server = server_of.ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    try:
        assert httpx.put(f"{endpoint}/lakes", trust_env=False).is_success
        yield endpoint
    finally:
        server.stop()


def test_next_attempt_makes_what_is_missing_or_differs(source: Catalog, target: Catalog) -> None:

    class StoppedError(Exception):
        pass

    def stop(_: object) -> None:
        raise StoppedError

    with pytest.raises(StoppedError):
        copy_catalog(source, target, stop)
    assert prepare(source, target).progress is Progress.UNFINISHED
    with duckdb.connect(str(target.location)) as connection:
        assert connection.execute("SELECT schema_name, table_name FROM duckdb_tables() ORDER BY 1").fetchall() == [
            ("_notion_pipeline_copy", "source"),
            ("notion", "parents"),
        ]
        connection.execute("UPDATE notion.parents SET name = '' || coalesce(name, 'y')")
    done = copy_catalog(source, target, print)
    assert [(copied.table, copied.was_there) for copied in done.tables] == [
        ("notion.parents", False),
        ("notion.children", False),
        ("_notion_pipeline.all_streams", False),
    ]
    assert done.failed_views.keys() == {"mine.broken"}
    assert everything(source).items() >= everything(target).items()


def test_next_attempt_leaves_what_is_right(source: Catalog, target: Catalog) -> None:
    copy_catalog(source, target, print)
    target.commit(lambda connection: mark(connection, source))
    assert all(copied.was_there for copied in copy_catalog(source, target, print).tables)


def test_what_is_in_an_unfinished_copy_alone_is_named(source: Catalog, target: Catalog) -> None:
    copy_catalog(source, target, print)
    target.commit(lambda connection: mark(connection, source))
    target.commit(lambda connection: connection.execute("CREATE TABLE notion.mine (a INTEGER)"))
    with pytest.raises(CatalogError, match=r"holds what the source has not: notion\.mine"):
        copy_catalog(source, target, print)


def test_an_empty_list_and_null_differ(tmp_path: Path) -> None:
    found = set()
    with duckdb.connect() as connection:
        for number, value in enumerate(("NULL", "[]", "[NULL]", "['']", "['NULL']", "['a', 'b']", "['a, b']")):
            connection.execute(f"CREATE TABLE t{number} AS SELECT {value}::VARCHAR[] AS a")
            found.add(fingerprint(connection, ("main", f"t{number}")))
    assert len(found) == 7


def test_copy_that_differs_is_dropped_and_named(
    source: Catalog, target: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As a fault of a disk or of DuckDB would: what is read back is another row.
    monkeypatch.setattr(
        "notion_pipeline.catalog.migrate.copying.fingerprint", lambda connection, name: (2, len(name[1]))
    )
    with pytest.raises(CatalogError, match=r"copy of the table notion\.parents differs"):
        copy_catalog(source, target, print)
    monkeypatch.undo()
    with target.reading() as connection:
        assert connection is not None
        assert connection.execute("SELECT table_name FROM duckdb_tables()").fetchall() == [("source",)]
    copy_catalog(source, target, print)


def test_readers_of_the_old_catalog_are_let_in_and_writers_not(source: Catalog, target: Catalog) -> None:
    seen = []

    def look(_: object) -> None:
        with duckdb.connect(str(source.location), read_only=True) as connection:
            seen.append(connection.execute("SELECT count(*) FROM notion.parents").fetchall())
        with pytest.raises(Exception, match=r"python|pytest|this process"):
            CatalogLock(Path(str(source.location)), exclusive=True).take()

    copy_catalog(source, target, look)
    assert seen == [[(2,)]] * 3


@needs_ducklake
@pytest.mark.slow
def test_from_a_file_into_a_bucket_on_to_another_and_back(source: Catalog, bucket: str, tmp_path: Path) -> None:
    secrets = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_ENDPOINT_URL": bucket}
    lakes = [
        Catalog(location_of(f"ducklake:{tmp_path / name}", f"s3://lakes/{name}", Path, secrets), log=print)
        for name in ("one.ducklake", "two.ducklake")
    ]
    back = Catalog(tmp_path / "back.duckdb", log=print)
    for original, copied in ((source, lakes[0]), (lakes[0], lakes[1]), (lakes[1], back)):
        copy_catalog(original, copied, print)
        assert prepare(original, copied).progress is Progress.FINISHED
    assert everything(back) == everything(lakes[0])
    assert everything(back).keys() == everything(source).keys() - {"mine.broken"}
