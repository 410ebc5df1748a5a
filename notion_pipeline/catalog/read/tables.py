"""Tables for other programs: as Arrow for downstream assets, as a copy of the file for tools that keep it open."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import duckdb
import pyarrow as pa

from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.catalog.copy_file import put_copy
from notion_pipeline.catalog.sql import quote, text
from notion_pipeline.errors import CatalogError


def tables_of_database(connection: duckdb.DuckDBPyConnection | None, source: str, database: str) -> list[str]:
    """Names of the tables of a database's data sources, the first data source's first.

    Args:
        database: Its partition key, which is the name of its first table, or its id.

    Raises:
        CatalogError: The database was not synced yet.
    """
    rows = (
        connection.execute(
            "SELECT s.table_name FROM _notion_pipeline.streams s JOIN duckdb_tables() t "
            "ON t.database_name = current_database() AND t.schema_name = s.source AND t.table_name = s.table_name "
            "WHERE s.source = $1 AND s.database_id IN (SELECT database_id FROM _notion_pipeline.streams "
            "WHERE source = $1 AND (table_name = $2 OR database_id = $2)) ORDER BY length(s.table_name), s.table_name",
            [source, database],
        ).fetchall()
        if connection is not None
        else []
    )
    if not rows:
        raise CatalogError(
            f'Database "{database}" of source {source} has no table in the catalog yet.',
            hint=f"Materialize its partition of {source}/database first.",
        )
    return [row[0] for row in rows]


def read_tables(connection: duckdb.DuckDBPyConnection | None, source: str, names: Sequence[str]) -> pa.Table:
    """One table as it is, or several united by column name, each row with its table's name in `_table`.

    A column whose type differs between tables comes as text, lists and structs as JSON.

    Raises:
        CatalogError: There is no such table.
    """
    if connection is None or not names:
        raise CatalogError(
            f"There is no such table of source {source} in the catalog.", hint="Materialize the assets above first."
        )
    selects = [f"SELECT * FROM {quote(source, names[0])}"] if len(names) == 1 else _alike(connection, source, names)
    return connection.sql(" UNION ALL BY NAME ".join(selects)).to_arrow_table()


def _alike(connection: duckdb.DuckDBPyConnection, source: str, names: Sequence[str]) -> list[str]:
    """One SELECT a table, in which columns of one name have one type: text if the tables differ."""
    found = connection.execute(
        "SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE database_name = current_database() "
        "AND schema_name = ? AND list_contains(?, table_name) ORDER BY table_name, column_index",
        [source, list(names)],
    ).fetchall()
    kinds: dict[str, set[str]] = {}
    for _, column, kind in found:
        kinds.setdefault(column.lower(), set()).add(kind)
    columns = {
        name: [_as_text(column, kind) if len(kinds[column.lower()]) > 1 else quote(column) for column, kind in own]
        for name in names
        if (own := [(column, kind) for table, column, kind in found if table == name])
    }
    return [
        f"SELECT {', '.join(own)}, {text(name)} AS _table FROM {quote(source, name)}" for name, own in columns.items()
    ]


def _as_text(column: str, kind: str) -> str:
    value = f"to_json({quote(column)})" if kind.startswith("STRUCT") or kind.endswith("[]") else quote(column)
    return f"{value}::VARCHAR AS {quote(column)}"


def publish(catalog: Catalog, path: Path) -> None:
    """Puts a copy of the catalog at `path` by rename; programs that have the former copy open keep reading that.

    Raises:
        CatalogError: The copy cannot be written.
    """
    if (file := catalog.file) is None:
        raise CatalogError(
            f"The catalog {catalog.location} could not be published to {path}: only a DuckDB file can be copied.",
            hint="Leave out publish: in sources.yaml; a lake is open to readers at any time.",
        )
    try:
        if file.with_name(f"{file.name}.wal").exists():
            with catalog.writing():
                pass  # a killed writer left commits beside the file: opening it to write brings them in
        # A reader keeps writers out: the file does not change, and no older copy replaces a newer one.
        with catalog.reading() as connection:
            if connection is not None:
                put_copy(file, path)
    except OSError as error:
        raise CatalogError(
            f"The catalog could not be published to {path}: {error.strerror or error}.",
            hint="The catalog itself is committed. Correct the path of publish: in sources.yaml.",
        ) from error
