"""The sandbox's data source queries: filters, sorts, cursors, the cap, states (notion-api.md sections 3 and 4)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import httpx
import pytest
from notion_client import APIResponseError, Client
from notion_client.helpers import collect_paginated_api

from notion_pipeline.sandbox.edits.bulk import add_rows, bulk_schema
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.model.objects import DataSource
from notion_pipeline_tests.support.patience import PATIENCE
from notion_pipeline_tests.support.sandbox.public_sdk import HEADERS

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
BY_CREATION = [{"timestamp": "created_time", "direction": "ascending"}]


@pytest.fixture
def post(url: str) -> Iterator[Any]:
    with httpx.Client(base_url=url, headers=HEADERS, timeout=PATIENCE) as client:
        yield lambda source, body=None: client.post(f"/v1/data_sources/{source.id}/query", json=body or {})


@pytest.fixture
def tasks(ws: Workspace) -> DataSource:
    """Six rows, a minute apart; the last one is empty."""
    people = {"Who": [ws.owner]}
    schema: dict[str, Any] = {
        "Name": "title", "Note": "rich_text", "Points": "number", "Done": "checkbox", "Due": "date", "Who": "people",
        "State": {"type": "status", "options": ["Todo", "Doing", "Done"]}, "Id": {"type": "unique_id", "prefix": "T"},
        "Tags": {"type": "multi_select", "options": ["a", "b"]}, "Docs": "files", "Link": "url",
        "Checked": "verification",
        "Rel": {"type": "relation", "target": "self"}, "Maker": "created_by", "Made": "created_time",
        "Double": {"type": "formula", "compute": lambda page: None if page["Points"] is None else page["Points"] * 2},
        "Sum": {"type": "rollup", "relation": "Rel", "property": "Points", "function": "sum"},
        "All": {"type": "rollup", "relation": "Rel", "property": "Points", "function": "show_original"},
    }  # fmt: skip
    source = ws.add_database("Tasks", schema).data_source
    for number in range(5):
        source.add_page(
            {
                "Name": f"Task {number}", "Note": "even" if number % 2 == 0 else "Odd", "Points": number,
                "Done": number > 2, "Due": f"2026-03-0{number + 1}", "State": ["Todo", "Doing", "Done"][number % 3],
                "Tags": ["a", "b"][: number % 3], "Link": "https://example.com", **(people if number else {}),
                "Rel": source.pages[:number], "Docs": [{"name": "f", "url": "https://e.org"}] if number == 4 else [],
            },
            created_at=START + timedelta(minutes=number, seconds=30),
        )  # fmt: skip
    source.add_page({}, created_at=START + timedelta(minutes=5))
    return source


def names(answer: dict[str, Any]) -> list[str]:
    titles = [row["properties"]["Name"]["title"] for row in answer["results"]]
    return [title[0]["plain_text"][-1] if title else "-" for title in titles]


@pytest.mark.parametrize(
    ("leaf", "expected"),
    [
        ({"property": "Name", "title": {"equals": "Task 3"}}, "3"),
        ({"property": "title", "title": {"ends_with": "3"}}, "3"),
        ({"property": "Note", "rich_text": {"contains": "odd"}}, "13"),
        ({"property": "Note", "rich_text": {"does_not_contain": "odd"}}, "024-"),
        ({"property": "Note", "rich_text": {"starts_with": "ev"}}, "024"),
        ({"property": "Note", "rich_text": {"is_empty": True}}, "-"),
        ({"property": "Link", "url": {"is_not_empty": True}}, "01234"),
        ({"property": "Points", "number": {"greater_than": 3}}, "4"),
        ({"property": "Points", "number": {"less_than_or_equal_to": 1}}, "01"),
        ({"property": "Points", "number": {"does_not_equal": 1}}, "0234-"),
        ({"property": "Id", "unique_id": {"greater_than_or_equal_to": 6}}, "-"),
        ({"property": "Done", "checkbox": {"equals": True}}, "34"),
        ({"property": "Done", "checkbox": {"does_not_equal": True}}, "012-"),
        ({"property": "State", "status": {"equals": "Todo"}}, "03"),
        ({"property": "State", "status": {"equals": ["Todo", "Done"]}}, "023"),
        ({"property": "State", "status": {"does_not_equal": "Todo"}}, "124-"),
        ({"property": "Tags", "multi_select": {"contains": "b"}}, "2"),
        ({"property": "Tags", "multi_select": {"does_not_contain": ["a"]}}, "03-"),
        ({"property": "Due", "date": {"equals": "2026-03-02"}}, "1"),
        ({"property": "Due", "date": {"on_or_before": "2026-03-02"}}, "01"),
        ({"property": "Due", "date": {"after": "2026-03-04"}}, "4"),
        ({"property": "Due", "date": {"is_empty": True}}, "-"),
        ({"property": "Who", "people": {"is_not_empty": True}}, "1234"),
        ({"property": "Who", "people": {"contains": "me"}}, ""),
        ({"property": "Docs", "files": {"is_not_empty": True}}, "4"),
        ({"property": "Rel", "relation": {"is_empty": True}}, "0-"),
        ({"property": "Double", "formula": {"number": {"equals": 4}}}, "2"),
        ({"property": "Sum", "rollup": {"number": {"equals": 6}}}, "4"),
        ({"property": "All", "rollup": {"any": {"number": {"equals": 3}}}}, "4"),
        ({"property": "All", "rollup": {"none": {"number": {"equals": 0}}}}, "0-"),
        ({"property": "Checked", "verification": {"status": "none"}}, "01234-"),
        ({"property": "Made", "created_time": {"before": "2026-01-01T00:02:00Z"}}, "01"),
        ({"timestamp": "created_time", "created_time": {"on_or_after": "2026-01-01T00:04:00.000Z"}}, "4-"),
        ({"timestamp": "created_time", "created_time": {"equals": "2026-01-01T00:04:00Z"}}, "4"),
        ({"timestamp": "created_time", "created_time": {"past_year": {}}}, "01234-"),
        ({"timestamp": "created_time", "created_time": {"after": "today"}}, ""),
        ({"timestamp": "last_edited_time", "last_edited_time": {"before": "2026-01-01T00:01:00"}}, "0"),
        ({"and": []}, "01234-"),
        ({"or": [{"property": "Points", "number": {"equals": n}} for n in (1, 3)]}, "13"),
        (
            {
                "and": [
                    {"timestamp": "created_time", "created_time": {"on_or_after": "2026-01-01T00:02:00Z"}},
                    {"or": [
                        {"property": "Done", "checkbox": {"equals": True}},
                        {"property": "Id", "unique_id": {"equals": 3}},
                    ]},
                ]
            },
            "234",
        ),
    ],
)  # fmt: skip
def test_filter_selects(tasks: DataSource, notion: Client, leaf: dict[str, Any], expected: str) -> None:
    answer = notion.data_sources.query(tasks.id, filter=leaf, sorts=BY_CREATION)
    assert "".join(names(answer)) == expected


def test_filter_on_people_and_relations_takes_ids(ws: Workspace, tasks: DataSource, notion: Client) -> None:
    first = tasks.pages[0]
    by_relation = {"property": "Rel", "relation": {"contains": first.id.replace("-", "")}}
    assert names(notion.data_sources.query(tasks.id, filter=by_relation, sorts=BY_CREATION)) == list("1234")
    by_maker = {"property": "Maker", "created_by": {"contains": ws.owner.id}}
    assert len(notion.data_sources.query(tasks.id, filter=by_maker)["results"]) == 6


@pytest.mark.parametrize(
    "filter_",
    [
        {"and": [{"or": [{"and": [{"property": "Points", "number": {"equals": 1}}]}]}]},
        {"and": [], "or": []},
        {"property": "Nope", "number": {"equals": 1}},
        {"property": "Points", "rich_text": {"equals": "1"}},
        {"property": "Points", "number": {"equals": "1"}},
        {"property": "Points", "number": {"contains": 1}},
        {"property": "Points", "number": {"is_empty": False}},
        {"property": "Points", "number": {"equals": 1, "greater_than": 0}},
        {"property": "Due", "date": {"equals": "yesterdayish"}},
        {"property": "Due", "date": {"past_week": True}},
        {"timestamp": "created_time", "property": "Made", "created_time": {"past_week": {}}},
        {"timestamp": "created_at", "created_time": {"past_week": {}}},
        {"timestamp": "created_time"},
        "Points",
        {},
    ],
)
def test_malformed_filter_is_400(tasks: DataSource, post: Any, filter_: Any) -> None:
    answer = post(tasks, {"filter": filter_})
    assert (answer.status_code, answer.json()["code"]) == (400, "validation_error")


@pytest.mark.parametrize(
    "body",
    [
        {"page_size": 101}, {"page_size": 0}, {"page_size": "5"}, {"sorts": {}}, {"sorts": [{"property": "Points"}]},
        {"sorts": [{"property": "Nope", "direction": "ascending"}]}, {"result_type": "database"}, {"surprise": 1},
        {"sorts": [{"timestamp": "nope", "direction": "ascending"}]}, {"in_trash": True}, {"archived": False},
        {"is_archived": "yes"},
    ],
)  # fmt: skip
def test_malformed_body_is_400(tasks: DataSource, post: Any, body: Any) -> None:
    answer = post(tasks, body)
    assert (answer.status_code, answer.json()["code"]) == (400, "validation_error")


@pytest.mark.parametrize("direction", ["ascending", "descending"])
def test_empty_values_sort_last_in_both_directions(tasks: DataSource, notion: Client, direction: str) -> None:
    found = names(notion.data_sources.query(tasks.id, sorts=[{"property": "Points", "direction": direction}]))
    assert found == [*("01234" if direction == "ascending" else "43210"), "-"]


def test_sorts_apply_in_order_and_options_sort_by_place(tasks: DataSource, notion: Client) -> None:
    sorts = [
        {"property": "State", "direction": "ascending"},
        {"timestamp": "created_time", "direction": "descending"},
    ]
    assert names(notion.data_sources.query(tasks.id, sorts=sorts)) == ["3", "0", "4", "1", "2", "-"]


def test_cursors_walk_all_rows_once(ws: Workspace, tasks: DataSource, notion: Client) -> None:
    for live in (False, True):
        ws.switches.live_cursors = live
        for sorts in (BY_CREATION, [{"property": "Points", "direction": "descending"}], []):
            kwargs: dict[str, Any] = {"data_source_id": tasks.id, "page_size": 2} | ({"sorts": sorts} if sorts else {})
            rows = collect_paginated_api(notion.data_sources.query, **kwargs)
            assert len(rows) == len({row["id"] for row in rows}) == 6


def test_cursor_is_refused_with_another_query_or_when_made_up(ws: Workspace, tasks: DataSource, post: Any) -> None:
    cursor = post(tasks, {"page_size": 2}).json()["next_cursor"]
    other = ws.add_database("Other", {"Name": "title", "Points": "number"}).data_source
    wrong: list[tuple[DataSource, dict[str, Any]]] = [
        (tasks, {"start_cursor": cursor, "sorts": BY_CREATION}),
        (tasks, {"start_cursor": cursor, "filter": {"property": "Points", "number": {"equals": 1}}}),
        (tasks, {"start_cursor": cursor[:-2]}),
        (tasks, {"start_cursor": tasks.pages[0].id}),
        (tasks, {"start_cursor": "garbage!"}),
        (other, {"start_cursor": cursor}),
    ]
    for source, body in wrong:
        answer = post(source, body)
        assert answer.status_code == 400
        assert answer.json()["message"] == f"The start_cursor provided is invalid: {body['start_cursor']}"
    assert post(tasks, {"start_cursor": cursor, "page_size": 3}).status_code == 200


def test_cursor_expires_where_the_switch_says_so(ws: Workspace, tasks: DataSource, post: Any) -> None:
    ws.switches.cursor_lifetime_seconds = 60
    cursor = post(tasks, {"page_size": 2}).json()["next_cursor"]
    assert post(tasks, {"page_size": 2, "start_cursor": cursor}).status_code == 200
    ws.clock.advance(timedelta(seconds=61))
    assert post(tasks, {"page_size": 2, "start_cursor": cursor}).status_code == 400


def test_snapshot_cursors_skip_rows_that_left(ws: Workspace, tasks: DataSource, notion: Client) -> None:
    first = notion.data_sources.query(tasks.id, sorts=BY_CREATION, page_size=2)
    ws.trash(tasks.pages[2])
    ws.archive(tasks.pages[3])
    rest = notion.data_sources.query(tasks.id, sorts=BY_CREATION, start_cursor=first["next_cursor"])
    assert names(rest) == ["4", "-"]


@pytest.mark.parametrize("live", [False, True])
def test_rows_edited_while_paginating_by_last_edit_are_lost_or_repeated(
    ws: Workspace, tasks: DataSource, notion: Client, live: bool
) -> None:
    """Section 14, 16: what live cursors are for."""
    ws.switches.live_cursors = live
    sorts = [{"timestamp": "last_edited_time", "direction": "descending"}]
    first = notion.data_sources.query(tasks.id, sorts=sorts, page_size=2)
    ws.edit_page(tasks.pages[0], {"Points": 9})
    rest = notion.data_sources.query(tasks.id, sorts=sorts, start_cursor=first["next_cursor"])
    assert ("0" in names(rest)) is not live


def test_short_pages_still_give_every_row(ws: Workspace, notion: Client) -> None:
    ws.switches.short_pages = True
    source = ws.add_database("Big", bulk_schema()).data_source
    add_rows(source, 300, start=START, minutes=300)
    first = notion.data_sources.query(source.id, sorts=BY_CREATION)
    assert len(first["results"]) < 100
    assert len(collect_paginated_api(notion.data_sources.query, data_source_id=source.id, sorts=BY_CREATION)) == 300


@pytest.mark.parametrize("live", [False, True])
def test_capped_query_is_marked_on_every_page_and_ends_at_the_cap(ws: Workspace, post: Any, live: bool) -> None:
    ws.result_cap, ws.switches.live_cursors = 250, live
    source = ws.add_database("Big", bulk_schema()).data_source
    add_rows(source, 251, start=START, minutes=50)
    pages, body = [], {"sorts": BY_CREATION}
    while True:
        pages.append(post(source, body).json())
        if not pages[-1]["has_more"]:
            break
        body["start_cursor"] = pages[-1]["next_cursor"]
    assert [len(page["results"]) for page in pages] == [100, 100, 50]
    marker = {"type": "incomplete", "incomplete_reason": "query_result_limit_reached"}
    assert all(page["request_status"] == marker for page in pages)


def test_query_of_exactly_the_cap_is_marked_as_the_switch_says(ws: Workspace, post: Any) -> None:
    ws.result_cap = 6
    source = ws.add_database("Big", bulk_schema()).data_source
    add_rows(source, 6, start=START, minutes=6)
    assert "request_status" not in post(source).json()
    ws.switches.request_status_complete = True
    assert post(source).json()["request_status"] == {"type": "complete"}
    ws.switches.cap_marks_exact_fit = True
    assert post(source).json()["request_status"]["type"] == "incomplete"


def test_windows_by_creation_read_past_the_cap(ws: Workspace, notion: Client) -> None:
    ws.result_cap = 250
    source = ws.add_database("Big", bulk_schema()).data_source
    add_rows(source, 1_000, start=START, minutes=200)
    seen: dict[str, Any] = {}
    since = "2000-01-01"
    for _ in range(10):
        window = {"timestamp": "created_time", "created_time": {"on_or_after": since}}
        rows = collect_paginated_api(
            notion.data_sources.query, data_source_id=source.id, filter=window, sorts=BY_CREATION
        )
        seen |= {row["id"]: row for row in rows}
        since = rows[-1]["created_time"]
        if len(rows) < 250:
            break
    assert set(seen) == {page.id for page in source.pages}


def test_archived_rows_come_instead_of_live_ones_and_trashed_never(ws: Workspace, tasks: DataSource, post: Any) -> None:
    ws.archive(tasks.pages[1])
    ws.trash(tasks.pages[2])
    assert names(post(tasks, {"sorts": BY_CREATION}).json()) == ["0", "3", "4", "-"]
    assert names(post(tasks, {"is_archived": False, "sorts": BY_CREATION}).json()) == ["0", "3", "4", "-"]
    archived = post(tasks, {"is_archived": True}).json()
    assert names(archived) == ["1"]
    assert archived["results"][0]["is_archived"] is True
    ws.switches.is_archived_served = False
    refused = post(tasks, {"is_archived": True})
    assert refused.status_code == 400
    assert "is_archived" in refused.json()["message"]


def test_trash_parameters_are_ignored_where_the_switch_says_so(ws: Workspace, tasks: DataSource, post: Any) -> None:
    ws.switches.trash_parameters = "ignore"
    ws.trash(tasks.pages[2])
    assert len(post(tasks, {"in_trash": True}).json()["results"]) == 5


def test_trashed_data_source_answers_as_the_switch_says(ws: Workspace, tasks: DataSource, post: Any) -> None:
    ws.trash_database(tasks.database)
    assert post(tasks).status_code == 404
    ws.switches.trashed_source_query = "rows"
    assert len(post(tasks).json()["results"]) == 6


def test_filters_see_floored_stamps_or_fine_instants_as_the_switch_says(
    ws: Workspace, tasks: DataSource, notion: Client
) -> None:
    """Rows are created at half past each minute; section 2 on `on_or_before`."""
    until = {"timestamp": "created_time", "created_time": {"on_or_before": "2026-01-01T00:01:00Z"}}
    since = {"timestamp": "created_time", "created_time": {"on_or_after": "2026-01-01T00:04:31Z"}}
    assert names(notion.data_sources.query(tasks.id, filter=until, sorts=BY_CREATION)) == ["0", "1"]
    assert names(notion.data_sources.query(tasks.id, filter=since, sorts=BY_CREATION)) == ["-"]
    ws.switches.fine_instants = True
    assert names(notion.data_sources.query(tasks.id, filter=until, sorts=BY_CREATION)) == ["0"]
    half = {"timestamp": "created_time", "created_time": {"on_or_after": "2026-01-01T00:04:30Z"}}
    assert names(notion.data_sources.query(tasks.id, filter=half, sorts=BY_CREATION)) == ["4", "-"]


def test_ties_come_in_another_order_each_session_where_the_switch_says_so(ws: Workspace, notion: Client) -> None:
    source = ws.add_database("Ties", {"Name": "title"}).data_source
    for number in range(30):
        source.add_page({"Name": str(number)}, created_at=START)

    def order() -> list[str]:
        rows = collect_paginated_api(
            notion.data_sources.query, data_source_id=source.id, sorts=BY_CREATION, page_size=7
        )
        return [row["id"] for row in rows]

    assert order() == order()
    ws.switches.unstable_ties = True
    for live in (False, True):
        ws.switches.live_cursors = live
        first, second = order(), order()
        assert first != second
        assert set(first) == set(second) == {page.id for page in source.pages}


def test_filter_properties_takes_ids_and_names(tasks: DataSource, notion: Client, url: str) -> None:
    points = notion.data_sources.retrieve(tasks.id)["properties"]["Points"]["id"]
    row = notion.data_sources.query(tasks.id, filter_properties=["title", points])["results"][0]
    assert set(row["properties"]) == {"Name", "Points"}
    path = f"{url}/v1/data_sources/{tasks.id}/query"
    answer = httpx.post(path, params={"filter_properties[]": ["Name"]}, headers=HEADERS, timeout=PATIENCE)
    assert set(answer.json()["results"][0]["properties"]) == {"Name"}


def test_wiki_lists_child_data_sources_among_its_rows(ws: Workspace, post: Any) -> None:
    wiki = ws.add_database("Wiki", {"Name": "title"}, is_wiki=True).data_source
    wiki.add_page({"Name": "a"}, created_at=START)
    child = ws.add_database(
        "Child", {"Name": "title"}, parent=wiki, created_at=START + timedelta(minutes=1)
    ).data_source
    wiki.add_page({"Name": "b"}, created_at=START + timedelta(minutes=2))
    rows = post(wiki, {"sorts": BY_CREATION}).json()["results"]
    assert [row["object"] for row in rows] == ["page", "data_source", "page"]
    assert rows[1]["id"] == child.id
    assert rows[1]["database_parent"] == {"type": "database_id", "database_id": wiki.database.id}
    assert [row["id"] for row in post(wiki, {"result_type": "data_source"}).json()["results"]] == [child.id]


def test_rows_served_from_the_cache_follow_every_change(ws: Workspace, notion: Client) -> None:
    projects = ws.add_database("Projects", {"Name": "title", "Cost": "number"})
    project = projects.data_source.add_page({"Cost": 1})
    schema: dict[str, Any] = {
        "Name": "title", "State": {"type": "select", "options": ["x"]}, "Rel": {"type": "relation", "target": projects},
        "Sum": {"type": "rollup", "relation": "Rel", "property": "Cost", "function": "sum"},
    }  # fmt: skip
    source = ws.add_database("Tasks", schema).data_source
    page = source.add_page({"Name": "a", "State": "x", "Rel": [project]})

    def row() -> Any:
        return notion.data_sources.query(source.id)["results"][0]["properties"]

    assert row()["Sum"]["rollup"]["number"] == 1
    ws.edit_page(project, {"Cost": 5})
    assert row()["Sum"]["rollup"]["number"] == 5
    source.rename_option("State", "x", "y")
    assert row()["State"]["select"]["name"] == "y"
    source.rename_property("State", "Status")
    assert "Status" in row()
    ws.edit_page(page, {"Name": "b"})
    assert row()["Name"]["title"][0]["plain_text"] == "b"
    ws.unshare(projects)
    assert row()["Rel"]["relation"] == []
    ws.share(projects)
    ws.trash(project)
    assert row()["Rel"]["relation"] == []


def test_query_of_a_missing_source_is_404(ws: Workspace, notion: Client) -> None:
    database = ws.add_database("Tasks", {"Name": "title"})
    ws.unshare(database)
    with pytest.raises(APIResponseError, match="Could not find data_source"):
        notion.data_sources.query(database.data_source.id)
