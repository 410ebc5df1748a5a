"""How an extract lands: the columns of every table, what is merged, what is removed, and what is left alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from notion_pipeline.catalog import state as bookkeeping
from notion_pipeline.catalog.listing.table_names import name_unlisted
from notion_pipeline.catalog.load.merge import merge
from notion_pipeline.catalog.state import CommitRecords, NotedRead
from notion_pipeline.errors import CatalogError
from notion_pipeline.extraction.extract import Extract, LoadResult
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.http.server import SandboxServer
from notion_pipeline.sandbox.model.values import Raw
from notion_pipeline_tests.support.catalog import catalogs
from notion_pipeline_tests.support.staged import made_page, staged_extract
from notion_pipeline_tests.support.sync.bench import Bench

TIMESTAMP = "TIMESTAMP WITH TIME ZONE"
DATE = f'STRUCT("start" {TIMESTAMP}, "end" {TIMESTAMP}, is_datetime BOOLEAN, time_zone VARCHAR)'
EVERY_TYPE: dict[str, Any] = {
    "Name": "title",
    "Text": "rich_text",
    "Link": "url",
    "Mail": "email",
    "Phone": "phone_number",
    "Choice": {"type": "select", "options": ["A", "B"]},
    "Stage": {"type": "status", "options": ["To do", "Done"]},
    "Number": "number",
    "Check": "checkbox",
    "Tags": {"type": "multi_select", "options": ["x", "y"]},
    "Day": "date",
    "Who": "people",
    "Files": "files",
    "Peers": {"type": "relation", "target": "self"},
    "Made": "created_time",
    "Changed": "last_edited_time",
    "Maker": "created_by",
    "Changer": "last_edited_by",
    "No": {"type": "unique_id", "prefix": "T"},
    "Twice": {"type": "formula", "result_type": "number", "compute": lambda page: (page["Number"] or 0) * 2},
    "Odd": {"type": "formula", "result_type": "boolean", "compute": lambda page: bool(page["Number"])},
    "Loud": {"type": "formula", "compute": lambda page: str(page["Name"]).upper()},
    "Due": {"type": "formula", "result_type": "date", "compute": lambda page: {"start": "2026-07-09"}},
    "Never": {"type": "formula", "compute": lambda page: None},
    "Sum": {"type": "rollup", "relation": "Peers", "property": "Number", "function": "sum"},
    "First": {"type": "rollup", "relation": "Peers", "property": "Day", "function": "earliest_date"},
    "Names": {"type": "rollup", "relation": "Peers", "property": "Name", "function": "show_original"},
    "Verified": "verification",
    "Place": "place",
    "Press": "button",
    "Future": {"type": "hologram", "config": {}},
}
EXPECTED_COLUMNS = [
    ("id", "VARCHAR"),
    ("created_time", TIMESTAMP),
    ("last_edited_time", TIMESTAMP),
    ("created_by", "VARCHAR"),
    ("last_edited_by", "VARCHAR"),
    ("url", "VARCHAR"),
    ("public_url", "VARCHAR"),
    ("in_trash", "BOOLEAN"),
    ("is_archived", "BOOLEAN"),
    ("parent", "JSON"),
    ("icon", "JSON"),
    ("cover", "JSON"),
    ("properties", "JSON"),
    ("_synced_at", TIMESTAMP),
    ("name", "VARCHAR"),
    ("text", "VARCHAR"),
    ("link", "VARCHAR"),
    ("mail", "VARCHAR"),
    ("phone", "VARCHAR"),
    ("choice", "VARCHAR"),
    ("stage", "VARCHAR"),
    ("number", "DOUBLE"),
    ("check", "BOOLEAN"),
    ("tags", "VARCHAR[]"),
    ("day", DATE),
    ("who", 'STRUCT(id VARCHAR, "name" VARCHAR, email VARCHAR)[]'),
    ("files", 'STRUCT("name" VARCHAR, "type" VARCHAR, url VARCHAR)[]'),
    ("peers", "VARCHAR[]"),
    ("made", TIMESTAMP),
    ("changed", TIMESTAMP),
    ("maker", "VARCHAR"),
    ("changer", "VARCHAR"),
    ("no", "VARCHAR"),
    ("twice", "DOUBLE"),
    ("odd", "BOOLEAN"),
    ("loud", "VARCHAR"),
    ("due", DATE),
    ("never", "VARCHAR"),
    ("sum", "DOUBLE"),
    ("first", DATE),
    ("names", "JSON"),
    ("verified", "JSON"),
    ("place", "JSON"),
    ("press", "JSON"),
    ("future", "JSON"),
]


@pytest.fixture
def bench(workspace: Workspace, sandbox: SandboxServer, tmp_path: Path) -> Bench:
    return Bench(workspace, sandbox.url, tmp_path)


def full_row(workspace: Workspace, **values: Any) -> dict[str, Any]:
    return {
        "Name": "One",
        "Text": "with 'quotes' and 🔥",
        "Link": "https://a.b",
        "Mail": "a@b.c",
        "Phone": "123",
        "Choice": "A",
        "Stage": "Done",
        "Number": 2.5,
        "Check": True,
        "Tags": ["y", "x"],
        "Day": {"start": "2026-07-03T05:00:00.000+02:00", "end": "2026-07-04T05:00:00.000+02:00"},
        "Who": [workspace.owner],
        "Files": [{"name": "a.pdf", "url": "https://files.example/a.pdf?b=c"}],
        "Future": Raw({"beam": [1, 2]}),
        **values,
    }


def test_table_has_the_columns_and_types_of_the_contract_in_its_order(workspace: Workspace, bench: Bench) -> None:
    rows = workspace.add_database("All", EVERY_TYPE).data_source
    one = rows.add_page(full_row(workspace))
    rows.add_page({"Name": "Two", "Peers": [one]})
    bench.sync()
    found = bench.query(
        "SELECT column_name, data_type FROM duckdb_columns() WHERE schema_name = 'notion' AND table_name = 'all' "
        "ORDER BY column_index"
    )
    assert found == EXPECTED_COLUMNS


def test_row_holds_each_value_as_its_column_wants_it(workspace: Workspace, bench: Bench) -> None:
    rows = workspace.add_database("All", EVERY_TYPE).data_source
    page = rows.add_page(full_row(workspace), icon="🧵", created_at="2026-06-01T08:15:00Z")
    two = rows.add_page({"Name": "Two", "Peers": [page], "Number": 1})
    bench.sync()
    day = {
        "start": datetime(2026, 7, 3, 3, tzinfo=timezone.utc),
        "end": datetime(2026, 7, 4, 3, tzinfo=timezone.utc),
        "is_datetime": True,
        "time_zone": None,
    }
    found = bench.query(
        'SELECT name, text, link, mail, phone, choice, stage, number, "check", tags, day, who, files, peers, made, '
        "maker, no, twice, odd, loud, due.is_datetime, never, sum, first, names, future, icon->>'emoji' "
        'FROM notion."all" WHERE id = ?',
        [page.id],
    )
    assert found == [
        (
            *("One", "with 'quotes' and 🔥", "https://a.b", "a@b.c", "123", "A", "Done", 2.5, True, ["y", "x"], day),
            [{"id": workspace.owner.id, "name": "Ada Owner", "email": "ada@example.com"}],
            [{"name": "a.pdf", "type": "external", "url": "https://files.example/a.pdf?b=c"}],
            *([], datetime(2026, 6, 1, 8, 15, tzinfo=timezone.utc), workspace.owner.id, "T-1", 5.0, True, "ONE"),
            *(False, None, 0.0, None, "[]", '{"beam":[1,2]}', "🧵"),
        )
    ]
    found = bench.query(
        'SELECT peers, sum, first, names, text, number, tags, day FROM notion."all" WHERE id = ?', [two.id]
    )
    assert found == [([page.id], 2.5, {**day, "end": None}, '["One"]', "", 1.0, [], None)]


def test_second_sync_without_edits_writes_only_bookmark_and_history(workspace: Workspace, bench: Bench) -> None:
    rows = workspace.add_database("All", EVERY_TYPE).data_source
    one = rows.add_page(full_row(workspace))
    rows.add_page({"Name": "Two", "Peers": [one], "Files": [{"name": "h.png", "hosted": "h.png"}]}, icon="🧵")
    bench.sync()
    before = bench.query('SELECT * FROM notion."all" ORDER BY id')
    layout = bench.query("SELECT column_name, data_type, comment FROM duckdb_columns() ORDER BY ALL")
    for sync_type in ("INCREMENTAL", "FULL_TABLE"):
        (landed,) = bench.sync(sync_type).values()
        assert (landed.rows_inserted, landed.rows_updated, landed.rows_removed) == (0, 0, 0)
    assert landed.rows_unchanged == 2
    assert bench.query('SELECT * FROM notion."all" ORDER BY id') == before
    assert bench.query("SELECT column_name, data_type, comment FROM duckdb_columns() ORDER BY ALL") == layout
    assert bench.query("SELECT count(*), count(DISTINCT bookmark_after) FROM _notion_pipeline.syncs") == [(3, 3)]


def test_rows_in_the_lookback_are_compared_by_content(workspace: Workspace, bench: Bench) -> None:
    rows = workspace.add_database("Tasks", {"Name": "title"}).data_source
    rows.add_page({"Name": "old"}, edited_at="2026-07-01T09:59:00Z")
    rows.add_page({"Name": "young"}, edited_at="2026-07-01T10:00:00Z")
    bench.settings = {"lookback_minutes": 90}
    bench.sync()
    landed = bench.sync()["tasks"]
    assert (landed.rows_read, landed.rows_unchanged, landed.rows_updated) == (2, 2, 0)


def test_synced_at_moves_for_rows_whose_content_changed_and_no_others(workspace: Workspace, bench: Bench) -> None:
    rows = workspace.add_database("Tasks", {"Name": "title"}).data_source
    pages = [rows.add_page({"Name": name}) for name in ("edited", "touched", "left")]
    bench.sync()
    before = dict(bench.query("SELECT id, _synced_at FROM notion.tasks"))
    workspace.clock.advance(timedelta(hours=1))
    rows.workspace.edit_page(pages[0], {"Name": "edited!"})
    # Read again for its stamp, and the same in all but the stamp.
    rows.workspace.edit_page(pages[1], {})
    landed = bench.sync()["tasks"]
    after = dict(bench.query("SELECT id, _synced_at FROM notion.tasks"))
    assert {page.title for page in pages if after[page.id] != before[page.id]} == {"edited!", "touched"}
    assert (landed.rows_read, landed.rows_updated, landed.rows_unchanged) == (2, 2, 0)


def test_smallest_change_of_a_value_is_seen(workspace: Workspace, bench: Bench) -> None:
    """Rows are compared by content; whatever stands for it must tell all of these apart."""
    schema = {
        name: EVERY_TYPE[name] for name in ("Name", "Text", "Choice", "Number", "Check", "Tags", "Day", "Who", "Peers")
    }
    rows = workspace.add_database("Tasks", {**schema, "Mail": "email", "Link": "url", "Other": "number"}).data_source
    peers = [rows.add_page({"Name": f"peer {number}"}) for number in range(2)]
    bob = workspace.add_user("Bob")
    day = "2026-07-01"
    edits: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({"Tags": ["x", "y"]}, {"Tags": ["y", "x"]}),
        ({"Tags": ["x", "y"]}, {"Tags": ["x"]}),
        ({"Tags": []}, {"Tags": ["x"]}),
        ({"Peers": []}, {"Peers": peers}),
        ({"Peers": peers}, {"Peers": peers[::-1]}),
        ({"Who": [bob]}, {"Who": []}),
        ({"Who": [bob, workspace.owner]}, {"Who": [workspace.owner, bob]}),
        ({"Day": None}, {"Day": day}),
        ({"Day": day}, {"Day": {"start": day, "end": day}}),
        ({"Day": day}, {"Day": f"{day}T00:00:00.000+00:00"}),
        ({"Check": False}, {"Check": True}),
        ({"Number": None}, {"Number": 0}),
        ({"Number": 0, "Other": None}, {"Number": None, "Other": 0}),
        ({"Number": 1, "Other": 2}, {"Number": 2, "Other": 1}),
        ({"Number": 0.1}, {"Number": 0.1 + 2**-55}),
        ({"Mail": "a", "Link": "b"}, {"Mail": "b", "Link": "a"}),
        ({"Mail": ""}, {"Mail": None}),
        ({"Choice": None}, {"Choice": "A"}),
        ({"Text": "a"}, {"Text": "a "}),
    ]
    pages = [rows.add_page({"Name": str(number), **before}) for number, (before, _) in enumerate(edits)]
    bench.sync()
    stamps = {page.id: page.last_edited_time for page in pages}
    for page, (_, after) in zip(pages, edits, strict=True):
        # The stamp stays: the values alone have to tell.
        workspace.edit_page(page, after, edited_at=stamps[page.id])
    before = dict(bench.query("SELECT name, _synced_at FROM notion.tasks"))
    bench.sync("FULL_TABLE")
    after = dict(bench.query("SELECT name, _synced_at FROM notion.tasks"))
    assert sorted(name for name in after if after[name] == before[name]) == ["peer 0", "peer 1"]


def test_incremental_sync_merges_by_id_and_removes_nothing(workspace: Workspace, bench: Bench) -> None:
    rows = workspace.add_database("Tasks", {"Name": "title"}).data_source
    edited, gone, _ = (rows.add_page({"Name": name}) for name in ("edited", "gone", "left"))
    bench.sync()
    workspace.clock.advance(timedelta(hours=1))
    workspace.edit_page(edited, {"Name": "edited!"})
    workspace.trash(gone)
    rows.add_page({"Name": "new"})
    landed = bench.sync()["tasks"]
    assert (landed.rows_inserted, landed.rows_updated, landed.rows_removed, landed.row_count) == (1, 1, 0, 4)
    assert bench.query("SELECT name FROM notion.tasks ORDER BY name") == [("edited!",), ("gone",), ("left",), ("new",)]


def test_full_sync_makes_the_table_exactly_the_live_and_archived_rows(workspace: Workspace, bench: Bench) -> None:
    rows = workspace.add_database("Tasks", {"Name": "title"}).data_source
    trashed, deleted, archived, _ = (
        rows.add_page({"Name": name}) for name in ("trashed", "deleted", "archived", "live")
    )
    bench.sync()
    workspace.trash(trashed)
    workspace.delete(deleted)
    workspace.archive(archived)
    landed = bench.sync("FULL_TABLE")["tasks"]
    assert (landed.rows_removed, landed.rows_updated, landed.rows_unchanged) == (2, 1, 1)
    assert bench.query("SELECT name, is_archived FROM notion.tasks ORDER BY name") == [
        ("archived", True),
        ("live", False),
    ]


def test_marked_rows_stay_with_the_time_they_were_found_gone_and_are_unmarked_on_return(
    workspace: Workspace, bench: Bench
) -> None:
    rows = workspace.add_database("Tasks", {"Name": "title"}).data_source
    gone, _ = (rows.add_page({"Name": name}) for name in ("gone", "left"))
    bench.settings = {"deleted_rows": "mark"}
    bench.sync()
    columns = [row[0] for row in bench.query("SELECT column_name FROM (DESCRIBE notion.tasks)")]
    assert columns[13:15] == ["_synced_at", "_deleted_at"]
    workspace.trash(gone)
    assert bench.sync("FULL_TABLE")["tasks"].rows_removed == 1
    marks = bench.query("SELECT name, _deleted_at FROM notion.tasks WHERE _deleted_at IS NOT NULL")
    assert [name for name, _ in marks] == ["gone"]
    assert bench.sync("FULL_TABLE")["tasks"].rows_removed == 0
    assert bench.query("SELECT name, _deleted_at FROM notion.tasks WHERE _deleted_at IS NOT NULL") == marks
    workspace.restore(gone)
    landed = bench.sync("FULL_TABLE")["tasks"]
    assert (landed.rows_updated, landed.rows_unchanged, landed.row_count) == (1, 1, 2)
    assert bench.query("SELECT count(*) FROM notion.tasks WHERE _deleted_at IS NULL") == [(2,)]


def test_incremental_sync_unmarks_a_row_that_came_back(workspace: Workspace, bench: Bench) -> None:
    rows = workspace.add_database("Tasks", {"Name": "title"}).data_source
    page = rows.add_page({"Name": "back"})
    bench.settings = {"deleted_rows": "mark"}
    bench.sync()
    workspace.trash(page)
    bench.sync("FULL_TABLE")
    workspace.restore(page)
    bench.sync()
    assert bench.query("SELECT name, _deleted_at FROM notion.tasks") == [("back", None)]


@pytest.mark.parametrize("sync_type", ["INCREMENTAL", "FULL_TABLE"])
def test_turning_from_remove_to_mark_and_back_leaves_no_dead_row_looking_alive(
    workspace: Workspace, bench: Bench, sync_type: str
) -> None:
    rows = workspace.add_database("Tasks", {"Name": "title"}).data_source
    gone, _ = (rows.add_page({"Name": name}) for name in ("gone", "left"))
    bench.sync()
    before = bench.query("SELECT _synced_at FROM notion.tasks WHERE name = 'left'")
    bench.settings = {"deleted_rows": "mark"}
    workspace.trash(gone)
    bench.sync("FULL_TABLE")
    assert bench.query("SELECT name FROM notion.tasks WHERE _deleted_at IS NOT NULL") == [("gone",)]
    bench.settings = {"deleted_rows": "remove"}
    landed = bench.sync(sync_type)["tasks"]
    assert landed.rows_removed == 1
    assert bench.query("SELECT name FROM notion.tasks") == [("left",)]
    assert "_deleted_at" not in [name for name, *_ in landed.columns]
    assert bench.query("SELECT _synced_at FROM notion.tasks") == before


def test_pages_edited_before_the_start_date_are_not_extracted(workspace: Workspace, bench: Bench) -> None:
    rows = workspace.add_database("Tasks", {"Name": "title"}).data_source
    rows.add_page({"Name": "old"}, created_at="2024-01-01T00:00:00Z")
    rows.add_page({"Name": "edge"}, created_at="2025-01-01T00:00:00Z")
    bench.settings = {"start_date": "2025-01-01"}
    for sync_type in ("INCREMENTAL", "FULL_TABLE"):
        bench.sync(sync_type)
        assert bench.query("SELECT name FROM notion.tasks") == [("edge",)]


@pytest.mark.parametrize("start_date", [None, "2024-01-01"])
def test_start_date_moved_back_forces_a_full_read(workspace: Workspace, bench: Bench, start_date: str | None) -> None:
    rows = workspace.add_database("Tasks", {"Name": "title"}).data_source
    rows.add_page({"Name": "old"}, created_at="2024-02-01T00:00:00Z")
    rows.add_page({"Name": "young"}, created_at="2026-01-01T00:00:00Z")
    bench.settings = {"start_date": "2025-01-01"}
    bench.sync()
    bench.settings = {"start_date": start_date}
    landed = bench.sync()["tasks"]
    assert (landed.rows_read, landed.rows_inserted) == (2, 1)
    assert any("start date moved back" in line for line in bench.lines)


@pytest.mark.parametrize(("sync_type", "kept"), [("INCREMENTAL", ["old", "young"]), ("FULL_TABLE", ["young"])])
def test_start_date_moved_on_drops_older_rows_in_a_full_sync_alone(
    workspace: Workspace, bench: Bench, sync_type: str, kept: list[str]
) -> None:
    rows = workspace.add_database("Tasks", {"Name": "title"}).data_source
    rows.add_page({"Name": "old"}, created_at="2024-02-01T00:00:00Z")
    rows.add_page({"Name": "young"}, created_at="2026-01-01T00:00:00Z")
    bench.sync()
    bench.settings = {"start_date": "2025-01-01", "deleted_rows": "mark"}
    landed = bench.sync(sync_type)["tasks"]
    assert [row[0] for row in bench.query("SELECT name FROM notion.tasks ORDER BY name")] == kept
    assert landed.rows_removed == 2 - len(kept)


def test_incremental_stream_read_in_full_keeps_rows_from_before_its_start_date(
    workspace: Workspace, bench: Bench
) -> None:
    rows = workspace.add_database("Tasks", {"Name": "title"}).data_source
    rows.add_page({"Name": "old"}, created_at="2024-02-01T00:00:00Z")
    gone = rows.add_page({"Name": "gone"}, created_at="2026-01-01T00:00:00Z")
    bench.sync()
    workspace.trash(gone)
    rows.add_property("New", "number")
    bench.settings = {"start_date": "2025-01-01"}
    landed = bench.sync()["tasks"]
    assert landed.rows_removed == 1
    assert bench.query("SELECT name, new FROM notion.tasks") == [("old", None)]


def test_values_that_do_not_fit_are_null_counted_and_intact(workspace: Workspace, bench: Bench) -> None:
    rows = workspace.add_database("Tasks", {"Name": "title", "Day": "date", "Mail": "email"}).data_source
    rows.add_page({"Name": "odd", "Day": Raw({"start": "0000-01-01", "end": None, "time_zone": None}), "Mail": Raw(7)})
    landed = bench.sync()["tasks"]
    assert (landed.values_not_converted, landed.values_not_computed) == (2, 0)
    assert bench.query(
        "SELECT day, mail, properties->>'$.Mail.email', properties->>'$.Day.date.start' FROM notion.tasks"
    ) == [(None, None, "7", "0000-01-01")]


def test_a_row_beyond_the_cap_on_references_keeps_the_answers_of_the_sync_before(
    workspace: Workspace, bench: Bench
) -> None:
    """References beyond 25 come through another endpoint, in Notion's order, and equal a second time."""
    rows = workspace.add_database(
        "Tasks", {"Name": "title", "Peers": {"type": "relation", "target": "self"}}
    ).data_source
    peers = [rows.add_page({"Name": str(number)}) for number in range(30)]
    page = rows.add_page({"Name": "many", "Peers": peers})
    bench.sync()
    assert bench.query("SELECT peers FROM notion.tasks WHERE id = ?", [page.id]) == [([peer.id for peer in peers],)]
    assert bench.sync("FULL_TABLE")["tasks"].rows_unchanged == 31


