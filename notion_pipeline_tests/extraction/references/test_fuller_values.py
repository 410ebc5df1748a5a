"""What items give never shrinks what a page showed, and what is computed over a cut relation is asked for once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from notion_pipeline.extraction.references.formula_inputs import Inputs
from notion_pipeline.rows.properties import Property
from notion_pipeline.sandbox.control.faults import Fault
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.model.objects import DataSource, Page
from notion_pipeline.sandbox.model.users import User
from notion_pipeline.sandbox.model.values import UNSUPPORTED
from notion_pipeline_tests.extraction.references.test_references import (
    items_asked_for,
    linked,
    mention,
    read_later,
    text,
    value,
)
from notion_pipeline_tests.support.reader import Read, Reader

pytestmark = pytest.mark.slow


QUERY = r"POST .*/query"
ITEMS = r"GET .*/properties/"
GROUP = {"object": "group", "id": "0f1e2d3c-0000-4000-8000-000000000001", "name": "Crew"}


def shows(workspace: Workspace, name: str, change: Callable[[dict[str, Any]], Any]) -> None:
    """Alters a property's whole value in every row that queries give."""

    def alter(body: dict[str, Any]) -> None:
        for row in body["results"]:
            change(row["properties"][name])

    workspace.faults.add(Fault("alter", match=QUERY, times=100, callable=alter))


def gives(workspace: Workspace, change: Callable[[list[dict[str, Any]]], Any]) -> None:
    """Alters the items of every list of items."""
    workspace.faults.add(Fault("alter", match=ITEMS, times=100, callable=lambda body: change(body["results"])))


def team(workspace: Workspace, people: int, *, group: bool = False) -> tuple[DataSource, Page, list[User]]:
    users = [workspace.add_user(f"Person {number}", f"p{number}@example.org") for number in range(people)]
    source = workspace.add_database("Teams", {"Name": "title", "Who": "people"}).data_source
    who: list[Any] = [user.id for user in users]
    row = source.add_page({"Who": [*who[:3], GROUP, *who[3:]] if group else who})
    return source, row, users


# People


@pytest.mark.parametrize("people", [24, 25, 40])
def test_group_that_items_leave_out_stays_in_its_place(workspace: Workspace, reader: Reader, people: int) -> None:
    source, row, users = team(workspace, people, group=True)
    read = read_later(workspace, reader, source)
    found = value(read, row, "Who")
    ids = [user.id for user in users]
    assert [entry["id"] for entry in found] == [*ids[:3], GROUP["id"], *ids[3:]]
    assert found[3] == GROUP
    assert (items_asked_for(read), read.counts.values_disagreeing) == (1, 1)


def test_partial_users_of_items_keep_the_names_that_the_page_showed(workspace: Workspace, reader: Reader) -> None:
    workspace.switches.partial_item_users = True
    source, row, users = team(workspace, 30)
    read = read_later(workspace, reader, source)
    found = value(read, row, "Who")
    assert [entry["id"] for entry in found] == [user.id for user in users]
    assert [entry.get("name") for entry in found] == [*(user.name for user in users[:25]), *[None] * 5]
    assert found[0]["person"]["email"] == "p0@example.org"
    assert read.counts.values_disagreeing == 1


@pytest.mark.parametrize("left", [0, 1, 24])
def test_shorter_list_of_people_takes_nobody_out(workspace: Workspace, reader: Reader, left: int) -> None:
    source, row, users = team(workspace, 25)
    gives(workspace, lambda items: items.__delitem__(slice(left, None)))
    read = read_later(workspace, reader, source)
    assert [entry["id"] for entry in value(read, row, "Who")] == [user.id for user in users]
    assert read.counts.values_disagreeing == 1


def test_items_that_say_the_same_do_not_disagree(workspace: Workspace, reader: Reader) -> None:
    source, _row, _users = team(workspace, 40)
    assert read_later(workspace, reader, source).counts.values_disagreeing == 0


# Texts


