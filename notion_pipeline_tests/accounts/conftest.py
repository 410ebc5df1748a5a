"""A PostgreSQL for the tests of this room, one for all, a database for each."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from importlib.util import find_spec

import pytest

from notion_pipeline_tests.support.accounts.token_stores import address
from notion_pipeline_tests.support.processes.postgres import NOT_INSTALLED, postgres, programs, query


@pytest.fixture(scope="session")
def postgres_port() -> Iterator[int]:
    if find_spec("psycopg2") is None:
        pytest.skip("the extra `postgres` is not installed")
    if programs() is None:
        pytest.skip(NOT_INSTALLED)
    with postgres() as port:
        yield port


@pytest.fixture
def database_name(postgres_port: int) -> str:
    """An empty database."""
    name = f"test_{uuid.uuid4().hex}"
    query(postgres_port, f"CREATE DATABASE {name}")
    return name


@pytest.fixture
def state_address(postgres_port: int, database_name: str) -> str:
    return address(postgres_port, database_name)
