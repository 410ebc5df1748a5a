"""What users declare on our tables: columns, defaults, NOT NULL, constraints and foreign keys."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import duckdb

from notion_pipeline.catalog.sql import quote
from notion_pipeline.errors import CatalogError


@dataclass(frozen=True)
class Declared:
    """What the user declared of a column besides its type, as SQL; empty where there is nothing."""

    default: str = ""
    not_null: str = ""
    generated: str = ""

    def __str__(self) -> str:
        return f"{self.generated}{self.default}{self.not_null}"

    @property
    def value_by_default(self) -> str:
        """SQL of the value that a row gets by default."""
        return self.default.removeprefix(" DEFAULT ") or "NULL"


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
            # A lake says NULL where nothing is declared, and takes no default for a nested type.
            default=f" DEFAULT ({default})" if default not in (None, "", "NULL") and not is_generated else "",
            not_null="" if is_nullable else " NOT NULL",
            generated=f" GENERATED ALWAYS AS ({default})" if is_generated else "",
        )
    return found


def constraints(connection: duckdb.DuckDBPyConnection, table: tuple[str, str], renamed: Mapping[str, str]) -> list[str]:
    """The constraints of a table as CREATE TABLE takes them, with the new names of renamed columns.

    Raises:
        CatalogError: The text of a constraint holds an old name.
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
            found.append(f"{kind} ({', '.join(quote(renamed.get(name, name)) for name in columns)})")
        elif any(name in renamed for name in columns):
            raise CatalogError(
                f"The constraint {written} on {'.'.join(table)} is made of columns that get new names now.",
                hint="Remove it from the table, sync again, then add it again.",
            )
        else:
            found.append(written)
    return found


def own_columns(kinds: Sequence[str], ours: Collection[str]) -> list[str]:
    """The columns of a table that we did not make, in order."""
    lowered = {name.lower() for name in ours}
    return [name for name in kinds if name.lower() not in lowered]


def referring_tables(connection: duckdb.DuckDBPyConnection, table: tuple[str, str]) -> list[str]:
    """Tables with a foreign key to this one; DuckDB allows them within one schema only."""
    rows = connection.execute(
        "SELECT DISTINCT table_name FROM duckdb_constraints() WHERE database_name = current_database() "
        "AND constraint_type = 'FOREIGN KEY' AND schema_name = ? AND referenced_table = ? ORDER BY 1",
        list(table),
    ).fetchall()
    return [f"{table[0]}.{row[0]}" for row in rows]
