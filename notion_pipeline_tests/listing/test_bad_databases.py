"""One bad thing stops nothing else: databases, names and a search that misbehave, the whole way through."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from typing import Any

import dagster as dg
import pytest

from notion_pipeline.project import Project
from notion_pipeline.sandbox.control.faults import Fault
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.model.objects import Database
from notion_pipeline_tests.support.commands import Commands
from notion_pipeline_tests.support.dagster_runs import LISTING, Runs, notion_sync
from notion_pipeline_tests.support.whole_way import Pipeline, Run, synced, tasks_in

pytestmark = [pytest.mark.slow, pytest.mark.long]


SEARCH = r"POST /v1/search"
FOR_GOOD = 10_000
REFUSALS: dict[str, dict[str, Any]] = {
    "400": {"status": 400, "code": "validation_error", "message": "Something about it is odd."},
    "403": {"status": 403, "code": "restricted_resource", "message": "Not for you."},
    "401": {"status": 401, "code": "unauthorized", "message": "API token is invalid."},
}
ODDITIES: dict[str, Callable[[dict[str, Any]], None]] = {
    "no data sources": lambda body: body.pop("data_sources") and None,
    "data sources are null": lambda body: body.update(data_sources=None),
    "data sources are text": lambda body: body.update(data_sources="none"),
    "a data source is null": lambda body: body.update(data_sources=[None]),
    "a data source without an id": lambda body: body.update(data_sources=[{"name": "Tasks"}]),
    "an id that is a path": lambda body: body.update(data_sources=[{"id": "../../x", "name": "Tasks"}]),
    "another object": lambda body: body.update(object="page"),
    "a linked view": lambda body: body.update(data_sources=[]),
}


@pytest.fixture
def commands(project: Project) -> Commands:
    return Commands(project)


def three(workspace: Workspace) -> tuple[Database, Database, Database]:
    """Three databases of three rows each: Tasks, Notes, Plans."""
    return tuple(tasks_in(workspace, 3, title).database for title in ("Tasks", "Notes", "Plans"))  # type: ignore[return-value]


def configure(pipeline: Pipeline | Commands, *lines: str) -> None:
    source = "sources:\n  - name: notion\n    account: {type: token}\n"
    pipeline.configure(source + textwrap.indent("\n".join(lines), "    ") + "\n")


def break_database(workspace: Workspace, database: Database, **refusal: Any) -> None:
    fault = Fault("status", match=rf"GET /v1/databases/{database.id}$", times=FOR_GOOD, **refusal)
    workspace.faults.add(fault)


def tables(pipeline: Pipeline) -> dict[str, int]:
    """Rows of each table of the source but the listing's."""
    names = pipeline.query("SELECT table_name FROM duckdb_tables() WHERE schema_name = 'notion' ORDER BY ALL")
    return {name: pipeline.count(name) for (name,) in names if name != "databases"}


def partitions(pipeline: Pipeline) -> set[str]:
    return pipeline.partitioned()


def failed(pipeline: Pipeline, **given: Any) -> Run:
    run = pipeline.sync(**given)
    assert not run.success
    return run


def edit(*databases: Database) -> None:
    for database in databases:
        database.data_source.add_page({"Name": "New"})


# A database that cannot be fetched


@pytest.mark.parametrize("kind", REFUSALS)
def test_new_database_that_refuses_to_be_fetched_fails_alone(
    workspace: Workspace, pipeline: Pipeline, kind: str
) -> None:
    bad, *_ = three(workspace)
    break_database(workspace, bad, **REFUSALS[kind])
    run = failed(pipeline)
    assert tables(pipeline) == {"notes": 3, "plans": 3}
    assert f'Database "Tasks" ({bad.id}), source "notion": ' in run.log
    assert REFUSALS[kind]["message"] in run.log
    assert "1 of 3 databases of source notion failed; the others are committed." in run.log
    workspace.faults.clear()
    synced(pipeline)
    assert tables(pipeline) == {"notes": 3, "plans": 3, "tasks": 3}


