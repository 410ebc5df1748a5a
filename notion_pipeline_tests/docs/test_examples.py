"""The example package: what follows a Notion database, what a source follows, and who hears of failures."""

from __future__ import annotations

import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from examples.company.alerts import webhook_on_failure
from examples.company.reports import deals_count, tasks_by_status
from examples.company.triggers import crm_export, notion_after_crm_export
from notion_pipeline.defs.build import build_definitions
from notion_pipeline.defs.failures import failure_message
from notion_pipeline.project import Project, find_project
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.http.server import SandboxServer
from notion_pipeline.sandbox.sample import SAMPLE_TOKEN, sample_workspace
from notion_pipeline_tests.support.dagster_runs import refuse
from notion_pipeline_tests.support.whole_way import Pipeline

MINE = dg.Definitions(assets=[deals_count, tasks_by_status, crm_export], sensors=[notion_after_crm_export])


@pytest.fixture(scope="module")
def sample() -> Workspace:
    return sample_workspace(token=SAMPLE_TOKEN)


@pytest.fixture
def synced(sample: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pipeline]:
    """The sample workspace, of which Deals and Tasks are selected."""
    with SandboxServer(sample) as server:
        monkeypatch.setenv("NOTION_API_URL", server.url)
        monkeypatch.setenv("NOTION_TOKEN", SAMPLE_TOKEN)
        (tmp_path / "workspace.yaml").touch()
        pipeline = Pipeline(find_project(tmp_path), sample)
        pipeline.configure(
            "sources: [{name: notion, account: {type: token}, select: [Deals, Tasks, People], limits: {}}]"
        )
        yield pipeline


def merged(project: Project) -> dg.Definitions:
    return dg.Definitions.merge(build_definitions(project), MINE)


def test_dagster_loads_the_package(project: Project) -> None:
    """With the alerts that stand only where their variables are set."""
    alerts = {
        "ALERT_WEBHOOK": "http://127.0.0.1:1",
        **{f"ALERT_MAIL_{name}": "somebody@example.org" for name in ("TO", "FROM", "PASSWORD", "HOST")},
    }
    done = subprocess.run(
        [sys.executable, "-m", "dagster", "definitions", "validate", "-m", "examples.company.definitions"],
        cwd=project.root,
        env={**os.environ, **alerts, "PYTHONPATH": str(Path(__file__).parents[2])},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_assets_run_when_their_own_database_was_synced(synced: Pipeline) -> None:
    assert synced.sync(only=["People"]).success  # a listing names the tables

    def wanted(cursor: object = None) -> tuple[set[str], object]:
        definitions = merged(synced.project)
        result = dg.evaluate_automation_conditions(definitions, synced.instance, cursor=cursor)  # type: ignore[arg-type]
        keys = (deals_count.key, tasks_by_status.key)
        return {key.to_user_string() for key in keys if result.get_num_requested(key)}, result.cursor

    _, cursor = wanted()
    assert synced.sync(only=["People"]).success
    found, cursor = wanted(cursor)
    assert found == set()
    assert synced.sync(only=["Deals"]).success
    found, cursor = wanted(cursor)
    assert found == {"deals_count"}
    assert synced.sync(only=["Tasks"]).success
    found, cursor = wanted(cursor)
    assert found == {"tasks_by_status"}


def test_assets_read_the_catalog_by_sql_and_by_load_input(synced: Pipeline) -> None:
    assert synced.sync(only=["Deals", "Tasks"]).success
    definitions = merged(synced.project)
    for asset, count in ((deals_count, 120), (tasks_by_status, 376)):
        job = definitions.resolve_implicit_global_asset_job_def().get_subset(asset_selection={asset.key})
        result = job.execute_in_process(instance=synced.instance)
        (event,) = result.asset_materializations_for_node(asset.key.to_python_identifier())
        numbers = [entry.value for entry in event.metadata.values() if isinstance(entry, dg.IntMetadataValue)]
        assert sum(numbers) == count


def test_source_is_synced_after_another_asset(synced: Pipeline) -> None:
    definitions = merged(synced.project)
    dg.materialize([crm_export], instance=synced.instance)
    context = dg.build_sensor_context(instance=synced.instance, definitions=definitions)
    data = notion_after_crm_export.evaluate_tick(context)
    (request,) = data.run_requests or []
    assert request.partition_key is None
    assert notion_after_crm_export.job_name == "notion_sync"


class TestFailures:
    @pytest.fixture
    def failed(
        self, synced: Pipeline, sample: Workspace
    ) -> Iterator[tuple[dg.RunFailureSensorContext, dg.DagsterInstance]]:
        deals = next(database for database in sample.databases.values() if database.title == "Deals")
        refuse(sample, deals)
        try:
            result = (
                build_definitions(synced.project)
                .resolve_job_def("notion_sync")
                .execute_in_process(instance=synced.instance, raise_on_error=False)
            )
        finally:
            sample.faults.clear()
        event = next(event for event in result.all_events if event.event_type is dg.DagsterEventType.RUN_FAILURE)
        run = synced.instance.get_run_by_id(result.run_id)
        assert run is not None
        context = dg.build_run_status_sensor_context(
            sensor_name="webhook_on_failure", dagster_event=event, dagster_instance=synced.instance, dagster_run=run
        )
        yield context.for_run_failure(), synced.instance

    def test_message_names_databases_reasons_and_hints(
        self, failed: tuple[dg.RunFailureSensorContext, dg.DagsterInstance]
    ) -> None:
        message = failure_message(failed[0])
        assert message.startswith("notion_sync failed (run ")
        assert "1 of 3 databases of source notion failed; the others are committed." in message
        assert '"Deals" (' in message
        assert "403" in message
        assert "Traceback" not in message

    def test_webhook_gets_the_message(
        self,
        failed: tuple[dg.RunFailureSensorContext, dg.DagsterInstance],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        got: list[str] = []

        class Receiver(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["text"])
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nothing on standard error."""

        with http.server.HTTPServer(("127.0.0.1", 0), Receiver) as server:
            threading.Thread(target=server.handle_request, daemon=True).start()
            monkeypatch.setenv("ALERT_WEBHOOK", f"http://127.0.0.1:{server.server_port}/hook")
            webhook_on_failure(failed[0])
        assert got == [failure_message(failed[0])]
