"""What docs/operating.md says under "In production" starts as pasted, and works without a hand on it."""

from __future__ import annotations

import os
import re
import shlex
import shutil
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

pytestmark = pytest.mark.slow


ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
UNITS = sorted((ROOT / "deploy" / "systemd").glob("*.service"))
FOLDER = "/srv/notion"
PROGRAMS = f"{FOLDER}/.venv/bin/"
SCHEDULED = """
sources:
  - name: notion
    account: {type: token, token: {env: NOTION_TOKEN}}
    schedule: "* * * * *"
"""


def settings(unit: Path) -> list[tuple[str, str]]:
    """The lines of a unit, in order; a name may come again."""
    lines = unit.read_text(encoding="utf-8").splitlines()
    return [(name, value) for name, found, value in (line.partition("=") for line in lines) if found and name[0] != "#"]


def command(unit: Path) -> str:
    (found,) = (value for name, value in settings(unit) if name == "ExecStart")
    return found


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """As `init` makes it, with its environment beside it."""
    folder = tmp_path / "project"
    result = CliRunner().invoke(main, ["init", str(folder)])
    assert result.exit_code == 0, result.output
    (folder / ".venv").symlink_to(sys.prefix)
    return folder


@pytest.fixture
def services(project: Path, tmp_path: Path) -> Iterator[Services]:
    started = Services(project, tmp_path)
    try:
        yield started
    finally:
        started.end()


def start_units(services: Services, project: Path) -> Webserver:
    """Every unit's command as systemd starts it: with the unit's variables and those of its file, and no others."""
    port = free_port()
    for unit in UNITS:
        environ = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(project), "PYTHONPATH": str(ROOT)}
        for name, value in settings(unit):
            here = value.replace(FOLDER, str(project))
            if name == "Environment":
                environ.update([here.split("=", 1)])
            if name == "EnvironmentFile":
                lines = Path(here.removeprefix("-")).read_text(encoding="utf-8").splitlines()
                environ.update(line.split("=", 1) for line in lines if line and not line.startswith("#"))
        words = shlex.split(command(unit).replace(FOLDER, str(project)).replace("--port 3000", f"--port {port}"))
        services.start(unit.stem, words, environ)
    return Webserver(port)


def succeeded(web: Webserver) -> int:
    """How many runs of schedules have succeeded; none may fail."""
    found = web.runs(by_schedule=True)
    assert "FAILURE" not in found
    return found.count("SUCCESS")


def test_the_units_start_what_the_page_says() -> None:
    section = PAGE.split("## In production\n")[1].split("\n### ")[0]
    (block,) = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    assert {command(unit).removeprefix(PROGRAMS) for unit in UNITS} == set(block.splitlines())
    assert f"```ini\n{(ROOT / 'deploy/systemd/notion-code-server.service').read_text(encoding='utf-8')}```" in PAGE


def test_the_units_differ_in_what_the_page_says() -> None:
    own = {"Description", "Wants", "After", "ExecStart"}
    first, *others = ([line for line in settings(unit) if line[0] not in own] for unit in UNITS)
    assert [first] * 2 == others
    assert all(f" {unit.stem}" in PAGE for unit in UNITS)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_understands_the_units(project: Path, tmp_path: Path) -> None:
    for unit in UNITS:
        (tmp_path / unit.name).write_text(unit.read_text(encoding="utf-8").replace(FOLDER, str(project)))
    found = [str(tmp_path / unit.name) for unit in UNITS]
    done = subprocess.run(["systemd-analyze", "verify", *found], capture_output=True, text=True, check=False)
    assert [line for line in done.stderr.splitlines() if "notion-" in line] == []


# Three minutes of waiting for the minutes of a schedule.
@pytest.mark.long
def test_schedules_run_and_new_tables_show_without_a_hand(
    workspace: Workspace, sandbox: SandboxServer, project: Path, services: Services
) -> None:
    for title in ("Tasks", "Notes"):
        workspace.add_database(title, {"Name": "title"}).data_source.add_page({"Name": f"{title} 1"})
    (project / "sources.yaml").write_text(SCHEDULED, encoding="utf-8")
    with (project / ".env").open("a", encoding="utf-8") as file:
        file.write(f"NOTION_API_URL={sandbox.url}\nNOTION_TOKEN={workspace.token.value}\n")
    made = {path.name for path in project.iterdir()}

    web = start_units(services, project)
    services.wait_for(lambda: web.defines("notion/database", "notion/databases"))
    services.wait_for(lambda: succeeded(web) >= 1)
    services.wait_for(lambda: web.defines("notion/notes", "notion/tasks"))

    # A table that the second run brings.
    workspace.add_database("Shared later", {"Name": "title"}).data_source.add_page({"Name": "new"})
    services.wait_for(lambda: succeeded(web) >= 2)
    services.wait_for(lambda: web.defines("notion/shared_later"))

    # And one that a command brings, which no code server started.
    workspace.add_database("By hand", {"Name": "title"}).data_source.add_page({"Name": "new"})
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    sync = [sys.executable, "-m", "notion_pipeline.cli", "sync"]
    done = subprocess.run(sync, cwd=project, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    services.wait_for(lambda: web.defines("notion/by_hand"))

    assert set(web.runs()) <= {"SUCCESS", "STARTED", "QUEUED", "STARTING"}
    catalog = {path.name for path in project.glob("catalog.duckdb*")}
    assert {path.name for path in project.iterdir()} - catalog - {"__pycache__"} == made
