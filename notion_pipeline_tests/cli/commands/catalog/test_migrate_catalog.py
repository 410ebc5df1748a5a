"""`migrate-catalog`: a catalog in another place, whole, compared, and gone on with from there."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.catalog.migrate.copying import prepare
from notion_pipeline.catalog.migrate.target import Progress, mark
from notion_pipeline.config.fields.catalog_location import CatalogLocation, location_of
from notion_pipeline.config.shared_state import project_state
from notion_pipeline.listing.changes.committed import load_committed
from notion_pipeline.project import Project
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline_tests.support.catalog import catalogs
from notion_pipeline_tests.support.catalog.lakehouse import HAS_DUCKLAKE, needs_ducklake
from notion_pipeline_tests.support.catalog.small_catalog import SMALL, everything
from notion_pipeline_tests.support.commands import Commands
from notion_pipeline_tests.support.processes.postgres import programs
from notion_pipeline_tests.support.sandbox.full_workspace import full_workspace

#: What a lake is kept in here; the test session's PostgreSQL where there is one.
LAKES = [*(["lake"] if HAS_DUCKLAKE else []), *(["postgres"] if HAS_DUCKLAKE and programs() else [])]


def place(folder: Path, kind: str, name: str) -> tuple[str, list[str]]:
    """A place as the command takes it, and its options."""
    if kind == "file":
        return f"{name}.duckdb", []
    files = ["--data-path", f"{name}_files"]
    if kind == "lake":
        return f"ducklake:{name}.ducklake", files
    return f"ducklake:postgres:{catalogs.session.database(folder / name)}", files


def located(folder: Path, where: tuple[str, list[str]]) -> CatalogLocation:
    return location_of(where[0], where[1][1] if where[1] else None, lambda path: folder / path)


def opened(folder: Path, where: tuple[str, list[str]]) -> Catalog:
    return Catalog(located(folder, where), log=print, wait_seconds=5.0)


@pytest.fixture
def workspace() -> Workspace:
    found = full_workspace()
    found.clock.advance(timedelta(hours=1))
    return found


@pytest.fixture
def commands(project: Project) -> Commands:
    """A synced workspace with everything in it, content and flat views."""
    if catalogs.session.kind != "file":
        pytest.skip("each test says where its catalogs are")
    found = Commands(project)
    found.configure(configured("catalog: catalog.duckdb"))
    found.ok("sync", "--content")
    found.ok("views")
    return found


def configured(*lines: str) -> str:
    source = "sources: [{name: notion, account: {type: token}, content: {comments: true}}]"
    return "\n".join([*lines, source, ""])


def told_lines(output: str) -> list[str]:
    """What the command says that sources.yaml has from now on."""
    return [line.strip() for line in output.splitlines() if line.startswith("    ")]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["file", *LAKES])
def test_there_and_back_is_equal_and_nothing_is_read_again(commands: Commands, workspace: Workspace, kind: str) -> None:
    root = commands.project.root
    old, up, back = place(root, "file", "catalog"), place(root, kind, "moved"), place(root, "file", "back")
    commands.ok("sync", "--content")
    quiet = requests_of(workspace, lambda: commands.ok("sync", "--content"))
    before, bytes_before = everything(opened(root, old)), (root / old[0]).read_bytes()
    there = commands.ok("migrate-catalog", old[0], up[0], *up[1], "--yes")
    assert (root / old[0]).read_bytes() == bytes_before
    assert everything(opened(root, up)) == before
    again = commands.ok("migrate-catalog", up[0], back[0], "--yes")
    assert everything(opened(root, back)) == before
    for output in (there, again):
        commands.configure(configured(*told_lines(output)))
        assert requests_of(workspace, lambda: commands.ok("sync", "--content")) == quiet
    with duckdb.connect(str(root / back[0]), read_only=True) as connection:
        kinds = connection.execute(
            "SELECT DISTINCT lower(compression) FROM pragma_storage_info('notion.everything') "
            "WHERE column_name = 'properties' AND segment_type <> 'VALIDITY'"
        ).fetchall()
        versions = connection.execute(
            "SELECT tags['storage_version'] FROM duckdb_databases() WHERE database_name = 'back'"
        ).fetchall()
    assert kinds == [("zstd",)]
    assert versions[0][0].startswith("v1.5")


@pytest.mark.slow
def test_sensor_knows_what_the_copy_holds(project: Project) -> None:
    if catalogs.session.kind != "file":
        pytest.skip("the test says where its catalogs are")
    commands = Commands(project)
    commands.configure("catalog: catalog.duckdb\nsources: [{name: notion, account: {type: token}}]\n")
    commands.ok("sync")
    root, state = project.root, project_state(project)
    committed = load_committed(state, "notion", root / "catalog.duckdb")
    assert committed
    commands.ok("migrate-catalog", "catalog.duckdb", "moved.duckdb", "--yes")
    commands.ok("migrate-catalog", "moved.duckdb", "again.duckdb", "--yes")
    for name in ("catalog", "moved", "again"):
        assert load_committed(state, "notion", root / f"{name}.duckdb") == committed
    assert load_committed(state, "notion", root / "another.duckdb") == {}
    # The copies that no run goes on with are not vouched for any longer.
    commands.configure("catalog: moved.duckdb\nsources: [{name: notion, account: {type: token}}]\n")
    commands.ok("sync")
    assert load_committed(state, "notion", root / "moved.duckdb").keys() == committed.keys()
    assert load_committed(state, "notion", root / "again.duckdb") == {}


def requests_of(workspace: Workspace, call: Callable[[], object]) -> list[tuple[str, str]]:
    start = len(workspace.requests)
    call()
    return sorted((request.method, request.path) for request in workspace.requests[start:])


@pytest.fixture
def small(project: Project) -> Commands:
    """A project whose catalog holds one of everything that a user can declare."""
    if catalogs.session.kind != "file":
        pytest.skip("each test says where its catalogs are")
    with duckdb.connect(str(project.root / "small.duckdb")) as connection:
        connection.execute(SMALL)
    found = Commands(project)
    found.configure("catalog: small.duckdb\n")
    return found


def test_file_keeps_every_declaration(small: Commands) -> None:
    output = small.ok("migrate-catalog", "small.duckdb", "copy.duckdb", "--yes")
    assert "macro mine.twice: stays behind" in output
    assert told_lines(output) == ["catalog: copy.duckdb"]
    with duckdb.connect(str(small.project.root / "copy.duckdb"), read_only=True) as connection:
        (children,) = connection.execute("SELECT sql FROM duckdb_tables() WHERE table_name = 'children'").fetchone()
        assert connection.execute("SELECT count(*) FROM duckdb_indexes()").fetchall() == [(1,)]
        assert connection.execute(
            "SELECT comment FROM duckdb_columns() WHERE table_name = 'z' AND column_name = 'id'"
        ).fetchall() == [("its id",)]
        assert connection.execute("SELECT first FROM notion_views.a ORDER BY 1").fetchall() == [(1,), (2,)]
        assert connection.execute("SELECT source FROM _notion_pipeline.streams").fetchall() == [("notion",)]
        schemas = {row[0] for row in connection.execute("SELECT schema_name FROM duckdb_schemas()").fetchall()}
    for declared in ("GENERATED ALWAYS AS", "ENUM('a', 'b')", "UNION(", "FLOAT[2]", "FOREIGN KEY", "NOT NULL"):
        assert declared in children
    assert "_notion_pipeline_copy" not in schemas


@needs_ducklake
def test_what_a_lake_cannot_have_is_told_before_anything_is_done(small: Commands) -> None:
    arguments = ("migrate-catalog", "small.duckdb", "ducklake:x.ducklake", "--data-path", "files")
    refused = small.run(*arguments)
    assert refused.exit_code == 1
    for line in (
        "notion.parents: PRIMARY KEY (",
        "notion.parents: UNIQUE (",
        "notion.parents: CHECK(",
        "notion.children: FOREIGN KEY (id)",
        "notion.children: index by_mood: left out",
        "notion.children.next: GENERATED ALWAYS AS",
        "notion.children.mood: ENUM('a', 'b'): becomes VARCHAR",
        "notion.children.either: UNION(i INTEGER, s VARCHAR): becomes JSON",
        "notion.children.vector: FLOAT[2]: becomes FLOAT[]",
        "notion.children.large: HUGEINT: becomes VARCHAR",
        "notion.children.list: DEFAULT",
        "comments on columns of views (notion_views.z): left out",
        "macro mine.twice: stays behind",
    ):
        assert f"  {line}" in refused.stdout
    assert "Nothing was changed" in refused.stderr
    assert not (small.project.root / "x.ducklake").exists()
    done = small.run(*arguments, "--yes")
    assert done.exit_code == 0, done.output
    assert "The view mine.broken could not be made" in done.stderr
    with opened(small.project.root, ("ducklake:x.ducklake", ["--data-path", "files"])).reading() as connection:
        assert connection is not None
        assert connection.execute("FROM notion.children ORDER BY id").fetchall() == [
            (1, 2, "a", '{"i":3}', [1.0, 2.0], 1, [], str(2**127 - 1), {"x y": ["q"]}),
            (2, 3, None, '{"s":"x"}', None, 5, None, None, None),
        ]
        assert connection.execute("SELECT first FROM notion_views.a ORDER BY 1").fetchall() == [(1,), (2,)]
        assert connection.execute("SELECT source FROM _notion_pipeline.streams").fetchall() == [("notion",)]


def test_finished_copy_is_told_of_and_left_alone(small: Commands) -> None:
    small.ok("migrate-catalog", "small.duckdb", "copy.duckdb", "--yes")
    copy = small.project.root / "copy.duckdb"
    before = copy.read_bytes()
    assert "holds all of" in small.ok("migrate-catalog", "small.duckdb", "copy.duckdb")
    assert copy.read_bytes() == before


def test_another_catalog_is_never_touched(small: Commands) -> None:
    other = small.project.root / "other.duckdb"
    with duckdb.connect(str(other)) as connection:
        connection.execute("CREATE TABLE mine (a INTEGER)")
    before = other.read_bytes()
    assert "holds something else" in small.fails("migrate-catalog", "small.duckdb", "other.duckdb", "--yes")
    assert other.read_bytes() == before
    small.ok("migrate-catalog", "small.duckdb", "copy.duckdb", "--yes")
    with duckdb.connect(str(small.project.root / "copy.duckdb")) as connection:
        connection.execute("INSERT INTO notion.parents VALUES (3, 'new')")
    assert "holds something else" in small.fails("migrate-catalog", "small.duckdb", "copy.duckdb", "--yes")


def test_copy_of_another_catalog_is_not_gone_on_with(small: Commands) -> None:
    root = small.project.root
    Catalog(root / "copy.duckdb", log=print).commit(
        lambda connection: mark(connection, Catalog(root / "another.duckdb", log=print))
    )
    assert "unfinished copy of" in small.fails("migrate-catalog", "small.duckdb", "copy.duckdb", "--yes")
    assert "is an unfinished copy" in small.fails("migrate-catalog", "copy.duckdb", "next.duckdb", "--yes")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nowhere.duckdb", "b.duckdb"), "There is no catalog"),
        (("small.duckdb", "../project/small.duckdb"), "the same catalog"),
        (("small.duckdb", "notion.duckdb"), 'the name of source "notion"'),
        (("small.duckdb", "b.duckdb", "--data-path", "x"), "--data-path is for a lake"),
        (("small.duckdb", "ducklake:postgres:dbname=x"), "needs a folder"),
        (("small.duckdb", "ducklake:postgres:dbname=x password=s3cret", "--data-path", "x"), "found a password"),
        (("small.duckdb", "nowhere/b.duckdb"), "folder does not exist"),
    ],
)
def test_places_that_cannot_be(small: Commands, arguments: tuple[str, ...], said: str) -> None:
    output = small.fails("migrate-catalog", *arguments, "--yes")
    assert said in output
    assert "s3cret" not in output


def test_what_the_environment_says_wins(small: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTION_PIPELINE_CATALOG", "small.duckdb")
    assert "NOTION_PIPELINE_CATALOG is set and wins" in small.ok(
        "migrate-catalog", "small.duckdb", "copy.duckdb", "--yes"
    )


KILLED = """
import os, signal, sys
from notion_pipeline.cli import main
from notion_pipeline.catalog.connection import Catalog
left = int(sys.argv.pop(1))
plain = Catalog._transaction
def transaction(self, *options):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return plain(self, *options)
Catalog._transaction = transaction
main(prog_name="notion-pipeline")
"""


@pytest.mark.long
@pytest.mark.parametrize("kind", ["file", *LAKES])
def test_killed_before_every_commit_it_ends_equal(small: Commands, kind: str) -> None:
    root = small.project.root
    target = place(root, kind, "copy")
    arguments = ["migrate-catalog", "small.duckdb", target[0], *target[1], "--yes"]
    codes = []
    for commits in range(20):
        command = [sys.executable, "-c", KILLED, str(commits), *arguments]
        codes.append(subprocess.run(command, cwd=root, capture_output=True, check=False).returncode)
        if codes[-1] == 0:
            break
    assert set(codes[:-1]) == {-signal.SIGKILL}
    assert codes[-1] == 0
    source, copied = opened(root, place(root, "file", "small")), opened(root, target)
    assert prepare(source, copied).progress is Progress.FINISHED
    assert json.dumps(sorted(everything(copied))) == json.dumps(sorted(set(everything(source)) - {"mine.broken"}))
