"""What changes in every row without an edit: it is seen in the schema or the listing, and the rows are read in full."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from notion_pipeline.catalog.read.inventory import synced_tables
from notion_pipeline.catalog.read.overview import catalog_streams
from notion_pipeline.catalog.read.tables import tables_of_database
from notion_pipeline.errors import CatalogError
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.http.server import SandboxServer
from notion_pipeline.sandbox.model.objects import DataSource
from notion_pipeline_tests.support.sync.bench import Bench

pytestmark = pytest.mark.slow


@pytest.fixture
def bench(workspace: Workspace, sandbox: SandboxServer, tmp_path: Path) -> Bench:
    return Bench(workspace, sandbox.url, tmp_path)


@pytest.fixture
def tasks(workspace: Workspace) -> DataSource:
    source = workspace.add_database("Tasks", {"Name": "title", "ID": {"type": "unique_id", "prefix": "TASK"}})
    for number in range(3):
        source.data_source.add_page({"Name": f"Task {number}"})
    return source.data_source


def id_column(bench: Bench) -> str:
    ((columns,),) = bench.query("SELECT columns FROM _notion_pipeline.streams")
    return next(str(column["column"]) for column in json.loads(columns) if column["property_type"] == "unique_id")


@pytest.mark.parametrize(("prefix", "shown"), [("BUG", "BUG-1"), (None, "1"), ("", "1")])
def test_changed_prefix_changes_every_row(
    workspace: Workspace, bench: Bench, tasks: DataSource, prefix: str | None, shown: str
) -> None:
    bench.sync()
    workspace.set_prefix(tasks, "ID", prefix)
    tasks.add_page({"Name": "Task 9"})
    landed = bench.sync()["tasks"]
    column = id_column(bench)
    found = [row[0] for row in bench.query(f'SELECT "{column}" FROM notion.tasks ORDER BY name')]
    assert found[0] == shown
    assert {text.rpartition("-")[0] for text in found} == {shown.rpartition("-")[0]}
    assert [change["kind"] for change in landed.schema_changes] == ["prefix_changed"]
    assert landed.rows_updated == 3
    assert bench.sync()["tasks"].rows_read == 0


def test_catalog_of_before_the_prefix_was_noted_is_not_read_in_full_for_it(
    workspace: Workspace, bench: Bench, tasks: DataSource
) -> None:
    bench.sync()
    bench.execute(
        "UPDATE _notion_pipeline.read_versions SET schema = json(replace(schema::VARCHAR, '\"prefix\"', '\"older\"')); "
        "UPDATE _notion_pipeline.read_versions SET schema_fingerprint = 'older'"
    )
    landed = bench.sync()["tasks"]
    assert (landed.rows_read, landed.schema_changes) == (0, ())


def move(workspace: Workspace, bench: Bench, tasks: DataSource) -> tuple[str, str]:
    """Moves the data source to another database, which has one of its own; ids of the old and the new one."""
    old = tasks.database
    old.add_data_source("Left behind", {"Name": "title"})
    new = workspace.add_database("Work", {"Name": "title"})
    bench.sync()
    workspace.move_data_source(tasks, new)
    return old.id, new.id


def test_data_source_that_moved_has_its_new_owner_everywhere(
    workspace: Workspace, bench: Bench, tasks: DataSource
) -> None:
    old, new = move(workspace, bench, tasks)
    bench.list()
    assert owners(bench)[tasks.id] == new
    with bench.catalog.reading() as connection:
        assert set(tables_of_database(connection, "notion", new)) == {"tasks", "work"}
        assert "tasks" not in tables_of_database(connection, "notion", old)
        tables = {table.name: (table.database_id, table.title) for table in synced_tables(connection, "notion")}
        assert tables["tasks"] == (new, "Work")
        streams = {stream.id: stream for stream in catalog_streams(connection, "notion") or []}
        assert "tasks" in {table.table for table in streams[new].tables}
        assert "tasks" not in {table.table for table in streams[old].tables}


def test_rows_of_a_data_source_that_moved_name_their_new_database(
    workspace: Workspace, bench: Bench, tasks: DataSource
) -> None:
    """Their parent changed, and no stamp of theirs."""
    _old, new = move(workspace, bench, tasks)
    landed = bench.sync()["tasks"]
    assert landed.rows_updated == 3
    assert bench.query("SELECT DISTINCT parent ->> 'database_id' FROM notion.tasks") == [(new,)]
    assert any("moved to another database" in line for line in bench.lines)
    assert bench.sync()["tasks"].rows_read == 0


def test_owner_is_right_after_a_sync_that_no_listing_preceded(
    workspace: Workspace, bench: Bench, tasks: DataSource
) -> None:
    old, new = move(workspace, bench, tasks)
    listing, _ = bench.list()
    bench.execute(
        f"UPDATE _notion_pipeline.stream_versions SET database_id = '{old}' WHERE data_source_id = '{tasks.id}'"
    )
    bench.execute("DELETE FROM _notion_pipeline.full_read_versions")
    for read in bench.reads(listing):
        bench.commit(read)
    assert owners(bench)[tasks.id] == new
    assert bench.query("SELECT DISTINCT parent ->> 'database_id' FROM notion.tasks") == [(new,)]
    assert any(line.endswith("since it moved to another database.") for line in bench.lines)


def test_database_without_data_sources_keeps_no_table(workspace: Workspace, bench: Bench, tasks: DataSource) -> None:
    old, new = tasks.database, workspace.add_database("Work", {"Name": "title"})
    bench.sync()
    workspace.move_data_source(tasks, new)
    listing, _ = bench.list()
    assert [(failure.id, failure.data_sources) for failure in listing.failures] == [(old.id, ())]
    with bench.catalog.reading() as connection, pytest.raises(CatalogError):
        tables_of_database(connection, "notion", old.id)
    assert bench.query("SELECT data_sources FROM notion.databases WHERE id = ?", [old.id]) in ([([],)], [(None,)])


def owners(bench: Bench) -> dict[str, Any]:
    return dict(bench.query("SELECT data_source_id, database_id FROM _notion_pipeline.streams"))
