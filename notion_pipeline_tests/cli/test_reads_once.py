"""A command reads sources.yaml and `.env` once; `add` once more to write, since somebody may have changed the file."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from notion_pipeline.project import Project
from notion_pipeline.sandbox.edits.workspace import Workspace

#: Runs a command, and says how often it has opened each of the two files for reading.
COUNTING = """
import collections, os, sys
from notion_pipeline.cli import main

opened = collections.Counter()


def count(event, arguments):
    if event == "open" and isinstance(arguments[0], str) and not arguments[2] & (os.O_WRONLY | os.O_RDWR):
        opened[os.path.basename(arguments[0])] += 1


sys.addaudithook(count)
try:
    main(sys.argv[1:])
finally:
    print("opened", opened["sources.yaml"], opened[".env"])
"""
SOURCES = "sources:\n  - name: notion\n    account: {type: token, token: {env: NOTION_TOKEN}}\n"


@pytest.mark.parametrize(
    ("command", "reads"),
    [
        (["check"], 1),
        (["streams"], 1),
        (["accounts"], 1),
        (["add", "--change", "--dry-run", "--daily", "06:00"], 2),
        (["add", "--change", "--daily", "06:00"], 2),
    ],
)
def test_files_are_read_once(workspace: Workspace, project: Project, command: list[str], reads: int) -> None:
    workspace.add_database("Tasks", {"Name": "title"})
    (project.root / "sources.yaml").write_text(SOURCES, encoding="utf-8")
    (project.root / ".env").write_text("SOMETHING=else\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", COUNTING, *command],
        cwd=project.root,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr
    # `add` reads sources.yaml for its account and for its change, in two threads; mostly one finds what the other read.
    assert done.stdout.splitlines()[-1] in [f"opened {count + 1} 1" for count in range(reads)]
