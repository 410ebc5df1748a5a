"""The listing: three ways to know of a database, and what it takes to believe that one is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

import pytest

from notion_pipeline.errors import AuthorizationError, NothingSharedError, RetryableNotionError
from notion_pipeline.listing.databases import list_databases
from notion_pipeline.listing.listed import KnownDatabase, Listing
from notion_pipeline.listing.search import plain_title
from notion_pipeline.notion.client import NotionClient
from notion_pipeline.sandbox.control.faults import Fault
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.model.objects import Database

SCHEMA = {"Name": "title"}
SEARCH = r"POST /v1/search"
ListAll = Callable[..., Listing]


@pytest.fixture
def list_all(notion: Callable[[], NotionClient], lines: list[str]) -> ListAll:
    """Lists the databases of the account."""

    def listed(named: Iterable[str] = (), known: Iterable[str] = ()) -> Listing:
        async def ask() -> Listing:
            async with notion() as client:
                before = {key: KnownDatabase(key, "", "", (), selected=True, accessible=True) for key in known}
                return await list_databases(client, named=named, known=before, log=lines.append)

        return asyncio.run(ask())

    return listed


def ids(listing: Listing) -> set[str]:
    return {database.id for database in listing.databases}


def databases(workspace: Workspace, *titles: str) -> list[Database]:
    return [workspace.add_database(title, SCHEMA) for title in titles]


def test_listing_brings_titles_schemas_and_the_servers_time(workspace: Workspace, list_all: ListAll) -> None:
    (tasks,) = databases(workspace, "Tasks")
    listing = list_all()
    (found,) = listing.databases
    assert (found.id, found.title, found.url) == (tasks.id, "Tasks", tasks.url)
    assert [member.raw["properties"].keys() for member in found.data_sources] == [SCHEMA.keys()]
    assert listing.server_time == workspace.clock.now()
    assert found.found_by == {"search"}
    assert listing.api_requests == len(workspace.requests) == 2


def test_search_is_read_past_its_first_page(workspace: Workspace, list_all: ListAll) -> None:
    made = databases(workspace, *(f"Database {number}" for number in range(120)))
    assert ids(list_all()) == {database.id for database in made}


def test_databases_come_oldest_first(workspace: Workspace, list_all: ListAll) -> None:
    made = []
    for title in ("C", "A", "B"):
        made += databases(workspace, title)
        workspace.clock.advance(timedelta(minutes=1))
    assert [database.title for database in list_all().databases] == ["C", "A", "B"]


def test_database_that_search_misses_is_found_by_its_name_in_the_file(workspace: Workspace, list_all: ListAll) -> None:
    tasks, hidden = databases(workspace, "Tasks", "Hidden")
    workspace.switches.search_gaps = {hidden.id}
    assert ids(list_all()) == {tasks.id}
    listing = list_all(named=[hidden.id])
    found = next(database for database in listing.databases if database.id == hidden.id)
    assert found.found_by == {"sources.yaml"}
    assert found.data_sources[0].raw["properties"].keys() == SCHEMA.keys()


def test_known_database_that_search_misses_is_asked_for_by_id(workspace: Workspace, list_all: ListAll) -> None:
    tasks, hidden = databases(workspace, "Tasks", "Hidden")
    workspace.switches.search_gaps = {hidden.id}
    listing = list_all(known=[tasks.id, hidden.id])
    assert ids(listing) == {tasks.id, hidden.id}
    assert listing.retired == ()


def test_lagging_search_is_made_up_for(workspace: Workspace, list_all: ListAll) -> None:
    (tasks,) = databases(workspace, "Tasks")
    workspace.switches.search_lag_seconds = 60
    with pytest.raises(NothingSharedError, match="sees no database"):
        list_all()
    assert ids(list_all(named=[tasks.id])) == {tasks.id}
    workspace.clock.advance(timedelta(minutes=2))
    assert ids(list_all()) == {tasks.id}


def test_database_that_answers_404_is_retired(workspace: Workspace, list_all: ListAll) -> None:
    tasks, gone = databases(workspace, "Tasks", "Gone")
    workspace.unshare(gone)
    listing = list_all(known=[tasks.id, gone.id])
    assert ids(listing) == {tasks.id}
    assert listing.retired == (gone.id,)


@pytest.mark.parametrize("listed", [True, False])
def test_database_in_the_trash_is_retired(workspace: Workspace, list_all: ListAll, listed: bool) -> None:
    workspace.switches.search_lists_trashed = listed
    tasks, gone = databases(workspace, "Tasks", "Gone")
    workspace.trash_database(gone)
    listing = list_all(known=[tasks.id, gone.id])
    assert ids(listing) == {tasks.id}
    assert listing.retired == (gone.id,)


def test_trashed_data_source_of_a_living_database_is_no_part_of_it(workspace: Workspace, list_all: ListAll) -> None:
    (tasks,) = databases(workspace, "Tasks")
    tasks.add_data_source("Old", SCHEMA).trashed = True
    (found,) = list_all().databases
    assert [member.name for member in found.data_sources] == ["Tasks"]


def test_failed_request_retires_nothing(workspace: Workspace, list_all: ListAll) -> None:
    tasks, other, gone = databases(workspace, "Tasks", "Other", "Gone")
    workspace.unshare(gone)
    workspace.faults.add(Fault("status", match=f"GET /v1/databases/{other.id}", status=500, times=20))
    listing = list_all(known=[tasks.id, other.id, gone.id])
    assert ids(listing) == {tasks.id}
    assert listing.retired == ()
    assert {failure.id: failure.is_kept for failure in listing.failures} == {other.id: True, gone.id: True}


def test_named_id_that_is_no_database_keeps_no_other_from_being_retired(
    workspace: Workspace, list_all: ListAll
) -> None:
    tasks, gone = databases(workspace, "Tasks", "Gone")
    page = tasks.data_source.add_page({"Name": "Row"})
    workspace.unshare(gone)
    listing = list_all(named=[page.id], known=[tasks.id, gone.id])
    assert listing.retired == (gone.id,)
    assert [failure.id for failure in listing.failures] == [page.id]


def test_refusal_of_one_database_under_401_is_not_the_accounts(workspace: Workspace, list_all: ListAll) -> None:
    made = databases(workspace, *(f"Database {number}" for number in range(20)))
    refusal = {"status": 401, "code": "unauthorized", "message": "API token is invalid."}
    workspace.faults.add(Fault("status", match=f"GET /v1/databases/{made[3].id}", times=20, **refusal))
    listing = list_all()
    assert ids(listing) == {database.id for database in made} - {made[3].id}
    assert [failure.id for failure in listing.failures] == [made[3].id]
    assert sum(request.path == "/v1/users/me" for request in workspace.requests) == 1


def test_everything_gone_at_once_is_an_error(workspace: Workspace, list_all: ListAll) -> None:
    tasks, other = databases(workspace, "Tasks", "Other")
    workspace.unshare(tasks)
    workspace.unshare(other)
    with pytest.raises(NothingSharedError, match="None of the 2 known databases"):
        list_all(known=[tasks.id, other.id])


def test_all_that_is_known_is_never_retired_in_one_go(
    workspace: Workspace, list_all: ListAll, lines: list[str]
) -> None:
    """Another workspace's token finds other databases: worth a word before the partitions go."""
    tasks, other, new = databases(workspace, "Tasks", "Other", "New")
    workspace.unshare(tasks)
    workspace.unshare(other)
    listing = list_all(known=[tasks.id, other.id])
    assert ids(listing) == {new.id}
    assert listing.retired == ()
    assert any("was the token changed" in line for line in lines)
    assert list_all(known=[tasks.id, other.id, new.id]).retired == tuple(sorted((tasks.id, other.id)))


