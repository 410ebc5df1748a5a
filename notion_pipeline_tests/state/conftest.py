"""Shared state of both makings, for tests that hold over either: a folder, and a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from notion_pipeline_tests.support.shared_state import StatePlace, folder_place, postgres_place, postgres_server


@pytest.fixture(scope="module")
def server() -> Iterator[int]:
    """The port of a PostgreSQL."""
    with postgres_server() as port:
        yield port


@pytest.fixture
def database(server: int, tmp_path: Path) -> StatePlace:
    """State in a database of the test's own."""
    return postgres_place(server, tmp_path)


@pytest.fixture(params=["folder", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> StatePlace:
    """State of either making; `open` gives another process's view of it."""
    if request.param == "folder":
        return folder_place(tmp_path)
    database: StatePlace = request.getfixturevalue("database")
    return database
