"""References beyond the 25 that an answer shows: all of them, in Notion's order, and what Notion says of rollups."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest

from notion_pipeline.errors import AuthorizationError, NotionError, RetryableNotionError
from notion_pipeline.sandbox.control.faults import Fault
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.model.objects import DataSource, Page
from notion_pipeline_tests.support.reader import Read, Reader

QUERY = r"POST .*/query$"
ITEMS = r"GET .*/properties/"
MANY = 140


def linked(workspace: Workspace, count: int = MANY, **rollups: tuple[str, str]) -> tuple[DataSource, Page, list[Page]]:
    """A data source whose one row relates to so many tasks, with rollups {name: (property, function)} over them."""
    tasks = workspace.add_database("Tasks", {"Name": "title", "Points": "number", "Who": "people"}).data_source
    who = [workspace.add_user(f"Person {number}") for number in range(3)]
    related = [
        tasks.add_page({"Name": f"Task {n % 50}", "Points": n % 7, "Who": [who[n % 3], who[(n + 1) % 3]]})
        for n in range(count)
    ]
    schema: dict[str, Any] = {"Name": "title", "Tasks": {"type": "relation", "target": tasks}}
    for name, (prop, function) in rollups.items():
        schema[name] = {"type": "rollup", "relation": "Tasks", "property": prop, "function": function}
    projects = workspace.add_database("Projects", schema).data_source
    row = projects.add_page({"Name": "Tent", "Tasks": related})
    return projects, row, related


def value(read: Read, row: Page, name: str) -> Any:
    found = read.pages[row.id]["properties"][name]
    return found[found["type"]]


def read_later(workspace: Workspace, reader: Reader, source: DataSource, **options: Any) -> Read:
    """A read whose catch-up meets no row, so that each is asked for once."""
    workspace.clock.advance(timedelta(hours=1))
    return reader.read(source, **options)


def items_asked_for(read: Read) -> int:
    return sum("/properties/" in request.path for request in read.requests)


def test_relation_beyond_25_is_complete_and_in_order(workspace: Workspace, reader: Reader) -> None:
    projects, row, related = linked(workspace)
    read = reader.read(projects)
    assert value(read, row, "Tasks") == [{"id": page.id} for page in related]
    assert read.pages[row.id]["properties"]["Tasks"]["has_more"] is False
    assert read.pages[row.id]["p1"] == [page.id for page in related]


def test_short_values_cost_no_request(workspace: Workspace, reader: Reader) -> None:
    projects, row, _related = linked(workspace, 25, Total=("Points", "sum"))
    read = reader.read(projects)
    assert items_asked_for(read) == 0
    assert len(value(read, row, "Tasks")) == 25


@pytest.mark.parametrize("count", [24, 25, 26, 40, 130])
def test_people_beyond_25_are_complete_although_no_flag_says_so(
    workspace: Workspace, reader: Reader, count: int
) -> None:
    people = [workspace.add_user(f"Person {number}") for number in range(count)]
    source = workspace.add_database("Teams", {"Name": "title", "Who": "people"}).data_source
    row = source.add_page({"Who": people})
    assert [person["id"] for person in value(reader.read(source), row, "Who")] == [person.id for person in people]


@pytest.mark.parametrize("kind", ["title", "rich_text"])
def test_mentions_beyond_25_are_complete_with_the_text_between(workspace: Workspace, reader: Reader, kind: str) -> None:
    people = [workspace.add_user(f"Person {number}") for number in range(30)]
    parts: list[Any] = []
    for number, person in enumerate(people):
        user = {"object": "user", "id": person.id}
        parts += [text(f" {number}: "), mention(user, f"@Person {number}")]
    source = workspace.add_database("Minutes", {"Name": "title", "Notes": "rich_text"}).data_source
    name = "Name" if kind == "title" else "Notes"
    row = source.add_page({name: parts})
    found = "".join(part["plain_text"] for part in value(reader.read(source), row, name))
    assert found == "".join(f" {number}: @Person {number}" for number in range(30))


def text(content: str) -> dict[str, Any]:
    return {"type": "text", "text": {"content": content, "link": None}, "plain_text": content}


def mention(user: dict[str, Any], name: str) -> dict[str, Any]:
    return {"type": "mention", "mention": {"type": "user", "user": user}, "plain_text": name}


@pytest.mark.parametrize("shown", ["first_25", "full", "incomplete"])
@pytest.mark.parametrize("progress", ["incomplete", "value_so_far"])
def test_last_aggregate_of_a_rollup_is_taken(workspace: Workspace, reader: Reader, shown: str, progress: str) -> None:
    workspace.switches.update({"rollup_over_25": shown, "rollup_progress": progress})
    projects, row, _related = linked(workspace, Total=("Points", "sum"), Most=("Points", "max"))
    read = reader.read(projects)
    total = sum(n % 7 for n in range(MANY))
    assert value(read, row, "Total") == {"type": "number", "number": total, "function": "sum"}
    assert value(read, row, "Most")["number"] == 6
    assert read.pages[row.id]["p2"]["number"] == total


def test_rollup_is_completed_where_its_relation_is_excluded(workspace: Workspace, reader: Reader) -> None:
    projects, row, _related = linked(workspace, Total=("Points", "sum"))
    read = reader.read(projects, exclude=["Tasks"])
    assert value(read, row, "Total")["number"] == sum(n % 7 for n in range(MANY))
    assert "Tasks" not in read.pages[row.id]["properties"]


def test_shown_rollup_holds_the_items_in_order(workspace: Workspace, reader: Reader) -> None:
    projects, row, _related = linked(workspace, Names=("Name", "show_original"), Points=("Points", "show_original"))
    read = reader.read(projects)
    names = value(read, row, "Names")["array"]
    assert [item["type"] for item in names] == ["title"] * MANY
    assert [item["title"][0]["plain_text"] for item in names] == [f"Task {n % 50}" for n in range(MANY)]
    assert value(read, row, "Points")["array"] == [{"type": "number", "number": n % 7} for n in range(MANY)]


def test_shown_unique_rollup_holds_each_item_once(workspace: Workspace, reader: Reader) -> None:
    workspace.switches.uncomputed_items = "values"
    projects, row, _related = linked(workspace, Points=("Points", "show_unique"), Who=("Who", "show_unique"))
    read = reader.read(projects)
    assert value(read, row, "Points")["array"] == [{"type": "number", "number": n} for n in range(7)]
    assert [item["type"] for item in value(read, row, "Who")["array"]] == ["people"] * 3
    assert all(len(item["people"]) == 1 for item in value(read, row, "Who")["array"])


UNCOMPUTED = ("show_unique", "unique", "median", "count_per_group", "percent_per_group")


@pytest.mark.parametrize("function", UNCOMPUTED)
@pytest.mark.parametrize("looked_at", ["Name", "Points", "Who"])
def test_rollup_that_items_call_unsupported_stays_so(
    workspace: Workspace, reader: Reader, function: str, looked_at: str
) -> None:
    """Its items are the related pages: no values of it, whatever the rollup shows."""
    projects, row, _related = linked(workspace, Seen=(looked_at, function))
    read = read_later(workspace, reader, projects)
    assert value(read, row, "Seen") == {"type": "unsupported", "unsupported": {}, "function": function}
    assert read.pages[row.id]["p2"] is None
    assert read.pages[row.id]["_not_computed"] == 1
    assert items_asked_for(read) == 2 * 2


def test_unsupported_rollup_of_a_page_is_not_asked_for(workspace: Workspace, reader: Reader) -> None:
    workspace.switches.rollup_over_25 = "unsupported"
    projects, row, _related = linked(workspace, Total=("Points", "sum"), Names=("Name", "show_original"))
    read = read_later(workspace, reader, projects)
    assert value(read, row, "Total") == {"type": "unsupported", "unsupported": {}, "function": "sum"}
    assert value(read, row, "Names") == {"type": "unsupported", "unsupported": {}, "function": "show_original"}
    assert read.pages[row.id]["_not_computed"] == 2
    assert items_asked_for(read) == 2  # the relation's


def test_unique_items_of_related_pages_complete_a_rollup_that_shows_relations(
    workspace: Workspace, reader: Reader
) -> None:
    """The page's own array tells whether items of the type `relation` are its values or the related pages."""
    tags = workspace.add_database("Tags", {"Name": "title"}).data_source
    tag = [tags.add_page({"Name": f"Tag {number}"}) for number in range(40)]
    tasks = workspace.add_database("Tasks", {"Name": "title", "Tag": {"type": "relation", "target": tags}}).data_source
    related = [tasks.add_page({"Tag": [tag[number]]}) for number in range(40)]
    schema = {
        "Name": "title",
        "Tasks": {"type": "relation", "target": tasks},
        "Tags": {"type": "rollup", "relation": "Tasks", "property": "Tag", "function": "show_unique"},
    }
    projects = workspace.add_database("Projects", schema).data_source
    row = projects.add_page({"Name": "Tent", "Tasks": related})
    assert value(reader.read(projects), row, "Tags")["type"] == "unsupported"
    workspace.switches.uncomputed_items = "values"
    reader.directory = reader.directory / "second"
    array = value(reader.read(projects), row, "Tags")["array"]
    assert array == [{"type": "relation", "relation": [{"id": page.id}]} for page in tag]


