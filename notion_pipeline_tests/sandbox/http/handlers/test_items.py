"""The 25-reference truncation and property items (notion-api.md section 7)."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from notion_client import APIResponseError, Client

from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.model.objects import DataSource, Page
from notion_pipeline.sandbox.model.richtext import mention_page, mention_user, text
from notion_pipeline.sandbox.model.values import Raw
from notion_pipeline_tests.support.patience import PATIENCE
from notion_pipeline_tests.support.sandbox.public_sdk import HEADERS


@pytest.fixture
def projects(ws: Workspace) -> DataSource:
    source = ws.add_database("Projects", {"Name": "title", "Cost": "number", "Team": "people"}).data_source
    for number in range(60):
        source.add_page({"Name": f"P{number % 40}", "Cost": number, "Team": [ws.owner]})
    return source


def rollup(function: str, seen: str = "Cost") -> dict[str, str]:
    return {"type": "rollup", "relation": "Rel", "property": seen, "function": function}


@pytest.fixture
def page(ws: Workspace, projects: DataSource) -> Page:
    """A page that refers to 60 others, to 30 people and, in its text, to 30 pages."""
    schema = {
        "Name": "title", "Text": "rich_text", "Who": "people", "Rel": {"type": "relation", "target": projects},
        "Sum": rollup("sum"), "Names": rollup("show_original", "Name"), "Teams": rollup("show_original", "Team"),
        "Costs": rollup("show_original"), "Unique": rollup("unique"), "Median": rollup("median"),
        "Shown": rollup("show_unique", "Name"), "Number": "number",
    }  # fmt: skip
    people = [ws.add_user(f"User {n}") for n in range(30)]
    mentions = [item for other in projects.pages[:30] for item in (text("see "), mention_page(other))]
    source = ws.add_database("Tasks", schema).data_source
    values = {
        "Name": "x",
        "Text": [*mentions, mention_user(people[0])],
        "Who": people,
        "Rel": projects.pages,
        "Number": 3,
    }
    return source.add_page(values)


def all_items(notion: Client, page: Page, property_id: str, size: int = 25) -> tuple[list[Any], list[Any]]:
    """Every result and every list object of a property item."""
    results: list[Any] = []
    lists: list[Any] = []
    cursor: dict[str, str] = {}
    while True:
        answer = notion.pages.properties.retrieve(page.id, property_id, page_size=size, **cursor)
        lists.append(answer["property_item"])
        results += answer["results"]
        assert answer["has_more"] is (answer["next_cursor"] is not None)
        assert (answer["property_item"]["next_url"] is None) is not answer["has_more"]
        if not answer["has_more"]:
            return results, lists
        cursor = {"start_cursor": answer["next_cursor"]}


def test_pages_and_rows_show_25_references(page: Page, notion: Client) -> None:
    assert page.data_source is not None
    row = notion.data_sources.query(page.data_source.id)["results"][0]
    for shown in (row["properties"], notion.pages.retrieve(page.id)["properties"]):
        assert (len(shown["Rel"]["relation"]), shown["Rel"]["has_more"]) == (25, True)
        assert len(shown["Who"]["people"]) == 25
        assert "has_more" not in shown["Who"]
        kinds = [item["type"] for item in shown["Text"]["rich_text"]]
        assert (kinds.count("mention"), kinds.count("text")) == (25, 30)
        assert shown["Sum"]["rollup"]["number"] == sum(range(25))
        assert len(shown["Names"]["rollup"]["array"]) == 25


def test_references_come_one_by_one_in_order(page: Page, projects: DataSource, notion: Client) -> None:
    shown = notion.pages.retrieve(page.id)["properties"]
    relations, _ = all_items(notion, page, shown["Rel"]["id"])
    assert [item["relation"]["id"] for item in relations] == [other.id for other in projects.pages]
    assert relations[0] == {
        "object": "property_item",
        "id": shown["Rel"]["id"],
        "type": "relation",
        "relation": {"id": projects.pages[0].id},
    }
    people, _ = all_items(notion, page, shown["Who"]["id"])
    assert [item["people"]["name"] for item in people] == [f"User {n}" for n in range(30)]
    texts, _ = all_items(notion, page, shown["Text"]["id"])
    assert sum(item["rich_text"]["type"] == "mention" for item in texts) == 31


def test_simple_value_is_one_object(page: Page, notion: Client) -> None:
    shown = notion.pages.retrieve(page.id)["properties"]["Number"]
    item = notion.pages.properties.retrieve(page.id, shown["id"])
    assert {key: item[key] for key in ("object", "id", "type", "number")} == {
        "object": "property_item", "id": shown["id"], "type": "number", "number": 3,
    }  # fmt: skip


@pytest.mark.parametrize("progress", ["incomplete", "value_so_far"])
def test_only_the_last_page_has_the_whole_aggregate(ws: Workspace, page: Page, notion: Client, progress: Any) -> None:
    ws.switches.rollup_progress = progress
    shown = notion.pages.retrieve(page.id)["properties"]["Sum"]
    results, lists = all_items(notion, page, shown["id"])
    assert [item["type"] for item in results] == ["relation"] * 60
    assert lists[-1]["rollup"] == {"type": "number", "number": sum(range(60)), "function": "sum"}
    if progress == "incomplete":
        assert [entry["rollup"]["type"] for entry in lists[:-1]] == ["incomplete"] * 2
    else:
        assert [entry["rollup"]["number"] for entry in lists[:-1]] == [sum(range(25)), sum(range(50))]


def test_shown_originals_are_flattened_values(page: Page, notion: Client) -> None:
    shown = notion.pages.retrieve(page.id)["properties"]
    names, lists = all_items(notion, page, shown["Names"]["id"])
    assert [item["title"]["plain_text"] for item in names] == [f"P{n % 40}" for n in range(60)]
    assert lists[-1]["rollup"] == {"type": "array", "array": [], "function": "show_original"}
    costs, _ = all_items(notion, page, shown["Costs"]["id"])
    assert [item["number"] for item in costs] == list(range(60))
    teams, _ = all_items(notion, page, shown["Teams"]["id"])
    assert {item["people"]["name"] for item in teams} == {"Ada Owner"}


@pytest.mark.parametrize("name", ["Unique", "Median", "Shown"])
def test_some_aggregates_are_not_computed(ws: Workspace, page: Page, notion: Client, name: str) -> None:
    shown = notion.pages.retrieve(page.id)["properties"][name]
    results, lists = all_items(notion, page, shown["id"])
    assert [item["type"] for item in results] == ["relation"] * 60
    assert {item["id"] for item in results} == {notion.pages.retrieve(page.id)["properties"]["Rel"]["id"]}
    function = {"Unique": "unique", "Median": "median", "Shown": "show_unique"}[name]
    assert lists[-1]["rollup"] == {"type": "unsupported", "unsupported": {}, "function": function}
    ws.switches.uncomputed_items = "values"
    values, _ = all_items(notion, page, shown["id"])
    assert {item["type"] for item in values} == {"title" if name == "Shown" else "number"}


def test_items_of_people_hold_no_groups_and_may_be_partial(ws: Workspace, notion: Client) -> None:
    group = {"object": "group", "id": "0f1e2d3c-0000-4000-8000-000000000001", "name": "Crew"}
    source = ws.add_database("Teams", {"Name": "title", "Who": "people"}).data_source
    row = source.add_page({"Who": [group, ws.owner]})
    shown = notion.pages.retrieve(row.id)["properties"]["Who"]
    assert [entry["object"] for entry in shown["people"]] == ["group", "user"]
    items, _ = all_items(notion, row, shown["id"])
    assert [item["people"]["name"] for item in items] == ["Ada Owner"]
    ws.switches.partial_item_users = True
    items, _ = all_items(notion, row, shown["id"])
    assert [item["people"] for item in items] == [{"object": "user", "id": ws.owner.id}]


def test_formulas_in_rows_see_the_first_25_of_a_relation(ws: Workspace, projects: DataSource, notion: Client) -> None:
    schema = {
        "Name": "title",
        "Rel": {"type": "relation", "target": projects},
        "Sum": rollup("sum"),
        "Count": {"type": "formula", "compute": lambda page: len(page["Rel"]), "result_type": "number"},
        "Twice": {"type": "formula", "compute": lambda page: page["Count"] * 2, "result_type": "number"},
        "Double": {"type": "formula", "compute": lambda page: page["Sum"] * 2, "result_type": "number"},
    }
    row = ws.add_database("Tasks", schema).data_source.add_page({"Name": "x", "Rel": projects.pages})
    shown = notion.pages.retrieve(row.id)["properties"]
    assert [shown[name]["formula"]["number"] for name in ("Count", "Twice", "Double")] == [25, 50, 2 * sum(range(25))]
    whole = [notion.pages.properties.retrieve(row.id, shown[name]["id"]) for name in ("Count", "Twice", "Double")]
    assert [item["formula"]["number"] for item in whole] == [60, 120, 2 * sum(range(60))]


@pytest.mark.parametrize("answer", ["incomplete", "unsupported", "full"])
def test_rollups_over_25_references_show_what_the_switch_says(
    ws: Workspace, page: Page, notion: Client, answer: Any
) -> None:
    ws.switches.rollup_over_25 = answer
    shown = notion.pages.retrieve(page.id)["properties"]["Sum"]["rollup"]
    assert shown["type"] == ("number" if answer == "full" else answer)


def test_ground_truth_is_not_cut(ws: Workspace, page: Page) -> None:
    assert page.data_source is not None
    (row,) = ws.rows(page.data_source)
    assert (len(row["properties"]["Rel"]["relation"]), row["properties"]["Rel"]["has_more"]) == (60, False)
    assert len(row["properties"]["Who"]["people"]) == 30
    assert row["properties"]["Sum"]["rollup"]["number"] == sum(range(60))


def test_item_cursor_belongs_to_its_property(page: Page, notion: Client) -> None:
    shown = notion.pages.retrieve(page.id)["properties"]
    cursor = notion.pages.properties.retrieve(page.id, shown["Rel"]["id"], page_size=5)["next_cursor"]
    with pytest.raises(APIResponseError, match="The start_cursor provided is invalid"):
        notion.pages.properties.retrieve(page.id, shown["Who"]["id"], start_cursor=cursor)


def test_property_id_encoded_twice_or_unknown_is_404(ws: Workspace, url: str) -> None:
    source = ws.add_database("T", {"Name": "title", "N": {"type": "number", "id": ";HF{"}}).data_source
    page = source.add_page({"N": 1})
    statuses = [
        httpx.get(f"{url}/v1/pages/{page.id}/properties/{given}", headers=HEADERS, timeout=PATIENCE).status_code
        for given in ("%3BHF%7B", "%253BHF%257B", "nope")
    ]
    assert statuses == [200, 404, 404]


def test_page_size_over_100_is_400(page: Page, notion: Client) -> None:
    with pytest.raises(APIResponseError, match=r"query\.page_size should be ≤ `100`"):
        notion.pages.properties.retrieve(page.id, "title", page_size=101)


def test_title_of_a_page_outside_any_source(ws: Workspace, notion: Client) -> None:
    item = notion.pages.properties.retrieve(ws.home.id, "title")
    assert [entry["title"]["plain_text"] for entry in item["results"]] == ["Acme"]


def test_raw_values_are_served_as_they_stand(ws: Workspace, notion: Client) -> None:
    source = ws.add_database("Odd", {"Name": "title", "N": "number", "When": "date"}).data_source
    odd = source.add_page({"N": Raw({"surprise": [1]}), "When": Raw({"start": "0000-00-00"})})
    shown = notion.pages.retrieve(odd.id)["properties"]
    assert shown["N"]["number"] == {"surprise": [1]}
    assert shown["When"]["date"] == {"start": "0000-00-00"}
    dated = {"property": "When", "date": {"on_or_after": "2020-01-01"}}
    assert notion.data_sources.query(source.id, filter=dated)["results"] == []


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        ("count", 3), ("count_values", 2), ("empty", 1), ("not_empty", 2), ("unique", 2), ("percent_empty", 1 / 3),
        ("sum", 6), ("average", 3), ("median", 3), ("min", 2), ("max", 4), ("range", 2),
    ],
)  # fmt: skip
def test_aggregates_of_numbers(ws: Workspace, notion: Client, function: str, expected: float) -> None:
    costs = ws.add_database("Costs", {"Name": "title", "Cost": "number"}).data_source
    pages = [costs.add_page({"Cost": cost}) for cost in (2, 4, None)]
    schema = {"Name": "title", "Rel": {"type": "relation", "target": costs}, "Out": rollup(function)}
    page = ws.add_database("T", schema).data_source.add_page({"Rel": pages})
    shown = notion.pages.retrieve(page.id)["properties"]["Out"]["rollup"]
    assert shown == {"type": "number", "number": pytest.approx(expected), "function": function}


@pytest.mark.parametrize(
    ("function", "start", "end"),
    [
        ("earliest_date", "2024-01-02", None),
        ("latest_date", "2024-02-01T00:00:00.000+02:00", None),
        ("date_range", "2024-01-02", "2024-02-01T00:00:00.000+02:00"),
    ],
)
def test_aggregates_of_dates(ws: Workspace, notion: Client, function: str, start: str, end: str | None) -> None:
    due = ws.add_database("Due", {"Name": "title", "Due": "date"}).data_source
    pages = [due.add_page({"Due": given}) for given in ("2024-02-01T00:00:00.000+02:00", "2024-01-02", None)]
    schema = {"Name": "title", "Rel": {"type": "relation", "target": due}, "Out": rollup(function, "Due")}
    page = ws.add_database("T", schema).data_source.add_page({"Rel": pages})
    shown = notion.pages.retrieve(page.id)["properties"]["Out"]["rollup"]
    assert shown == {"type": "date", "date": {"start": start, "end": end, "time_zone": None}, "function": function}
