"""The table `S.users`: every user that a row of the source showed, with the name that Notion gave last.

Each commit merges the users of its rows. A partial user does not remove a known name. Users leave the table only when
the property that showed them is excluded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

import duckdb

from notion_pipeline.catalog import state as bookkeeping
from notion_pipeline.catalog.comments import comment_on
from notion_pipeline.catalog.sql import column_types, names_in, quote
from notion_pipeline.catalog.state import USERS_CONTENT, Column, users_table
from notion_pipeline.extraction.extract import Extract
from notion_pipeline.extraction.staging import PLACE
from notion_pipeline.rows.batch import USERS
from notion_pipeline.rows.properties import USER_TYPES

#: Name, type and comment.
_COLUMNS = (
    ("id", "VARCHAR", "Id of the user; unique"),
    ("object", "VARCHAR", "`user`, or `group`"),
    ("type", "VARCHAR", "`person` or `bot`; NULL where Notion showed no more than the id"),
    ("name", "VARCHAR", "Name, as Notion showed it last"),
    ("email", "VARCHAR", "Email, where the connection may see it"),
    ("last_seen_at", "TIMESTAMPTZ", "When a sync last brought anything new of the user"),
)
_TOLD = ("object", "type", "name", "email")


def merge_users(connection: duckdb.DuckDBPyConnection, extract: Extract, now: datetime) -> None:
    """Merges the users of the staged rows into the table; writes nothing if nothing is new."""
    if not extract.stage.rows:
        return
    connection.register("incoming", extract.stage.reader(extract.schema.arrow, [USERS]))
    # The later answer wins, except where it lacks a value.
    told = ", ".join(f"arg_max(u.{name}, {PLACE}) AS {name}" for name in _TOLD)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE users_seen AS SELECT u.id, {told} "
        f"FROM (SELECT unnest({USERS}) AS u, {PLACE} FROM incoming) GROUP BY u.id"
    )
    connection.unregister("incoming")
    if connection.execute("SELECT 1 FROM users_seen LIMIT 1").fetchall():
        _merge(connection, users_table(connection, extract.source) or _make(connection, extract.source), now)
    connection.execute("DROP TABLE users_seen")


def note_users_of(connection: duckdb.DuckDBPyConnection, table: tuple[str, str], columns: Sequence[Column]) -> None:
    """Makes `users_excluded`: ids of the users in columns that are about to be dropped as excluded."""
    selects = [select for column in columns for select in _ids_in(table, column)]
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE users_excluded AS {' UNION '.join(selects) or 'SELECT NULL AS id WHERE false'}"
    )


def forget_users(connection: duckdb.DuckDBPyConnection, source: str) -> None:
    """Removes the users of `users_excluded` whom no column shows any more."""
    users = users_table(connection, source)
    if users is not None and connection.execute("SELECT 1 FROM users_excluded LIMIT 1").fetchall():
        shown = [
            select
            for state in bookkeeping.stream_states(connection, source).values()
            if state.has_table
            for select in _ids_in_existing(connection, (source, state.table_name), state.columns)
        ]
        elsewhere = f"AND id NOT IN ({' UNION '.join(shown)})" if shown else ""
        connection.execute(
            f"DELETE FROM {quote(*users)} WHERE id IN (SELECT id FROM users_excluded WHERE id IS NOT NULL) {elsewhere}"
        )
    connection.execute("DROP TABLE users_excluded")


def _ids_in_existing(
    connection: duckdb.DuckDBPyConnection, table: tuple[str, str], columns: Sequence[Column]
) -> Iterator[str]:
    current = column_types(connection, table)
    for column in columns:
        if current.get(column.column) == column.duckdb_type:
            yield from _ids_in(table, column)


def _ids_in(table: tuple[str, str], column: Column) -> Iterator[str]:
    """SQL of the ids of the users in a column, without NULL."""
    value = f"t.{quote(column.column)}"
    if column.property_type == "people":
        ids = f"unnest(list_transform({value}, lambda person: person.id))"
    elif column.property_type in USER_TYPES:
        ids = value
    elif column.property_type == "verification":
        ids = f"{value} -> 'verified_by' ->> 'id'"
    elif column.property_type == "rollup" and column.duckdb_type == "JSON":
        ids = f"unnest(TRY_CAST({value} AS VARCHAR[]))"
    else:
        return
    yield f"SELECT id FROM (SELECT {ids} AS id FROM {quote(*table)} t) WHERE id IS NOT NULL"


def _merge(connection: duckdb.DuckDBPyConnection, table: tuple[str, str], now: datetime) -> None:
    target = quote(*table)
    merged = ", ".join(f"coalesce(s.{name}, t.{name}) AS {name}" for name in _TOLD)
    is_news = " OR ".join(f"(s.{name} IS NOT NULL AND s.{name} IS DISTINCT FROM t.{name})" for name in _TOLD)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE users_changed AS SELECT s.id, {merged} "
        f"FROM users_seen s LEFT JOIN {target} t ON t.id = s.id WHERE t.id IS NULL OR {is_news}"
    )
    if connection.execute("SELECT 1 FROM users_changed LIMIT 1").fetchall():
        connection.execute(f"DELETE FROM {target} WHERE id IN (SELECT id FROM users_changed)")
        names = ", ".join(("id", *_TOLD))
        connection.execute(
            f"INSERT INTO {target} ({names}, last_seen_at) SELECT {names}, ? FROM users_changed ORDER BY id", [now]
        )
    connection.execute("DROP TABLE users_changed")


def _make(connection: duckdb.DuckDBPyConnection, source: str) -> tuple[str, str]:
    """Makes the table, under another name if a table has this one."""
    taken = {name.lower() for name in names_in(connection, source)}
    taken |= {state.table_name.lower() for state in bookkeeping.stream_states(connection, source).values()}
    name = USERS_CONTENT
    while name in taken:
        name += "_"
    table = (source, name)
    columns = ", ".join(f"{quote(column)} {kind}" for column, kind, _ in _COLUMNS)
    connection.execute(f"CREATE TABLE {quote(*table)} ({columns})")
    comment_on(
        connection,
        table,
        "Every user that the rows of the tables show, under the name that Notion showed last",
        {column: comment for column, _, comment in _COLUMNS},
    )
    bookkeeping.note_content_table(connection, source, USERS_CONTENT, name)
    return table
