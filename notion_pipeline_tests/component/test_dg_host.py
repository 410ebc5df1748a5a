"""The component under `dg` in a project of somebody else's, with two instances and the host's multiprocess executor."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
import yaml

from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.http.server import SandboxServer
from notion_pipeline_tests.component.test_component import assets
from notion_pipeline_tests.docs.test_docs import blocks
from notion_pipeline_tests.support.ports import free_port
from notion_pipeline_tests.support.processes.host_project import make_host
from notion_pipeline_tests.support.processes.production import Services, Webserver

pytest.importorskip("dagster_dg_cli")
pytestmark = [pytest.mark.slow, pytest.mark.long]

ROOT = Path(__file__).parents[2]
HOST_ASSETS = """
import dagster as dg


@dg.asset(deps=[dg.AssetKey(["raw", "wiki", "notes"])])
def report() -> None: ...


@dg.definitions
def defs() -> dg.Definitions:
    return dg.Definitions(assets=[report], executor=dg.multiprocess_executor, resources={"catalog": "the host's"})
"""


class DgProject:
    """The project, and `dg` in it."""

    def __init__(self, root: Path, sandbox: SandboxServer, token: str) -> None:
        make_host(root)
        self.root, self.defs = root, root / "src" / "host" / "defs"
        (self.defs / "report.py").write_text(HOST_ASSETS, encoding="utf-8")
        (root / ".env").write_text(f"NOTION_TOKEN={token}\n", encoding="utf-8")
        (home := root / "dagster_home").mkdir()
        (home / "dagster.yaml").touch()
        others = {key: value for key, value in os.environ.items() if not key.startswith(("NOTION_", "DAGSTER_"))}
        self.environ = {
            **others,
            "HOME": str(root),
            "PYTHONPATH": f"{ROOT}:{root / 'src'}",
            "DAGSTER_HOME": str(home),
            "NOTION_API_URL": sandbox.url,
        }

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        dg = str(Path(sys.executable).with_name("dg"))
        return subprocess.run(
            [dg, *arguments], cwd=self.root, env=self.environ, capture_output=True, text=True, check=False
        )

    def dg(self, *arguments: str) -> str:
        """What a command prints, and its log; it succeeds."""
        done = self.run(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def assets(self) -> set[str]:
        done = self.run("list", "defs", "--json")
        assert done.returncode == 0, done.stderr
        return {asset["asset_key"] for asset in json.loads(done.stdout)["assets"]}


@pytest.fixture
def project(workspace: Workspace, sandbox: SandboxServer, tmp_path: Path) -> DgProject:
    for title in ("Deals", "Notes"):
        workspace.add_database(title, {"Name": "title"}).data_source.add_page({"Name": "Row"})
    return DgProject(tmp_path / "host", sandbox, workspace.token.value)


@pytest.mark.long
def test_it_is_listed_scaffolded_checked_refreshed_and_launched(project: DgProject) -> None:
    assert "notion_pipeline.NotionSourceComponent" in project.dg("list", "components", "--json")
    project.dg("scaffold", "defs", "notion_pipeline.NotionSourceComponent", "crm")
    project.dg("check", "yaml")
    assert "All definitions loaded successfully." in project.dg("check", "defs")

    (project.defs / "wiki").mkdir()
    wiki = {
        "account": {"type": "token", "token": "{{ env.WIKI_TOKEN }}"},
        "select": ["Notes"],
        "limits": {"concurrent_requests": "{{ env('REQUESTS', '4') | int }}"},
        "translation": {"key": "raw/{{ source }}/{{ table }}"},
        "defs_state": {"management_type": "VERSIONED_STATE_STORAGE"},
    }
    text = yaml.safe_dump({"type": "notion_pipeline.NotionSourceComponent", "attributes": wiki})
    (project.defs / "wiki" / "defs.yaml").write_text(text, encoding="utf-8")
    with (project.root / ".env").open("a", encoding="utf-8") as file:
        file.write("WIKI_TOKEN=ntn_sandbox_token\n")
    project.dg("check", "yaml")
    project.dg("utils", "refresh-defs-state")
    raw = {f"raw/{key}" for key in assets("wiki", "notes")}
    assert project.assets() == {"report", *assets("crm", "deals", "notes"), *raw}

    # The host's executor starts a process for each step, ours among them.
    log = project.dg("launch", "--assets", 'key:"raw/wiki/sync" or key:"crm/deals"')
    assert "multiprocess executor" in log
    assert "RUN_SUCCESS" in log
    log = project.dg("launch", "--job", "crm_sync")
    assert "multiprocess executor" not in log
    with duckdb.connect(str(project.root / "catalog.duckdb"), read_only=True) as catalog:
        tables = catalog.execute("SELECT schema_name, table_name FROM duckdb_tables() WHERE NOT internal").fetchall()
    assert {("crm", "deals"), ("crm", "notes"), ("wiki", "notes")} <= set(tables)
    assert ("wiki", "deals") not in tables
    assert not (project.root / "sources.yaml").exists()


@pytest.mark.long
def test_table_that_leaves_between_two_processes_of_a_run_is_left_out(project: DgProject, workspace: Workspace) -> None:
    project.dg("scaffold", "defs", "notion_pipeline.NotionSourceComponent", "crm")
    project.dg("launch", "--job", "crm_sync")
    workspace.unshare(next(found for found in workspace.databases.values() if found.title == "Notes"))
    done = project.run("launch", "--assets", 'key:"crm/databases"+')
    log = done.stdout + done.stderr
    assert "multiprocess executor" in log
    assert "Invalid selected keys" not in log
    assert "Materialized value crm deals" in log
    assert "STEP_FAILURE" not in log
    assert "Materialized value crm notes" not in log


LAUNCH = """mutation { launchPipelineExecution(executionParams: {runConfigData: {}, selector: {
repositoryLocationName: "host", repositoryName: "__repository__", pipelineName: "__ASSET_JOB",
assetSelection: [{path: ["crm", "sync"]}]}}) { __typename ... on PythonError { message } } }"""


def test_tables_of_a_run_appear_in_dg_dev_and_those_retired_cannot_be_materialized(
    project: DgProject, workspace: Workspace, tmp_path: Path
) -> None:
    project.dg("scaffold", "defs", "notion_pipeline.NotionSourceComponent", "crm")
    with (project.defs / "crm" / "defs.yaml").open("a", encoding="utf-8") as file:
        file.write("  defs_state: {management_type: LOCAL_FILESYSTEM, refresh_if_dev: false}\n")
    port, services = free_port(), Services(project.root, tmp_path)
    web = Webserver(port)

    def executable() -> dict[str, bool]:
        nodes = web.ask("{ assetNodes { assetKey { path } isExecutable } }").get("assetNodes", [])
        return {"/".join(node["assetKey"]["path"]): node["isExecutable"] for node in nodes}

    def sync(*tables: str, retired: str = "") -> None:
        assert web.ask(LAUNCH)["launchPipelineExecution"]["__typename"] == "LaunchRunSuccess"
        expected = {**dict.fromkeys([*assets("crm", *tables), "report"], True), "raw/wiki/notes": False}
        if retired:
            expected[retired] = False
        services.wait_for(lambda: web.runs()[0] == "SUCCESS" and executable() == expected)

    try:
        command = [str(Path(sys.executable).with_name("dg")), "dev", "--host", "127.0.0.1", "--port", str(port)]
        services.start("dg dev", command, project.environ)
        services.wait_for(lambda: set(executable()) == {*assets("crm"), "report", "raw/wiki/notes"})
        sync("deals", "notes")
        workspace.unshare(next(found for found in workspace.databases.values() if found.title == "Notes"))
        sync("deals", retired="crm/notes")
    finally:
        services.end()


def test_dg_check_finds_a_key_that_is_none(project: DgProject) -> None:
    path = project.dg("scaffold", "defs", "notion_pipeline.NotionSourceComponent", "crm") and project.defs / "crm"
    with (path / "defs.yaml").open("a", encoding="utf-8") as file:
        file.write("  selekt: [Deals]\n")
    done = project.run("check", "yaml")
    assert done.returncode == 1
    assert "selekt" in done.stdout + done.stderr


def test_the_example_of_the_docs_loads(project: DgProject) -> None:
    (example,) = (text for text in blocks(ROOT / "docs" / "dagster.md", "yaml") if "NotionSourceComponent" in text)
    (project.defs / "crm").mkdir()
    (project.defs / "crm" / "defs.yaml").write_text(example, encoding="utf-8")
    project.dg("check", "yaml")
    assert "raw/crm/deals" in project.assets()
