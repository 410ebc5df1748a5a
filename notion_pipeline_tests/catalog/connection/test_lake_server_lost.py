"""A lake whose PostgreSQL goes away in the middle: nothing is lost, and nothing is committed twice."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import duckdb
import pytest

from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.config.fields.catalog_location import location_of
from notion_pipeline.errors import CatalogError, CatalogUnreachableError
from notion_pipeline.project import Project, find_project
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline_tests.support.catalog.lakehouse import needs_ducklake, needs_postgres
from notion_pipeline_tests.support.patience import PATIENCE
from notion_pipeline_tests.support.processes.cut_connection import cutting_proxy
from notion_pipeline_tests.support.processes.postgres import Server, postgres_server, query
from notion_pipeline_tests.support.whole_way import Pipeline, later, synced, tasks_in

pytestmark = [needs_ducklake, needs_postgres, pytest.mark.slow]


@pytest.fixture
def server() -> Iterator[Server]:
    with postgres_server() as running:
        query(running.port, "CREATE DATABASE lake")
        yield running


def catalog_at(port: int, folder: Path, said: list[str] | None = None, wait_seconds: float = PATIENCE) -> Catalog:
    lake = f"ducklake:postgres:dbname=lake host=127.0.0.1 port={port} user=notion"
    log = said.append if said is not None else print
    return Catalog(location_of(lake, str(folder / "files"), Path), log=log, wait_seconds=wait_seconds)


def make(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("CREATE SCHEMA notion; CREATE TABLE notion.t (a INTEGER)")


def add(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("INSERT INTO notion.t SELECT count(*) FROM notion.t")


def values(connection: duckdb.DuckDBPyConnection | None) -> list[int]:
    assert connection is not None
    return sorted(row[0] for row in connection.execute("SELECT a FROM notion.t").fetchall())


def restart(server: Server) -> None:
    server.stop()
    server.start()


def test_commit_and_read_of_a_restarted_server_are_made_again(server: Server, tmp_path: Path) -> None:
    said: list[str] = []
    catalog = catalog_at(server.port, tmp_path, said)
    catalog.commit(make)
    restarts = 0

    def once() -> None:
        nonlocal restarts
        if restarts % 2 == 0:
            restart(server)
        restarts += 1

    def change(connection: duckdb.DuckDBPyConnection) -> None:
        add(connection)
        once()

    def look(connection: duckdb.DuckDBPyConnection | None) -> list[int]:
        once()
        return values(connection)

    catalog.commit(change)
    assert restarts == 2
    assert catalog.read(look) == [0]
    assert restarts == 4
    assert "the connection to its server was lost" in said[0]
    with catalog.kept_open():
        catalog.commit(add)
        restart(server)
        catalog.commit(add)
    assert catalog.read(values) == [0, 1, 2]


@pytest.mark.parametrize("loses", ["request", "answer"])
def test_commit_that_was_cut_is_made_once(server: Server, tmp_path: Path, loses: Literal["request", "answer"]) -> None:
    with cutting_proxy(server.port, loses) as proxy:
        catalog = catalog_at(proxy.port, tmp_path)
        catalog.commit(make)
        attempts = 0

        def change(connection: duckdb.DuckDBPyConnection) -> int:
            nonlocal attempts
            attempts += 1
            add(connection)
            return attempts

        proxy.is_armed = True
        assert catalog.commit(change) == attempts
        assert proxy.cuts == 1
        assert attempts == 2
        assert catalog.read(values) == [0]
        catalog.commit(lambda connection: connection.execute("UPDATE notion.t SET a = 7"))
        proxy.is_armed = True
        catalog.commit(lambda connection: connection.execute("UPDATE notion.t SET a = a + 1"))
        assert proxy.cuts == 2
        assert catalog.read(values) == [8]
        catalog.commit(add)
    assert catalog_at(server.port, tmp_path).read(values) == [1, 8]


def test_server_that_stays_away_is_told_and_one_that_never_was_there_at_once(server: Server, tmp_path: Path) -> None:
    catalog = catalog_at(server.port, tmp_path, wait_seconds=0.5)
    catalog.commit(make)
    server.stop()
    for use in (lambda: catalog.commit(add), lambda: catalog.read(values)):
        with pytest.raises(CatalogUnreachableError, match="connection to its server was lost"):
            use()
    never = catalog_at(1, tmp_path)
    with pytest.raises(CatalogError, match="Connection refused") as refused:
        never.read(values)
    assert not isinstance(refused.value, CatalogUnreachableError)
    server.start()
    catalog.commit(add)
    assert catalog.read(values) == [0]


def test_sync_goes_on_when_the_server_was_restarted(
    server: Server, project: Project, workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = catalog_at(server.port, tmp_path)
    monkeypatch.setenv("NOTION_PIPELINE_CATALOG", str(catalog.location))
    monkeypatch.setenv("NOTION_PIPELINE_DATA_PATH", str(tmp_path / "files"))
    sources = [tasks_in(workspace, rows=20 + number, title=f"Tasks {number}") for number in range(6)]
    # The server ends all connections in the middle of transactions, and takes none for a moment.
    catalog.commit(lambda _: None)  # a server that was never there is not waited for
    stop, restarts = threading.Event(), 0

    def disturb() -> None:
        nonlocal restarts
        while restarts < 4 and not stop.wait(1.5):
            restart(server)
            restarts += 1

    disturber = threading.Thread(target=disturb)
    disturber.start()
    try:
        pipeline = Pipeline(find_project(project.root), workspace)
        for _ in range(2):
            synced(pipeline)
            later(workspace, hours=1)
    finally:
        stop.set()
        disturber.join()
    assert restarts

    def rows(connection: duckdb.DuckDBPyConnection | None) -> dict[str, set[str]]:
        assert connection is not None
        names = connection.execute("SELECT data_source_id, table_name FROM _notion_pipeline.streams").fetchall()
        tables = {key: connection.execute(f"SELECT id FROM notion.{name}").fetchall() for key, name in names}
        return {key: {row[0] for row in found} for key, found in tables.items()}

    def history(connection: duckdb.DuckDBPyConnection | None) -> list[tuple[int]]:
        assert connection is not None
        return connection.execute("SELECT count(*) FROM _notion_pipeline.syncs").fetchall()

    assert catalog.read(rows) == {source.id: {page.id for page in source.pages} for source in sources}
    assert catalog.read(history) == [(12,)]
