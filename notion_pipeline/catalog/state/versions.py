"""Tables that commits only add to: a row is one version of what it is about, and the latest version counts.

Two commits into one DuckLake fail if both update or delete rows of one table, even different rows; rows that both add
never get in each other's way. A DuckDB file has one writer, so there a version replaces the one before it at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from notion_pipeline.catalog.dialect import dialect_of
from notion_pipeline.catalog.sql import is_table, quote

SCHEMA = "_notion_pipeline"
#: What the first row of a table in a lake holds, by type; it counts as removed.
_FIRST = {
    "VARCHAR": "''",
    "JSON": "'null'::JSON",
    "BIGINT": "0",
    "BOOLEAN": "false",
    "TIMESTAMPTZ": "TIMESTAMPTZ '1970-01-01 00:00:00+00'",
}


@dataclass(frozen=True)
class VersionedTable:
    """A table of the schema `_notion_pipeline` that commits only add to.

    Attributes:
        name: Without the schema.
        view: What shows the latest of it, and what the table was called whose rows commits changed; empty for none.
        key: The columns that say what a row is about; never NULL. One process at a time writes about one key.
        columns: Type by name, those of the key included.
    """

    name: str
    view: str
    key: tuple[str, ...]
    columns: Mapping[str, str]

    @property
    def address(self) -> str:
        return quote(SCHEMA, self.name)

    @property
    def latest(self) -> str:
        """A subquery: the latest version of each row that is not removed."""
        return f"(SELECT {', '.join(map(quote, self.columns))} FROM {self._latest_versions})"

    @property
    def _latest_versions(self) -> str:
        return f"(FROM {self.address} AS old WHERE NOT old.is_removed AND NOT {self._is_superseded})"

    @property
    def _is_superseded(self) -> str:
        """A condition over the table, alias old."""
        same = " AND ".join(f"newer.{quote(name)} = old.{quote(name)}" for name in self.key)
        return f"EXISTS (SELECT 1 FROM {self.address} AS newer WHERE {same} AND newer.version > old.version)"


def create(connection: duckdb.DuckDBPyConnection, table: VersionedTable) -> None:
    """Makes the table where it is missing; adds columns that one of an earlier version lacks."""
    columns = {**table.columns, "version": "DOUBLE", "is_removed": "BOOLEAN"}
    described = ", ".join(f"{quote(name)} {kind}" for name, kind in columns.items())
    if not is_table(connection, (SCHEMA, table.name)):
        connection.execute(f"CREATE TABLE {table.address} ({described})")
        if not dialect_of(connection).removes_superseded:
            # Of a table that never had a row DuckLake has no statistics, and asks the server for them in every query.
            # Those of a column that was NULL at first are wrong, and mislead other programs.
            values = ", ".join(_FIRST.get(kind, "NULL") for kind in table.columns.values())
            connection.execute(f"INSERT INTO {table.address} VALUES ({values}, 0, true)")
    for name, kind in columns.items():
        connection.execute(f"ALTER TABLE {table.address} ADD COLUMN IF NOT EXISTS {quote(name)} {kind}")


def create_with_view(connection: duckdb.DuckDBPyConnection, table: VersionedTable) -> None:
    """Makes the table and its view where they are missing; takes over what a former table of the view's name has."""
    if is_table(connection, (SCHEMA, table.name)):
        return
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quote(SCHEMA)}")
    create(connection, table)
    view = quote(SCHEMA, table.view)
    if is_table(connection, (SCHEMA, table.view)):
        take_over(connection, table, f"FROM {view}")
        connection.execute(f"DROP TABLE {view}")
    connection.execute(f"CREATE OR REPLACE VIEW {view} AS FROM {table.latest}")


def take_over(connection: duckdb.DuckDBPyConnection, table: VersionedTable, query: str) -> None:
    """Fills the table, which is empty, with rows that former tables had."""
    connection.execute(
        f"INSERT INTO {table.address} BY NAME SELECT *, 1.0 AS version, false AS is_removed FROM ({query})"
    )


def is_recorded(connection: duckdb.DuckDBPyConnection, table: VersionedTable) -> bool:
    """Whether the catalog has the table's view, or the table that an earlier version had under that name."""
    return is_table(connection, (SCHEMA, table.name)) or is_table(connection, (SCHEMA, table.view))


def append(connection: duckdb.DuckDBPyConnection, table: VersionedTable, rows: Sequence[Sequence[Any]]) -> None:
    """Adds these rows as the next versions of theirs.

    Args:
        rows: Values in the order of `table.columns`, one row of a key at most.
    """
    if rows:
        query, parameters = rows_query(table.columns, rows)
        append_query(connection, table, query, parameters)


def append_query(
    connection: duckdb.DuckDBPyConnection, table: VersionedTable, query: str, parameters: Sequence[Any] = ()
) -> None:
    """The same with the rows of a query.

    Args:
        query: Reads other tables alone; names its columns as the table does, and those it leaves out are NULL.
    """
    keys = ", ".join(map(quote, table.key))
    version, before = "1.0", ""
    if dialect_of(connection).removes_superseded:
        connection.execute(
            f"DELETE FROM {table.address} WHERE ({keys}) IN (SELECT ({keys}) FROM ({query}))", list(parameters)
        )
    else:
        # The fraction decides between two commits that saw the same version before.
        version = "floor(coalesce(before.version, 0)) + 1 + random()"
        before = f"LEFT JOIN (SELECT {keys}, max(version) AS version FROM {table.address} GROUP BY ALL) AS before "
        before += f"USING ({keys})"
    connection.execute(
        f"INSERT INTO {table.address} BY NAME SELECT given.*, {version} AS version, false AS is_removed "
        f"FROM ({query}) AS given {before}",
        list(parameters),
    )


def remove(
    connection: duckdb.DuckDBPyConnection, table: VersionedTable, condition: str, parameters: Sequence[Any] = ()
) -> None:
    """Removes the rows that meet a condition."""
    if dialect_of(connection).removes_superseded:
        connection.execute(f"DELETE FROM {table.address} WHERE {condition}", list(parameters))
        return
    connection.execute(
        f"INSERT INTO {table.address} BY NAME "
        # Without a fraction: who writes the row again at the same time wins.
        "SELECT * REPLACE (floor(version) + 1 AS version, true AS is_removed) "
        f"FROM {table._latest_versions} WHERE {condition}",
        list(parameters),
    )


def keep_latest(connection: duckdb.DuckDBPyConnection, table: VersionedTable) -> None:
    """Deletes what is not the latest version, and all of what was removed."""
    connection.execute(f"DELETE FROM {table.address} AS old WHERE old.is_removed OR {table._is_superseded}")


def rows_query(columns: Mapping[str, str], rows: Sequence[Sequence[Any]]) -> tuple[str, list[list[Any]]]:
    """A query that gives these rows, and its parameters: a statement a row would be a file a row in a DuckLake."""
    given = ", ".join(f"unnest(?::{kind}[]) AS {quote(name)}" for name, kind in columns.items())
    return f"SELECT {given}", [list(values) for values in zip(*rows, strict=True)]
