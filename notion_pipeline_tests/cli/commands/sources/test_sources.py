"""`notion-pipeline sources`: what it tells of each source, from its account to its next run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import datetime

import pytest

from notion_pipeline.cli.commands.sources.source_overview import overviews
from notion_pipeline.config.sources import load_sources
from notion_pipeline.project import Project
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline_tests.support.commands import Commands
from notion_pipeline_tests.support.dagster_runs import refuse
from notion_pipeline_tests.support.patience import PATIENCE

pytestmark = pytest.mark.slow


SOURCES = """
sources:
  - name: notion
    description: Product team workspace
    account: {type: token}
    deselect: [Notes]
    schedule: ["0 6 * * *", "30 18 * * 1-5"]
    full_sync_schedule: "0 3 * * 0"
    timezone: Europe/Paris
    watch: {every_seconds: 30}
  - name: other
    account: {type: token, token: {env: OTHER_TOKEN}}
"""


@pytest.fixture
def commands(project: Project, workspace: Workspace) -> Commands:
    for title in ("Tasks", "Notes"):
        workspace.add_database(title, {"Name": "title"}).data_source.add_page({"Name": "one"})
    commands = Commands(project)
    commands.configure(SOURCES)
    return commands


def test_source_that_never_succeeded_says_how_to_run_it(commands: Commands) -> None:
    output = commands.ok("sources")
    notion, other = output.split("\n\n")
    assert notion.startswith("notion  Product team workspace\n")
    assert 'token in NOTION_TOKEN, workspace "' in notion
    assert "not listed yet" in notion
    assert "never succeeded; `notion-pipeline sync --source notion` runs it" in notion
    assert "OTHER_TOKEN is not set" in other
    assert "sources.yaml has neither schedule nor watch" in other


def test_last_run_next_run_streams_and_rows_are_told(commands: Commands) -> None:
    commands.ok("sync", "--source", "notion")
    notion, other = commands.json("sources", "--json")
    assert (notion["databases"], notion["selected"], notion["rows"], notion["tables"]) == (2, 1, 1, 1)
    assert (notion["last_run"]["what"], notion["last_run"]["result"]) == ("notion_sync", "success")
    assert notion["last_run"]["started_by"] == "the command line"
    assert notion["succeeded"]
    assert (notion["budget"]["requests"], notion["budget"]["requests_a_minute_allowed"]) == (6, 180)
    assert (notion["budget"]["most_requests_in_a_minute"], notion["budget"]["percent_of_limit"]) == (6, 3.3)
    assert other["budget"] is None
    next_run = datetime.fromisoformat(notion["next_run"])
    assert (next_run.hour, next_run.minute) in ((6, 0), (18, 30), (3, 0))
    assert str(next_run.utcoffset()) in ("1:00:00", "2:00:00"), "Europe/Paris"
    assert {trigger["name"] for trigger in notion["triggers"]} == {
        *("notion_schedule", "notion_full_sync_schedule", "notion_changes")
    }
    assert not notion["daemon"]
    assert (other["databases"], other["last_run"], other["next_run"]) == (None, None, None)
    output = commands.ok("sources")
    assert "1 of 2 selected" in output
    assert "6 requests by the sync of " in output
    assert "at most 6 in a minute of 180 (3 %); 0 s waited for the limit" in output
    assert "when something changes, looked for every 30 s (notion_changes)" in output
    assert "now none does" in output


def test_failed_run_is_told_with_its_reason(commands: Commands, workspace: Workspace) -> None:
    tasks = next(database for database in workspace.databases.values() if database.title == "Tasks")
    refuse(workspace, tasks)
    assert commands.run("sync", "--source", "notion").exit_code == 1
    output = commands.ok("sources")
    assert "notion_sync: failure" in output
    assert '"Tasks"' in output
    assert "never succeeded" in output


def test_schedule_that_is_stopped_in_dagster_is_told(commands: Commands, project: Project) -> None:
    stop = [sys.executable, "-m", "dagster", "schedule", "stop", "notion_schedule", "-m", "notion_pipeline.definitions"]
    environment = {**os.environ, "DAGSTER_HOME": str(project.root)}
    done = subprocess.run(stop, cwd=project.root, env=environment, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    notion = commands.json("sources", "--json")[0]
    assert {trigger["name"]: trigger["stopped"] for trigger in notion["triggers"]}["notion_schedule"] is True
    assert "notion_schedule is stopped in Dagster" in commands.ok("sources")


def test_catalog_that_cannot_be_read_is_told_and_the_rest_too(commands: Commands, project: Project) -> None:
    (project.root / "catalog.duckdb").write_text("no database " * 500)
    output = commands.ok("sources")
    assert "cannot be read" in output
    assert "next run" in output
    assert json.loads(commands.ok("sources", "--json"))[0]["rows"] is None


def test_page_comes_when_notion_does_not_answer(commands: Commands, workspace: Workspace) -> None:
    workspace.latency = PATIENCE
    overview, _ = overviews(commands.project, load_sources(commands.project), answer_seconds=0.2)
    assert "Notion did not answer within 0 seconds" in overview.account_problem
    assert overview.upcoming
    assert os.environ["NOTION_TOKEN"]
