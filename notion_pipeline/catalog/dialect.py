"""What DuckDB's SQL cannot do in a lake; each difference is asked for here, and nowhere else."""

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
    """

    compresses_columns: bool
    takes_every_declaration: bool
    comments_on_view_columns: bool
    removes_superseded: bool

    def compression(self, column: str) -> str:
        """SQL that names how a column of a table of rows is compressed; empty for DuckDB's own choice."""
        return _COMPRESSION.get(column, "") if self.compresses_columns else ""


FILE = Dialect(
    compresses_columns=True, takes_every_declaration=True, comments_on_view_columns=True, removes_superseded=True
)
LAKE = Dialect(
    compresses_columns=False, takes_every_declaration=False, comments_on_view_columns=False, removes_superseded=False
)


def dialect_of(connection: duckdb.DuckDBPyConnection) -> Dialect:
    """The dialect of the catalog that a connection uses."""
    found = connection.execute(
        "SELECT 1 FROM duckdb_databases() WHERE database_name = current_database() AND type = 'ducklake'"
    ).fetchone()
    return LAKE if found is not None else FILE
