"""Reading one data source: nothing lost, nothing made up, whatever happens while it is read."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from notion_pipeline.errors import NotionError, NotionRequestError, RetryableNotionError
from notion_pipeline.extraction.read_progress import ReadLimits
from notion_pipeline.sandbox.control.faults import Fault
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.model.objects import DataSource, Page
from notion_pipeline_tests.support.reader import Reader

#: Each of these is read by one reader, and by as many at once as a generous limit gives.
pytestmark = pytest.mark.parametrize("reader", [1, 32], indirect=True, ids="by{}".format)

DAY = datetime(2026, 6, 1, tzinfo=timezone.utc)
SCHEMA = {"Name": "title", "Effort": "number"}
QUERY = r"POST .*/query$"
BAD_CURSOR = {"status": 400, "code": "validation_error", "message": "The start_cursor provided is invalid: abc"}
REFUSAL = {"status": 400, "code": "invalid_request", "message": "Not now."}


def rows_in(workspace: Workspace, count: int, *, a_minute: int = 7) -> DataSource:
    """A data source whose rows were made so many in a minute."""
    source = workspace.add_database("Tasks", SCHEMA).data_source
    for number in range(count):
        created = DAY + timedelta(minutes=number // a_minute, seconds=number % a_minute * 60 / a_minute)
        source.add_page({"Name": f"Row {number}", "Effort": number}, created_at=created)
    return source


def live(source: DataSource) -> set[str]:
    return {page.id for page in source.pages if page.live}


def there(source: DataSource) -> set[str]:
    return {page.id for page in source.pages if not (page.in_trash or page.gone)}


# Windows and the cap


@pytest.mark.parametrize("rows", [0, 1, 99, 100, 101, 199, 200, 201, 400, 1003])
def test_full_read_gives_every_row_once_whatever_the_size(workspace: Workspace, reader: Reader, rows: int) -> None:
    workspace.result_cap = 200
    source = rows_in(workspace, rows)
    read = reader.read(source)
    assert read.pages.keys() == there(source)


def test_window_goes_on_in_the_minute_of_the_last_row(workspace: Workspace, reader: Reader) -> None:
    """A cap that falls among rows of one minute loses none of them."""
    workspace.result_cap = 200
    source = rows_in(workspace, 500, a_minute=37)
    read = reader.read(source)
    assert read.pages.keys() == there(source)
    # The 200th row is of minute 5 (rows 185 to 221), so that minute is asked for again.
    starts = [clause(body, "created_time") for body in read.queries if "start_cursor" not in body]
    assert {"on_or_after": "2026-06-01T00:05:00.000Z"} in starts


def clause(body: dict[str, Any], stamp: str) -> Any:
    found = body.get("filter") or {}
    leaves = found.get("and", [found])
    return next((leaf[stamp] for leaf in leaves if leaf.get("timestamp") == stamp), None)


def test_request_status_counts_on_whichever_page_it_stands(workspace: Workspace, reader: Reader) -> None:
    """Every page of a capped query bears the marker; where the first alone does, the read goes on all the same."""
    workspace.result_cap = 200
    source = rows_in(workspace, 450)
    unmark = Fault("alter", match=QUERY, at=3, callable=lambda body: body.pop("request_status", None))
    workspace.faults.add(unmark)
    assert reader.read(source).pages.keys() == there(source)
    assert unmark.fired


def test_as_many_rows_as_the_cap_without_a_word_are_read_on(workspace: Workspace, reader: Reader) -> None:
    reader.limits = ReadLimits(rows_per_query=200)
    workspace.result_cap = 200
    silence = Fault("alter", match=QUERY, times=1000, callable=lambda body: body.pop("request_status", None))
    workspace.faults.add(silence)
    source = rows_in(workspace, 330)
    assert reader.read(source).pages.keys() == there(source)


def test_a_minute_of_exactly_the_cap_is_whole(workspace: Workspace, reader: Reader) -> None:
    """Nothing splits it, and nothing needs to: Notion did not say that more would come."""
    reader.limits = ReadLimits(rows_per_query=200)
    workspace.result_cap = 200
    source = workspace.add_database("Tasks", {"Name": "title"}).data_source
    for _ in range(200):
        source.add_page({}, created_at=DAY)
    assert reader.read(source).pages.keys() == there(source)


def test_complete_request_status_means_no_cap(workspace: Workspace, reader: Reader) -> None:
    workspace.switches.request_status_complete = True
    source = rows_in(workspace, 150)
    read = reader.read(source)
    assert read.pages.keys() == there(source)
    # Nothing was asked for again; where there are many readers, two may have met.
    assert len(read.rows) == 150 or reader.spare


@pytest.mark.parametrize(
    "switches",
    [
        {"unstable_ties": True},
        {"live_cursors": True},
        {"fine_instants": True},
        {"short_pages": True},
        {"cap_marks_exact_fit": True},
        {"unstable_ties": True, "live_cursors": True, "fine_instants": True, "short_pages": True},
    ],
    ids="+".join,
)
def test_full_read_is_whole_in_every_position_of_the_sandbox(
    workspace: Workspace, reader: Reader, switches: dict[str, Any]
) -> None:
    workspace.result_cap = 200
    workspace.switches.update(switches)
    source = rows_in(workspace, 600, a_minute=30)
    for page in source.pages[:25]:
        workspace.archive(page)
    assert reader.read(source).pages.keys() == there(source)


# Cursors


def no_cursor(body: dict[str, Any]) -> None:
    body["next_cursor"] = None


def same_cursor_again(workspace: Workspace) -> Callable[[dict[str, Any]], None]:
    def change(body: dict[str, Any]) -> None:
        body["next_cursor"] = workspace.requests[-1].body["start_cursor"]

    return change


def break_cursor(workspace: Workspace, how: str, *, at: int, times: int = 1) -> Fault:
    """Breaks the query's cursor from its second page on; query 1 is that of the archived rows."""
    if how == "refused":
        return workspace.faults.add(Fault("status", match=QUERY, at=at, times=times, **BAD_CURSOR))
    change = no_cursor if how == "missing" else same_cursor_again(workspace)
    return workspace.faults.add(Fault("alter", match=QUERY, at=at, times=times, callable=change))


