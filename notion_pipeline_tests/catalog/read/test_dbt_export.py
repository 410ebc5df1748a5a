"""`notion-pipeline dbt`: what the file says, and that dbt takes it."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from notion_pipeline.catalog.read.dbt_export import DbtSource, dbt_yaml
from notion_pipeline.catalog.read.table_docs import DocumentedTable
from notion_pipeline.cli.commands.catalog.dbt import longest_wait
from notion_pipeline.config.sources import parse_sources
from notion_pipeline.project import Project
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline_tests.support.commands import Commands

pytestmark = pytest.mark.slow


#: What dbt would render, were it not told otherwise.
ODD = "{{ env_var('HOME') }} {% if x %} {# y #} {{{ 50% \"q\": 'a' #1"


@pytest.fixture
def commands(project: Project, workspace: Workspace) -> Commands:
    tasks = workspace.add_database("Tasks", {"Name": "title", ODD: "number", "Due": "date"})
    tasks.data_source.add_page({"Name": "one", "Due": {"start": "2026-03-01"}})
    commands = Commands(project)
    commands.configure(
        "sources: [{name: notion, account: {type: token}, schedule: '0 6 * * *', description: 'Our team: 100%'}]"
    )
    return commands


def sources_in(text: str) -> list[dict[str, Any]]:
    content = yaml.safe_load(text)
    assert content["version"] == 2
    found: list[dict[str, Any]] = content["sources"]
    return found


def test_file_names_tables_columns_types_and_tests(commands: Commands) -> None:
    commands.ok("sync")
    (source,) = sources_in(commands.ok("dbt"))
    assert (source["name"], source["schema"], source["description"]) == ("notion", "notion", "Our team: 100%")
    assert source["config"] == {"loaded_at_field": "_synced_at"}
    listing, tasks = source["tables"]
    assert (listing["name"], tasks["name"]) == ("databases", "tasks")
    assert listing["config"]["freshness"]["warn_after"] == {"count": 25, "period": "hour"}
    assert tasks["description"].startswith("Tasks https://")
    assert set(tasks["config"]["meta"]) == {"notion_database_id", "notion_data_source_id"}
    columns = {column["name"]: column for column in tasks["columns"]}
    assert columns["id"]["data_tests"] == ["unique", "not_null"]
    assert columns["due"]["description"] == "Due (date)"
    assert columns["due"]["data_type"].startswith("STRUCT(")
    assert commands.ok("dbt") == commands.ok("dbt")


def test_views_and_the_name_of_an_attached_catalog(commands: Commands) -> None:
    commands.ok("sync")
    assert "`notion-pipeline views` makes them" in commands.fails("dbt", "--views")
    commands.ok("views")
    tables, views = sources_in(commands.ok("dbt", "--views", "--database", "notion_catalog"))
    assert (tables["database"], views["name"], views["database"]) == (
        "notion_catalog",
        "notion_views",
        "notion_catalog",
    )
    assert "due_start" in {column["name"] for column in views["tables"][0]["columns"]}


def test_nothing_is_written_over_unasked(commands: Commands, tmp_path: Path) -> None:
    assert "no table" in commands.fails("dbt")
    commands.ok("sync")
    file = tmp_path / "notion.yml"
    commands.ok("dbt", "-o", str(file))
    written = file.read_text(encoding="utf-8")
    assert written == commands.ok("dbt")
    assert "already" in commands.run("dbt", "-o", str(file)).stderr
    file.write_text("mine", encoding="utf-8")
    assert "--force" in commands.fails("dbt", "-o", str(file))
    assert file.read_text(encoding="utf-8") == "mine"
    commands.ok("dbt", "--output", str(file), "--force")
    assert file.read_text(encoding="utf-8") == written
    assert "does not exist" in commands.fails("dbt", "-o", str(tmp_path / "nowhere" / "notion.yml"))


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, None),
        ({"schedule": "0 6 * * 1-5"}, timedelta(days=3)),
        ({"schedule": ["0 6 * * *", "0 18 * * *"]}, timedelta(hours=12)),
        ({"full_sync_schedule": "0 3 * * 0", "schedule": "0 * * * *"}, timedelta(hours=1)),
    ],
)
def test_longest_wait_is_between_two_planned_syncs(settings: dict[str, Any], expected: timedelta | None) -> None:
    entry = {"name": "notion", "account": {"type": "token"}, **settings}
    assert longest_wait(parse_sources({"sources": [entry]}).sources[0]) == expected


def test_descriptions_are_no_templates() -> None:
    table = DocumentedTable("t", ODD, (("id", "VARCHAR", ODD),))
    (source,) = sources_in(dbt_yaml([DbtSource("notion", ODD, [table])]))
    jinja2 = pytest.importorskip("jinja2")
    for text in (source["description"], source["tables"][0]["description"]):
        assert jinja2.Template(text).render() == ODD


def test_dbt_reads_the_tables(commands: Commands, tmp_path: Path) -> None:
    """The recipe of the documentation: a model over the catalog, attached read-only."""
    pytest.importorskip("dbt.adapters.duckdb")
    commands.ok("sync")
    commands.ok("views")
    models = tmp_path / "dbt" / "models"
    models.mkdir(parents=True)
    commands.ok("dbt", "--views", "--database", "notion_catalog", "-o", str(models / "notion.yml"))
    (models / "due.sql").write_text(
        "select t.name, v.due_start from {{ source('notion', 'tasks') }} t "
        "join {{ source('notion_views', 'tasks') }} v using (id)"
    )
    attached = {"path": str(commands.project.root / "catalog.duckdb"), "alias": "notion_catalog", "read_only": True}
    target = {"type": "duckdb", "path": "company.duckdb", "attach": [attached]}
    profiles = {"company": {"target": "dev", "outputs": {"dev": target}}}
    (tmp_path / "dbt" / "profiles.yml").write_text(yaml.safe_dump(profiles))
    (tmp_path / "dbt" / "dbt_project.yml").write_text("{name: company, version: '1.0', profile: company}")
    for command in (["parse", "--show-all-deprecations", "--warn-error"], ["build"], ["source", "freshness"]):
        done = subprocess.run(
            [str(Path(sys.executable).with_name("dbt")), "--no-version-check", *command],
            cwd=tmp_path / "dbt",
            env={**os.environ, "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
