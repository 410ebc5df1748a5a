"""What belongs to the user in and over our tables: columns, indexes, constraints, views, macros.

It is kept wherever a table is made anew or renamed. Where DuckDB cannot keep it, what we were about to do is not done,
and the message names it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import duckdb

from notion_pipeline.catalog.duckdb_errors import reason
from notion_pipeline.catalog.sql import quote, text
from notion_pipeline.errors import CatalogError

_NAME = r'(?:"(?:[^"]|"")*"|[^\s".,()]+)'
_INDEX = re.compile(
    rf"CREATE (?P<unique>UNIQUE )?INDEX {_NAME} ON (?:{_NAME}\.){{0,2}}{_NAME}\s*(?P<rest>.*)", re.DOTALL
)
_PLAIN_COLUMNS = re.compile(rf"(?P<kind>(?:USING \w+ *)?)\((?P<columns>{_NAME}(?:, *{_NAME})*)\)(?P<end>.*)", re.DOTALL)
_VIEW = re.compile(
    rf"CREATE (?:OR REPLACE )?(?:TEMP(?:ORARY)? )?VIEW (?:{_NAME}\.){{0,2}}{_NAME}\s*"
    rf"(?:\({_NAME}(?:, *{_NAME})*\)\s*)?AS\s+(?P<query>.*)",
    re.DOTALL | re.IGNORECASE,
)
#: In the comment of each view that `notion-pipeline views` made.
_MADE_BY_US = "; made by notion-pipeline views, definition "
_IN_THE_WAY = (duckdb.DependencyException, duckdb.CatalogException, duckdb.ConstraintException, duckdb.BinderException)


@dataclass(frozen=True)
class Declared:
    """What the user declared of a column, his own or ours, beside its type: SQL, empty where it is nothing."""

    default: str = ""
    not_null: str = ""
    generated: str = ""

    def __str__(self) -> str:
        return f"{self.generated}{self.default}{self.not_null}"

    @property
    def value_by_default(self) -> str:
        """SQL of what a row has that is given no value."""
        return self.default.removeprefix(" DEFAULT ") or "NULL"


@dataclass(frozen=True)
class Index:
    """An index on a table; `sql` as DuckDB shows it."""

    name: str
    sql: str
    comment: str | None

    def statement(self, table: tuple[str, str], renamed: Mapping[str, str]) -> str:
        """What makes it on `table`, of which columns are renamed."""
        found = _INDEX.fullmatch(self.sql.strip().rstrip(";"))
        if found is None:
            return self.sql
        rest = found["rest"]
        if (plain := _PLAIN_COLUMNS.fullmatch(rest)) is not None:
            columns = [_bare(name) for name in re.findall(_NAME, plain["columns"])]
            rest = f"{plain['kind']}({', '.join(quote(_now(name, renamed)) for name in columns)}){plain['end']}"
        elif _mentions(rest, renamed):
            raise CatalogError(
                f"The index {quote(self.name)} on {'.'.join(table)} is made of columns that are renamed now.",
                hint="Drop it, sync again, then make it anew.",
            )
        return f"CREATE {found['unique'] or ''}INDEX {quote(self.name)} ON {quote(*table)} {rest}"


def declarations(connection: duckdb.DuckDBPyConnection, table: tuple[str, str]) -> dict[str, Declared]:
    """What is declared of each column of a table."""
    rows = connection.execute(
        "SELECT c.column_name, c.data_type, c.column_default, c.is_nullable, t.sql FROM duckdb_columns() c "
        "JOIN duckdb_tables() t ON t.table_oid = c.table_oid AND t.database_name = c.database_name "
        "WHERE c.database_name = current_database() AND c.schema_name = ? AND c.table_name = ?",
        list(table),
    ).fetchall()
    found = {}
    for name, kind, default, is_nullable, sql in rows:
        is_generated = any(f"{spelled} {kind} GENERATED ALWAYS AS" in sql for spelled in (name, quote(name)))
        found[name] = Declared(
            default=f" DEFAULT ({default})" if default and not is_generated else "",
            not_null="" if is_nullable else " NOT NULL",
            generated=f" GENERATED ALWAYS AS ({default})" if is_generated else "",
        )
    return found


def constraints(connection: duckdb.DuckDBPyConnection, table: tuple[str, str], renamed: Mapping[str, str]) -> list[str]:
    """The constraints over the rows of a table as CREATE TABLE takes them, after columns were renamed.

    Raises:
        CatalogError: One is written in the old names.
    """
    rows = connection.execute(
        "SELECT constraint_type, constraint_text, constraint_column_names FROM duckdb_constraints() "
        "WHERE database_name = current_database() AND schema_name = ? AND table_name = ? "
        "AND constraint_type <> 'NOT NULL' ORDER BY constraint_index",
        list(table),
    ).fetchall()
    found = []
    for kind, written, columns in rows:
        if kind in ("PRIMARY KEY", "UNIQUE"):
            found.append(f"{kind} ({', '.join(quote(_now(name, renamed)) for name in columns)})")
        elif any(name in renamed for name in columns):
            raise CatalogError(
                f"The constraint {written} on {'.'.join(table)} is made of columns that are renamed now.",
                hint="Make the table without it, sync again, then with it.",
            )
        else:
            found.append(written)
    return found


def indexes(connection: duckdb.DuckDBPyConnection, table: tuple[str, str]) -> list[Index]:
    """The indexes on a table; we make none."""
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
    """Makes dropped indexes again, on the table as it is called now.

    Raises:
        CatalogError: DuckDB cannot make one, as where its column is gone.
    """
    for index in found:
        try:
            connection.execute(index.statement(table, renamed or {}))
        except duckdb.Error as error:
            raise CatalogError(
                f"The index {quote(index.name)} on {'.'.join(table)} cannot be kept: {reason(error)}",
                hint="The table keeps what it held. Drop the index, then sync again.",
            ) from error
        if index.comment:
            connection.execute(f"COMMENT ON INDEX {quote(table[0], index.name)} IS {text(index.comment)}")


def referring_tables(connection: duckdb.DuckDBPyConnection, table: tuple[str, str]) -> list[str]:
    """Tables that refer to this one by a foreign key; DuckDB has such within one schema only."""
    rows = connection.execute(
        "SELECT DISTINCT table_name FROM duckdb_constraints() WHERE database_name = current_database() "
        "AND constraint_type = 'FOREIGN KEY' AND schema_name = ? AND referenced_table = ? ORDER BY 1",
        list(table),
    ).fetchall()
    return [f"{table[0]}.{row[0]}" for row in rows]


@contextmanager
def naming_what_is_in_the_way(
    connection: duckdb.DuckDBPyConnection, table: tuple[str, str], ours: Collection[str]
) -> Iterator[None]:
    """Where DuckDB refuses a change of our table, says which things of the user's are on it.

    Args:
        ours: Columns of the table that are not the user's.
    """
    try:
        yield
    except _IN_THE_WAY as error:
        # Its transaction has failed; beside it the table is as it was.
        with connection.cursor() as beside:
            own = _things_on(beside, table, ours)
        if not own:
            raise
        raise CatalogError(
            f"The table {'.'.join(table)} cannot be brought up to date with what is not ours on it: {', '.join(own)}. "
            f"DuckDB says: {reason(error)}",
            hint="The table keeps what it held. Drop what DuckDB cannot keep, sync again, then make it anew.",
        ) from error


def _things_on(connection: duckdb.DuckDBPyConnection, table: tuple[str, str], ours: Collection[str]) -> list[str]:
    found = [f"a foreign key of the table {name}" for name in referring_tables(connection, table)]
    found += [f"the index {index.name}" for index in indexes(connection, table)]
    found += [f"the constraint {written}" for written in constraints(connection, table, {})]
    lowered = {name.lower() for name in ours}
    for name, declared in declarations(connection, table).items():
        if name.lower() not in lowered:
            found.append(f"the column {name}{declared}")
        elif str(declared):
            found.append(f"{str(declared).strip()} of the column {name}")
    return found


@dataclass(frozen=True)
class _Query:
    """A view or macro of the user's: what it is called in a message, and what it asks for."""

    schema: str
    name: str
    is_macro: bool
    sql: str
    asked: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}{'()' if self.is_macro else ''}"

    def uses(self, tables: Collection[tuple[str, str]], macros: Collection[str]) -> bool:
        """Whether it asks for any of these tables and views, or calls any of these macros; names in lower case."""
        calls = any(re.search(rf'(?<!\w){re.escape(name)}"?\s*\(', self.sql.lower()) for name in macros)
        return calls or _any_of(self.asked, tables)


