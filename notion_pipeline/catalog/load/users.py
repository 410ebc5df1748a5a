"""Users in rows: each commit merges those of its rows into the table `S.users`.

Users leave the table only when the property that showed them is excluded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

import duckdb

from notion_pipeline.catalog import state as bookkeeping
from notion_pipeline.catalog.content import users as users_content
from notion_pipeline.catalog.content.tables.content_tables import USERS as USERS_TABLE
from notion_pipeline.catalog.content.tables.content_tables import make_table
from notion_pipeline.catalog.content.users import SHOWN
from notion_pipeline.catalog.sql import column_types, quote
from notion_pipeline.catalog.state import Column, users_table
from notion_pipeline.extraction.extract import Extract
from notion_pipeline.extraction.staging import PLACE
from notion_pipeline.rows.batch import USERS
from notion_pipeline.rows.properties import USER_TYPES


def merge_users(connection: duckdb.DuckDBPyConnection, extract: Extract, now: datetime) -> None:
    """Merges the users of the staged rows into the table; writes nothing if nothing is new."""
    if not extract.stage.rows:
        return
    connection.register("incoming", extract.stage.reader(extract.schema.arrow, [USERS]))
    # The later answer wins, except where it lacks a value.
    told = ", ".join(f"arg_max(u.{name}, {PLACE}) AS {name}" for name in SHOWN)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE users_seen AS SELECT u.id, {told} "
        f"FROM (SELECT unnest({USERS}) AS u, {PLACE} FROM incoming) GROUP BY u.id"
    )
    connection.unregister("incoming")
    if connection.execute("SELECT 1 FROM users_seen LIMIT 1").fetchall():
        table = users_table(connection, extract.source) or make_table(connection, extract.source, USERS_TABLE)
        users_content.merge_seen(connection, table, SHOWN, now)
    connection.execute("DROP TABLE users_seen")


def note_users_of(connection: duckdb.DuckDBPyConnection, table: tuple[str, str], columns: Sequence[Column]) -> None:
    """Makes `users_excluded`: ids of the users in columns that are about to be dropped as excluded."""
    selects = [select for column in columns for select in _ids_in(table, column)]
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE users_excluded AS {' UNION '.join(selects) or 'SELECT NULL AS id WHERE false'}"
    )


def forget_users(connection: duckdb.DuckDBPyConnection, source: str) -> None:
    """Removes the users of `users_excluded` whom no column shows any more; members that the list brought stay."""
    users = users_table(connection, source)
    if users is not None and connection.execute("SELECT 1 FROM users_excluded LIMIT 1").fetchall():
        shown = [
            select
            for state in bookkeeping.stream_states(connection, source).values()
            if state.has_table
            for select in _ids_in_existing(connection, (source, state.table_name), state.columns)
        ]
        elsewhere = f"AND id NOT IN ({' UNION '.join(shown)})" if shown else ""
        if "membership" in column_types(connection, users):
            elsewhere += " AND membership IS DISTINCT FROM 'member'"
        gone = f"id IN (SELECT id FROM users_excluded WHERE id IS NOT NULL) {elsewhere}"
        users_content.forget_reads(connection, source, f"SELECT id FROM {quote(*users)} WHERE {gone}")
        connection.execute(f"DELETE FROM {quote(*users)} WHERE {gone}")
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
