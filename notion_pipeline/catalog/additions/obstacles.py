"""Names the additions that make DuckDB refuse a change of a table."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager

import duckdb

from notion_pipeline.catalog.additions.declarations import constraints, declarations, referring_tables
from notion_pipeline.catalog.additions.indexes import indexes
from notion_pipeline.catalog.connection.duckdb_errors import reason
from notion_pipeline.catalog.connection.opening import beside, database_of
from notion_pipeline.errors import CatalogError

_REFUSALS = (duckdb.DependencyException, duckdb.CatalogException, duckdb.ConstraintException, duckdb.BinderException)


@contextmanager
def naming_what_is_in_the_way(
    connection: duckdb.DuckDBPyConnection, table: tuple[str, str], ours: Collection[str]
) -> Iterator[None]:
    """Turns DuckDB's refusal to change our table into an error that names the user's additions to it.

    Args:
        ours: Columns of the table that are not the user's.
    """
    database = database_of(connection)
    try:
        yield
    except _REFUSALS as error:
        # This transaction has failed; another connection sees the table unchanged.
        with beside(connection, database) as unchanged:
            own = _additions_to(unchanged, table, ours)
        if not own:
            raise
        raise CatalogError(
            f"The table {'.'.join(table)} cannot be brought up to date because of additions that are not ours: "
            f"{', '.join(own)}. "
            f"DuckDB says: {reason(error)}",
            hint="The table did not change. Drop what DuckDB cannot keep, sync again, then make it again.",
        ) from error


def _additions_to(connection: duckdb.DuckDBPyConnection, table: tuple[str, str], ours: Collection[str]) -> list[str]:
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