def views_over(connection: duckdb.DuckDBPyConnection, schema: str, tables: Collection[str]) -> list[str]:
    """The user's views and macros that ask for any of these tables, be it by way of others, as `schema.name`."""
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
        [_MADE_BY_US],
    ).fetchall()
    for schema, name, sql in rows:
        query = _VIEW.fullmatch((sql or "").strip().rstrip(";"))
        text_of = query["query"] if query is not None else ""
        yield _Query(schema, name, False, text_of, _asked_for(connection, text_of))


def _macros(connection: duckdb.DuckDBPyConnection) -> Iterator[_Query]:
    rows = connection.execute(
        "SELECT schema_name, function_name, function_type = 'table_macro', macro_definition FROM duckdb_functions() "
        "WHERE database_name = current_database() AND NOT internal AND function_type IN ('macro', 'table_macro')"
    ).fetchall()
    for schema, name, is_table, definition in rows:
        sql = definition if is_table else f"SELECT {definition}"
        yield _Query(schema, name, True, sql, _asked_for(connection, sql))


def _any_of(names: Iterable[tuple[str, str]], wanted: Collection[tuple[str, str]]) -> bool:
    """Whether a name, of which the schema may be left out, is one of the wanted."""
    return any((schema, name) in wanted if schema else name in {bare for _, bare in wanted} for schema, name in names)


def _asked_for(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[tuple[str, str], ...]:
    """Schema, empty where none is written, and name of what a query asks for, in lower case."""
    try:
        names = connection.get_table_names(query, qualified=True)
    except duckdb.Error:
        return ()
    parts = [["", *(_bare(part).lower() for part in re.findall(_NAME, name))] for name in names]
    return tuple((part[-2], part[-1]) for part in parts)


def needs_quotes(connection: duckdb.DuckDBPyConnection, name: str) -> bool:
    """Whether SQL takes a table's name in double quotes only."""
    if re.fullmatch(r"[^\W\d]\w*", name) is None:
        return True
    try:
        connection.get_table_names(f"SELECT * FROM {name}")
    except duckdb.ParserException:
        return True
    return False


def _bare(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


def _now(name: str, renamed: Mapping[str, str]) -> str:
    return renamed.get(name, name)


def _mentions(sql: str, names: Iterable[str]) -> bool:
    return any(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", sql) for name in names)


def own_columns(kinds: Sequence[str], ours: Collection[str]) -> list[str]:
    """Those columns of a table that we did not make, in order."""
    lowered = {name.lower() for name in ours}
    return [name for name in kinds if name.lower() not in lowered]
