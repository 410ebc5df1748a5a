"""Rows that stay although a sync did not read them, and the changes that it makes to them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import duckdb

from notion_pipeline.catalog.sql import quote
from notion_pipeline.rows.properties import Exclusion
from notion_pipeline.rows.text.json_text import dump_json, load_json

_ROWS_AT_A_TIME = 5_000


def unread_rows(
    connection: duckdb.DuckDBPyConnection, table: tuple[str, str], condition: str = "true"
) -> Iterator[list[tuple[str, Any]]]:
    """Id and raw properties of the rows that are not staged, some thousands at a time.

    Args:
        condition: SQL condition of the rows wanted.
    """
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE unread AS SELECT id, row_number() OVER () AS place FROM {quote(*table)} "
        f"WHERE id NOT IN (SELECT id FROM staged) AND {condition}"
    )
    first = 1
    while rows := connection.execute(
        f"SELECT t.id, t.properties FROM {quote(*table)} t JOIN unread u ON u.id = t.id WHERE u.place BETWEEN ? AND ?",
        [first, first + _ROWS_AT_A_TIME - 1],
    ).fetchall():
        yield [(row[0], load_json(row[1]) if row[1] else None) for row in rows]
        first += _ROWS_AT_A_TIME
    connection.execute("DROP TABLE unread")


def forget_excluded(connection: duckdb.DuckDBPyConnection, table: tuple[str, str], exclusion: Exclusion) -> None:
    """Removes newly excluded properties from rows that were read before."""
    for rows in unread_rows(connection, table):
        for page_id, properties in rows:
            kept = exclusion.out_of(properties)
            if properties and len(kept) < len(properties):
                connection.execute(
                    f"UPDATE {quote(*table)} SET properties = ?::JSON WHERE id = ?", [dump_json(kept).decode(), page_id]
                )
