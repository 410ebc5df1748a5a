"""Decides which columns a table has after a sync, and gives it those columns.

The property id is the identity: a column follows its property through renames. Additions, renames, swaps, new types and
drops are one projection of the old table into a new one, so several at once are no special case; additions alone are
made in place. What the user added to the table is kept.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import duckdb

from notion_pipeline.catalog.additions.declarations import constraints, declarations, own_columns
from notion_pipeline.catalog.additions.indexes import drop_indexes, indexes, make_indexes
from notion_pipeline.catalog.comments import comment_on, comments_on
from notion_pipeline.catalog.dialect import dialect_of
from notion_pipeline.catalog.sql import column_types, free_name, names_in, quote
from notion_pipeline.catalog.state import Column
from notion_pipeline.errors import CatalogError
from notion_pipeline.rows.batch import DELETED_AT, PAGE_COLUMNS, SYNCED_AT
from notion_pipeline.rows.column_types import TIMESTAMP
from notion_pipeline.rows.naming import column_names
from notion_pipeline.rows.properties import COMPUTED, Property
from notion_pipeline.rows.property_types import column_type


@dataclass(frozen=True)
class PlannedColumn:
    """A column as it is after the sync.

    Attributes:
        was: The column that has its values now; None for a new column.
        prop: None if the property is gone and its last values are kept.
        position: Position of the property in the staged rows (`p0`, `p1`, ...); None if it is gone.
    """

    property_id: str
    property_name: str
    property_type: str
    column: str
    duckdb_type: str
    was: Column | None
    prop: Property | None
    position: int | None


def plan_columns(
    existing: Sequence[Column],
    properties: Sequence[Property],
    computed: Mapping[str, str],
    *,
    keep_removed: bool,
    excluded_ids: Iterable[str] = (),
    taken: Collection[str] = (),
) -> list[PlannedColumn]:
    """The property columns in table order: existing columns keep their place, new ones are appended.

    Args:
        computed: DuckDB type of each formula and rollup, by property id.
        keep_removed: Whether columns of removed properties stay with their last values.
        excluded_ids: Ids of excluded properties; their columns are dropped in any case.
        taken: The user's columns.
    """
    positions = {prop.id: index for index, prop in enumerate(properties)}
    gone = set(excluded_ids)
    current = [
        column
        for column in existing
        if column.property_id in positions or (keep_removed and column.property_id not in gone)
    ]
    names = column_names(properties, {c.property_id: (c.property_name, c.column) for c in current}, taken)
    planned = []
    for column in current:
        if column.property_id in positions:
            planned.append(_live(properties[positions[column.property_id]], positions, names, computed, column))
        else:
            planned.append(
                PlannedColumn(
                    *(column.property_id, column.property_name, column.property_type, names[column.property_id]),
                    *(column.duckdb_type, column, None, None),
                )
            )
    held = {column.property_id for column in current}
    newcomers = sorted((prop for prop in properties if prop.id not in held), key=lambda prop: prop.type != "title")
    planned.extend(_live(prop, positions, names, computed, None) for prop in newcomers)
    return planned


def _live(
    prop: Property,
    positions: Mapping[str, int],
    names: Mapping[str, str],
    computed: Mapping[str, str],
    was: Column | None,
) -> PlannedColumn:
    kind = computed[prop.id] if prop.type in COMPUTED else column_type(prop).duckdb
    return PlannedColumn(prop.id, prop.name, prop.type, names[prop.id], kind, was, prop, positions[prop.id])


def create_table(
    connection: duckdb.DuckDBPyConnection, table: tuple[str, str], planned: Sequence[PlannedColumn], *, mark: bool
) -> None:
    """Makes the table of a data source that has none.

    Raises:
        CatalogError: There is a table or view of this name that is not ours.
    """
    if table[1].lower() in {name.lower() for name in names_in(connection, table[0])}:
        raise CatalogError(
            f"The catalog has a table or view {table[0]}.{table[1]} that this pipeline did not make.",
            hint=f"It is not touched. Materialize {table[0]}/databases, which chooses another name.",
        )
    connection.execute(f"CREATE TABLE {quote(*table)} ({_declared(connection, _layout(planned, mark=mark))})")


def columns_of_ours(existing: Iterable[Column]) -> frozenset[str]:
    """Names of the columns of a table that this pipeline made."""
    page = (name for name, _ in PAGE_COLUMNS)
    return frozenset({*page, SYNCED_AT, DELETED_AT, *(column.column for column in existing)})


def evolve_table(
    connection: duckdb.DuckDBPyConnection,
    table: tuple[str, str],
    planned: Sequence[PlannedColumn],
    existing: Sequence[Column],
    *,
    mark: bool,
    recomputed: Mapping[str, str],
) -> bool:
    """Gives the table its new columns; False if it has them already. The user's additions stay.

    Args:
        existing: Our columns as the last sync left them.
        recomputed: SQL over the temporary table `kept_values` (alias k) for computed columns that change their type,
            by property id. Other columns that change theirs are filled with the rows of this sync.

    Raises:
        CatalogError: An addition of the user's cannot be kept.
    """
    kinds = column_types(connection, table)
    own = own_columns(list(kinds), columns_of_ours(existing))
    wanted = _layout(planned, mark=mark)
    names = {column for column, _ in wanted}
    missing = [(column, kind) for column, kind in wanted if column not in kinds]
    is_gone = any(column not in names and column not in own for column in kinds)
    is_renamed = any(plan.was is not None and plan.was.column != plan.column for plan in planned)
    is_retyped = any(kinds.get(plan.column, plan.duckdb_type) != plan.duckdb_type for plan in planned)
    if not (is_gone or is_renamed or is_retyped):
        # The only change that DuckDB makes under indexes and foreign keys too.
        for column, kind in missing:
            connection.execute(f"ALTER TABLE {quote(*table)} ADD COLUMN {quote(column)} {kind}")
        return bool(missing)
    _make_anew(connection, table, planned, mark=mark, own=own, recomputed=recomputed)
    return True


def _make_anew(
    connection: duckdb.DuckDBPyConnection,
    table: tuple[str, str],
    planned: Sequence[PlannedColumn],
    *,
    mark: bool,
    own: Sequence[str],
    recomputed: Mapping[str, str],
) -> None:
    """Makes a new table with our columns and then the user's, fills it from the old one, and replaces that."""
    schema, name = table
    kinds = column_types(connection, table)
    wanted = _layout(planned, mark=mark)
    renamed = {plan.was.column: plan.column for plan in planned if plan.was and plan.was.column != plan.column}
    before = {plan.column: plan.was.column if plan.was else "" for plan in planned}
    declared = declarations(connection, table)
    found = indexes(connection, table)
    on_table, on_columns = comments_on(connection, table)
    sources = {plan.column: _source(plan, kinds, recomputed) for plan in planned}
    projection = {column: _page_or(sources, column, kinds, kind) for column, kind in wanted}
    projection |= {column: f"t.{quote(column)}" for column in own if not declared[column].generated}
    dialect = dialect_of(connection)
    columns = [
        f"{quote(column)} {kind}{dialect.compression(column)}{declared.get(before.get(column, column), '')}"
        for column, kind in (*wanted, *((column, kinds[column]) for column in own))
    ]
    passage = free_name(f"{name}__next", names_in(connection, schema))
    content = ", ".join([*columns, *constraints(connection, table, renamed)])
    join = "LEFT JOIN kept_values k ON k.id = t.id" if recomputed else ""
    connection.execute(f"CREATE TABLE {quote(schema, passage)} ({content})")
    connection.execute(
        f"INSERT INTO {quote(schema, passage)} ({', '.join(map(quote, projection))}) "
        f"SELECT {', '.join(projection.values())} FROM {quote(*table)} t {join}"
    )
    drop_indexes(connection, schema, found)
    connection.execute(f"DROP TABLE {quote(*table)}")
    connection.execute(f"ALTER TABLE {quote(schema, passage)} RENAME TO {quote(name)}")
    make_indexes(connection, found, table, renamed)
    carried = {column: on_columns.get(before.get(column, column)) for column in (*(name for name, _ in wanted), *own)}
    comment_on(connection, table, on_table, {column: comment for column, comment in carried.items() if comment})