def test_streams_and_syncs_tell_what_a_sync_did(workspace: Workspace, bench: Bench) -> None:
    database = workspace.add_database("Tasks", {"Name": "title", "Ä%;": {"type": "number", "id": "a;b%"}})
    database.data_source.add_page({"Name": "one"})
    bench.sync(run_id="first")
    bench.settings = {"sync_type": "FULL_TABLE"}
    bench.sync(run_id="second")
    (stream,) = dicts(bench, "SELECT * FROM _notion_pipeline.streams")
    assert {name: stream[name] for name in ("source", "database_id", "data_source_id", "table_name", "sync_type")} == {
        "source": "notion",
        "database_id": database.id,
        "data_source_id": database.data_source.id,
        "table_name": "tasks",
        "sync_type": "FULL_TABLE",
    }
    assert stream["bookmark"] == datetime(2026, 7, 1, 11, tzinfo=timezone.utc)
    assert stream["last_full_sync_at"] == stream["last_sync_at"]
    assert json.loads(stream["columns"]) == [
        entry("title", "Name", "title", "name", "VARCHAR"),
        entry("a;b%", "Ä%;", "number", "a", "DOUBLE"),
    ]
    first, second = dicts(bench, "SELECT * FROM _notion_pipeline.syncs ORDER BY finished_at")
    assert (first["run_id"], second["run_id"]) == ("first", "second")
    assert (first["sync_type"], second["sync_type"]) == ("INCREMENTAL", "FULL_TABLE")
    assert (first["bookmark_before"], second["bookmark_before"]) == (None, first["bookmark_after"])
    assert first["started_at"] < first["finished_at"] == bench.query("SELECT _synced_at FROM notion.tasks")[0][0]
    assert first["stage_id"] != second["stage_id"]
    assert json.loads(second["schema_changes"]) == []
    counts = ("rows_read", "rows_inserted", "rows_updated", "rows_unchanged", "rows_removed")
    assert [first[name] for name in counts] == [1, 1, 0, 0, 0]
    assert [second[name] for name in counts] == [1, 0, 0, 1, 0]
    assert second["api_requests"] >= 3
    assert second["api_retries"] == 0


