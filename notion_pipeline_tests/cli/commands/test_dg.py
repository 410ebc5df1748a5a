"""A project of `init` under Dagster's command `dg`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from notion_pipeline.cli import main
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.http.server import SandboxServer
from notion_pipeline_tests.support.ports import free_port
from notion_pipeline_tests.support.processes.production import Services, Webserver

pytestmark = [pytest.mark.slow, pytest.mark.long]


pytest.importorskip("dagster_dg_cli")

ROOT = Path(__file__).parents[3]
DG = [str(Path(sys.executable).with_name("dg"))]


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    others = {name: value for name, value in os.environ.items() if not name.startswith(("NOTION_", "DAGSTER_"))}
    return {**others, "HOME": str(tmp_path / "home"), "PYTHONPATH": str(ROOT)}


@pytest.fixture
def company(workspace: Workspace, sandbox: SandboxServer, tmp_path: Path) -> Path:
    workspace.add_database("Tasks", {"Name": "title"}).data_source.add_page({"Name": "Row"})
    folder = tmp_path / "company"
    result = CliRunner().invoke(main, ["init", str(folder)])
    assert result.exit_code == 0, result.output
    with (folder / ".env").open("a", encoding="utf-8") as file:
        file.write(f"NOTION_API_URL={sandbox.url}\nNOTION_TOKEN={workspace.token.value}\n")
    return folder


@pytest.fixture
def services(company: Path, tmp_path: Path) -> Iterator[Services]:
    started = Services(company, tmp_path)
    try:
        yield started
    finally:
        started.end()


def dg(company: Path, environ: dict[str, str], *arguments: str) -> str:
    """What a command of `dg` prints; it succeeds."""
    done = subprocess.run(
        [*DG, *arguments],
        cwd=company,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def assets(company: Path, environ: dict[str, str]) -> set[str]:
    return {asset["asset_key"] for asset in json.loads(dg(company, environ, "list", "defs", "--json"))["assets"]}


def test_commands_of_dg_work_in_a_new_project(company: Path, environ: dict[str, str]) -> None:
    made = {path.name for path in company.iterdir()}
    dg(company, environ, "check", "toml")
    assert "All definitions loaded successfully." in dg(company, environ, "check", "defs")
    assert {"notion/database", "notion/databases"} <= assets(company, environ)

    dg(company, environ, "launch", "--job", "notion_sync")
    assert "notion/tasks" in assets(company, environ)

    dg(company, environ, "scaffold", "defs", "dagster.asset", "mine.py")
    assert "mine" in assets(company, environ)
    dg(company, environ, "launch", "--assets", "mine")

    catalog = {path.name for path in company.glob("catalog.duckdb*")}
    assert {path.name for path in company.iterdir()} - catalog == made


@pytest.mark.slow
@pytest.mark.long
def test_dg_dev_serves_the_project(company: Path, environ: dict[str, str], services: Services) -> None:
    port = free_port()
    services.start("dg dev", [*DG, "dev", "--host", "127.0.0.1", "--port", str(port)], environ)
    services.wait_for(lambda: Webserver(port).defines("notion/database", "notion/databases"))
