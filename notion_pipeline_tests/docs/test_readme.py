"""What the README says is so: its commands and options exist, and the files of a new project are the real ones."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from notion_pipeline.cli import COMMANDS, main
from notion_pipeline.cli.project_template import DEMO_FILES, template
from notion_pipeline.config.sources import load_sources
from notion_pipeline.project import Project

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TEXT = "\n".join([README, *(page.read_text(encoding="utf-8") for page in sorted((ROOT / "docs").glob("*.md")))])
SHELL_LINES = [
    line.strip() for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL) for line in block.splitlines()
]
OUR_CALLS = sorted(set(re.findall(r"(?<!\[)notion-pipeline ([a-z]+[^`\n|>;]*)", TEXT)))


@pytest.mark.parametrize("name", DEMO_FILES)
def test_a_new_project_gets_the_files_of_this_one(name: str) -> None:
    assert template(name) == (ROOT / name).read_text(encoding="utf-8")


def test_the_sources_file_of_a_new_project_means_the_same_as_none(project: Project) -> None:
    without = load_sources(project)
    (project.root / "sources.yaml").write_text(template("sources.yaml"), encoding="utf-8")
    assert load_sources(project) == without


@pytest.mark.parametrize("call", OUR_CALLS)
def test_commands_and_options_exist(call: str) -> None:
    name, *rest = shlex.split(call.split(" from ", maxsplit=1)[0].rstrip(".;:,"))
    assert name in COMMANDS
    command = main.get_command(click.Context(main), name)
    assert command is not None
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in rest if word.startswith("--")} <= known


def test_the_two_commands_are_one_line_each_and_start_from_nothing() -> None:
    demo = "python3 -m venv .venv && .venv/bin/pip install -q . && .venv/bin/notion-pipeline demo"
    tests = "python3 -m venv .venv && .venv/bin/pip install -q -e '.[dev]' && .venv/bin/python -m pytest"
    assert [line for line in SHELL_LINES if "python3" in line] == [demo, tests]


def test_the_ci_runs_the_tests_as_the_readme_says() -> None:
    (pattern,) = re.findall(r'grep -m1 "(.*)" README.md', (ROOT / ".ci" / "run").read_text(encoding="utf-8"))
    found = [line for line in README.splitlines() if re.search(pattern, line)]
    assert found == [line for line in SHELL_LINES if "pytest" in line]


def test_the_package_holds_every_folder_of_it() -> None:
    """`pip install .` leaves out a folder of modules without an `__init__.py`, while an editable install does not."""
    folders = {path.parent for path in (ROOT / "notion_pipeline").rglob("*.py")}
    assert [folder for folder in folders if not (folder / "__init__.py").is_file()] == []
