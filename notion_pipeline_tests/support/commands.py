"""Calls commands in a project's folder, in this process."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from notion_pipeline.cli import main
from notion_pipeline.cli.project_template import template
from notion_pipeline.project import Project


@dataclass
class Commands:
    """The command line of one project."""

    project: Project

    def __post_init__(self) -> None:
        (self.project.root / "dagster.yaml").write_text(template("dagster.yaml"), encoding="utf-8")

    def run(self, *arguments: str) -> Result:
        before = Path.cwd()
        os.chdir(self.project.root)
        try:
            return CliRunner().invoke(main, arguments)
        finally:
            os.chdir(before)

    def ok(self, *arguments: str) -> str:
        """Standard output of a command that succeeds."""
        result = self.run(*arguments)
        assert result.exit_code == 0, result.output
        return result.stdout

    def json(self, *arguments: str) -> Any:
        return json.loads(self.ok(*arguments))

    def fails(self, *arguments: str) -> str:
        """The one message of a command that fails with exit code 1."""
        result = self.run(*arguments)
        assert result.exit_code == 1, result.output
        assert len(re.findall("^Error: ", result.stderr, re.MULTILINE)) == 1, result.stderr
        assert "Traceback" not in result.output
        return result.stderr

    def configure(self, text: str) -> None:
        """Writes sources.yaml."""
        (self.project.root / "sources.yaml").write_text(text, encoding="utf-8")

    @property
    def sources_file(self) -> Path:
        return self.project.root / "sources.yaml"
