"""What a catalog holds, as it is to be made in another one, and what the other one cannot have of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import duckdb

from notion_pipeline.catalog.additions.declarations import Declared, constraints, declarations
from notion_pipeline.catalog.additions.indexes import Index, indexes
from notion_pipeline.catalog.dialect import FILE, Dialect
from notion_pipeline.catalog.migrate.lake_types import lake_type
from notion_pipeline.catalog.sql import columns_of, quote

#: The schema of what the pipeline knows of its streams.
BOOKKEEPING = "_notion_pipeline"
#: The schema that a catalog has while it is being copied into.
UNFINISHED = "_notion_pipeline_copy"
_NESTED = ("[", "STRUCT(", "MAP(", "UNION(")

Name = tuple[str, str]


@dataclass(frozen=True)
class Loss:
    """Something that the target cannot have.

    Attributes:
        what: The thing, with the name of its table.
        becomes: What the target has instead.
    """

    what: str
    becomes: str

    def __str__(self) -> str:
        return f"{self.what}: {self.becomes}"


@dataclass(frozen=True)
class CopiedColumn:
    """A column as the target has it.

    Attributes:
        kind: Its type in the target.
        kind_before: Its type in the source.
        is_computed: Whether the target computes its values.
    """

    name: str
    kind: str
    kind_before: str
    declared: str
    is_computed: bool
    comment: str | None

    @property
    def source_value(self) -> str:
        """SQL over the source that gives the value of the target."""
        return quote(self.name) if self.kind == self.kind_before else f"CAST({quote(self.name)} AS {self.kind})"


@dataclass(frozen=True)
class CopiedTable:
    """A table as the target has it, of this schema and name."""

    name: Name
    columns: tuple[CopiedColumn, ...]
    constraints: tuple[str, ...]
    indexes: tuple[Index, ...]
    comment: str | None

    def __str__(self) -> str:
        return ".".join(self.name)


@dataclass(frozen=True)
class View:
    """A view: its SQL as DuckDB shows it, and its comments."""

    name: Name
    sql: str
    comment: str | None
    on_columns: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        return ".".join(self.name)


@dataclass(frozen=True)
class Contents:
    """What is copied.

    Attributes:
        schemas: All of them, those without tables too.
        tables: In an order in which they can be made, those of the bookkeeping last.
        losses: What the target cannot have.
    """

    schemas: tuple[str, ...]
    tables: tuple[CopiedTable, ...]
    views: tuple[View, ...]
    losses: tuple[Loss, ...]

    @property
    def relations(self) -> set[Name]:
        """Tables and views, in lower case, as DuckDB compares them."""
        return {lowered(table.name) for table in self.tables} | {lowered(view.name) for view in self.views}


def lowered(name: Name) -> Name:
    """The name as DuckDB compares it."""
    return name[0].lower(), name[1].lower()


def contents(connection: duckdb.DuckDBPyConnection, target: Dialect) -> Contents:
    """What the catalog of a connection holds, for a target of this dialect."""
    planner = _Planner(connection, target)
    tables = [planner.table(name, comment) for name, comment in _tables(connection)]
    views = tuple(_views(connection))
    losses = planner.losses
    commented = [str(view) for view in views if view.on_columns]
    if commented and not target.comments_on_view_columns:
        losses.append(Loss(f"comments on columns of views ({', '.join(commented)})", "left out"))
    if not target.compresses_columns and any(FILE.compression(column.name) for t in tables for column in t.columns):
        losses.append(Loss("compression of the columns called properties", "the lake's own"))
    losses += [Loss(f"{kind} {name}", "stays behind; make it again there") for kind, name in _left_behind(connection)]
    return Contents(tuple(_schemas(connection)), tuple(_in_order(tables)), views, tuple(losses))


class _Planner:
    """Plans tables for a target, and collects what that cannot have."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, target: Dialect) -> None:
        self._connection, self._target = connection, target
        self.losses: list[Loss] = []

    def table(self, name: Name, comment: str | None) -> CopiedTable:
        declared = declarations(self._connection, name)
        columns = tuple(
            self._column((*name, column), kind, declared[column], said)
            for column, kind, said in columns_of(self._connection, name)
        )
        keys, found = constraints(self._connection, name, {}), indexes(self._connection, name)
        if not self._target.takes_every_declaration:
            for what in (*keys, *(f"index {index.name}" for index in found)):
                self._lose(name, what, "left out")
            keys, found = [], []
        return CopiedTable(name, columns, tuple(keys), tuple(found), comment)

    def _column(self, name: tuple[str, ...], kind: str, declared: Declared, comment: str | None) -> CopiedColumn:
        takes_all = self._target.takes_every_declaration
        kept = kind if takes_all else lake_type(kind)
        default, generated = declared.default, declared.generated
        if kept != kind:
            self._lose(name, kind, f"becomes {kept}")
        if "nextval(" in default or (default and not takes_all and any(mark in kept for mark in _NESTED)):
            self._lose(name, default.strip(), "left out")
            default = ""
        if generated and not takes_all:
            self._lose(name, generated.strip(), "becomes a plain column with the values of now")
            generated = ""
        compression = self._target.compression(name[-1]) if kept in ("VARCHAR", "JSON") else ""
        written = f"{compression}{generated}{default}{declared.not_null}"
        return CopiedColumn(name[-1], kept, kind, written, bool(generated), comment)

    def _lose(self, of: tuple[str, ...], what: str, becomes: str) -> None:
        self.losses.append(Loss(f"{'.'.join(of)}: {what}", becomes))