def test_bookkeeping_has_the_columns_of_the_contract(workspace: Workspace, bench: Bench) -> None:
    workspace.add_database("Tasks", {"Name": "title"})
    bench.sync()
    columns = "SELECT column_name FROM (DESCRIBE _notion_pipeline.{})"
    assert [row[0] for row in bench.query(columns.format("streams"))] == [
        *("source", "database_id", "data_source_id", "table_name", "sync_type", "bookmark", "schema_fingerprint"),
        *("columns", "last_sync_at", "last_full_sync_at"),
    ]
    assert [row[0] for row in bench.query(columns.format("syncs"))] == [
        *("run_id", "source", "database_id", "data_source_id", "stage_id", "sync_type", "started_at", "finished_at"),
        *(
            "rows_read",
            "rows_inserted",
            "rows_updated",
            "rows_unchanged",
            "rows_removed",
            "api_requests",
            "api_retries",
        ),
        *("bookmark_before", "bookmark_after", "schema_changes", "read", "reason"),
    ]


def test_excluded_property_is_nowhere(workspace: Workspace, bench: Bench) -> None:
    rows = workspace.add_database("Tasks", {"Name": "title", "Salary": "number", "Pay": "number"}).data_source
    rows.add_page({"Name": "one", "Salary": 123456, "Pay": 654321})
    pay = rows.properties["Pay"].encoded_id
    bench.settings = {"streams": {"Tasks": {"exclude_properties": ["Salary", pay]}}}
    bench.sync()
    assert list(bench.columns("tasks")) == ["name"]
    assert holds_nothing_of(bench, "salary", "pay", "123456", "654321")


