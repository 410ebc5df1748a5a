"""The code location: its names to the letter, that it loads without network or catalog, and Dagster's own commands."""

from __future__ import annotations

import os
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest
from dagster._core.snap.snap_to_yaml import default_values_from_type_snap

import notion_pipeline
from notion_pipeline.config.sources import parse_sources
from notion_pipeline.defs.build import build_definitions
from notion_pipeline.errors import ConfigError
from notion_pipeline.project import find_project
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.http.server import SandboxServer
from notion_pipeline_tests.support.patience import PATIENCE

ROOT = Path(notion_pipeline.__file__).parents[1]


def definitions_of(folder: Path, *sources: dict[str, Any], **more: Any) -> dg.Definitions:
    entries = [{"account": {"type": "token"}, **source} for source in sources]
    return build_definitions(find_project(folder, environ={}), parse_sources({"sources": entries, **more}))


def names(definitions: dg.Definitions) -> dict[str, list[str]]:
    repository = definitions.get_repository_def()
    return {
        "assets": sorted(key.to_user_string() for key in repository.asset_graph.get_all_asset_keys()),
        "jobs": sorted(job.name for job in repository.get_all_jobs() if not job.name.startswith("__")),
        "schedules": sorted(schedule.name for schedule in repository.schedule_defs),
        "sensors": sorted(sensor.name for sensor in repository.sensor_defs),
    }


def test_names_without_a_sources_file(tmp_path: Path) -> None:
    assert names(build_definitions(find_project(tmp_path, environ={}))) == {
        "assets": ["notion/database", "notion/databases", "notion/sync"],
        "jobs": ["notion_full_sync", "notion_sync"],
        "schedules": [],
        "sensors": ["notion_changes"],
    }


def test_names_of_two_sources(tmp_path: Path) -> None:
    found = definitions_of(
        tmp_path,
        {"name": "sales", "schedule": "0 6 * * *", "full_sync_schedule": "0 3 * * 0", "watch": True},
        {"name": "hr", "schedule": "0 7 * * *"},
    )
    assert names(found) == {
        "assets": [f"{source}/{name}" for source in ("hr", "sales") for name in ("database", "databases", "sync")],
        "jobs": ["hr_full_sync", "hr_sync", "sales_full_sync", "sales_sync"],
        "schedules": ["hr_schedule", "sales_full_sync_schedule", "sales_schedule"],
        "sensors": ["hr_changes", "sales_changes"],
    }


def test_assets_have_group_partitions_kinds_and_one_run_for_many_keys(tmp_path: Path) -> None:
    graph = definitions_of(tmp_path, {"name": "sales"}).get_repository_def().asset_graph
    listing, content, whole = (graph.get(dg.AssetKey(["sales", name])) for name in ("databases", "database", "sync"))
    assert {listing.group_name, content.group_name, whole.group_name} == {"sales"}
    assert listing.partitions_def is None
    assert content.partitions_def == dg.DynamicPartitionsDefinition(name="sales_databases")
    assert whole.partitions_def is None
    # `sales/databases+` is a whole sync, so nothing with partitions may stand downstream of it.
    assert content.parent_keys == set()
    # With one above it, the first click on *Materialize* would ask for confirmation.
    assert whole.parent_keys == set()
    assert content.backfill_policy == dg.BackfillPolicy.single_run()
    assert listing.kinds == content.kinds == {"notion", "duckdb"}
    assert listing.description
    assert content.description


def test_launchpad_offers_sync_type_and_databases(tmp_path: Path) -> None:
    job = definitions_of(tmp_path, {"name": "notion"}).resolve_job_def("notion_sync")
    for sync_type in ("INCREMENTAL", "FULL_TABLE"):
        config = {"ops": {"notion__database": {"config": {"sync_type": sync_type, "databases": ["Tasks"]}}}}
        assert dg.validate_run_config(job, config)
    with pytest.raises(dg.DagsterInvalidConfigError):
        dg.validate_run_config(job, {"ops": {"notion__database": {"config": {"sync_type": "SOMETIMES"}}}})


def test_launchpad_shows_the_databases_and_explains_each_field(tmp_path: Path) -> None:
    job = definitions_of(tmp_path, {"name": "notion"}).resolve_job_def("notion_sync")
    snapshot = job.get_config_schema_snapshot()
    root = snapshot.get_config_snap(job.run_config_schema.config_type.key)
    shown = default_values_from_type_snap(root, snapshot)
    assert shown["ops"]["notion__database"]["config"] == {"databases": [], "sync_type": None}
    fields = [field for snap in snapshot.all_config_snaps_by_key.values() for field in snap.fields or ()]
    described = {field.name: field.description for field in fields if field.name in ("databases", "sync_type")}
    assert all(described.values())
    assert dg.validate_run_config(job, shown)


