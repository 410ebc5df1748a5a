"""Pages as typed rows: every property type, every way a value can be odd, and what never reaches the catalog."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import duckdb
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from notion_pipeline.rows.batch import NOT_COMPUTED, NOT_CONVERTED, PAGE_COLUMNS, USERS, RowSchema, to_batch
from notion_pipeline.rows.computed_values import computed_type, computed_values
from notion_pipeline.rows.properties import Property, property_value
from notion_pipeline.rows.property_types import column_type
from notion_pipeline.rows.text.json_text import dump_json, load_json

UTC = timezone.utc
PAGE_ID = "0a1b2c3d-0000-4000-8000-000000000001"
USER_ID = "0a1b2c3d-0000-4000-8000-0000000000aa"
OTHER_ID = "0a1b2c3d-0000-4000-8000-0000000000bb"
SIGNED = "https://files.example/a.pdf?X-Amz-Signature=abc#page=2"
BEYOND_DOUBLE = orjson.Fragment("1e999")

PAGE: dict[str, Any] = {
    "object": "page",
    "id": PAGE_ID,
    "created_time": "2026-07-04T09:09:00.000Z",
    "last_edited_time": "2026-07-05T10:00:00.000Z",
    "created_by": {"object": "user", "id": USER_ID},
    "last_edited_by": {"object": "user", "id": OTHER_ID},
    "cover": {"type": "file", "file": {"url": SIGNED, "expiry_time": "2026-07-05T11:00:00.000Z"}},
    "icon": {"type": "emoji", "emoji": "🔥"},
    "parent": {"type": "data_source_id", "data_source_id": "d", "database_id": "b"},
    "in_trash": False,
    "is_archived": True,
    "properties": {},
    "url": "https://app.notion.com/p/x",
    "public_url": None,
}


def page(**properties: Any) -> dict[str, Any]:
    return {**PAGE, "properties": properties}


def whole(kind: str, value: Any) -> dict[str, Any]:
    return {"id": "p%3B", "type": kind, kind: value}


def rich(*texts: str) -> list[dict[str, Any]]:
    return [{"type": "text", "plain_text": text, "annotations": {}, "href": None} for text in texts]


def person(**more: Any) -> dict[str, Any]:
    return {"object": "user", "id": USER_ID, **more}


def row(kind: str, value: Any) -> dict[str, Any]:
    """The staged row of a page whose one property `P` of this type has this whole value."""
    schema = RowSchema((Property("p;", "P", kind),))
    (found,) = to_batch([page(P=value)], schema).to_pylist()
    return found


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc]


def date(start: datetime, end: datetime | None, is_datetime: bool, zone: str | None = None) -> dict[str, Any]:
    return {"start": start, "end": end, "is_datetime": is_datetime, "time_zone": zone}


def as_date(start: Any, end: Any = None, zone: Any = None) -> dict[str, Any]:
    return {"start": start, "end": end, "time_zone": zone}


FITTING: list[tuple[str, Any, Any]] = [
    ("title", rich("Ta", "sk"), "Task"),
    ("title", [], ""),
    ("rich_text", rich("cut \ud83d"), "cut \ufffd"),
    ("url", "https://a.b?c=d#e", "https://a.b?c=d#e"),
    ("email", "a@b.c", "a@b.c"),
    ("phone_number", "", ""),
    ("select", {"id": "x", "name": "High", "color": "red"}, "High"),
    ("status", {"id": "x", "name": "Done", "color": "red"}, "Done"),
    ("number", 42, 42.0),
    ("number", 1.5, 1.5),
    ("number", 2**53 + 1, float(2**53)),
    ("checkbox", False, False),
    ("multi_select", [{"name": "a"}, {"name": "b"}], ["a", "b"]),
    ("multi_select", [], []),
    ("date", as_date("2024-05-10"), date(utc(2024, 5, 10), None, False)),
    ("date", as_date("2024-05-10", "2024-05-12"), date(utc(2024, 5, 10), utc(2024, 5, 12), False)),
    ("date", as_date("2024-03-03T05:00:00.000+02:00"), date(utc(2024, 3, 3, 3), None, True)),
    ("date", as_date("2024-03-03T05:00:00.000"), date(utc(2024, 3, 3, 5), None, True)),
    (
        "date",
        as_date("2024-07-03T05:00", "2024-07-03T06:00:00", "Europe/Paris"),
        date(utc(2024, 7, 3, 3), utc(2024, 7, 3, 4), True, "Europe/Paris"),
    ),
    # An hour that comes twice, and one that never comes.
    (
        "date",
        as_date("2024-10-27T02:30:00", None, "Europe/Paris"),
        date(utc(2024, 10, 27, 0, 30), None, True, "Europe/Paris"),
    ),
    (
        "date",
        as_date("2024-03-31T02:30:00", None, "Europe/Paris"),
        date(utc(2024, 3, 31, 1, 30), None, True, "Europe/Paris"),
    ),
    # The zone does not move what has an offset, or no time; its name is kept, known or not.
    ("date", as_date("2024-07-03T05:00:00Z", None, "Mars/Base"), date(utc(2024, 7, 3, 5), None, True, "Mars/Base")),
    ("date", as_date("2024-07-03", None, "Asia/Tokyo"), date(utc(2024, 7, 3), None, False, "Asia/Tokyo")),
    ("date", as_date("9999-12-31"), date(utc(9999, 12, 31), None, False)),
    (
        "people",
        [
            person(name="Ada", type="person", person={"email": "a@b.c"}),
            person(name="Bot", type="bot", bot={}),
            person(),
            {"object": "group", "id": OTHER_ID, "name": "Team"},
        ],
        [
            {"id": USER_ID, "name": "Ada", "email": "a@b.c"},
            {"id": USER_ID, "name": "Bot", "email": None},
            {"id": USER_ID, "name": None, "email": None},
            {"id": OTHER_ID, "name": "Team", "email": None},
        ],
    ),
    ("people", [], []),
    (
        "files",
        [
            {"name": "a", "type": "file", "file": {"url": SIGNED, "expiry_time": "2026-07-05T11:00:00.000Z"}},
            {"name": "b", "type": "external", "external": {"url": "https://x/b?c=d"}},
            {"name": "c", "type": "file_upload", "file_upload": {"id": "u"}},
        ],
        [
            {"name": "a", "type": "file", "url": "https://files.example/a.pdf"},
            {"name": "b", "type": "external", "url": "https://x/b?c=d"},
            {"name": "c", "type": "file_upload", "url": None},
        ],
    ),
    ("relation", [{"id": OTHER_ID}, {"id": PAGE_ID.replace("-", "").upper()}], [OTHER_ID, PAGE_ID]),
    ("created_time", "2024-05-10T08:00:00.000Z", utc(2024, 5, 10, 8)),
    ("last_edited_time", "2024-05-10T08:00:00.123456+00:00", utc(2024, 5, 10, 8, 0, 0, 123456)),
    ("created_by", person(name="Ada"), USER_ID),
    ("last_edited_by", person(), USER_ID),
    ("unique_id", {"prefix": "TASK", "number": 12}, "TASK-12"),
    ("unique_id", {"prefix": None, "number": 12}, "12"),
    ("unique_id", {"prefix": "TASK", "number": None}, None),
    ("verification", {"state": "unverified", "date": None}, '{"date":null,"state":"unverified"}'),
    ("place", {"lon": 2.0, "lat": 1}, '{"lat":1,"lon":2.0}'),
    ("button", {}, "{}"),
    ("brand_new", [1, {"a": BEYOND_DOUBLE}], '[1,{"a":1e999}]'),
]


@pytest.mark.parametrize(("kind", "value", "expected"), FITTING)
def test_value_that_fits_is_typed(kind: str, value: Any, expected: Any) -> None:
    found = row(kind, whole(kind, value))
    assert found["p0"] == expected
    assert (found[NOT_COMPUTED], found[NOT_CONVERTED]) == (0, 0)


@pytest.mark.parametrize("kind", sorted({kind for kind, _, _ in FITTING} | {"formula", "rollup"}))
@pytest.mark.parametrize("found", [None, "absent", "of another kind, null"])
def test_null_is_null_and_not_counted(kind: str, found: str | None) -> None:
    value = {
        None: whole(kind, None),
        "absent": None,
        "of another kind, null": {"id": "p%3B", "type": "unsupported", "unsupported": None},
    }[found]
    staged = row(kind, value)
    assert (staged["p0"], staged[NOT_COMPUTED], staged[NOT_CONVERTED]) == (None, 0, 0)


ODD: list[tuple[str, Any]] = [
    ("title", "text"),
    ("title", {}),
    ("title", [{"plain_text": None}]),
    ("rich_text", [{"text": "x"}]),
    ("url", 5),
    ("select", "High"),
    ("select", {"name": None}),
    ("number", True),
    ("number", "1"),
    ("number", BEYOND_DOUBLE),
    ("number", 10**400),
    ("number", float("inf")),
    ("checkbox", 1),
    ("multi_select", {"name": "a"}),
    ("multi_select", [{"name": "a"}, None]),
    ("date", "2024-05-10"),
    ("date", as_date(None)),
    ("date", as_date("0000-01-01")),
    ("date", as_date("2024-02-30")),
    ("date", as_date("10000-01-01")),
    ("date", as_date("+010000-01-01T00:00:00Z")),
    ("date", as_date("9999-12-31T23:00:00-05:00")),
    ("date", as_date("0001-01-01T00:00:00+05:00")),
    ("date", as_date("0001-01-01T00:00:00", None, "Asia/Tokyo")),
    ("date", as_date("2024-05-10T24:00:00Z")),
    ("date", as_date("2024-05-10", "soon")),
    ("date", as_date("2024-05-10T10:00:00", None, "Mars/Base")),
    ("date", as_date("2024-05-10T10:00:00", None, "America")),
    ("date", as_date("2024-05-10T10:00:00", None, "../etc/passwd")),
    ("date", as_date("2024-05-10T10:00:00", None, "a\0\ud83d")),
    ("date", as_date("2024-05-10T10:00:00", None, 5)),
    ("date", as_date("２０２４-05-10")),
    ("people", [USER_ID]),
    ("people", [{"name": "no id"}]),
    ("people", [person(name=5)]),
    ("files", ["a"]),
    ("files", [{"name": "a", "type": "file", "file": {"url": 5}}]),
    ("relation", [None]),
    ("created_time", "yesterday"),
    ("created_by", USER_ID),
    ("unique_id", {"prefix": "T", "number": "12"}),
    ("unique_id", {"prefix": 5, "number": 12}),
    ("formula", "x"),
    ("formula", {"type": "date", "date": as_date("0000-01-01")}),
    ("formula", {"type": "number", "number": BEYOND_DOUBLE}),
    ("formula", {"type": "number"}),
    ("formula", {"type": ["number"]}),
    ("formula", {"type": "array", "array": []}),
    ("rollup", {"type": "array", "array": {}}),
    ("rollup", {"type": "brand_new", "brand_new": 1}),
]


@pytest.mark.parametrize(("kind", "value"), ODD)
def test_value_that_does_not_fit_is_null_counted_and_kept(kind: str, value: Any) -> None:
    found = row(kind, whole(kind, value))
    assert (found["p0"], found[NOT_COMPUTED], found[NOT_CONVERTED]) == (None, 0, 1)
    assert found["properties"].encode() == dump_json({"P": whole(kind, value)})


@pytest.mark.parametrize("value", [5, [], {"id": "p%3B", "type": "number"}, whole("rich_text", [])])
def test_value_of_another_shape_or_type_is_counted(value: Any) -> None:
    found = row("number", value)
    assert (found["p0"], found[NOT_CONVERTED]) == (None, 1)


def test_values_are_found_by_id_whatever_their_names() -> None:
    schema = RowSchema((Property("a;", "A", "number"), Property("b", "B", "number"), Property("c", "C", "number")))
    first = {"id": "a%3B", "type": "number", "number": 1}
    second = {"id": "b", "type": "number", "number": 2}
    pages = [page(A=first, B=second), page(A=second, B=first), page(X=first), page(A={**first, "id": "a;"}, C=second)]
    batch = to_batch(pages, schema)
    assert batch.column("p0").to_pylist() == [1, 1, 1, 1]
    assert batch.column("p1").to_pylist() == [2, 2, None, 2]
    assert batch.column("p2").to_pylist() == [None] * 4
    assert batch.column(NOT_CONVERTED).to_pylist() == [0] * 4


def computed(kind: str, result: Any) -> dict[str, Any]:
    found = row(kind, whole(kind, result))
    return {
        **{name: value for name, value in (found["p0"] or {}).items() if value is not None},
        "counts": (found[NOT_COMPUTED], found[NOT_CONVERTED]),
    }


@pytest.mark.parametrize(
    ("kind", "result", "expected"),
    [
        ("formula", {"type": "string", "string": ""}, {"kind": "string", "text": ""}),
        ("formula", {"type": "number", "number": 3}, {"kind": "number", "number": 3.0, "text": "3"}),
        ("formula", {"type": "number", "number": 3.0}, {"kind": "number", "number": 3.0, "text": "3.0"}),
        ("formula", {"type": "number", "number": 1.5}, {"kind": "number", "number": 1.5, "text": "1.5"}),
        (
            "formula",
            {"type": "number", "number": 1e21},
            {"kind": "number", "number": 1e21, "text": orjson.dumps(1e21).decode()},
        ),
        ("formula", {"type": "boolean", "boolean": False}, {"kind": "boolean", "boolean": False, "text": "false"}),
        (
            "formula",
            {"type": "date", "date": as_date("2024-05-10T08:00:00.000+02:00")},
            {"kind": "date", "date": date(utc(2024, 5, 10, 6), None, True), "text": "2024-05-10T08:00:00.000+02:00"},
        ),
        (
            "rollup",
            {"type": "number", "number": 2, "function": "count"},
            {"kind": "number", "number": 2.0, "text": "2"},
        ),
        (
            "rollup",
            {"type": "date", "date": as_date("2024-05-10", "2024-05-12"), "function": "date_range"},
            {
                "kind": "date",
                "date": date(utc(2024, 5, 10), utc(2024, 5, 12), False),
                "text": "2024-05-10",
            },
        ),
        ("rollup", {"type": "array", "array": [], "function": "show_original"}, {"kind": "array", "text": "[]"}),
    ],
)
def test_computed_result_has_kind_value_and_text(kind: str, result: Any, expected: dict[str, Any]) -> None:
    assert computed(kind, result) == {**expected, "counts": (0, 0)}


@pytest.mark.parametrize("kind", ["formula", "rollup"])
@pytest.mark.parametrize("result", ["unsupported", "incomplete"])
def test_what_notion_does_not_compute_is_null_and_counted(kind: str, result: str) -> None:
    assert computed(kind, {"type": result, result: {}, "function": "sum"}) == {"counts": (1, 0)}
    assert computed(kind, {"type": result}) == {"counts": (1, 0)}


@pytest.mark.parametrize("kind", ["number", "date", "string"])
def test_computed_null_is_null_and_not_counted(kind: str) -> None:
    assert computed("formula", {"type": kind, kind: None}) == {"counts": (0, 0)}


@pytest.mark.parametrize(
    ("items", "plain"),
    [
        ([{"type": "title", "title": rich("a", "b")}, {"type": "rich_text", "rich_text": []}], ["ab", ""]),
        ([{"type": "number", "number": 1}, {"type": "number", "number": None}], [1, None]),
        ([{"type": "checkbox", "checkbox": True}, {"type": "url", "url": "https://x"}], [True, "https://x"]),
        ([{"type": "select", "select": {"name": "A"}}, {"type": "status", "status": None}], ["A", None]),
        ([{"type": "multi_select", "multi_select": [{"name": "A"}, {"name": "B"}]}], ["A", "B"]),
        ([{"type": "date", "date": as_date("2024-05-10")}], ["2024-05-10"]),
        ([{"type": "people", "people": [person(name="x"), {"object": "group", "id": "g"}]}], [USER_ID, "g"]),
        ([{"type": "relation", "relation": [{"id": OTHER_ID}]}, {"type": "relation", "relation": []}], [OTHER_ID]),
        ([{"type": "relation", "relation": {"id": OTHER_ID}}], [OTHER_ID]),
        ([{"type": "created_by", "created_by": person()}], [USER_ID]),
        ([{"type": "unique_id", "unique_id": {"prefix": "T", "number": 1}}], ["T-1"]),
        (
            [
                {
                    "type": "files",
                    "files": [{"name": "a", "type": "file", "file": {"url": SIGNED, "expiry_time": "x"}}],
                },
                {"type": "files", "files": [{"name": "b", "type": "external", "external": {"url": "https://x?y"}}]},
            ],
            ["https://files.example/a.pdf", "https://x?y"],
        ),
        ([{"type": "formula", "formula": {"type": "string", "string": "s"}}], ["s"]),
        (
            [{"type": "rollup", "rollup": {"type": "array", "array": [{"type": "number", "number": 1}]}}, [[]], [3]],
            [1, 3],
        ),
        (
            [{"type": "place", "place": {"lat": 1}}, {"type": "new", "new": {"b": 1, "a": 2}}],
            [{"lat": 1}, {"a": 2, "b": 1}],
        ),
        (
            [{"type": "select", "select": "odd"}, {"type": "gone"}, "bare", None],
            ["odd", {"type": "gone"}, "bare", None],
        ),
    ],
)
def test_rollup_array_becomes_a_list_of_plain_values(items: list[Any], plain: list[Any]) -> None:
    found = computed("rollup", {"type": "array", "array": items, "function": "show_original"})
    assert json.loads(found["text"]) == plain
    assert found["counts"] == (0, 0)


def test_result_not_computed_inside_an_array_is_null_there_and_counted() -> None:
    items = [
        {"type": "formula", "formula": {"type": "unsupported", "unsupported": {}}},
        {"type": "number", "number": 1},
    ]
    found = computed("rollup", {"type": "array", "array": items})
    assert found == {"kind": "array", "text": "[null,1]", "counts": (1, 0)}


@pytest.mark.parametrize("kind", ["formula", "rollup"])
def test_stored_properties_give_the_same_computed_column(kind: str) -> None:
    asked = Property("p;", "P", kind)
    results = [
        {"type": "number", "number": 7},
        {"type": "number", "number": BEYOND_DOUBLE},
        {"type": "date", "date": as_date("2024-05-10")},
        {"type": "string", "string": "half \ud83d"},
        {"type": "array", "array": [{"type": "number", "number": 1.0}]},
        {"type": "unsupported", "unsupported": {}},
    ]
    pages = [*(page(Q=0, P=whole(kind, result)) for result in results), page()]
    batch = to_batch(pages, RowSchema((asked,)))
    stored = [load_json(text) for text in batch.column("properties").to_pylist()]
    assert computed_values(asked, [property_value(found, asked) for found in stored]) == batch.column("p0")


def test_page_columns_come_first_and_are_typed() -> None:
    batch = to_batch([PAGE], RowSchema(()))
    assert batch.schema.names == [*(name for name, _ in PAGE_COLUMNS), NOT_COMPUTED, NOT_CONVERTED, USERS]
    assert batch.to_pylist() == [
        {
            "id": PAGE_ID,
            "created_time": utc(2026, 7, 4, 9, 9),
            "last_edited_time": utc(2026, 7, 5, 10),
            "created_by": USER_ID,
            "last_edited_by": OTHER_ID,
            "url": "https://app.notion.com/p/x",
            "public_url": None,
            "in_trash": False,
            "is_archived": True,
            "parent": '{"data_source_id":"d","database_id":"b","type":"data_source_id"}',
            "icon": '{"emoji":"🔥","type":"emoji"}',
            "cover": '{"file":{"url":"https://files.example/a.pdf"},"type":"file"}',
            "properties": "{}",
            NOT_COMPUTED: 0,
            NOT_CONVERTED: 0,
            USERS: None,
        }
    ]


def test_partial_page_gives_a_row_of_nulls() -> None:
    schema = RowSchema((Property("p;", "P", "number"), Property("q", "Q", "rollup")))
    (found,) = to_batch([{"object": "page", "id": PAGE_ID.replace("-", "")}], schema).to_pylist()
    assert found.pop("id") == PAGE_ID
    assert {found.pop(NOT_COMPUTED), found.pop(NOT_CONVERTED)} == {0}
    assert set(found.values()) == {None}


def test_odd_page_columns_are_null_and_counted() -> None:
    odd = {**PAGE, "created_time": "then", "created_by": "me", "in_trash": 0, "url": {}, "icon": "🔥"}
    (found,) = to_batch([odd], RowSchema(())).to_pylist()
    assert [found[name] for name in ("created_time", "created_by", "in_trash", "url")] == [None] * 4
    assert found["icon"] == '"🔥"'
    assert found[NOT_CONVERTED] == 4


def test_no_pages_give_an_empty_batch() -> None:
    schema = RowSchema(tuple(Property(str(place), str(place), kind) for place, (kind, _, _) in enumerate(FITTING)))
    assert to_batch([], schema).num_rows == 0


def test_properties_are_equal_whatever_their_order_and_signatures() -> None:
    def answer(signature: str, order: int) -> dict[str, Any]:
        file = {"url": f"https://x/a.pdf?{signature}", "expiry_time": f"2026-07-05T1{order}:00:00.000Z"}
        files = {"id": "f", "type": "files", "files": [{"name": "a", "type": "file", "file": file}]}
        rollup = {"id": "r", "type": "rollup", "rollup": {"type": "array", "array": [files]}}
        return page(**dict(list({"F": files, "R": rollup, "N": whole("number", 1)}.items())[:: 1 if order else -1]))

    first, second = to_batch([answer("a=1", 0), answer("b=2#c", 1)], RowSchema(())).column("properties").to_pylist()
    assert first == second
    assert "expiry_time" not in first
    assert json.loads(first)["F"]["files"][0]["file"] == {"url": "https://x/a.pdf"}


def test_text_about_expiry_time_is_left_alone() -> None:
    value = whole("rich_text", rich('"expiry_time":"x" {"type":"file"} ?a#b'))
    (text,) = to_batch([page(P=value)], RowSchema(())).column("properties").to_pylist()
    assert json.loads(text) == {"P": value}


@pytest.mark.parametrize("exclude", ["Salary", "s;", "s%3B"])
def test_excluded_property_is_nowhere_in_the_batch(exclude: str) -> None:
    salary = {"id": "s%3B", "type": "number", "number": 90210}
    (found,) = to_batch([page(P=whole("number", 1), Salary=salary)], RowSchema((), (exclude,))).to_pylist()
    assert "90210" not in str(found)
    assert json.loads(found["properties"]) == {"P": whole("number", 1)}


def test_properties_that_cannot_be_told_apart_are_not_kept_where_one_is_excluded() -> None:
    (found,) = to_batch([{**PAGE, "properties": [90210]}], RowSchema((), ("Salary",))).to_pylist()
    assert (found["properties"], found[NOT_CONVERTED]) == (None, 1)


def test_pages_are_left_as_they_were() -> None:
    before = orjson.dumps(PAGE)
    to_batch([PAGE], RowSchema((), ("x",)))
    assert orjson.dumps(PAGE) == before


def test_batch_lands_in_duckdb_as_the_types_of_the_contract() -> None:
    properties = tuple(Property(f"p{place}", f"P{place}", kind) for place, (kind, _, _) in enumerate(FITTING))
    values = {
        prop.name: {"id": prop.id, "type": prop.type, prop.type: value}
        for prop, (_, value, _) in zip(properties, FITTING, strict=True)
    }
    batch = to_batch([page(**values), PAGE], RowSchema(properties))
    connection = duckdb.connect()
    columns = [*PAGE_COLUMNS, *((f"p{place}", column_type(prop).duckdb) for place, prop in enumerate(properties))]
    connection.execute("CREATE TABLE t (" + ", ".join(f'"{name}" {kind}' for name, kind in columns) + ")")
    connection.from_arrow(batch).create_view("staged")
    connection.execute("INSERT INTO t BY NAME SELECT * EXCLUDE (_not_computed, _not_converted, _users) FROM staged")
    assert connection.execute("SELECT count(*) FROM t").fetchone() == (2,)
    staged = dict(connection.execute("SELECT column_name, data_type FROM duckdb_columns()").fetchall())
    for name, kind in columns:
        assert staged[name] == kind
    natural = {
        name: kind for name, kind, *_ in connection.execute("DESCRIBE SELECT * FROM staged").fetchall() if name != "x"
    }
    for name, kind in columns:
        assert natural[name] == ("VARCHAR" if kind == "JSON" else kind)


@pytest.mark.parametrize(
    ("kind", "results", "value"),
    [
        ("formula", [{"type": "number", "number": 1}], "p0.number"),
        ("formula", [{"type": "boolean", "boolean": True}], "p0.boolean"),
        ("formula", [{"type": "date", "date": as_date("2024-05-10")}], "p0.date"),
        ("formula", [{"type": "number", "number": 1}, {"type": "boolean", "boolean": True}], "p0.text"),
        ("rollup", [{"type": "array", "array": []}], "p0.text::JSON"),
    ],
)
def test_staged_results_have_the_type_of_their_column(kind: str, results: list[Any], value: str) -> None:
    asked = Property("p;", "P", kind)
    batch = to_batch([page(P=whole(kind, result)) for result in results], RowSchema((asked,)))
    connection = duckdb.connect()
    connection.from_arrow(batch).create_view("staged")
    kinds = {found for (found,) in connection.execute("SELECT DISTINCT p0.kind FROM staged").fetchall()}
    types = connection.execute(f"SELECT DISTINCT typeof({value}) FROM staged").fetchall()
    assert types == [(computed_type(asked, kinds),)]


TYPES = sorted({kind for kind, _, _ in FITTING} | {"formula", "rollup"})
WORDS = st.sampled_from(
    [
        *TYPES,
        *("id", "type", "name", "array", "string", "boolean", "start", "end", "time_zone", "plain_text", "person"),
        *("url", "file", "expiry_time", "prefix", "unsupported", "p;", "p%3B", "2024-05-10", "2024-05-10T10:00", "UTC"),
    ]
)
ANY_TEXT = WORDS | st.text(st.characters(exclude_categories=()), max_size=5)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats() | ANY_TEXT | st.just(BEYOND_DOUBLE),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=4),
    max_leaves=12,
)
SCHEMA = RowSchema(tuple(Property(f"p{place}", kind, kind) for place, kind in enumerate(TYPES)), ("Excluded",))


@given(st.dictionaries(ANY_TEXT, ANY_JSON, max_size=4), st.data())
def test_any_json_gives_a_row(page_of_any: dict[str, Any], data: st.DataObject) -> None:
    values = {
        prop.name: {"id": prop.id, "type": prop.type, prop.type: data.draw(ANY_JSON)} for prop in SCHEMA.properties
    }
    batch = to_batch([page_of_any, {**PAGE, "properties": values}, page(**page_of_any)], SCHEMA)
    batch.validate(full=True)
    connection = duckdb.connect()
    connection.from_arrow(batch).create_view("staged")
    connection.execute("SELECT properties::JSON, parent::JSON, icon::JSON FROM staged").fetchall()


@given(st.dictionaries(st.sampled_from(TYPES), ANY_JSON))
def test_any_json_in_place_of_a_whole_value_gives_a_row(values: dict[str, Any]) -> None:
    to_batch([page(**values)], SCHEMA).validate(full=True)


@pytest.mark.parametrize("depth", [300, 1000])
def test_deeply_nested_values_are_kept(depth: int) -> None:
    nested: Any = [{"type": "file", "file": {"url": SIGNED, "expiry_time": "x"}}]
    for _ in range(depth):
        nested = [nested]
    kinds = ("files", "rollup", "brand_new")
    schema = RowSchema(tuple(Property(kind, kind, kind) for kind in kinds))
    values = {kind: {"id": kind, "type": kind, kind: nested} for kind in kinds}
    values["rollup"]["rollup"] = {"type": "array", "array": nested}
    (found,) = to_batch([page(**values)], schema).to_pylist()
    assert found["p2"] == "[" * (depth + 1) + '{"file":{"url":"https://files.example/a.pdf"},"type":"file"}' + "]" * (
        depth + 1
    )
    assert found["p1"]["text"] == '[{"url":"https://files.example/a.pdf"}]'
    assert found[NOT_CONVERTED] == 1