def _schemas(connection: duckdb.DuckDBPyConnection) -> list[str]:
    rows = connection.execute(
        "SELECT schema_name FROM duckdb_schemas() WHERE database_name = current_database() AND NOT internal ORDER BY 1"
    ).fetchall()
    return [row[0] for row in rows if row[0] not in ("main", UNFINISHED)]


def _tables(connection: duckdb.DuckDBPyConnection) -> list[tuple[Name, str | None]]:
    rows = connection.execute(
        "SELECT schema_name, table_name, comment FROM duckdb_tables() WHERE database_name = current_database() "
        "AND NOT internal AND NOT temporary ORDER BY schema_name = ?, 1, 2",
        [BOOKKEEPING],
    ).fetchall()
    return [((row[0], row[1]), row[2]) for row in rows if row[0] != UNFINISHED]


def _views(connection: duckdb.DuckDBPyConnection) -> Iterator[View]:
    rows = connection.execute(
        "SELECT schema_name, view_name, sql, comment FROM duckdb_views() WHERE database_name = current_database() "
        "AND NOT internal AND NOT temporary ORDER BY 1, 2"
    ).fetchall()
    for schema, name, sql, comment in rows:
        on_columns = tuple((column, said) for column, _, said in columns_of(connection, (schema, name)) if said)
        yield View((schema, name), sql or "", comment, on_columns)


def _left_behind(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    """What no table holds, and what cannot be written down again in full: DuckDB does not tell a macro's defaults."""
    return connection.execute(
        "SELECT 'macro', schema_name || '.' || function_name FROM duckdb_functions() "
        "WHERE database_name = current_database() AND NOT internal AND function_type IN ('macro', 'table_macro') "
        "UNION SELECT 'sequence', schema_name || '.' || sequence_name FROM duckdb_sequences() "
        "WHERE database_name = current_database() AND NOT temporary "
        "UNION SELECT 'type', schema_name || '.' || type_name FROM duckdb_types() "
        "WHERE database_name = current_database() AND NOT internal ORDER BY 1, 2"
    ).fetchall()


def _in_order(tables: list[CopiedTable]) -> Iterator[CopiedTable]:
    """Tables after those to which they have foreign keys."""
    left = list(tables)
    while left:
        names = [table.name for table in left]
        free = [table for table in left if not any(_refers(table, name) for name in names if name != table.name)]
        yield from (ready := free or left)
        left = [table for table in left if table not in ready]


def _refers(table: CopiedTable, other: Name) -> bool:
    return any(
        "REFERENCES" in written and (f"{other[1]}(" in written or f"{quote(other[1])}(" in written)
        for written in table.constraints
    )