def test_whole_rollup_stays_where_its_items_are_unsupported(workspace: Workspace, reader: Reader) -> None:
    """A list of 25 is suspect, but its relation says that nothing is missing."""
    projects, row, _related = linked(workspace, 25, Names=("Name", "show_unique"))
    read = read_later(workspace, reader, projects)
    assert len(value(read, row, "Names")["array"]) == 25
    assert (read.pages[row.id]["_not_computed"], items_asked_for(read)) == (0, 1)
    assert read.counts.values_disagreeing == 1


def test_property_id_goes_into_the_path_encoded_once(workspace: Workspace, reader: Reader) -> None:
    for raw_ids in (False, True):
        workspace.switches.raw_property_ids = raw_ids
        people = [workspace.add_user(f"Person {number}") for number in range(30)]
        schema = {"Name": "title", "Who": {"type": "people", "id": "a/%;?"}}
        source = workspace.add_database("Teams", schema).data_source
        row = source.add_page({"Who": people})
        read = reader.read(source)
        assert len(value(read, row, "Who")) == 30
        read.stage.remove()


@pytest.mark.parametrize("at", [1, 2])
def test_broken_item_cursor_starts_the_items_again(workspace: Workspace, reader: Reader, at: int) -> None:
    projects, row, related = linked(workspace)
    change = Fault("alter", match=ITEMS, at=1, callable=lambda body: body.update(next_cursor=None))
    if at == 2:
        change = Fault("status", match=ITEMS, at=2, **bad_cursor())
    workspace.faults.add(change)
    assert value(reader.read(projects), row, "Tasks") == [{"id": page.id} for page in related]


