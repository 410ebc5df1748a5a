"""How often a sync opens the catalog to see what it knows, and that it never acts on what was so before."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

from notion_pipeline.catalog import state as bookkeeping
from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.sync.known_states import KnownStates
from notion_pipeline_tests.support.catalog import catalogs

IDS = [f"{number:08d}-0000-0000-0000-000000000000" for number in range(6)]
MOVED = "UPDATE _notion_pipeline.stream_versions SET table_name = 'moved' WHERE data_source_id = ?"
MOVE = """
import sys
from pathlib import Path
from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.config.fields.catalog_location import location_of
with Catalog(location_of(sys.argv[1], sys.argv[2], Path), log=print).writing() as connection:
    connection.execute(sys.argv[3], [sys.argv[4]])
"""


class Counting(Catalog):
    """Counts how often the file is opened to read."""

    opened = 0

    @contextmanager
    def reading(self) -> Iterator[duckdb.DuckDBPyConnection | None]:
        self.opened += 1
        with super().reading() as connection:
            yield connection


@pytest.fixture
def catalog(tmp_path: Path) -> Counting:
    found = Counting(catalogs.location(tmp_path), log=print)
    with found.writing() as connection:
        bookkeeping.create_tables(connection)
        bookkeeping.name_streams(
            connection, "notion", [(key, key, f"table_{number}") for number, key in enumerate(IDS)]
        )
    return found


def known(catalog: Catalog) -> KnownStates:
    return KnownStates(catalog, "notion", lambda: IDS[1:])


async def one_after_another(states: KnownStates) -> list[str]:
    return [(await states.of([key]))[key].table_name for key in IDS]


def test_one_opening_serves_those_that_come_next(catalog: Counting) -> None:
    assert asyncio.run(one_after_another(known(catalog))) == [f"table_{number}" for number in range(6)]
    assert catalog.opened == 1


def test_one_opening_serves_those_that_ask_at_once(catalog: Counting) -> None:
    async def at_once() -> None:
        states = KnownStates(catalog, "notion", list)
        await asyncio.gather(*(states.of([key]) for key in IDS))

    asyncio.run(at_once())
    assert catalog.opened == 1


@pytest.mark.parametrize("by_another_process", [True, False])
def test_what_was_committed_meanwhile_is_seen(tmp_path: Path, catalog: Counting, *, by_another_process: bool) -> None:
    def move() -> None:
        if by_another_process:
            subprocess.run([sys.executable, "-c", MOVE, *catalogs.place(tmp_path), MOVED, IDS[2]], check=True)
            return
        with catalog.writing() as connection:
            connection.execute(MOVED, [IDS[2]])

    async def before_and_after() -> list[str]:
        states = known(catalog)
        before = (await states.of([IDS[0]]))[IDS[2]].table_name
        move()
        return [before, (await states.of([IDS[2]]))[IDS[2]].table_name]

    assert asyncio.run(before_and_after()) == ["table_2", "moved"]
    assert catalog.opened == 2


def test_without_a_catalog_nothing_is_known(tmp_path: Path) -> None:
    missing = Counting(catalogs.location(tmp_path), log=print)
    assert asyncio.run(known(missing).of(IDS)) == {}
