"""Removes or renames what a source has in the catalog after it left sources.yaml.

Only what this pipeline made: a user's table in the schema stays, and so does one of our tables to which a user added
columns.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import duckdb

from notion_pipeline.catalog import state as bookkeeping
from notion_pipeline.catalog.sql import columns_by_table, names_in, quote, text
from notion_pipeline.catalog.views.flat_views import drop_views, standing_views
from notion_pipeline.errors import CatalogError
from notion_pipeline.rows.batch import DELETED_AT, PAGE_COLUMNS, SYNCED_AT

_PAGE_COLUMNS = {*(name for name, _ in PAGE_COLUMNS), SYNCED_AT, DELETED_AT}


@dataclass(frozen=True)
class SourceInCatalog:
    """What the catalog holds of a source.

    Attributes:
        tables: Our tables without added columns; names without the schema.
        shared: Our tables to which a user added columns; names without the schema.
        views: Our flat views, `schema.view`.
        kept: Tables and views in the schema that are not ours; names without the schema.
        readers: A user's views that read the tables, `schema.view`.
        history: Whether the bookkeeping has anything about it.
    """

    source: str
    tables: tuple[str, ...]
    shared: tuple[str, ...]
    views: tuple[str, ...]
    kept: tuple[str, ...]
    readers: tuple[str, ...]
    history: bool

    @property
    def is_empty(self) -> bool:
        return not (self.tables or self.shared or self.views or self.history)


def sources_in(connection: duckdb.DuckDBPyConnection | None) -> set[str]:
    """Every source that the bookkeeping knows."""
    if connection is None:
        return set()
    found: set[str] = set()
    for table in _bookkeeping_tables(connection):
        found |= {row[0] for row in connection.execute(f"SELECT DISTINCT source FROM {table}").fetchall() if row[0]}
    return found


def source_in(connection: duckdb.DuckDBPyConnection | None, source: str) -> SourceInCatalog:
    """What the catalog holds of a source."""
    if connection is None or source not in sources_in(connection):
        return SourceInCatalog(source, (), (), (), (), (), history=False)
    present = names_in(connection, source)
    columns = columns_by_table(connection, source)
    states = bookkeeping.stream_states(connection, source) if bookkeeping.has_bookkeeping(connection) else {}
    known = {
        state.table_name.lower(): {column.column.lower() for column in state.columns}
        for state in states.values()
        if state.has_table
    }
    of_source = {"databases", *bookkeeping.content_tables(connection, source).values()}
    ours = [name for name in sorted(present) if name in of_source or name.lower() in known]
    shared = [
        name
        for name in ours
        if name not in of_source
        and not {column.lower() for column, _, _ in columns.get(name, ())} <= known[name.lower()] | _PAGE_COLUMNS
    ]
    return SourceInCatalog(
        source,
        tuple(name for name in ours if name not in shared),
        tuple(shared),
        tuple(standing_views(connection, source)),
        tuple(sorted(present - set(ours))),
        tuple(_readers(connection, source)),
        history=True,
    )


def remove_source(connection: duckdb.DuckDBPyConnection, source: str) -> SourceInCatalog:
    """Removes what we made of a source, in the caller's transaction; returns what it was."""
    found = source_in(connection, source)
    drop_views(connection, source)
    for table in found.tables:
        connection.execute(f"DROP TABLE {quote(source, table)}")
    for table in _bookkeeping_tables(connection):
        connection.execute(f"DELETE FROM {table} WHERE source = ?", [source])
    _drop_if_empty(connection, source)
    return found


def check_rename(connection: duckdb.DuckDBPyConnection, old: str, new: str) -> None:
    """Makes sure that the tables of a source can move to another name.

    Raises:
        CatalogError: That name has tables already, or a user made an index or constraint on one of our tables.
    """
    found = source_in(connection, old)
    tables = [*found.tables, *found.shared]
    taken = {name.lower() for name in names_in(connection, new)}
    if new in sources_in(connection) or (taken & {name.lower() for name in tables}):
        raise CatalogError(
            f"The catalog already has tables of source {new}, so those of {old} cannot get its name.",
            hint=f"If a sync has made them again, remove those of {old}: `notion-pipeline remove-source {old}`.",
        )
    _raise_for_additions(connection, old, tables)


