"""Decides the DuckDB types of formulas and rollups at commit, by the results in their table.

Staged rows say the kinds of their results. Rows that this sync did not read have theirs in `properties`, which is
searched only if a new result does not fit the existing column.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import duckdb
import pyarrow as pa

from notion_pipeline.catalog.load.unread_rows import unread_rows
from notion_pipeline.catalog.state import Column
from notion_pipeline.extraction.extract import Extract
from notion_pipeline.rows.arrow import arrow_array
from notion_pipeline.rows.column_types import DATE
from notion_pipeline.rows.computed_values import COMPUTED_TYPE, RESULT_KINDS, computed_type, computed_values
from notion_pipeline.rows.properties import COMPUTED, Property, property_value

#: The one kind of result that fits a column of each type; VARCHAR takes all, as text.
_KIND_OF_TYPE = {kind.column.duckdb: name for name, kind in RESULT_KINDS.items() if name != "string"}
_FIELD_OF_TYPE = {"DOUBLE": "number", "BOOLEAN": "boolean", DATE.duckdb: '"date"', "JSON": "text::JSON"}


@dataclass
class ComputedTypes:
    """Types of computed columns by property id, and for changed types SQL over `kept_values` that fills them."""

    types: dict[str, str] = field(default_factory=dict)
    recomputed: dict[str, str] = field(default_factory=dict)


def computed_column_sql(struct: str, duckdb_type: str) -> str:
    """SQL that takes the value for a column of this type from a staged struct."""
    return f"{struct}.{_FIELD_OF_TYPE.get(duckdb_type, 'text')}"


def decide_computed_types(
    connection: duckdb.DuckDBPyConnection,
    extract: Extract,
    existing: Sequence[Column],
    table: tuple[str, str] | None,
) -> ComputedTypes:
    """The types of all computed columns after this extract; makes `kept_values` if unread rows must be searched."""
    decision = ComputedTypes()
    computed = {index: prop for index, prop in enumerate(extract.schema.properties) if prop.type in COMPUTED}
    if not computed:
        return decision
    staged = _staged_kinds(connection, list(computed))
    current = {c.property_id: c.duckdb_type for c in existing if _is_current(c, computed)}
    for index, prop in computed.items():
        now = current.get(prop.id)
        if now is not None and not extract.full and _fits(now, staged[index]):
            decision.types[prop.id] = now
        else:
            decision.types[prop.id] = computed_type(prop, staged[index])
    doubtful = {
        index: prop
        for index, prop in computed.items()
        if prop.id in current and current[prop.id] != decision.types[prop.id]
    }
    if table is None or not doubtful:
        return decision
    kept = _keep_values(connection, extract, table, doubtful)
    for index, prop in doubtful.items():
        kinds = staged[index] | kept[index]
        decision.types[prop.id] = computed_type(prop, kinds)
        if current[prop.id] != decision.types[prop.id]:
            decision.recomputed[prop.id] = computed_column_sql(f"k.c{index}", decision.types[prop.id])
    return decision


def forget_kept_values(connection: duckdb.DuckDBPyConnection, decision: ComputedTypes) -> None:
    """Drops `kept_values`, which `decide_computed_types` made for the schema evolution."""
    if decision.types:
        connection.execute("DROP TABLE IF EXISTS kept_values")


def _is_current(column: Column, computed: Mapping[int, Property]) -> bool:
    return any(prop.id == column.property_id and prop.type == column.property_type for prop in computed.values())


def _fits(duckdb_type: str, kinds: set[str]) -> bool:
    return duckdb_type == "VARCHAR" or kinds <= {_KIND_OF_TYPE.get(duckdb_type, "")}


def _staged_kinds(connection: duckdb.DuckDBPyConnection, positions: Sequence[int]) -> dict[int, set[str]]:
    wanted = ", ".join(f"list(DISTINCT kind_{index})" for index in positions)
    row = connection.execute(f"SELECT {wanted} FROM staged").fetchall()[0]
    return {index: {kind for kind in kinds or [] if kind} for index, kinds in zip(positions, row, strict=True)}


def _keep_values(
    connection: duckdb.DuckDBPyConnection,
    extract: Extract,
    table: tuple[str, str],
    doubtful: Mapping[int, Property],
) -> dict[int, set[str]]:
    """Fills `kept_values` (id, c<position>...) from the unread rows that stay; the kinds of their results."""
    schema = pa.schema([("id", pa.string()), *((f"c{index}", COMPUTED_TYPE) for index in doubtful)])
    connection.register("empty_values", schema.empty_table())
    connection.execute("CREATE OR REPLACE TEMP TABLE kept_values AS SELECT * FROM empty_values")
    connection.unregister("empty_values")
    kinds: dict[int, set[str]] = {index: set() for index in doubtful}
    for rows in unread_rows(connection, table, _stays(extract)):
        ids = arrow_array([page_id for page_id, _ in rows], pa.string())
        pages = [properties for _, properties in rows]
        columns = [computed_values(prop, [property_value(page, prop) for page in pages]) for prop in doubtful.values()]
        connection.register("more_values", pa.Table.from_arrays([ids, *columns], schema=schema))
        connection.execute("INSERT INTO kept_values SELECT * FROM more_values")
        connection.unregister("more_values")
        for index, column in zip(doubtful, columns, strict=True):
            kinds[index] |= {kind for kind in column.field("kind").to_pylist() if kind}
    return kinds


def _stays(extract: Extract) -> str:
    """SQL condition of the rows that stay although this sync did not read them."""
    if not extract.full or extract.deleted_rows == "mark":
        return "true"
    if extract.start_date is not None and extract.sync_type != "FULL_TABLE":
        return f"last_edited_time < TIMESTAMPTZ '{extract.start_date.isoformat()}'"
    return "false"