def test_loading_opens_neither_connection_nor_catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(duckdb, "connect", refuse)
    assert names(definitions_of(tmp_path, {"name": "notion"}))["jobs"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("catalog", ["notion.duckdb", "data/Notion.v2.duckdb"])
def test_catalog_with_the_name_of_a_source_is_refused(tmp_path: Path, catalog: str) -> None:
    """DuckDB names an open file after its stem, and could not tell `notion.tasks` of the two then."""
    with pytest.raises(ConfigError, match=r'has the name of source "notion".*Name the file otherwise'):
        definitions_of(tmp_path, {"name": "other"}, {"name": "notion"}, catalog=catalog)
    assert definitions_of(tmp_path, {"name": "other"}, catalog=catalog)


def test_resources_show_no_token(tmp_path: Path) -> None:
    project = find_project(tmp_path, environ={"NOTION_TOKEN": "ntn_secret"})
    definitions = build_definitions(project)
    assert "ntn_secret" not in repr(definitions.resources) + repr(project)


# Dagster's own commands, as processes


@pytest.fixture
def checkout(tmp_path: Path, sandbox: SandboxServer) -> Path:
    """What somebody who cloned the repository starts from."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    for name in ("workspace.yaml", "dagster.yaml", "sources.yaml", ".gitignore"):
        shutil.copyfile(ROOT / name, folder / name)
    for command in (["init", "-q"], ["add", "-A"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return folder


def dagster(
    folder: Path, sandbox: SandboxServer, *arguments: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("NOTION_", "DAGSTER_"))}
    ours = {"NOTION_API_URL": sandbox.url, "NOTION_TOKEN": sandbox.ws.token.value, "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "dagster", *arguments, "-m", "notion_pipeline.definitions"]
    return subprocess.run(
        command,
        cwd=folder,
        env={**inherited, **ours, **variables},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def materialize(folder: Path, sandbox: SandboxServer, *arguments: str, **variables: str) -> None:
    done = dagster(folder, sandbox, "asset", "materialize", *arguments, **variables)
    assert done.returncode == 0, done.stdout + done.stderr


def untracked(folder: Path) -> list[str]:
    status = ["git", "status", "--porcelain", "--untracked-files=all"]
    changed = subprocess.run(status, cwd=folder, check=True, capture_output=True, text=True).stdout.splitlines()
    return [line for line in changed if not line.startswith("A ")]


@pytest.mark.slow
def test_plain_dagster_commands_sync_and_litter_nothing(
    workspace: Workspace, checkout: Path, sandbox: SandboxServer
) -> None:
    for day, title in enumerate(("A", "B", "C"), start=1):
        workspace.add_database(title, {"Name": "title"}, created_at=f"2026-01-0{day}T00:00:00Z")
    materialize(checkout, sandbox, "--select", "notion/databases", DAGSTER_HOME=str(checkout))
    materialize(checkout, sandbox, "--select", "notion/database", "--partition", "c")
    materialize(
        checkout, sandbox, "--select", "notion/database", "--partition-range", "a...b", DAGSTER_HOME=str(checkout)
    )
    with duckdb.connect(str(checkout / "catalog.duckdb"), read_only=True) as connection:
        found = connection.execute("SELECT table_name FROM duckdb_tables() WHERE schema_name = 'notion'").fetchall()
    assert {row[0] for row in found} == {"databases", "a", "b", "c"}
    assert untracked(checkout) == []
    ignored = {entry.name for entry in checkout.iterdir() if ".duckdb.lock" not in entry.name} - {".git"}
    tracked = {"workspace.yaml", "dagster.yaml", "sources.yaml", ".gitignore"}
    assert ignored == tracked | {".dagster", ".notion_pipeline", "catalog.duckdb"}
    # Runs with and without DAGSTER_HOME stand in one place.
    (database,) = (checkout / ".dagster").rglob("runs.db")
    with closing(sqlite3.connect(database)) as runs:
        assert runs.execute("SELECT status, count(*) FROM runs GROUP BY 1").fetchall() == [("SUCCESS", 3)]


def test_mistake_in_sources_yaml_ends_dagsters_error_with_our_message(checkout: Path, sandbox: SandboxServer) -> None:
    (checkout / "sources.yaml").write_text("sources: [{name: notion, acount: {type: token}}]")
    done = dagster(checkout, sandbox, "definitions", "validate")
    assert done.returncode == 1
    assert re.search(r"ConfigError: sources\.yaml: sources\[0\] \(notion\).*acount", done.stdout + done.stderr)
