"""Values that Notion does not compute, computes over part of the related pages only, or gives only in part.

Another read would not help, so the comments of the columns and `check` tell how many there are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import duckdb
import orjson

from notion_pipeline.catalog import state as bookkeeping
from notion_pipeline.catalog.listing.known_databases import has_databases
from notion_pipeline.catalog.load.schema_evolution import PlannedColumn
from notion_pipeline.catalog.sql import json_pointer, quote
from notion_pipeline.extraction.extract import Extract
from notion_pipeline.extraction.references.formula_inputs import Inputs
from notion_pipeline.rows.properties import COMPUTED, Property, decode_id, parse_properties


@dataclass(frozen=True)
class Limits:
    """The limits of one table.

    Attributes:
        not_computed: How many rows have no result from Notion, by property id.
        in_layers: Ids of properties that are computed over formulas and rollups of other pages; Notion may have used
            only 25 references of each.
        in_part: How many rows have a value that Notion refused to give in full, by property id.
    """

    not_computed: dict[str, int] = field(default_factory=dict)
    in_layers: tuple[str, ...] = ()
    in_part: dict[str, int] = field(default_factory=dict)

    def as_json(self) -> str:
        return orjson.dumps(asdict(self)).decode()

    @classmethod
    def from_json(cls, raw: str | None) -> Limits | None:
        if not raw:
            return None
        found = orjson.loads(raw)
        return cls(found["not_computed"], tuple(found["in_layers"]), found.get("in_part", {}))

    def told(self, property_id: str) -> list[str]:
        """The limits of one column, in words."""
        lines = []
        if rows := self.not_computed.get(property_id, 0):
            lines.append(f"not computed by Notion in {rows:,} row{'' if rows == 1 else 's'}")
        if rows := self.in_part.get(property_id, 0):
            lines.append(f"not given whole by Notion in {rows:,} row{'' if rows == 1 else 's'}")
        if property_id in self.in_layers:
            lines.append("computed over other formulas or rollups, maybe over 25 of their references only")
        return lines


def limits_of(
    connection: duckdb.DuckDBPyConnection,
    extract: Extract,
    table: tuple[str, str],
    planned: Sequence[PlannedColumn],
    *,
    noted: str | None,
    values_not_computed: int,
) -> Limits:
    """The limits after this extract is merged. A sync without news leaves them as they are.

    Args:
        noted: Those that the last sync recorded.
    """
    before = Limits.from_json(noted)
    present = {plan.property_id for plan in planned if plan.prop is not None and plan.property_type in COMPUTED}
    if before is None or extract.full or extract.schema_changes:
        layers = tuple(sorted(_in_layers(connection, extract)))
    else:
        layers = tuple(key for key in before.in_layers if key in present)
    known = before or Limits()
    not_computed = {key: rows for key, rows in known.not_computed.items() if key in present}
    if values_not_computed or (known.not_computed and extract.full):
        computed = [plan for plan in planned if plan.property_id in present]
        conditions = {plan.property_id: f"{quote(plan.column)} IS NULL AND {_gave_up(plan)}" for plan in computed}
        not_computed = _rows_where(connection, table, conditions)
    in_part = {}
    if known.in_part or extract.counts.values_refused:
        current = [plan for plan in planned if plan.prop is not None]
        in_part = _rows_where(connection, table, {plan.property_id: _is_in_part(plan) for plan in current})
    return Limits(not_computed, layers, in_part)


def unchanged_limits(extract: Extract, noted: str | None, planned: Sequence[PlannedColumn]) -> Limits | None:
    """The limits after an incremental read that brought no row; None if they must be looked at again."""
    before = Limits.from_json(noted)
    if before is None or before.in_part or extract.counts.values_refused:
        return None
    present = {plan.property_id for plan in planned if plan.prop is not None and plan.property_type in COMPUTED}
    return before if {*before.in_layers, *before.not_computed} <= present else None


def _rows_where(
    connection: duckdb.DuckDBPyConnection, table: tuple[str, str], conditions: Mapping[str, str]
) -> dict[str, int]:
    """How many rows meet each condition; conditions that no row meets are left out."""
    if not conditions:
        return {}
    counts = ", ".join(f"count(*) FILTER ({condition})" for condition in conditions.values())
    row = connection.execute(f"SELECT {counts} FROM {quote(*table)}").fetchall()[0]
    return {key: rows for key, rows in zip(conditions, row, strict=True) if rows}


def _gave_up(plan: PlannedColumn) -> str:
    return f"{_raw(plan, plan.property_type, 'type')} IN ('unsupported', 'incomplete')"


def _is_in_part(plan: PlannedColumn) -> str:
    return f"{_raw(plan, 'has_more')} = 'true'"


def _raw(plan: PlannedColumn, *path: str) -> str:
    """SQL of a part of a property's raw value, as text."""
    return f"json_extract_string(properties, {json_pointer(plan.property_name, '/'.join(path))})"


def _in_layers(connection: duckdb.DuckDBPyConnection, extract: Extract) -> set[str]:
    properties = extract.schema.properties
    targets = {prop.id: prop.config.get("data_source_id") for prop in properties if prop.type == "relation"}
    schemas: dict[str, tuple[Property, ...]] = {extract.data_source_id: properties}
    deep = set()
    for prop in properties:
        target = targets.get(decode_id(str(prop.config.get("relation_property_id")))) if prop.type == "rollup" else None
        if isinstance(target, str):
            if target not in schemas:
                schemas[target] = _schema(connection, extract.source, target)
            if _is_over_relations(schemas[target], decode_id(str(prop.config.get("rollup_property_id")))):
                deep.add(prop.id)
    inputs = Inputs(properties)
    over = {p.id for p in properties if p.type == "formula" and deep & (inputs.behind(p.id) or frozenset())}
    return deep | over


def _is_over_relations(properties: Sequence[Property], property_id: str) -> bool:
    kinds = {prop.id: prop.type for prop in properties}
    if kinds.get(property_id) not in COMPUTED:
        return False
    relations = Inputs(properties).relations(property_id)
    return bool(relations) or (relations is None and bool({"relation", "rollup"} & set(kinds.values())))


def _schema(connection: duckdb.DuckDBPyConnection, source: str, data_source_id: str) -> tuple[Property, ...]:
    """The properties of another data source at the last listing; none if it was not listed."""
    if not has_databases(connection, source):
        return ()
    rows = connection.execute(
        f"SELECT json_extract(properties, ?) FROM {quote(source, 'databases')} "
        "WHERE list_contains(list_transform(data_sources, lambda member: member.id), ?)",
        [f"/{data_source_id}", data_source_id],
    ).fetchall()
    found: Mapping[str, Any] = orjson.loads(rows[0][0]) if rows and rows[0][0] else {}
    return parse_properties({"properties": found})


def limits_told(connection: duckdb.DuckDBPyConnection, source: str) -> list[str]:
    """The limits that the syncs of a source recorded, one line a column, by table."""
    if not bookkeeping.has_bookkeeping(connection):
        return []
    noted = bookkeeping.noted_limits(connection, source)
    return [
        f'"{column.property_name}" of {source}.{state.table_name} is {line}.'
        for key, state in sorted(bookkeeping.stream_states(connection, source).items(), key=_by_table)
        if state.has_table and (limits := Limits.from_json(noted.get(key))) is not None
        for column in state.columns
        for line in limits.told(column.property_id)
    ]


def _by_table(entry: tuple[str, bookkeeping.StreamState]) -> str:
    return entry[1].table_name