def bad_cursor() -> dict[str, Any]:
    return {"status": 400, "code": "validation_error", "message": "The start_cursor provided is invalid: abc"}


def test_item_cursors_that_lead_nowhere_end_the_read(workspace: Workspace, reader: Reader) -> None:
    projects, _row, _related = linked(workspace)
    workspace.faults.add(Fault("alter", match=ITEMS, times=100, callable=lambda body: body.update(next_cursor=None)))
    with pytest.raises(RetryableNotionError, match="its page cursors lead nowhere"):
        reader.read(projects)
    assert sum("/properties/" in request.path for request in workspace.requests) == 4


@pytest.mark.parametrize("answer", ["not_found", "validation_error"])
def test_property_removed_meanwhile_is_no_reason_to_drop_the_row(
    workspace: Workspace, reader: Reader, answer: Any
) -> None:
    """Its item may answer 404 as that of a row that is gone does; only the row's own GET tells the two apart."""
    workspace.switches.missing_property = answer
    projects, row, _related = linked(workspace)
    workspace.faults.add(Fault("call", match=ITEMS, callable=lambda: projects.remove_property("Tasks")))
    read = reader.read(projects)
    assert row.id in read.pages
    assert (read.counts.vanished_rows, read.counts.values_refused) == (0, 1)


REFUSALS: dict[str, dict[str, Any]] = {
    "400": {"status": 400, "code": "validation_error", "message": "Not this one."},
    "403": {"status": 403, "code": "restricted_resource", "message": "Not for you."},
    "404": {"status": 404, "code": "object_not_found", "message": "Could not find it."},
}


