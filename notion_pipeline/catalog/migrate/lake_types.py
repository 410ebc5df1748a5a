"""The type of a lake that holds the values of a type of DuckDB without loss."""

from __future__ import annotations

import duckdb
from duckdb.sqltypes import DuckDBPyType

from notion_pipeline.catalog.sql import quote

#: Kept in a lake as they are. The others are refused (BIT, BIGNUM) or come back as another value: HUGEINT is rounded,
#: INTERVAL and TIME WITH TIME ZONE are cut.
_KEPT = frozenset(
    {
        *("boolean", "tinyint", "smallint", "integer", "bigint", "utinyint", "usmallint", "uinteger", "ubigint"),
        *("float", "double", "decimal", "varchar", "blob", "uuid", "variant"),
        *("date", "time", "timestamp", "timestamp_s", "timestamp_ms", "timestamp_ns", "timestamp with time zone"),
    }
)


def lake_type(kind: str) -> str:
    """The type for values of `kind`, as DuckDB writes both; the same where a lake has it.

    A fixed array becomes a list, a union JSON with the name of its member, and what a lake has not at all its text.
    """
    found = duckdb.sqltype(kind)
    return kind if _is_kept(found) else str(duckdb.sqltype(_kept(found)))


def _is_kept(kind: DuckDBPyType) -> bool:
    if kind.id in ("struct", "list", "map"):
        return all(_is_kept(child) for _, child in _children(kind))
    return kind.id in _KEPT


def _kept(kind: DuckDBPyType) -> str:
    if _is_kept(kind):
        return str(kind)
    if kind.id in ("list", "array"):
        return f"{_kept(_children(kind)[0][1])}[]"
    if kind.id == "map":
        return f"MAP({', '.join(_kept(child) for _, child in _children(kind))})"
    if kind.id == "struct":
        return f"STRUCT({', '.join(f'{quote(name)} {_kept(child)}' for name, child in _children(kind))})"
    return "JSON" if kind.id == "union" else "VARCHAR"


def _children(kind: DuckDBPyType) -> list[tuple[str, DuckDBPyType]]:
    """The types within; an array has its size among them."""
    return [(name, child) for name, child in kind.children if isinstance(child, DuckDBPyType)]