@pytest.mark.parametrize("kind", REFUSALS)
def test_known_database_that_refuses_to_be_fetched_stays_as_it_is(
    workspace: Workspace, pipeline: Pipeline, kind: str
) -> None:
    bad, *good = three(workspace)
    synced(pipeline)
    before = pipeline.query(f"SELECT * FROM notion.databases WHERE id = '{bad.id}'")
    edit(bad, *good)
    break_database(workspace, bad, **REFUSALS[kind])
    failed(pipeline)
    assert tables(pipeline) == {"notes": 4, "plans": 4, "tasks": 3}
    assert pipeline.query(f"SELECT * FROM notion.databases WHERE id = '{bad.id}'") == before
    assert bad.id in partitions(pipeline)
    workspace.faults.clear()
    synced(pipeline)
    assert tables(pipeline) == {"notes": 4, "plans": 4, "tasks": 4}


def test_database_that_fails_for_good_fails_alone(workspace: Workspace, pipeline: Pipeline) -> None:
    bad, *_ = three(workspace)
    break_database(workspace, bad, status=500, html=True)
    assert f'Database "Tasks" ({bad.id})' in failed(pipeline).log
    assert tables(pipeline) == {"notes": 3, "plans": 3}


@pytest.mark.parametrize("oddity", ODDITIES)
def test_odd_answer_about_a_database_is_its_own_failure(workspace: Workspace, pipeline: Pipeline, oddity: str) -> None:
    bad, *_ = three(workspace)
    fault = Fault("alter", match=rf"GET /v1/databases/{bad.id}$", times=FOR_GOOD, callable=ODDITIES[oddity])
    workspace.faults.add(fault)
    run = failed(pipeline)
    assert f'Database "Tasks" ({bad.id}), source "notion": ' in run.log
    assert "Error:" not in run.log
    assert tables(pipeline) == {"notes": 3, "plans": 3}


def test_title_of_null_is_no_failure(workspace: Workspace, pipeline: Pipeline) -> None:
    odd, *_ = three(workspace)

    def strip(body: dict[str, Any]) -> None:
        body.update(title=None, description=3, url=None, public_url={}, parent=None, created_time=7, created_by="x")

    workspace.faults.add(Fault("alter", match=rf"GET /v1/databases/{odd.id}$", times=FOR_GOOD, callable=strip))
    synced(pipeline)
    assert tables(pipeline) == {"notes": 3, "plans": 3, "untitled": 3}


def test_schema_that_holds_no_properties_is_asked_for_and_else_fails_alone(
    workspace: Workspace, pipeline: Pipeline
) -> None:
    bad, *_ = three(workspace)

    def strip(body: dict[str, Any]) -> None:
        for found in body.get("results", [body]):
            if found["id"] == bad.data_source.id:
                found["properties"] = []

    workspace.faults.add(Fault("alter", match=SEARCH, callable=strip))
    synced(pipeline)
    assert tables(pipeline) == {"notes": 3, "plans": 3, "tasks": 3}
    edit(bad)
    workspace.faults.add(Fault("alter", match=r"POST /v1/search|GET /v1/data_sources", times=FOR_GOOD, callable=strip))
    assert "it holds no properties" in failed(pipeline).log


def test_deselected_database_that_cannot_be_fetched_is_said_and_fails_nothing(
    workspace: Workspace, pipeline: Pipeline
) -> None:
    bad, *_ = three(workspace)
    break_database(workspace, bad, **REFUSALS["403"])
    configure(pipeline, "deselect: [Tasks]")
    run = synced(pipeline)
    assert tables(pipeline) == {"notes": 3, "plans": 3}
    assert f'Database "Tasks" ({bad.id})' in run.log
    assert "It is not selected, so no sync fails for it." in run.log


def test_deselecting_a_known_database_that_misbehaves_ends_the_matter(workspace: Workspace, pipeline: Pipeline) -> None:
    bad, *_ = three(workspace)
    synced(pipeline)
    edit(bad)
    break_database(workspace, bad, **REFUSALS["400"])
    failed(pipeline)
    configure(pipeline, "deselect: [Tasks]")
    synced(pipeline)
    assert bad.id not in partitions(pipeline)
    assert pipeline.query(f"SELECT selected, accessible FROM notion.databases WHERE id = '{bad.id}'") == [(False, True)]


