"""A reading as the one who commits sees it: it goes on by itself, and ends with whoever stops asking."""

from __future__ import annotations

import asyncio
import dataclasses
import threading

import pytest

from notion_pipeline.defs.commits.database_commits import DatabaseReads
from notion_pipeline.defs.commits.listing_commit import FoundListing
from notion_pipeline.extraction.extract import DatabaseExtract
from notion_pipeline.sync.reading import Handed, Reading
from notion_pipeline_tests.support.patience import PATIENCE


def extract(name: str, released: list[str]) -> DatabaseExtract:
    return DatabaseExtract(name, name, "", name, release=lambda: released.append(name))


def test_reads_begin_before_anybody_asks_for_one() -> None:
    began = threading.Event()

    async def read(handed: Handed, stop: threading.Event) -> None:
        began.set()

    with Reading(read) as reading:
        assert began.wait(PATIENCE)
        assert list(reading) == []


def test_who_leaves_early_stops_the_reads_and_releases_what_nobody_took() -> None:
    released: list[str] = []
    stopped = threading.Event()

    async def read(handed: Handed, stop: threading.Event) -> None:
        for name in ("a", "b"):
            handed.put(extract(name, released))
        await asyncio.to_thread(stop.wait)
        handed.put(extract("c", released))
        stopped.set()

    with Reading(read):
        pass
    assert stopped.is_set()
    assert sorted(released) == ["a", "b", "c"]


def test_locks_of_a_group_are_released_when_the_next_is_asked_for() -> None:
    released: list[str] = []
    taken = threading.Event()

    async def read(handed: Handed, stop: threading.Event) -> None:
        handed.put(extract("a", released))
        await asyncio.to_thread(taken.wait)
        handed.put(extract("b", released))

    with Reading(read) as reading:
        groups = iter(reading)
        assert [database.database_id for database in next(groups)] == ["a"]
        assert released == []
        taken.set()
        assert [database.database_id for database in next(groups)] == ["b"]
        assert released == ["a"]
    assert list(groups) == []
    assert released == ["a", "b"]


def test_what_ends_the_reads_is_raised_to_the_one_who_waits() -> None:
    async def read(handed: Handed, stop: threading.Event) -> None:
        raise OSError("gone")

    with Reading(read) as reading, pytest.raises(OSError, match="gone"):
        list(reading)


@pytest.mark.parametrize("handed_over", [FoundListing, DatabaseReads])
def test_nothing_is_written_into_what_an_asset_yields(handed_over: type) -> None:
    assert handed_over.__dataclass_params__.frozen  # type: ignore[attr-defined]
    assert dataclasses.is_dataclass(handed_over)