@pytest.mark.parametrize("deleted_rows", ["remove", "mark"])
def test_property_excluded_later_leaves_the_rows_that_are_not_read_again_too(
    workspace: Workspace, bench: Bench, deleted_rows: str
) -> None:
    rows = workspace.add_database("Tasks", {"Name": "title", "Salary": "number"}).data_source
    rows.add_page({"Name": "old", "Salary": 123456}, created_at="2024-01-01T00:00:00Z")
    gone = rows.add_page({"Name": "gone", "Salary": 123456})
    rows.add_page({"Name": "left", "Salary": 123456})
    bench.settings = {"deleted_rows": deleted_rows}
    bench.sync()
    workspace.trash(gone)
    bench.sync("FULL_TABLE")
    bench.settings["streams"] = {"Tasks": {"exclude_properties": ["Salary"]}}
    bench.settings["start_date"] = "2025-01-01"
    landed = bench.sync()["tasks"]
    assert landed.row_count == (3 if deleted_rows == "mark" else 2)
    assert holds_nothing_of(bench, "123456")
    assert bench.query("SELECT count(*) FROM notion.tasks WHERE properties->>'$.Name.type' = 'title'") == [
        (landed.row_count,)
    ]


def test_several_data_sources_of_a_database_land_in_one_transaction(workspace: Workspace, bench: Bench) -> None:
    database = workspace.add_database("Team", {"Name": "title"}, data_source_name="People")
    database.add_data_source("Skills", {"Skill": "title"}).add_page({"Skill": "sewing"})
    database.data_source.add_page({"Name": "Ada"})
    bench.sync()
    assert bench.query("SELECT name FROM notion.team") == [("Ada",)]
    assert bench.query("SELECT skill FROM notion.team__skills") == [("sewing",)]
    before = bench.query("SELECT * FROM _notion_pipeline.streams ORDER BY ALL")
    workspace.clock.advance(timedelta(hours=1))
    for source in database.data_sources:
        source.add_page({})
    listing, _ = bench.list()
    (read,) = bench.reads(listing)
    # The second one's files are lost before the commit.
    for file in read.extracts[1].stage.directory.glob("*.arrow"):
        file.unlink()
    with pytest.raises(CatalogError, match=r"000000\.arrow"):
        bench.commit(read)
    assert bench.query("SELECT * FROM _notion_pipeline.streams ORDER BY ALL") == before
    assert bench.query("SELECT (SELECT count(*) FROM notion.team), (SELECT count(*) FROM _notion_pipeline.syncs)") == [
        (1, 2)
    ]


