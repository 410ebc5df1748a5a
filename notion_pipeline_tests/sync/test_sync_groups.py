"""Which databases are committed together: those that are whole within a moment, few and small ones."""

from __future__ import annotations

import queue
import threading
from pathlib import Path

import pytest

from notion_pipeline.extraction.extract import DatabaseExtract
from notion_pipeline.sync import reading
from notion_pipeline_tests.support.patience import PATIENCE
from notion_pipeline_tests.support.staged import made_page, staged_extract


def database(name: str, released: list[str], *, rows_in: Path | None = None, rows: int = 0) -> DatabaseExtract:
    pages = [made_page(f"{number}", "x") for number in range(rows)]
    extracts = [staged_extract(rows_in, [pages])] if rows_in is not None else []
    return DatabaseExtract(name, name, "", name, extracts, release=lambda: released.append(name))


def handed(*items: DatabaseExtract | BaseException | None) -> reading.Handed:
    found: reading.Handed = queue.Queue()
    for item in items:
        found.put(item)
    return found


def test_databases_that_wait_are_committed_together_but_not_too_many() -> None:
    released: list[str] = []
    many = [database(f"{number}", released) for number in range(2 * reading._MOST_TOGETHER + 3)]
    groups = reading._together(handed(*many, None))
    assert [len(group) for group in groups] == [reading._MOST_TOGETHER, reading._MOST_TOGETHER, 3]


def test_one_of_many_rows_ends_its_group(tmp_path: Path) -> None:
    released: list[str] = []
    large = database("large", released, rows_in=tmp_path, rows=5)
    groups = reading._together(handed(database("a", released), large, database("b", released), None), most_rows=5)
    assert [[found.title for found in group] for group in groups] == [["a", "large"], ["b"]]


def test_the_first_of_a_group_waits_a_moment_for_others() -> None:
    released: list[str] = []
    waiting = handed(database("a", released))
    soon = threading.Timer(0.2, lambda: [waiting.put(item) for item in (database("b", released), None)])
    soon.start()
    groups = reading._together(waiting, most_seconds=PATIENCE)
    assert [[found.title for found in group] for group in groups] == [["a", "b"]]


def test_the_first_of_a_group_does_not_wait_for_a_long_read() -> None:
    released: list[str] = []
    waiting = handed(database("a", released))
    groups = reading._together(waiting, most_seconds=0.01)
    assert [found.title for found in next(groups)] == ["a"]
    waiting.put(None)
    assert list(groups) == []


def test_locks_are_given_back_where_the_caller_stops() -> None:
    released: list[str] = []
    groups = reading._together(handed(database("a", released), database("b", released), None))
    assert len(next(groups)) == 2
    assert released == []
    groups.close()
    assert released == ["a", "b"]


@pytest.mark.parametrize("before", [0, 2])
def test_error_that_ends_the_sync_comes_after_what_was_whole(before: int) -> None:
    released: list[str] = []
    groups = reading._together(
        handed(*(database(f"{number}", released) for number in range(before)), OSError("the disk is gone"), None)
    )
    landed = []
    with pytest.raises(OSError, match="the disk is gone"):
        for group in groups:
            landed.append(len(group))
    assert landed == ([before] if before else [])
    assert len(released) == before
