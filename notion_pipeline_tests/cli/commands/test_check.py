"""`notion-pipeline check`: a line for each thing that a sync needs, and what is worth knowing below it."""

from __future__ import annotations

from pathlib import Path

import pytest

from notion_pipeline.project import Project
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline_tests.support.catalog import catalogs
from notion_pipeline_tests.support.commands import Commands
from notion_pipeline_tests.support.processes.s3 import s3_place

pytestmark = pytest.mark.slow


@pytest.fixture
def commands(project: Project, workspace: Workspace) -> Commands:
    for title in ("Tasks", "Notes"):
        workspace.add_database(title, {"Name": "title"}).data_source.add_page({"Name": "one"})
    return Commands(project)


def lines(output: str) -> dict[str, tuple[str, str]]:
    """Status and text of each check."""
    found = [line.split(maxsplit=2) for line in output.splitlines() if not line.startswith(" ")]
    return {name: (status, text) for status, name, text in found}


def named(workspace: Workspace, title: str) -> str:
    return next(database.id for database in workspace.databases.values() if database.title == title)


def test_all_is_well_before_and_after_the_first_sync(commands: Commands, project: Project) -> None:
    found = lines(commands.ok("check"))
    assert list(found) == ["config", "credentials", "access", "catalog"]
    assert {status for status, _ in found.values()} == {"ok"}
    assert "token in NOTION_TOKEN, workspace" in found["credentials"][1]
    assert "2 databases can be seen, 2 selected" in found["access"][1]
    assert "the first sync makes it" in found["catalog"][1]
    assert not (project.root / "catalog.duckdb").exists()
    commands.ok("sync")
    output = commands.ok("check")
    assert "2 tables, 2 rows" in lines(output)["catalog"][1]
    assert "note:" not in output


def test_broken_config_fails_and_ends_the_check(commands: Commands) -> None:
    commands.configure("sources: [{name: notion, acount: {type: token}}]")
    result = commands.run("check")
    assert result.exit_code == 1
    found = lines(result.stdout)
    assert found["config"][0] == "FAIL"
    assert 'acount: unknown key, nearest is "account"' in found["config"][1]
    assert [found[name][0] for name in ("credentials", "access", "catalog")] == ["-", "-", "-"]
    assert "1 of 1 checks failed" in result.stderr


@pytest.mark.parametrize(("token", "reason"), [("", "NOTION_TOKEN is not set"), ("ntn_wrong_token_here", "401")])
def test_bad_credentials_fail(commands: Commands, monkeypatch: pytest.MonkeyPatch, token: str, reason: str) -> None:
    monkeypatch.setenv("NOTION_TOKEN", token)
    result = commands.run("check")
    found = lines(result.stdout)
    assert result.exit_code == 1
    assert (found["credentials"][0], found["access"][0], found["catalog"][0]) == ("FAIL", "-", "ok")
    assert reason in found["credentials"][1]
    assert "ntn_wrong" not in result.output


def test_nothing_shared_fails_access(commands: Commands, workspace: Workspace) -> None:
    for database in list(workspace.databases.values()):
        workspace.unshare(database)
    result = commands.run("check")
    assert result.exit_code == 1
    assert lines(result.stdout)["access"][0] == "FAIL"
    assert "Connections" in lines(result.stdout)["access"][1]


