"""The whole way through: sources.yaml, Dagster, the sandbox over HTTP, and a DuckDB query at the end."""

from __future__ import annotations

from notion_pipeline.sandbox.workspace import Workspace
from notion_pipeline_tests.whole_way import Pipeline


def test_sync_fills_a_table(workspace: Workspace, pipeline: Pipeline) -> None:
    tasks = workspace.add_database("Tasks", {"Name": "title", "Effort": "number"}).data_source
    tasks.add_page({"Name": "Sew", "Effort": 3})
    run = pipeline.sync()
    assert run.success, run.log
    assert pipeline.query("SELECT name, effort FROM notion.tasks") == [("Sew", 3.0)]
