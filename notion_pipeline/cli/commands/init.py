"""`notion-pipeline init`: makes a project folder."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path

import click

from notion_pipeline.cli.dagster_home import FOLDER
from notion_pipeline.cli.process import working_in
from notion_pipeline.cli.project_template import template, write_project
from notion_pipeline.cli.runs.sync_jobs import project_instance
from notion_pipeline.cli.terminal import echo
from notion_pipeline.project import find_project


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
def init(directory: Path) -> None:
    """Make a project in DIR: workspace.yaml, dagster.yaml, sources.yaml and what goes with them.

    DIR is made if need be. In a project that exists, such as a clone or one that was moved, it adds the files that are
    missing and mends DAGSTER_HOME in .env. A file that is there already is never written over.
    """
    written = write_project(directory)
    _make_storage(directory.resolve())
    if written.is_new:
        echo(f"{directory} is a project now: {', '.join(written.made)}.\n")
        echo(_next_steps(directory))
        return
    echo(f"{directory} is a project already. Added: {', '.join(written.made) or 'nothing, it was complete'}.")
    if written.kept:
        echo(f"Kept as they are: {', '.join(written.kept)}.")
    if "[tool.dg" not in (directory / "pyproject.toml").read_text(encoding="utf-8", errors="replace"):
        echo(f"For `dg`, add to pyproject.toml:\n\n{template('pyproject.toml')}")


def _make_storage(root: Path) -> None:
    """Makes Dagster's SQLite files, unless the user keeps them elsewhere.

    In production three processes start at once. If each of them found no files and made them, it could leave some that
    nobody can open any more ("Version table 'alembic_version' has more than one head present").
    """
    project = find_project(root, {})
    if project.environ.get("DAGSTER_HOME") == str(root / FOLDER):
        with working_in(root), project_instance(project):
            pass


def _next_steps(folder: Path) -> str:
    pipeline, dagster = (_program(name, folder) for name in ("notion-pipeline", "dagster"))
    steps = [
        (f"{pipeline} connect --token", "keeps a connection's token; .env.example shows the other ways"),
        (f"{pipeline} check", "does Notion answer, and what can be seen?"),
        (f"{pipeline} sync", "the first tables"),
        (f"{pipeline} views", "flat views of them"),
        (f"{dagster} dev", "Dagster's UI, the schedules and the sensor"),
    ]
    if Path.cwd().resolve() != folder.resolve():
        steps.insert(0, (f"cd {shlex.quote(str(folder))}", ""))
    width = max(len(command) for command, _ in steps)
    lines = [f"  {command:<{width}}  {'# ' if what else ''}{what}".rstrip() for command, what in steps]
    account = f"No account yet? `{pipeline} sandbox` serves a sample workspace and says how to use it."
    return "\n".join(["Next:", *lines, "", account])


def _program(name: str, folder: Path) -> str:
    """The command that starts a program of this environment in the project: its name where the shell finds it."""
    path = Path(sys.executable).with_name(name)
    found = shutil.which(name)
    if not path.exists() or (found is not None and Path(found) == path):
        return name
    return shlex.quote(os.path.relpath(path, folder.resolve()))
