"""Tables of content are ours, whatever they hold: made once, described, and removed with their source."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest

from notion_pipeline.catalog.content.tables.content_tables import COMMENTS, PAGE_CONTENT, USERS, find_table, make_table
from notion_pipeline.catalog.read.table_docs import documented_tables
from notion_pipeline.catalog.sql import column_types, names_in
from notion_pipeline.catalog.upkeep.leftovers import remove_source, source_in

KINDS = (COMMENTS, PAGE_CONTENT, USERS)


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as made:
        for kind in KINDS:
            make_table(made, "notion", kind)
        yield made


def test_each_is_described_with_all_its_columns(connection: duckdb.DuckDBPyConnection) -> None:
    found = documented_tables(connection, "notion")
    assert [table.name for table in found] == [kind.name for kind in KINDS]
    for table, kind in zip(found, KINDS, strict=True):
        assert table.comment == kind.comment
        assert [column[::2] for column in table.columns] == [column[::2] for column in kind.columns]


def test_all_go_with_their_source(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("CREATE TABLE notion.mine (a INTEGER)")
    assert set(source_in(connection, "notion").tables) == {kind.name for kind in KINDS}
    remove_source(connection, "notion")
    assert names_in(connection, "notion") == {"mine"}


def test_table_of_an_earlier_version_gets_the_columns_that_it_lacks(connection: duckdb.DuckDBPyConnection) -> None:
    table = find_table(connection, "notion", USERS)
    assert table is not None
    connection.execute(
        "ALTER TABLE notion.users DROP COLUMN membership; ALTER TABLE notion.users DROP COLUMN avatar_url"
    )
    connection.execute("INSERT INTO notion.users (id, name) VALUES ('a', 'Ada')")
    assert make_table(connection, "notion", USERS) == table
    assert set(column_types(connection, table)) == {name for name, _, _ in USERS.columns}
    assert connection.execute("SELECT id, name, membership FROM notion.users").fetchall() == [("a", "Ada", None)]