def test_named_database_that_cannot_be_seen_is_told(workspace: Workspace, list_all: ListAll) -> None:
    tasks, gone = databases(workspace, "Tasks", "Gone")
    workspace.unshare(gone)
    listing = list_all(named=[gone.id])
    assert ids(listing) == {tasks.id}
    (failure,) = listing.failures
    assert (failure.id, failure.is_kept) == (gone.id, False)
    assert "named in sources.yaml" in str(failure.error)


def test_untitled_database_has_an_empty_title(workspace: Workspace, list_all: ListAll) -> None:
    untitled = workspace.add_database(None, SCHEMA)
    (found,) = list_all().databases
    assert (found.id, found.title) == (untitled.id, "")


@pytest.mark.parametrize("how", ["refused", "missing"])
def test_broken_search_cursor_starts_the_search_again(
    workspace: Workspace, list_all: ListAll, lines: list[str], how: str
) -> None:
    made = databases(workspace, *(f"Database {number}" for number in range(120)))
    break_search(workspace, how, at=2 if how == "refused" else 1)
    assert ids(list_all()) == {database.id for database in made}
    assert any("the search starts again" in line for line in lines)


def break_search(workspace: Workspace, how: str, *, at: int, times: int = 1) -> None:
    if how == "refused":
        message = "The start_cursor provided is invalid: abc"
        fault = Fault("status", match=SEARCH, at=at, times=times, status=400, code="validation_error", message=message)
    else:
        fault = Fault("alter", match=SEARCH, at=at, times=times, callable=lambda body: body.update(next_cursor=None))
    workspace.faults.add(fault)