@pytest.mark.parametrize("how", ["refused", "missing", "repeated"])
def test_broken_cursor_restarts_its_window(workspace: Workspace, reader: Reader, how: str) -> None:
    source = rows_in(workspace, 350)
    fault = break_cursor(workspace, how, at=3)
    read = reader.read(source)
    assert fault.fired == 1
    assert read.pages.keys() == there(source)
    # With many readers the answer that was altered may have been the last of its query, which needs no cursor.
    assert sum("A page cursor was refused" in line for line in reader.lines) in {1, 1 - min(reader.spare, 1)}


@pytest.mark.parametrize(("how", "attempts"), [("missing", 4), ("refused", 5)])
def test_cursors_that_break_again_and_again_end_the_read(
    workspace: Workspace, reader: Reader, how: str, attempts: int
) -> None:
    """A window that gets no further starts again three times.

    The first answer before a refused cursor was kept, and moved the window's start: an attempt that got further.
    """
    source = rows_in(workspace, 150, a_minute=150)
    if how == "refused":
        workspace.faults.add(Fault("call", match=QUERY, times=100, callable=lambda: refuse_cursors(workspace)))
    else:
        break_cursor(workspace, how, at=2, times=100)
    with pytest.raises(RetryableNotionError, match="4 times in a row"):
        reader.read(source)
    begun = [r for r in workspace.requests if r.path.endswith("/query") and "start_cursor" not in r.body]
    # The archived rows come first; where there are many readers, others may have tried from the other end.
    assert len(begun) == 1 + attempts or (reader.spare and len(begun) > 1 + attempts)


def refuse_cursors(workspace: Workspace) -> None:
    workspace.switches.cursor_lifetime_seconds = 1
    workspace.clock.advance(timedelta(seconds=2))


def test_cursors_that_do_not_last_cost_time_and_no_rows(workspace: Workspace, reader: Reader) -> None:
    """A window that gets on between restarts may start again as often as it takes."""
    source = rows_in(workspace, 700)
    workspace.faults.add(Fault("call", match=QUERY, times=100, callable=lambda: refuse_cursors(workspace)))
    assert reader.read(source).pages.keys() == there(source)


def test_only_has_more_ends_a_list(workspace: Workspace, reader: Reader) -> None:
    """An empty page in the middle is no end."""
    source = rows_in(workspace, 250)
    empty = Fault("alter", match=QUERY, at=2, callable=lambda body: body.update(results=[]))
    workspace.faults.add(empty)
    read = reader.read(source)
    assert read.pages.keys() == there(source) - {page.id for page in source.pages[:100]}


# Archived rows


def test_archived_rows_are_read_and_say_so(workspace: Workspace, reader: Reader) -> None:
    source = rows_in(workspace, 130)
    for page in source.pages[5:110]:
        workspace.archive(page)
    read = reader.read(source)
    assert {key for key, row in read.pages.items() if row["is_archived"]} == {p.id for p in source.pages[5:110]}
    assert read.pages.keys() == there(source)


