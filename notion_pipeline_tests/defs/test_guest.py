"""Definitions as guests in a project of somebody else: they change nothing of the host's."""

from __future__ import annotations

from pathlib import Path

import dagster as dg

from notion_pipeline.config.sources import parse_sources
from notion_pipeline.defs.build import build_definitions
from notion_pipeline.project import Project, find_project
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline_tests.support.dagster_runs import Runs

BOTH = {"select": ["Tasks"], "account": {"type": "token"}}


def host() -> dg.Definitions:
    @dg.asset
    def report(catalog: dg.ResourceParam[str]) -> str:
        return catalog

    return dg.Definitions(
        assets=[report],
        jobs=[dg.define_asset_job("reporting", [report])],
        resources={"catalog": "mine", "io_manager": dg.mem_io_manager},
        executor=dg.multiprocess_executor,
    )


def test_host_keeps_its_executor_and_a_resource_called_catalog(project: Project) -> None:
    merged = dg.Definitions.merge(build_definitions(project), host())
    assert merged.executor is dg.multiprocess_executor
    assert merged.resolve_job_def("reporting").executor_def is dg.multiprocess_executor
    assert merged.resolve_job_def("notion_sync").executor_def is dg.in_process_executor
    result = merged.resolve_job_def("reporting").execute_in_process()
    assert result.output_for_node("report") == "mine"


def test_given_sources_are_what_runs(runs: Runs, project: Project, workspace: Workspace) -> None:
    for title in ("Tasks", "Deals"):
        workspace.add_database(title, {"Name": "title"})
    (project.root / "sources.yaml").write_text("sources: [{name: other, account: {type: token}}]")
    given = parse_sources({"sources": [{"name": "notion", **BOTH}]})
    job = build_definitions(project, given).resolve_job_def("notion_sync")
    result = job.execute_in_process(instance=runs.instance, raise_on_error=False)
    assert result.success
    assert runs.materialized(result.run_id) == ["tasks"]


def test_another_tools_sources_file_is_not_read(project: Project, runs: Runs, workspace: Workspace) -> None:
    workspace.add_database("Tasks", {"Name": "title"})
    (project.root / "sources.yaml").write_text("version: 2\nsources:\n  - name: raw\n    tables: [{name: x}]\n")
    definitions = build_definitions(project, parse_sources({"sources": [{"name": "notion", **BOTH}]}))
    job = definitions.resolve_job_def("notion_sync")
    assert job.execute_in_process(instance=runs.instance, raise_on_error=False).success


def test_two_projects_stand_side_by_side(tmp_path: Path) -> None:
    projects = []
    for name in ("crm", "wiki"):
        (tmp_path / name).mkdir()
        projects.append(
            build_definitions(
                find_project(tmp_path / name, environ={}), parse_sources({"sources": [{"name": name, **BOTH}]})
            )
        )
    merged = dg.Definitions.merge(*projects, host())
    keys = {key.to_user_string() for key in merged.resolve_asset_graph().get_all_asset_keys()}
    assert keys == {f"{name}/{asset}" for name in ("crm", "wiki") for asset in ("database", "databases", "sync")} | {
        "report"
    }
    assert merged.get_repository_def()