def test_search_whose_cursors_never_hold_is_made_up_for_and_retires_nothing(
    workspace: Workspace, list_all: ListAll
) -> None:
    made = databases(workspace, *(f"Database {number}" for number in range(120)))
    workspace.unshare(made[0])
    break_search(workspace, "missing", at=1, times=20)
    listing = list_all(known=[database.id for database in made])
    assert ids(listing) == {database.id for database in made[1:]}
    assert listing.retired == ()
    assert "4 times in a row" in str(listing.search_error)


def test_search_that_nobody_answers_ends_the_listing_at_once(workspace: Workspace, list_all: ListAll) -> None:
    (tasks,) = databases(workspace, "Tasks")
    workspace.faults.add(Fault("reset", times=1000))
    with pytest.raises(RetryableNotionError):
        list_all(known=[tasks.id])
    assert len(workspace.requests) == 8


def test_incomplete_search_is_said_and_made_up_for(workspace: Workspace, list_all: ListAll, lines: list[str]) -> None:
    made = databases(workspace, "Tasks", "Other")

    def cut(body: dict[str, Any]) -> None:
        del body["results"][1:]
        body["request_status"] = {"type": "incomplete", "incomplete_reason": "query_result_limit_reached"}

    workspace.faults.add(Fault("alter", match=SEARCH, callable=cut))
    assert ids(list_all(known=[database.id for database in made])) == {database.id for database in made}
    assert any("did not give everything" in line for line in lines)


def test_database_with_several_data_sources_is_one(workspace: Workspace, list_all: ListAll) -> None:
    (tasks,) = databases(workspace, "Tasks")
    tasks.add_data_source("Archive", {"Title": "title", "When": "date"})
    (found,) = list_all().databases
    assert [member.name for member in found.data_sources] == ["Tasks", "Archive"]
    assert found.data_sources[1].raw["properties"].keys() == {"Title", "When"}


def test_children_of_a_wiki_are_databases_of_their_own(workspace: Workspace, list_all: ListAll) -> None:
    wiki = workspace.add_database("Wiki", SCHEMA, is_wiki=True)
    child = workspace.add_database("Child", SCHEMA, parent=wiki.data_source)
    assert ids(list_all()) == {wiki.id, child.id}


