"""Finding streams by typing: what is found, and in which order."""

from __future__ import annotations

import pytest

from notion_pipeline.cli.stream_search import Searchable, nearest_titles, search

ID = "1429989f-e8ac-4eff-bc8f-57f56486db54"
OTHER = "20f1deef-0000-4aaa-8bbb-0123456789ab"


def found(query: str, *titles: str) -> list[str]:
    return search(query, titles, Searchable)


@pytest.mark.parametrize(
    ("query", "title"),
    [
        ("TASKS", "Tasks"),
        ("cafe", "Café central"),
        ("CAFÉ", "cafe central"),
        ("strasse", "Straße 12"),
        ("oresund", "Øresund"),
        ("lodz", "Łódź office"),
        ("cafe\u0301", "Café"),
        ("会議", "週次会議メモ"),
        ("crm cust", "Customers (CRM)"),
        ("r&d", "R & D budget"),
        ("🗄️", "🗄️ Legacy"),
        ("asks", "Tasks"),
    ],
)
def test_any_part_is_found_whatever_case_accents_and_order_of_words(query: str, title: str) -> None:
    assert found(query, "Something else", title) == [title]


def test_every_word_must_be_there() -> None:
    assert found("tasks archive", "Tasks", "Tasks archive") == ["Tasks archive"]


def test_better_matches_come_first() -> None:
    titles = ["My subtasks", "Old tasks", "Tasks 2025", "Task board", "Tasks", "Multitasking", "Unrelated"]
    assert found("tasks", *titles) == ["Tasks", "Tasks 2025", "Old tasks", "My subtasks"]
    assert found("task", *titles)[0] == "Tasks"
    assert found("", *titles) == titles


def test_table_names_and_ids_count_after_titles() -> None:
    things = [
        Searchable("By id", (OTHER,)),
        Searchable("By table", names=("deals_2024",)),
        Searchable("Deals"),
        Searchable("20f1 in the title"),
    ]
    assert [thing.title for thing in search("deals", things, lambda thing: thing)] == ["Deals", "By table"]
    assert [thing.title for thing in search("20f1", things, lambda thing: thing)] == ["20f1 in the title", "By id"]


@pytest.mark.parametrize(
    "query",
    [
        ID,
        ID.replace("-", "").upper(),
        f"database_{ID}",
        "database_1429989f",
        "57f56486",
        "bc8f57f5",
        f"https://www.notion.so/team/Tasks-{ID.replace('-', '')}?v=20f1deef00004aaa8bbb0123456789ab",
    ],
)
def test_ids_stream_names_and_addresses_find_their_database(query: str) -> None:
    things = [Searchable("Tasks", (ID,)), Searchable("Other", (OTHER,))]
    assert [thing.title for thing in search(query, things, lambda thing: thing)] == ["Tasks"]


def test_nearest_titles_are_told_for_a_typo() -> None:
    assert nearest_titles("taks", ["Tasks", "Meeting notes", "Deals"]) == ["Tasks"]
    assert nearest_titles("meating", ["Tasks", "Meeting notes", "Deals"]) == ["Meeting notes"]
    assert nearest_titles("zzz", ["Tasks"]) == []