def test_failure_after_schema_change_and_merge_leaves_the_old_table(workspace: Workspace, bench: Bench) -> None:
    catalogs.only_in_a_file("a lake changes no column's type by an expression, which makes the commit fail here")
    rows = workspace.add_database("Tasks", {"Name": "title", "Old": "number"}).data_source
    rows.add_page({"Name": "one", "Old": 1})
    bench.sync()
    tables = ["SELECT * FROM notion.tasks", "SELECT * FROM _notion_pipeline.streams", "FROM _notion_pipeline.syncs"]
    before = [bench.query(table) for table in tables]
    rows.remove_property("Old")
    rows.add_property("New", "number")
    rows.add_page({"Name": "two", "New": 2})
    workspace.clock.advance(timedelta(hours=1))
    listing, _ = bench.list()
    (read,) = bench.reads(listing, "FULL_TABLE")
    # History is written last: where it cannot be, all else is done already.
    bench.execute("ALTER TABLE _notion_pipeline.syncs ALTER api_retries TYPE UUID USING NULL")
    with pytest.raises(CatalogError, match="UUID"):
        bench.commit(read)
    bench.execute("ALTER TABLE _notion_pipeline.syncs ALTER api_retries TYPE BIGINT USING NULL")
    assert [bench.query(table) for table in tables[:2]] == before[:2]
    bench.commit(read)
    assert bench.query("SELECT name, new FROM notion.tasks ORDER BY name") == [("one", None), ("two", 2.0)]