def test_data_source_without_a_database_is_told(workspace: Workspace, list_all: ListAll, lines: list[str]) -> None:
    tasks, synced = databases(workspace, "Tasks", "Synced")

    def elsewhere(body: dict[str, Any]) -> None:
        for found in body["results"]:
            if found["id"] == synced.data_source.id:
                found["parent"] = {"type": "data_source_id", "data_source_id": tasks.data_source.id}

    workspace.faults.add(Fault("alter", match=SEARCH, callable=elsewhere))
    assert ids(list_all()) == {tasks.id}
    assert any(synced.data_source.id in line for line in lines)


def test_ids_are_compared_in_one_form(workspace: Workspace, list_all: ListAll) -> None:
    (tasks,) = databases(workspace, "Tasks")

    def undashed(body: dict[str, Any]) -> None:
        for found in body["results"]:
            found["parent"]["database_id"] = found["parent"]["database_id"].replace("-", "").upper()

    workspace.faults.add(Fault("alter", match=SEARCH, callable=undashed))
    assert ids(list_all(known=[tasks.id])) == {tasks.id}


def test_refused_token_ends_the_listing_at_once(workspace: Workspace, list_all: ListAll) -> None:
    made = databases(workspace, *(f"Database {number}" for number in range(60)))
    workspace.faults.add(Fault("call", match=r"GET /v1/databases", callable=lambda: revoke(workspace)))
    with pytest.raises(AuthorizationError):
        list_all(known=[database.id for database in made])
    assert len(workspace.requests) <= 1 + 16


def revoke(workspace: Workspace) -> None:
    workspace.revoke_token(workspace.token.value)


@pytest.mark.parametrize("title", [None, "Tasks", [], [{"plain_text": None}], [3]])
def test_title_of_any_shape_is_text(title: Any) -> None:
    assert plain_title({"title": title}) == ""


def test_title_joins_its_parts() -> None:
    assert plain_title({"title": [{"plain_text": "Road"}, {"plain_text": "map"}]}) == "Roadmap"


ODD_HITS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "null": lambda hit: None,
    "text": lambda hit: "data_source",
    "no object": lambda hit: {"id": hit["id"]},
    "its own id": lambda hit: {**hit, "id": "../../x"},
    "no id": lambda hit: {**hit, "id": None},
    "the id of its database": lambda hit: {**hit, "parent": {"type": "database_id", "database_id": "not an id"}},
    "no parent": lambda hit: {**hit, "parent": None},
}


@pytest.mark.parametrize("odd", ODD_HITS)
def test_search_hit_that_cannot_be_read_makes_the_listing_incomplete(
    workspace: Workspace, list_all: ListAll, odd: str
) -> None:
    tasks, other, gone = databases(workspace, "Tasks", "Other", "Gone")
    workspace.unshare(gone)

    def alter(body: dict[str, Any]) -> None:
        body["results"] = [
            ODD_HITS[odd](hit) if hit["parent"]["database_id"] == tasks.id else hit for hit in body["results"]
        ]

    workspace.faults.add(Fault("alter", match=SEARCH, callable=alter))
    listing = list_all(known=[other.id, gone.id])
    assert other.id in ids(listing)
    assert listing.retired == ()
    assert "Notion's search gave results that cannot be read" in str(listing.search_error)
    assert str(listing.search_error).count("what is no data source of Notion's") == 1
    assert list_all(known=[other.id, gone.id]).retired == (gone.id,)


def test_search_hits_of_another_type_are_counted_and_make_nothing_incomplete(
    workspace: Workspace, list_all: ListAll, lines: list[str]
) -> None:
    (tasks,) = databases(workspace, "Tasks")
    page = {"object": "page", "id": tasks.id, "parent": {"type": "workspace"}}
    fault = Fault("alter", match=SEARCH, callable=lambda body: body["results"].append(page))
    workspace.faults.add(fault)
    listing = list_all()
    assert ids(listing) == {tasks.id}
    assert listing.search_error is None
    assert [line for line in lines if '1 objects of the type "page"' in line]
