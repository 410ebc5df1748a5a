"""`notion-pipeline init`: a project of one's own, outside any checkout."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from notion_pipeline.cli import main
from notion_pipeline.cli.project_template import FILES, content, template
from notion_pipeline.config.sources import load_sources, schema_text
from notion_pipeline.project import find_project

PROGRAM = [sys.executable, "-m", "notion_pipeline.cli"]


def test_new_project_has_what_a_user_expects(tmp_path: Path) -> None:
    done = subprocess.run([*PROGRAM, "init", "team/notion"], cwd=tmp_path, capture_output=True, text=True, check=True)
    folder = tmp_path / "team" / "notion"
    assert {path.name for path in folder.iterdir()} == set(FILES)
    assert {"workspace.yaml", "dagster.yaml", "sources.yaml", ".env.example", ".gitignore"} <= set(FILES)
    assert all(name in done.stdout for name in FILES)
    for step in ("cd team/notion", "connect", ".env", "check", "sync", "dev"):
        assert step in done.stdout
    assert (folder / "workspace.yaml").read_text(encoding="utf-8") == template("workspace.yaml")
    assert (folder / "sources.schema.json").read_text(encoding="utf-8") == schema_text()
    assert (
        (folder / "sources.yaml")
        .read_text(encoding="utf-8")
        .startswith("# yaml-language-server: $schema=sources.schema.json\n")
    )
    project = find_project(folder, {})
    assert (project.root, [source.name for source in load_sources(project).sources]) == (folder, ["notion"])


def test_the_example_env_is_one(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(content(".env.example"), encoding="utf-8")
    (tmp_path / "workspace.yaml").touch()
    # A token left empty is none.
    assert {name for name, value in find_project(tmp_path, {}).environ.items() if value} == set()


def test_dagster_loads_a_new_project(tmp_path: Path) -> None:
    subprocess.run([*PROGRAM, "init", "."], cwd=tmp_path, capture_output=True, check=True)
    done = subprocess.run(
        [sys.executable, "-m", "dagster", "definitions", "validate"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", FILES)
def test_nothing_is_written_over(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine", encoding="utf-8")
    result = CliRunner().invoke(main, ["init", str(tmp_path)])
    assert result.exit_code == 1
    assert f"holds {name} already; nothing was written" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text(encoding="utf-8") == "mine"


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    for wish in ("taken", "taken/below"):
        result = CliRunner().invoke(main, ["init", str(tmp_path / wish)])
        assert result.exit_code == 1
        assert result.stderr.count("Error: ") == 1
    assert CliRunner().invoke(main, ["init"]).exit_code == 2
