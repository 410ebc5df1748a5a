"""`notion-pipeline init`: a project of one's own, outside any checkout."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from notion_pipeline.cli import main
from notion_pipeline.cli.project_template import FILES, content, template
from notion_pipeline.cli.runs.sync_jobs import project_instance
from notion_pipeline.config.sources import load_sources, schema_text
from notion_pipeline.errors import ConfigError
from notion_pipeline.project import find_project

PROGRAM = [sys.executable, "-m", "notion_pipeline.cli"]


def files_of(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def initialised(folder: Path) -> str:
    """What `init` says, once it has made or completed a project."""
    result = CliRunner().invoke(main, ["init", str(folder)])
    assert result.exit_code == 0, result.output
    return result.output


def test_new_project_has_what_a_user_expects(tmp_path: Path) -> None:
    done = subprocess.run([*PROGRAM, "init", "team/notion"], cwd=tmp_path, capture_output=True, text=True, check=True)
    folder = tmp_path / "team" / "notion"
    assert {name for name in files_of(folder) if not name.startswith((".dagster/", ".notion_pipeline/"))} == {
        *FILES,
        ".env",
    }
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_dagster_commands_find_the_instance(tmp_path: Path) -> None:
    """`dagster-daemon run` and others refuse to start without DAGSTER_HOME; Dagster reads it from `.env`."""
    folder = tmp_path / "of a team"
    initialised(folder)
    # Made by `init` alone: three processes that start at once could leave some that nobody can open.
    databases = {
        f".dagster/storage/{name}.db" for name in ("history/runs", "history/runs/index", "schedules/schedules")
    }
    before = files_of(folder)
    assert databases <= before
    environ = {name: value for name, value in os.environ.items() if not name.startswith("DAGSTER_")}
    done = subprocess.run(
        [sys.executable, "-m", "dagster", "instance", "info"],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert f"$DAGSTER_HOME: {folder / '.dagster'}" in done.stdout
    assert files_of(folder) == before, "the project's dagster.yaml is the one that counts"
    assert stat.S_IMODE((folder / ".env").stat().st_mode) == 0o600


@pytest.mark.slow
def test_own_definitions_are_part_of_the_code_location(tmp_path: Path) -> None:
    initialised(tmp_path)
    (tmp_path / "defs" / "mine.py").write_text("import dagster as dg\n\n\n@dg.asset\ndef mine() -> None: ...\n")
    (tmp_path / "below").mkdir()
    code = "from notion_pipeline.definitions import defs; print(*sorted(k.to_user_string() for k in keys(defs)))"
    keys = "keys = lambda defs: defs.resolve_asset_graph().get_all_asset_keys()"
    for folder in (tmp_path, tmp_path / "below"):
        printed = subprocess.check_output([sys.executable, "-c", f"{keys}; {code}"], cwd=folder, text=True)
        assert {"mine", "notion/database", "notion/databases"} <= set(printed.split())


def test_a_folder_of_that_name_that_is_not_of_the_project_is_left_alone(tmp_path: Path) -> None:
    initialised(tmp_path)
    (tmp_path / "pyproject.toml").write_text('[tool.dg.project]\nroot_module = "company"\n')
    (tmp_path / "defs" / "mine.py").write_text("raise RuntimeError('loaded')\n")
    code = "from notion_pipeline.definitions import defs; defs.resolve_asset_graph()"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)


def test_a_project_gets_what_it_lacks_and_keeps_what_it_has(tmp_path: Path) -> None:
    initialised(tmp_path)
    for name in ("workspace.production.yaml", ".env", ".dagster/dagster.yaml"):  # as in a clone
        (tmp_path / name).unlink()
    (tmp_path / "dagster.yaml").write_text("# mine", encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text("[project]", encoding="utf-8")
    said = initialised(tmp_path)
    assert "Added: workspace.production.yaml, .dagster/dagster.yaml, .env." in said
    assert "[tool.dg.project]" in said, "what `dg` needs is not in the pyproject.toml that was kept"
    assert (tmp_path / "dagster.yaml").read_text(encoding="utf-8") == "# mine"
    assert (tmp_path / "pyproject.toml").read_text(encoding="utf-8") == "[project]"
    assert (tmp_path / ".dagster" / "dagster.yaml").read_text(encoding="utf-8") == "# mine"
    assert "Added: nothing" in initialised(tmp_path)


def test_a_moved_project_is_mended_and_variables_stay(tmp_path: Path) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    initialised(before)
    with (before / ".env").open("a", encoding="utf-8") as file:
        file.write("NOTION_TOKEN=ntn_mine\n")
    before.rename(after)
    with pytest.raises(ConfigError, match=r"init .*after` sets it anew"), project_instance(find_project(after, {})):
        pass
    assert "DAGSTER_HOME in .env" in initialised(after)
    environ = find_project(after, {}).environ
    assert (environ["DAGSTER_HOME"], environ["NOTION_TOKEN"]) == (str(after / ".dagster"), "ntn_mine")
    assert (after / ".env").read_text(encoding="utf-8").count("DAGSTER_HOME=") == 1


@pytest.mark.parametrize("line", ["DAGSTER_HOME=/srv/dagster", "export DAGSTER_HOME = /srv/dagster"])
def test_a_dagster_home_of_the_users_own_stays(tmp_path: Path, line: str) -> None:
    (tmp_path / ".env").write_text(line, encoding="utf-8")
    initialised(tmp_path)
    assert (tmp_path / ".env").read_text(encoding="utf-8") == line


def test_variables_without_a_line_break_at_the_end_stay_whole(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("NOTION_TOKEN=ntn_mine", encoding="utf-8")
    initialised(tmp_path)
    environ = find_project(tmp_path, {}).environ
    assert (environ["NOTION_TOKEN"], environ["DAGSTER_HOME"]) == ("ntn_mine", str(tmp_path / ".dagster"))


@pytest.mark.parametrize("name", [name for name in FILES if "/" not in name])
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
