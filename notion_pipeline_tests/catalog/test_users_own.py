"""What the user put on our tables outlives syncs, or is named by the message that says why one stopped."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from notion_pipeline.catalog.load.commit import commit_database
from notion_pipeline.errors import CatalogError
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.http.server import SandboxServer
from notion_pipeline.sandbox.model.objects import DataSource
from notion_pipeline_tests.support.sync.bench import Bench

pytestmark = [pytest.mark.slow, pytest.mark.long]


BOTH = pytest.mark.parametrize("sync_type", ["INCREMENTAL", "FULL_TABLE"])
#: A change of the schema that adds a column, and those that have the table made anew.
CHANGES = pytest.mark.parametrize("change", ["added", "renamed", "retyped", "removed", "marked"])


@pytest.fixture
def bench(workspace: Workspace, sandbox: SandboxServer, tmp_path: Path) -> Bench:
    return Bench(workspace, sandbox.url, tmp_path)


@pytest.fixture
def tasks(workspace: Workspace, bench: Bench) -> DataSource:
    """Two rows, synced once."""
    source = workspace.add_database("Tasks", {"Name": "title", "Effort": "number", "Note": "rich_text"}).data_source
    source.add_page({"Name": "one", "Effort": 1, "Note": "n1"})
    source.add_page({"Name": "two", "Effort": 2, "Note": "n2"})
    bench.sync()
    return source


def make(change: str, tasks: DataSource, bench: Bench) -> None:
    if change == "added":
        tasks.add_property("Due", "date")
    elif change == "renamed":
        tasks.rename_property("Effort", "Days")
    elif change == "retyped":
        tasks.retype_property("Effort", "rich_text")
    elif change == "removed":
        tasks.remove_property("Effort")
    else:
        bench.settings["deleted_rows"] = "mark"


@CHANGES
@BOTH
def test_own_column_stays_with_values_default_and_comment(
    tasks: DataSource, bench: Bench, sync_type: str, change: str
) -> None:
    bench.execute("ALTER TABLE notion.tasks ADD COLUMN reviewed VARCHAR DEFAULT 'no'")
    bench.execute("UPDATE notion.tasks SET reviewed = 'by ' || name")
    bench.execute("COMMENT ON COLUMN notion.tasks.reviewed IS 'ours'")
    bench.sync(sync_type)
    make(change, tasks, bench)
    bench.workspace.edit_page(tasks.pages[0], {"Note": "edited"})
    tasks.add_page({"Name": "three"})
    bench.sync(sync_type)
    bench.sync(sync_type)
    assert bench.query("SELECT name, note, reviewed FROM notion.tasks ORDER BY name") == [
        ("one", "edited", "by one"),
        ("three", "", "no"),
        ("two", "n2", "by two"),
    ]
    found = bench.query(
        "SELECT comment, column_default FROM duckdb_columns() WHERE table_name = 'tasks' AND column_name = 'reviewed'"
    )
    assert found == [("ours", "'no'")]


def test_property_of_an_own_columns_name_gets_a_column_beside_it(tasks: DataSource, bench: Bench) -> None:
    bench.execute("ALTER TABLE notion.tasks ADD COLUMN due VARCHAR")
    bench.execute("UPDATE notion.tasks SET due = 'mine'")
    tasks.add_property("Due", {"type": "rich_text"})
    tasks.add_page({"Name": "three", "Due": "theirs"})
    bench.sync()
    bench.sync("FULL_TABLE")
    other = "due_" + tasks.properties["Due"].id.encode().hex()
    assert bench.query(f'SELECT name, due, "{other}" FROM notion.tasks ORDER BY name') == [
        ("one", "mine", ""),
        ("three", None, "theirs"),
        ("two", "mine", ""),
    ]


@CHANGES
def test_index_and_key_stay(tasks: DataSource, bench: Bench, change: str) -> None:
    bench.execute("ALTER TABLE notion.tasks ADD PRIMARY KEY (id)")
    bench.execute('CREATE UNIQUE INDEX "by name" ON notion.tasks (name, note)')
    bench.execute("CREATE INDEX lowered ON notion.tasks (lower(name))")
    make(change, tasks, bench)
    bench.workspace.edit_page(tasks.pages[0], {"Note": "edited"})
    bench.sync("FULL_TABLE")
    assert bench.query("SELECT index_name, is_unique FROM duckdb_indexes() ORDER BY 1") == [
        ("by name", True),
        ("lowered", False),
    ]
    assert bench.query("SELECT constraint_text FROM duckdb_constraints() WHERE constraint_type = 'PRIMARY KEY'") == [
        ("PRIMARY KEY(id)",)
    ]
    assert bench.query("SELECT name, note FROM notion.tasks ORDER BY 1") == [("one", "edited"), ("two", "n2")]


def test_index_and_key_follow_a_renamed_column(tasks: DataSource, bench: Bench) -> None:
    bench.execute("CREATE INDEX efforts ON notion.tasks (effort, name)")
    tasks.rename_property("Effort", "Days of work")
    bench.sync()
    ((sql,),) = bench.query("SELECT sql FROM duckdb_indexes()")
    assert "days_of_work" in sql
    tasks.rename_property("Days of work", "Effort")
    bench.sync()
    ((sql,),) = bench.query("SELECT sql FROM duckdb_indexes()")
    assert "days_of_work" not in sql


def test_index_that_cannot_be_kept_stops_its_table_and_is_named(
    tasks: DataSource, workspace: Workspace, bench: Bench
) -> None:
    other = workspace.add_database("Other", {"Name": "title"}).data_source
    bench.sync()
    bench.execute("CREATE INDEX efforts ON notion.tasks (effort)")
    tasks.remove_property("Effort")
    other.add_page({"Name": "lands"})
    failures = land_each(bench, "FULL_TABLE")
    assert set(failures) == {"tasks"}
    assert 'The index "efforts" on notion.tasks cannot be kept: ' in failures["tasks"]
    assert "effort" in failures["tasks"]
    assert "disk" not in failures["tasks"]
    assert bench.query("SELECT name, effort FROM notion.tasks ORDER BY 1") == [("one", 1.0), ("two", 2.0)]
    assert bench.query("SELECT name FROM notion.other") == [("lands",)]
    # What the message says to do is what helps.
    bench.execute("DROP INDEX notion.efforts")
    bench.sync("FULL_TABLE")
    assert list(bench.columns("tasks")) == ["name", "note"]


@pytest.mark.parametrize("change", ["renamed", "retyped", "removed"])
def test_foreign_key_that_is_in_the_way_stops_its_table_and_is_named(
    tasks: DataSource, workspace: Workspace, bench: Bench, change: str
) -> None:
    other = workspace.add_database("Other", {"Name": "title"}).data_source
    bench.sync()
    refer_to_tasks(bench)
    make(change, tasks, bench)
    other.add_page({"Name": "lands"})
    failures = land_each(bench, "FULL_TABLE")
    assert set(failures) == {"tasks"}
    assert "a foreign key of the table notion.mine" in failures["tasks"]
    assert "Could not drop the table because this table is main key table" in failures["tasks"]
    assert "disk" not in failures["tasks"]
    assert bench.query("SELECT name FROM notion.other") == [("lands",)]
    bench.execute("DROP TABLE notion.mine")
    bench.sync("FULL_TABLE")


def test_foreign_key_is_no_hindrance_to_new_rows(tasks: DataSource, bench: Bench) -> None:
    refer_to_tasks(bench)
    tasks.add_page({"Name": "three"})
    bench.sync("FULL_TABLE")
    assert bench.query("SELECT count(*) FROM notion.tasks") == [(3,)]
    assert bench.query("SELECT count(*) FROM notion.mine") == [(2,)]


def test_row_that_a_foreign_key_holds_is_named_when_it_is_to_go(
    tasks: DataSource, workspace: Workspace, bench: Bench
) -> None:
    refer_to_tasks(bench)
    workspace.trash(tasks.pages[0])
    failures = land_each(bench, "FULL_TABLE")
    assert "a foreign key of the table notion.mine" in failures["tasks"]
    assert "Violates foreign key constraint" in failures["tasks"]


def test_own_column_that_must_not_be_null_is_named(tasks: DataSource, bench: Bench) -> None:
    bench.execute("ALTER TABLE notion.tasks ADD COLUMN must INTEGER")
    bench.execute("UPDATE notion.tasks SET must = 1")
    bench.execute("ALTER TABLE notion.tasks ALTER must SET NOT NULL")
    tasks.add_property("Due", "date")
    bench.sync()
    tasks.add_page({"Name": "three"})
    failures = land_each(bench)
    assert "the column must NOT NULL" in failures["tasks"]
    assert "NOT NULL constraint failed" in failures["tasks"]
    bench.execute("ALTER TABLE notion.tasks ALTER must SET DEFAULT 7")
    bench.sync()
    assert bench.query("SELECT must FROM notion.tasks ORDER BY name") == [(1,), (7,), (1,)]


def test_index_goes_along_when_sources_yaml_renames_a_table(tasks: DataSource, bench: Bench) -> None:
    bench.execute('CREATE INDEX "the notes" ON notion.tasks (note)')
    bench.execute("COMMENT ON INDEX notion.\"the notes\" IS 'mine'")
    bench.settings["streams"] = {"Tasks": {"table": "To do"}}
    bench.sync()
    # DuckDB 1.5 leaves a file unreadable whose table was renamed together with an index.
    name = "tasks" if duckdb.__version__.startswith("1.") else "To do"
    assert bench.query("SELECT table_name, index_name, comment FROM duckdb_indexes()") == [(name, "the notes", "mine")]
    assert bench.tables() == {"databases", name}
    assert (name == "tasks") == any("leaves the file unreadable" in line for line in bench.lines)


def test_table_that_cannot_be_renamed_keeps_its_name_and_says_why(
    tasks: DataSource, workspace: Workspace, bench: Bench
) -> None:
    workspace.add_database("Other", {"Name": "title"})
    bench.sync()
    refer_to_tasks(bench)
    bench.settings["streams"] = {"Tasks": {"table": "todos"}, "Other": {"table": "others"}}
    tasks.add_page({"Name": "three"})
    bench.sync()
    assert bench.tables() == {"databases", "mine", "tasks", "others"}
    assert bench.query("SELECT count(*) FROM notion.tasks") == [(3,)]
    (said,) = {line for line in bench.lines if "keeps its name" in line}
    assert 'notion.tasks keeps its name, though sources.yaml calls it "todos"' in said
    assert "Cannot alter entry" in said
    assert "notion.mine" in said
    bench.execute("DROP TABLE notion.mine")
    bench.sync()
    assert bench.tables() == {"databases", "todos", "others"}


def test_macros_that_a_renaming_breaks_are_named_and_no_others(tasks: DataSource, bench: Bench) -> None:
    bench.execute(
        """
        CREATE SCHEMA reports;
        CREATE MACRO reports.open_over(x) AS TABLE SELECT * FROM notion.tasks WHERE effort > x;
        CREATE MACRO reports.most(x) AS (SELECT max(effort) + x FROM notion."tasks");
        CREATE MACRO reports.several(x) AS x + 1, (x, y) AS (SELECT max(effort) + x + y FROM notion.tasks);
        CREATE MACRO reports.twice(x) AS 2 * reports.most(x);
        CREATE VIEW reports.by_macro AS SELECT reports.twice(1) AS a;
        CREATE VIEW reports.by_table_macro AS SELECT * FROM reports.open_over(1);
        CREATE MACRO reports.other(x) AS (SELECT count(*) + x FROM notion.databases);
        CREATE MACRO reports.plain(most) AS most + 1;
        """
    )
    bench.settings["streams"] = {"Tasks": {"table": "todos"}}
    bench.sync()
    (said,) = {line for line in bench.lines if "make them again" in line}
    assert said.split("make them again: ")[1] == (
        "reports.by_macro, reports.by_table_macro, reports.most(), reports.open_over(), reports.several(), "
        "reports.twice()."
    )


def test_views_that_a_renaming_breaks_are_named_and_no_others(tasks: DataSource, bench: Bench) -> None:
    bench.execute(
        """
        CREATE SCHEMA reports;
        CREATE VIEW reports.open AS SELECT * FROM notion.tasks WHERE effort > 1;
        CREATE VIEW reports."of a view (x" (a, b) AS WITH t AS (SELECT name, note FROM reports.open) SELECT * FROM t;
        CREATE VIEW reports.databases AS SELECT title, 'notion.tasks' AS b FROM notion.databases;
        CREATE TABLE reports.tasks (a INTEGER);
        CREATE VIEW reports.mine AS SELECT * FROM reports.tasks;
        """
    )
    bench.settings["streams"] = {"Tasks": {"table": "todos"}}
    bench.sync()
    (said,) = {line for line in bench.lines if "make them again" in line}
    assert said.endswith("make them again: reports.of a view (x, reports.open.")
    assert any("notion.tasks is called notion.todos now" in line for line in bench.lines)
    bench.lines.clear()
    bench.sync()
    assert not [line for line in bench.lines if "make them again" in line or "is called" in line]


@pytest.mark.parametrize("taken_by", ["a view", "a database"])
def test_wished_name_that_is_taken_is_said(
    tasks: DataSource, workspace: Workspace, bench: Bench, taken_by: str
) -> None:
    if taken_by == "a view":
        bench.execute("CREATE VIEW notion.todos AS SELECT 1 AS a")
    else:
        workspace.add_database("Todos", {"Name": "title"})
        bench.sync()
    bench.settings["streams"] = {"Tasks": {"table": "todos"}}
    bench.sync()
    said = {line for line in bench.lines if "is taken by" in line}
    assert len(said) == 1
    assert 'Database "Tasks": the table name "notion"."todos" in sources.yaml is taken' in next(iter(said))
    expected = "a table or view that is not ours" if taken_by == "a view" else "the table of database"
    assert expected in next(iter(said))


@pytest.mark.parametrize(("name", "is_said"), [("order", True), ("to do", True), ("2024", True), ("todos", False)])
def test_wished_name_that_sql_takes_in_quotes_only_is_said(
    tasks: DataSource, bench: Bench, name: str, is_said: bool
) -> None:
    bench.settings["streams"] = {"Tasks": {"table": name}}
    bench.sync()
    said = [line for line in bench.lines if "needs double quotes" in line]
    assert bool(said) == is_said
    if said:
        query = said[0].split(": ")[-1].rstrip(".")
        assert len(bench.query(query)) == 2


def test_own_column_on_the_list_of_databases_stays(tasks: DataSource, bench: Bench) -> None:
    bench.execute("ALTER TABLE notion.databases ADD COLUMN owner VARCHAR")
    bench.execute("UPDATE notion.databases SET owner = 'me'")
    tasks.add_property("Due", "date")
    bench.workspace.add_database("Other", {"Name": "title"})
    bench.sync()
    assert bench.query("SELECT title, owner FROM notion.databases ORDER BY 1") == [("Other", None), ("Tasks", "me")]


def refer_to_tasks(bench: Bench) -> None:
    bench.execute("ALTER TABLE notion.tasks ADD PRIMARY KEY (id)")
    bench.execute("CREATE TABLE notion.mine (task VARCHAR REFERENCES notion.tasks (id))")
    bench.execute("INSERT INTO notion.mine SELECT id FROM notion.tasks")


def land_each(bench: Bench, sync_type: str | None = None) -> dict[str, str]:
    """Syncs as a run does, one database after the other; the messages of those that failed, by table."""
    bench.workspace.clock.advance(timedelta(hours=1))
    listing, streams = bench.list()
    tables = {stream.id: stream.tables[0].removeprefix("notion.") for stream in streams}
    failures = {}
    for read in bench.reads(listing, sync_type):
        try:
            for extract, _ in commit_database(bench.catalog, bench.source, read, "run"):
                extract.stage.remove()
        except CatalogError as error:
            failures[tables[read.database_id]] = str(error)
        finally:
            read.release()
    return failures