def test_refused_is_archived_means_none_and_is_said_once(workspace: Workspace, reader: Reader) -> None:
    workspace.switches.is_archived_served = False
    source = rows_in(workspace, 120)
    assert reader.read(source).pages.keys() == there(source)
    reader.directory = reader.directory.with_name("another")
    second = reader.read(source)
    assert second.pages.keys() == there(source)
    assert sum("no archived rows" in line for line in reader.lines) == 1
    assert not any("is_archived" in body for body in second.queries)


@pytest.mark.parametrize("status", [400, 403])
def test_another_refusal_of_the_archived_query_is_said_once_and_live_rows_are_read(
    workspace: Workspace, reader: Reader, status: int
) -> None:
    source = rows_in(workspace, 3)
    workspace.faults.add(Fault("status", match=QUERY, **(REFUSAL | {"status": status})))
    read = reader.read(source)
    assert read.pages.keys() == there(source)
    assert sum("does not give the archived rows" in line for line in reader.lines) == 1
    assert [body.get("is_archived", False) for body in read.queries] == [True, False]
    workspace.archive(source.pages[0])
    reader.directory = reader.directory.with_name("another")
    assert reader.read(source).pages.keys() == there(source)


def test_archived_rows_that_are_refused_after_some_were_given_end_the_read_and_the_next_goes_on(
    workspace: Workspace, reader: Reader
) -> None:
    source = rows_in(workspace, 3)
    workspace.faults.add(Fault("status", match=QUERY, at=3, **REFUSAL))
    with pytest.raises(NotionRequestError, match="Not now"):
        reader.read(source)
    assert reader.read(source).pages.keys() == there(source)


@pytest.mark.parametrize("fault", [REFUSAL | {"status": 404}, REFUSAL | {"status": 401, "code": "unauthorized"}])
def test_refusal_of_the_archived_query_that_is_about_more_ends_the_read(
    workspace: Workspace, reader: Reader, fault: dict[str, Any]
) -> None:
    source = rows_in(workspace, 3)
    workspace.faults.add(Fault("status", match=QUERY, **fault))
    with pytest.raises(NotionError, match="Not now"):
        reader.read(source)


def test_incremental_read_asks_for_live_rows_alone(workspace: Workspace, reader: Reader) -> None:
    source = rows_in(workspace, 10)
    workspace.edit_page(source.pages[3], {"Effort": 100})
    workspace.edit_page(source.pages[4], {"Effort": 100})
    workspace.archive(source.pages[4])
    read = reader.read(source, full=False, since=workspace.clock.now())
    assert [row["id"] for row in read.rows] == [source.pages[3].id]
    assert len(read.queries) == 1


def test_start_of_the_read_is_inclusive(workspace: Workspace, reader: Reader) -> None:
    """Stamps are floored: a row edited within the bookmark's own minute is asked for, also by fine instants."""
    source = rows_in(workspace, 3)
    minute = datetime(2026, 6, 20, 10, 0, tzinfo=timezone.utc)
    workspace.edit_page(source.pages[0], edited_at=minute)
    workspace.edit_page(source.pages[1], edited_at=minute + timedelta(seconds=59))
    workspace.edit_page(source.pages[2], edited_at=minute - timedelta(seconds=1))
    for fine in (False, True):
        workspace.switches.fine_instants = fine
        read = reader.read(source, full=False, since=minute)
        assert read.pages.keys() == {source.pages[0].id, source.pages[1].id}
        read.stage.remove()


# Changes while reading

BUMPED = {"archive_bumps": True, "trash_bumps": True}
SILENT = {"archive_bumps": False, "trash_bumps": False}
RESTLESS = {"unstable_ties": True, "live_cursors": True, "fine_instants": True}


