"""Views and macros over our tables that this pipeline did not make."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

import duckdb

from notion_pipeline.catalog.comments import VIEW_MARK
from notion_pipeline.catalog.sql import NAME, unquoted

#: A view as DuckDB shows it: the names of its columns where they are given, and its query.
VIEW = re.compile(
    rf"CREATE (?:OR REPLACE )?(?:TEMP(?:ORARY)? )?VIEW (?:{NAME}\.){{0,2}}{NAME}\s*"
    rf"(?P<columns>\({NAME}(?:, *{NAME})*\)\s*)?AS\s+(?P<query>.*)",
    re.DOTALL | re.IGNORECASE,
)


@dataclass(frozen=True)
class _Query:
    """A view or macro of the user's.

    Attributes:
        asked: Schema, empty where none is written, and name of each table and view that it reads, in lower case.
    """

    schema: str
    name: str
    is_macro: bool
    sql: str
    asked: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}{'()' if self.is_macro else ''}"

    def uses(self, tables: Collection[tuple[str, str]], macros: Collection[str]) -> bool:
        """Whether it reads any of these tables and views, or calls any of these macros; names in lower case."""
        calls = any(re.search(rf'(?<!\w){re.escape(name)}"?\s*\(', self.sql.lower()) for name in macros)
        return calls or _any_of(self.asked, tables)


def views_over(connection: duckdb.DuckDBPyConnection, schema: str, tables: Collection[str]) -> list[str]:
    """The user's views and macros that read any of these tables, directly or through others, as `schema.name`."""
    left = [*_views(connection), *_macros(connection)]
    wanted, macros = {(schema.lower(), name.lower()) for name in tables}, set[str]()
    found: set[str] = set()
    while more := [query for query in left if query.uses(wanted, macros)]:
        left = [query for query in left if query not in more]
        found |= {str(query) for query in more}
        macros |= {query.name.lower() for query in more if query.is_macro}
        wanted |= {(query.schema.lower(), query.name.lower()) for query in more if not query.is_macro}
    return sorted(found)


def _views(connection: duckdb.DuckDBPyConnection) -> Iterator[_Query]:
    rows = connection.execute(
        "SELECT schema_name, view_name, sql FROM duckdb_views() WHERE database_name = current_database() "
        "AND NOT internal AND NOT contains(coalesce(comment, ''), ?)",
        [VIEW_MARK],
    ).fetchall()
    for schema, name, sql in rows:
        query = VIEW.fullmatch((sql or "").strip().rstrip(";"))
        text_of = query["query"] if query is not None else ""
        yield _Query(schema, name, False, text_of, asked_for(connection, text_of))


def _macros(connection: duckdb.DuckDBPyConnection) -> Iterator[_Query]:
    rows = connection.execute(
        "SELECT schema_name, function_name, function_type = 'table_macro', macro_definition FROM duckdb_functions() "
        "WHERE database_name = current_database() AND NOT internal AND function_type IN ('macro', 'table_macro')"
    ).fetchall()
    for schema, name, is_table, definition in rows:
        sql = definition if is_table else f"SELECT {definition}"
        yield _Query(schema, name, True, sql, asked_for(connection, sql))


def _any_of(names: Iterable[tuple[str, str]], wanted: Collection[tuple[str, str]]) -> bool:
    """Whether one of the names is wanted. An empty schema fits every schema."""
    return any((schema, name) in wanted if schema else name in {bare for _, bare in wanted} for schema, name in names)


def asked_for(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[tuple[str, str], ...]:
    """What a query reads: schema, empty where none is written, and name of each, in lower case."""
    try:
        names = connection.get_table_names(query, qualified=True)
    except duckdb.Error:
        return ()
    # DuckDB 2.0 adds the alias to the name of a table that it does not know.
    dotted = [found[0] for name in names if (found := re.match(rf"{NAME}(?:\.{NAME})*", name))]
    parts = [["", *(unquoted(part).lower() for part in re.findall(NAME, name))] for name in dotted]
    return tuple((part[-2], part[-1]) for part in parts)