@pytest.mark.parametrize("kind", ["title", "rich_text"])
@pytest.mark.parametrize("left", [0, 1, 24])
def test_text_stays_where_its_items_are_fewer(workspace: Workspace, reader: Reader, kind: str, left: int) -> None:
    source, row, name = minutes(workspace, kind, 25)
    gives(workspace, lambda items: items.__delitem__(slice(left, None)))
    read = read_later(workspace, reader, source)
    assert plain(read, row, name) == "".join(f" {number}: @Person {number}" for number in range(25))
    assert (items_asked_for(read), read.counts.values_disagreeing) == (1, 1)


def test_partial_users_of_mentions_keep_their_names(workspace: Workspace, reader: Reader) -> None:
    source, row, name = minutes(workspace, "rich_text", 30)

    def forget(items: list[dict[str, Any]]) -> None:
        for item in items:
            if item["rich_text"]["type"] == "mention":
                item["rich_text"]["mention"]["user"].pop("name", None)
                item["rich_text"]["plain_text"] = "@Anonymous"

    gives(workspace, forget)
    read = read_later(workspace, reader, source)
    shown = "".join(f" {number}: @Person {number}" for number in range(25))
    assert plain(read, row, name) == shown + "".join(f" {number}: @Anonymous" for number in range(25, 30))


def minutes(workspace: Workspace, kind: str, mentions: int) -> tuple[DataSource, Page, str]:
    parts: list[Any] = []
    for number in range(mentions):
        user = {"object": "user", "id": workspace.add_user(f"Person {number}").id, "name": f"Person {number}"}
        parts += [text(f" {number}: "), mention(user, f"@Person {number}")]
    source = workspace.add_database("Minutes", {"Name": "title", "Notes": "rich_text"}).data_source
    name = "Name" if kind == "title" else "Notes"
    return source, source.add_page({name: parts}), name


def plain(read: Read, row: Page, name: str) -> str:
    return "".join(part["plain_text"] for part in value(read, row, name))


# Relations


@pytest.mark.parametrize("left", [0, 10, 25, 139])
def test_shorter_list_of_relations_takes_no_page_out(workspace: Workspace, reader: Reader, left: int) -> None:
    projects, row, related = linked(workspace, 140)

    def cut(body: dict[str, Any]) -> None:
        del body["results"][left:]
        body.update(has_more=False, next_cursor=None)

    workspace.faults.add(Fault("alter", match=ITEMS, times=100, callable=cut))
    read = read_later(workspace, reader, projects)
    ids = [entry["id"] for entry in value(read, row, "Tasks")]
    assert ids == [page.id for page in related][: max(25, min(left, 100))]
    assert read.counts.values_disagreeing == (1 if left < 25 else 0)


def test_relation_of_25_without_the_flag_is_asked_for(workspace: Workspace, reader: Reader) -> None:
    projects, row, related = linked(workspace, 40, Total=("Points", "sum"))
    shows(workspace, "Tasks", lambda value: value.pop("has_more"))
    read = read_later(workspace, reader, projects)
    assert value(read, row, "Tasks") == [{"id": page.id} for page in related]
    assert value(read, row, "Total")["number"] == sum(n % 7 for n in range(40))
    assert items_asked_for(read) == 2


def test_relation_of_25_that_is_whole_makes_nothing_else_suspect(workspace: Workspace, reader: Reader) -> None:
    projects, row, _related = linked(workspace, 25, Total=("Points", "sum"))
    shows(workspace, "Tasks", lambda value: value.pop("has_more"))
    read = read_later(workspace, reader, projects)
    assert len(value(read, row, "Tasks")) == 25
    assert items_asked_for(read) == 1


@pytest.mark.parametrize("kind", ["people", "title", "rich_text"])
@pytest.mark.parametrize("shown", [0, 1, 3])
def test_flag_is_believed_below_25(workspace: Workspace, reader: Reader, kind: str, shown: int) -> None:
    if kind == "people":
        source, row, _users = team(workspace, 20)
        name, whole = "Who", 20
    else:
        source, row, name = minutes(workspace, kind, 10)
        whole = 20

    def cut(value: dict[str, Any]) -> None:
        del value[kind][shown:]
        value["has_more"] = True

    shows(workspace, name, cut)
    read = read_later(workspace, reader, source)
    assert len(value(read, row, name)) == whole
    assert read.pages[row.id]["properties"][name]["has_more"] is False
    assert (items_asked_for(read), read.counts.values_disagreeing) == (1, 0)


