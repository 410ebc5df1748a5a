"""Properties: identity by decoded id, types of their columns, and what makes a schema a new one."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from notion_pipeline.rows.column_types import DATE
from notion_pipeline.rows.computed_values import computed_type
from notion_pipeline.rows.properties import (
    Property,
    decode_id,
    encode_id,
    fingerprint,
    has_computed,
    parse_properties,
    property_value,
    schema_snapshot,
    snapshot_properties,
)
from notion_pipeline.rows.property_types import column_type
from notion_pipeline.rows.schema_changes import schema_changes

TYPES = [
    *("title", "rich_text", "url", "email", "phone_number", "select", "status", "number", "checkbox", "multi_select"),
    *("date", "people", "files", "relation", "created_time", "last_edited_time", "created_by", "last_edited_by"),
    *("unique_id", "verification", "place", "button", "something_new"),
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def entry(property_id: str, kind: str, config: Any = None, **more: Any) -> dict[str, Any]:
    return {"id": property_id, "type": kind, kind: {} if config is None else config, "description": None, **more}


def data_source(**entries: Any) -> dict[str, Any]:
    named = {name: {"name": name, **value} if isinstance(value, dict) else value for name, value in entries.items()}
    return {"object": "data_source", "properties": named}


def prop(kind: str, config: dict[str, Any] | None = None) -> Property:
    return Property("p", "P", kind, config or {})


def options(kind: str, *pairs: tuple[str, str]) -> dict[str, Any]:
    found = [{"id": key, "name": name, "color": "red", "description": None} for key, name in pairs]
    return entry("o", kind, {"options": found})


def test_properties_come_in_order_with_decoded_ids() -> None:
    found = parse_properties(
        data_source(
            Name=entry("title", "title"), Sum=entry("%3BHF%7B", "formula", {"expression": "1"}, description="s")
        )
    )
    assert found == (
        Property("title", "Name", "title"),
        Property(";HF{", "Sum", "formula", {"expression": "1"}, "s"),
    )


@pytest.mark.parametrize("exclude", ["Salary", "%40a", "@a"])
def test_property_is_excluded_by_name_or_either_form_of_id(exclude: str) -> None:
    found = parse_properties(data_source(Name=entry("title", "title"), Salary=entry("%40a", "number")), [exclude])
    assert [each.name for each in found] == ["Name"]


def test_unknown_types_and_odd_entries_do_not_stop_the_rest() -> None:
    source = data_source(A=entry("a", "brand_new"), B="?", C={"type": "number"}, D={"id": "d"}, E={"id": 5, "type": 5})
    assert parse_properties(source) == (
        Property("a", "A", "brand_new"),
        Property("C", "C", "number"),
        Property("d", "D", "unknown"),
        Property("E", "E", "unknown"),
    )
    assert parse_properties({}) == parse_properties({"properties": [1]}) == ()


@given(JSON, st.sampled_from(TYPES), JSON)
def test_schemas_of_any_json_give_a_fingerprint(config: Any, kind: str, other: Any) -> None:
    source = {"properties": {"A": {"id": "a", "type": kind, kind: config}, "B": config, "C": other}}
    properties = parse_properties(source)
    snapshot = schema_snapshot(properties)
    assert len(fingerprint(properties)) == 64
    assert schema_snapshot(snapshot_properties(snapshot)) == snapshot
    assert schema_changes(schema_snapshot(properties), schema_snapshot(properties)) == []


def test_snapshot_tells_all_that_a_later_one_is_compared_with() -> None:
    rollup = {"function": "sum", "relation_property_id": "%3BHF%7B", "rollup_property_id": "a%25b"}
    properties = parse_properties(
        data_source(
            State=options("status", ("%41", "Open"), ("b", "Done")),
            Sum=entry("%3BHF%7B", "rollup", rollup),
            Double=entry("d", "formula", {"expression": "2 * 2"}),
            Number=entry("n", "unique_id", {"prefix": "T"}),
            Tasks=entry("r", "relation", {"data_source_id": "x"}),
            Old=entry("q", "relation", {"database_id": "y"}),
        )
    )
    snapshot = schema_snapshot(properties)
    assert schema_snapshot(snapshot_properties(snapshot)) == snapshot
    assert fingerprint(snapshot_properties(snapshot)) == fingerprint(properties)


def test_half_a_surrogate_pair_in_a_name_is_replaced() -> None:
    (found,) = parse_properties(data_source(**{"cut \ud83d": entry("a", "number")}))
    assert found.name == "cut \ufffd"
    assert len(fingerprint([found])) == 64


@pytest.mark.parametrize(
    ("raw", "decoded"), [("%3BHF%7B", ";HF{"), ("n%3FtV", "n?tV"), ("~pex", "~pex"), ("JU]K", "JU]K")]
)
def test_ids_are_percent_decoded_and_encoded_for_paths(raw: str, decoded: str) -> None:
    assert decode_id(raw) == decoded
    assert decode_id(encode_id(decoded)) == decoded


def test_path_id_is_encoded_as_notion_does() -> None:
    assert encode_id(";H/{ %'") == "%3BH%2F%7B%20%25'"


@pytest.mark.parametrize("kind", TYPES)
def test_types_are_spelled_as_duckdb_spells_them(kind: str) -> None:
    connection = duckdb.connect()
    connection.execute(f"CREATE TABLE t (c {column_type(prop(kind)).duckdb})")
    assert connection.execute("SELECT data_type FROM duckdb_columns() WHERE table_name = 't'").fetchall() == [
        (column_type(prop(kind)).duckdb,)
    ]


@pytest.mark.parametrize("kind", ["verification", "place", "button", "something_new"])
def test_kinds_without_a_type_of_their_own_are_json(kind: str) -> None:
    assert column_type(prop(kind)).duckdb == "JSON"


@pytest.mark.parametrize(
    ("kind", "kinds", "expected"),
    [
        ("formula", {"number"}, "DOUBLE"),
        ("formula", {"boolean"}, "BOOLEAN"),
        ("formula", {"string"}, "VARCHAR"),
        ("formula", {"date"}, DATE.duckdb),
        ("formula", set(), "VARCHAR"),
        ("formula", {"number", "date"}, "VARCHAR"),
        ("rollup", {"number"}, "DOUBLE"),
        ("rollup", {"date"}, DATE.duckdb),
        ("rollup", {"array"}, "JSON"),
        ("rollup", set(), "VARCHAR"),
        ("rollup", {"array", "number"}, "VARCHAR"),
    ],
)
def test_computed_column_is_typed_by_its_results(kind: str, kinds: set[str], expected: str) -> None:
    assert computed_type(prop(kind), kinds) == expected


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("formula", True), ("rollup", True), ("relation", True), ("verification", True), ("date", False)],
)
def test_values_that_change_without_an_edit(kind: str, expected: bool) -> None:
    assert has_computed([prop("title"), prop(kind)]) is expected


def test_value_is_found_by_id_when_names_have_moved() -> None:
    mine = {"id": "%40a", "type": "number", "number": 1}
    other = {"id": "b", "type": "number", "number": 2}
    asked = Property("@a", "A", "number")
    assert property_value({"A": mine, "B": other}, asked) is mine
    assert property_value({"A": other, "B": mine}, asked) is mine
    assert property_value({"A": other}, asked) is None
    assert property_value({"A": {"type": "number", "number": 3}}, asked) == {"type": "number", "number": 3}
    assert property_value(None, asked) is None


FORMULA = entry("f", "formula", {"expression": "prop(1)"})
ROLLUP = entry(
    "r",
    "rollup",
    {
        "function": "sum",
        "relation_property_id": "%40a",
        "relation_property_name": "Rel",
        "rollup_property_id": "b",
        "rollup_property_name": "N",
    },
)
UNIQUE_ID = entry("i", "unique_id", {"prefix": "TASK"})
RELATION = entry("l", "relation", {"database_id": "d1", "data_source_id": "s1", "type": "single_property"})


def with_config(found: dict[str, Any], **config: Any) -> dict[str, Any]:
    return {**found, found["type"]: {**found[found["type"]], **config}}


@pytest.mark.parametrize(
    ("before", "after", "kinds"),
    [
        ({"A": entry("a", "number")}, {"A": entry("a", "number"), "B": entry("b", "url")}, ["added"]),
        ({"A": entry("a", "number"), "B": entry("b", "url")}, {"A": entry("a", "number")}, ["removed"]),
        ({"A": entry("a", "number")}, {"B": entry("a", "number")}, ["renamed"]),
        ({"A": entry("a", "number")}, {"A": entry("a", "rich_text")}, ["retyped"]),
        ({"A": entry("a", "number")}, {"B": entry("a", "url")}, ["renamed", "retyped"]),
        ({"A": entry("a", "number")}, {"A": entry("b", "number")}, ["added", "removed"]),
        ({"F": FORMULA}, {"F": with_config(FORMULA, expression="2")}, ["formula_changed"]),
        ({"R": ROLLUP}, {"R": with_config(ROLLUP, function="max")}, ["rollup_changed"]),
        ({"R": ROLLUP}, {"R": with_config(ROLLUP, rollup_property_id="c")}, ["rollup_changed"]),
        ({"L": RELATION}, {"L": with_config(RELATION, data_source_id="s2")}, ["relation_changed"]),
        ({"I": UNIQUE_ID}, {"I": with_config(UNIQUE_ID, prefix="BUG")}, ["prefix_changed"]),
        ({"I": UNIQUE_ID}, {"I": with_config(UNIQUE_ID, prefix=None)}, ["prefix_changed"]),
        ({"S": options("select", ("1", "x"))}, {"S": options("select", ("1", "x"), ("2", "y"))}, ["option_added"]),
        ({"S": options("status", ("1", "x"))}, {"S": options("status", ("1", "y"))}, ["option_renamed"]),
        ({"S": options("multi_select", ("1", "x"))}, {"S": options("multi_select")}, ["option_removed"]),
    ],
)
def test_change_is_named_and_moves_the_fingerprint(
    before: dict[str, Any], after: dict[str, Any], kinds: list[str]
) -> None:
    old, new = (parse_properties(data_source(**each)) for each in (before, after))
    changes = schema_changes(schema_snapshot(old), schema_snapshot(new))
    assert [change.kind for change in changes] == kinds
    assert fingerprint(old) != fingerprint(new)
    assert [change.forces_full_read for change in changes] == [kind != "option_added" for kind in kinds]
    assert all(change.describe() and "None" not in change.describe() for change in changes)
    assert all(set(change.as_json()) == {"kind", "property_id", "property", "before", "after"} for change in changes)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"A": entry("a", "number"), "B": entry("b", "url")}, {"B": entry("b", "url"), "A": entry("a", "number")}),
        ({"A": entry("%40", "number")}, {"A": entry("@", "number")}),
        ({"A": entry("a", "number", {"format": "euro"})}, {"A": entry("a", "number", {"format": "number"})}),
        ({"A": entry("a", "number")}, {"A": entry("a", "number", description="new")}),
        (
            {"S": options("select", ("1", "x"), ("2", "y"))},
            {
                "S": with_config(
                    options("select"), options=[{"id": "2", "name": "y"}, {"id": "1", "name": "x", "color": "b"}]
                )
            },
        ),
        ({"R": ROLLUP}, {"R": with_config(ROLLUP, relation_property_id="@a", relation_property_name="Renamed")}),
    ],
)
def test_orders_colours_and_spellings_are_no_change(before: dict[str, Any], after: dict[str, Any]) -> None:
    old, new = (parse_properties(data_source(**each)) for each in (before, after))
    assert fingerprint(old) == fingerprint(new)
    assert schema_changes(schema_snapshot(old), schema_snapshot(new)) == []


def test_excluded_property_is_no_part_of_the_schema() -> None:
    plain = data_source(A=entry("a", "number"))
    more = data_source(A=entry("a", "number"), Salary=entry("s", "number"))
    assert fingerprint(parse_properties(plain)) == fingerprint(parse_properties(more, ["Salary"]))


def test_description_of_a_change() -> None:
    (change,) = schema_changes({"a": {"name": "A", "type": "number"}}, {"a": {"name": "B", "type": "number"}})
    assert change.describe() == 'property "A" was renamed to "B"'


def test_details_that_the_older_snapshot_lacks_are_not_compared() -> None:
    (after,) = parse_properties(data_source(F=FORMULA))
    assert schema_changes({"f": {"name": "F", "type": "formula"}}, schema_snapshot([after])) == []
    (numbered,) = parse_properties(data_source(I=UNIQUE_ID))
    assert schema_changes({"i": {"name": "I", "type": "unique_id"}}, schema_snapshot([numbered])) == []