def test_sync_of_another_database_is_not_held_up(workspace: Workspace, pipeline: Pipeline) -> None:
    bad, good, _ = three(workspace)
    break_database(workspace, bad, **REFUSALS["403"])
    synced(pipeline, only=["Notes"])
    assert tables(pipeline) == {"notes": 3}
    run = failed(pipeline, only=["Notes", bad.id])
    assert "Not for you." in run.log
    assert good.id in partitions(pipeline)
    assert bad.id not in partitions(pipeline)


def test_name_that_fits_nothing_holds_up_no_other(workspace: Workspace, pipeline: Pipeline) -> None:
    three(workspace)
    run = failed(pipeline, only=["Notes", "Nope", "Taks"])
    assert tables(pipeline) == {"notes": 3}
    assert 'No selected database is called "Nope"' in run.log
    assert 'No selected database is called "Taks", nearest is "Tasks".' in run.log


def test_listing_alone_lists_the_others_and_fails(workspace: Workspace, runs: Runs, pipeline: Pipeline) -> None:
    bad, *good = three(workspace)
    break_database(workspace, bad, **REFUSALS["403"])
    result = runs.assets(LISTING)
    assert not result.success
    assert runs.failure(result.run_id).startswith(f'Database "Tasks" ({bad.id}), source "notion": ')
    assert runs.partitions() == [database.title.lower() for database in good]
    metadata = runs.metadata(result.run_id, None, LISTING)
    assert metadata["dagster/row_count"] == 2
    assert "Not for you." in metadata["not_listed"]


def test_nothing_is_retired_after_an_incomplete_listing(workspace: Workspace, pipeline: Pipeline) -> None:
    bad, gone, _ = three(workspace)
    synced(pipeline)
    edit(bad)
    workspace.unshare(gone)
    break_database(workspace, bad, **REFUSALS["403"])
    run = failed(pipeline)
    assert {bad.id, gone.id} <= partitions(pipeline)
    assert f'Database "Notes" ({gone.id})' in run.log
    assert pipeline.query("SELECT count(*) FROM notion.databases WHERE accessible") == [(3,)]
    workspace.faults.clear()
    synced(pipeline)
    assert gone.id not in partitions(pipeline)


def test_retry_asks_again_for_what_could_not_be_listed(workspace: Workspace, runs: Runs, pipeline: Pipeline) -> None:
    bad, *_ = three(workspace)
    break_database(workspace, bad, **REFUSALS["403"])
    result = runs.job()
    assert not result.success
    again = runs.retry(result)
    assert not again.success
    assert f'Database "Tasks" ({bad.id})' in runs.failure(again.run_id)
    workspace.faults.clear()
    assert runs.retry(again).success
    assert tables(pipeline) == {"notes": 3, "plans": 3, "tasks": 3}


# Names in sources.yaml


def test_id_of_a_page_in_select_fails_alone(workspace: Workspace, pipeline: Pipeline, commands: Commands) -> None:
    tasks, *_ = three(workspace)
    page = tasks.data_source.pages[0]
    configure(pipeline, f'select: ["*", {page.id}]')
    run = failed(pipeline)
    assert tables(pipeline) == {"notes": 3, "plans": 3, "tasks": 3}
    assert f"{page.id} is a page, not a database" in run.log
    assert "named in sources.yaml. Name a database by its own id" in run.log
    assert "Asking again does not help" not in run.log
    assert page.id in commands.fails("sync")
    assert f"{page.id} is a page" in commands.run("check").stdout


def test_linked_view_in_select_is_no_database_that_was_synced(
    workspace: Workspace, pipeline: Pipeline, commands: Commands
) -> None:
    three(workspace)
    view = workspace.add_linked_view("Tasks of mine")
    configure(pipeline, f'select: ["*", {view.id}]')
    run = failed(pipeline)
    assert tables(pipeline) == {"notes": 3, "plans": 3, "tasks": 3}
    assert f"Database {view.id} has no data source of its own" in run.log
    assert view.id not in partitions(pipeline)
    result = commands.run("check")
    assert result.exit_code == 1
    assert "3 databases can be seen, 3 selected" in result.stdout
    assert "linked view" in result.stdout
    configure(pipeline, f"deselect: [{view.id}]")
    synced(pipeline)