@pytest.mark.parametrize("place", ["missing/catalog.duckdb", "broken.duckdb"])
def test_catalog_that_cannot_be_used_fails(
    commands: Commands, project: Project, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    (project.root / "broken.duckdb").write_text("this is no database, whatever its name says " * 200)
    monkeypatch.setenv("NOTION_PIPELINE_CATALOG", place)
    result = commands.run("check")
    assert result.exit_code == 1
    assert lines(result.stdout)["catalog"][0] == "FAIL"
    assert Path(place).name in lines(result.stdout)["catalog"][1]


def test_databases_that_one_way_alone_finds_are_named(commands: Commands, workspace: Workspace) -> None:
    hidden = workspace.add_database("Only named", {"Name": "title"})
    known = workspace.add_database("Only known", {"Name": "title"})
    commands.ok("sync", "databases")
    workspace.switches.search_gaps = {hidden.id, known.id}
    workspace.add_database("Brand new", {"Name": "title"})
    commands.configure(f"sources: [{{name: fresh, account: {{type: token}}, select: ['*', {hidden.id}]}}]")
    output = commands.ok("check")
    assert 'Only sources.yaml names, and search misses; they are synced all the same: "Only named".' in output
    assert '"Brand new"' in output, "before the first listing search alone knows of all others"
    commands.configure("sources: [{name: notion, account: {type: token}}]")
    output = commands.ok("check")
    assert 'Only search finds, so they are new since the last listing: "Brand new".' in output
    assert (
        'Only the catalog knows, and search misses; they are synced all the same: "Only named", "Only known".' in output
    )
    workspace.trash_database(known)
    assert f'Not seen any more: "Only known" ({known.id}) is in Notion\'s trash.' in commands.ok("check")


def test_relations_that_look_empty_are_named(commands: Commands, workspace: Workspace) -> None:
    salaries = workspace.add_database("Salaries", {"Name": "title"})
    workspace.add_database("People", {"Name": "title", "Payroll": {"type": "relation", "target": salaries}})
    workspace.unshare(salaries)
    assert '"Payroll" of "People"' in commands.ok("check")


def test_what_matches_nothing_is_named(commands: Commands) -> None:
    commands.configure(
        "sources: [{name: notion, account: {type: token}, select: [Taks, Notes], streams: {Gone: {table: gone}}}]"
    )
    result = commands.run("check")
    assert result.exit_code == 1
    assert 'select "Taks" matches no database that the connection sees; nearest is "Tasks".' in result.stdout
    assert 'streams "Gone" matches no database' in result.stdout
    commands.configure("sources: [{name: notion, account: {type: token}, select: [Taks]}]")
    result = commands.run("check")
    assert result.exit_code == 1
    assert "selects none of the 2 databases" in result.stdout


def test_glob_that_matches_nothing_is_named_and_fails_nothing(commands: Commands) -> None:
    commands.configure("sources: [{name: notion, account: {type: token}, deselect: ['Archive*']}]")
    assert 'deselect "Archive*" matches no database' in commands.ok("check")


def test_ambiguous_stream_fails(commands: Commands, workspace: Workspace) -> None:
    workspace.add_database("Tasks", {"Name": "title"})
    commands.configure("sources: [{name: notion, account: {type: token}, streams: {Tasks: {table: jobs}}}]")
    result = commands.run("check")
    assert result.exit_code == 1
    assert "fits 2 databases" in lines(result.stdout)["access"][1]


def test_each_source_has_its_lines(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    commands.configure(
        "sources: [{name: one, account: {type: token}}, {name: two, account: {type: token, token: {env: OTHER}}}]"
    )
    result = commands.run("check")
    assert result.exit_code == 1
    statuses = [line.split()[:3] for line in result.stdout.splitlines() if not line.startswith(" ")]
    assert statuses[1:5] == [
        ["ok", "credentials", "one:"],
        ["ok", "access", "one:"],
        ["FAIL", "credentials", "Source"],
        ["-", "access", "two:"],
    ]
    assert commands.run("check", "--source", "one").exit_code == 0
    assert "nearest is" in commands.run("check", "--source", "onne").stdout


def test_table_names_that_cannot_be_had_or_need_quotes_are_noted(commands: Commands, project: Project) -> None:
    commands.ok("sync")
    with catalogs.changing(project.root) as connection:
        connection.execute("CREATE VIEW notion.mine AS SELECT 1 AS a")
    wish = "sources: [{name: notion, account: {type: token}, streams: {Tasks: {table: %s}, Notes: {table: order}}}]"
    commands.configure(wish % "todos")
    # Not done yet is not taken.
    assert "is taken" not in commands.ok("check")
    commands.configure(wish % "mine")
    commands.ok("sync")
    output = commands.ok("check")
    assert 'the table name "notion"."mine" in sources.yaml is taken by a table or view that is not ours' in output
    assert 'SELECT * FROM notion."order"' in output


def test_bucket_of_reads_in_progress_is_tried_out(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    with s3_place() as place:
        for name, value in place.environ.items():
            monkeypatch.setenv(name, value)
        commands.configure(f"staging: {place.url}\n")
        found = lines(commands.ok("check"))
        assert list(found) == ["config", "credentials", "access", "catalog", "staging"]
        assert found["staging"] == ("ok", f"{place.url}: objects can be listed, written, read and removed")
        assert place.keys == []

        monkeypatch.setenv("NOTION_PIPELINE_STAGING", "s3://missing/folder")
        result = commands.run("check")
        assert result.exit_code == 1
        status, text = lines(result.stdout)["staging"]
        assert status == "FAIL"
        assert "The bucket s3://missing/folder cannot be used" in text
        assert "NoSuchBucket" in text
        assert "may list, read, write and remove objects there" in text
