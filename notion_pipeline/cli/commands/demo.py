"""`notion-pipeline demo`: from the sample workspace to a query, on this machine alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import duckdb
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from notion_pipeline.catalog.sql import quote
from notion_pipeline.catalog.views.flat_views import apply_changes, view_changes, views_schema
from notion_pipeline.cli import CommandError
from notion_pipeline.cli.catalog import open_catalog
from notion_pipeline.cli.commands.sandbox import served_workspace
from notion_pipeline.cli.commands.sync import raise_failures, run_syncs
from notion_pipeline.cli.process import ended_by_sigterm, environment
from notion_pipeline.cli.project_template import write_demo_project
from notion_pipeline.cli.runs.sync_jobs import SyncRequest
from notion_pipeline.cli.terminal import echo, output, title_of
from notion_pipeline.config.sources import Sources, load_sources
from notion_pipeline.project import Project
from notion_pipeline.sandbox.http.server import SandboxServer
from notion_pipeline.sandbox.sample import SAMPLE_TOKEN

_STOP_SECONDS = 20.0
#: The query that is shown: rollups and formulas of one table, a relation between two.
_QUERIES = (
    (
        "Projects, with rollups and a formula as typed columns",
        "SELECT project, status, lead[1].name AS lead, budget, tasks_in_all::INT AS tasks, health\n"
        "FROM notion.projects ORDER BY budget DESC NULLS LAST LIMIT 5",
    ),
    (
        "Customers and their deals, joined over a relation",
        "SELECT c.company, count(*) AS deals, sum(d.amount) AS amount\n"
        "FROM notion.deals d JOIN notion.customers_crm c ON list_contains(d.customer, c.id)\n"
        "WHERE d.stage = 'Won' GROUP BY ALL ORDER BY amount DESC NULLS LAST LIMIT 5",
    ),
)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--dir",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("demo"),
    show_default=True,
    help="The project folder that is made; an earlier demo's is used again.",
)
@click.option("--ui", is_flag=True, help="Then open Dagster's UI, with the sample workspace alive, until Ctrl-C.")
@click.option("--ui-port", type=click.IntRange(1, 65535), default=3000, show_default=True, help="Port of the UI.")
def demo(directory: Path, *, ui: bool, ui_port: int) -> None:
    """Sync the sample workspace and show what was loaded.

    Needs no Notion account: an invented company's workspace is served on this machine, read through Dagster like a
    real one, and loaded into a DuckDB file.
    """
    folder = directory.resolve()
    with SandboxServer(served_workspace()) as server:
        project = write_demo_project(folder, server.url, SAMPLE_TOKEN)
        with environment(project.environ):
            sources = load_sources(project)
            _sync(project, sources)
            _make_views(project, sources)
            _show(output(), project, sources, directory)
            if ui:
                _serve_ui(project, ui_port)


def _sync(project: Project, sources: Sources) -> None:
    # A full sync, so that tables of an older version of the sample become exact.
    outcomes = run_syncs(project, sources, [SyncRequest(source.name, full=True) for source in sources.sources])
    raise_failures(outcomes)


def _make_views(project: Project, sources: Sources) -> None:
    catalog = open_catalog(project, sources, writes=True)
    names = [source.name for source in sources.sources]

    def change(connection: duckdb.DuckDBPyConnection) -> None:
        for name in names:
            schema = views_schema(name, names, catalog)
            apply_changes(connection, schema, view_changes(connection, name, schema))

    catalog.commit(change)


def _show(console: Console, project: Project, sources: Sources, folder: Path) -> None:
    catalog = open_catalog(project, sources)
    with catalog.reading() as connection:
        if connection is None:
            raise CommandError("The demo made no catalog.")
        console.print(_tables(connection))
        for title, query in _QUERIES:
            console.print(Text(f"\n{title}:", style="bold"))
            console.print(Text(query, style="dim"), soft_wrap=True)
            console.print(_result(connection, query))
    console.print(_next_steps(Path(str(catalog.location)), folder), highlight=False, soft_wrap=True)


def _tables(connection: duckdb.DuckDBPyConnection) -> Table:
    found = connection.execute(
        "SELECT coalesce(nullif(d.title, ''), 'Untitled'), s.source, s.table_name FROM _notion_pipeline.streams s "
        "JOIN notion.databases d ON d.id = s.database_id WHERE d.selected ORDER BY 1, 3"
    ).fetchall()
    table = _grid("database", "table", "rows", "columns")
    total = 0
    for title, source, name in found:
        rows = _number(connection, f"SELECT count(*) FROM {quote(source, name)}")
        columns = len(connection.execute(f"DESCRIBE {quote(source, name)}").fetchall())
        table.add_row(Text(title_of(title)), Text(f"{source}.{name}"), f"{rows:,}", f"{columns:,}")
        total += rows
    table.add_section()
    table.add_row(f"{len(found)} tables", "", f"{total:,}", "")
    return table


def _number(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    return int(connection.execute(query).fetchall()[0][0])


def _result(connection: duckdb.DuckDBPyConnection, query: str) -> Table:
    answer = connection.execute(query)
    table = _grid(*(column[0] for column in answer.description or []))
    for row in answer.fetchall():
        table.add_row(*(Text(_shown_value(value)) for value in row))
    return table


def _grid(*columns: str) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in columns:
        is_number = name in {"rows", "columns", "budget", "tasks", "deals", "amount"}
        table.add_column(name, justify="right" if is_number else "left", overflow="fold")
    return table


def _shown_value(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if isinstance(value, float) else title_of(str(value), 48)


def _next_steps(catalog: Path, folder: Path) -> str:
    query = f"import duckdb; duckdb.connect('{_from_here(catalog)}').sql('FROM notion_views.tasks').show()"
    program = _program(Path(sys.executable).with_name("notion-pipeline"))
    python = _program(Path(sys.executable))
    return f"""
[bold]Look further[/bold]
  Query it:           {escape(python)} -c "{escape(query)}"
  See it in Dagster:  {escape(program)} demo --ui
[bold]Connect a real workspace[/bold]
  1. Create a connection at https://www.notion.so/profile/integrations and share databases with it.
  2. {escape(program)} init company, then go into that folder.
  3. There `notion-pipeline connect --token`, then `notion-pipeline sync`.
{escape(str(folder))}/ is a project like any other: its sources.yaml says what is read, its .env points at the sample
workspace, which lives as long as this command.
"""


def _program(path: Path) -> str:
    """The command that starts a program from here: its name where the shell finds it."""
    found = shutil.which(path.name)
    return path.name if found is not None and Path(found) == path else _from_here(path)


def _from_here(path: Path) -> str:
    """The shortest right path: relative where it is below the current folder."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _serve_ui(project: Project, port: int) -> None:
    """Dagster's UI on the demo's project, until it ends or is interrupted."""
    echo(f"Dagster's UI comes up at http://127.0.0.1:{port}; Ctrl-C ends it and the sample workspace.")
    command = [sys.executable, "-m", "dagster", "dev", "--port", str(port)]
    process = subprocess.Popen(command, cwd=project.root, env=dict(os.environ))  # noqa: S603 - all parts are ours
    try:
        with ended_by_sigterm():
            code = process.wait()
    except KeyboardInterrupt:
        # Ctrl-C reached Dagster as well, which stops by itself; a signal to this process alone did not.
        process.terminate()
        code = 0
    finally:
        _end(process)
    if code:
        raise CommandError(f"Dagster's UI ended with exit code {code}. Is port {port} free? Choose one with --ui-port.")


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