def test_selected_id_that_is_hidden_fails_alone(workspace: Workspace, pipeline: Pipeline) -> None:
    hidden, *_ = three(workspace)
    workspace.unshare(hidden)
    configure(pipeline, f'select: ["*", {hidden.id}]')
    assert f"Database {hidden.id}" in failed(pipeline).log
    assert tables(pipeline) == {"notes": 3, "plans": 3}


def test_settings_of_a_database_that_is_hidden_fail_nothing(workspace: Workspace, pipeline: Pipeline) -> None:
    hidden, *_ = three(workspace)
    workspace.unshare(hidden)
    configure(pipeline, f"streams: {{{hidden.id}: {{sync_type: FULL_TABLE}}}}")
    assert hidden.id in synced(pipeline).log


def test_settings_that_fit_two_databases_hold_back_these_two(
    workspace: Workspace, pipeline: Pipeline, commands: Commands
) -> None:
    first, notes, _ = three(workspace)
    synced(pipeline)
    second = tasks_in(workspace, 2, "Tasks").database
    configure(pipeline, "streams: {Tasks: {exclude_properties: [Effort]}}")
    edit(first, notes)
    run = failed(pipeline)
    assert tables(pipeline) == {"notes": 4, "plans": 3, "tasks": 3}
    for database in (first, second):
        assert f'Database "Tasks" ({database.id})' in run.log
    assert f"fits 2 databases, {first.id} and {second.id}; name the one that is meant by its id" in run.log
    assert "2 of 4 databases of source notion failed" in run.log
    assert first.id in partitions(pipeline)
    assert second.id not in partitions(pipeline)
    synced(pipeline, only=["Notes"])
    assert second.id in commands.fails("sync")
    configure(pipeline, f"streams: {{{first.id}: {{exclude_properties: [Effort]}}}}")
    synced(pipeline)
    assert sorted(tables(pipeline).values()) == [2, 3, 4, 4]


def test_settings_found_to_mean_one_database_stay_with_it_when_another_takes_its_title(
    workspace: Workspace, pipeline: Pipeline
) -> None:
    first, notes, _ = three(workspace)
    configure(pipeline, "streams: {Tasks: {exclude_properties: [Effort]}}")
    synced(pipeline)
    second = tasks_in(workspace, 2, "Tasks").database
    edit(first, notes)
    run = failed(pipeline)
    # Of the second nobody knows whether the settings are meant for it as well.
    assert tables(pipeline) == {"notes": 4, "plans": 3, "tasks": 4}
    assert f'Database "Tasks" ({second.id})' in run.log
    assert "Key the settings by the id of the one that is meant" in run.log
    assert "1 of 4 databases of source notion failed" in run.log
    configure(pipeline, f"streams: {{Tasks: {{exclude_properties: [Effort]}}, {second.id}: {{}}}}")
    synced(pipeline)
    assert sorted(tables(pipeline).values()) == [2, 3, 4, 4]


# Search


def many(workspace: Workspace) -> list[Database]:
    """More than a page of search gives, one row each."""
    made = [workspace.add_database(f"D{number}", {"Name": "title"}) for number in range(103)]
    for database in made:
        database.data_source.add_page({"Name": "Row"})
    return made


def test_search_that_cannot_give_a_hundred_at_once_is_asked_for_less(workspace: Workspace, pipeline: Pipeline) -> None:
    three(workspace)
    workspace.faults.add(Fault("status", match=SEARCH, times=FOR_GOOD, larger_than=25, status=504, html=True))
    run = synced(pipeline)
    assert tables(pipeline) == {"notes": 3, "plans": 3, "tasks": 3}
    assert [request.body["page_size"] for request in run.requests if request.path == "/v1/search"] == [100, 50, 25]


@pytest.mark.parametrize("kind", ["400", "403"])
def test_search_that_breaks_off_lists_what_is_known_and_named(
    workspace: Workspace, runs: Runs, pipeline: Pipeline, kind: str
) -> None:
    made = many(workspace)
    assert runs.assets(LISTING).success
    workspace.unshare(made[0])
    named = tasks_in(workspace, 3, "Named").database
    workspace.switches.search_gaps = {named.id}
    configure(pipeline, f'select: ["*", {named.id}]')
    workspace.faults.add(Fault("status", match=SEARCH, at=2, times=FOR_GOOD, **REFUSALS[kind]))
    result = runs.assets(LISTING)
    assert "Notion's search did not come to its end" in runs.failure(result.run_id)
    assert partitions(Pipeline(pipeline.project, workspace, runs.instance)) == {
        *(database.id for database in made),
        named.id,
    }


