"""Keeps the files of a lake few, and no older than its settings want.

Each commit writes a file for each table that it changes, and none is ever written again. Merging makes few of many;
what no version of a table needs any more is removed a day later, since a query may still be reading it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import duckdb

from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.catalog.connection.lake_attach import ALIAS
from notion_pipeline.catalog.dialect import LAKE, dialect_of
from notion_pipeline.catalog.sql import text
from notion_pipeline.catalog.upkeep.superseded import remove_superseded
from notion_pipeline.errors import CatalogError

#: A query that began before a file was given up may last so long.
_QUERIES_MAY_LAST = timedelta(days=1)


@dataclass(frozen=True)
class LakeUpkeep:
    """What was done.

    Attributes:
        tables_merged: Tables whose small files became fewer.
        files_merged, files_made: The small files, and those in their place.
        versions_removed: Versions of the lake that can no longer be queried.
        files_removed: Files that were deleted.
    """

    tables_merged: int
    files_merged: int
    files_made: int
    versions_removed: int
    files_removed: int


def keep_in_shape(
    catalog: Catalog, keep: timedelta | None, *, queries_last: timedelta = _QUERIES_MAY_LAST
) -> LakeUpkeep:
    """Merges small files, gives up old versions, and deletes the files that nothing needs.

    The bookkeeping, to which commits only add, keeps what is valid.

    Args:
        keep: How far back the lake is to be queried; None for always.
        queries_last: How long ago a file must have been given up to be deleted.

    Raises:
        CatalogError: There is no lake, or it cannot be changed.
    """
    _check(catalog)
    catalog.commit(remove_superseded, memory_limit=None)

    def change(connection: duckdb.DuckDBPyConnection) -> tuple[list[tuple[int, int]], int]:
        merged = _merge(connection)
        if keep is None:
            return merged, 0
        expired = connection.execute(
            f"SELECT count(*) FROM ducklake_expire_snapshots({text(ALIAS)}, older_than => now() - {_interval(keep)})"
        ).fetchone()
        return merged, int(expired[0]) if expired else 0

    merged, versions = catalog.commit(change, memory_limit=None)
    # Files are deleted at once, whatever becomes of the transaction.
    removed = catalog.commit(lambda connection: _clean_up(connection, queries_last), memory_limit=None)
    return LakeUpkeep(
        len(merged), sum(found[0] for found in merged), sum(found[1] for found in merged), versions, removed
    )


def _check(catalog: Catalog) -> None:
    with catalog.reading() as connection:
        if connection is None or dialect_of(connection) != LAKE:
            raise CatalogError(
                f"The catalog {catalog.location} is no lake that could be kept in shape.",
                hint="A DuckDB file needs no such care. For a lake, sync a source first.",
            )


def _merge(connection: duckdb.DuckDBPyConnection) -> list[tuple[int, int]]:
    rewritten = connection.execute(f"CALL ducklake_rewrite_data_files({text(ALIAS)})").fetchall()
    merged = connection.execute(f"CALL ducklake_merge_adjacent_files({text(ALIAS)})").fetchall()
    return [(row[2], row[3]) for row in (*rewritten, *merged)]


def _clean_up(connection: duckdb.DuckDBPyConnection, queries_last: timedelta) -> int:
    older = f"older_than => now() - {_interval(queries_last)}"
    return len(connection.execute(f"CALL ducklake_cleanup_old_files({text(ALIAS)}, {older})").fetchall())


def _interval(span: timedelta) -> str:
    return f"INTERVAL {int(span.total_seconds())} SECOND"