def rename_source(connection: duckdb.DuckDBPyConnection, old: str, new: str) -> SourceInCatalog:
    """Moves what we made of a source to another name, in the caller's transaction; returns what it was.

    DuckDB can neither rename a schema nor move a table, so the tables are copied with their comments.

    Raises:
        CatalogError: As `check_rename`.
    """
    check_rename(connection, old, new)
    found = source_in(connection, old)
    drop_views(connection, old)
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quote(new)}")
    for table in (*found.tables, *found.shared):
        _move(connection, table, old, new)
    for table in _bookkeeping_tables(connection):
        connection.execute(f"UPDATE {table} SET source = ? WHERE source = ?", [new, old])
    _drop_if_empty(connection, old)
    return found


def _move(connection: duckdb.DuckDBPyConnection, table: str, old: str, new: str) -> None:
    here, there = quote(old, table), quote(new, table)
    ((comment,),) = connection.execute(
        "SELECT comment FROM duckdb_tables() WHERE database_name = current_database() AND schema_name = ? "
        "AND table_name = ?",
        [old, table],
    ).fetchall()
    columns = columns_by_table(connection, old)[table]
    connection.execute(f"CREATE TABLE {there} AS SELECT * FROM {here}")
    connection.execute(f"DROP TABLE {here}")
    if comment is not None:
        about = str(comment).replace(f"connection of source {old} ", f"connection of source {new} ")
        connection.execute(f"COMMENT ON TABLE {there} IS {text(about)}")
    for name, _, said in columns:
        if said is not None:
            connection.execute(f"COMMENT ON COLUMN {quote(new, table, name)} IS {text(said)}")


def _raise_for_additions(connection: duckdb.DuckDBPyConnection, source: str, tables: list[str]) -> None:
    """Refuses the rename if a copy of our tables would lose a user's additions."""
    where = "database_name = current_database() AND schema_name = ? AND list_contains(?, table_name)"
    # A lake says NULL where no default is declared.
    rows = connection.execute(
        f"SELECT 'index ' || index_name, table_name FROM duckdb_indexes() WHERE {where} "
        f"UNION ALL SELECT lower(constraint_type) || ' constraint', table_name FROM duckdb_constraints() WHERE {where} "
        f"UNION ALL SELECT 'default of ' || column_name, table_name FROM duckdb_columns() "
        f"WHERE {where} AND column_default NOT IN ('', 'NULL')",
        [source, tables] * 3,
    ).fetchall()
    if rows:
        named = ", ".join(f"{what} on {source}.{table}" for what, table in rows)
        raise CatalogError(
            f"The tables of source {source} have additions that this pipeline did not make: {named}.",
            hint="Drop them, rename the source, and make them again on the renamed tables.",
        )


def _readers(connection: duckdb.DuckDBPyConnection, source: str) -> list[str]:
    ours = set(standing_views(connection, source))
    mention = re.compile(rf'(?<![\w"])"?{re.escape(source)}"?\.', re.IGNORECASE)
    rows = connection.execute(
        "SELECT schema_name || '.' || view_name, sql FROM duckdb_views() "
        "WHERE database_name = current_database() AND NOT internal ORDER BY 1"
    ).fetchall()
    return [name for name, sql in rows if name not in ours and mention.search((sql or "").partition(" AS ")[2])]


def _bookkeeping_tables(connection: duckdb.DuckDBPyConnection) -> Iterable[str]:
    """Every table of the bookkeeping that has a column `source`."""
    rows = connection.execute(
        "SELECT t.table_name FROM duckdb_tables() t JOIN duckdb_columns() c ON c.table_oid = t.table_oid "
        "AND c.database_name = t.database_name WHERE t.database_name = current_database() "
        "AND t.schema_name = '_notion_pipeline' AND c.column_name = 'source' ORDER BY 1"
    ).fetchall()
    return [quote("_notion_pipeline", row[0]) for row in rows]


def _drop_if_empty(connection: duckdb.DuckDBPyConnection, schema: str) -> None:
    others = "".join(
        f" UNION ALL SELECT 1 FROM {kind}() WHERE database_name = current_database() AND schema_name = ?"
        for kind in ("duckdb_functions", "duckdb_sequences", "duckdb_types")
    )
    found = connection.execute(f"SELECT 1 WHERE false{others} LIMIT 1", [schema] * 3).fetchall()
    if not found and not names_in(connection, schema):
        connection.execute(f"DROP SCHEMA IF EXISTS {quote(schema)}")