@pytest.mark.parametrize(
    "switches",
    [BUMPED, SILENT, {**BUMPED, **RESTLESS}, {**SILENT, **RESTLESS}],
    ids=["bumped", "silent", "bumped restless", "silent restless"],
)
@pytest.mark.parametrize("at", [1, 2, 4, 7, 8])
def test_full_read_loses_no_row_that_moves_while_it_is_read(
    workspace: Workspace, reader: Reader, switches: dict[str, Any], at: int
) -> None:
    """Before whichever request the changes come: what lived or was archived throughout is there, in either state."""
    workspace.result_cap = 200
    workspace.switches.update(switches)
    source = rows_in(workspace, 420, a_minute=11)
    for page in source.pages[100:110]:
        workspace.archive(page)
    workspace.clock.advance(timedelta(minutes=10))
    made: list[Page] = []

    def changes() -> None:
        workspace.clock.advance(timedelta(seconds=20))
        pages = source.pages
        for place in (0, 60, 250, 419):
            workspace.archive(pages[place])
        for place in (100, 105, 109):
            workspace.unarchive(pages[place])
        for place in (1, 61, 251, 418):
            workspace.edit_page(pages[place], {"Effort": -1})
        for place in (2, 62, 252, 417):
            workspace.trash(pages[place])
        made.append(source.add_page({"Name": "New"}))

    before = there(source)
    workspace.faults.add(Fault("call", match=QUERY, at=at, callable=changes))
    read = reader.read(source)
    assert made
    kept = read.pages
    assert kept.keys() >= before & there(source)
    assert kept.keys() <= before | there(source)
    # Request 7 is the catch-up: what comes after it is for the next sync.
    assert made[0].id in kept or at == 8
    for place in (1, 61, 251, 418):
        effort = kept[source.pages[place].id]["properties"]["Effort"]["number"]
        assert effort == -1 or at == 8


@pytest.mark.parametrize("skew", [-4, 3])
def test_catch_up_reaches_back_as_far_as_an_incremental_read(workspace: Workspace, reader: Reader, skew: int) -> None:
    """A Date header minutes ahead of the stamps would else leave the read's first minutes out of its catch-up."""
    workspace.clock.skew = timedelta(minutes=skew)
    source = rows_in(workspace, 150)
    made: list[Page] = []
    workspace.faults.add(Fault("call", match=QUERY, at=3, callable=lambda: made.append(source.add_page({}))))
    read = reader.read(source, lookback=timedelta(minutes=5))
    assert made[0].id in read.pages


def test_row_that_comes_twice_counts_in_its_later_version(workspace: Workspace, reader: Reader) -> None:
    source = rows_in(workspace, 150)
    page = source.pages[0]

    def edit() -> None:
        workspace.edit_page(page, {"Name": "Edited"})

    workspace.faults.add(Fault("call", match=QUERY, at=3, callable=edit))
    read = reader.read(source)
    versions = [row["properties"]["Name"]["title"][0]["plain_text"] for row in read.rows if row["id"] == page.id]
    assert (versions[0], set(versions[1:])) == ("Row 0", {"Edited"})


def test_row_deleted_while_its_references_are_asked_for_is_left_out(workspace: Workspace, reader: Reader) -> None:
    people = [workspace.add_user(f"Person {number}") for number in range(30)]
    source = workspace.add_database("Teams", {"Name": "title", "Who": "people"}).data_source
    gone = source.add_page({"Name": "Gone", "Who": people})
    source.add_page({"Name": "Here", "Who": people})
    workspace.faults.add(Fault("call", match=f"GET .*{gone.id}/properties", callable=lambda: workspace.delete(gone)))
    read = reader.read(source)
    assert [row["properties"]["Name"]["title"][0]["plain_text"] for row in read.pages.values()] == ["Here"]
    assert read.counts.vanished_rows == 1


# Wikis


def test_children_of_a_wiki_move_the_window_and_are_counted_once(workspace: Workspace, reader: Reader) -> None:
    workspace.result_cap = 10
    wiki = workspace.add_database("Wiki", {"Page": "title"}, is_wiki=True, created_at=DAY)
    for number in range(25):
        wiki.data_source.add_page({"Page": f"Article {number}"}, created_at=DAY + timedelta(minutes=number, hours=1))
        workspace.add_database(
            f"Child {number}", SCHEMA, parent=wiki.data_source, created_at=DAY + timedelta(minutes=number, hours=1)
        )
    read = reader.read(wiki.data_source)
    assert read.pages.keys() == there(wiki.data_source)
    assert read.counts.child_data_sources == 25


# Going on


@pytest.mark.parametrize("at", [2, 4, 9, 11])
def test_killed_read_goes_on_where_it_was(workspace: Workspace, reader: Reader, at: int) -> None:
    workspace.result_cap = 300
    source = rows_in(workspace, 750)
    for page in source.pages[40:50]:
        workspace.archive(page)
    undisturbed = len(Reader(workspace, reader.client, reader.directory.with_name("whole"), []).read(source).requests)
    workspace.requests.clear()
    workspace.faults.add(Fault("status", match=QUERY, at=at, **REFUSAL))
    with pytest.raises(NotionRequestError):
        reader.read(source)
    read = reader.read(source)
    assert read.pages.keys() == there(source)
    # One schema more, the request that was refused, the one in flight beside it, and the edge minute's page; with
    # many readers, those that the others had under way.
    assert len(workspace.requests) <= undisturbed + 4 + min(reader.spare, 6)
    assert read.counts.api_requests <= len(workspace.requests)


