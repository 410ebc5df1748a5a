"""Which database an entry of sources.yaml means."""

from __future__ import annotations

import pytest

from notion_pipeline.config.selection import (
    DatabaseName,
    ambiguous,
    find_databases,
    is_glob,
    matches_database,
    named_id,
    names_database,
    stream_name,
)
from notion_pipeline.notion_ids import normalise_id

ID = "1f0c2d3e-4a5b-6c7d-8e9f-0a1b2c3d4e5f"
OTHER_ID = "2f0c2d3e-4a5b-6c7d-8e9f-0a1b2c3d4e5f"
BARE = ID.replace("-", "")
VIEW = "3" * 32
#: One database, in every way in which its id is found in Notion.
WAYS = [
    ID,
    BARE.upper(),
    f"database_{ID}",
    f"DATABASE_{BARE}",
    f"https://app.notion.com/p/my-tasks-{BARE}",
    f"https://www.notion.so/acme/My-Tasks-{BARE}?v={VIEW}&pvs=4",
    f"https://www.notion.so/{BARE}?v={VIEW}",
    f"https://www.notion.so/{ID}#{VIEW}",
    f"https://acme.notion.site/Tasks-{BARE.upper()}/",
    f"HTTPS://WWW.NOTION.SO/acme/{BARE}?v={VIEW}",
    f"www.notion.so/acme/Tasks-{BARE}",
    f"notion://www.notion.so/acme/Tasks-{BARE}",
    f"{BARE}?v={VIEW}",
    f"{ID}?v={VIEW}&pvs=4",
    f"Tasks-{BARE}",
    f"Tasks-{ID}",
    f"Tasks {BARE}",
    f"Tasks-{BARE}?v={VIEW}",
]


@pytest.mark.parametrize("text", [ID, BARE, ID.upper(), BARE.upper(), f" {ID} "])
def test_an_id_is_known_in_every_way_it_is_written(text):
    assert normalise_id(text) == ID


@pytest.mark.parametrize(
    "text", ["", "Tasks", BARE[:-1], BARE + "0", "g" + BARE[1:], ID.replace("-", "", 1), f"database_{ID}"]
)
def test_other_texts_are_no_ids(text):
    assert normalise_id(text) is None


def test_a_stream_name_and_its_id_name_each_other():
    assert stream_name(BARE.upper()) == f"database_{ID}"
    assert named_id(stream_name(ID)) == named_id(f"database_{BARE}") == named_id(BARE) == ID
    assert named_id("Tasks") is None


@pytest.mark.parametrize(
    ("entry", "title"),
    [
        ("*", ""),
        ("Tasks", "Tasks"),
        ("tasks", "Tasks"),
        ("Task*", "Tasks"),
        ("task*", "TASKS"),
        ("T?sks", "Tasks"),
        ("[ST]asks", "Tasks"),
        ("Plan [2024]", "Plan [2024]"),
        ("Tasks ", " Tasks"),
        ("Cafe\u0301", "Café"),
        ("CAFE", "café"),
        ("strasse", "Straße"),
        ("📌 *", "📌 Roadmap"),
        ("✔ Done", "✔\ufe0f Done"),
        *((entry, "anything") for entry in WAYS),
    ],
)
def test_an_entry_matches_by_title_glob_id_address_or_stream_name(entry, title):
    assert matches_database(entry, ID, title)
    assert matches_database(entry, BARE, title)


@pytest.mark.parametrize(
    ("entry", "title"),
    [
        ("Task", "Tasks"),
        ("databases", "databases"),
        (OTHER_ID, "Tasks"),
        (f"https://www.notion.so/acme/Tasks-{OTHER_ID}?v={BARE}", "Tasks"),
        ("Plan [2024]*", "Plan [2024] x"),
        ("Plan 2024", "Plan [2024]"),
    ],
)
def test_an_entry_matches_nothing_else(entry, title):
    assert not matches_database(entry, ID, title)


@pytest.mark.parametrize("entry", WAYS)
def test_id_is_taken_out_of_every_form_without_that_of_the_view(entry):
    assert named_id(entry) == ID
    assert not is_glob(entry)


@pytest.mark.parametrize(
    "text", ["Tasks", f"x{BARE}", f"Tasks-{BARE}0", f"https://www.notion.so/acme?v={BARE}", f"{BARE} b"]
)
def test_id_within_other_words_is_none(text):
    assert named_id(text) is None


def found(entry, *databases, globs=True):
    return [database.id for database in find_databases(entry, databases, globs=globs)]


def test_what_is_most_exact_counts_alone():
    plan, glob = DatabaseName("a", "Plan [2024]"), DatabaseName("b", "Plan 2")
    assert found("Plan [2024]", plan, glob) == found("plan [2024]", plan, glob) == ["a"]
    assert found("Plan [2024]", glob) == ["b"]
    upper, lower = DatabaseName("a", "Tasks"), DatabaseName("b", "tasks")
    assert found("tasks", upper, lower) == ["b"]
    assert found("TASKS", upper, lower) == ["a", "b"]
    assert found("TASKS", upper) == ["a"]
    table = DatabaseName("c", "To do", names=("chores", "notion.chores"))
    assert found("Chores", table) == found("notion.CHORES", table) == ["c"]
    assert found("chores", DatabaseName("d", "Chores"), table) == ["c"]
    assert found("chores", DatabaseName("d", "chores"), table) == ["d"]


def test_title_that_ends_in_an_id_is_found_as_it_stands():
    copy, original = DatabaseName(OTHER_ID, f"Copy-{BARE}"), DatabaseName(ID, "Tasks")
    assert found(f"Copy-{BARE}", copy, original) == [OTHER_ID]
    assert found(f"Copy-{BARE}", original) == [ID]
    assert found(f"Notes about {BARE} and more", DatabaseName("a", f"Notes about {BARE} and more"), original) == ["a"]


def test_id_is_never_a_title():
    """Or whoever may make a database could have it taken for another."""
    for entry in (ID, BARE, f"https://www.notion.so/acme/Salaries-{BARE}"):
        assert found(entry, DatabaseName(OTHER_ID, entry)) == []


def test_data_source_names_its_database():
    database = DatabaseName(OTHER_ID, "Tasks", data_source_ids=(ID,))
    for entry in WAYS:
        assert found(entry, database) == [OTHER_ID]


def test_a_key_of_streams_is_no_glob():
    assert names_database("Tasks", ID, "Tasks")
    assert not names_database("Task*", ID, "Tasks")


def test_a_key_that_fits_two_databases_and_two_keys_that_fit_one_are_ambiguous():
    listing = [(ID, "Tasks"), (OTHER_ID, "Tasks")]
    several = f'streams["Tasks"]: fits 2 databases, {ID} and {OTHER_ID}; name the one that is meant by its id'
    assert ambiguous(["Tasks"], listing) == [((ID, OTHER_ID), several)]
    same = f'streams: "{BARE}" and "Tasks" both fit database {ID}; keep one'
    assert ambiguous([BARE, "Tasks"], listing[:1]) == [((ID,), same)]
    assert ambiguous([ID, OTHER_ID], listing) == []