def test_table_dropped_by_hand_is_made_again_by_a_full_read(workspace: Workspace, bench: Bench) -> None:
    rows = workspace.add_database("Tasks", {"Name": "title"}).data_source
    rows.add_page({"Name": "one"})
    bench.sync()
    bench.execute("DROP TABLE notion.tasks")
    assert bench.sync()["tasks"].rows_inserted == 1


def test_somebody_elses_table_is_never_touched(workspace: Workspace, bench: Bench) -> None:
    bench.execute(
        "CREATE SCHEMA notion; CREATE TABLE notion.tasks (mine INTEGER); CREATE VIEW notion.people AS SELECT 1 AS a"
    )
    for title in ("Tasks", "People"):
        workspace.add_database(title, {"Name": "title"}).data_source.add_page({"Name": title})
    landed = bench.sync()
    assert len(landed) == 2
    assert not landed.keys() & {"tasks", "people"}
    assert bench.query("SELECT column_name FROM (DESCRIBE notion.tasks)") == [("mine",)]
    assert bench.query("FROM notion.people") == [(1,)]


def test_table_made_between_listing_and_first_sync_is_not_taken_for_ours(workspace: Workspace, bench: Bench) -> None:
    workspace.add_database("Tasks", {"Name": "title"}).data_source.add_page({"Name": "one"})
    listing, _ = bench.list()
    bench.execute("CREATE TABLE notion.tasks (mine INTEGER)")
    (read,) = bench.reads(listing)
    with pytest.raises(CatalogError, match=r"has a table or view notion\.tasks that this pipeline did not make"):
        bench.commit(read)
    (table,) = bench.sync()
    assert table.startswith("tasks_")
    assert bench.query("SELECT column_name FROM (DESCRIBE notion.tasks)") == [("mine",)]