def test_sync_after_a_broken_search_reads_what_is_known(workspace: Workspace, pipeline: Pipeline) -> None:
    databases = three(workspace)
    synced(pipeline)
    edit(*databases)
    workspace.faults.add(Fault("status", match=SEARCH, times=FOR_GOOD, **REFUSALS["400"]))
    run = failed(pipeline)
    assert tables(pipeline) == {"notes": 4, "plans": 4, "tasks": 4}
    assert "Notion's search did not come to its end" in run.log
    assert "databases of source notion failed" not in run.log
    synced(pipeline, only=["Notes"])


@pytest.mark.parametrize("only_lists", [False, True])
def test_retry_after_a_broken_search_searches_again(
    workspace: Workspace, runs: Runs, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, only_lists: bool
) -> None:
    three(workspace)
    assert runs.job().success
    new = tasks_in(workspace, 3, "New").database
    workspace.faults.add(Fault("status", match=SEARCH, times=FOR_GOOD, **REFUSALS["400"]))
    monkeypatch.chdir(pipeline.project.root)
    first = dg.execute_job(
        dg.reconstructable(notion_sync),
        instance=runs.instance,
        asset_selection=[LISTING] if only_lists else None,
        raise_on_error=False,
    )
    again = runs.retry(first)
    assert not first.success
    assert not again.success
    workspace.faults.clear()
    assert runs.retry(again).success
    assert new.id in partitions(Pipeline(pipeline.project, workspace, runs.instance))
    assert ("new" in tables(pipeline)) is not only_lists


def test_search_that_fails_before_anything_is_known_is_the_one_failure(
    workspace: Workspace, pipeline: Pipeline
) -> None:
    three(workspace)
    workspace.faults.add(Fault("status", match=SEARCH, times=FOR_GOOD, **REFUSALS["403"]))
    assert "may not read the search" in failed(pipeline).log


def test_odd_entries_of_search_are_told_and_the_others_are_synced(workspace: Workspace, pipeline: Pipeline) -> None:
    three(workspace)

    def spoil(body: dict[str, Any]) -> None:
        body["results"] += [None, 3, {}, {"object": "data_source"}, {"object": "data_source", "id": "../x"}]
        body["results"][0]["title"] = None

    workspace.faults.add(Fault("alter", match=SEARCH, times=FOR_GOOD, callable=spoil))
    run = pipeline.sync()
    assert not run.success, "a database may be missing"
    assert "what is no data source of Notion's: null and 4 more" in run.log
    assert tables(pipeline) == {"notes": 3, "plans": 3, "tasks": 3}


# The commands


def test_commands_tell_of_a_database_that_cannot_be_fetched(workspace: Workspace, commands: Commands) -> None:
    bad, *_ = three(workspace)
    commands.ok("sync")
    edit(bad)
    break_database(workspace, bad, **REFUSALS["400"])
    said = commands.fails("sync")
    assert f'Database "Tasks" ({bad.id}), source "notion": ' in said
    assert f'Database "Tasks" ({bad.id})' in commands.fails("sync", "databases")
    commands.ok("sync", "Notes")
    found = {stream["title"]: stream for stream in commands.json("streams", "--json")}
    assert (found["Tasks"]["selected"], found["Tasks"]["rows"]) == (True, 3)
    result = commands.run("check")
    assert result.exit_code == 1
    access = next(line for line in result.stdout.splitlines() if line.startswith("FAIL"))
    assert f'Database "Tasks" ({bad.id})' in access


def test_check_tells_of_a_deselected_one_and_passes(workspace: Workspace, commands: Commands) -> None:
    bad, *_ = three(workspace)
    break_database(workspace, bad, **REFUSALS["403"])
    configure(commands, "deselect: [Tasks]")
    assert f'note: Database "Tasks" ({bad.id})' in commands.ok("check")
