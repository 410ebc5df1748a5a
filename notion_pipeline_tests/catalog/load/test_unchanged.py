"""The commit of databases without changes: what it writes, and which databases it leaves to the ordinary commit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from notion_pipeline.catalog import state as bookkeeping
from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.catalog.load.commit import Committed
from notion_pipeline.catalog.load.unchanged import commit_unchanged
from notion_pipeline.defs.commits.group_commit import commit_group
from notion_pipeline.errors import CatalogError
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.http.server import SandboxServer
from notion_pipeline_tests.support.catalog import catalogs
from notion_pipeline_tests.support.sync.bench import Bench

SCHEMA: dict[str, Any] = {
    "Name": "title",
    "Number": "number",
    "Tags": {"type": "multi_select", "options": ["x", "y"]},
    "Peers": {"type": "relation", "target": "self"},
    "Twice": {"type": "formula", "result_type": "number", "compute": lambda page: (page["Number"] or 0) * 2},
    "Sum": {"type": "rollup", "relation": "Peers", "property": "Number", "function": "sum"},
}
#: All that a commit writes besides bookmark and history.
KEPT = (
    "SELECT table_name, schema_fingerprint, columns, last_full_sync_at FROM _notion_pipeline.streams ORDER BY 1",
    "FROM _notion_pipeline.reads ORDER BY data_source_id",
    "SELECT table_name, comment FROM duckdb_tables() WHERE schema_name = 'notion' ORDER BY 1",
    "SELECT table_name, column_name, data_type, comment FROM duckdb_columns() WHERE schema_name = 'notion' "
    "AND table_name <> 'databases' ORDER BY 1, column_index",
    "FROM notion.tasks ORDER BY id",
    "FROM notion.notes ORDER BY id",
)
HISTORY = "SELECT count(*) FROM _notion_pipeline.syncs"


@pytest.fixture
def bench(workspace: Workspace, sandbox: SandboxServer, tmp_path: Path) -> Bench:
    for title in ("Tasks", "Notes"):
        database = workspace.add_database(title, SCHEMA)
        for number in range(3):
            workspace.add_page(database.data_source, {"Name": f"{title} {number}", "Number": number})
    found = Bench(workspace, sandbox.url, tmp_path)
    found.sync()
    found.sync()
    return found


def quiet(bench: Bench) -> dict[str, Committed]:
    """What the quiet commit takes of a sync, by title."""
    bench.workspace.clock.advance(timedelta(hours=1))
    listing, _ = bench.list()
    reads = bench.reads(listing)
    try:
        done = commit_unchanged(bench.catalog, bench.source, reads, "quiet")
        for read in reads:
            for extract in read.extracts:
                extract.stage.remove()
        return {read.title: done[read.database_id] for read in reads if read.database_id in done}
    finally:
        for read in reads:
            read.release()


def test_only_bookmark_and_history_are_written(bench: Bench) -> None:
    before = [bench.query(sql) for sql in KEPT]
    bookmarks = "SELECT table_name, bookmark, last_sync_at FROM _notion_pipeline.streams ORDER BY 1"
    moved = bench.query(bookmarks)
    assert set(quiet(bench)) == {"Tasks", "Notes"}
    assert [bench.query(sql) for sql in KEPT] == before
    for (table, bookmark, at), (same, later, now) in zip(moved, bench.query(bookmarks), strict=True):
        assert (table, bookmark + timedelta(hours=1)) == (same, later)
        assert now > at
    history = bench.query(
        "SELECT rows_read, rows_inserted, read, bookmark_after - bookmark_before FROM _notion_pipeline.syncs "
        "WHERE run_id = 'quiet'"
    )
    assert history == [(0, 0, "incremental", timedelta(hours=1))] * 2


def test_it_tells_the_same_as_the_ordinary_commit(bench: Bench) -> None:
    ordinary = bench.sync()
    for (extract, result), *others in quiet(bench).values():
        assert not others
        assert replace(result, bookmark=extract.stage.bookmark - timedelta(hours=1)) == ordinary[extract.table_name]


def test_it_stays_the_same_again_and_again(bench: Bench) -> None:
    for _ in range(3):
        assert set(quiet(bench)) == {"Tasks", "Notes"}
    bench.workspace.edit_page(next(iter(tasks(bench).data_source.pages)), {"Number": 99})
    assert set(quiet(bench)) == {"Notes"}
    assert bench.sync()["tasks"].rows_updated == 1


def tasks(bench: Bench) -> Any:
    return next(database for database in bench.workspace.databases.values() if database.title == "Tasks")


def force_full_read(bench: Bench) -> None:
    with bench.catalog.writing() as connection:
        bookkeeping.require_full_read(connection, "notion", [tasks(bench).data_source.id])


def retype_column(bench: Bench) -> None:
    catalogs.only_in_a_file("a lake only widens types")
    bench.execute("ALTER TABLE notion.tasks ALTER number TYPE VARCHAR")


CHANGES: dict[str, Callable[[Bench], object]] = {
    "row edited": lambda bench: bench.workspace.edit_page(next(iter(tasks(bench).data_source.pages)), {"Number": 7}),
    "table dropped": lambda bench: bench.execute("DROP TABLE notion.tasks"),
    "column dropped": lambda bench: bench.execute("ALTER TABLE notion.tasks DROP COLUMN number"),
    "column retyped": retype_column,
    "page column dropped": lambda bench: bench.execute("ALTER TABLE notion.tasks DROP COLUMN icon"),
    "full read asked for": force_full_read,
    "database renamed": lambda bench: bench.workspace.rename_database(tasks(bench), "Tasks, renamed"),
    "limits forgotten": lambda bench: bench.execute("UPDATE _notion_pipeline.read_versions SET limits = NULL"),
    "comments of an earlier version": lambda bench: bench.execute(
        "UPDATE _notion_pipeline.read_versions SET comments = 'x'"
    ),
    "rows to be marked from now on": lambda bench: bench.settings.update(deleted_rows="mark"),
    "property excluded": lambda bench: bench.settings.update(streams={"Tasks": {"exclude_properties": ["Number"]}}),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_whatever_is_to_be_written_is_left_to_the_ordinary_commit(
    bench: Bench, change: Callable[[Bench], object]
) -> None:
    change(bench)
    history = bench.query(HISTORY)
    taken = quiet(bench)
    assert not {title for title in taken if title.startswith("Tasks")}
    assert bench.query(HISTORY) == [(history[0][0] + len(taken),)]


def test_what_the_user_added_stays(bench: Bench) -> None:
    bench.execute("ALTER TABLE notion.tasks ADD COLUMN mine INTEGER DEFAULT 7")
    bench.execute("COMMENT ON COLUMN notion.tasks.name IS 'my own words'")
    before = [bench.query(sql) for sql in KEPT]
    assert "Tasks" in quiet(bench)
    assert [bench.query(sql) for sql in KEPT] == before


class _FailsOnce(Catalog):
    """Refuses the first transaction."""

    failed = False

    @contextmanager
    def writing(self, **settings: Any) -> Iterator[duckdb.DuckDBPyConnection]:
        if not self.failed:
            self.failed = True
            raise CatalogError("refused")
        with super().writing(**settings) as connection:
            yield connection


def test_where_they_cannot_be_committed_together_each_is_alone(bench: Bench) -> None:
    bench.workspace.clock.advance(timedelta(hours=1))
    listing, _ = bench.list()
    reads = bench.reads(listing)
    before = bench.query(HISTORY)[0][0]
    catalog = _FailsOnce(bench.catalog.location, log=print)
    done = list(commit_group(catalog, bench.source, reads, "run"))
    assert [len(results) for _, results in done] == [1, 1]
    assert not any(read.failures for read in reads)
    assert bench.query(HISTORY) == [(before + 2,)]
