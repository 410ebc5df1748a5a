"""Which database an entry of sources.yaml means."""

from __future__ import annotations

import pytest

from notion_pipeline.notion_ids import normalise_id
from notion_pipeline.selection import ambiguities, matches_database, named_id, names_database, stream_name

ID = "1f0c2d3e-4a5b-6c7d-8e9f-0a1b2c3d4e5f"
OTHER_ID = "2f0c2d3e-4a5b-6c7d-8e9f-0a1b2c3d4e5f"
BARE = ID.replace("-", "")


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
        ("Task*", "Tasks"),
        ("T?sks", "Tasks"),
        ("[ST]asks", "Tasks"),
        ("Plan [2024]", "Plan [2024]"),
        ("Tasks ", " Tasks"),
        ("Cafe\u0301", "Café"),
        ("📌 *", "📌 Roadmap"),
        (ID, "anything"),
        (BARE.upper(), "anything"),
        (f"database_{ID}", "anything"),
        (f"database_{BARE}", "anything"),
    ],
)
def test_an_entry_matches_by_title_glob_id_or_stream_name(entry, title):
    assert matches_database(entry, ID, title)
    assert matches_database(entry, BARE, title)


@pytest.mark.parametrize(
    ("entry", "title"),
    [
        ("tasks", "Tasks"),
        ("Task", "Tasks"),
        ("databases", "databases"),
        (OTHER_ID, "Tasks"),
        ("Plan [2024]*", "Plan [2024] x"),
    ],
)
def test_an_entry_matches_nothing_else(entry, title):
    assert not matches_database(entry, ID, title)


def test_a_key_of_streams_is_no_glob():
    assert names_database("Tasks", ID, "Tasks")
    assert not names_database("Task*", ID, "Tasks")


def test_a_key_that_fits_two_databases_and_two_keys_that_fit_one_are_ambiguous():
    listing = [(ID, "Tasks"), (OTHER_ID, "Tasks")]
    assert ambiguities(["Tasks"], listing) == [
        f'streams["Tasks"]: fits 2 databases, {ID} and {OTHER_ID}; name the one that is meant by its id'
    ]
    assert ambiguities([BARE, "Tasks"], listing[:1]) == [
        f'streams: "{BARE}" and "Tasks" both fit database {ID}; keep one'
    ]
    assert ambiguities([ID, OTHER_ID], listing) == []