@pytest.mark.parametrize("refusal", REFUSALS)
@pytest.mark.parametrize("kind", ["relation", "people", "rollup", "formula"])
def test_value_that_is_refused_keeps_what_the_page_showed(
    workspace: Workspace, reader: Reader, kind: str, refusal: str
) -> None:
    projects, row, related = linked(workspace, Total=("Points", "sum"))
    people = [workspace.add_user(f"Colleague {number}") for number in range(40)]
    projects.add_property("Who", "people")
    expression = {"type": "formula", "expression": 'prop("Tasks").length()', "compute": lambda page: len(page["Tasks"])}
    projects.add_property("Size", expression)
    workspace.edit_page(row, {"Who": people})
    other = projects.add_page({"Name": "Boat", "Tasks": related, "Who": people})
    bad = next(prop for prop in projects.properties.values() if prop.type == kind)
    cell = f"GET /v1/pages/{row.id}/properties/{re.escape(quote(bad.id, safe=''))}"
    workspace.faults.add(Fault("status", match=cell, times=999, **REFUSALS[refusal]))
    read = read_later(workspace, reader, projects)
    assert read.pages.keys() == {row.id, other.id}
    assert read.pages[row.id]["properties"][bad.name]["has_more"] is True
    assert not any(found.get("has_more") for found in read.pages[other.id]["properties"].values())
    whole = {"relation": len(related), "people": len(people)}
    for name, count in (("Tasks", "relation"), ("Who", "people")):
        assert len(value(read, other, name)) == whole[count]
        assert len(value(read, row, name)) == (25 if kind == count else whole[count])
    assert read.counts.values_refused == 1
    (line,) = [line for line in reader.lines if "does not give all of property" in line]
    assert bad.name in line
    assert REFUSALS[refusal]["message"] in line
    workspace.faults.clear()
    reader.directory = reader.directory / "second"
    read = read_later(workspace, reader, projects)
    assert (read.counts.values_refused, len(value(read, row, "Tasks"))) == (0, len(related))


@pytest.mark.parametrize(
    "refusal",
    [
        {"status": 401, "code": "unauthorized", "message": "API token is invalid."},
        {"status": 500},
        {"status": 403, "code": "public_api_request_blocked", "message": "Stop."},
    ],
)
def test_refusal_that_is_not_about_one_value_ends_the_read(
    workspace: Workspace, reader: Reader, refusal: dict[str, Any]
) -> None:
    projects, _row, _related = linked(workspace)
    workspace.faults.add(Fault("status", match=ITEMS, times=999, **refusal))
    with pytest.raises(NotionError):
        reader.read(projects)


def test_failed_item_ends_the_requests_beside_it(workspace: Workspace, reader: Reader) -> None:
    people = [workspace.add_user(f"Person {number}") for number in range(30)]
    source = workspace.add_database("Teams", {"Name": "title", "Who": "people"}).data_source
    for _ in range(60):
        source.add_page({"Who": people})
    workspace.faults.add(Fault("status", match=ITEMS, status=401, code="unauthorized", message="No."))
    with pytest.raises(AuthorizationError):
        reader.read(source)
    assert sum("/properties/" in request.path for request in workspace.requests) <= 16


@pytest.mark.parametrize("odd", [None, "x", {}, {"object": "property_item", "type": "number", "number": 1}])
def test_item_that_is_no_value_is_no_item_left_out(workspace: Workspace, reader: Reader, odd: Any) -> None:
    people = [workspace.add_user(f"Person {number}") for number in range(30)]
    source = workspace.add_database("Teams", {"Name": "title", "Who": "people"}).data_source
    row = source.add_page({"Who": people})

    def alter(body: dict[str, Any]) -> None:
        body["results"][-1] = odd

    workspace.faults.add(Fault("alter", match=ITEMS, times=99, callable=alter))
    read = read_later(workspace, reader, source)
    assert len(value(read, row, "Who")) == 25
    assert read.counts.values_refused == 1
    assert any("its results hold" in line for line in reader.lines)


# What is not asked for


def projects_in(workspace: Workspace, rows: int, related: int, **rollups: tuple[str, str]) -> DataSource:
    """So many rows with a relation of so many tasks each, and rollups {name: (property, function)} over it."""
    projects, _row, tasks = linked(workspace, related, **rollups)
    for number in range(1, rows):
        projects.add_page({"Name": f"Project {number}", "Tasks": tasks})
    return projects


SUMS = {f"Sum {number}": ("Points", "sum") for number in range(10)}