# Rollups


def test_shown_rollup_keeps_groups_and_names(workspace: Workspace, reader: Reader) -> None:
    workspace.switches.partial_item_users = True
    teams = workspace.add_database("Teams", {"Name": "title", "Who": "people"}).data_source
    users = [workspace.add_user(f"Person {number}") for number in range(30)]
    related = [teams.add_page({"Who": [user.id, GROUP] if user is users[2] else [user.id]}) for user in users]
    schema = {
        "Name": "title",
        "Teams": {"type": "relation", "target": teams},
        "Who": {"type": "rollup", "relation": "Teams", "property": "Who", "function": "show_original"},
    }
    source = workspace.add_database("Projects", schema).data_source
    row = source.add_page({"Teams": related})
    read = read_later(workspace, reader, source)
    people = [entry["people"][0] for entry in value(read, row, "Who")["array"]]
    assert [person["id"] for person in people] == [
        *(user.id for user in users[:3]),
        GROUP["id"],
        *(user.id for user in users[3:]),
    ]
    assert [person.get("name") for person in people] == [
        *("Person 0", "Person 1", "Person 2", "Crew"),
        *(f"Person {number}" for number in range(3, 25)),
        *[None] * 5,
    ]
    assert read.counts.values_disagreeing == 1


def test_shown_rollup_never_becomes_a_list_of_the_related_pages(workspace: Workspace, reader: Reader) -> None:
    projects, row, _related = linked(workspace, 40, Names=("Name", "show_original"))

    def references(body: dict[str, Any]) -> None:
        if body["property_item"]["type"] == "rollup":
            body["results"] = [{**item, "type": "relation", "relation": {"id": row.id}} for item in body["results"]]

    workspace.faults.add(Fault("alter", match=ITEMS, times=100, callable=references))
    read = read_later(workspace, reader, projects)
    assert value(read, row, "Names")["type"] == "incomplete"
    assert (read.pages[row.id]["p2"], read.pages[row.id]["_not_computed"]) == (None, 1)


# Formulas

FORMULAS: dict[str, tuple[str, Callable[[Page], Any]]] = {
    "Count": ('prop("Tasks").length()', lambda page: len(page["Tasks"])),
    "Twice": ('prop("Count") * 2', lambda page: page["Count"] * 2),
    "Sum": ('prop("Total") + 0', lambda page: page["Total"]),
    "Inner": ('prop("Tasks").map(current.prop("Points")).sum()', lambda page: len(page["Tasks"]) * 10),
    "Internal": ("{{notion:block_property:rel:0000:1111}}.length()", lambda page: len(page["Tasks"])),
    "Price": ('prop("Cost") * 1.19', lambda page: page["Cost"]),
    "Plain": ('prop("Price") + prop("Name").length()', lambda page: page["Price"]),
    "Few": ('prop("Some").length()', lambda page: len(page["Some"])),
}
CUT = {"Count": 40, "Twice": 80, "Sum": sum(n % 7 for n in range(40)), "Inner": 400, "Internal": 40}


def computed(workspace: Workspace, related: int = 40, **formulas: tuple[str, Callable[[Page], Any]]) -> DataSource:
    """One row with a relation of so many pages, one with a relation of three, one with none."""
    tasks = workspace.add_database("Tasks", {"Name": "title", "Points": "number"}).data_source
    pages = [tasks.add_page({"Points": n % 7}) for n in range(related)]
    schema: dict[str, Any] = {
        "Name": "title",
        "Cost": "number",
        "Tasks": {"type": "relation", "target": tasks, "id": "rel"},
        "Some": {"type": "relation", "target": tasks},
        "Total": {"type": "rollup", "relation": "Tasks", "property": "Points", "function": "sum"},
        **{
            name: {"type": "formula", "expression": expression, "compute": compute, "result_type": "number"}
            for name, (expression, compute) in (formulas or FORMULAS).items()
        },
    }
    source = workspace.add_database("Projects", schema).data_source
    source.add_page({"Name": "Many", "Cost": 3, "Tasks": pages, "Some": pages[:2]})
    source.add_page({"Name": "Three", "Cost": 3, "Tasks": pages[:3]})
    source.add_page({"Name": "None", "Cost": 3})
    return source


