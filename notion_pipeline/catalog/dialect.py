"""What a lake takes that differs from a DuckDB file; each difference is asked for here, and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

#: Most of a row's bytes, and much the same in every row: a quarter of the size that DuckDB's own choice gives, in less
#: time.
_COMPRESSION = {"properties": " USING COMPRESSION zstd"}


@dataclass(frozen=True)
class Dialect:
    """What the catalog of a connection can do.

    Attributes:
        compresses_columns: Whether a column may name its compression.
        takes_every_declaration: Whether tables take all that DuckDB knows: every type, keys, checks, indexes, generated
            columns, defaults of lists and structs.
        comments_on_view_columns: Whether columns of a view take comments; those of a table always do.
        removes_superseded: Whether a commit may delete rows of the bookkeeping, as nobody else commits meanwhile.
        memory_limit: Enough for a commit or a check, whatever the size of a table, as DuckDB takes it.
    """

    compresses_columns: bool
    takes_every_declaration: bool
    comments_on_view_columns: bool
    removes_superseded: bool
    memory_limit: str

    def compression(self, column: str) -> str:
        """SQL that names how a column of a table of rows is compressed; empty for DuckDB's own choice."""
        return _COMPRESSION.get(column, "") if self.compresses_columns else ""


#: DuckDB fills what it may use, and its own default is most of the machine's memory.
FILE = Dialect(
    compresses_columns=True,
    takes_every_declaration=True,
    comments_on_view_columns=True,
    removes_superseded=True,
    memory_limit="64MB",
)
#: A transaction opens all files of each table that it reads, and every commit adds some: 64 MB are too little for the
#: bookkeeping of sixty tables.
LAKE = Dialect(
    compresses_columns=False,
    takes_every_declaration=False,
    comments_on_view_columns=False,
    removes_superseded=False,
    memory_limit="512MB",
)


def dialect_of(connection: duckdb.DuckDBPyConnection) -> Dialect:
    """The dialect of the catalog that a connection uses."""
    found = connection.execute(
        "SELECT 1 FROM duckdb_databases() WHERE database_name = current_database() AND type = 'ducklake'"
    ).fetchone()
    return LAKE if found is not None else FILE