def test_counts_cover_every_attempt(workspace: Workspace, reader: Reader) -> None:
    source = rows_in(workspace, 350)
    workspace.faults.add(Fault("status", match=QUERY, at=4, **REFUSAL))
    with pytest.raises(NotionRequestError):
        reader.read(source)
    read = reader.read(source)
    # What was asked after the last file was kept in the first attempt is not known to the second.
    assert len(workspace.requests) - 3 <= read.counts.api_requests <= len(workspace.requests)


def test_catch_up_of_a_resumed_read_starts_with_its_first_attempt(workspace: Workspace, reader: Reader) -> None:
    source = rows_in(workspace, 350)
    workspace.faults.add(Fault("status", match=QUERY, at=4, **REFUSAL))
    with pytest.raises(NotionRequestError):
        reader.read(source)
    workspace.clock.advance(timedelta(hours=1))
    workspace.edit_page(source.pages[0], {"Name": "Edited between the attempts"})
    workspace.clock.advance(timedelta(hours=1))
    read = reader.read(source)
    title = read.pages[source.pages[0].id]["properties"]["Name"]["title"][0]["plain_text"]
    assert title == "Edited between the attempts"


# What is left out


def test_excluded_property_reaches_no_file(workspace: Workspace, reader: Reader) -> None:
    source = workspace.add_database("People", {"Name": "title", "Salary": "number"}).data_source
    source.add_page({"Name": "Ada", "Salary": 987654321})
    read = reader.read(source, exclude=["Salary"])
    assert "Salary" not in read.rows[0]["properties"]
    for file in reader.directory.rglob("*.arrow"):
        assert b"987654321" not in file.read_bytes()
    assert read.rows[0].keys() & {"p1", "p2"} == set()


def test_unknown_kinds_are_kept(workspace: Workspace, reader: Reader) -> None:
    source = rows_in(workspace, 2)

    def oddities(body: dict[str, Any]) -> None:
        for page in body["results"]:
            page["hologram"] = {"depth": 3}
            page["properties"]["Aura"] = {"id": "aU%3Ara", "type": "aura", "aura": {"hue": "teal"}}

    workspace.faults.add(Fault("alter", match=QUERY, times=10, callable=oddities))
    read = reader.read(source)
    assert all(row["properties"]["Aura"]["aura"] == {"hue": "teal"} for row in read.rows)


NO_ROWS: dict[str, tuple[Any, str]] = {
    "null": (None, "null"),
    "text": ("row", '"row"'),
    "number": (7, "7"),
    "list": ([], "[]"),
    "empty": ({}, "{}"),
    "object is null": ({"object": None, "id": "00000000-0000-4000-8000-0000000000d1"}, '"object": null'),
    "row without an id": ({"object": "page"}, "A row has the id None"),
    "child without an id": ({"object": "data_source", "id": "x"}, "A row has the id 'x'"),
}


@pytest.mark.parametrize("kind", NO_ROWS)
def test_result_that_is_no_row_fails_the_read_and_is_named(workspace: Workspace, reader: Reader, kind: str) -> None:
    source = workspace.add_database("Tasks", {"Name": "title"}).data_source
    source.add_page({"Name": "One"})
    found, quoted = NO_ROWS[kind]
    fault = Fault("alter", match="/query", times=9, callable=lambda body: body["results"].append(found))
    workspace.faults.add(fault)
    with pytest.raises(NotionError) as caught:
        reader.read(source)
    assert quoted in str(caught.value)


@pytest.mark.parametrize("kind", ["data_source", "block"])
def test_result_of_another_type_is_counted_and_logged(workspace: Workspace, reader: Reader, kind: str) -> None:
    source = workspace.add_database("Tasks", {"Name": "title"}).data_source
    page = source.add_page({"Name": "One"})
    other = {"object": kind, "id": "00000000-0000-4000-8000-0000000000d1"}
    fault = Fault("alter", match="/query", times=9, callable=lambda body: body["results"].append(other))
    workspace.faults.add(fault)
    read = reader.read(source)
    assert read.pages.keys() == {page.id}
    assert (read.counts.child_data_sources, read.counts.other_objects) == ((1, 0) if kind == "data_source" else (0, 1))
    assert [line for line in reader.lines if f'the type "{kind}"' in line] == [
        f'Among the rows are objects of the type "{kind}": they are counted, not loaded.'
    ]