def test_rollups_that_may_be_wrong_are_asked_for_in_each_row(workspace: Workspace, reader: Reader) -> None:
    projects = projects_in(workspace, 20, 40, **SUMS)
    read = read_later(workspace, reader, projects)
    assert items_asked_for(read) == 20 * (1 + 10)
    assert {value(read, row, "Sum 3")["number"] for row in projects.pages} == {sum(n % 7 for n in range(40))}


@pytest.mark.parametrize("function", ["unique", "median", "count_per_group", "percent_per_group"])
def test_function_that_notion_does_not_compute_is_asked_for_once(
    workspace: Workspace, reader: Reader, function: str
) -> None:
    projects = projects_in(workspace, 20, 40, Seen=("Points", function), Other=("Points", function))
    read = read_later(workspace, reader, projects)
    assert items_asked_for(read) == 20 + 2
    for row in projects.pages:
        for name in ("Seen", "Other"):
            assert value(read, row, name) == {"type": "unsupported", "unsupported": {}, "function": function}
        assert read.pages[row.id]["_not_computed"] == 2


def test_function_that_notion_computes_after_all_is_asked_for_in_each_row(workspace: Workspace, reader: Reader) -> None:
    projects = projects_in(workspace, 5, 40, Middle=("Points", "median"))

    def compute(body: dict[str, Any]) -> None:
        if body["property_item"]["type"] == "rollup":
            body["property_item"]["rollup"] = {"type": "number", "number": 7, "function": "median"}

    workspace.faults.add(Fault("alter", match=ITEMS, times=100, callable=compute))
    read = read_later(workspace, reader, projects)
    assert items_asked_for(read) == 5 * 2
    assert [value(read, row, "Middle")["number"] for row in projects.pages] == [7] * 5


def test_rollup_that_was_computed_over_all_of_its_relation_is_not_asked_for(
    workspace: Workspace, reader: Reader
) -> None:
    workspace.switches.rollup_over_25 = "full"
    rollups = {"Count": ("Name", "count"), "Names": ("Name", "show_original"), "Total": ("Points", "sum")}
    projects = projects_in(workspace, 5, 40, **rollups)
    read = read_later(workspace, reader, projects)
    # The relation, and the sum, of which nothing tells what it is over.
    assert items_asked_for(read) == 5 * 2
    for row in projects.pages:
        assert value(read, row, "Count")["number"] == len(value(read, row, "Names")["array"]) == 40


def test_rollup_over_a_part_of_its_relation_is_asked_for(workspace: Workspace, reader: Reader) -> None:
    projects = projects_in(workspace, 5, 40, Count=("Name", "count"), Names=("Name", "show_original"))
    read = read_later(workspace, reader, projects)
    assert items_asked_for(read) == 5 * 3
    for row in projects.pages:
        assert value(read, row, "Count")["number"] == len(value(read, row, "Names")["array"]) == 40


def test_row_that_comes_again_as_it_was_is_asked_for_once(workspace: Workspace, reader: Reader) -> None:
    """Rows that were edited just before the read come with its catch-up as well."""
    projects = projects_in(workspace, 20, 40, **SUMS)
    read = reader.read(projects)
    assert len(read.queries) == 4
    assert items_asked_for(read) == 20 * (1 + 10)
    assert len(read.rows) == len(read.pages) == 20
    assert read.counts.vanished_rows == 0


def test_row_that_was_edited_meanwhile_is_asked_for_again(workspace: Workspace, reader: Reader) -> None:
    projects = projects_in(workspace, 3, 40, Total=("Points", "sum"))
    edited = projects.pages[1]
    change = {"Name": "Edited", "Tasks": workspace.pages[projects.pages[0].id]["Tasks"][:30]}
    workspace.faults.add(Fault("call", match=QUERY, at=3, callable=lambda: workspace.edit_page(edited, change)))
    read = reader.read(projects)
    assert items_asked_for(read) == 3 * 2 + 2
    assert [len(value(read, row, "Tasks")) for row in projects.pages] == [40, 30, 40]


def test_page_that_is_gone_is_looked_for_once(workspace: Workspace, reader: Reader) -> None:
    projects = projects_in(workspace, 2, 40, **SUMS)
    gone = projects.pages[1]
    workspace.faults.add(Fault("call", match=f"GET .*{gone.id}/properties", callable=lambda: workspace.delete(gone)))
    read = read_later(workspace, reader, projects)
    assert read.counts.vanished_rows == 1
    assert sum(request.path == f"/v1/pages/{gone.id}" for request in read.requests) == 1