# What no workspace gives on request is staged by hand.


def landed(bench: Bench, extract: Extract) -> LoadResult:
    with bench.catalog.writing() as connection:
        bookkeeping.create_tables(connection)
        if "ds" not in bookkeeping.stream_states(connection, "notion"):
            connection.execute("CREATE SCHEMA IF NOT EXISTS notion")
            name_unlisted(connection, bench.source, "db", "Tasks", [("ds", "Tasks")])
        state = bookkeeping.stream_states(connection, "notion")["ds"]
        noted = bookkeeping.noted_reads(connection, "notion", ["ds"]).get("ds", NotedRead())
        records = CommitRecords(connection)
        result = merge(connection, extract, state, noted, records, run_id="run")
        records.write()
        return result


def test_of_a_row_that_came_twice_the_later_version_wins(bench: Bench, tmp_path: Path) -> None:
    answers = [
        [
            made_page("a", "a, new stamp", "2026-07-01T08:01:00.000Z"),
            made_page("b", "b, first"),
            made_page("c", "c, first of one answer"),
        ],
        [
            made_page("a", "a, old stamp, read later"),
            made_page("b", "b, read later"),
            made_page("c", "c, second answer"),
        ],
        [made_page("c", "c, third answer"), made_page("c", "c, last of one answer")],
    ]
    found = landed(bench, staged_extract(tmp_path, answers))
    assert (found.rows_read, found.row_count) == (3, 3)
    assert bench.query("SELECT name FROM notion.tasks ORDER BY id") == [
        ("a, new stamp",),
        ("b, read later",),
        ("c, last of one answer",),
    ]


