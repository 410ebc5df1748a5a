"""What other projects import: the names exist, are described, and importing changes nothing in the host process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import notion_pipeline
from notion_pipeline_tests.support.api_reference import documented, reference
from notion_pipeline_tests.test_imports import modules

ROOT = Path(__file__).parent.parent
#: What runs when it is imported: the code location, and the command line as a script.
ENTRY_POINTS = {"definitions", "cli.__main__"}

IMPORT_EVERYTHING = """
import importlib, json, logging, os, sys, threading
import dagster, dagster_duckdb, dagster_webserver  # what they do to the process is theirs

opened, folder = [], os.getcwd()
def watch(event, arguments):
    if event == "open" and isinstance(arguments[0], (str, os.PathLike)):
        if os.path.abspath(arguments[0]).startswith(folder):
            opened.append(str(arguments[0]))
def state():
    return [logging.getLogRecordFactory(), sys.excepthook, threading.excepthook, dict(os.environ), os.getcwd()]

before = state()
sys.addaudithook(watch)
for name in json.loads(sys.argv[1]):
    importlib.import_module(name)
changed = [repr(b) for a, b in zip(before, state()) if a is not b and a != b]
print(json.dumps({"changed": changed, "opened": opened, "left": os.listdir(folder)}))
"""


def run(code: str, folder: Path, *arguments: str) -> str:
    command = [sys.executable, "-W", "ignore", "-c", code, *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_changes_nothing_and_reads_no_file_of_the_project(tmp_path: Path) -> None:
    files = {"workspace.yaml": "", "sources.yaml": "sources: [{", "dagster.yaml": "", ".env": "NOTION_TOKEN=ntn_none"}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    names = [f"notion_pipeline.{module}".rstrip(".") for module in modules() if module not in ENTRY_POINTS]
    found = json.loads(run(IMPORT_EVERYTHING, tmp_path, json.dumps(names)))
    assert found == {"changed": [], "opened": [], "left": found["left"]}
    assert set(found["left"]) == set(files)


def test_the_package_alone_loads_none_of_its_parts(tmp_path: Path) -> None:
    code = "import sys, notion_pipeline; print([name for name in sys.modules if name.startswith('notion_pipeline.')])"
    assert run(code, tmp_path).strip() == "[]"


@pytest.mark.parametrize("name", notion_pipeline.__all__)
def test_every_public_name_is_there_and_described(name: str) -> None:
    assert getattr(notion_pipeline, name).__doc__
    assert name in dir(notion_pipeline)
    assert name in documented()


def test_another_name_is_missing_in_the_usual_way() -> None:
    with pytest.raises(AttributeError, match="nothing_of_ours"):
        notion_pipeline.nothing_of_ours  # noqa: B018


def test_api_page_is_what_the_docstrings_say() -> None:
    again = "write it again: python -m notion_pipeline_tests.support.api_reference > docs/api.md"
    assert (ROOT / "docs" / "api.md").read_text(encoding="utf-8") == reference(), again
