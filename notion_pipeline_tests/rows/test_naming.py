"""Names of tables and columns: unique, stable, and never taken from who holds them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notion_pipeline.rows.naming import (
    NamedDatabase,
    TableRename,
    column_names,
    first_free,
    numbered,
    slug,
    table_names,
    with_id,
)
from notion_pipeline.rows.properties import Property

TASKS = "11111111-aaaa-4000-8000-000000000001"
DEALS = "22222222-bbbb-4000-8000-000000000002"
A, B, C = (f"{digit * 8}-0000-4000-8000-000000000000" for digit in "abc")


def database(
    title: str,
    *sources: str | tuple[str, str],
    table: str | None = None,
    database_id: str = TASKS,
) -> NamedDatabase:
    named = tuple((source, title) if isinstance(source, str) else source for source in sources)
    return NamedDatabase(database_id, title, named, table)


def prop(property_id: str, name: str, kind: str = "rich_text") -> Property:
    return Property(property_id, name, kind)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Tasks", "tasks"),
        ("Été à la plage", "ete_a_la_plage"),
        ("Due date (UTC)", "due_date_utc"),
        ("2024 plan", "_2024_plan"),
        ("🔥", "untitled"),
        ("", "untitled"),
        ("日本語", "ri_ben_yu"),
        ("A__B", "a_b"),
    ],
)
def test_slug(text: str, expected: str) -> None:
    assert slug(text) == expected


@given(st.text())
def test_slug_is_an_identifier_of_any_text(text: str) -> None:
    assert slug(text).isidentifier()


def test_table_is_prefix_and_slug_of_the_title() -> None:
    assert table_names([database("My Tasks", A)], held={}, prefix="crm_").tables == {A: "crm_my_tasks"}


def test_configured_table_wins_over_prefix_and_title() -> None:
    named = table_names([database("My Tasks", A, table="todo")], held={}, prefix="crm_")
    assert named.tables == {A: "todo"}
    assert named.renames == ()


@pytest.mark.parametrize("title", ["Database", "DATABASES"])
def test_reserved_table_names_get_the_database_id(title: str) -> None:
    assert table_names([database(title, A)], held={}).tables == {A: f"{slug(title)}_11111111"}


def test_prefix_makes_a_reserved_title_harmless() -> None:
    assert table_names([database("Databases", A)], held={}, prefix="x_").tables == {A: "x_databases"}


def test_elder_database_gets_the_plain_name() -> None:
    both = [database("Tasks", A), database("tasks", B, database_id=DEALS)]
    assert table_names(both, held={}).tables == {A: "tasks", B: "tasks_22222222"}


def test_foreign_table_is_avoided_without_case() -> None:
    assert table_names([database("Tasks", A)], held={}, foreign={"TASKS"}).tables == {A: "tasks_11111111"}


def test_more_digits_where_the_suffixed_name_is_taken_too() -> None:
    named = table_names([database("Tasks", A)], held={}, foreign={"tasks", "tasks_11111111"})
    assert named.tables == {A: "tasks_11111111a"}


def test_further_data_sources_are_named_after_the_first() -> None:
    named = table_names([database("Tasks", (A, "Tasks"), (B, "Archive"), (C, "archive!"))], held={})
    assert named.tables == {A: "tasks", B: "tasks__archive", C: "tasks__archive_cccccccc"}


def test_further_data_source_is_named_after_the_name_its_first_one_got() -> None:
    named = table_names([database("Tasks", (A, "Tasks"), (B, "Archive"))], held={}, foreign={"tasks"})
    assert named.tables == {A: "tasks_11111111", B: "tasks_11111111__archive"}


def test_names_do_not_follow_titles_order_or_prefix() -> None:
    held = {A: "tasks", B: "tasks__archive"}
    named = table_names([database("Chores", (B, "Old"), (A, "Chores"))], held=held, prefix="new_")
    assert named.tables == held
    assert named.renames == ()


def test_new_data_source_listed_first_is_a_further_one() -> None:
    named = table_names([database("Tasks", (B, "Inbox"), (A, "Tasks"))], held={A: "tasks"})
    assert named.tables == {A: "tasks", B: "tasks__inbox"}


def test_name_of_an_unlisted_data_source_stays_taken() -> None:
    assert table_names([database("Tasks", B)], held={A: "tasks"}).tables == {B: "tasks_11111111"}


def test_configured_table_renames_the_first_and_what_is_named_after_it() -> None:
    held = {A: "tasks", B: "tasks__archive"}
    named = table_names([database("Tasks", (B, "Archive"), (A, "Tasks"), table="todo")], held=held)
    assert named.tables == {A: "todo", B: "todo__archive"}
    assert set(named.renames) == {TableRename(A, "tasks", "todo"), TableRename(B, "tasks__archive", "todo__archive")}


def test_removed_table_setting_keeps_the_held_name() -> None:
    assert table_names([database("Tasks", A)], held={A: "todo"}).tables == {A: "todo"}


def test_configured_table_of_another_case_is_the_same_table() -> None:
    assert table_names([database("Tasks", A, table="TODO")], held={A: "todo"}).renames == ()


def test_configured_table_that_another_holds_gets_the_database_id_once() -> None:
    asked = [database("Tasks", A, table="deals"), database("Deals", B, database_id=DEALS)]
    first = table_names(asked, held={A: "tasks", B: "deals"})
    assert first.tables == {A: "deals_11111111", B: "deals"}
    assert table_names(asked, held=first.tables).renames == ()


def test_configured_tables_can_be_swapped() -> None:
    asked = [database("Tasks", A, table="deals"), database("Deals", B, table="tasks", database_id=DEALS)]
    named = table_names(asked, held={A: "tasks", B: "deals"})
    assert named.tables == {A: "deals", B: "tasks"}
    assert len(named.renames) == 2


@pytest.mark.parametrize("first", ["todo", "todo_11111111"])
def test_further_table_stays_when_the_first_data_source_is_gone(first: str) -> None:
    held = {A: first, B: f"{first}__archive", C: "todo"}
    assert table_names([database("Tasks", (B, "Archive"), table="todo")], held=held).tables == {B: f"{first}__archive"}


def test_configured_table_may_be_the_head_of_the_name_before() -> None:
    named = table_names([database("Deals", A, table="crm")], held={A: "crm__deals"})
    assert named.renames == (TableRename(A, "crm__deals", "crm"),)


def test_columns_are_slugs_and_page_columns_are_avoided() -> None:
    named = column_names([prop("a;", "URL"), prop("b", "Due date"), prop("title", "ID", "title")], {})
    assert named == {"a;": "url_613b", "b": "due_date", "title": "id_7469746c65"}


def test_title_is_named_before_the_rest() -> None:
    named = column_names([prop("a", "Name"), prop("title", "name", "title")], {})
    assert named == {"a": "name_61", "title": "name"}


def test_newcomer_does_not_take_a_column_from_its_holder() -> None:
    named = column_names([prop("new", "Price!"), prop("old", "Price")], {"old": ("Price", "price")})
    assert named == {"new": f"price_{b'new'.hex()}", "old": "price"}


def test_property_keeps_its_suffix_while_its_name_stays() -> None:
    assert column_names([prop("a", "Price")], {"a": ("Price", "price_61")}) == {"a": "price_61"}


def test_renamed_property_is_named_anew() -> None:
    assert column_names([prop("a", "Cost")], {"a": ("Price", "price")}) == {"a": "cost"}


def test_rename_that_gives_the_same_slug_keeps_the_column() -> None:
    named = column_names([prop("b", "Due date"), prop("a", "Due Date?")], {"a": ("due date", "due_date")})
    assert named == {"b": "due_date_62", "a": "due_date"}


def test_properties_that_swap_names_swap_columns() -> None:
    named = column_names([prop("a", "B"), prop("b", "A")], {"a": ("A", "a"), "b": ("B", "b")})
    assert named == {"a": "b", "b": "a"}


def test_renamed_property_comes_before_newcomers_and_after_holders() -> None:
    existing = {"a": ("Old", "old"), "h": ("Held", "held")}
    assert column_names([prop("n", "X"), prop("a", "x"), prop("h", "Held")], existing) == {
        "n": "x_6e",
        "a": "x",
        "h": "held",
    }
    assert column_names([prop("a", "Held!"), prop("h", "Held")], existing) == {"a": "held_61", "h": "held"}


def test_name_left_by_a_rename_is_free_for_a_newcomer() -> None:
    named = column_names([prop("n", "Price"), prop("a", "Old price")], {"a": ("Price", "price")})
    assert named == {"n": "price", "a": "old_price"}


def test_gone_property_keeps_its_column_until_its_name_is_wanted() -> None:
    existing = {"gone": ("Price", "price")}
    assert column_names([prop("a", "Cost")], existing) == {"a": "cost", "gone": "price"}
    assert column_names([prop("a", "Price")], existing) == {"a": "price", "gone": "price__removed"}


def test_second_gone_property_of_a_name_gets_its_id() -> None:
    existing = {"g1": ("Price", "price__removed"), "g2": ("Price", "price")}
    named = column_names([prop("a", "Price")], existing)
    assert named == {"a": "price", "g1": "price__removed", "g2": "price__removed_6732"}


def test_further_columns_of_the_table_are_avoided() -> None:
    assert column_names([prop("a", "Price")], {}, {"PRICE", "price_61"}) == {"a": "price_61_61"}


names = st.text("aAbB_ 1é", max_size=3)


@given(st.dictionaries(st.text("xyz", min_size=1, max_size=2), st.tuples(names, names), max_size=8))
def test_columns_are_unique_without_case_and_stable(found: dict[str, tuple[str, str]]) -> None:
    before = [prop(key, old) for key, (old, _) in found.items()]
    first = column_names(before, {})
    held = {item.id: (item.name, first[item.id]) for item in before}
    assert column_names(before, held) == first
    after = column_names([prop(key, new) for key, (_, new) in found.items()], held)
    for columns in (first, after):
        assert len({column.lower() for column in columns.values()}) == len(columns)
    for key, (old, new) in found.items():
        if old == new:
            assert after[key] == first[key]


@given(st.lists(st.tuples(names, st.integers(1, 3), st.none() | st.sampled_from(["x", "a", "B"])), max_size=5))
def test_tables_are_unique_without_case_and_stable(wanted: list[tuple[str, int, str | None]]) -> None:
    databases = [
        database(
            title,
            *((f"{number}{source}", title) for source in range(sources)),
            table=table,
            database_id=f"{number:08}-{0:024}",
        )
        for number, (title, sources, table) in enumerate(wanted)
    ]
    named = table_names(databases, held={}, foreign={"A"})
    assert len({table.lower() for table in named.tables.values()} | {"a"}) == len(named.tables) + 1
    assert table_names(databases, held=named.tables, foreign={"a"}).renames == ()


def test_name_that_is_taken_gets_a_number_or_more_and_more_of_its_owners_id() -> None:
    owner = "12345678-9abc-4def-8123-456789abcdef"
    digits = owner.replace("-", "")
    assert first_free(numbered("tasks"), {"Tasks", "tasks_3"}) == "tasks_2"
    assert first_free(with_id("tasks", owner), {"TASKS"}) == "tasks_12345678"
    taken = [*(f"tasks_{digits[:length]}" for length in range(8, len(digits) + 1)), "tasks"]
    assert first_free(with_id("tasks", owner), taken) == f"tasks_{digits}_2"