def test_page_without_an_id_stops_neither_merge_nor_removal(bench: Bench, tmp_path: Path) -> None:
    landed(bench, staged_extract(tmp_path, [[made_page("a", "a"), made_page("b", "b")]]))
    found = landed(bench, staged_extract(tmp_path / "next", [[made_page("a", "a"), made_page(None, "nobody")]]))
    assert (found.rows_removed, found.rows_inserted) == (1, 0)
    assert bench.query("SELECT id FROM notion.tasks") == [("a",)]


def test_empty_read_makes_an_empty_table(bench: Bench, tmp_path: Path) -> None:
    found = landed(bench, staged_extract(tmp_path, []))
    assert (found.row_count, found.rows_read) == (0, 0)
    assert bench.query("FROM notion.tasks") == []


def entry(property_id: str, name: str, kind: str, column: str, duckdb_type: str) -> dict[str, str]:
    return {
        "property_id": property_id,
        "property_name": name,
        "property_type": kind,
        "column": column,
        "duckdb_type": duckdb_type,
    }


def dicts(bench: Bench, sql: str) -> list[Mapping[str, Any]]:
    with catalogs.reading(bench.folder) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        found = connection.execute(sql)
        names = [column[0] for column in found.description or []]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def holds_nothing_of(bench: Bench, *words: str) -> bool:
    """Whether no table but the history of schema changes holds any of the words."""
    tables = bench.query("SELECT schema_name, table_name FROM duckdb_tables() WHERE table_name <> 'syncs'")
    texts = [
        bench.query(f'SELECT list(row_text)::VARCHAR FROM (SELECT t::VARCHAR AS row_text FROM "{schema}"."{table}" t)')
        for schema, table in tables
    ]
    return not any(word in str(found).lower() for found in texts for word in words)