def _declared(connection: duckdb.DuckDBPyConnection, layout: Sequence[tuple[str, str]]) -> str:
    """SQL of the columns for CREATE TABLE."""
    dialect = dialect_of(connection)
    return ", ".join(f"{quote(name)} {kind}{dialect.compression(name)}" for name, kind in layout)


def _layout(planned: Sequence[PlannedColumn], *, mark: bool) -> list[tuple[str, str]]:
    page = [*PAGE_COLUMNS, (SYNCED_AT, TIMESTAMP.duckdb)]
    if mark:
        page.append((DELETED_AT, TIMESTAMP.duckdb))
    return [*page, *((plan.column, plan.duckdb_type) for plan in planned)]


def _page_or(sources: Mapping[str, str], column: str, kinds: Mapping[str, str], kind: str) -> str:
    if column in sources:
        return sources[column]
    return f"t.{quote(column)}" if column in kinds else f"NULL::{kind}"


def _source(plan: PlannedColumn, kinds: Mapping[str, str], recomputed: Mapping[str, str]) -> str:
    if plan.property_id in recomputed:
        return recomputed[plan.property_id]
    if plan.was is None or kinds.get(plan.was.column) != plan.duckdb_type:
        return f"NULL::{plan.duckdb_type}"
    return f"t.{quote(plan.was.column)}"