def test_formulas_over_a_cut_relation_are_asked_for_in_the_rows_that_need_it(
    workspace: Workspace, reader: Reader
) -> None:
    source = computed(workspace)
    many, three, none = source.pages
    read = read_later(workspace, reader, source)
    for name, whole in CUT.items():
        assert value(read, many, name)["number"] == whole, name
    assert [value(read, three, "Count")["number"], value(read, none, "Count")["number"]] == [3, 0]
    assert [value(read, many, name)["number"] for name in ("Price", "Plain", "Few")] == [3, 3, 2]
    # The relation, the rollup, and the five formulas that run over it.
    assert items_asked_for(read) == 2 + len(CUT)
    assert len({request.path for request in read.requests if "/properties/" in request.path}) == 2 + len(CUT)


def test_formulas_are_right_where_the_relation_is_excluded(workspace: Workspace, reader: Reader) -> None:
    source = computed(workspace)
    read = read_later(workspace, reader, source, exclude=["Tasks"])
    assert value(read, source.pages[0], "Count")["number"] == 40
    assert items_asked_for(read) == 1 + len(CUT)


@pytest.mark.parametrize("expression", ["length(Tasks)", "", 'prop("Nothing of this name")'])
def test_formula_whose_inputs_cannot_be_told_is_asked_for_beside_a_cut_relation(
    workspace: Workspace, reader: Reader, expression: str
) -> None:
    source = computed(workspace, Count=(expression, lambda page: len(page["Tasks"])))
    read = read_later(workspace, reader, source)
    assert value(read, source.pages[0], "Count")["number"] == 40
    assert items_asked_for(read) == 3


def test_no_formula_is_asked_for_without_a_cut_relation(workspace: Workspace, reader: Reader) -> None:
    source = computed(workspace, 25)
    assert items_asked_for(read_later(workspace, reader, source)) == 0


def test_unsupported_formula_is_final(workspace: Workspace, reader: Reader) -> None:
    """Of a page it is not asked for; of an item it is what the row holds."""
    whole: list[Any] = [UNSUPPORTED, 25]
    expression = 'prop("Tasks").length()'
    source = computed(
        workspace,
        Never=(expression, lambda page: UNSUPPORTED),
        Gave_up=(expression, lambda page: whole[len(page["Tasks"]) == 25]),
    )
    read = read_later(workspace, reader, source)
    row = read.pages[source.pages[0].id]
    assert [row["properties"][name]["formula"]["type"] for name in ("Never", "Gave_up")] == ["unsupported"] * 2
    assert row["_not_computed"] == 2
    assert items_asked_for(read) == 3


def test_inputs_are_followed_through_formulas_and_rollups() -> None:
    def formula(name: str, expression: Any) -> Property:
        return Property(name, name, "formula", {"expression": expression})

    properties = [
        Property("a", 'The "A"', "relation"),
        Property("b;", "B", "relation"),
        Property("n", "N", "number"),
        Property("r", "R", "rollup", {"relation_property_id": "b%3B"}),
        formula("of a", r'prop("The \"A\"").length()'),
        formula("of r", "prop('R') + prop( \"N\" )"),
        formula("of both", 'prop("of a") + prop("of r")'),
        formula("itself", 'prop("itself") + prop("N")'),
        formula("by id", "{{notion:block_property:b%3B:0000:1111}}.length()"),
        formula("unknown", 'prop("N") + prop("Gone")'),
        formula("of unknown", 'prop("unknown")'),
        formula("odd", 7),
        formula("of hidden", 'prop("Hidden")'),
        formula("of hidden relation", 'prop("Links").length()'),
    ]
    inputs = Inputs(properties, {"h": ("formula", "Hidden"), "l": ("relation", "Links")})
    found = {prop.name: inputs.relations(prop.id) for prop in properties if prop.type != "relation"}
    assert found == {
        "N": frozenset(),
        "R": {"b;"},
        "of a": {"a"},
        "of r": {"b;"},
        "of both": {"a", "b;"},
        "itself": frozenset(),
        "by id": {"b;"},
        "unknown": None,
        "of unknown": None,
        "odd": None,
        "of hidden": None,
        "of hidden relation": {"l"},
    }
