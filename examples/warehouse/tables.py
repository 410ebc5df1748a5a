"""A table of the catalog as a dlt resource: its columns with dlt's types, and its rows since the last load."""

from collections.abc import Iterable, Iterator
from typing import Any

import dlt
import duckdb
import orjson
from dlt.extract import DltResource

from notion_pipeline import CatalogResource

#: True in a row that tells the warehouse to delete; empty in every row that stays.
GONE = "_gone"
SYNCED_AT = "_synced_at"
BATCH = 5000
#: dlt's types by DuckDB's. Structs, lists and what is not named here become `json`, in PostgreSQL jsonb.
TYPES = {
    "BOOLEAN": "bool",
    "BIGINT": "bigint",
    "INTEGER": "bigint",
    "DOUBLE": "double",
    "DATE": "date",
    "TIMESTAMP WITH TIME ZONE": "timestamp",
    "VARCHAR": "text",
    "UUID": "text",
}


def columns_of(connection: duckdb.DuckDBPyConnection, schema: str, table: str) -> dict[str, str]:
    """The columns of a table with dlt's types, in order; none where the catalog has no such table yet."""
    found = connection.execute(
        "SELECT column_name, data_type FROM duckdb_columns() "
        "WHERE database_name = current_database() AND schema_name = ? AND table_name = ? ORDER BY column_index",
        [schema, table],
    ).fetchall()
    return {name: TYPES.get(kind, "json") for name, kind in found}


def resource_of(
    catalog: CatalogResource, schema: str, table: str, columns: dict[str, str], published: Iterable[str] = ()
) -> DltResource:
    """The table as dlt loads it: merged by id, with nothing unnested into tables of its own.

    Args:
        columns: As `columns_of` gives them.
        published: The ids that the warehouse has; those that the table has no more are deleted there.
    """
    hints: dict[str, Any] = {name: {"data_type": kind} for name, kind in columns.items()}
    hints[GONE] = {"data_type": "bool", "hard_delete": True}

    # Commits have different times, so nothing is left out that has the time of the last load.
    def rows(
        synced: Any = dlt.sources.incremental(  # noqa: B008 - dlt finds its bookmark by this default
            SYNCED_AT, range_start="open", on_cursor_value_missing="include"
        ),
    ) -> Iterator[list[dict[str, Any]]]:
        values = ", ".join(
            f"to_json({_quoted(name)})::VARCHAR" if kind == "json" else _text_of(name, kind)
            for name, kind in columns.items()
        )
        source = f"{_quoted(schema)}.{_quoted(table)}"
        # No sync commits while this is open: until dlt has the rows in files, not until the warehouse has them.
        with catalog.read() as connection:
            here = {row[0] for row in connection.execute(f"SELECT id::VARCHAR FROM {source}").fetchall()}
            gone = [{"id": key, GONE: True} for key in published if key not in here]
            since = synced.last_value
            found = connection.execute(
                f"SELECT {values} FROM {source} WHERE ? IS NULL OR {SYNCED_AT} > ?", [since, since]
            )
            while batch := found.fetchmany(BATCH):
                yield [_row(columns, row) for row in batch]
        if gone:
            yield gone

    return dlt.resource(
        rows, name=table, primary_key="id", write_disposition="merge", columns=hints, max_table_nesting=0
    )


def _text_of(name: str, kind: str) -> str:
    return f"{_quoted(name)}::VARCHAR" if kind == "text" else _quoted(name)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _row(columns: dict[str, str], values: tuple[Any, ...]) -> dict[str, Any]:
    return {
        name: without_nul(orjson.loads(value) if kind == "json" and value is not None else value)
        for (name, kind), value in zip(columns.items(), values, strict=True)
    }


def without_nul(value: Any) -> Any:
    """PostgreSQL refuses the character NUL, which Notion and DuckDB allow."""
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, list):
        return [without_nul(entry) for entry in value]
    if isinstance(value, dict):
        return {without_nul(key): without_nul(entry) for key, entry in value.items()}
    return value
