"""Indexes on our tables: dropped before a table is made again or renamed, and made again afterwards."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import duckdb

from notion_pipeline.catalog.connection.duckdb_errors import reason
from notion_pipeline.catalog.sql import NAME, quote, text, unquoted
from notion_pipeline.errors import CatalogError

_INDEX = re.compile(rf"CREATE (?P<unique>UNIQUE )?INDEX {NAME} ON (?:{NAME}\.){{0,2}}{NAME}\s*(?P<rest>.*)", re.DOTALL)
_PLAIN_COLUMNS = re.compile(rf"(?P<kind>(?:USING \w+ *)?)\((?P<columns>{NAME}(?:, *{NAME})*)\)(?P<end>.*)", re.DOTALL)


@dataclass(frozen=True)
class Index:
    """An index on a table; `sql` as DuckDB shows it."""

    name: str
    sql: str
    comment: str | None

    def statement(self, table: tuple[str, str], renamed: Mapping[str, str]) -> str:
        """SQL that makes it on `table`, with the new names of renamed columns.

        Raises:
            CatalogError: It is made of expressions over a renamed column.
        """
        found = _INDEX.fullmatch(self.sql.strip().rstrip(";"))
        if found is None:
            return self.sql
        rest = found["rest"]
        if (plain := _PLAIN_COLUMNS.fullmatch(rest)) is not None:
            columns = [unquoted(name) for name in re.findall(NAME, plain["columns"])]
            rest = f"{plain['kind']}({', '.join(quote(renamed.get(name, name)) for name in columns)}){plain['end']}"
        elif _mentions(rest, renamed):
            raise CatalogError(
                f"The index {quote(self.name)} on {'.'.join(table)} is made of columns that get new names now.",
                hint="Drop it, sync again, then make it again.",
            )
        return f"CREATE {found['unique'] or ''}INDEX {quote(self.name)} ON {quote(*table)} {rest}"


def indexes(connection: duckdb.DuckDBPyConnection, table: tuple[str, str]) -> list[Index]:
    """The indexes on a table. All are the user's: we make none."""
    rows = connection.execute(
        "SELECT index_name, sql, comment FROM duckdb_indexes() WHERE database_name = current_database() "
        "AND schema_name = ? AND table_name = ? AND NOT is_primary ORDER BY index_name",
        list(table),
    ).fetchall()
    return [Index(*row) for row in rows if row[1]]


def drop_indexes(connection: duckdb.DuckDBPyConnection, schema: str, found: Iterable[Index]) -> None:
    for index in found:
        connection.execute(f"DROP INDEX {quote(schema, index.name)}")


def make_indexes(
    connection: duckdb.DuckDBPyConnection,
    found: Iterable[Index],
    table: tuple[str, str],
    renamed: Mapping[str, str] | None = None,
) -> None:
    """Makes dropped indexes again, on the table under its present name.

    Raises:
        CatalogError: DuckDB cannot make one, for example because its column is gone.
    """
    for index in found:
        try:
            connection.execute(index.statement(table, renamed or {}))
        except duckdb.Error as error:
            raise CatalogError(
                f"The index {quote(index.name)} on {'.'.join(table)} cannot be kept: {reason(error)}",
                hint="The table did not change. Drop the index, then sync again.",
            ) from error
        if index.comment:
            connection.execute(f"COMMENT ON INDEX {quote(table[0], index.name)} IS {text(index.comment)}")


def _mentions(sql: str, names: Iterable[str]) -> bool:
    return any(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", sql) for name in names)
